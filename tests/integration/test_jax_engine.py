"""engine = "jax" through every door: options, files, environment, sweeps, workers, and machines without JAX."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

import mfsym as mf
from mfsym.configurations import Cell
from mfsym.configurations.cells import SCHEMA_VERSION
from mfsym.dynamics import NoisySGD
from mfsym.stores.datasets import open_result
from mfsym.streams import normals, stream_key
from tests.tolerances import ALGEBRA, POPULATION, ROUNDOFF, ROUNDOFF32, SPLIT

Run = Callable[..., Result]

with_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="jax is not installed: pip install 'mfsym[jax]'"
)

QUICK = ["-n", 6, "--horizon", 1, "--alpha", 5, "--batch-size", 2, "--dtype", "float64", "-q"]

SWEEP = """
[sweep]
teacher = ["wi"]
scheme = ["vanilla"]
n = [6]
replicates = 3
[training]
horizon = 1.0
alpha = 5.0
batch_size = 2
engine = "jax"
"""

BLOCKED = "import sys; sys.modules['jax'] = None; from mfsym.cli import main; main()"
"""A command line of a machine without JAX."""


FUNCTION = """
import sys
sys.modules["jax"] = None
import mfsym as mf
rep = mf.trivial().trivial(1)
mf.FunctionUnit(max, rep, rep, rep)
"""
"""A function of Python on a machine without JAX."""


def _process(folder: Path, *words: object, code: str = "from mfsym.cli import main; main()", **environment: str):
    """A command line in a process of its own."""
    place = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment}
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=place, timeout=300)


# identity


def test_the_engine_is_part_of_a_cell_and_the_default_is_none_of_its_identity():
    assert Cell(engine="numba").identity == Cell().identity == "13fd9dec53ba5e5dc0ce90dec4cadbe0"
    assert Cell(engine="jax").identity not in ("", Cell().identity)
    assert SCHEMA_VERSION == 3
    assert Cell.from_dict({key: value for key, value in Cell().to_dict().items() if key != "engine"}) == Cell()


@pytest.mark.parametrize("command", ["compare", "simulate", "flow", "phase", "converge", "discover", "counterexample"])
def test_every_command_that_trains_has_the_option(mfsym: Run, command: str):
    assert "--engine [numba|jax]" in mfsym(command, "--help").output


# the doors


@with_jax
def test_commands_files_environment_and_python_give_one_result(mfsym: Run, tmp_path: Path):
    chosen = ["--schemes", "vanilla", *QUICK]
    for name, options, environment in (
        ("option", ["--engine", "jax"], {}),
        ("environment", [], {"MFSYM_ENGINE": "jax"}),
        ("numba", [], {}),
    ):
        mfsym("compare", *chosen, *options, "-o", tmp_path / f"{name}.nc", **environment)
    found = {name: open_result(tmp_path / f"{name}.nc") for name in ("option", "environment", "numba")}
    python = mf.compare("wi", schemes="vanilla", n=6, horizon=1, alpha=5, batch_size=2, dtype="float64", engine="jax")
    for other in (found["environment"], python):
        assert np.array_equal(found["option"].particles, other.particles)
        assert np.array_equal(found["option"].risk, other.risk)
    for name in ("particles", "risk", "l2_symmetrisation"):
        assert np.abs(found["option"][name] - found["numba"][name]).max() < ALGEBRA
    assert found["numba"].attrs["engine"] == "numba"
    assert found["option"].attrs["engine"].startswith("jax ")
    assert " on " in found["option"].attrs["engine"]
    assert json.loads(found["option"].attrs["config"])["engine"] == "jax"
    assert json.loads(found["option"].attrs["packages"])["jaxlib"] != "absent"


@with_jax
def test_a_sweep_over_engines_has_a_dimension_of_them(mfsym: Run, tmp_path: Path):
    path = tmp_path / "sim.toml"
    path.write_text(SWEEP)
    mfsym("sweep", path, "--set", "engine=numba,jax", "--set", "scheme=vanilla,ea", "-o", tmp_path / "both.nc", "-q")
    both = open_result(tmp_path / "both.nc")
    assert list(both["engine"].values) == ["numba", "jax"]
    one, other = (both.risk.sel(engine=name) for name in ("numba", "jax"))
    assert np.abs(one - other).max() < ROUNDOFF32
    assert both.attrs["engine"].startswith("jax ")
    assert both.attrs["engine"].endswith("; numba")


@with_jax
def test_flows_take_the_engine(mfsym: Run, tmp_path: Path):
    for engine in ("numba", "jax"):
        done = mfsym(
            *("flow", "-n", 8, "--horizon", 0.5, "--beta", 0, "--order", 12, "--snapshots", 2, "-q"),
            *("--engine", engine, "-o", tmp_path / f"{engine}.nc"),
        )
        assert done.exit_code == 0, done.output
    one, other = (open_result(tmp_path / f"{engine}.nc") for engine in ("numba", "jax"))
    for name in ("particles", "energy", "risk", "error_risk"):
        assert np.abs(one[name] - other[name]).max() < POPULATION


@with_jax
@pytest.mark.slow
def test_converge_and_discover_take_the_engine(mfsym: Run, tmp_path: Path):
    done = mfsym(
        *("converge", "--sizes", "6,8", "--replicates", 2, "--times", 0.5, "--limit-n", 8, "--batch-size", 2, "-q"),
        *("--order", 12, "--engine", "jax", "-o", tmp_path / "c.nc"),
    )
    assert done.exit_code == 0, done.output
    assert open_result(tmp_path / "c.nc").attrs["engine"].startswith("jax ")
    for engine in ("numba", "jax"):
        options = ("-n", 6, "--horizon", 0.5, "--batch-size", 2, "--replicates", 4, "--engine", engine)
        assert mfsym("discover", *options, "-o", tmp_path / f"{engine}.nc").exit_code == 0
    one, other = (open_result(tmp_path / f"{engine}.nc") for engine in ("numba", "jax"))
    assert np.abs(one.statistic - other.statistic).max() < POPULATION
    assert other.attrs["engine"].startswith("jax ")


# resuming and workers


@with_jax
def test_a_sweep_resumes_bitwise_and_workers_change_nothing(mfsym: Run, tmp_path: Path):
    path = tmp_path / "sim.toml"
    path.write_text(SWEEP)
    straight, resumed, many = (tmp_path / f"{name}.nc" for name in ("straight", "resumed", "many"))
    mfsym("sweep", path, "-o", straight, "-q")
    for shard in ("2/3", "1/3"):
        mfsym("sweep", path, "-o", resumed, "-q", "--shard", shard)
    assert not resumed.exists()
    done = mfsym("sweep", path, "-o", resumed)
    assert "1 cell(s) run, 2 kept" in done.output
    done = _process(tmp_path, "sweep", path, "-o", many, "-q", "-j", 2)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    digests = {
        json.loads(mfsym("verify", name, "--format", "json").output)["digest"] for name in (straight, resumed, many)
    }
    assert len(digests) == 1
    mfsym("sweep", path, "--set", "engine=numba", "-o", tmp_path / "numba.nc", "-q")
    numba = json.loads(mfsym("verify", tmp_path / "numba.nc", "--format", "json").output)["digest"]
    assert numba not in digests


def test_workers_are_forked_from_a_server_without_jax():
    code = "import sys, mfsym.experiments; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.getcwd()}).returncode == 0


# what can go wrong


@pytest.mark.parametrize(
    "words",
    [
        ("compare", "-n", 4, "--horizon", 1),
        ("simulate", "-n", 4, "--horizon", 1, "-o", "run.nc"),
        ("flow", "-n", 4, "--horizon", 1, "-o", "run.nc"),
        ("sweep", "demo", "--set", "engine=jax", "-o", "run.nc"),
    ],
)
def test_without_jax_one_line_says_what_to_install(tmp_path: Path, words: tuple[object, ...]):
    chosen = () if words[0] == "sweep" else ("--engine", "jax")
    done = _process(tmp_path, *words, *chosen, code=BLOCKED)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: engine 'jax' needs ")
    assert "pip install 'mfsym[jax]'" in line
    assert not list(tmp_path.iterdir())


def test_without_jax_all_else_runs_and_a_function_unit_is_refused(tmp_path: Path):
    assert _process(tmp_path, "compare", "-n", 4, "--horizon", 1, code=BLOCKED).returncode == 0
    done = _process(tmp_path, code=FUNCTION)
    assert done.stderr.splitlines()[-1].endswith("a FunctionUnit needs JAX: pip install 'mfsym[jax]'")


@with_jax
@pytest.mark.parametrize("platform", ["cuda", "gpu"])
def test_a_platform_without_devices_is_told_in_one_line(tmp_path: Path, platform: str):
    done = _process(tmp_path, "simulate", *QUICK[:-1], "--engine", "jax", "-o", "run.nc", "-q", JAX_PLATFORMS=platform)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert "JAX_PLATFORMS" in line
    assert not list(tmp_path.iterdir())


MEMORY = """
import resource
import jax
import numpy as np
import mfsym as mf
from mfsym.dynamics import NoisySGD
from mfsym.engines.jax.memory import explained

teacher = mf.reference_teacher("wi")
dynamics = NoisySGD(teacher.unit, "vanilla", teacher, batch_size=2, beta=0.0, engine="jax")
dynamics.step(dynamics.init(np.ones((4, 4))), 1)
start = dynamics.init(np.ones((1 << 21, 4), dtype=np.float32))
block = jax.numpy.ones(1 << 22)
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + (80 << 20), held + (80 << 20)))
for step in (lambda: dynamics.step(start, 1), lambda: jax.numpy.tile(block, 100).block_until_ready()):
    try:
        with explained(jax.devices()[0], "N = 400 blocks", 8):
            step()
    except mf.MfsymError as error:
        print(error)
"""
"""A process that may hold 80 MiB more: a step that needs more, and an array of JAX."""


@with_jax
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is limited by a call of Linux")
def test_where_memory_ends_one_line_says_what_does_not_fit(tmp_path: Path):
    done = _process(tmp_path, code=MEMORY)
    assert done.returncode == 0, done.stderr
    step, array = done.stdout.splitlines()
    assert step.startswith("N = 2097152 particles of 4 numbers and B = 2 samples, 4 bytes each, must fit in the memory")
    assert step.endswith("use fewer particles, more devices, or engine='numba' on the processor")
    assert array.startswith("N = 400 blocks, 8 bytes each, must fit in the memory of the device cpu: ")
    assert "float32" in array


@with_jax
def test_the_setting_of_the_process_stays_single():
    import jax

    teacher = mf.reference_teacher("wi")
    dynamics = NoisySGD(teacher.unit, "vanilla", teacher, alpha=5.0, batch_size=2, dtype="float64", engine="jax")
    end = dynamics.step(dynamics.init(mf.init_particles(teacher.unit, "wi", 6, seed=3)), 2)
    mf.risks(dynamics.scheme, teacher, end.z, order=4, engine="jax")
    assert end.z.dtype == np.float64
    assert not jax.config.jax_enable_x64
    assert jax.numpy.linspace(0.0, 1.0, 3).dtype == np.float32


# predictions and gradients


@with_jax
@pytest.mark.parametrize("scheme", ["vanilla", "da", "fa", "ea"])
@pytest.mark.parametrize("kind", ["matrix", "uv"])
def test_risks_and_population_gradients_equal_those_of_the_other_engine(scheme: str, kind: str):
    from mfsym.flows.populations import Population

    teacher = mf.reference_teacher("arbitrary", kind)
    z = normals(stream_key(5, "init"), 0, 33, teacher.unit.p)
    model = mf.SCHEMES[scheme](teacher.unit)
    one, other = (mf.evaluate(model, teacher, z, order=40, engine=engine) for engine in ("numba", "jax"))
    for name in ("risk", "risk_bare", "l2_target", "equivariance_error"):
        assert abs(getattr(one, name) - getattr(other, name)) < ROUNDOFF * max(1.0, getattr(one, name))
    gradients = [
        Population(teacher.unit, scheme, teacher, tau=1e-3, order=40, engine=engine).gradient(z)
        for engine in ("numba", "jax")
    ]
    assert np.abs(gradients[0][0] - gradients[1][0]).max() < ROUNDOFF * np.abs(gradients[0][0]).max()
    assert abs(gradients[0][1] - gradients[1][1]) < ROUNDOFF * gradients[0][1]
    assert np.abs(gradients[0][0]).max() > SPLIT


@with_jax
def test_samples_are_taken_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch):
    from mfsym.engines.jax import populations
    from mfsym.flows.populations import Population

    teacher = mf.reference_teacher("wi")
    z = normals(stream_key(5, "init"), 0, 33, teacher.unit.p)
    monkeypatch.setattr(populations, "VALUES_AT_A_TIME", 1 << 10)
    predict = populations.predictor_of(teacher.unit)
    x = normals(stream_key(5, "init"), 1, 45, 2)
    assert np.abs(predict(x, z) - teacher.unit.predict(x, z)).max() < ROUNDOFF
    assert predict(x[:0], z).shape == (0, 2)
    one, other = (Population(teacher.unit, "fa", teacher, order=11, engine=each) for each in ("numba", "jax"))
    assert np.abs(one.gradient(z)[0] - other.gradient(z)[0]).max() < ROUNDOFF
    with pytest.raises(mf.MfsymError, match="rows of length 2"):
        predict(x[:, :1], z)


@with_jax
def test_the_page_on_engines_runs(capsys: pytest.CaptureFixture[str]):
    text = (Path(__file__).parents[2] / "docs" / "engines.md").read_text(encoding="utf-8")
    blocks, made = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL), {}
    exec(compile("\n".join(blocks), "engines.md", "exec"), made)
    assert capsys.readouterr().out.startswith("jax ")
    assert [end.time for end in made["ends"]] == [0.5] * 10


def test_an_unknown_engine_is_refused():
    teacher = mf.reference_teacher("wi")
    for make in (
        lambda: NoisySGD(teacher.unit, "vanilla", teacher, engine="jux"),
        lambda: mf.MeanFieldFlow(teacher.unit, "vanilla", teacher, engine="jux"),
        lambda: mf.risks(mf.SCHEMES["vanilla"](teacher.unit), teacher, np.ones((3, 4)), engine="jux"),
        lambda: mf.simulate("wi", engine="jux"),
    ):
        with pytest.raises(mf.MfsymError, match="engine must be one of"):
            make()
