"""E^G: known dimensions, and what makes it the fixed subspace."""

from typing import NamedTuple

import numpy as np
import pytest

from mfsym.groups import cyclic, dihedral, o, product, signed_permutations, so, symmetric, u1
from mfsym.representations import Representation, hom
from mfsym.streams import normals, stream_key
from mfsym.units import MatrixUnit, UVUnit
from tests.catalogue import CASES, NONTRIVIAL, quaternion_group
from tests.tolerances import ALGEBRA

POINTS = stream_key(4, "init")


class Fact(NamedTuple):
    """A known dimension and where it is known from."""

    id: str
    rep: Representation
    dimension: int
    source: str


def _endomorphisms(rep):
    return hom(rep, rep)


def _power(rep, exponent):
    result = rep
    for _ in range(exponent - 1):
        result = result * rep
    return result


def _matrix_unit_action():
    swap = cyclic(2).permutation()
    return MatrixUnit("sigmoid", swap, swap).action


SERRE = "Serre, Linear Representations of Finite Groups"
SCHUR = f"{SERRE}, section 2.2 (Schur's lemma) and 13.2 (real, complex, quaternionic type)"
REGULAR = f"{SERRE}, section 2.4: the regular representation holds each irreducible as often as its degree"
ORBITS = f"{SERRE}, exercise 2.6: fixed vectors of a permutation representation are counted by orbits"
DEEP_SETS = "Zaheer et al., Deep Sets, NeurIPS 2017, lemma 3"
GRAPHS = "Maron et al., Invariant and Equivariant Graph Networks, ICLR 2019, theorem 1: Bell numbers"
TENSORS = "Weyl, The Classical Groups, chapter II: isotropic tensors from delta and epsilon"
CLEBSCH = "Hall, Lie Groups, Lie Algebras, and Representations, theorem C.1: Clebsch-Gordan"
TORUS = "Bröcker & tom Dieck, Representations of Compact Lie Groups, II.8: characters of a torus"
PAPER = "Maass Martínez & Fontbona 2024, section 4"

SO3, O3, V3 = so(3), o(3), so(3).vector()

FACTS = (
    Fact("C2 matrix unit", _matrix_unit_action(), 2, PAPER),
    Fact("C2 swap", cyclic(2).permutation(), 1, ORBITS),
    Fact("C2 half turn, linear maps", _endomorphisms(cyclic(2).vector()), 4, SCHUR),
    Fact("C3 plane, linear maps", _endomorphisms(cyclic(3).vector()), 2, SCHUR),
    Fact("C4 plane, linear maps", _endomorphisms(cyclic(4).vector()), 2, SCHUR),
    Fact("C5 regular, linear maps", _endomorphisms(cyclic(5).regular()), 5, REGULAR),
    Fact("C8 regular, linear maps", _endomorphisms(cyclic(8).regular()), 8, REGULAR),
    Fact("S3 regular, linear maps", _endomorphisms(symmetric(3).regular()), 6, REGULAR),
    Fact("D4 regular", dihedral(4).regular(), 1, REGULAR),
    Fact("D4 regular, linear maps", _endomorphisms(dihedral(4).regular()), 8, REGULAR),
    Fact("D4 plane, linear maps", _endomorphisms(dihedral(4).vector()), 1, SCHUR),
    Fact("D5 corners, linear maps", _endomorphisms(dihedral(5).permutation()), 3, ORBITS),
    Fact("D4 corners to plane", hom(dihedral(4).permutation(), dihedral(4).vector()), 1, SCHUR),
    Fact("Q8 on R^4, linear maps", _endomorphisms(quaternion_group().vector()), 4, SCHUR),
    Fact("S4 points", symmetric(4).permutation(), 1, ORBITS),
    Fact("S4 sign", symmetric(4).sign(), 0, SCHUR),
    Fact("S4 sign squared", symmetric(4).sign() * symmetric(4).sign(), 1, SCHUR),
    Fact("S3 points, linear maps", _endomorphisms(symmetric(3).permutation()), 2, DEEP_SETS),
    Fact("S5 points, linear maps", _endomorphisms(symmetric(5).permutation()), 2, DEEP_SETS),
    Fact("S4 matrices, linear maps", _power(symmetric(4).permutation(), 4), 15, GRAPHS),
    Fact("S5 matrices to points", _power(symmetric(5).permutation(), 3), 5, GRAPHS),
    Fact("B3 coordinates, linear maps", _endomorphisms(signed_permutations(3).vector()), 1, SCHUR),
    Fact("C2 x S3, linear maps of R^3", _endomorphisms(product(cyclic(2), symmetric(3)).vector()), 6, SCHUR),
    Fact("SO(2) plane, linear maps", _endomorphisms(so(2).vector()), 2, SCHUR),
    Fact("O(2) plane, linear maps", _endomorphisms(o(2).vector()), 1, SCHUR),
    Fact("SO(2) charges 1 to 2", hom(so(2).charge(1), so(2).charge(2)), 0, TORUS),
    Fact("SO(2) charges 1, 2 to 3", hom(so(2).charge(1) * so(2).charge(2), so(2).charge(3)), 2, TORUS),
    Fact("U(1)^2, linear maps of R^4", _endomorphisms(u1(2).vector()), 4, TORUS),
    Fact("SO(3) vector to vector", _endomorphisms(V3), 1, SCHUR),
    Fact("SO(3) cross product", hom(V3 * V3, V3), 1, TENSORS),
    Fact("SO(3) rank 2", _power(V3, 2), 1, TENSORS),
    Fact("SO(3) rank 4", _power(V3, 4), 3, TENSORS),
    Fact("SO(3) rank 5", _power(V3, 5), 6, TENSORS),
    Fact("O(3) no cross product", hom(O3.vector() * O3.vector(), O3.vector()), 0, TENSORS),
    Fact("O(3) cross product to pseudovectors", hom(O3.vector() * O3.vector(), O3.irrep(1, parity=1)), 1, TENSORS),
    Fact("O(3) rank 4", _power(O3.vector(), 4), 3, TENSORS),
    Fact("SO(4) rank 4", _power(so(4).vector(), 4), 4, TENSORS),
    Fact("O(4) rank 4", _power(o(4).vector(), 4), 3, TENSORS),
    Fact("SO(4) two-forms, linear maps", _endomorphisms(so(4).vector().antisymmetric_square), 2, TENSORS),
    Fact("SO(3) two-forms are vectors", hom(V3.antisymmetric_square, V3), 1, TENSORS),
    Fact("SO(3) symmetric square", V3.symmetric_square, 1, TENSORS),
    Fact("SO(3) 1 x 2 to 3", hom(SO3.irrep(1) * SO3.irrep(2), SO3.irrep(3)), 1, CLEBSCH),
    Fact("SO(3) 2 x 2 to 4", hom(SO3.irrep(2) * SO3.irrep(2), SO3.irrep(4)), 1, CLEBSCH),
    Fact("SO(3) 1 x 1 to 3", hom(SO3.irrep(1) * SO3.irrep(1), SO3.irrep(3)), 0, CLEBSCH),
    Fact("SO(3) 2 restricted to SO(2)", SO3.irrep(2).restrict(so(2).vector() + so(2).trivial(1)), 1, CLEBSCH),
    Fact("SO(2) uv unit", UVUnit("sigmoid", so(2).vector(), so(2).vector()).action, 0, SCHUR),
)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.id)
def test_dimension_is_the_known_one(fact):
    assert fact.rep.fixed_subspace().dimension == fact.dimension, fact.source


def test_cross_product_is_the_one_equivariant_product():
    basis = hom(V3 * V3, V3).fixed_subspace().basis[:, 0].reshape(3, 3, 3)
    u, v = normals(POINTS, 0, 2, 3)
    product_of_both = np.einsum("kij,i,j->k", basis, u, v)
    cross = np.cross(u, v)
    assert np.abs(product_of_both / np.linalg.norm(product_of_both) - cross / np.linalg.norm(cross)).max() < ALGEBRA


def test_tensor_square_of_a_vector_splits_as_clebsch_gordan_says():
    draws = SO3.haar(stream_key(4, "haar"), 0, 50)
    parts = sum(SO3.irrep(degree).characters(draws) for degree in range(3))
    assert np.abs((V3 * V3).characters(draws) - parts).max() < ALGEBRA


@pytest.mark.parametrize("case", NONTRIVIAL, ids=str)
def test_nothing_outside_is_fixed(case):
    action, outside = case.unit.action, case.unit.fixed_subspace.complement()
    if not outside.dimension:
        assert np.abs(action.generator_matrices - np.eye(action.dim)).max(initial=0.0) < ALGEBRA
    for column in outside.basis.T:
        moves = [matrix @ column - column for matrix in action.generator_matrices]
        moves += [matrix @ column for matrix in action.algebra_matrices]
        assert max(np.abs(move).max() for move in moves) > ALGEBRA


@pytest.mark.parametrize("case", CASES, ids=str)
def test_projector_commutes_with_the_action(case):
    projector = case.unit.fixed_subspace.projector
    draws = case.unit.action(case.group.haar(stream_key(4, "haar"), 1, 20))
    assert np.abs(draws @ projector - projector @ draws).max() < ALGEBRA
    assert np.abs(draws @ projector - projector).max() < ALGEBRA


@pytest.mark.parametrize(
    ("whole_group", "along"),
    [
        (dihedral(4).permutation(), cyclic(4).vector()),
        (symmetric(4).permutation(), symmetric(3).permutation() + symmetric(3).trivial(1)),
        (so(3).irrep(3), so(2).vector() + so(2).trivial(1)),
        (o(3).irrep(2), so(3).vector()),
        (so(3).irrep(4), cyclic(4).vector() + cyclic(4).trivial(1)),
    ],
    ids=["C4 in D4", "S3 in S4", "SO(2) in SO(3)", "SO(3) in O(3)", "C4 in SO(3)"],
)
def test_a_subgroup_fixes_at_least_as_much(whole_group, along):
    large = _endomorphisms(whole_group).fixed_subspace()
    small = _endomorphisms(whole_group.restrict(along)).fixed_subspace()
    assert small.contains(large.basis.T)
    assert small.dimension >= large.dimension
