"""Runs as moving clouds: what ``mfsym animate`` shows of what ``mfsym simulate`` and ``mfsym flow`` wrote.

The views are those of figures 4 and 5 of Maass Martínez & Fontbona 2024, one for every time.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from mfsym.configurations.cells import Cell
from mfsym.errors import MfsymError
from mfsym.experiments import problem_of
from mfsym.plotting import SCHEMES, Movie
from mfsym.teachers import Teacher

if TYPE_CHECKING:
    import xarray as xr


def movie_of(run: xr.Dataset) -> Movie:
    """The cloud of a run over time, with E^G and the teacher of the problem that the run names.

    run : particles (time, particle, param), as ``simulate`` and ``flow`` give it.
    Raises MfsymError if it holds no such particles, or if the problem is no longer what it was.
    """
    if "particles" not in run or run["particles"].dims != ("time", "particle", "param"):
        raise MfsymError("an animation needs particles over time; write a run with mfsym simulate or mfsym flow")
    try:
        cell = Cell.from_dict(json.loads(run.attrs["config"]))
        scheme = SCHEMES[cell.schemes[0]]
    except (KeyError, TypeError, ValueError):
        raise MfsymError("an animation needs a run that says how it was made; this one does not") from None
    problem = problem_of(cell)
    teacher = problem.data.particles if isinstance(problem.data, Teacher) else None
    particles = np.asarray(run["particles"].values, dtype=np.float64)
    if particles.shape[2] != problem.unit.p:
        raise MfsymError(f"particles must have {problem.unit.p} parameters as the unit, got {particles.shape[2]}")
    basis = problem.unit.fixed_subspace.basis
    return Movie(np.asarray(run["time"].values, dtype=np.float64), particles, basis, teacher, scheme)
