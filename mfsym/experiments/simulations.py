"""One scheme over time: its particles, risks and distances."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_whole
from mfsym.configurations.cells import Cell
from mfsym.data.teachers import Teacher
from mfsym.errors import MfsymError
from mfsym.experiments.cells import dynamics_of, problem_of, scenery, start_of, stated, told
from mfsym.experiments.measures import snapshot
from mfsym.problems import Problem
from mfsym.runtime.progress import Progress
from mfsym.runtime.provenance import attributes
from mfsym.variables import annotate

if TYPE_CHECKING:
    import xarray as xr


def simulate(
    teacher: str | Teacher | Problem = "wi",
    scheme: str = "vanilla",
    *,
    snapshots: int = 21,
    replicate: int = 0,
    **parameters: Any,
) -> xr.Dataset:
    """Train one scheme and keep its particles and its distances over time: what ``mfsym simulate`` writes.

    teacher : "arbitrary", "wi", "si", a Teacher or a Problem.  snapshots : number of times from 0 to the horizon.
    parameters : fields of ``Cell`` by name, such as init, n, horizon, alpha, noise, seed; the paper's by default.
    Returns a Dataset: particles (time, particle, param), risk, risk_bare, rmd2_si, rmd2_symmetrised, rmd2_floor, status
    (time); fixed_basis (param, direction) and, of a teacher, teacher_particles (teacher_particle, param); in the
    attributes how the run ended: status, diverged_step, drifted_step, precision.
    Raises MfsymError for anything unknown or out of range.
    """
    if "null" in parameters:
        raise MfsymError("null is for compare and sweeps; of one run take null_level(run.particles[-1], unit.action)")
    cell, problem = stated(teacher, (scheme,), parameters)
    return simulate_cell(replace(cell, replicate=replicate), snapshots=snapshots, problem=problem)


def snapshot_steps(cell: Cell, snapshots: int) -> NDArray[np.int64]:
    """Steps at which a run is kept: evenly spaced from 0 to the end, without repeats; one snapshot is the end."""
    if snapshots == 1:
        return np.array([cell.steps])
    return np.unique(np.rint(np.linspace(0, cell.steps, snapshots)).astype(np.int64))


def simulate_cell(
    cell: Cell, *, snapshots: int = 21, problem: Problem | None = None, verbosity: int = -1
) -> xr.Dataset:
    """As ``simulate``, for the first scheme of a cell."""
    import xarray as xr

    snapshots = as_whole(snapshots, "snapshots", 1)
    setting = problem_of(cell) if problem is None else problem
    cell = told(cell, setting)
    dynamics = dynamics_of(cell, cell.schemes[0], setting)
    steps = snapshot_steps(cell, snapshots)
    states, rows = [], []
    with Progress(len(steps), f"{cell.schemes[0]} {cell.label}", verbosity=verbosity, unit="snapshot") as progress:
        for state in dynamics.flow(start_of(cell, dynamics), steps / cell.n):
            states.append(state)
            rows.append(snapshot(state, dynamics.scheme, setting))
            progress.cell(f"t = {state.time:g}")
    lost = [state.status == "diverged" for state in states]
    particles = np.stack([np.full_like(s.z, np.nan) if gone else s.z for s, gone in zip(states, lost, strict=True)])
    dataset = xr.Dataset(
        {name: ("time", np.array([row[name] for row in rows])) for name in rows[0]}
        | {"particles": (("time", "particle", "param"), particles)}
        | {"status": ("time", np.array([state.status for state in states], dtype="<U8"))}
        | scenery(setting),
        coords={"time": steps / cell.n, "particle": np.arange(cell.n), "param": np.arange(particles.shape[2])},
        attrs=attributes("mfsym simulate", cell.to_dict(), cell.seed, setting.loss, noise=cell.noise_felt),
    )
    last = states[-1]
    dataset.attrs["status"] = last.status
    for name in ("diverged_step", "drifted_step"):
        step = getattr(last, name)
        dataset.attrs[name] = -1 if step is None else step
    dataset.attrs["precision"] = str(last.z.dtype)
    return annotate(dataset)
