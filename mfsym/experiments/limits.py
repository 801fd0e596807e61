"""Limit laws as Datasets: what ``mfsym flow`` and ``mfsym phase`` write.

Maass Martínez & Fontbona 2024, section 2.1: the law that noisy SGD approaches as N grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from mfsym.arguments import as_number, as_times, as_whole
from mfsym.configurations.cells import Cell
from mfsym.configurations.parameters import named
from mfsym.data.teachers import Data, Teacher
from mfsym.errors import MfsymError
from mfsym.experiments.measures import FLOWING, Judged, row_of
from mfsym.experiments.setups import UNSTATED, AnyProblem, AnySchedule, AnyStart, Setup, setup_of
from mfsym.flows import Accuracy, FlowState, Limit, cloud_of, flow_of, limit_of, refined_limit, time_attributes
from mfsym.metrics import risks
from mfsym.problems import Problem
from mfsym.runtime.progress import Progress
from mfsym.schemes import AnyScheme, Scheme, get_scheme
from mfsym.units import Unit

if TYPE_CHECKING:
    import xarray as xr

SAMPLED = (*named(dynamics=True, limit=False), "replicate")
"""Parameters of a training that do not apply to its limit."""

PORTRAITS = (0.0, 0.05, 0.25, 1.0)
"""Default times of the portraits, as fractions of the horizon."""


def flow(
    problem: AnyProblem = UNSTATED,
    /,
    scheme: AnyScheme = "vanilla",
    *,
    init: AnyStart | None = None,
    schedule: AnySchedule | None = None,
    snapshots: int = 21,
    accuracy: Accuracy | None = None,
    tolerance: float | None = None,
    **parameters: Any,
) -> xr.Dataset:
    """The limit N -> infinity of ``simulate``, as the same Dataset with an error estimate.

    problem, scheme, schedule : as ``simulate``; of quadratic loss.  init : as there; particles are the cloud.
    parameters : as there; n counts the particles of the cloud.
    tolerance : refine the cloud to this relative W2 error.  accuracy : of quadrature and time.
    Returns what ``simulate`` returns, and second_moment, energy, dissipated, energy_defect, quadrature_order,
    error_force, error_time, error_w2, error_risk, all over time. Errors are differences to a flow of half as many
    particles and, with noise, to the flow of steps twice as long on the same Brownian path. error_time is the W2
    distance to the latter; it is NaN without noise, where energy_defect measures the time error. With noise, error_risk
    includes the spread of the risk over small clouds with independent Brownian paths. The attribute time_error is the
    error that the steps reached; it exceeds the attribute time_tolerance if ``accuracy.halvings`` was too small.
    """
    setup = setup_of(problem, (scheme,), {**parameters, "init": init, "schedule": schedule})
    return flow_setup(setup, snapshots=snapshots, accuracy=accuracy, tolerance=tolerance)


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
    """As ``flow``, for the first scheme of a cell; the unit is that of the data, if the data have one."""
    setup = Setup.of(cell, Problem(data.name, unit_of(data) if unit is None else unit, data))
    return flow_setup(setup, snapshots=snapshots, accuracy=accuracy, tolerance=tolerance, verbosity=verbosity)


def flow_setup(
    setup: Setup,
    *,
    snapshots: int = 21,
    accuracy: Accuracy | None = None,
    tolerance: float | None = None,
    verbosity: int = -1,
) -> xr.Dataset:
    """As ``flow``, for the first scheme of a setup."""
    snapshots, cell = as_whole(snapshots, "snapshots", 1), setup.quadratic("flow").cell
    tolerance = None if tolerance is None else as_number(tolerance, "tolerance", above=0.0)
    times, sources = np.linspace(0.0, cell.horizon, max(2, snapshots)), (setup.problem.data, setup.unit)
    with Progress(1, f"flow {cell.schemes[0]} {cell.label}", verbosity=verbosity, unit="flow") as progress:
        if tolerance is None:
            limit = limit_of(cell, times, *sources, accuracy, setup.own)
        else:
            limit = refined_limit(cell, times, *sources, accuracy, tolerance, setup.own)
        progress.cell("done")
    return _dataset(limit, setup).isel(time=slice(-snapshots, None))


def unit_of(data: Data) -> Unit:
    """The unit of a teacher; MfsymError for data without a unit."""
    if not isinstance(data, Teacher):
        raise MfsymError("this data law has no unit of its own; give the unit")
    return data.unit


def phase_portrait(
    problem: AnyProblem | Cell = UNSTATED,
    scheme: AnyScheme | Sequence[float] = "vanilla",
    *former: Any,
    times: ArrayLike | None = None,
    grid: int = 25,
    accuracy: Accuracy | None = None,
    **parameters: Any,
) -> xr.Dataset:
    """The velocity field of the flow inside E^G, where that is a plane: what ``mfsym phase`` writes.

    problem, scheme, parameters : as ``flow``; n counts the particles.  times : increasing, one portrait each; None for
    0, 1/20, 1/4 and 1 times the horizon.  grid : points per side.
    Returns drift (time, second, first, coordinate), the projection on E^G of -alpha s D_z dF/dmu at each point of a
    square that contains particles and teacher; particles_fixed and, if there is a teacher, teacher_fixed. All are in
    coordinates with respect to the columns of fixed_basis (param, direction). Raises MfsymError unless E^G has
    dimension 2. The former order of arguments, phase_portrait(cell, times, data, unit), still works.
    """
    if isinstance(problem, Cell):
        data, unit = former
        return portrait_setup(Setup.of(problem, Problem(data.name, unit, data)), scheme, grid=grid, accuracy=accuracy)
    if former:
        raise MfsymError("phase_portrait takes a problem and a scheme; give times, grid and parameters by name")
    return portrait_setup(setup_of(problem, (scheme,), parameters), times, grid=grid, accuracy=accuracy)


def portrait_setup(setup: Setup, times: Any = None, *, grid: int = 25, accuracy: Accuracy | None = None) -> xr.Dataset:
    """As ``phase_portrait``, for the first scheme of a setup."""
    cell, unit, data = setup.quadratic("phase").cell, setup.unit, setup.problem.data
    moments = [share * cell.horizon for share in PORTRAITS] if times is None else list(as_times(times))
    grid, plane = as_whole(grid, "grid", 2), unit.fixed_subspace
    if plane.dimension != 2:
        raise MfsymError(f"a phase portrait needs E^G of dimension 2, got {plane.dimension}; use another problem")
    flow = flow_of(cell, data, unit, accuracy, setup.own)
    states = tuple(flow.flow(flow.init(cloud_of(cell, cell.n, unit, setup.own)), moments))
    teacher = plane.coordinates(data.particles) if isinstance(data, Teacher) else np.zeros((0, 2))
    inside = np.stack([plane.coordinates(state.z) for state in states])
    half = 1.15 * float(max(np.abs(inside).max(), np.abs(teacher).max(initial=0.0)))
    axis = np.linspace(-half, half, grid)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2) @ plane.basis.T
    drift = np.stack(
        [-flow.rate(state.time) * plane.coordinates(flow.population.field(points, state.z)) for state in states]
    )
    variables: dict[str, Any] = {
        "drift": (("time", "second", "first", "coordinate"), drift.reshape(-1, grid, grid, 2)),
        "particles_fixed": (("time", "particle", "coordinate"), inside),
    }
    if len(teacher):
        variables["teacher_fixed"] = (("teacher_particle", "coordinate"), teacher)
    coords = {"time": np.asarray(moments, dtype=np.float64), "first": axis, "second": axis, "coordinate": np.arange(2)}
    config = _config(setup.varied(horizon=float(moments[-1])), inside.shape[1])
    dataset = setup.dataset("mfsym phase", variables, coords, config).drop_vars("teacher_particles", errors="ignore")
    dataset.attrs |= time_attributes(states, flow.accuracy)
    return dataset


def _config(setup: Setup, n: int) -> dict[str, Any]:
    """The parameters that determine a limit computed with n particles, and its problem."""
    values = {**setup.cell.to_dict(), "n": n}
    return {key: value for key, value in values.items() if key not in SAMPLED}


def _dataset(limit: Limit, setup: Setup) -> xr.Dataset:
    cell, data, unit = limit.cell, setup.problem.data, setup.unit
    scheme = get_scheme(setup.own.scheme(cell.schemes[0]), unit)
    rows = [_row(state, limit, scheme, setup) for state in limit.states]
    particles = limit.particles
    count, n, p = particles.shape
    variables: dict[str, Any] = {name: ("time", np.array([row[name] for row in rows])) for name in FLOWING}
    variables["error_risk"] = ("time", limit.errors_risk(lambda z: risks(scheme, data, z, engine=cell.engine)[0]))
    variables["error_w2"] = ("time", limit.errors_w2())
    variables["error_time"] = ("time", limit.errors_time())
    variables["status"] = ("time", np.full(count, "ok", dtype="<U8"))
    variables["particles"] = (("time", "particle", "param"), particles)
    coords = {"time": limit.times, "particle": np.arange(n), "param": np.arange(p)}
    dataset = setup.dataset("mfsym flow", variables, coords, _config(setup, n))
    dataset.attrs |= time_attributes(limit.states, limit.accuracy)
    dataset.attrs |= {"status": "ok", "diverged_step": -1}
    return dataset


def _row(state: FlowState, limit: Limit, scheme: Scheme, setup: Setup) -> dict[str, float]:
    """The measures of a flow at one time."""
    law = Judged(
        setup.unit,
        state.z,
        FLOWING,
        scheme=scheme,
        problem=setup.problem,
        presented=scheme.population,
        tau=setup.cell.tau,
        engine=setup.cell.engine,
        flow=state,
        begun=limit.states[0],
    )
    return row_of(law, FLOWING)
