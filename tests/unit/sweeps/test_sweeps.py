"""Plan, run, collect, verify: a sweep resumes, grows, retries, and knows its own files."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mfsym.experiments
import mfsym.stores.publishing as publishing
from mfsym.configurations import Cell, load
from mfsym.errors import MfsymError, StoreError, SweepIncomplete
from mfsym.experiments import CellResult, compare
from mfsym.stores import content_digest, folder_of, open_result
from mfsym.sweeps import How, Options, Shard, execute, finish, inspect, preview, recorded, sweep, verify
from mfsym.sweeps.plans import cells_of, describe, dry_run_record
from mfsym.sweeps.tables import aligned, comparison_csv, comparison_records, comparison_table, sweep_table
from tests.integration.faults import FaultyOS, cheap_cell

QUICK = {"n": [4, 8], "scheme": ["vanilla", "fa"], "horizon": 0.5, "alpha": 5.0, "replicates": 2}


class Counter:
    """Stands for ``run_cell``: counts the cells, and fails on those asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cells: list[Cell] = []
        self.fail_on: int | None = None
        self.original = mfsym.experiments.run_cell
        monkeypatch.setattr(mfsym.experiments, "run_cell", self)

    def __call__(self, cell: Cell) -> CellResult:
        self.cells.append(cell)
        if cell.n == self.fail_on:
            raise ValueError("asked to fail")
        return self.original(cell)


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    return Counter(monkeypatch)


def test_a_sweep_has_its_dimensions_values_and_provenance(tmp_path: Path) -> None:
    dataset = sweep(QUICK | {"tau": [0.0, 1e-4]}, tmp_path / "a.nc")
    assert dataset["risk"].dims == ("teacher", "init", "scheme", "n", "tau", "replicate")
    assert dataset["rmd2_pair"].dims == ("teacher", "init", "scheme", "n", "tau", "replicate", "other")
    assert dataset["seconds"].dims == ("teacher", "init", "n", "tau", "replicate")
    assert (dataset["status"] == "ok").all()
    assert np.isfinite(dataset["risk"].values).all()
    assert {"config", "mfsym_version", "seed", "machine", "packages", "config_origins"} <= set(dataset.attrs)
    assert json.loads(dataset.attrs["config"])["training"]["tau"] == [0.0, 1e-4]


def test_a_sweep_gives_the_numbers_of_compare(tmp_path: Path) -> None:
    dataset = sweep(QUICK, tmp_path / "a.nc")
    table = compare("wi", replicates=2, schemes=("vanilla", "fa"), n=8, horizon=0.5, alpha=5.0)
    one = dataset.sel(teacher="wi", init="si", n=8)
    for name in ("risk", "rmd2_si", "distance_wi"):
        np.testing.assert_array_equal(one[name].values, table[name].values)


def test_a_second_run_computes_nothing_and_a_larger_grid_only_the_new_cells(tmp_path: Path, counter: Counter) -> None:
    out = tmp_path / "a.nc"
    sweep(QUICK, out)
    assert len(counter.cells) == 4
    written = out.stat().st_mtime_ns
    sweep(QUICK, out)
    assert len(counter.cells) == 4
    assert out.stat().st_mtime_ns == written
    dataset = sweep(QUICK | {"n": [4, 6, 8]}, out)
    assert [cell.n for cell in counter.cells[4:]] == [6, 6]
    assert list(dataset["n"].values) == [4, 6, 8]


def test_the_largest_cells_start_first(tmp_path: Path, counter: Counter) -> None:
    sweep(QUICK, tmp_path / "a.nc")
    assert [cell.n for cell in counter.cells] == [8, 8, 4, 4]


def test_another_configuration_is_refused_and_overwrite_starts_anew(tmp_path: Path, counter: Counter) -> None:
    out = tmp_path / "a.nc"
    sweep(QUICK, out)
    with pytest.raises(StoreError, match=r"-training\.alpha = 5\.0; \+training\.alpha = 6\.0"):
        sweep(QUICK | {"alpha": 6.0}, out)
    with pytest.raises(StoreError):
        preview(load(options=QUICK | {"alpha": 6.0}), out, Options())
    sweep(QUICK, out, overwrite=True)
    assert len(counter.cells) == 8


def test_shards_share_a_folder_and_the_last_one_writes_the_result(tmp_path: Path, counter: Counter) -> None:
    out, whole = tmp_path / "a.nc", tmp_path / "b.nc"
    resolved = load(options=QUICK)
    for index in (1, 2, 3):
        assert not out.exists()
        execute(resolved, out, Options(shard=Shard(index, 3)))
    assert len(counter.cells) == 4
    assert content_digest(open_result(out)) == content_digest(sweep(QUICK, whole))


def test_a_failed_cell_is_recorded_and_run_again_only_when_asked(tmp_path: Path, counter: Counter) -> None:
    out = tmp_path / "a.nc"
    counter.fail_on = 4
    with pytest.raises(SweepIncomplete, match=r"2 cell\(s\) failed") as caught:
        sweep(QUICK, out)
    failed = [cell.identity for cell in counter.cells if cell.n == 4]
    assert sorted(caught.value.missing) == sorted(failed)
    dataset = open_result(out)
    assert (dataset["status"].sel(n=4) == "failed").all()
    assert np.isnan(dataset["risk"].sel(n=4).values).all()
    assert (dataset["status"].sel(n=8) == "ok").all()
    record = json.loads(next(folder_of(out).failed.glob("*.json")).read_text())
    assert record["error"] == "asked to fail"
    assert "Traceback" in record["traceback"]
    counter.fail_on = None
    with pytest.raises(SweepIncomplete, match="retry_failed=True runs the failed ones again"):
        sweep(QUICK, out)
    assert len(counter.cells) == 4
    sweep(QUICK, out, retry_failed=True)
    assert len(counter.cells) == 6
    assert (open_result(out)["status"] == "ok").all()
    assert not list(folder_of(out).failed.iterdir())


def test_fail_fast_stops_at_the_first_failure(tmp_path: Path, counter: Counter) -> None:
    counter.fail_on = 8
    summary = execute(load(options=QUICK), tmp_path / "a.nc", Options(how=How(fail_fast=True, verbosity=-1)))
    assert len(summary.failed) == 1
    assert len(counter.cells) < 4
    assert (open_result(tmp_path / "a.nc")["status"].sel(n=4) == "missing").all()


def test_divergence_is_a_status_and_other_cells_are_unharmed(tmp_path: Path) -> None:
    out = tmp_path / "a.nc"
    with pytest.raises(SweepIncomplete, match="diverged"):
        sweep(QUICK | {"alpha": [5.0, 1e300], "n": [4], "replicates": 1}, out)
    dataset = open_result(out)
    assert (dataset["status"].sel(alpha=1e300) == "diverged").all()
    assert np.isnan(dataset["rmd2_si"].sel(alpha=1e300).values).all()
    assert (dataset["diverged_step"].sel(alpha=1e300) >= 0).all()
    assert (dataset["status"].sel(alpha=5.0) == "ok").all()
    with pytest.raises(SweepIncomplete):
        sweep(QUICK | {"alpha": [5.0, 1e300], "n": [4], "replicates": 1}, out)


def test_cells_are_named_by_what_is_listed_and_counted_one_by_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, grid = tmp_path / "a.nc", {"n": [4], "scheme": ["fa"], "horizon": 2.0, "alpha": [1e30, 1e31, 1e32, 20]}
    resolved = load(options=grid)
    names = [f"teacher=wi init=si n=4 alpha={alpha} replicate=0" for alpha in ("1e+30", "1e+31", "1e+32", "20.0")]
    for ran in (4, 0):
        summary = execute(resolved, out, Options(how=How(verbosity=1)))
        shown = summary.to_dict()
        assert (shown["ran"], shown["failed"]) == (ran, {})
        assert sorted(shown["diverged"]) == names[:3]
        with pytest.raises(SweepIncomplete, match=r"^0 cell\(s\) failed, 3 diverged; try a smaller alpha$") as caught:
            summary.check()
        diverged = [cell.identity for cell in cells_of(resolved) if cell.alpha > 20]
        assert sorted(caught.value.missing) == sorted(diverged)
    assert inspect(folder_of(out), cells_of(resolved)).counts()["diverged"] == 3
    lines = capsys.readouterr().err
    assert all(lines.count(f"a: {name}: ") == 1 for name in names)


def test_failures_are_counted_one_by_one(tmp_path: Path, counter: Counter) -> None:
    counter.fail_on = 4
    with pytest.raises(SweepIncomplete, match=r"^2 cell\(s\) failed, 0 diverged") as caught:
        sweep(QUICK | {"n": [4], "replicates": 1, "tau": [0.0, 1e-4]}, tmp_path / "a.nc")
    assert set(caught.value.missing) == {cell.identity for cell in counter.cells}


def test_a_grid_finds_its_cells_whatever_the_order_of_its_lists(tmp_path: Path, counter: Counter) -> None:
    counter.original = cheap_cell  # type: ignore[assignment]
    out, grid = tmp_path / "a.nc", {"n": [4], "scheme": ["fa"], "seed": 3}
    risks: dict[float, Any] = {}
    steps: list[tuple[list[float], int]] = [([50.0, 20.0], 2), ([20.0, 50.0], 2), ([50.0, 20.0, 10.0], 3)]
    steps += [([10.0, 20.0], 3), ([50.0], 3), ([20.0, 30.0], 4)]
    for alphas, cells in steps:
        dataset = sweep(grid | {"alpha": alphas}, out)
        assert dataset["alpha"].values.tolist() == alphas
        assert len(counter.cells) == cells
        for alpha in alphas:
            found = dataset["risk"].sel(alpha=alpha).values
            np.testing.assert_array_equal(found, risks.setdefault(alpha, found))
    assert verify(out).bad == []
    assert "alpha" not in sweep(grid | {"alpha": 20.0}, out).dims
    assert len(counter.cells) == 4
    dataset = sweep(grid | {"alpha": [50.0, 20.0], "n": [8, 4], "teacher": ["si", "wi"]}, out)
    assert dataset["n"].values.tolist() == [8, 4]
    assert len(counter.cells) == 4 + 6
    assert content_digest(dataset) == content_digest(
        sweep(grid | {"alpha": [50.0, 20.0], "n": [8, 4], "teacher": ["si", "wi"]}, tmp_path / "b.nc")
    )


def test_the_order_of_the_schemes_names_no_other_cells(tmp_path: Path, counter: Counter) -> None:
    """Cells hold their schemes in one order; a Dataset shows them in the order that was asked for."""
    out, grid, orders = tmp_path / "a.nc", QUICK | {"n": [4]}, (["fa", "vanilla", "ea"], ["vanilla", "ea", "fa"])
    one, other = (sweep(grid | {"scheme": order}, out) for order in orders)
    assert len(counter.cells) == 2
    assert {cell.schemes for cell in counter.cells} == {("vanilla", "fa", "ea")}
    for order, dataset in zip(orders, (one, other), strict=True):
        assert list(dataset["scheme"].values) == list(dataset["other"].values) == order
    for name in ("status", "risk", "rmd2_si", "rmd2_pair", "diverged_step"):
        sorted_too = one[name].sel({dim: orders[1] for dim in ("scheme", "other") if dim in one[name].dims})
        np.testing.assert_array_equal(sorted_too.values, other[name].values)
    assert not np.array_equal(one["risk"].values, other["risk"].values), "the schemes reach different risks"
    fresh = sweep(grid | {"scheme": orders[0]}, tmp_path / "b.nc")
    assert content_digest(fresh) == content_digest(one)
    assert verify(out).bad == []
    with pytest.raises(StoreError, match="another configuration"):
        sweep(grid | {"scheme": orders[0][:2]}, out)


def test_a_folder_from_before_a_parameter_was_there_goes_on(tmp_path: Path, counter: Counter) -> None:
    """What a recorded configuration does not state had its default, also where no cell is done yet."""
    out = tmp_path / "a.nc"
    tables = load(options=QUICK, environment={}).tables()
    del tables["training"]["dtype"], tables["sweep"]["null"]
    folder = folder_of(out)
    folder.make()
    publishing.publish(folder.config, publishing.seal(json.dumps({"tables": tables}).encode()))
    with pytest.raises(StoreError, match=r"-training\.dtype = \"float32\"; \+training\.dtype = \"float64\""):
        sweep(QUICK | {"dtype": "float64"}, out)
    sweep(QUICK, out)
    assert len(counter.cells) == 4


def test_a_place_that_cannot_be_written_is_found_out_before_training(
    tmp_path: Path, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "os", FaultyOS(0, "refuse", errno.EACCES))
    with pytest.raises(StoreError, match="Permission denied"):
        sweep(QUICK, tmp_path / "a.nc")
    assert counter.cells == []


def test_damaged_cells_are_seen_and_only_they_are_done_again(tmp_path: Path, counter: Counter) -> None:
    out = tmp_path / "a.nc"
    digest = content_digest(sweep(QUICK, out))
    folder = folder_of(out)
    victim = sorted(folder.cells.glob("*.npz"))[1]
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(bytes(data))
    found = verify(out)
    assert [entry["file"] for entry in found.bad] == [str(victim)]
    assert found.cells == 3
    assert inspect(folder, cells_of(recorded(folder))).counts()["damaged"] == 1
    with pytest.raises(StoreError):
        finish(folder, recorded(folder))
    assert content_digest(sweep(QUICK, out)) == digest
    assert len(counter.cells) == 5
    assert verify(out).bad == []


def test_verify_compares_the_result_with_its_cells(tmp_path: Path) -> None:
    out, other = tmp_path / "a.nc", tmp_path / "b.nc"
    sweep(QUICK, out)
    sweep(QUICK | {"seed": 1}, other)
    assert verify(out).to_dict().keys() == {"digest", "cells", "bad"}
    out.write_bytes(other.read_bytes())
    assert "differs from its cells" in verify(out).bad[0]["reason"]
    next(folder_of(out).cells.glob("*.npz")).unlink()
    assert {"missing", "differs from its cells; run mfsym collect"} == {entry["reason"] for entry in verify(out).bad}
    folder_of(out).config.write_bytes(b"x")
    assert "checksum" in verify(out).bad[0]["reason"]
    with pytest.raises(StoreError, match="no result"):
        verify(tmp_path / "absent.nc")


def test_a_result_without_its_cells_can_be_verified_alone(tmp_path: Path) -> None:
    sweep(QUICK, tmp_path / "a.nc")
    (tmp_path / "a.nc").rename(tmp_path / "moved.nc")
    found = verify(tmp_path / "moved.nc")
    assert (found.cells, found.bad) == (0, [])
    assert len(found.digest) == 64


def test_a_preview_writes_nothing_and_learns_from_what_is_done(tmp_path: Path) -> None:
    out = tmp_path / "a.nc"
    needs, state = preview(load(options=QUICK), out, Options())
    assert list(tmp_path.iterdir()) == []
    assert state.counts()["missing"] == needs.cells == 4
    assert any("nominal" in line for line in describe(needs, state))
    sweep(QUICK, out)
    needs, state = preview(load(options=QUICK | {"n": [4, 8, 16]}), out, Options())
    assert state.counts() | {"done": 4, "missing": 2} == state.counts()
    assert dry_run_record(needs, state)["seconds"] > 0
    assert any("that are done" in line for line in describe(needs, state))
    assert preview(load(options=QUICK), out, Options(overwrite=True))[1].counts()["missing"] == 4


@pytest.mark.parametrize("text", ["0/4", "5/4", "a/b", "1", "1/0", "-1/2", "1/2/3"])
def test_bad_shards_are_refused(text: str) -> None:
    with pytest.raises(MfsymError, match="i/n"):
        Shard.parse(text)


def test_shards_part_the_cells() -> None:
    resolved = load(options=QUICK)
    parts = [cells_of(resolved, Shard.parse(f"{i}/3")) for i in (1, 2, 3)]
    assert sorted((cell for part in parts for cell in part), key=str) == sorted(cells_of(resolved), key=str)


def test_a_folder_without_a_sweep_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="run mfsym sweep first"):
        recorded(folder_of(tmp_path / "a.nc"))


@pytest.fixture(scope="module")
def table() -> Any:
    return compare("wi", replicates=2, schemes=("vanilla", "fa"), n=8, horizon=0.5, alpha=5.0)


def test_records_have_the_documented_keys(table: Any) -> None:
    records = comparison_records(table)
    assert records["schema_version"] == 1
    keys = {"scheme", "replicate", "status", "risk", "risk_bare", "rmd2_si", "rmd2_symmetrised", "distance_wi"}
    keys |= {"risk_error", "risk_bare_error"}
    assert all(set(record) == keys for record in records["schemes"])
    assert len(records["schemes"]) == 4
    assert [set(pair) for pair in records["pairs"]] == [{"scheme", "other", "replicate", "rmd2"}] * 2
    json.dumps(records, allow_nan=False)


def test_tables_are_aligned_and_name_every_scheme(table: Any) -> None:
    text = comparison_table(table)
    assert "vanilla" in text
    assert len({len(line) for line in text.split("\n\n")[0].splitlines()}) == 1
    assert comparison_csv(table).splitlines()[0].startswith("scheme,replicate,status,risk")
    assert aligned([["a", "bb"], ["ccc", "d"]]) == "a    bb\nccc   d"


def test_a_sweep_table_has_one_row_per_point(tmp_path: Path) -> None:
    dataset = sweep(QUICK, tmp_path / "a.nc")
    assert len(sweep_table(dataset).splitlines()) == 2 + 2
    assert sweep_table(dataset, "risk", csv=True).splitlines()[0] == "teacher,init,n,vanilla,fa"
    with pytest.raises(MfsymError, match="variable must be one of"):
        sweep_table(dataset, "status")
