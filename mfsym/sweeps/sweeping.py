"""A sweep from configuration to Dataset: plan, run, collect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfsym.arguments import as_whole
from mfsym.configurations.cells import expand, extra_axes
from mfsym.configurations.layers import Resolved
from mfsym.configurations.loading import load
from mfsym.configurations.preflight import ResourceEstimate, check
from mfsym.configurations.shipped import sim_file
from mfsym.engines.choices import usable_engine
from mfsym.errors import StoreError
from mfsym.runtime.scripts import checked_jobs
from mfsym.stores.datasets import content_digest, open_result, save
from mfsym.stores.folders import Folder, adopt_config, discard, folder_of, locked, refuse_change
from mfsym.stores.publishing import require_writable
from mfsym.sweeps.collection import collect
from mfsym.sweeps.plans import Shard, SweepState, cells_of, inspect, parameters_of
from mfsym.sweeps.runs import Ended, How, Summary, run

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Options:
    """How to treat existing results, which shard to run, and whether to allow a sweep beyond the resource limits."""

    overwrite: bool = False
    retry_failed: bool = False
    shard: Shard = field(default_factory=Shard)
    allow_large: bool = False
    how: How = field(default_factory=How)


def preview(resolved: Resolved, out: Path | str, options: Options) -> tuple[ResourceEstimate, SweepState]:
    """The resources that a sweep needs and the cells already done; writes nothing. Raises as ``execute`` does."""
    folder = folder_of(out)
    needs = _check(resolved, folder, options)
    if not options.overwrite:
        refuse_change(folder, resolved.tables(), _identities(resolved))
    cells = cells_of(resolved, options.shard)
    return needs, SweepState(missing=cells) if options.overwrite else inspect(folder, cells)


def _check(resolved: Resolved, folder: Folder, options: Options) -> ResourceEstimate:
    """The resource estimate; MfsymError if too large, checked first for one worker, then for all that will start.

    MfsymError, before anything is written, for an engine whose packages are missing.
    """
    engines = resolved.values["engine"]
    for engine in engines if isinstance(engines, list) else [engines]:
        usable_engine(engine)
    parameters = parameters_of(resolved.values["problem"], resolved.values["problem_digest"])
    judged = partial(check, resolved, folder.root, allow_large=options.allow_large, parameters=parameters)
    jobs, needs = as_whole(options.how.jobs, "jobs", least=1), judged()
    if jobs > 1 and not options.allow_large:
        cells = cells_of(resolved, options.shard)
        left = sum(options.overwrite or not folder.cell(cell.identity).exists() for cell in cells)
        judged(jobs=min(jobs, max(1, left)))
    return needs


def execute(resolved: Resolved, out: Path | str, options: Options) -> Summary:
    """Run the missing cells; write the Dataset once every cell of the whole grid is done or failed.

    Raises MfsymError if the sweep is too large, StoreError if the folder holds another configuration, is locked or
    cannot be written.
    """
    folder = folder_of(out)
    _check(resolved, folder, options)
    if not options.overwrite:
        refuse_change(folder, resolved.tables(), _identities(resolved))
    folder.make()
    for path in (folder.result, folder.config, folder.cell("new"), folder.failure("new")):
        require_writable(path)
    with locked(folder, shared=options.shard.count > 1):
        if options.overwrite:
            discard(folder)
        adopt_config(folder, resolved.tables(), _identities(resolved))
        state = inspect(folder, cells_of(resolved, options.shard))
        todo = sorted(state.missing + (state.failed if options.retry_failed else []), key=lambda cell: -cell.cost)
        listed = tuple(extra_axes(resolved))
        summary = run(folder, todo, options.how, listed)
        summary.kept = len(state.done)
        kept_back = [] if options.retry_failed else state.failed
        for cells, ended, reason in (
            (state.diverged, summary.diverged, "diverged"),
            (state.drifted, summary.drifted, "drifted"),
            (kept_back, summary.failed, "failed before"),
        ):
            ended |= {cell.identity: Ended(cell.label_of(listed), reason) for cell in cells}
        if options.shard.count == 1 or not inspect(folder, cells_of(resolved)).missing:
            finish(folder, resolved)
    return summary


def _identities(resolved: Resolved) -> Iterator[str]:
    """The identities of the cells of a grid, generated lazily."""
    return (cell.identity for _, cell in expand(resolved))


def finish(folder: Folder, resolved: Resolved) -> xr.Dataset:
    """Build the Dataset from verified cells; write it unless the existing one has the same values."""
    dataset = collect(folder, resolved)
    if folder.result.exists():
        try:
            old = open_result(folder.result)
            same = content_digest(old) == content_digest(dataset)
            if same and all(old.attrs.get(key) == dataset.attrs[key] for key in ("config", "loss")):
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
    retry_failed: bool = False,
    allow_large: bool = False,
    quiet: bool = True,
    progress: bool = False,
) -> xr.Dataset:
    """Run a sweep, or resume it, and return its Dataset: the same numbers as ``mfsym sweep``.

    source : a TOML file, the name of a sim that comes with mfsym, or a mapping of keys to values, for example
    {"n": [5, 10], "alpha": [5.0, 50.0]}.
    out : the result file (``.nc``); cells go to a folder next to it. If the lists of the grid change, the cells common
    to both grids are reused.
    jobs : worker processes; 1 runs in this process. A script with more keeps its calls under
    ``if __name__ == "__main__":``.  overwrite : discard existing results.  retry_failed : rerun failed cells.
    allow_large : skip the check of memory and disk.
    progress : True shows progress, as a bar on a terminal and in a notebook; quiet=False does the same.
    Raises MfsymError, StoreError; SweepIncomplete if a cell failed or diverged (the Dataset is still written).
    """
    jobs = checked_jobs(jobs)
    resolved = load(arguments=source) if isinstance(source, Mapping) else load(sim_file(source))
    how = How(jobs=jobs, verbosity=-1 if quiet and not progress else 0)
    execute(resolved, out, Options(overwrite, retry_failed, allow_large=allow_large, how=how)).check()
    return open_result(folder_of(out).result)
