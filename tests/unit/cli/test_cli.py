"""The command line in process: every command, its errors on one line, its exit codes."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

import mfsym.stores.publishing as publishing
from mfsym.cli import COMMANDS, guards
from mfsym.configurations import load as load_configuration
from mfsym.errors import MfsymWarning
from mfsym.runtime.caches import Places
from mfsym.stores import folder_of, open_result
from mfsym.stores.folders import record_failure
from mfsym.streams import normals, stream_key
from mfsym.sweeps.plans import cells_of
from mfsym.version import __version__
from tests.conftest import parse_json
from tests.integration.faults import FaultyOS
from tests.tolerances import ALGEBRA

Run = Callable[..., Result]
TINY = ("-n", 8, "--horizon", 0.5, "--alpha", 5)


def _refused(result: Result, *words: str, code: int = 2) -> None:
    """Exit code and one line on standard error."""
    assert result.exit_code == code, result.output
    lines = [line for line in result.stderr.splitlines() if line]
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize("command", [*COMMANDS, "config show"])
def test_every_help_shows_an_example(mfsym: Run, command: str) -> None:
    result = mfsym(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert f"mfsym {command.split()[0]}" in result.stdout


def test_the_list_of_commands_says_what_their_own_help_says(mfsym: Run) -> None:
    assert mfsym("--version").stdout == f"mfsym, version {__version__}\n"
    listed = mfsym("--help").stdout
    assert all(name in listed for name in COMMANDS)
    assert mfsym().exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("swep",), "did you mean 'sweep'"),
        (("zzz",), "known: simulate"),
        (("compare", "--alpha", "nan"), "must be finite"),
        (("compare", "--alpha", "inf"), "must be finite"),
        (("compare", "--alpha", "0"), "must be > 0"),
        (("compare", "--tau", "-1"), "must be >= 0"),
        (("compare", "--alpha", "x"), "must be a number"),
        (("compare", "-n", "2.5"), "must be a whole number >= 1, got 2.5"),
        (("simulate", "-o", "x.nc", "--scheme", "FA"), "did you mean 'fa'"),
        (("converge", "-o", "x.nc", "--sizes", "50.5"), "--sizes must be a whole number >= 1, got 50.5"),
        (("converge", "-o", "x.nc", "--sizes", "5,5"), "--sizes must be without repeats"),
        (("counterexample", "-o", "x.nc", "--sizes", "5,x"), "--sizes must be numbers separated by commas"),
        (("compare", "-n", "0"), "0"),
        (("compare", "-n", "1000000000"), "--allow-large"),
        (("compare", "--teacher", "x"), "arbitrary"),
        (("compare", "--schemes", "vanila"), "did you mean 'vanilla'"),
        (("compare", "--nonsense"), "--nonsense"),
        (("compare", "-o", "x.txt"), "must end in .nc"),
        (("compare", "-o", "absent/x.nc"), "does not exist"),
        (("simulate",), "--out"),
        (("distance", "a.npy"), "two clouds"),
        (("distance", "a.npy", "b.npy", "--to", "si"), "two clouds"),
        (("distance", "a.npy", "b.npy"), "a.npy: cannot be read"),
        (("sweep", "absent.toml", "-o", "x.nc"), "absent.toml"),
        (("config", "show", "--set", "alpha=nan"), "must be finite"),
        (("config", "show", "--set", "alhpa=1"), "did you mean 'alpha'"),
    ],
)
def test_bad_input_is_one_line_exit_2_and_nothing_written(
    mfsym: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    _refused(mfsym(*arguments), words)
    assert os.listdir(tmp_path) == []


WRITERS = (
    "compare", "simulate", "flow", "converge", "discover", "phase", "counterexample", "report a.nc", "animate a.nc",
    "sweep sim.toml", "distance a.npy b.npy",
)  # fmt: skip
"""Commands that write what -o (or --plan) names."""


@pytest.mark.parametrize("command", WRITERS)
def test_a_place_that_cannot_be_written_is_found_out_before_any_work(
    mfsym: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sim.toml").write_text("[sweep]\nn = [4]\n")
    monkeypatch.setattr("mfsym.dynamics.NoisySGD.step", lambda *_: pytest.fail("a training was started"))
    monkeypatch.setattr("mfsym.flows.mean_field.MeanFieldFlow.init", lambda *_: pytest.fail("a flow was started"))
    name = "x" + {"report": ".html", "animate": ".gif", "distance": ".npz"}.get(command.split()[0], ".nc")
    option = "--plan" if command.startswith("distance") else "-o"
    monkeypatch.setattr(publishing, "os", FaultyOS(0, "refuse", errno.EROFS))
    _refused(mfsym(*command.split(), option, name), name, "Read-only file system", code=3)
    assert not list(tmp_path.glob(f"*{name}*"))
    monkeypatch.setattr(publishing, "os", os)
    if not command.startswith("sweep"):
        _refused(mfsym(*command.split(), option, f"absent/{name}"), "does not exist; make it first")


def test_what_was_computed_is_printed_even_where_it_cannot_be_kept(
    mfsym: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "os", FaultyOS(2, "refuse", errno.ENOSPC))
    result = mfsym("compare", *TINY, "--schemes", "fa", "--format", "json", "-q", "-o", tmp_path / "c.nc")
    _refused(result, "c.nc", "No space left", code=3)
    assert parse_json(result)["schemes"][0]["scheme"] == "fa"


def test_advice_of_python_functions_comes_in_the_words_of_the_command_line(
    mfsym: Run, small_sweep: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a.nc"
    _refused(mfsym("sweep", small_sweep, "-o", out, "--set", "n=1e9"), "or --allow-large runs it")
    folder = folder_of(out)
    folder.make()
    for cell in cells_of(load_configuration(small_sweep, environment={})):
        record_failure(folder, cell.identity, {})
    result = mfsym("sweep", small_sweep, "-o", out, "-q")
    _refused(result, "8 cell(s) failed, 0 diverged; --retry-failed runs the failed ones again", code=1)
    assert mfsym("sweep", small_sweep, "-o", out, "--retry-failed", "-q").exit_code == 0


def test_an_unusable_store_is_exit_3(mfsym: Run, tmp_path: Path) -> None:
    (tmp_path / "a.nc").write_text("not a result")
    _refused(mfsym("table", tmp_path / "a.nc"), "not a NetCDF file", code=3)
    _refused(mfsym("status", tmp_path / "b.nc"), "run mfsym sweep first", code=3)
    _refused(mfsym("collect", tmp_path / "b.nc"), "run mfsym sweep first", code=3)
    _refused(mfsym("verify", tmp_path / "b.nc"), "no result", code=3)


def test_simulate_writes_a_run_that_distance_reads(mfsym: Run, tmp_path: Path) -> None:
    out = tmp_path / "run.nc"
    result = mfsym("simulate", "--scheme", "fa", *TINY, "--snapshots", 3, "-o", out)
    assert result.exit_code == 0, result.output
    assert "rmd2_si" in result.stdout
    run = open_result(out)
    assert run["particles"].sizes == {"time": 3, "particle": 8, "param": 4}
    assert {"particles", "risk", "risk_bare", "rmd2_si", "rmd2_symmetrised"} <= set(run.data_vars)
    record = parse_json(mfsym("distance", f"{out}@0", out, "--format", "json"))
    assert set(record) == {"w2_squared", "rmd2", "lower_bound", "relative_gap", "method", "seconds"}
    assert record["w2_squared"] > 0
    zero = parse_json(mfsym("distance", out, out, "--time", "0.5", "--format", "json"))
    assert zero["w2_squared"] == pytest.approx(0.0, abs=ALGEBRA)
    for laws in ("si", "symmetrised", "wi"):
        assert parse_json(mfsym("distance", out, "--to", laws, "--format", "json"))["rmd2"] <= 1
    assert "w2_squared" in mfsym("distance", out, "--to", "si").stdout


def test_distance_reads_arrays(mfsym: Run, tmp_path: Path) -> None:
    z = normals(stream_key(1, "init"), 0, 6, 4)
    np.save(tmp_path / "a.npy", z)
    np.savez(tmp_path / "b.npz", particles=z + 1.0)
    record = parse_json(mfsym("distance", tmp_path / "a.npy", tmp_path / "b.npz", "--format", "json"))
    assert record["w2_squared"] == pytest.approx(4.0)
    _refused(mfsym("distance", tmp_path / "a.npy", "--to", "si", "--unit", "x"), "matrix")


def test_compare_prints_the_same_numbers_in_every_format(mfsym: Run, tmp_path: Path) -> None:
    out = tmp_path / "c.nc"
    arguments = ("compare", *TINY, "--replicates", 2, "--schemes", "vanilla,fa")
    records = parse_json(mfsym(*arguments, "--format", "json", "-o", out))
    assert records["schema_version"] == 1
    assert len(records["schemes"]) == 4
    assert len(records["pairs"]) == 2
    rows = list(csv.DictReader(io.StringIO(mfsym(*arguments, "--format", "csv").stdout)))
    dataset = open_result(out)
    for record, row in zip(records["schemes"], rows, strict=True):
        assert record["risk"] == float(row["risk"])
        assert record["risk"] == float(dataset["risk"].sel(scheme=record["scheme"], replicate=record["replicate"]))
    assert "vanilla" in mfsym(*arguments).stdout


def test_progress_goes_to_standard_error_and_can_be_silenced(mfsym: Run) -> None:
    arguments = ("compare", *TINY, "--schemes", "vanilla", "--format", "json")
    assert "1/1 cells" in mfsym(*arguments).stderr
    quiet = mfsym(*arguments, "-q")
    assert quiet.stderr == ""
    json.loads(quiet.stdout)


def test_values_come_from_the_environment_and_yield_to_options(mfsym: Run) -> None:
    small = {"MFSYM_HORIZON": "0.5", "MFSYM_ALPHA": "5", "MFSYM_N": "4", "MFSYM_SCHEME": "fa"}
    record = parse_json(mfsym("compare", "--format", "json", **small))
    assert [entry["scheme"] for entry in record["schemes"]] == ["fa"]
    _refused(mfsym("compare", **{**small, "MFSYM_ALPHA": "5,6"}), "mfsym sweep")
    _refused(mfsym("compare", **{**small, "MFSYM_ALHPA": "5"}), "did you mean")


def test_divergence_is_exit_1_with_its_step_and_the_run_is_kept(mfsym: Run, tmp_path: Path) -> None:
    out = tmp_path / "run.nc"
    result = mfsym("simulate", "-n", 8, "--horizon", 1, "--alpha", "1e300", "-o", out, "-q")
    _refused(result, "diverged at step", "--alpha", code=1)
    assert open_result(out).attrs["status"] == "diverged"
    result = mfsym("compare", "-n", 8, "--horizon", 1, "--alpha", "1e300", "--schemes", "fa", "--format", "json", "-q")
    assert result.exit_code == 1
    record = parse_json(result)["schemes"][0]
    assert (record["status"], record["rmd2_si"]) == ("diverged", None)


def test_a_sweep_from_file_to_table(mfsym: Run, small_sweep: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.nc"
    assert mfsym("sweep", small_sweep, "-o", out, "--dry-run").stdout.startswith("cells    8: 0 done")
    assert parse_json(mfsym("sweep", small_sweep, "-o", out, "--dry-run", "--format", "json"))["missing"] == 8
    assert not out.exists()
    assert not folder_of(out).root.exists()
    first = mfsym("sweep", small_sweep, "-o", out).stdout.splitlines()
    assert first[0] == "8 cell(s) run, 0 kept from before"
    assert re.fullmatch(r"\d+ s of training and \d+ s of distances and risks", first[1])
    assert mfsym("sweep", small_sweep, "-o", out).stdout == "0 cell(s) run, 8 kept from before\n"
    assert parse_json(mfsym("sweep", small_sweep, "-o", out, "--format", "json"))["kept"] == 8
    assert parse_json(mfsym("status", out, "--format", "json"))["done"] == 8
    assert "done      8" in mfsym("status", out).stdout
    assert "teacher" in mfsym("table", out).stdout
    _refused(mfsym("table", out, "--variable", "x"), "must be one of")
    verified = parse_json(mfsym("verify", out, "--format", "json"))
    assert (verified["cells"], verified["bad"]) == (8, [])
    collected = parse_json(mfsym("collect", out, "--format", "json"))
    assert collected["digest"] == verified["digest"]
    assert verified["digest"] in mfsym("verify", out).stdout
    _refused(mfsym("sweep", small_sweep, "-o", out, "--set", "alpha=6"), "-training.alpha = 5.0", code=3)
    _refused(mfsym("sweep", small_sweep, "-o", out, "--set", "n=1e9", "--overwrite"), "--allow-large")
    _refused(mfsym("sweep", small_sweep, "-o", out, "--shard", "3/2"), "i/n")
    _refused(mfsym("sweep", small_sweep, "-o", out, "--seed", 3), "sweep.seed", code=3)


def test_incomplete_and_damaged_sweeps_say_so(mfsym: Run, small_sweep: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.nc"
    assert mfsym("sweep", small_sweep, "-o", out, "--shard", "1/2", "-q").exit_code == 0
    assert not out.exists()
    result = mfsym("collect", out)
    assert result.exit_code == 1
    assert "4 missing" in result.stderr
    victim = next(folder_of(out).cells.glob("*.npz"))
    victim.write_bytes(victim.read_bytes()[:-100])
    assert "damaged" in mfsym("status", out).stdout
    _refused(mfsym("collect", out), str(victim), code=3)
    result = mfsym("verify", out)
    assert result.exit_code == 3
    assert str(victim) in result.stdout


def test_a_failing_sweep_lists_its_failures(mfsym: Run, small_sweep: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.nc"
    result = mfsym("sweep", small_sweep, "-o", out, "--set", "alpha=1e300", "--set", "n=4", "--replicates", 1)
    assert result.exit_code == 1
    assert result.stdout.count("diverged ") == 2
    assert "2 diverged" in result.stderr


def test_config_show_names_the_origin_of_every_value(mfsym: Run, small_sweep: Path) -> None:
    result = mfsym("config", "show", small_sweep, "--set", "tau=0", "--seed", 5, MFSYM_BETA="0")
    lines = {line.partition(" =")[0]: line.partition("#")[2].strip() for line in result.stdout.splitlines()}
    assert lines["alpha"] == f"file {small_sweep}"
    assert lines["tau"] == "--set"
    assert lines["seed"] == "command line"
    assert lines["beta"] == "environment"
    assert lines["dtype"] == "default"
    shown = parse_json(mfsym("config", "show", small_sweep, "--format", "json"))
    assert shown["values"]["training"]["alpha"] == 5.0
    assert shown["origins"]["unit"] == "default"


def test_info_names_versions_and_machine(mfsym: Run) -> None:
    facts = parse_json(mfsym("info", "--format", "json"))
    assert facts["packages"]["mfsym"] == __version__
    assert facts["machine"]["cores"] >= 1
    assert "processor" in mfsym("info").stdout


def test_warmup_says_how_long_it_took(mfsym: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mfsym.experiments.warmups.warm_up", lambda say: say("transport"))
    assert "compiled" in mfsym("warmup").stdout
    assert mfsym("warmup", "-q").stdout == ""


def test_an_unexpected_error_keeps_its_traceback(mfsym: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(say: Callable[[str], None]) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("mfsym.experiments.warmups.warm_up", broken)
    with pytest.raises(ZeroDivisionError):
        mfsym("warmup")


def test_an_interruption_has_its_code(mfsym: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(say: Callable[[str], None]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mfsym.experiments.warmups.warm_up", stop)
    assert mfsym("warmup").exit_code == 130


def test_a_broken_pipe_that_is_no_standard_stream_is_an_unexpected_error(
    mfsym: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's, say: click would leave with 1 and without a word."""

    def broken(say: Callable[[str], None]) -> None:
        raise BrokenPipeError(errno.EPIPE, "a worker is gone")

    monkeypatch.setattr("mfsym.experiments.warmups.warm_up", broken)
    with pytest.raises(BrokenPipeError, match="a worker is gone"):
        mfsym("warmup")


@pytest.mark.parametrize("places", [Places(None), Places(None, note="compiled code cannot be saved: read-only")])
def test_warming_up_needs_a_place(mfsym: Run, monkeypatch: pytest.MonkeyPatch, places: Places) -> None:
    monkeypatch.setattr("mfsym.runtime.caches.places", lambda: places)
    _refused(mfsym("warmup"), places.note or "null device", code=3)
    assert "none: compiled anew" in mfsym("info").stdout


def test_warnings_of_mfsym_are_one_line(
    mfsym: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guards._show_warning(MfsymWarning("slower than it could be"), MfsymWarning, "file.py", 3)
    guards._show_warning(UserWarning("of another package"), UserWarning, "file.py", 3)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["warning: slower than it could be", "file.py:3: UserWarning: of another package"]
    monkeypatch.setattr(sys, "stderr", None)
    guards._show_warning(MfsymWarning("slower"), MfsymWarning, "file.py", 3)
    assert capsys.readouterr().out == ""
