"""Limit laws as Datasets: what ``mfsym flow`` writes.

Maass Martínez & Fontbona 2024, section 2.1: the law that noisy SGD approaches as N grows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mfsym.configurations.cells import Cell
from mfsym.configurations.single import single_cell
from mfsym.errors import MfsymError
from mfsym.flows import Accuracy, Limit, limit_of, refined_limit
from mfsym.metrics import risks, rmd2_si, rmd2_symmetrised
from mfsym.progress import Progress
from mfsym.provenance import attributes
from mfsym.schemes import get_scheme
from mfsym.teachers import Data, Teacher, reference_teacher
from mfsym.transport import second_moment
from mfsym.units import Unit
from mfsym.variables import annotate

if TYPE_CHECKING:
    import xarray as xr


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


def _dataset(limit: Limit, data: Data, unit: Unit) -> xr.Dataset:
    import xarray as xr

    scheme = get_scheme(limit.cell.schemes[0], unit)
    rows: dict[str, list[float]] = {}
    for state, coarse in zip(limit.states, limit.coarse, strict=True):
        model, bare = risks(scheme, data, state.z)
        row = {
            "risk": model,
            "risk_bare": bare,
            "rmd2_si": rmd2_si(state.z, unit.fixed_subspace),
            "rmd2_symmetrised": rmd2_symmetrised(state.z, unit.action),
            "second_moment": second_moment(state.z),
            "energy": state.energy,
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
