"""A sweep from configuration to Dataset: plan, run, collect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfsym.arguments import as_whole
from mfsym.configurations.layers import Resolved, load
from mfsym.configurations.preflight import Estimate, check
from mfsym.errors import StoreError
from mfsym.stores.datasets import content_digest, open_result, save
from mfsym.stores.folders import Folder, adopt_config, discard, folder_of, locked, refuse_change
from mfsym.sweeps.collection import collect
from mfsym.sweeps.plans import Shard, State, cells_of, inspect, parameters_of
from mfsym.sweeps.runs import How, Summary, run

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Options:
    """What to do with what is there: start anew, run failures again, which shard, whether a huge sweep is meant."""

    overwrite: bool = False
    retry_failed: bool = False
    shard: Shard = field(default_factory=Shard)
    allow_large: bool = False
    how: How = field(default_factory=How)


def preview(resolved: Resolved, out: Path | str, options: Options) -> tuple[Estimate, State]:
    """What a sweep would need and what is done already; writes nothing. Raises as ``execute`` would."""
    folder = folder_of(out)
    needs = _check(resolved, folder, options)
    if not options.overwrite:
        refuse_change(folder, resolved.tables())
    cells = cells_of(resolved, options.shard)
    return needs, State(missing=cells) if options.overwrite else inspect(folder, cells)


def _check(resolved: Resolved, folder: Folder, options: Options) -> Estimate:
    """The estimate of the sweep, refused if it is too large: first for one worker, then for those that will start."""
    parameters = parameters_of(resolved.values["problem"], resolved.values["problem_digest"])
    judged = partial(check, resolved, folder.root, allow_large=options.allow_large, parameters=parameters)
    jobs, needs = as_whole(options.how.jobs, "jobs", least=1), judged()
    if jobs > 1 and not options.allow_large:
        cells = cells_of(resolved, options.shard)
        left = sum(options.overwrite or not folder.cell(cell.identity).exists() for cell in cells)
        judged(jobs=min(jobs, max(1, left)))
    return needs


def execute(resolved: Resolved, out: Path | str, options: Options) -> Summary:
    """Run what is missing and write the Dataset when every cell of the whole grid is done or failed.

    Raises MfsymError if the sweep is too large, StoreError if the folder holds another configuration, is locked or
    cannot be written.
    """
    folder = folder_of(out)
    _check(resolved, folder, options)
    if not options.overwrite:
        refuse_change(folder, resolved.tables())
    folder.make()
    with locked(folder, shared=options.shard.count > 1):
        if options.overwrite:
            discard(folder)
        adopt_config(folder, resolved.tables())
        state = inspect(folder, cells_of(resolved, options.shard))
        todo = sorted(state.missing + (state.failed if options.retry_failed else []), key=lambda cell: -cell.cost)
        summary = run(folder, todo, options.how)
        summary.kept = len(state.done)
        summary.diverged |= {cell.label: "diverged" for cell in state.diverged}
        if not options.retry_failed:
            summary.failed |= {cell.label: "failed before" for cell in state.failed}
        if options.shard.count == 1 or not inspect(folder, cells_of(resolved)).missing:
            finish(folder, resolved)
    return summary


def finish(folder: Folder, resolved: Resolved) -> xr.Dataset:
    """Build the Dataset from verified cells and publish it, unless the one there has the same values already."""
    dataset = collect(folder, resolved)
    if folder.result.exists():
        try:
            old = open_result(folder.result)
            if content_digest(old) == content_digest(dataset) and old.attrs["config"] == dataset.attrs["config"]:
                return old
        except StoreError:
            pass
    save(dataset, folder.result)
    return dataset


def sweep(
    source: Path | str | Mapping[str, Any],
    out: Path | str,
    *,
    jobs: int = 1,
    overwrite: bool = False,
    quiet: bool = True,
) -> xr.Dataset:
    """Run a sweep, or resume it, and return its Dataset: the same numbers as ``mfsym sweep``.

    source : a TOML file, or a mapping of keys to values, for example {"n": [5, 10], "alpha": [5.0, 50.0]}.
    out : the result file (``.nc``); its cells go to the folder beside it.  jobs : worker processes, 1 for this one.
    Raises MfsymError, StoreError; SweepIncomplete if a cell failed or diverged (the Dataset is written all the same).
    """
    resolved = load(options=source) if isinstance(source, Mapping) else load(Path(source))
    options = Options(overwrite=overwrite, how=How(jobs=jobs, verbosity=-1 if quiet else 0))
    execute(resolved, out, options).check()
    return open_result(folder_of(out).result)
