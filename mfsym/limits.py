"""Limit laws as Datasets: what ``mfsym flow`` and ``mfsym phase`` write.

Maass Martínez & Fontbona 2024, section 2.1: the law that noisy SGD approaches as N grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mfsym.configurations.cells import Cell
from mfsym.configurations.single import single_cell
from mfsym.errors import MfsymError
from mfsym.flows import Accuracy, Limit, flow_of, limit_of, refined_limit, start_cloud
from mfsym.metrics import objective, risks, rmd2_si, rmd2_symmetrised
from mfsym.progress import Progress
from mfsym.provenance import attributes
from mfsym.schemes import get_scheme
from mfsym.teachers import Data, Teacher, reference_teacher
from mfsym.transport import second_moment
from mfsym.units import Unit
from mfsym.variables import annotate

if TYPE_CHECKING:
    import xarray as xr

SAMPLED = ("batch_size", "dtype", "replicate")
"""Parameters of a training that its limit does not have."""


def flow(
    teacher: str | Teacher = "wi",
    scheme: str = "vanilla",
    *,
    snapshots: int = 21,
    accuracy: Accuracy | None = None,
    tolerance: float | None = None,
    **parameters: Any,
) -> xr.Dataset:
    """The limit N -> infinity of ``simulate``, as the same Dataset with an error estimate.

    teacher : "arbitrary", "wi", "si", or a Teacher.  parameters : as ``simulate``; n counts the particles of the cloud.
    tolerance : refine the cloud to this relative W2 error.  accuracy : of quadrature and time.
    Returns what ``simulate`` returns, and energy, dissipated, energy_defect, quadrature_order, error_force,
    error_w2, error_risk, all over time. Errors are differences to a flow of half as many particles.
    """
    named = teacher if isinstance(teacher, str) else "arbitrary"
    cell, _ = single_cell({"teacher": named, **parameters}, (scheme,), environment={})
    data = reference_teacher(named, cell.unit, cell.activation) if isinstance(teacher, str) else teacher
    return flow_cell(cell, data, snapshots=snapshots, accuracy=accuracy, tolerance=tolerance)


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
    unit = unit_of(data) if unit is None else unit
    times = np.linspace(0.0, cell.horizon, snapshots) if snapshots > 1 else np.array([cell.horizon])
    with Progress(1, f"flow {cell.schemes[0]} {cell.label}", verbosity=verbosity, unit="flow") as progress:
        if tolerance is None:
            limit = limit_of(cell, times, data, unit, accuracy)
        else:
            limit = refined_limit(cell, times, data, unit, accuracy, tolerance)
        progress.cell("done")
    return _dataset(limit, data, unit)


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
    coordinates. Raises MfsymError if E^G has not dimension 2.
    """
    import xarray as xr

    plane = unit.fixed_subspace
    if plane.dimension != 2:
        raise MfsymError(f"a phase portrait needs E^G of dimension 2, got {plane.dimension}; use another problem")
    flow = flow_of(cell, data, unit, accuracy)
    clouds = [state.z for state in flow.flow(flow.init(start_cloud(unit, cell.init, cell.n)), times)]
    teacher = plane.coordinates(data.particles) if isinstance(data, Teacher) else np.zeros((0, 2))
    inside = np.stack([plane.coordinates(z) for z in clouds])
    half = 1.15 * float(max(np.abs(inside).max(), np.abs(teacher).max(initial=0.0)))
    axis = np.linspace(-half, half, grid)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2) @ plane.basis.T
    drift = np.stack([-cell.alpha * plane.coordinates(flow.population.field(points, z)) for z in clouds])
    variables: dict[str, Any] = {
        "drift": (("time", "second", "first", "coordinate"), drift.reshape(-1, grid, grid, 2)),
        "particles_fixed": (("time", "particle", "coordinate"), inside),
    }
    if len(teacher):
        variables["teacher_fixed"] = (("teacher_particle", "coordinate"), teacher)
    coords = {"time": np.asarray(times, dtype=np.float64), "first": axis, "second": axis, "coordinate": np.arange(2)}
    config = {key: value for key, value in cell.to_dict().items() if key not in SAMPLED} | {"n": inside.shape[1]}
    attrs = attributes("mfsym phase", config, cell.seed)
    return annotate(xr.Dataset(variables, coords=coords, attrs=attrs))


def _dataset(limit: Limit, data: Data, unit: Unit) -> xr.Dataset:
    import xarray as xr

    scheme = get_scheme(limit.cell.schemes[0], unit)
    trained = flow_of(limit.cell, data, unit).population.scheme
    rows: dict[str, list[float]] = {}
    for state, coarse in zip(limit.states, limit.coarse, strict=True):
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
            "error_risk": abs(model - risks(scheme, data, coarse.z)[0]),
        }
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
    particles = limit.particles
    count, n, p = particles.shape
    variables: dict[str, Any] = {name: ("time", np.array(values)) for name, values in rows.items()}
    variables["error_w2"] = ("time", limit.errors_w2())
    variables["quadrature_order"] = ("time", np.array([state.order for state in limit.states]))
    variables["status"] = ("time", np.full(count, "ok", dtype="<U8"))
    variables["particles"] = (("time", "particle", "param"), particles)
    dataset = xr.Dataset(
        variables,
        coords={"time": limit.times, "particle": np.arange(n), "param": np.arange(p)},
        attrs=attributes("mfsym flow", {**limit.cell.to_dict(), "n": n}, limit.cell.seed),
    )
    dataset.attrs["status"] = "ok"
    dataset.attrs["diverged_step"] = -1
    return annotate(dataset)
