"""One declaration makes a parameter work everywhere: a line is added, and every door is tried."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import mfsym as mf
from mfsym.cli.options import parameter_option, problem_options
from mfsym.configurations import Cell, names
from mfsym.configurations.names import bound, in_order
from mfsym.configurations.parameters import PARAMETERS, Key, OneOf, Parameter, RealRange
from mfsym.data.teachers import TEACHERS
from mfsym.discovery import RULES
from mfsym.dynamics import DTYPES, NOISES
from mfsym.ensembles import INITS
from mfsym.flows import START_LAWS
from mfsym.schemes import SCHEMES
from mfsym.units import ACTIVATIONS, UNITS
from mfsym.variables import VARIABLES

LINE = '    pull: float = _training(1.0, NONNEGATIVE, "factor of the penalty", units="1")\n'

MAIN = f"""
import functools, importlib.util, sys
from importlib.abc import MetaPathFinder, SourceLoader
from importlib.machinery import PathFinder, SourceFileLoader

class Longer(SourceFileLoader):
    def get_data(self, path):
        before, head, after = super().get_data(path).partition(b"\\n\\n\\ndef declared(")
        assert head
        return before + b"\\n" + {LINE!r}.encode() + head + after
    def path_stats(self, path):
        raise OSError("not from the cache")
    def set_data(self, *arguments, **options):
        pass

class Finder(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        spec = PathFinder.find_spec(name, path) if name == "mfsym.configurations.parameters" else None
        if spec is not None:
            spec.loader = Longer(name, spec.origin)
        return spec

sys.meta_path.insert(0, Finder())
from mfsym.dynamics import NoisySGD
from mfsym.flows import MeanFieldFlow

def pulled(init):
    @functools.wraps(init)
    def wrapper(self, *arguments, pull=1.0, tau=1e-4, **options):
        init(self, *arguments, tau=tau * pull, **options)
    return wrapper

for dynamics in (NoisySGD, MeanFieldFlow):
    dynamics.__init__ = pulled(dynamics.__init__)
"""
"""A process in which the line stands at the end of the table, and in which the dynamics do what it says."""

QUICK = [
    "-n",
    "6",
    "--horizon",
    "0.5",
    "--alpha",
    "5",
    "--batch-size",
    "4",
    "--tau",
    "0.01",
    "--dtype",
    "float64",
    "-q",
]
FILE = """
[sweep]
n = [6]
scheme = ["vanilla", "ea"]
[training]
horizon = 0.5
alpha = 5.0
batch_size = 4
tau = 0.01
dtype = "float64"
"""


def _python(text: str, *arguments: object, folder: Path, **environment: str) -> str:
    """What a process with the longer table prints."""
    done = subprocess.run(
        [sys.executable, "-c", MAIN + text, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


SCRIPT = """
import json
from pathlib import Path
import mfsym as mf
from click.testing import CliRunner
from mfsym.cli import cli
from mfsym.configurations import Cell

def run(*arguments, env=None):
    done = CliRunner().invoke(cli, [str(a) for a in arguments], env=env)
    assert done.exit_code == 0, done.output
    return done.output

quick = sys.argv[1:]
told = {"help": run("compare", "--help"), "identity": Cell().identity, "other": Cell(pull=2.0).identity}
told["config"] = run("config", "show", "--set", "pull=3", "--format", "json")
run("compare", *quick, "--pull", 20, "-o", "compare.nc")
run("compare", *quick, "-o", "environment.nc", env={"MFSYM_PULL": "20"})
run("simulate", *quick, "--pull", 20, "-o", "simulate.nc")
run("flow", *quick, "--pull", 20, "--beta", 0, "--order", 8, "--snapshots", 2, "-o", "flow.nc")
run("flow", *quick, "--beta", 0, "--order", 8, "--snapshots", 2, "-o", "plain.nc")
Path("file.toml").write_text(Path("sim.toml").read_text() + "pull = [1.0, 20.0]\\n")
run("sweep", "file.toml", "-o", "file.nc", "-q")
run("sweep", "sim.toml", "--set", "pull=1,20", "-o", "set.nc", "-q")
python = mf.compare("wi", pull=20, n=6, horizon=0.5, alpha=5, batch_size=4, tau=0.01, dtype="float64")
from mfsym.stores.datasets import save; save(python, Path("python.nc"))
try:
    mf.compare("wi", pull=-1)
except mf.MfsymError as error:
    told["refusal"] = str(error)
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The files that one process with the longer table writes, and what it says."""
    folder = tmp_path_factory.mktemp("longer")
    (folder / "sim.toml").write_text(FILE)
    return folder, json.loads(_python(SCRIPT, *QUICK, folder=folder))


def test_a_line_makes_an_option_a_key_and_an_argument(longer: tuple[Path, dict[str, str]]) -> None:
    _, told = longer
    assert "--pull NUMBER" in told["help"]
    assert (
        "Factor of the penalty.  [default: 1]" in " ".join(told["help"].split(" "))
        or "Factor of the penalty." in told["help"]
    )
    config = json.loads(told["config"])
    assert (config["values"]["training"]["pull"], config["origins"]["pull"]) == (3.0, "--set")
    assert told["refusal"] == "pull must be a number >= 0, got -1.0"


def test_a_new_parameter_changes_the_identity_of_no_cell_that_leaves_it_alone(
    longer: tuple[Path, dict[str, str]],
) -> None:
    _, told = longer
    assert told["identity"] == Cell().identity
    assert told["other"] != told["identity"]


def test_every_door_gives_the_numbers_of_every_other(longer: tuple[Path, dict[str, str]]) -> None:
    folder, _ = longer
    found = {path.stem: xr.load_dataset(path) for path in folder.glob("*.nc")}
    risk = found["compare"]["risk"].sel(replicate=0)
    for name in ("environment", "python", "compare"):
        np.testing.assert_array_equal(found[name]["risk"].values, found["compare"]["risk"].values)
        assert json.loads(found[name].attrs["config"])["pull"] == 20.0
    for name in ("file", "set"):
        swept = found[name]["risk"]
        assert swept.dims == ("teacher", "init", "scheme", "n", "pull", "replicate")
        assert found[name]["pull"].attrs == {"long_name": "factor of the penalty", "units": "1"}
        for scheme in ("vanilla", "ea"):
            values = swept.sel(scheme=scheme).squeeze()
            assert float(values.sel(pull=20.0)) == float(risk.sel(scheme=scheme))
            assert float(values.sel(pull=1.0)) != float(values.sel(pull=20.0)), "the parameter has no effect"
    assert float(found["simulate"]["risk"][-1]) == float(risk.sel(scheme="vanilla"))
    assert float(found["flow"]["risk"][-1]) != float(found["plain"]["risk"][-1])


def test_the_table_itself_has_no_such_parameter() -> None:
    assert "pull" not in PARAMETERS
    with pytest.raises(mf.MfsymError, match="unknown parameter 'pull'"):
        mf.compare("wi", pull=20)
    with pytest.raises(TypeError, match="pull"):
        Cell(pull=20)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", [name for name, each in PARAMETERS.items() if each.dimension])
def test_a_dimension_has_the_entry_of_its_declaration(name: str) -> None:
    parameter = PARAMETERS[name]
    entry = VARIABLES[parameter.dimension]
    assert (entry.kind, entry.units) == (parameter.kind.variable, parameter.units)
    assert entry.doc == (parameter.more or parameter.doc)


def test_names_are_those_of_the_registries() -> None:
    """The registries bind their objects to the names when they are imported; their orders are one."""
    for listed, registry in (
        (names.SCHEMES, SCHEMES),
        (names.UNITS, UNITS),
        (names.ACTIVATIONS, ACTIVATIONS),
        (names.RULES, RULES),
        (names.NOISES, NOISES),
    ):
        assert listed == tuple(registry)
    assert (names.TEACHERS, names.DTYPES) == (TEACHERS, DTYPES)
    assert set(names.INITS) <= set(INITS) & set(START_LAWS)
    assert set(names.REFERENCE_UNITS) < set(UNITS)
    for missing in ({"a": 1}, {"a": 1, "b": 2, "c": 3}):
        with pytest.raises(LookupError, match="must agree"):
            bound(("a", "b"), missing)
    assert list(bound(("b", "a"), {"a": 1, "b": 2})) == ["b", "a"]
    assert in_order(["ea", "da"], names.SCHEMES) == ("da", "ea")


def test_options_are_made_of_the_declarations() -> None:
    @click.command()
    @problem_options
    @parameter_option("null", default="none", doc="draws")
    def command(**given: object) -> None:
        click.echo(json.dumps(given))

    given = json.loads(CliRunner().invoke(command, []).output)
    assert set(given) == {"problem", "null", *(name for name, each in PARAMETERS.items() if each.option)}
    assert set(given.values()) == {None}, "what is not given comes from the layers below"
    told = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
    assert "--null INTEGER Draws. [default: none]" in told
    assert "-n INTEGER Number N of particles. [default: 100] " in told
    assert "--batch-size INTEGER Samples B per step. [default: 20] " in told


def test_the_key_of_a_file_may_differ_from_the_field() -> None:
    plain = Parameter("x", RealRange(), 2.0, "a number")
    assert plain.key == Key("x", 2.0, RealRange(), "a number")
    assert Parameter("x", OneOf(("a",)), "a", "a name", axis="always").key.default == ["a"]
    assert (PARAMETERS["replicate"].key.name, PARAMETERS["schemes"].key.name) == ("replicates", "scheme")
    assert (PARAMETERS["replicate"].dimension, PARAMETERS["schemes"].dimension) == ("replicate", "scheme")
