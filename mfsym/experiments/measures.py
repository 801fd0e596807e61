"""The numbers of a trained scheme: distances of its law to the symmetric laws, risks and defects of its model."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.dynamics import State
from mfsym.dynamics.precision import rmd2_floor, rounding_floor
from mfsym.metrics import distance_wi, evaluate, risks, rmd2_si, rmd2_symmetrised_estimate
from mfsym.problems import Problem
from mfsym.schemes import Scheme
from mfsym.transport import rmd2_from, second_moment, w2
from mfsym.units import Unit

LAW_METRICS = (
    "rmd2_si",
    "rmd2_symmetrised",
    "rmd2_symmetrised_error",
    "distance_wi",
    "distance_wi_lower",
    "distance_wi_upper",
    "second_moment",
    "rmd2_floor",
)
MODEL_METRICS = (
    "risk",
    "risk_bare",
    "l2_symmetrisation",
    "l2_target",
    "l2_symmetrised_target",
    "equivariance_error",
)
ERRORS = (*(f"{name}_error" for name in MODEL_METRICS), "equivariance_error_group")
"""The error of each of MODEL_METRICS as an integral over x, and of the last as one over an infinite group."""

CLASS_METRICS = ("accuracy", "accuracy_moved")
"""Metrics of problems whose y names a class."""


def law_metrics(z: ArrayLike, unit: Unit, zero: float = 0.0) -> dict[str, float]:
    """Distances of the law of z (N, p) to the symmetric laws; relative ones are 0 where E|z|^2 is at most ``zero``."""
    action, subspace = unit.action, unit.fixed_subspace
    interval, relative = distance_wi(z, action), rmd2_symmetrised_estimate(z, action, zero)
    return {
        "rmd2_si": rmd2_si(z, subspace, zero),
        "rmd2_symmetrised": relative.value,
        "rmd2_symmetrised_error": relative.error,
        "distance_wi": interval.upper,
        "distance_wi_lower": interval.lower,
        "distance_wi_upper": interval.upper,
        "second_moment": second_moment(z),
    }


def metric_names(problem: Problem) -> tuple[str, ...]:
    """The numbers of one trained scheme on a problem."""
    return (*LAW_METRICS, *MODEL_METRICS, *ERRORS, *(CLASS_METRICS if problem.data.classes else ()))


def measure(state: State, scheme: Scheme, problem: Problem) -> dict[str, float]:
    """Every metric of one trained scheme; NaN where it diverged."""
    names = metric_names(problem)
    if state.status == "diverged":
        return dict.fromkeys(names, float("nan"))
    z = np.asarray(state.z, dtype=np.float64)
    found = law_metrics(z, problem.unit, rounding_floor(state.z, state.step))
    found |= asdict(evaluate(scheme, problem.data, z, loss=problem.loss))
    found["rmd2_floor"] = rmd2_floor(state.z, state.step)
    return {name: found[name] for name in names}


def pairs(states: list[State]) -> NDArray[np.float64]:
    """(S, S) squared RMD between the laws of the schemes; NaN where one of the two diverged."""
    clouds = [None if state.status == "diverged" else np.asarray(state.z, dtype=np.float64) for state in states]
    zeros = [rounding_floor(state.z, state.step) for state in states]
    table = np.full((len(states), len(states)), np.nan)
    for i, a in enumerate(clouds):
        for j, b in enumerate(clouds[:i]):
            if a is not None and b is not None:
                table[i, j] = table[j, i] = rmd2_from(w2(a, b).w2_squared, a, b, max(zeros[i], zeros[j]))
        if a is not None:
            table[i, i] = 0.0
    return table


SNAPSHOT = (
    "risk",
    "risk_bare",
    "risk_error",
    "risk_bare_error",
    "rmd2_si",
    "rmd2_symmetrised",
    "rmd2_symmetrised_error",
    "rmd2_floor",
)
"""The numbers of one scheme at one time."""


def snapshot(state: State, scheme: Scheme, problem: Problem) -> dict[str, float]:
    """Risks and distances, with their errors, at one time."""
    if state.status == "diverged":
        return dict.fromkeys(SNAPSHOT, float("nan"))
    z, zero = np.asarray(state.z, dtype=np.float64), rounding_floor(state.z, state.step)
    relative = rmd2_symmetrised_estimate(z, problem.unit.action, zero)
    model, bare = risks(scheme, problem.data, z, loss=problem.loss)
    return {
        "risk": float(model),
        "risk_bare": float(bare),
        "risk_error": model.error,
        "risk_bare_error": bare.error,
        "rmd2_si": rmd2_si(z, problem.unit.fixed_subspace, zero),
        "rmd2_symmetrised": relative.value,
        "rmd2_symmetrised_error": relative.error,
        "rmd2_floor": rmd2_floor(state.z, state.step),
    }
