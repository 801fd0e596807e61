"""All schemes of a cell under common random numbers, over replicates, in one Dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mfsym.arguments import as_whole
from mfsym.configurations.cells import Cell
from mfsym.engines import runs_at_once
from mfsym.engines.choices import usable_engine
from mfsym.experiments.parallel import run_groups
from mfsym.experiments.readings import MEASURED, NONE, as_readings, check_readings
from mfsym.experiments.runs import run_cells
from mfsym.experiments.setups import UNSTATED, AnyProblem, AnySchedule, AnyStart, Setup, setup_of
from mfsym.problems import Problem
from mfsym.runtime.progress import with_progress
from mfsym.schemes import AnyScheme
from mfsym.variables import TIMINGS

if TYPE_CHECKING:
    import xarray as xr

LAST = {
    "rmd2_pair": ("other",),
    "particles": ("particle", "param"),
    **dict.fromkeys((*MEASURED, "passes"), ("readout",)),
}
"""Dimensions of a variable after scheme and replicate."""


@with_progress
def compare(
    problem: AnyProblem = UNSTATED,
    /,
    *,
    replicates: int = 1,
    schemes: Sequence[AnyScheme] | AnyScheme | None = None,
    jobs: int = 1,
    null: int = 0,
    readouts: Sequence[str] | str | None = None,
    init: AnyStart | None = None,
    schedule: AnySchedule | None = None,
    **parameters: Any,
) -> xr.Dataset:
    """Train all schemes under common random numbers, over replicates: what ``mfsym compare`` tabulates.

    problem, init, schedule, parameters : as ``simulate``.
    schemes : names, subclasses of Scheme and Schemes; None for the package's.
    jobs : worker processes; a script that asks for more than one keeps its calls under
    ``if __name__ == "__main__":``, and objects of its own at the top of a module.
    null : moved clouds behind the null level of rmd2_symmetrised (``null_level``), 0 for none.
    readouts : names in ``readings.READINGS``, such as "equitune", "equizero", "lambda": every trained model is also
    read through these, which adds a dimension readout, whose first entry is none, the model itself.
    Returns a Dataset with dimensions scheme, replicate (readout, other, particle, param), named by the data dictionary.
    """
    given = {**parameters, "null": null, "init": init, "schedule": schedule}
    setup = setup_of(problem, schemes, given, what="schemes")
    return compare_setup(setup, replicates=replicates, jobs=jobs, readouts=as_readings(readouts))


def compare_cells(
    cell: Cell, *, replicates: int = 1, jobs: int = 1, problem: Problem | None = None, verbosity: int = -1
) -> xr.Dataset:
    """As ``compare``, for the replicates 0, 1, ... of a cell.  problem : overrides the one that the cell names."""
    return compare_setup(Setup.of(cell, problem), replicates=replicates, jobs=jobs, verbosity=verbosity)


def compare_setup(
    setup: Setup, *, replicates: int = 1, jobs: int = 1, verbosity: int = -1, readouts: tuple[str, ...] = ()
) -> xr.Dataset:
    """As ``compare``, for a setup; the error of a replicate that fails is raised."""
    replicates, cell = as_whole(replicates, "replicates", 1), setup.cell
    cells = [replace(cell, replicate=r) for r in range(replicates)]
    check_readings(readouts, setup.problem)
    train = partial(run_cells, problem=setup.carried, own=setup.own, readouts=readouts)
    together = -(-runs_at_once(usable_engine(cell.engine)) // len(cell.schemes)) if jobs == 1 else 1
    title = cells[0].label.rpartition(" ")[0]
    results = run_groups(train, cells, jobs, together=together, title=title, verbosity=verbosity)
    variables: dict[str, Any] = {}
    for name in results[0].arrays:
        dims = () if name in TIMINGS else ("scheme",)
        last = LAST.get(name, ())
        stacked = np.stack([result.arrays[name] for result in results], axis=len(dims))
        variables[name] = ((*dims, "replicate", *last), stacked)
    coords = {
        "scheme": list(cell.schemes),
        "other": list(cell.schemes),
        "replicate": np.arange(replicates),
        "particle": np.arange(cell.n),
        "param": np.arange(results[0].arrays["particles"].shape[2]),
    }
    config = {key: value for key, value in cell.to_dict().items() if key != "replicate"} | {"replicates": replicates}
    if readouts:
        coords["readout"] = [NONE, *readouts]
        config["readouts"] = list(readouts)
    return setup.dataset("mfsym compare", variables, coords, config)
