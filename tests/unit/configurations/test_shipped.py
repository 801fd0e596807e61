"""What comes along with the package: sims and problems by name, copies to edit, citations, origins of results."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from click.testing import Result

import mfsym as mf
from mfsym.cli import COMMANDS, GROUPS
from mfsym.configurations import shipped
from mfsym.errors import MfsymError
from mfsym.runtime import origins
from mfsym.runtime.progress import Progress, in_notebook, with_progress
from mfsym.runtime.references import REFERENCES, bibtex
from mfsym.stores.datasets import content_digest, open_result, save
from tests.results import ROOT

Run = Callable[..., Result]
TINY = ("-n", "4", "--horizon", "0.5")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs in an empty folder, away from sims/."""
    monkeypatch.chdir(tmp_path)


def test_names_stand_for_the_files_that_come_along() -> None:
    assert shipped.sim_file("demo") == ROOT / "sims" / "demo.toml"
    assert shipped.problem_file("d4-plane") == ROOT / "sims" / "problems" / "d4-plane.toml"
    assert shipped.sim_file("sims/demo.toml") == Path("sims/demo.toml")
    with pytest.raises(MfsymError, match=r"demmo: no such file, .* \(did you mean 'demo'\?\)"):
        shipped.sim_file("demmo")
    Path("demo").write_text("[sweep]\nn = [3]\n")
    assert shipped.sim_file("demo") == Path("demo")


def test_commands_of_shapes_and_readouts_take_names_too(mfsym: Run) -> None:
    few = ("--samples", "5", "--replicates", "1", "-q")
    assert mfsym("samplers", "shapes-plane", *few, "-o", "a.nc").exit_code == 0
    assert mfsym("sample", "shapes-plane", "-n", "5", "--steps", "2", "-q", "-o", "b.nc").exit_code == 0
    named = mf.sample_shapes("shapes-plane", 5, steps=2)
    assert (open_result("b.nc")["clouds"].values == named["clouds"].values).all()
    found = mfsym("symmetrise", "symmetrisers", "--how", "lambda")
    assert (found.exit_code, "of a study leave it out" in found.stderr) == (2, True)
    for command, name, near in (
        ("symmetrise", "symmetriser", "symmetrisers"),
        ("samplers", "shapes-plan", "shapes-plane"),
    ):
        refused = mfsym(command, name)
        assert (refused.exit_code, f"did you mean '{near}'" in refused.stderr) == (2, True)


def test_a_package_with_sims_inside_uses_those(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sims" / "problems").mkdir(parents=True)
    (tmp_path / "sims" / "only.toml").write_text("[sweep]\n")
    monkeypatch.setattr(shipped, "PACKAGE", tmp_path)
    assert list(shipped.sims()) == ["only"]


def test_what_is_packed_is_what_the_folder_holds() -> None:
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    packed = dict(re.findall(r'"(mfsym[\w.]+)": "(sims[\w/]*)"', text))
    folders = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "sims").rglob("*.toml")}
    assert set(packed.values()) == folders
    assert all(name == f"mfsym.{folder.replace('/', '.')}" for name, folder in packed.items())


@pytest.mark.parametrize("what", ["problems", "sims", "figures", "groups", "units", "schemes"])
def test_lists_say_what_each_name_is(what: str, mfsym: Run) -> None:
    rows = json.loads(mfsym("list", what, "--format", "json").stdout)
    assert rows
    assert all(meaning.strip() for meaning in rows.values())
    if what in ("units", "schemes"):
        assert not re.search(r"\b(hook|base of|subclass|class)\b", " ".join(rows.values()))


def test_a_problem_is_found_by_name_everywhere(mfsym: Run) -> None:
    assert mfsym("check", "d4-plane").exit_code == 0
    assert mfsym("compare", "--problem", "d4-plane", *TINY, "--schemes", "fa", "-q", "-o", "a.nc").exit_code == 0
    assert "d4-plane.toml" in open_result("a.nc").attrs["config"]
    assert mf.load_problem("d4-plane").name == "d4-plane"
    Path("mine.toml").write_text('[sweep]\nn = [4]\nproblem = "d4-plane"\n')
    assert mfsym("sweep", "mine.toml", "-o", "b.nc", "--dry-run").exit_code == 0
    refused = mfsym("check", "d4-plan")
    assert (refused.exit_code, "did you mean 'd4-plane'" in refused.stderr) == (2, True)


@pytest.mark.parametrize("sim", sorted(shipped.sims()))
def test_a_copied_sim_runs_elsewhere(sim: str, mfsym: Run) -> None:
    from mfsym.configurations.discoveries import read_study
    from mfsym.configurations.latent_studies import read_latent_study
    from mfsym.configurations.latents import read_latent
    from mfsym.configurations.shapes import read_shapes
    from mfsym.configurations.symmetrisers import read_symmetrisers

    assert mfsym("init", "--sim", sim, "mine.toml").exit_code == 0
    text = Path("mine.toml").read_text()
    if "[[case]]" in text:
        assert read_study(Path("mine.toml")).case == read_study(shipped.sim_file(sim)).case
    elif "[[sampler]]" in text:
        assert read_shapes(Path("mine.toml")) == read_shapes(shipped.sim_file(sim))
    elif "[[learner]]" in text:
        assert read_latent_study(Path("mine.toml")) == read_latent_study(shipped.sim_file(sim))
    elif "[pairs]" in text:
        assert read_latent(Path("mine.toml")) == read_latent(shipped.sim_file(sim))
    elif "[[range]]" in Path("mine.toml").read_text():
        assert read_symmetrisers(Path("mine.toml")) == read_symmetrisers(shipped.sim_file(sim))
    else:
        assert mfsym("config", "show", "mine.toml").exit_code == 0


def test_a_copy_never_takes_the_place_of_a_file(mfsym: Run) -> None:
    assert mfsym("init", "--problem", "d4-plane", "mine.toml").exit_code == 0
    text = Path("mine.toml").read_text()
    assert text == shipped.problem_file("d4-plane").read_text()
    for words in (["mine.toml"], ["--problem", "x", "b.toml"], ["--problem", "d4-plane", "--sim", "demo", "b.toml"]):
        refused = mfsym("init", *words)
        assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert Path("mine.toml").read_text() == text
    assert not Path("b.toml").exists()


def test_commands_stand_in_groups(mfsym: Run) -> None:
    text = mfsym("--help").stdout
    places = [text.index(f"\n{heading}:\n") for heading in GROUPS]
    assert places == sorted(places)
    assert sum(len(commands) for commands in GROUPS.values()) == len(COMMANDS)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_command(shell: str, mfsym: Run) -> None:
    assert f"_MFSYM_COMPLETE={shell}_complete" in mfsym("completion", shell).stdout


def test_completion_knows_commands_and_names() -> None:
    def complete(words: str) -> str:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "_MFSYM_COMPLETE": "bash_complete"}
        environment |= {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        command = [sys.executable, "-c", "from mfsym.cli import main; main()"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert "plain,sweep" in complete("mfsym sw")
    assert "plain,d4-plane" in complete("mfsym check d4")


def test_cite_prints_an_entry_for_each_work(mfsym: Run) -> None:
    text = mfsym("cite").stdout
    assert text.rstrip() == bibtex()
    for number in ("2405.19995", "2305.09900", "2604.21809", "2602.12257"):
        assert f"https://arxiv.org/abs/{number}" in text
    keys = re.findall(r"^@\w+\{(\w+),$", text, re.MULTILINE)
    assert len(set(keys)) == len(REFERENCES)
    assert text.count("{") == text.count("}")
    stated = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert "Symmetries in Overparametrized Neural Networks: A Mean-Field View" in stated
    assert f"version: {mf.__version__}" in stated


def test_a_result_says_where_it_is_from(mfsym: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert mfsym("compare", *TINY, "--schemes", "fa", "-q", "-o", "a.nc").exit_code == 0
    attributes = open_result("a.nc").attrs
    assert attributes["history"] == "2023-11-14T22:13:20Z mfsym compare -n 4 --horizon 0.5 --schemes fa -q -o a.nc"
    assert "arXiv:2405.19995" in attributes["references"]
    assert attributes["noise"] == "projected"
    assert attributes["problem_text"] == "the reference problem, teacher wi"
    assert mfsym("compare", "--problem", "d4-plane", *TINY, "--schemes", "fa", "-q", "-o", "b.nc").exit_code == 0
    assert open_result("b.nc").attrs["problem_text"] == shipped.problem_file("d4-plane").read_text()


def test_a_sweep_collected_later_still_has_its_problem(mfsym: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mfsym("init", "--problem", "d4-plane", "mine.toml").exit_code == 0
    text = Path("mine.toml").read_text()
    Path("sim.toml").write_text('problem = "mine.toml"\n'.join(["[sweep]\nn = [4]\nscheme = ['fa']\n", ""]))
    assert mfsym("sweep", "sim.toml", "-o", "a.nc", "-q", "--set", "horizon=0.5").exit_code == 0
    assert open_result("a.nc").attrs["problem_text"] == text
    monkeypatch.setattr(origins, "_TEXTS", {})
    Path("a.nc").unlink()
    assert mfsym("collect", "a.nc").exit_code == 0
    assert open_result("a.nc").attrs["problem_text"] == text
    monkeypatch.setattr(origins, "_TEXTS", {})
    Path("mine.toml").write_text(text.replace("2.0", "3.0"))
    Path("a.nc").unlink()
    assert mfsym("collect", "a.nc").exit_code == 0
    assert "is gone or has changed" in open_result("a.nc").attrs["problem_text"]


def test_a_python_problem_is_not_recorded_and_python_names_no_command() -> None:
    unit = mf.reference_unit()
    data = mf.FunctionData(mf.Gaussian(), lambda x: x, 2, 2, "mine")
    run = mf.simulate(mf.Problem("mine", unit, data), n=4, horizon=0.5)
    assert run.attrs["problem_text"] == origins.NOT_RECORDED
    assert " mfsym " not in run.attrs["history"]
    loaded = mf.load_problem("d4-plane")
    assert mf.simulate(loaded, n=4, horizon=0.5).attrs["problem_text"].startswith("# A field on the plane")


def test_time_and_commit_do_not_change_the_content_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = set()
    for epoch, commit in (("1", "a" * 40), ("2", "")):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
        monkeypatch.setattr("mfsym.runtime.provenance.commit", lambda commit=commit: commit)
        run = mf.simulate(n=4, horizon=0.5)
        save(run, Path("run.nc"))
        again = open_result("run.nc")
        assert again.attrs["mfsym_commit"] == commit
        assert again.attrs["history"].startswith(f"1970-01-01T00:00:0{epoch}Z ")
        digests.add((content_digest(run), again.attrs["content_digest"]))
    assert len(digests) == 1


def test_the_commit_is_that_of_a_clone_and_says_if_it_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str) -> str:
        person = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *person, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit() -> str:
        origins.commit.cache_clear()
        return origins.commit()

    monkeypatch.setattr(origins, "PACKAGE", tmp_path / "mfsym")
    assert commit() == ""
    git("init", "-q")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-qm", "one")
    assert commit() == git("rev-parse", "HEAD")
    (tmp_path / "file").write_text("two")
    assert commit() == git("rev-parse", "HEAD") + "-dirty"
    monkeypatch.setenv("PATH", "")
    assert commit() == ""
    origins.commit.cache_clear()


def test_the_needs_of_one_training_are_told_and_nothing_runs(mfsym: Run) -> None:
    words = ("compare", "-n", "100", "--replicates", "10", "--dry-run")
    found = json.loads(mfsym(*words, "--format", "json").stdout)
    assert found["trainings"] == 50
    longer = json.loads(mfsym(*words, "--format", "json", "--horizon", "200").stdout)
    assert longer["seconds"] > 5 * found["seconds"]
    read = (*words, "--readouts", "equitune,lambda", "--schemes", "vanilla,fa")
    plain = json.loads(mfsym(*words, "--schemes", "vanilla,fa", "--format", "json").stdout)
    told = json.loads(mfsym(*read, "--format", "json").stdout)
    assert "passes" not in plain
    assert told["passes"] == {
        "vanilla": {"none": 1, "equitune": 2, "lambda": 2},
        "fa": {"none": 2, "equitune": 4, "lambda": 4},
    }
    assert told["seconds"] > plain["seconds"]
    assert "passes    fa: none 2, equitune 4, lambda 4" in mfsym(*read).stdout.splitlines()
    assert "of one core" in mfsym("simulate", *TINY, "-o", "a.nc", "--dry-run").stdout
    assert not Path("a.nc").exists()


def test_python_shows_progress_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    mf.simulate(n=4, horizon=0.5, snapshots=2)
    assert capsys.readouterr().err == ""
    mf.simulate(n=4, horizon=0.5, snapshots=2, progress=True)
    assert "2/2 snapshots" in capsys.readouterr().err
    mf.compare(n=4, horizon=0.5, schemes="fa", progress=True)
    assert "1/1 cells" in capsys.readouterr().err
    mf.sweep({"n": [4], "horizon": 0.5, "scheme": ["fa"]}, "a.nc", progress=True)
    assert "1/1 cells" in capsys.readouterr().err


def test_a_function_with_progress_keeps_its_own_arguments() -> None:
    @with_progress
    def work(a: int, *, b: int = 2) -> tuple[int, int, int]:
        """Work."""
        return a, b, Progress(1, "work", verbosity=-1).verbosity

    assert work(1) == (1, 2, -1)
    assert work(1, b=3, progress=True) == (1, 3, 0)  # type: ignore[call-arg]
    assert "progress : True" in str(work.__doc__)


def test_a_notebook_is_known_by_its_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shell:
        config: Mapping[str, object] = MappingProxyType({})

    class IPython:
        get_ipython = staticmethod(Shell)

    assert not in_notebook()
    monkeypatch.setitem(sys.modules, "IPython", IPython)
    assert not in_notebook()
    monkeypatch.setattr(Shell, "config", {"IPKernelApp": {}})
    assert in_notebook()


def test_objects_show_themselves_in_one_line() -> None:
    teacher = mf.reference_teacher("wi")
    dynamics = mf.NoisySGD(teacher.unit, "fa", teacher, alpha=50, tau=1e-4, beta=1e-6, batch_size=20)
    state = dynamics.init(mf.init_particles(teacher.unit, "si", 500, seed=0))
    data = mf.FunctionData(mf.Gaussian(), lambda x: x, 2, 2, "mine")
    for thing, part in (
        (teacher, "<Teacher 'wi', 10 particles"),
        (data, "<FunctionData 'mine', R^2 -> R^2, Gaussian inputs>"),
        (dynamics, "<NoisySGD 'fa', alpha = 50"),
        (dynamics.scheme, "<FeatureAveraging 'fa' of <MatrixUnit"),
        (state, "<State t = 0, z 500 x 4 float32, ok, seed 0, replicate 0>"),
    ):
        text = repr(thing)
        assert text.startswith(part)
        assert "\n" not in text
        assert len(text) < 200
