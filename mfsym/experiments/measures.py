"""The numbers of a trained scheme: distances of its law to the symmetric laws, risks and defects of its model."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.dynamics import State
from mfsym.metrics import distance_wi, evaluate, risks, rmd2_si, rmd2_symmetrised
from mfsym.problems import Problem
from mfsym.schemes import Scheme
from mfsym.transport import rmd2_from, second_moment, w2
from mfsym.units import Unit

LAW_METRICS = ("rmd2_si", "rmd2_symmetrised", "distance_wi", "distance_wi_lower", "distance_wi_upper", "second_moment")
MODEL_METRICS = (
    "risk",
    "risk_bare",
    "l2_symmetrisation",
    "l2_target",
    "l2_symmetrised_target",
    "equivariance_error",
)
ERRORS = tuple(f"{name}_error" for name in MODEL_METRICS)
"""The error of each of MODEL_METRICS as an integral over x."""

CLASS_METRICS = ("accuracy", "accuracy_moved")
"""Metrics of problems whose y names a class."""


def law_metrics(z: ArrayLike, unit: Unit) -> dict[str, float]:
    """Distances of the law of z (N, p) to the symmetric laws."""
    action, subspace = unit.action, unit.fixed_subspace
    interval = distance_wi(z, action)
    return {
        "rmd2_si": rmd2_si(z, subspace),
        "rmd2_symmetrised": rmd2_symmetrised(z, action),
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
    if state.status != "ok":
        return dict.fromkeys(names, float("nan"))
    z = np.asarray(state.z, dtype=np.float64)
    found = law_metrics(z, problem.unit) | asdict(evaluate(scheme, problem.data, z, loss=problem.loss))
    return {name: found[name] for name in names}


def pairs(states: list[State]) -> NDArray[np.float64]:
    """(S, S) squared RMD between the laws of the schemes; NaN where one of the two diverged."""
    clouds = [np.asarray(state.z, dtype=np.float64) if state.status == "ok" else None for state in states]
    table = np.full((len(states), len(states)), np.nan)
    for i, a in enumerate(clouds):
        for j, b in enumerate(clouds[:i]):
            if a is not None and b is not None:
                table[i, j] = table[j, i] = rmd2_from(w2(a, b).w2_squared, a, b)
        if a is not None:
            table[i, i] = 0.0
    return table


SNAPSHOT = ("risk", "risk_bare", "risk_error", "risk_bare_error", "rmd2_si", "rmd2_symmetrised")
"""The numbers of one scheme at one time."""


def snapshot(state: State, scheme: Scheme, problem: Problem) -> dict[str, float]:
    """Risks with their errors, and distances, at one time."""
    if state.status != "ok":
        return dict.fromkeys(SNAPSHOT, float("nan"))
    z = np.asarray(state.z, dtype=np.float64)
    model, bare = risks(scheme, problem.data, z, loss=problem.loss)
    return {
        "risk": float(model),
        "risk_bare": float(bare),
        "risk_error": model.error,
        "risk_bare_error": bare.error,
        "rmd2_si": rmd2_si(z, problem.unit.fixed_subspace),
        "rmd2_symmetrised": rmd2_symmetrised(z, problem.unit.action),
    }
