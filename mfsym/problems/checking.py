"""Check a problem before training: its symmetry, its dimensions and its cost."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist

from mfsym.configurations.preflight import PARAMETERS as REFERENCE_PARAMETERS
from mfsym.configurations.preflight import SECONDS_PER_PARTICLE_SAMPLE
from mfsym.data.expectations import Columns, expect
from mfsym.data.teachers import Data
from mfsym.errors import MfsymError
from mfsym.groups import Group
from mfsym.groups.rotations import exponentials
from mfsym.problems.asymmetry import deviation, has_function
from mfsym.problems.building import Problem
from mfsym.problems.power import LEVEL, detectable_shift, energies, relabellings
from mfsym.representations import Representation
from mfsym.schemes import SCHEMES, get_scheme
from mfsym.streams import normals, stream_key

Floats = NDArray[np.float64]

SAMPLES, PERMUTATIONS = 400, 999
"""Size of each of the two samples of the symmetry test, and number of permutations behind its p-value."""

_DRAWS, _POINTS = 12, 8
_FEW = 0.02


@dataclass(frozen=True)
class SymmetryTest:
    """Two-sample energy distance between (x, y) and (rho_g x, rho_hat_g y), g Haar-random, with its p-value.

    statistic : 2 E|A - B| - E|A - A'| - E|B - B'| of x and y in units of their root mean square (Székely & Rizzo 2013,
    doi:10.1016/j.jspi.2013.03.018).  p_value : share of permutations of the two samples with at least this statistic.
    detectable : smallest shift of one sample, in root mean squares of (x, y), that the test detects with power 80 %
    at level 1 %; None if the samples are too few to detect any, or if it was not computed.
    """

    statistic: float
    p_value: float
    samples: int
    permutations: int
    detectable: float | None = None


def symmetry_test(problem: Problem, seed: int = 0, samples: int = SAMPLES, *, with_power: bool = False) -> SymmetryTest:
    """Test whether the data law is symmetric, from ``samples`` draws and as many others transformed by the group.

    with_power : also estimate ``detectable`` by simulation.
    """
    unit, count = problem.unit, _available(problem.data, samples)
    if count == 0:
        return SymmetryTest(0.0, 1.0, 0, PERMUTATIONS)
    x, y = problem.data.draw(stream_key(seed, "data"), 0, 2 * count)
    draws = unit.rho_x.group.haar(stream_key(seed, "haar"), 0, count)
    x, y = x.copy(), y.copy()
    x[count:], y[count:] = unit.rho_x.act(draws, x[count:]), unit.rho_y.act(draws, y[count:])
    points = np.hstack([values / (np.sqrt(np.mean(values**2)) or 1.0) for values in (x, y)])
    table = cdist(points, points)
    signs = relabellings(stream_key(seed, "bootstrap"), 2 * count, PERMUTATIONS)
    found = energies(table, signs)
    larger = int((found[1:] >= found[0]).sum())
    detectable = detectable_shift(points, signs, seed) if with_power else None
    return SymmetryTest(float(found[0]), (1 + larger) / (1 + PERMUTATIONS), count, PERMUTATIONS, detectable)


def check(problem: Problem, *, n: int = 100, seed: int = 0, basis: bool = False) -> dict[str, Any]:
    """The record that ``mfsym check`` prints, as plain values.

    n : number of particles in the estimates of memory (bytes) and time (single-core seconds, all usable schemes).
    basis : also return an orthonormal basis of E^G, as rows.
    """
    unit = problem.unit
    group, action = unit.rho_x.group, unit.action
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
        "joint_equivariance_error": joint_equivariance_error(problem),
        **symmetry(problem, seed),
        **_expectation(problem.data),
        **_cost(problem, n),
        "digest": problem.digest,
    }
    if basis:
        record["basis"] = unit.fixed_subspace.basis.T.tolist()
    return record


def symmetry(problem: Problem, seed: int = 0) -> dict[str, Any]:
    """Symmetry of the data law, under the keys described in docs/problems.md; None for what was not computed.

    ``symmetric`` is True or False if the target is a function and the law of x is known. For samples it is False if
    the energy test rejects, else None, and ``symmetry_detectable`` is the shift that the test would have detected.
    """
    exact = deviation(problem, seed) if has_function(problem.data) else None
    settled = exact is not None and (not exact.equivariant or exact.inputs_invariant is not None)
    test = None if settled else symmetry_test(problem, seed, with_power=True)
    if test is not None:
        symmetric = False if test.p_value <= LEVEL else None
    else:
        symmetric = exact is not None and exact.equivariant and bool(exact.inputs_invariant)
    return {
        "symmetric": symmetric,
        "asymmetry": None if exact is None else exact.largest,
        "asymmetry_element": None if exact is None else exact.element,
        "asymmetry_elements": None if exact is None else exact.elements,
        "equivariant": None if exact is None else exact.equivariant,
        "inputs_invariant": None if exact is None else exact.inputs_invariant,
        "symmetry_statistic": None if test is None else test.statistic,
        "symmetry_p_value": None if test is None else test.p_value,
        "symmetry_samples": None if test is None else test.samples,
        "symmetry_detectable": None if test is None else test.detectable,
    }


def orthogonality_error(rep: Representation) -> float:
    """max|M M^T - I| over generators and Haar draws, one matrix at a time."""
    matrices = chain(rep.generator_matrices, map(rep, _distinct(rep.group, _draws(rep.group, 0))))
    return max((_largest(_multiplied(m, m.T) - np.eye(rep.dim)) for m in matrices), default=0.0)


def homomorphism_error(rep: Representation) -> float:
    """max|rho(g) rho(h) - rho(g h)| over pairs of Haar draws, one pair at a time."""
    group = rep.group
    g, h = _draws(group, 0), _draws(group, 1)
    if group.order is not None:
        g, h = np.unique(np.stack([g, h]), axis=1)
    pairs = zip(g, h, group.multiply(g, h), strict=True)
    return max(_largest(_multiplied(rep(a), rep(b)) - rep(product)) for a, b, product in pairs)


def joint_equivariance_error(problem: Problem) -> float:
    """max|sigma(rho x, M z) - rho_hat sigma(x, z)| of the unit, relative to max(1, |sigma|), at fixed random points.

    Over generators, one-parameter subgroups and Haar draws. The defect of a trained model is a different quantity,
    ``metrics.Evaluation.equivariance_error``.
    """
    unit = problem.unit
    acts = (unit.rho_x, unit.rho_y, unit.action)
    draws = _distinct(unit.rho_x.group, _draws(unit.rho_x.group, 0))
    moves = chain(
        zip(*(rep.generator_matrices for rep in acts), strict=True),
        zip(*(map(exponentials, rep.algebra_matrices) for rep in acts), strict=True),
        zip(*(map(rep, draws) for rep in acts), strict=True),
    )
    key = stream_key(0, "init")
    x, z = normals(key, 1, _POINTS, unit.d), normals(key, 2, _POINTS, unit.p)
    base = unit.sigma(x, z)
    errors = [_largest(unit.sigma(x @ rho_x.T, z @ move.T) - base @ rho_y.T) for rho_x, rho_y, move in moves]
    return float(max(errors) / max(1.0, float(np.abs(base).max())))


def usable_schemes(group: Group) -> tuple[str, ...]:
    """Schemes that need no quadrature, and those that do if the group has one."""
    try:
        group.quadrature()
    except MfsymError:
        return tuple(name for name, scheme in SCHEMES.items() if not scheme.needs_quadrature)
    return tuple(SCHEMES)


def _expectation(data: Data) -> dict[str, Any]:
    """The method for expectations over the data, and E|y|^2 with its error."""
    found = expect(data, lambda _, y: Columns(np.sum(y**2, axis=1, keepdims=True)), precision=0.0)
    return {
        "rule": found.method,
        "mean_y_squared": float(found.value[0]),
        "mean_y_squared_error": float(found.error[0]),
    }


def _cost(problem: Problem, n: int) -> dict[str, Any]:
    """Usable schemes, with the memory and time to train them all at n particles with the problem's parameters."""
    unit, training = problem.unit, {"batch_size": 20, "horizon": 20.0, **problem.training}
    schemes = usable_schemes(unit.rho_x.group)
    passes = [get_scheme(name, unit).nodes for name in schemes]
    nodes, samples = max(passes), training["batch_size"] * sum(passes)
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


def _distinct(group: Group, elements: Any) -> Any:
    """The distinct elements of a batch; for a continuous group, all of them."""
    return elements if group.order is None else np.unique(elements)


def _largest(values: Floats) -> float:
    return float(np.abs(values).max(initial=0.0))


def _multiplied(a: Floats, b: Floats) -> Floats:
    """The product of two (q, q) matrices; sparse if they have few nonzero entries, as permutations do."""
    if max(np.count_nonzero(a), np.count_nonzero(b)) > _FEW * a.size:
        return np.asarray(a @ b)
    return np.asarray((csr_array(a) @ csr_array(b)).toarray())


def _available(data: Data, samples: int) -> int:
    """At most half of a finite sample, so that no point is compared with its own image."""
    return min(samples, len(data) // 2) if hasattr(data, "__len__") else samples
