"""Distances from a cloud to the laws invariant under an infinite group: bounds, and estimates with errors.

For an infinite group, the symmetrised law mu^G = integral of M_g # mu dHaar(g) of a cloud mu is not discrete. A single
quadrature must not replace the integral: a cloud closed under the rule would be at distance 0.
"""

from __future__ import annotations

from itertools import takewhile
from typing import NamedTuple

import numpy as np

from mfsym.ensembles import symmetrised
from mfsym.groups import Group
from mfsym.groups.cells import JUDGING_SEED, cells_of, has_rule
from mfsym.representations import Representation
from mfsym.streams import stream_key
from mfsym.transport import W2Result, second_moment, w2
from mfsym.typing import Elements, Floats

ATOMS, NODES = 1 << 13, 128
"""Largest numbers of atoms and of nodes in a discretisation of mu^G: transport from few atoms to very many is slow."""

LEAST = 3
"""Fewest nodes of a rule in each direction."""

LEAST_CELLS = {1: 17, 2: 7, 3: 5}
"""Fewest cells in each direction for an upper bound, by the dimension of the group; LEAST in higher dimensions."""

PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61)
"""Nodes of a rule in each direction: prime, so that no node fixes a cloud closed under another cyclic group."""

DRAWS = 64
"""Haar draws for a group without a quadrature."""

PHASES, INSIDE = 2, 4
"""Gauss nodes per direction of a cell: for the translates of a circle's rule, and for the averages of matrices."""


class Estimated(NamedTuple):
    """A value and the error of its quadrature over the group, which is 0 for a finite group."""

    value: float
    error: float


class Bounds(NamedTuple):
    """Bounds lower <= distance <= upper, not squared."""

    lower: float
    upper: float


def symmetrised_w2(z: Floats, action: Representation) -> Estimated:
    """Squared W2 from the law of z (N, p) to its symmetrised law, in units of |z|^2.

    Infinite groups: the mean of W2^2 over translates of one rule by group elements. The mean over all translates is an
    upper bound, because W2^2 is convex. Two translates are used, at Gauss nodes of the cells of a circle or at Haar
    draws. The error is the difference from the value with half the nodes, or the standard error over Haar draws if that
    is larger.
    """
    group = action.group
    if group.order is not None:
        other = symmetrised(z, action)
        return Estimated(w2(z, other.z, weights_b=other.weights).w2_squared, 0.0)
    fine, coarse = (_mean_over_copies(z, action, _degree(group, len(z), share), DRAWS // share) for share in (1, 2))
    return Estimated(fine.value, max(abs(coarse.value - fine.value), fine.error))


def wi_bounds(z: Floats, action: Representation) -> Bounds:
    """Bounds on the W2 distance from the law of z (N, p) to the laws invariant under an infinite group.

    Lower: every invariant law nu is as close to M_g # mu as to mu. For any g and m, gluing m optimal couplings gives
    distance^2 >= (1 / m^2) sum_{a<m} (m - a) W2^2(mu, M_g^a # mu), and distance >= W2(mu, M_g # mu) / 2. This bound
    uses no quadrature.
    Upper: the distance to an invariant law supported on the orbits of N atoms, under a coupling built from cells that
    partition the group, with atoms optimal for that coupling. It is at most the distance to the SI laws, which is the
    bound used for a group without a quadrature. Both bounds hold for every cloud.
    """
    strong = float(np.sqrt(np.mean(np.sum((z - action.fixed_subspace().project(z)) ** 2, axis=1))))
    upper = min(strong, _cell_bound(z, action)) if has_rule(action.group) else strong
    return Bounds(min(_chain_bound(z, action), upper), upper)


def _cell_bound(z: Floats, action: Representation) -> float:
    """The distance to an invariant law of N orbits, under a coupling built from one plan and a partition into cells.

    Let A_k be the mean of M_g over cell k. An optimal plan couples the atoms A_k z_i with the z_j, and hence every M_g
    z_i with g in cell k. For this coupling the optimal atoms are c_i = mean of M_g^T z_j, with cost E|z|^2 - E|c|^2.
    """
    group, least = action.group, LEAST_CELLS.get(action.group.dimension, LEAST)
    cells = cells_of(group, _degree(group, len(z), least=least), INSIDE)
    means = np.stack([np.einsum("s,sij->ij", cells.inner, action(part)) for part in cells.elements])
    n, p = z.shape
    atoms = np.einsum("kij,nj->kni", means, z).reshape(-1, p)
    plan = w2(atoms, z, weights_a=_weights(cells.weights, n)).plan
    assert plan is not None
    partners = np.zeros_like(atoms)
    np.add.at(partners, plan.rows, plan.mass[:, None] * z[plan.columns])
    best = n * np.einsum("kij,kni->nj", means, partners.reshape(-1, n, p))
    return max(second_moment(z) - second_moment(best), 0.0) ** 0.5


def _chain_bound(z: Floats, action: Representation) -> float:
    """The lower bound of ``wi_bounds``, from powers of one Haar draw, or of two for groups of dimension above 1."""
    chains, length = (1, 6) if action.group.dimension == 1 else (2, 4)
    best = 0.0
    for matrix in action(_moves(action.group, 0, chains)):
        moved, total = z, 0.0
        for power in range(1, length):
            moved = moved @ matrix.T
            square = max(w2(z, moved).lower_bound, 0.0)
            total += (length - power) * square / length**2
            best = max(best, square / 4.0)
        best = max(best, total)
    return best**0.5


def _mean_over_copies(z: Floats, action: Representation, degree: int, count: int) -> Estimated:
    """Mean of W2^2 from z to its symmetrisation by translates of a rule; with a standard error for random translates.

    count : number of Haar draws that replace the rule for a group without a quadrature.
    """
    group = action.group
    if not has_rule(group):
        return _mean([_to_orbit(z, action, _moves(group, 1 + k, count), None).w2_squared for k in range(2)])
    if group.dimension == 1:
        cells = cells_of(group, degree, PHASES)
        copies = [_to_orbit(z, action, cells.elements[:, s], cells.weights) for s in range(len(cells.inner))]
        return Estimated(float(cells.inner @ [copy.w2_squared for copy in copies]), 0.0)
    rule = group.quadrature(degree)
    moves = _moves(group, 1, 2)
    return _mean([_to_orbit(z, action, group.multiply(rule.elements, h), rule.weights).w2_squared for h in moves])


def _mean(values: list[float]) -> Estimated:
    return Estimated(float(np.mean(values)), float(np.std(values, ddof=1) / len(values) ** 0.5))


def _to_orbit(z: Floats, action: Representation, elements: Elements, weights: Floats | None) -> W2Result:
    """W2 from z to the cloud of the images of z under a batch of elements."""
    atoms = np.einsum("kij,nj->kni", action(elements), z).reshape(-1, z.shape[1])
    return w2(z, atoms, weights_b=None if weights is None else _weights(weights, len(z)))


def _weights(weights: Floats, n: int) -> Floats | None:
    """Weights (K n,) of the images of n atoms under K nodes; None where they are equal."""
    return None if np.ptp(weights) <= 1e-15 else np.repeat(weights / n, n)


def _moves(group: Group, step: int, count: int) -> Elements:
    """Fixed Haar draws."""
    return group.haar(stream_key(JUDGING_SEED, "haar", 2), step, count)


def _degree(group: Group, n: int, share: int = 1, least: int = LEAST) -> int:
    """The degree of the rule for a cloud of n atoms; with ``share`` s, of one with 1 / s of its nodes per direction."""
    if not has_rule(group):
        return 1
    room = min(ATOMS / n, NODES)
    fits = takewhile(lambda count: count <= least or len(group.quadrature(count - 1)) <= room, PRIMES)
    finest = max(fits)
    return max(count for count in PRIMES if count == PRIMES[0] or share * count <= finest) - 1
