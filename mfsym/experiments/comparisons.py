"""All schemes of a cell under common random numbers, over replicates, in one Dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mfsym.arguments import as_whole
from mfsym.configurations.cells import Cell
from mfsym.configurations.loading import as_schemes
from mfsym.data.teachers import Teacher
from mfsym.experiments.cells import problem_of, scenery, stated, told
from mfsym.experiments.parallel import run_all
from mfsym.experiments.runs import run_cell
from mfsym.problems import Problem
from mfsym.runtime.provenance import attributes
from mfsym.variables import TIMINGS, annotate

if TYPE_CHECKING:
    import xarray as xr


def compare(
    teacher: str | Teacher | Problem = "wi",
    *,
    replicates: int = 1,
    schemes: Sequence[str] | str | None = None,
    jobs: int = 1,
    null: int = 0,
    **parameters: Any,
) -> xr.Dataset:
    """Train all schemes under common random numbers, over replicates: what ``mfsym compare`` tabulates.

    teacher, parameters : as ``simulate``.  schemes : their names, None for all five.  jobs : worker processes; a
    script that asks for more than one keeps its calls under ``if __name__ == "__main__":``.
    null : moved clouds behind the null level of rmd2_symmetrised (``null_level``), 0 for none.
    Returns a Dataset with dimensions scheme, replicate (other, particle, param), named by the data dictionary.
    """
    cell, problem = stated(teacher, as_schemes(schemes), {**parameters, "null": null})
    return compare_cells(cell, replicates=replicates, jobs=jobs, problem=problem)


def compare_cells(
    cell: Cell, *, replicates: int = 1, jobs: int = 1, problem: Problem | None = None, verbosity: int = -1
) -> xr.Dataset:
    """As ``compare``, for the replicates 0, 1, ... of a cell; the error of a replicate that fails is raised."""
    import xarray as xr

    replicates = as_whole(replicates, "replicates", 1)
    setting = problem_of(cell) if problem is None else problem
    cell = told(cell, setting)
    cells = [replace(cell, replicate=r) for r in range(replicates)]
    results = run_all(
        partial(run_cell, problem=problem), cells, jobs, title=cells[0].label.rpartition(" ")[0], verbosity=verbosity
    )
    variables: dict[str, Any] = {}
    for name in results[0].arrays:
        dims: dict[str, tuple[str, ...]] = dict.fromkeys(TIMINGS, ())
        dims |= {"rmd2_pair": ("scheme", "other"), "particles": ("scheme", "particle", "param")}
        stacked = np.stack([result.arrays[name] for result in results])
        variables[name] = (("replicate", *dims.get(name, ("scheme",))), stacked)
    coords = {
        "scheme": list(cell.schemes),
        "other": list(cell.schemes),
        "replicate": np.arange(replicates),
        "particle": np.arange(cell.n),
        "param": np.arange(results[0].arrays["particles"].shape[2]),
    }
    config = {key: value for key, value in cell.to_dict().items() if key != "replicate"}
    attrs = attributes(
        "mfsym compare", {**config, "replicates": replicates}, cell.seed, setting.loss, noise=cell.noise_felt
    )
    dataset = xr.Dataset(variables, coords=coords, attrs=attrs)
    dataset = dataset.transpose("scheme", "replicate", "other", "particle", "param")
    return annotate(dataset.assign(scenery(setting)))
