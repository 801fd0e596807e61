"""One scheme over time: its particles, risks and distances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_whole
from mfsym.configurations.cells import Cell
from mfsym.errors import MfsymError
from mfsym.experiments.measures import SNAPSHOT, row_of_state
from mfsym.experiments.setups import UNSTATED, AnyProblem, AnySchedule, AnyStart, Setup, setup_of
from mfsym.problems import Problem
from mfsym.runtime.progress import Progress, with_progress
from mfsym.schemes import AnyScheme

if TYPE_CHECKING:
    import xarray as xr


@with_progress
def simulate(
    problem: AnyProblem = UNSTATED,
    /,
    scheme: AnyScheme = "vanilla",
    *,
    init: AnyStart | None = None,
    schedule: AnySchedule | None = None,
    snapshots: int = 21,
    replicate: int = 0,
    **parameters: Any,
) -> xr.Dataset:
    """Train one scheme and keep its particles and its distances over time: what ``mfsym simulate`` writes.

    problem : "arbitrary", "wi" (the default), "si", a problem file .toml, a Teacher or a Problem.
    scheme : a name, a subclass of Scheme, or a Scheme.
    init : "wi", "si" (the default), particles (N, p), or the path of a file of them.
    schedule : t (S,) -> factors (S,) of alpha, or a formula in t such as "1/(1+t)"; None for 1.
    snapshots : number of times from 0 to the horizon.
    parameters : n, horizon, alpha, tau, beta, batch_size, unit, activation (a name, or an Activation), dtype, seed; the
    paper's by default; noise.
    Returns a Dataset: particles (time, particle, param), risk, risk_bare, rmd2_si, rmd2_symmetrised, rmd2_floor, status
    (time); fixed_basis (param, direction) and, if there is a teacher, teacher_particles (teacher_particle, param). The
    attributes status, diverged_step, drifted_step, singular_step and precision record how the run ended.
    Raises MfsymError for anything unknown or out of range.
    """
    if "null" in parameters:
        raise MfsymError("null is for compare and sweeps; of one run take null_level(run.particles[-1], unit.action)")
    setup = setup_of(problem, (scheme,), {**parameters, "init": init, "schedule": schedule})
    return simulate_setup(setup.varied(replicate=replicate), snapshots=snapshots)


def snapshot_steps(cell: Cell, snapshots: int) -> NDArray[np.int64]:
    """Steps of the snapshots: evenly spaced from 0 to the end, without repeats; a single snapshot is the last step."""
    if snapshots == 1:
        return np.array([cell.steps])
    return np.unique(np.rint(np.linspace(0, cell.steps, snapshots)).astype(np.int64))


def simulate_cell(
    cell: Cell, *, snapshots: int = 21, problem: Problem | None = None, verbosity: int = -1
) -> xr.Dataset:
    """As ``simulate``, for the first scheme of a cell.  problem : overrides the one that the cell names."""
    return simulate_setup(Setup.of(cell, problem), snapshots=snapshots, verbosity=verbosity)


def simulate_setup(setup: Setup, *, snapshots: int = 21, verbosity: int = -1) -> xr.Dataset:
    """As ``simulate``, for the first scheme of a setup."""
    cell, dynamics = setup.cell, setup.dynamics()
    steps = snapshot_steps(cell, as_whole(snapshots, "snapshots", 1))
    states, rows = [], []
    with Progress(len(steps), f"{cell.schemes[0]} {cell.label}", verbosity=verbosity, unit="snapshot") as progress:
        for state in dynamics.flow(setup.start(dynamics), steps / cell.n):
            states.append(state)
            rows.append(row_of_state(state, dynamics.scheme, setup.problem, SNAPSHOT, engine=cell.engine))
            progress.cell(f"t = {state.time:g}")
    lost = [state.status == "diverged" for state in states]
    particles = np.stack([np.full_like(s.z, np.nan) if gone else s.z for s, gone in zip(states, lost, strict=True)])
    dataset = setup.dataset(
        "mfsym simulate",
        {name: ("time", np.array([row[name] for row in rows])) for name in rows[0]}
        | {"particles": (("time", "particle", "param"), particles)}
        | {"status": ("time", np.array([state.status for state in states], dtype="<U8"))},
        {"time": steps / cell.n, "particle": np.arange(cell.n), "param": np.arange(particles.shape[2])},
        cell.to_dict(),
    )
    last = states[-1]
    dataset.attrs["status"] = last.status
    for name in ("diverged_step", "drifted_step", "singular_step"):
        step = getattr(last, name)
        dataset.attrs[name] = -1 if step is None else step
    dataset.attrs["precision"] = str(last.z.dtype)
    return dataset
