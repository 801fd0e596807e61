"""What can be said of a problem before anything is trained: its symmetry, its sizes, its cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.configurations.preflight import PARAMETERS as REFERENCE_PARAMETERS
from mfsym.configurations.preflight import SECONDS_PER_PARTICLE_SAMPLE
from mfsym.datasets import permutation
from mfsym.errors import MfsymError
from mfsym.expectations import Columns, expect
from mfsym.groups import Group
from mfsym.groups.rotations import exponentials
from mfsym.problems.building import Problem
from mfsym.representations import Representation
from mfsym.schemes import SCHEMES
from mfsym.streams import normals, stream_key
from mfsym.teachers import Data

Floats = NDArray[np.float64]

SAMPLES, PERMUTATIONS = 400, 999
"""Size of each of the two samples of the symmetry test, and the permutations its p-value comes from."""

_DRAWS, _POINTS = 12, 8


@dataclass(frozen=True)
class SymmetryTest:
    """Two-sample energy distance between (x, y) and (rho_g x, rho_hat_g y), g Haar-random, with its p-value.

    statistic : 2 E|A - B| - E|A - A'| - E|B - B'| of x and y in units of their root mean square (Székely & Rizzo 2013,
    doi:10.1016/j.jspi.2013.03.018).  p_value : share of permutations of the two samples with at least this statistic.
    """

    statistic: float
    p_value: float
    samples: int
    permutations: int


def symmetry_test(problem: Problem, seed: int = 0, samples: int = SAMPLES) -> SymmetryTest:
    """Whether the data law is symmetric, from ``samples`` draws and as many other draws moved by the group."""
    unit, count = problem.unit, _available(problem.data, samples)
    x, y = problem.data.draw(stream_key(seed, "data"), 0, 2 * count)
    draws = unit.rho_x.group.haar(stream_key(seed, "haar"), 0, count)
    x, y = x.copy(), y.copy()
    x[count:] = np.einsum("nij,nj->ni", unit.rho_x(draws), x[count:])
    y[count:] = np.einsum("nij,nj->ni", unit.rho_y(draws), y[count:])
    points = np.hstack([values / (np.sqrt(np.mean(values**2)) or 1.0) for values in (x, y)])
    squares = np.einsum("ni,ni->n", points, points)
    table = np.sqrt(np.maximum(squares[:, None] + squares - 2.0 * points @ points.T, 0.0))
    np.fill_diagonal(table, 0.0)
    signs = np.repeat([1.0, -1.0], count)
    key = stream_key(seed, "bootstrap")
    shuffled = np.stack([signs] + [signs[permutation(key, k, 2 * count)] for k in range(PERMUTATIONS)])
    energies = -np.einsum("ki,ij,kj->k", shuffled, table, shuffled, optimize=True) / count**2
    larger = int((energies[1:] >= energies[0]).sum())
    return SymmetryTest(float(energies[0]), (1 + larger) / (1 + PERMUTATIONS), count, PERMUTATIONS)


def check(problem: Problem, *, n: int = 100, seed: int = 0, basis: bool = False) -> dict[str, Any]:
    """What ``mfsym check`` prints, as plain values.

    n : particles that the memory (bytes) and time (seconds of one core, all usable schemes) are estimated for.
    basis : also the orthonormal basis of E^G, row after row.
    """
    unit = problem.unit
    group, action = unit.rho_x.group, unit.action
    test = symmetry_test(problem, seed)
    record: dict[str, Any] = {
        "name": problem.name,
        "description": problem.description,
        "group": group.name,
        "order": group.order,
        "dimension": group.dimension,
        "unit": repr(unit),
        "loss": problem.loss,
        "rho_x": unit.rho_x.name,
        "rho_y": unit.rho_y.name,
        "dim_x": unit.d,
        "dim_y": unit.c,
        "dim_z": unit.p,
        "dim_fixed": unit.fixed_subspace.dimension,
        "orthogonality_error": max(orthogonality_error(rep) for rep in (unit.rho_x, unit.rho_y, action)),
        "homomorphism_error": max(homomorphism_error(rep) for rep in (unit.rho_x, unit.rho_y, action)),
        "equivariance_error": equivariance_error(problem),
        "symmetry_statistic": test.statistic,
        "symmetry_p_value": test.p_value,
        "symmetry_samples": test.samples,
        **_expectation(problem.data),
        **_cost(problem, n),
        "digest": problem.digest,
    }
    if basis:
        record["basis"] = unit.fixed_subspace.basis.T.tolist()
    return record


def orthogonality_error(rep: Representation) -> float:
    """max|M M^T - I| over generators and Haar draws."""
    matrices = np.concatenate([rep.generator_matrices, rep(_draws(rep.group, 0))])
    return float(np.abs(matrices @ np.swapaxes(matrices, 1, 2) - np.eye(rep.dim)).max(initial=0.0))


def homomorphism_error(rep: Representation) -> float:
    """max|rho(g) rho(h) - rho(g h)| over pairs of Haar draws."""
    g, h = _draws(rep.group, 0), _draws(rep.group, 1)
    return float(np.abs(rep(g) @ rep(h) - rep(rep.group.multiply(g, h))).max(initial=0.0))


def equivariance_error(problem: Problem) -> float:
    """max|sigma(rho x, M z) - rho_hat sigma(x, z)|, relative to max(1, |sigma|), over generators, one-parameter
    subgroups and Haar draws, at fixed random points."""
    unit = problem.unit
    acts = (unit.rho_x, unit.rho_y, unit.action)
    groups = [
        np.concatenate([rep.generator_matrices, exponentials(rep.algebra_matrices), rep(_draws(rep.group, 0))])
        for rep in acts
    ]
    key = stream_key(0, "init")
    x, z = normals(key, 1, _POINTS, unit.d), normals(key, 2, _POINTS, unit.p)
    base = unit.sigma(x, z)
    errors = [
        np.abs(unit.sigma(x @ rho_x.T, z @ move.T) - base @ rho_y.T).max()
        for rho_x, rho_y, move in zip(*groups, strict=True)
    ]
    return float(max(errors) / max(1.0, float(np.abs(base).max())))


def usable_schemes(group: Group) -> tuple[str, ...]:
    """Schemes that need no quadrature, and those that do where the group has one."""
    try:
        group.quadrature()
    except MfsymError:
        return tuple(name for name in SCHEMES if name not in ("da", "fa"))
    return tuple(SCHEMES)


def _expectation(data: Data) -> dict[str, Any]:
    """How expectations over the data are taken, and E|y|^2 with its error."""
    found = expect(data, lambda _, y: Columns(np.sum(y**2, axis=1, keepdims=True)), precision=0.0)
    return {
        "rule": found.method,
        "mean_y_squared": float(found.value[0]),
        "mean_y_squared_error": float(found.error[0]),
    }


def _cost(problem: Problem, n: int) -> dict[str, Any]:
    """Usable schemes, and memory and time to train them all at n particles with the problem's own parameters."""
    unit, training = problem.unit, {"batch_size": 20, "horizon": 20.0, **problem.training}
    schemes = usable_schemes(unit.rho_x.group)
    nodes = len(unit.rho_x.group.quadrature()) if "fa" in schemes else 1
    samples = training["batch_size"] * sum(nodes if name in ("da", "fa") else 1 for name in schemes)
    work = training["horizon"] * n * n * samples * unit.p / REFERENCE_PARAMETERS
    return {
        "schemes": list(schemes),
        "nodes": nodes,
        "n": n,
        "memory_bytes": int(200_000_000 + 8 * unit.p * n * (8 + nodes)),
        "seconds": float(work * SECONDS_PER_PARTICLE_SAMPLE),
    }


def _draws(group: Group, step: int) -> Any:
    return group.haar(stream_key(0, "haar"), step, _DRAWS)


def _available(data: Data, samples: int) -> int:
    """At most half of a finite sample, so that no sample meets its own image."""
    return min(samples, len(data) // 2) if hasattr(data, "__len__") else samples
