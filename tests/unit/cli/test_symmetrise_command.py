"""The command symmetrise: models named on the command line, runs, studies, and one line for what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mfsym.configurations.symmetrisers import RangeTable, SymmetrisersFile, read_symmetrisers
from mfsym.errors import MfsymError
from mfsym.experiments.models_read import labelled
from mfsym.experiments.readout_studies import outside_ranges, study_readouts
from mfsym.groups import cyclic
from mfsym.problems.symmetries import pixels
from mfsym.schemes.readouts import symmetrise
from mfsym.streams import normals, stream_key
from tests.conftest import parse_json
from tests.sizes import compiled
from tests.tolerances import ROUNDOFF

MODULE = """
import numpy as np

MIX = np.cos(np.arange(48.0)).reshape(16, 3)


def logits(x):
    return np.tanh(x @ MIX)


def even(x):
    return np.repeat((x**2).sum(axis=1, keepdims=True), 3, axis=1)


def frame(x):
    return x.reshape(-1, 4, 4)[:, [0, 0, 3, 3], [0, 3, 3, 0]].argmax(axis=1)


def wide(x):
    return np.zeros((len(x), 5))


def nan(rows):
    return np.full(len(rows), np.nan)


def zero(rows):
    return np.zeros(len(rows))


def negative(rows):
    return -np.ones(len(rows))


def first(rows):
    return rows[:, 0]


def still(element, batch):
    return batch + element


def turn(element, batch):
    return np.rot90(batch.reshape(-1, 4, 4), element, axes=(1, 2)).reshape(batch.shape)


def broken(x):
    raise RuntimeError("of its own")


number = 3
"""

ACTIONS = ("--group", "cyclic(4)", "--x", "pixels(4)", "--y", "trivial(3)", "--data", "data.npz")


def logits(x):
    """The model of the module."""
    return np.tanh(x @ np.cos(np.arange(48.0)).reshape(16, 3))


def images():
    """Ten images of 4 x 4 pixels."""
    return normals(stream_key(30, "data"), 0, 10, 16)


@pytest.fixture
def ask(mfsym, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs symmetrise with a module of its own beside the data."""
    monkeypatch.chdir(tmp_path)
    name = "own_" + "".join(filter(str.isalnum, request.node.name))[:60].lower()
    Path(f"{name}.py").write_text(MODULE)
    np.savez("data.npz", x=images(), y=np.arange(10) % 3)
    np.savez("empty.npz", x=images()[:0])
    np.savez("other.npz", y=np.arange(10))

    def asked(*args: str, model: str = "logits"):
        return mfsym("symmetrise", "--model", f"{name}:{model}", *(arg.replace("OWN", name) for arg in args))

    return asked


@pytest.mark.parametrize(
    ("how", "options", "same"),
    [
        ("equitune", (), {}),
        ("equizero", ("--proxy", "entropy"), {"proxy": "entropy"}),
        ("equizero", ("--proxy", "OWN:first", "--reads", "inputs"), {"proxy": lambda x: x[:, 0], "reads": "inputs"}),
        ("lambda", ("--weights", "OWN:first2"), {"weights": lambda x: np.exp(x[:, 0])}),
    ],
)
def test_the_command_gives_what_python_gives(ask, how, options, same):
    if how == "lambda":
        module = next(Path().glob("own_*.py"))
        module.write_text(MODULE + "\n\ndef first2(rows):\n    return np.exp(rows[:, 0])\n")
    result = ask(*ACTIONS, "--how", how, *options, "--format", "json", "-o", "read.npz", "--batch-size", "9")
    assert result.exit_code == 0, result.stderr
    record, x = parse_json(result), images()
    expected = symmetrise(logits, pixels(cyclic(4), 4), cyclic(4).trivial(3), how, **same)(x)
    with np.load("read.npz") as kept:
        assert np.abs(kept["read"] - expected).max() < ROUNDOFF
        assert kept["outputs"].shape == (10, 4, 3)
        assert ("proxies" in kept) == (how == "equizero")
    change = np.sqrt(((expected - logits(x)) ** 2).sum(axis=1).mean())
    assert record["change"] == pytest.approx(change)
    assert record["passes"] == 4
    assert record["accuracy_read"] == (expected.argmax(axis=1) == np.arange(10) % 3).mean()
    assert record["accuracy_model"] == (logits(x).argmax(axis=1) == np.arange(10) % 3).mean()


def test_the_defects_are_told_by_irreducible_representation(ask):
    result = ask(*ACTIONS, "--format", "json", "--batch-size", "9", "-o", "read.npz")
    assert result.exit_code == 0, result.stderr
    found = parse_json(result)["defects"]
    table = np.stack([logits(np.rot90(images().reshape(-1, 4, 4), k, axes=(1, 2)).reshape(-1, 16)) for k in range(4)])
    waves = np.abs(np.fft.fft(table, axis=0)) ** 2 / 16
    shares = waves.sum(axis=2).mean(axis=1) / waves.sum(axis=2).mean(axis=1).sum()
    assert found["trivial"] == pytest.approx(shares[0])
    assert sorted(found.values()) == pytest.approx(sorted([shares[0], shares[1] + shares[3], shares[2]]))
    assert sum(found.values()) == pytest.approx(1.0)
    assert min(found.values()) > 1e-3
    lines = ask(*ACTIONS).stdout.splitlines()
    assert f"{'defect trivial':24s} {found['trivial']:.6g}" in lines
    assert len([line for line in lines if line.startswith("defect ")]) == len(found)
    with np.load("read.npz") as kept:
        assert not [name for name in kept if name.startswith("defect")]
    equivariant = parse_json(ask(*ACTIONS, "--format", "json", model="even"))["defects"]
    assert equivariant["trivial"] == pytest.approx(1.0)
    canonical = ask(*ACTIONS, "--format", "json", "--how", "canonical", "--frame", "OWN:frame")
    assert "defects" not in parse_json(canonical)


def test_actions_may_be_functions_and_weights_may_be_fitted(ask):
    turned = ("--group", "cyclic(4)", "--x", "OWN:turn", "--data", "data.npz", "--format", "json")
    one, two = ask(*turned), ask(*ACTIONS, "--format", "json")
    assert parse_json(one) == parse_json(two)
    fitted = ask(*turned, "--how", "lambda", "--fit", "data.npz")
    assert fitted.exit_code == 0, fitted.stderr
    assert "accuracy_read" in parse_json(fitted)


@pytest.mark.parametrize(
    ("model", "args", "words"),
    [
        ("wide", (), "must be rows of length 3, got shape (8, 5)"),
        ("logits", ("--how", "equizero", "--proxy", "OWN:nan"), "must be a number at every view, got NaN"),
        ("logits", ("--how", "lambda", "--weights", "OWN:zero"), "must not be 0 at all views"),
        ("logits", ("--how", "lambda", "--weights", "OWN:negative"), "must not be negative"),
        ("logits", ("--x", "OWN:still"), "must act on x"),
        ("logits", ("--x", "pixels(5)"), "x must be rows of length 25, got shape (8, 16)"),
        ("logits", ("--batch-size", "0"), "must be a whole number >= 1, got 0"),
        ("logits", ("--data", "empty.npz"), "at least one"),
        ("logits", ("--data", "other.npz"), "must hold inputs named x"),
        ("logits", ("--data", "absent.npz"), "cannot be read"),
        ("logits", ("--group", "cyclic(x)"), "group.name"),
        ("logits", ("--how", "lambda"), "lambda needs --fit FILE, inputs x with labels y, or --weights"),
        ("logits", ("--how", "canonical"), "canonical needs --frame"),
        ("logits", ("--proxy", "entropy"), "equitune has no option 'proxy'"),
        ("logits", ("--fit", "data.npz"), "about lambda"),
        ("logits", ("--check",), "about a study"),
        ("absent", (), "has no function 'absent'"),
        ("number", (), "has no function 'number'"),
        ("logits", ("--weights", "no.such:thing", "--how", "lambda"), "no module 'no.such'"),
        ("logits", ("--weights", "nothing", "--how", "lambda"), "given as MODULE:NAME"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(ask, model, args, words):
    result = ask(*ACTIONS, *args, "-o", "out.npz", model=model)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert not Path("out.npz").exists()


def test_the_models_own_errors_keep_their_traceback(ask):
    with pytest.raises(RuntimeError, match="of its own"):
        ask(*ACTIONS, model="broken")


@pytest.mark.parametrize("missing", ["--group", "--x", "--data"])
def test_a_model_needs_a_group_an_action_and_data(ask, missing):
    where = ACTIONS.index(missing)
    result = ask(*ACTIONS[:where], *ACTIONS[where + 2 :])
    assert (result.exit_code, f"--model needs {missing}" in result.stderr) == (2, True)


@compiled
def test_a_run_is_read_on_its_own_problem(mfsym, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = ("--teacher", "wi", "--init", "wi", "-n", "8", "--horizon", "0.5", "-q", "-o", "run.nc")
    assert mfsym("simulate", *run).exit_code == 0
    record = parse_json(mfsym("symmetrise", "run.nc", "--format", "json"))
    assert record["equivariance_error_model"] > 1e-3
    assert record["equivariance_error_read"] < ROUNDOFF
    assert record["risk_read"] < record["risk_model"]
    assert (record["passes_model"], record["passes_read"]) == (1, 2)
    assert "passes_read" in mfsym("symmetrise", "run.nc", "--how", "equizero").stdout
    for args, words in (
        (("run.nc", "--group", "cyclic(2)"), "--group is about --model"),
        (("run.nc", "--how", "canonical"), "needs an equivariant frame"),
        (("run.nc", "--proxy", "entropy"), "about --how equizero"),
        (("absent.nc",), "absent.nc"),
        ((), "needs a run"),
    ):
        refused = mfsym("symmetrise", *args)
        assert refused.exit_code in (2, 3)
        assert words in refused.stderr


@compiled
def test_a_study_prints_keeps_and_checks_its_means(mfsym, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn, in the extra digits")
    text = 'seeds = 1\nbackbones = ["prototypes"]\nn = 20\nhorizon = 10.0\n'
    ranges = '[[range]]\nmodel = "prototypes"\nreadout = "equitune"\nbetween = [0.0, %s]\n'
    Path("good.toml").write_text(text + ranges % "0.6")
    Path("bad.toml").write_text(text + ranges % "0.1")
    good = mfsym("symmetrise", "good.toml", "--check", "-q", "-o", "study.nc")
    assert good.exit_code == 0, good.stderr
    assert "equizero:max-score" in good.stdout
    assert Path("study.nc").exists()
    bad = mfsym("symmetrise", "bad.toml", "--check", "-q")
    assert bad.exit_code == 1
    assert "prototypes, equitune" in bad.stderr
    assert parse_json(mfsym("symmetrise", "bad.toml", "-q", "--format", "json"))["outside"]
    assert "leave it out" in mfsym("symmetrise", "good.toml", "--how", "lambda").stderr
    study = study_readouts(SymmetrisersFile(seeds=1, backbones=["prototypes"], n=20, horizon=10.0))
    wrong = SymmetrisersFile(range=[RangeTable("prototypes", "canonical", [0.0, 1.0])])
    with pytest.raises(MfsymError, match=r"correct the \[\[range\]\]"):
        outside_ranges(study, wrong)


@pytest.mark.parametrize("text", ["seeds = 0", "colour = 1", 'backbones = ["a"]', "backbones = []", "seeds = ["])
def test_a_file_that_is_no_study_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(MfsymError, match=r"a\.toml"):
        read_symmetrisers(tmp_path / "a.toml")


def test_archives_that_run_code_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, x=np.array([{}], dtype=object))
    with pytest.raises(MfsymError, match="not an archive of arrays"):
        labelled(path)
