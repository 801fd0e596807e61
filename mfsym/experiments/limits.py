"""Limit laws as Datasets: what ``mfsym flow`` and ``mfsym phase`` write.

Maass Martínez & Fontbona 2024, section 2.1: the law that noisy SGD approaches as N grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mfsym.arguments import as_number, as_times, as_whole
from mfsym.configurations.cells import Cell
from mfsym.configurations.parameters import named
from mfsym.data.teachers import Data, Teacher
from mfsym.errors import MfsymError
from mfsym.experiments.cells import problem_of, scenery, stated, told
from mfsym.flows import Accuracy, Limit, flow_of, limit_of, refined_limit, start_cloud, time_attributes
from mfsym.metrics import objective, risks, rmd2_si, rmd2_symmetrised
from mfsym.problems import Problem
from mfsym.runtime.progress import Progress
from mfsym.runtime.provenance import attributes
from mfsym.schemes import get_scheme
from mfsym.transport import second_moment
from mfsym.units import Unit
from mfsym.variables import annotate

if TYPE_CHECKING:
    import xarray as xr

SAMPLED = (*named(dynamics=True, limit=False), "replicate")
"""Parameters of a training that its limit does not have."""


def flow(
    teacher: str | Teacher | Problem = "wi",
    scheme: str = "vanilla",
    *,
    snapshots: int = 21,
    accuracy: Accuracy | None = None,
    tolerance: float | None = None,
    **parameters: Any,
) -> xr.Dataset:
    """The limit N -> infinity of ``simulate``, as the same Dataset with an error estimate.

    teacher : "arbitrary", "wi", "si", a Teacher or a Problem of quadratic loss.
    parameters : as ``simulate``; n counts the particles of the cloud.
    tolerance : refine the cloud to this relative W2 error.  accuracy : of quadrature and time.
    Returns what ``simulate`` returns, and second_moment, energy, dissipated, energy_defect, quadrature_order,
    error_force, error_time, error_w2, error_risk, all over time. Errors are differences to a flow of half as many
    particles and, with noise, to the flow of steps twice as long on the same Brownian path; error_time is the W2
    distance to that one (NaN without noise: there energy_defect tells). With noise error_risk includes how the risk
    scatters over small clouds on Brownian paths of their own. The attribute time_error is what the steps
    reached of the attribute time_tolerance; it is larger where ``accuracy.halvings`` were too few.
    """
    cell, given = stated(teacher, (scheme,), parameters)
    problem = (problem_of(cell) if given is None else given).quadratic("flow")
    return flow_cell(cell, problem.data, unit=problem.unit, snapshots=snapshots, accuracy=accuracy, tolerance=tolerance)


def flow_cell(
    cell: Cell,
    data: Data,
    *,
    unit: Unit | None = None,
    snapshots: int = 21,
    accuracy: Accuracy | None = None,
    tolerance: float | None = None,
    verbosity: int = -1,
) -> xr.Dataset:
    """As ``flow``, for the first scheme of a cell; the unit is the data's own if there is one."""
    snapshots = as_whole(snapshots, "snapshots", 1)
    tolerance = None if tolerance is None else as_number(tolerance, "tolerance", above=0.0)
    unit = unit_of(data) if unit is None else unit
    times = np.linspace(0.0, cell.horizon, max(2, snapshots))
    with Progress(1, f"flow {cell.schemes[0]} {cell.label}", verbosity=verbosity, unit="flow") as progress:
        if tolerance is None:
            limit = limit_of(cell, times, data, unit, accuracy)
        else:
            limit = refined_limit(cell, times, data, unit, accuracy, tolerance)
        progress.cell("done")
    return _dataset(limit, data, unit).isel(time=slice(-snapshots, None))


def unit_of(data: Data) -> Unit:
    """The unit a teacher is made of; MfsymError for data without one."""
    if not isinstance(data, Teacher):
        raise MfsymError("this data law has no unit of its own; give the unit")
    return data.unit


def phase_portrait(
    cell: Cell, times: Sequence[float], data: Data, unit: Unit, *, grid: int = 25, accuracy: Accuracy | None = None
) -> xr.Dataset:
    """The velocity field of the flow inside E^G, where that is a plane: what ``mfsym phase`` writes.

    cell : its first scheme flows from its start with ``cell.n`` particles.  times : increasing.  grid : points a side.
    Returns drift (time, second, first, coordinate), the projection on E^G of -alpha D_z dF/dmu at each point of a
    square that holds particles and teacher; particles_fixed and, where there is a teacher, teacher_fixed, in the same
    coordinates, which are those in the columns of fixed_basis (param, direction). Raises MfsymError if E^G has not
    dimension 2.
    """
    import xarray as xr

    times, grid = list(as_times(times)), as_whole(grid, "grid", 2)
    plane = unit.fixed_subspace
    if plane.dimension != 2:
        raise MfsymError(f"a phase portrait needs E^G of dimension 2, got {plane.dimension}; use another problem")
    flow = flow_of(cell, data, unit, accuracy)
    states = tuple(flow.flow(flow.init(start_cloud(unit, cell.init, cell.n)), times))
    clouds = [state.z for state in states]
    teacher = plane.coordinates(data.particles) if isinstance(data, Teacher) else np.zeros((0, 2))
    inside = np.stack([plane.coordinates(z) for z in clouds])
    half = 1.15 * float(max(np.abs(inside).max(), np.abs(teacher).max(initial=0.0)))
    axis = np.linspace(-half, half, grid)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2) @ plane.basis.T
    drift = np.stack([-cell.alpha * plane.coordinates(flow.population.field(points, z)) for z in clouds])
    variables: dict[str, Any] = {
        "drift": (("time", "second", "first", "coordinate"), drift.reshape(-1, grid, grid, 2)),
        "particles_fixed": (("time", "particle", "coordinate"), inside),
        "fixed_basis": (("param", "direction"), plane.basis),
    }
    if len(teacher):
        variables["teacher_fixed"] = (("teacher_particle", "coordinate"), teacher)
    coords = {"time": np.asarray(times, dtype=np.float64), "first": axis, "second": axis, "coordinate": np.arange(2)}
    config = _config(replace(cell, horizon=float(times[-1])), inside.shape[1], Problem(data.name, unit, data))
    attrs = attributes("mfsym phase", config, cell.seed, noise=cell.noise_felt) | time_attributes(states, flow.accuracy)
    return annotate(xr.Dataset(variables, coords=coords, attrs=attrs))


def _config(cell: Cell, n: int, problem: Problem) -> dict[str, Any]:
    """The parameters that a limit by n particles depends on, and its problem."""
    values = {**told(cell, problem).to_dict(), "n": n}
    return {key: value for key, value in values.items() if key not in SAMPLED}


def _dataset(limit: Limit, data: Data, unit: Unit) -> xr.Dataset:
    import xarray as xr

    problem = Problem(data.name, unit, data)
    scheme = get_scheme(limit.cell.schemes[0], unit)
    trained = flow_of(limit.cell, data, unit).population.scheme
    rows: dict[str, list[float]] = {}
    for state in limit.states:
        energy, model, bare = objective(trained, data, state.z, limit.cell.tau)
        row = {
            "risk": model,
            "risk_bare": bare,
            "risk_error": model.error,
            "risk_bare_error": bare.error,
            "rmd2_si": rmd2_si(state.z, unit.fixed_subspace),
            "rmd2_symmetrised": rmd2_symmetrised(state.z, unit.action),
            "second_moment": second_moment(state.z),
            "energy": energy,
            "dissipated": state.dissipated,
            "energy_defect": state.energy + state.dissipated - limit.states[0].energy,
            "error_force": state.force_error,
        }
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
    particles = limit.particles
    count, n, p = particles.shape
    variables: dict[str, Any] = {name: ("time", np.array(values)) for name, values in rows.items()}
    variables["error_risk"] = ("time", limit.errors_risk(lambda z: risks(scheme, data, z)[0]))
    variables["error_w2"] = ("time", limit.errors_w2())
    variables["error_time"] = ("time", limit.errors_time())
    variables["quadrature_order"] = ("time", np.array([state.order for state in limit.states]))
    variables["status"] = ("time", np.full(count, "ok", dtype="<U8"))
    variables["particles"] = (("time", "particle", "param"), particles)
    variables |= scenery(problem)
    dataset = xr.Dataset(
        variables,
        coords={"time": limit.times, "particle": np.arange(n), "param": np.arange(p)},
        attrs=attributes("mfsym flow", _config(limit.cell, n, problem), limit.cell.seed, noise=limit.cell.noise_felt),
    )
    dataset.attrs |= time_attributes(limit.states, limit.accuracy)
    dataset.attrs["status"] = "ok"
    dataset.attrs["diverged_step"] = -1
    return annotate(dataset)
