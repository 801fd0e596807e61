"""mfsym.representations: constructions, refusals, and subspaces with a canonical basis."""

import pickle

import numpy as np
import pytest
from scipy.special import sph_harm_y

from mfsym.errors import MfsymError
from mfsym.groups import cyclic, dihedral, o, product, signed_permutations, so, symmetric, trivial, u1
from mfsym.groups.catalogue import rotation
from mfsym.groups.rotations import exponentials
from mfsym.representations import Subspace, hom, null_space, whole
from mfsym.streams import normals, stream_key
from tests.catalogue import CASES
from tests.tolerances import ALGEBRA

KEY = stream_key(11, "haar")
POINTS = stream_key(11, "init")


def _zoo():
    so3, o2, d4, s3 = so(3).vector(), o(2), dihedral(4), symmetric(3)
    joint = product(so(2), cyclic(3))
    return {
        "vector": d4.vector(),
        "permutation": d4.permutation(),
        "corners of the cross": signed_permutations(2).permutation(),
        "sign": s3.sign(),
        "continuous sign": o(3).sign(),
        "regular": s3.regular(),
        "sum": d4.vector() + d4.sign(),
        "product": d4.vector() * d4.permutation(),
        "dual": d4.permutation().dual,
        "hom": hom(s3.permutation(), s3.sign()),
        "symmetric square": so3.symmetric_square,
        "antisymmetric square": so(4).vector().antisymmetric_square,
        "charge": o2.charge(3),
        "charges": u1(2).charge(2, -1),
        "irrep": so(3).irrep(3),
        "twisted irrep": o(3).irrep(2, parity=-1),
        "exponentials": o(3).representation(-o(3).generator_defining, o(3).algebra),
        "exponentials of SO(4)": so(4).representation([], so(4).vector().antisymmetric_square.algebra_matrices),
        "exponentials of U(1)^2": u1(2).representation([], u1(2).charge(1, -3).algebra_matrices),
        "inflated": so(2).charge(2).inflate(joint, 0) * cyclic(3).permutation().inflate(joint, 1),
        "inflated finite": s3.permutation().inflate(product(cyclic(2), s3), 1),
        "restricted": so(3).irrep(2).restrict(so(2).vector() + so(2).trivial(1)),
        "restricted finite": d4.permutation().restrict(cyclic(4).vector()),
        "trivial": trivial().permutation(),
        "product of factors": joint.representation(
            [rotation(1, 3)], [[[0.0, -1.0], [1.0, 0.0]]], name="turned together"
        ),
    }


ZOO = _zoo()
all_representations = pytest.mark.parametrize("rep", ZOO.values(), ids=ZOO.keys())


@all_representations
def test_representations_are_orthogonal_homomorphisms(rep):
    group = rep.group
    a, b = group.haar(KEY, 0, 30), group.haar(KEY, 1, 30)
    assert rep(a).shape == (30, rep.dim, rep.dim)
    assert np.abs(rep(a) @ rep(b) - rep(group.multiply(a, b))).max() < ALGEBRA
    assert np.abs(rep(a) @ np.swapaxes(rep(a), 1, 2) - np.eye(rep.dim)).max() < ALGEBRA
    assert np.abs(rep(group.identity) - np.eye(rep.dim)).max() < ALGEBRA


@all_representations
def test_generators_and_algebra_agree_with_the_elements(rep):
    group = rep.group
    assert np.abs(rep(group.generators) - rep.generator_matrices).max(initial=0.0) < ALGEBRA
    if group.dimension:
        turned = rep(group.find(exponentials(0.4 * group.algebra)))
        assert np.abs(turned - exponentials(0.4 * rep.algebra_matrices)).max() < ALGEBRA
        assert np.abs(rep.differential(group.algebra) - rep.algebra_matrices).max() < ALGEBRA


@all_representations
def test_representations_survive_pickling(rep):
    copy = pickle.loads(pickle.dumps(rep))
    draws = rep.group.haar(KEY, 0, 3)
    assert np.array_equal(copy(draws), rep(draws))
    assert repr(copy) == repr(rep)


def test_hom_acts_on_row_major_matrices():
    a, b = dihedral(4).vector(), dihedral(4).permutation()
    z = normals(POINTS, 0, b.dim, a.dim)
    for matrix, left, right in zip(hom(a, b).matrices, b.matrices, a.matrices, strict=True):
        assert np.abs((matrix @ z.ravel()).reshape(z.shape) - left @ z @ right.T).max() < ALGEBRA


def test_sum_and_product_act_blockwise_and_on_outer_products():
    a, b = symmetric(3).permutation(), symmetric(3).sign()
    u, v = normals(POINTS, 1, 1, a.dim)[0], normals(POINTS, 2, 1, a.dim)[0]
    for total, square, left, right in zip((a + b).matrices, (a * a).matrices, a.matrices, b.matrices, strict=True):
        assert np.abs(total @ np.append(u, 2.0) - np.append(left @ u, 2.0 * right[0, 0])).max() < ALGEBRA
        assert np.abs(square @ np.outer(u, v).ravel() - np.outer(left @ u, left @ v).ravel()).max() < ALGEBRA


def test_squares_split_the_tensor_square():
    rep, draws = dihedral(5).permutation(), np.arange(10)
    parts = rep.symmetric_square.characters(draws) + rep.antisymmetric_square.characters(draws)
    assert np.abs(parts - (rep * rep).characters(draws)).max() < ALGEBRA
    assert (rep.symmetric_square.dim, rep.antisymmetric_square.dim) == (15, 10)


def test_reference_swap_has_the_papers_basis():
    swap = cyclic(2).permutation()
    half = np.sqrt(0.5)
    basis = hom(swap, swap).fixed_subspace().basis
    assert np.abs(basis.T - [[half, 0, 0, half], [0, half, half, 0]]).max() < ALGEBRA


@pytest.mark.parametrize("degree", range(5))
def test_wigner_matrices_move_the_spherical_harmonics(degree):
    rotations = so(3).haar(KEY, 3, 5)
    points = normals(POINTS, 3, 40, 3)
    for rotated, matrix in zip(rotations, so(3).irrep(degree)(rotations), strict=True):
        moved = _real_harmonics(degree, points @ rotated.T)
        assert np.abs(moved - _real_harmonics(degree, points) @ matrix.T).max() < ALGEBRA


def _real_harmonics(degree, points):
    """(n, 2 l + 1) real spherical harmonics, m = -l..l, without the Condon-Shortley sign."""
    x, y, z = points.T
    polar, azimuth = np.arccos(z / np.linalg.norm(points, axis=1)), np.arctan2(y, x)
    columns = []
    for m in range(-degree, degree + 1):
        values = (-1.0) ** m * sph_harm_y(degree, abs(m), polar, azimuth)
        columns.append(values.real if m == 0 else np.sqrt(2.0) * (values.real if m > 0 else values.imag))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("degree", range(7))
def test_wigner_characters_are_weyls(degree):
    draws = so(3).haar(KEY, 4, 50)
    angle = np.arccos((np.trace(draws, axis1=1, axis2=2) - 1.0) / 2.0)
    expected = np.sin((degree + 0.5) * angle) / np.sin(angle / 2.0)
    assert np.abs(so(3).irrep(degree).characters(draws) - expected).max() < ALGEBRA


def test_parity_is_the_value_at_the_inversion():
    inversion = -np.eye(3)
    for degree in range(3):
        assert np.array_equal(np.sign(np.diag(o(3).irrep(degree)(inversion))), [(-1) ** degree] * (2 * degree + 1))
        for parity in (1, -1):
            assert np.abs(o(3).irrep(degree, parity)(inversion) - parity * np.eye(2 * degree + 1)).max() < ALGEBRA


def test_matrices_that_break_a_relation_are_refused_with_the_element():
    with pytest.raises(MfsymError, match=r"relations of C_3: .* for g = r\^2"):
        cyclic(3).representation([np.diag([-1.0, 1.0])])
    with pytest.raises(MfsymError, match=r"orthogonal: .* for generator s"):
        dihedral(3).representation([np.eye(2), 2.0 * np.eye(2)])
    with pytest.raises(MfsymError, match="antisymmetric"):
        so(2).representation([], [np.eye(2)])
    with pytest.raises(MfsymError, match=r"products of SO\(2\): .* for g = rotation by"):
        so(2).representation([], [[[0.0, -0.5], [0.5, 0.0]]])
    with pytest.raises(MfsymError, match=r"products of SO\(3\)"):
        so(3).representation([], so(3).algebra[[1, 0, 2]])
    with pytest.raises(MfsymError, match=r"products of SO\(2\) x C_2"):
        product(so(2), cyclic(2)).representation([np.diag([1.0, -1.0])], [[[0.0, -1.0], [1.0, 0.0]]])


def test_requests_that_make_no_sense_are_refused():
    with pytest.raises(MfsymError, match="one matrix for each generator"):
        dihedral(3).representation([np.eye(2)])
    with pytest.raises(MfsymError, match="basis element of SO"):
        so(3).representation([], np.zeros((2, 3, 3)))
    with pytest.raises(MfsymError, match=r"C_400 on R\^400 has 64000000"):
        cyclic(400).permutation()
    with pytest.raises(MfsymError, match="of the same group"):
        cyclic(2).vector() + cyclic(3).vector()
    with pytest.raises(MfsymError, match="natural permutation"):
        so(3).permutation()
    with pytest.raises(MfsymError, match="needs a finite group"):
        so(3).regular()
    with pytest.raises(MfsymError, match=r"charge\(\.\.\.\) needs"):
        so(3).charge(1)
    with pytest.raises(MfsymError, match="needs 2 charges"):
        u1(2).charge(1)
    with pytest.raises(MfsymError, match=r"SO\(3\) or O\(3\)"):
        so(2).irrep(1)
    with pytest.raises(MfsymError, match="between 0 and 6"):
        so(3).irrep(7)
    with pytest.raises(MfsymError, match="parity"):
        so(3).irrep(1, parity=1)
    with pytest.raises(MfsymError, match="its factors are C_2, S_3"):
        cyclic(3).vector().inflate(product(cyclic(2), symmetric(3)), 0)


def test_subrepresentations_must_be_invariant_and_orthonormal():
    rep = dihedral(4).vector() + dihedral(4).sign()
    assert rep.subrepresentation(np.eye(3)[:, :2]).dim == 2
    with pytest.raises(MfsymError, match="r of D_4 leaves it"):
        rep.subrepresentation(np.eye(3)[:, :1])
    with pytest.raises(MfsymError, match="orthonormal"):
        rep.subrepresentation(2.0 * np.eye(3))
    with pytest.raises(MfsymError, match=r"\(3, r\)"):
        rep.subrepresentation(np.eye(2))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fixed_vectors_are_fixed_and_their_basis_orthonormal(case):
    space, action = case.unit.fixed_subspace, case.unit.action
    moved = action(case.group.haar(KEY, 5, 20)) @ space.basis
    assert np.abs(moved - space.basis).max(initial=0.0) < ALGEBRA
    assert np.abs(space.basis.T @ space.basis - np.eye(space.dimension)).max(initial=0.0) < ALGEBRA
    assert np.abs(space.frame @ space.frame.T - np.eye(space.ambient)).max() < ALGEBRA


@pytest.mark.parametrize("rank", [0, 1, 3, 6])
def test_basis_depends_on_the_subspace_alone(rank):
    span = normals(POINTS, 6, 6, rank) if rank else np.zeros((6, 0))
    mixed = span @ normals(POINTS, 7, rank, rank + 2) if rank else np.zeros((6, 2))
    first, second = Subspace(span), Subspace(mixed)
    assert first.dimension == second.dimension == rank
    assert np.abs(first.basis - second.basis).max(initial=0.0) < ALGEBRA
    for column in first.basis.T:
        assert column[np.abs(column) > ALGEBRA][0] > 0.0


def test_subspace_projects_reads_coordinates_and_complements():
    space, z = Subspace(normals(POINTS, 8, 5, 2)), normals(POINTS, 9, 7, 5)
    assert np.abs(space.project(z) - z @ space.projector).max() < ALGEBRA
    assert np.abs(space.coordinates(z) @ space.basis.T - space.project(z)).max() < ALGEBRA
    assert np.abs(space.project(z) + space.complement().project(z) - z).max() < ALGEBRA
    assert space.contains(space.project(z))
    assert not space.contains(z)
    assert (space.complement().dimension, whole(5).dimension) == (3, 5)
    assert repr(space) == "<Subspace of dimension 2 in R^5>"


def test_null_space_answers_or_says_that_it_cannot():
    assert null_space(np.zeros((0, 3))).dimension == 3
    assert null_space(np.array([[1.0, 1.0, 0.0]])).dimension == 2
    with pytest.raises(MfsymError, match="must be clear"):
        null_space(np.diag([1.0, 1e-8]))
    with pytest.raises(MfsymError, match="finite matrix"):
        Subspace(np.array([[np.nan]]))


@pytest.mark.parametrize(
    "call",
    [
        lambda n: cyclic(3).trivial(n),
        lambda n: so(2).charge(n),
        lambda n: u1(2).charge(1, n),
        lambda n: so(3).irrep(n),
        lambda n: n * dihedral(3).vector(),
        lambda n: cyclic(3).vector().inflate(product(cyclic(2), cyclic(2), cyclic(2), cyclic(3)), n),
        lambda n: whole(n),
    ],
)
def test_whole_numbers_are_of_any_kind_and_nothing_else(call):
    call(3.0)
    call(np.int64(3))
    for bad in (2.5, "3"):
        with pytest.raises(MfsymError, match="must be a whole number"):
            call(bad)
    with pytest.raises(MfsymError, match="whole number"):
        dihedral(3).trivial(True)
    with pytest.raises(MfsymError, match="parity must be a whole number"):
        o(3).irrep(2, "1")


def test_copies_are_the_sum_of_a_representation_with_itself():
    rep = dihedral(4).permutation()
    copies, added, everyone = 3 * rep, rep + rep + rep, np.arange(8)
    assert copies.name == added.name
    assert np.array_equal(copies(everyone), added(everyone))
    assert np.array_equal(copies.generator_matrices, added.generator_matrices)
    turned = np.float64(2.0) * so(2).charge(1)
    assert np.array_equal(turned.algebra_matrices, (so(2).charge(1) + so(2).charge(1)).algebra_matrices)
    assert (1000 * rep).name == "1000 * permutation"
    with pytest.raises(MfsymError, match="write copies as 2 \\* rep"):
        rep * 2
    with pytest.raises(MfsymError, match="expected a representation"):
        rep + 2


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: symmetric(8).regular(),
            r"regular representation of S_8 on R\^40320 needs 2 matrices of 40320 x 40320",
        ),
        (lambda: cyclic(50_000).regular(), r"on R\^50000 needs 1 matrices"),
        (lambda: cyclic(3).trivial(10**6), r"trivial representation of C_3 on R\^1000000"),
        (lambda: hom(*[symmetric(5).regular()] * 2), r"tensor product of S_5 on R\^14400"),
        (lambda: symmetric(5).regular().symmetric_square, r"tensor product of S_5 on R\^14400"),
        (lambda: 200 * symmetric(5).regular(), r"200 copies of S_5 on R\^24000"),
        (lambda: so(16).trivial(600) + so(16).trivial(600), r"a sum of SO\(16\) on R\^1200 needs 120 matrices"),
        (
            lambda: symmetric(6).regular().matrices,
            "regular of S_6 needs 720 matrices of 720 x 720, 2.78 GiB; an array of matrices may",
        ),
        (lambda: so(3).trivial(1500)(so(3).haar(KEY, 0, 60)), r"trivial\(1500\) of SO\(3\) needs 60 matrices"),
    ],
)
def test_what_cannot_fit_is_refused_before_it_is_made(call, words):
    with pytest.raises(MfsymError, match=words):
        call()


@pytest.mark.parametrize("rep", [dihedral(4).permutation(), so(3).irrep(2), 2 * symmetric(3).vector()], ids=str)
def test_moving_vectors_in_parts_changes_no_bit(rep, monkeypatch):
    draws, x = rep.group.haar(KEY, 0, 50), normals(POINTS, 0, 50, rep.dim)
    at_once = np.einsum("nij,nj->ni", rep(draws), x)
    assert np.array_equal(rep.act(draws, x), at_once)
    for numbers in (1, 3 * rep.dim**2, 20 * rep.dim**2):
        monkeypatch.setattr("mfsym.representations.core.ACT_NUMBERS", numbers)
        assert np.array_equal(rep.act(draws, x), at_once)


def test_representations_of_complex_or_short_matrices_are_refused():
    with pytest.raises(MfsymError, match="generator matrices must be real"):
        cyclic(4).representation([[[1j]]])
    with pytest.raises(MfsymError, match=r"because its entries have only 7 decimals"):
        cyclic(7).representation(rotation(1, 7)[None].astype(np.float32))


@pytest.mark.parametrize("rank", [0, 40, 290, 300])
def test_large_subspaces_fall_apart_into_blocks_with_the_same_basis(rank, monkeypatch):
    blocks = np.zeros((300, 300))
    for start in range(0, 300, 3):
        here = slice(start, start + 3)
        blocks[here, here] = normals(POINTS, start, 3, 3)
    mixed = blocks[:, :rank]
    apart = Subspace(mixed)
    null = null_space(blocks[:rank])
    monkeypatch.setattr("mfsym.representations.subspaces._DENSE", 300)
    assert apart.dimension == rank
    assert null.dimension == 300 - rank
    for found, dense in ((apart, Subspace(mixed)), (null, null_space(blocks[:rank]))):
        assert np.abs(found.projector - dense.projector).max(initial=0.0) < ALGEBRA
        assert np.abs(found.basis - dense.basis).max(initial=0.0) < ALGEBRA
