"""Distances that know a group, against the theorems they rest on."""

from __future__ import annotations

import numpy as np
import ot
import pytest

from mfsym.groups import cyclic, dihedral, signed_permutations, symmetric
from mfsym.streams import normals, stream_key
from mfsym.transport import (
    distance_to_wi,
    quotient_w2,
    symmetrised_atoms,
    w2,
    w2_to_si,
    w2_to_symmetrised,
)
from tests.sizes import sized
from tests.tolerances import ALGEBRA, ROUNDOFF, SPLIT

KEY = stream_key(17, "teacher")
N = sized(120, 10)
FEW = sized(30, 4)

GROUPS = {
    "C2": cyclic(2).permutation(),
    "C3": cyclic(3).permutation(),
    "C5": cyclic(5).permutation(),
    "S3": symmetric(3).permutation(),
    "D4": dihedral(4).vector(),
    "B2": signed_permutations(2).vector(),
    "C8": cyclic(8).vector(),
    "D4, two vectors": dihedral(4).vector() + dihedral(4).vector(),
    "D4, matrices": dihedral(4).vector() * dihedral(4).vector(),
}


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("n", [FEW, sized(650, 8)])
def test_the_quotient_distance_is_that_of_the_symmetrised_clouds(name, n):
    """W2(mu^G, nu^G) = W2 on Z / G: below and above the size from which our solver is used."""
    matrices = GROUPS[name].matrices
    a, b = normals(KEY, 1, n, matrices.shape[1]), normals(KEY, 2, n, matrices.shape[1])
    quotient = quotient_w2(a, b, matrices)
    whole = w2(symmetrised_atoms(a, matrices), symmetrised_atoms(b, matrices))
    assert abs(quotient.w2_squared - whole.w2_squared) <= ROUNDOFF * whole.w2_squared
    assert quotient.lower_bound <= quotient.w2_squared
    assert quotient.w2_squared < w2(a, b).w2_squared - SPLIT


@pytest.mark.parametrize("name", GROUPS)
def test_the_quotient_distance_does_not_see_the_group(name):
    matrices = GROUPS[name].matrices
    a = normals(KEY, 3, N, matrices.shape[1])
    moved = np.array([matrices[i % len(matrices)] @ z for i, z in enumerate(a)])
    assert quotient_w2(a, moved, matrices).w2_squared <= ROUNDOFF
    assert w2(a, moved).w2_squared > SPLIT


@pytest.mark.parametrize("counts", [(12, 8), sized((720, 660), (9, 7))])
@pytest.mark.parametrize("name", ["D4", "C8", "D4, matrices"])
def test_the_quotient_distance_takes_unequal_counts(name, counts):
    """Also where several images of an atom count, above the size from which our solver is used as below it."""
    matrices = GROUPS[name].matrices
    n, m = counts
    a, b = normals(KEY, 4, n, matrices.shape[1]), normals(KEY, 5, m, matrices.shape[1])
    cost = np.min([ot.dist(a, b @ matrix.T) for matrix in matrices], axis=0)
    exact = ot.emd2([], [], cost, numItermax=10**7)
    assert abs(quotient_w2(a, b, matrices).w2_squared - exact) <= ALGEBRA
    if n > N:
        return
    whole = w2(symmetrised_atoms(a, matrices), symmetrised_atoms(b, matrices), method="emd")
    assert abs(quotient_w2(a, b, matrices).w2_squared - whole.w2_squared) <= ALGEBRA


@pytest.mark.parametrize("name", GROUPS)
def test_the_nearest_si_law_is_the_projected_one(name):
    matrices = GROUPS[name].matrices
    a = normals(KEY, 6, N, matrices.shape[1])
    projected = a @ matrices.mean(axis=0).T
    assert abs(w2_to_si(a, matrices) - w2(a, projected).w2_squared) <= ALGEBRA


@pytest.mark.parametrize("name", GROUPS)
def test_bounds_on_the_distance_to_wi_are_attained_and_nested(name):
    matrices = GROUPS[name].matrices
    a = normals(KEY, 7, FEW, matrices.shape[1])
    found = distance_to_wi(a, matrices, rounds=5)
    whole = w2_to_symmetrised(a, matrices).value
    assert whole / 2.0 - ALGEBRA <= found.lower <= found.upper <= whole + ALGEBRA
    assert found.exact or len(matrices) > 2
    attained = w2(a, symmetrised_atoms(found.base, matrices)).value
    assert abs(attained - found.upper) <= ALGEBRA**0.5
    projected = w2_to_si(a, matrices) ** 0.5
    assert found.lower <= projected + ALGEBRA


@pytest.mark.parametrize("name", GROUPS)
def test_weakly_invariant_clouds_are_at_distance_zero(name):
    matrices = GROUPS[name].matrices
    closed = symmetrised_atoms(normals(KEY, 8, 5, matrices.shape[1]), matrices)
    found = distance_to_wi(closed, matrices, rounds=2)
    assert found.lower <= found.upper <= ALGEBRA**0.5
