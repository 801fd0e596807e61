"""Discoveries of E^G as Datasets, tables and records, the output of ``mfsym discover``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from mfsym.data.datasets import SampleData
from mfsym.data.teachers import Data, Teacher
from mfsym.discovery.residuals import angle_between, containment_angle
from mfsym.discovery.rules import FREE_NOISE, Discovery, discover
from mfsym.discovery.searches import Search
from mfsym.engines.predictions import described
from mfsym.problems import Problem
from mfsym.representations import Subspace
from mfsym.runtime.provenance import attributes
from mfsym.typing import Floats
from mfsym.units import Unit
from mfsym.variables import annotate

if TYPE_CHECKING:
    import xarray as xr


SAMPLED = ("beta", "batch_size", "trainings", "snapshots", "replicates", "replicate")
"""Parameters of a Search that the oracles do not use, since they have no sampling noise."""

FOUND = 1e-2
"""A discovery succeeds if its subspace has the right dimension and lies within this angle of E^G, in rad."""


def trace(
    unit: Unit, data: Data, rule: str = "robust", search: Search | None = None, *, known: bool = True
) -> xr.Dataset:
    """Discover E^G and return the whole trace as a Dataset.

    known : whether the unit's group is that of the data, so that angles to the true E^G are meaningful.
    Returns rmd2_before, rmd2, statistic, threshold, resolution, control, left, verdict, reason, dimension, angle,
    mean_share (step), residual_spectrum (step, param), basis (step, param, direction), particles_before and
    particles_after (step, particle, param) and, if they exist, fixed_basis (param, direction) and teacher_particles.
    The attributes contain the answer: ``dimension``, ``angle`` (NaN if E^G is not known), ``settled``, ``verdict``
    (found or undecided) and ``reason``.
    """
    search = Search() if search is None else search
    found = discover(unit, data, rule, search)
    return trace_dataset(found, search, Problem(data.name, unit, data), known=known)


def symmetric_as_stated(data: Data) -> bool:
    """Whether the data are symmetric under the problem's group; false for samples that are not symmetrised."""
    return not (isinstance(data, SampleData) and data.symmetry is None)


def trace_dataset(found: Discovery, search: Search, problem: Problem, *, known: bool = True) -> xr.Dataset:
    """The Dataset of a discovery on a problem; known : whether the problem's E^G is that of the data."""
    import xarray as xr

    data, truth = problem.data, problem.unit.fixed_subspace if known else None
    steps = found.steps
    p = steps[0].subspace.ambient
    angles = [np.nan if truth is None else containment_angle(step.subspace, truth) for step in steps]
    variables: dict[str, Any] = {
        name: ("step", np.array([getattr(step, name) for step in steps]))
        for name in ("rmd2_before", "rmd2", "statistic", "threshold", "resolution", "control")
    }
    variables |= {
        "mean_share": ("step", np.array([mean_share(step.after, step.subspace) for step in steps])),
        "left": ("step", np.array([int(step.left) for step in steps])),
        "verdict": ("step", np.array([step.verdict for step in steps])),
        "reason": ("step", np.array([step.reason for step in steps])),
        "dimension": ("step", np.array([step.subspace.dimension for step in steps])),
        "angle": ("step", np.array(angles)),
        "residual_spectrum": (("step", "param"), np.stack([step.spectrum for step in steps])),
        "basis": (("step", "param", "direction"), np.stack([_padded(step.subspace.basis) for step in steps])),
        "particles_before": (("step", "particle", "param"), np.stack([step.before for step in steps])),
        "particles_after": (("step", "particle", "param"), np.stack([step.after for step in steps])),
    }
    if truth is not None:
        variables["fixed_basis"] = (("param", "direction"), _padded(truth.basis))
    coords: dict[str, Any] = {name: np.arange(p) for name in ("param", "direction")}
    if isinstance(data, Teacher):
        variables["teacher_particles"] = (("teacher_particle", "param"), data.particles)
        coords["teacher_particle"] = np.arange(len(data.particles))
    coords |= {"step": np.arange(len(steps)), "particle": np.arange(len(steps[0].before))}
    attrs = attributes(
        "mfsym discover",
        _config(found.rule, search, problem),
        search.seed,
        noise=FREE_NOISE,
        engine=described(search.engine),
    )
    dataset = xr.Dataset(variables, coords=coords, attrs=attrs)
    angle = float("nan") if truth is None else angle_between(found.subspace, truth)
    dataset.attrs |= {"dimension": found.subspace.dimension, "angle": angle, "settled": int(found.settled)}
    dataset.attrs |= {"verdict": found.verdict, "reason": found.reason}
    return annotate(dataset)


def _config(rule: str, search: Search, problem: Problem) -> dict[str, Any]:
    """The parameters that determine a discovery by this rule, and its problem."""
    unused = {"start", *(SAMPLED if "oracle" in rule else ())}
    values = {key: value for key, value in asdict(search).items() if key not in unused}
    unit = problem.unit
    return {**values, "rule": rule, "data": problem.data.name, "unit": unit.name, "activation": unit.activation}


def mean_share(z: Floats, subspace: Subspace) -> float:
    """|mean residual| / (mean square residual)^(1/2) of z (N, p) off a subspace, in [0, 1].

    0 if the residuals cancel, 1 if there are none.
    """
    residual = z - subspace.project(z)
    size = float(np.sqrt(np.mean(np.sum(residual**2, axis=1))))
    return float(np.linalg.norm(residual.mean(axis=0))) / size if size > 0.0 else 1.0


def _padded(basis: Floats) -> Floats:
    """A basis (p, r) as (p, p), padded with NaN."""
    full = np.full((basis.shape[0], basis.shape[0]), np.nan)
    full[:, : basis.shape[1]] = basis
    return full


def trace_record(dataset: xr.Dataset) -> dict[str, Any]:
    """dimension, angle (null if E^G is not known), verdict, reason; dimension, rmd2, threshold, ... of each step.

    control is null if the rule did not use the control data.
    """
    angle = float(dataset.attrs["angle"])
    return {
        "dimension": int(dataset.attrs["dimension"]),
        "angle": angle if np.isfinite(angle) else None,
        "verdict": str(dataset.attrs["verdict"]),
        "reason": str(dataset.attrs["reason"]),
        "steps": [
            {
                "dimension": int(step["dimension"]),
                "rmd2": float(step["rmd2"]),
                "threshold": float(step["threshold"]),
                "left": bool(step["left"]),
                "control": control if np.isfinite(control := float(step["control"])) else None,
                "verdict": str(step["verdict"].item()),
                "reason": str(step["reason"].item()),
            }
            for step in (dataset.isel(step=j) for j in range(dataset.sizes["step"]))
        ],
    }


def trace_table(dataset: xr.Dataset) -> str:
    """One row per step, then the answer. control: the statistic of the control data, of the last step only."""
    names = ("rmd2", "statistic", "threshold", "control")
    lines = [" ".join([f"{'step':>4s} {'dim':>4s}", *(f"{name:>10s}" for name in names), f"{'verdict':9s} angle"])]
    for j in range(dataset.sizes["step"]):
        step = dataset.isel(step=j)
        values = [float(step[name]) for name in names]
        numbers = " ".join(f"{value:10.3e}" if np.isfinite(value) else f"{'-':>10s}" for value in values)
        verdict, angle = step["verdict"].item(), float(step["angle"])
        lines.append(f"{j:4d} {int(step['dimension']):4d} {numbers} {verdict:9s} {angle:.1e}")
    record = trace_record(dataset)
    known = "" if record["angle"] is None else f", angle to E^G {record['angle']:.1e} rad"
    answer = f"dimension {record['dimension']}{known}"
    return "\n".join([*lines, f"{answer}\n{record['verdict']}: {record['reason']}"])
