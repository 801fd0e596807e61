"""Clouds in one chamber of a group: which elements still count there, and that no others do."""

from __future__ import annotations

import numpy as np
import ot
import pytest

from mfsym.groups import cyclic, dihedral, signed_permutations, symmetric
from mfsym.streams import normals, stream_key
from mfsym.transport import W2Result, quotient_w2, w2
from mfsym.transport.chambers import SAMPLED, folded, in_general_position, is_closed, stabiliser
from tests.rational_transport import exact_costs, exact_w2
from tests.sizes import sized
from tests.tolerances import ALGEBRA, ROUNDOFF, SPLIT

KEY = stream_key(23, "teacher")
N = sized(60, 20)

VECTOR, TURNS = dihedral(4).vector(), cyclic(8).vector()

LEFT = {
    "C2": (cyclic(2).permutation(), 1),
    "C3": (cyclic(3).permutation(), 3),
    "S3": (symmetric(3).permutation(), 1),
    "S4": (symmetric(4).permutation(), 1),
    "B2": (signed_permutations(2).vector(), 1),
    "D4": (VECTOR, 1),
    "C8": (TURNS, 8),
    "D4, two vectors": (VECTOR + VECTOR, 8),
    "D4, matrices, of which -1 does nothing": (VECTOR * VECTOR, 4),
    "S3, two vectors": (symmetric(3).permutation() + symmetric(3).permutation(), 6),
}
"""Representations, and how many elements their chambers leave: |G| / |W| distinct ones."""


def _squares(x: np.ndarray, y: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """min over the matrices of |x_i - M y_j|^2."""
    return np.min([np.square(x[:, None] - (y @ m.T)[None]).sum(axis=2) for m in matrices], axis=0)


def _in_a_general_basis(matrices: np.ndarray) -> np.ndarray:
    basis = np.linalg.qr(normals(KEY, 9, matrices.shape[1], matrices.shape[1]))[0]
    return basis @ matrices @ basis.T


@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize("name", LEFT)
def test_in_a_chamber_only_the_elements_that_keep_it_count(name, general):
    representation, count = LEFT[name]
    matrices = representation.matrices
    if general:
        matrices = _in_a_general_basis(matrices)
    a, b = normals(KEY, 1, N, matrices.shape[1]), normals(KEY, 2, N, matrices.shape[1])
    few = stabiliser(matrices)
    assert is_closed(matrices)
    assert len(few) == count
    all_of_it = _squares(a, b, matrices)
    assert np.abs(_squares(folded(a, matrices), folded(b, matrices), few) - all_of_it).max() <= ALGEBRA
    if count < len(np.unique(matrices.round(6), axis=0)):
        assert np.abs(_squares(a, b, few) - all_of_it).max() > SPLIT


@pytest.mark.parametrize("name", LEFT)
def test_folding_maps_orbits_to_points(name):
    matrices = LEFT[name][0].matrices
    a = normals(KEY, 3, N, matrices.shape[1])
    for matrix in matrices:
        assert np.abs(folded(a @ matrix.T, matrices) - folded(a, matrices)).max() <= ALGEBRA


def test_atoms_on_mirrors_fold_to_atoms_on_the_walls_of_one_chamber():
    matrices = VECTOR.matrices
    walls = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0], [-1.0, 1.0], [0.0, 0.0]])
    corners = folded(walls, matrices)
    c = in_general_position(2)[0]
    for mirror in matrices[np.abs(np.linalg.det(matrices) + 1.0) < ALGEBRA]:
        assert ((corners @ (c - mirror @ c)) >= -ALGEBRA).all()
        assert np.abs(folded(walls @ mirror.T, matrices) - corners).max() <= ALGEBRA
    assert np.abs(np.linalg.norm(corners, axis=1) - np.linalg.norm(walls, axis=1)).max() <= ALGEBRA
    assert quotient_w2(walls, walls[::-1], matrices).w2_squared <= ALGEBRA**2


def test_on_the_line_signs_fold_to_absolute_values():
    signs = np.array([[[1.0]], [[-1.0]]])
    a, b = normals(KEY, 10, N, 1), normals(KEY, 11, N, 1)
    assert np.array_equal(folded(a, signs), np.abs(a))
    result = quotient_w2(a, b, signs)
    assert result.method == "sort"
    assert abs(result.w2_squared - w2(np.abs(a), np.abs(b)).w2_squared) <= ALGEBRA


@pytest.mark.parametrize("order", [[1, 2, 0, 5, 3, 4], [1, 3, 0, 2]])
def test_one_element_without_its_group_is_no_group(order):
    """Permutations that sums of sines and cosines of small numbers do not tell from their inverses."""
    matrix = np.eye(len(order))[order]
    assert not is_closed(matrix[None])
    a, b = normals(KEY, 12, N, len(order)), normals(KEY, 13, N, len(order))
    assert abs(quotient_w2(a, b, matrix[None]).w2_squared - w2(a, b @ matrix.T).w2_squared) <= ALGEBRA


def test_of_a_large_group_a_sample_is_checked():
    matrices = symmetric(5).permutation().matrices
    assert len(matrices) > SAMPLED
    assert is_closed(matrices)
    assert not is_closed(matrices[:-1])


def test_what_is_no_group_up_to_rounding_is_taken_as_it_is():
    matrices = dihedral(4).vector().matrices
    half = matrices[:5]
    rotated = matrices.copy()
    rotated[3] = matrices[3] @ np.array([[np.cos(1e-10), -np.sin(1e-10)], [np.sin(1e-10), np.cos(1e-10)]])
    a, b = normals(KEY, 4, N, 2), normals(KEY, 5, N, 2)
    for given in (half, rotated):
        assert not is_closed(given)
        exact = ot.emd2([], [], _squares(a, b, given))
        assert abs(quotient_w2(a, b, given).w2_squared - exact) <= ROUNDOFF
    assert quotient_w2(a, b, half).w2_squared > quotient_w2(a, b, matrices).w2_squared + SPLIT


@pytest.mark.parametrize("name", ["D4", "C8", "D4, two vectors"])
def test_whole_orbits_of_atoms_are_taken_for_repeated_ones(name):
    """Their folded copies coincide but for rounding; every atom of a cloud counts for its share all the same."""
    matrices = LEFT[name][0].matrices
    n = sized(100, 12)
    a, b = normals(KEY, 6, n, matrices.shape[1]), normals(KEY, 7, n, matrices.shape[1])
    orbits = [np.einsum("kab,ib->kia", matrices, z).reshape(-1, matrices.shape[1]) for z in (a, b)]
    expected = quotient_w2(a, b, matrices).w2_squared
    assert abs(quotient_w2(*orbits, matrices).w2_squared - expected) <= ALGEBRA * expected
    assert abs(w2(*orbits).w2_squared - expected) <= ALGEBRA * expected


def _assert_proved(result: W2Result, expected: float) -> None:
    assert abs(result.w2_squared - expected) <= ROUNDOFF * expected
    assert 0.0 <= result.lower_bound <= result.w2_squared
    assert result.relative_gap <= 1e-9


def _order(p: int) -> np.ndarray:
    """Places of |z| in increasing order along the chamber of c = sin 1, sin 2, ..., which is where z . c is largest."""
    return np.argsort(np.argsort(np.sin(np.arange(1.0, p + 1.0))))


@pytest.mark.parametrize("far", [1e8, 1e20, -9.97e36])
def test_far_atoms_are_folded_into_the_chamber_of_their_small_coordinates(far):
    matrices = signed_permutations(3).vector().matrices
    z = normals(KEY, 18, 40, 3)
    z[:20, 0] = far
    assert np.array_equal(folded(z, matrices), np.sort(np.abs(folded(z, matrices)), axis=1)[:, _order(3)])
    a, b = z[::2], z[1::2]
    _assert_proved(quotient_w2(a, b, matrices), float(exact_w2(exact_costs(a, b, matrices), None, None)))
