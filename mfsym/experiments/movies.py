"""Animated clouds: ``mfsym animate`` shows the results of ``mfsym simulate`` and ``mfsym flow``.

The views are those of figures 4 and 5 of Maass Martínez & Fontbona 2024, one for every time.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from mfsym.configurations.cells import Cell
from mfsym.errors import MfsymError
from mfsym.plotting import Movie, marks_of_result

if TYPE_CHECKING:
    import xarray as xr


def movie_of(run: xr.Dataset) -> Movie:
    """The cloud of a run over time, with E^G and the teacher of the run.

    run : particles (time, particle, param), fixed_basis (param, direction) and, of a teacher, teacher_particles
    (teacher_particle, param), as ``simulate`` and ``flow`` give them.
    Raises MfsymError if the particles, the basis or the recorded configuration is missing.
    """
    if "particles" not in run or run["particles"].dims != ("time", "particle", "param"):
        raise MfsymError("an animation needs particles over time; write a run with mfsym simulate or mfsym flow")
    try:
        cell = Cell.from_dict(json.loads(run.attrs["config"]))
        mark = marks_of_result(run)[cell.schemes[0]]
    except (KeyError, TypeError, ValueError):
        raise MfsymError("an animation needs a run that says how it was made; this one does not") from None
    if "fixed_basis" not in run:
        raise MfsymError("an animation needs the run's fixed_basis, which older versions did not keep; write it again")
    times, particles, basis = (np.asarray(run[name].values, float) for name in ("time", "particles", "fixed_basis"))
    teacher = np.asarray(run["teacher_particles"].values, float) if "teacher_particles" in run else None
    return Movie(times, particles, basis, teacher, mark)
