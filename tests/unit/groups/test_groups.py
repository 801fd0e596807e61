"""mfsym.groups: elements, words, draws and rules."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm

from mfsym.errors import MfsymError
from mfsym.groups import (
    cyclic,
    dihedral,
    from_generators,
    o,
    product,
    signed_permutations,
    so,
    symmetric,
    trivial,
    u1,
)
from mfsym.groups.catalogue import permutation_matrix, rotation
from mfsym.groups.rotations import exponentials, logarithms
from mfsym.streams import normals, stream_key
from tests.catalogue import CONTINUOUS_GROUPS, FINITE_GROUPS, GROUPS, INTEGRABLE_GROUPS
from tests.tolerances import ALGEBRA

KEY = stream_key(7, "haar")


def _of(groups):
    return pytest.mark.parametrize("group", groups.values(), ids=groups.keys())


@_of(GROUPS)
def test_draws_satisfy_the_group_axioms(group):
    a, b, c = (group.haar(KEY, step, 20) for step in range(3))
    multiply, defining = group.multiply, group.defining
    one = np.eye(group.degree)
    assert np.abs(defining(multiply(multiply(a, b), c)) - defining(multiply(a, multiply(b, c)))).max() < ALGEBRA
    assert np.abs(defining(multiply(a, b)) - defining(a) @ defining(b)).max() < ALGEBRA
    assert np.abs(defining(multiply(a, group.inverse(a))) - one).max() < ALGEBRA
    assert np.abs(defining(multiply(group.inverse(a), a)) - one).max() < ALGEBRA
    assert np.abs(defining(multiply(group.identity, a)) - defining(a)).max() < ALGEBRA
    assert np.array_equal(defining(group.find(defining(a))), defining(a))


@_of(FINITE_GROUPS)
def test_table_is_a_latin_square_with_identity_first(group):
    everyone = np.arange(group.order)
    assert np.array_equal(np.sort(group.table, axis=0), np.broadcast_to(everyone[:, None], group.table.shape))
    assert np.array_equal(np.sort(group.table, axis=1), np.broadcast_to(everyone, group.table.shape))
    assert np.array_equal(group.table[0], everyone)


@_of(FINITE_GROUPS)
def test_words_spell_their_elements_and_names_are_distinct(group):
    for index, word in enumerate(group.words):
        product_of_letters = np.eye(group.degree)
        for letter in word:
            product_of_letters = product_of_letters @ group.generator_defining[letter]
        assert np.abs(product_of_letters - group.matrices[index]).max() < ALGEBRA
    assert len({group.element_name(np.array(k)) for k in range(group.order)}) == group.order


@pytest.mark.parametrize(
    ("group", "order"),
    [
        (trivial(), 1),
        (cyclic(7), 7),
        (dihedral(1), 2),
        (dihedral(2), 4),
        (dihedral(6), 12),
        (symmetric(1), 1),
        (symmetric(2), 2),
        (symmetric(5), 120),
        (signed_permutations(1), 2),
        (signed_permutations(4), 384),
        (product(cyclic(3), dihedral(4)), 24),
        (product(product(cyclic(2), cyclic(2)), cyclic(2)), 8),
        (from_generators([np.diag([1.0, -1.0]), np.diag([-1.0, 1.0])]), 4),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_orders_are_the_known_ones(group, order):
    assert group.order == order
    assert len(group.quadrature()) == order


def test_words_are_written_as_powers_of_generator_names():
    group = dihedral(4)
    assert [group.element_name(np.array(k)) for k in range(8)] == ["e", "r", "s", "r^2", "r s", "s r", "r^3", "r^2 s"]
    assert product(symmetric(3), symmetric(3)).generator_names == ("t1", "c1", "t2", "c2")


def test_named_groups_are_made_once_and_compare_by_value():
    assert cyclic(4) is cyclic(4)
    assert cyclic(4) != cyclic(5)
    assert so(3) != o(3)
    assert pickle.loads(pickle.dumps(dihedral(3))) == dihedral(3)
    assert hash(pickle.loads(pickle.dumps(so(3)))) == hash(so(3))
    assert repr(cyclic(2)) == "<Group C_2, order 2, defined on R^2>"
    assert repr(so(3)) == "<Group SO(3), dimension 3, defined on R^3>"


@_of(GROUPS)
def test_haar_is_a_pure_function_with_agreeing_prefixes(group):
    draws = group.haar(KEY, 5, 200)
    assert np.array_equal(draws[:70], group.haar(KEY, 5, 70))
    assert not np.array_equal(draws, group.haar(KEY, 6, 200)) or group.order == 1


def test_factors_of_a_product_draw_independently():
    draws = product(so(2), so(2)).haar(KEY, 0, 500)
    assert np.abs(draws[:, :2, :2] - draws[:, 2:, 2:]).max() > 1.0


@_of(INTEGRABLE_GROUPS)
def test_quadrature_weights_are_a_probability(group):
    rule = group.quadrature()
    assert rule.weights.min() > 0.0
    assert abs(rule.weights.sum() - 1.0) < ALGEBRA
    assert rule.exact == (group.order is not None)
    assert len(group.find(group.defining(rule.elements))) == len(rule)


@pytest.mark.parametrize("n", [4, 6])
def test_large_rotation_groups_say_that_only_sampling_is_available(n):
    with pytest.raises(MfsymError, match=rf"SO\({n}\) has no quadrature, only Haar sampling"):
        so(n).quadrature()


@_of(CONTINUOUS_GROUPS)
def test_one_parameter_subgroups_stay_in_the_group(group):
    group.find(exponentials(0.7 * group.algebra))
    group.find(group.generator_defining)
    name = group.element_name(group.haar(KEY, 0, 1)[0])
    assert "rotation" in name or name.startswith("[")


def test_exponentials_agree_with_the_general_algorithm():
    tangents = normals(KEY, 0, 6, 25).reshape(6, 5, 5)
    tangents = tangents - np.swapaxes(tangents, 1, 2)
    assert np.abs(exponentials(tangents) - np.array([expm(tangent) for tangent in tangents])).max() < ALGEBRA


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_logarithms_invert_the_exponential(n):
    draws = np.concatenate([so(n).haar(KEY, 0, 50), np.eye(n)[None], np.diag([-1.0, -1.0, *np.ones(n - 2)])[None]])
    assert np.abs(exponentials(logarithms(draws)) - draws).max() < ALGEBRA


def test_matrices_outside_a_group_are_refused():
    with pytest.raises(MfsymError, match="matrix 0 is not an element of C_4"):
        cyclic(4).find(rotation(1, 5)[None])
    with pytest.raises(MfsymError, match=r"must lie in SO\(3\)"):
        so(3).find(-np.eye(3)[None])
    with pytest.raises(MfsymError, match=r"must lie in U\(1\)\^2"):
        u1(2).find(so(4).haar(KEY, 0, 1))
    with pytest.raises(MfsymError, match="3x3"):
        so(3).find(np.eye(2)[None])
    with pytest.raises(MfsymError, match="2x2"):
        cyclic(3).find(np.eye(3)[None])
    with pytest.raises(MfsymError, match="Lie algebra"):
        u1(2).algebra_coordinates(so(4).algebra)


def test_bad_requests_say_what_must_hold():
    with pytest.raises(MfsymError, match="n of cyclic must be a whole number >= 1, got 0"):
        cyclic(0)
    with pytest.raises(MfsymError, match="n of so must be a whole number >= 2"):
        so(1)
    with pytest.raises(MfsymError, match="k of u1 must be a whole number >= 1"):
        u1(0)
    with pytest.raises(MfsymError, match="at least one group"):
        product()
    with pytest.raises(MfsymError, match="square matrices"):
        from_generators(np.zeros((2, 3)))
    with pytest.raises(MfsymError, match=r"orthogonal: .* for g2"):
        from_generators([np.eye(2), np.diag([2.0, 1.0])])
    with pytest.raises(MfsymError, match="more than 60 elements"):
        from_generators([rotation(1, 61)], max_order=60)
    with pytest.raises(MfsymError, match="indices 0 to 2"):
        cyclic(3).defining(np.zeros(2))
    with pytest.raises(MfsymError, match="permutation"):
        permutation_matrix([0, 0, 1])


SIZED = (cyclic, dihedral, symmetric, signed_permutations, so, o, u1)


@pytest.mark.parametrize("family", SIZED, ids=lambda family: family.__name__)
def test_sizes_are_whole_numbers_of_any_kind_and_nothing_else(family):
    assert family(3.0) is family(3)
    assert family(np.int64(3)) is family(np.array(3)) is family(3)
    for bad in (2.5, True, "3", None, [3], float("nan"), 3 + 0j):
        with pytest.raises(MfsymError, match=f"of {family.__name__} must be a whole number .*got"):
            family(bad)


@pytest.mark.parametrize(
    "call",
    [
        lambda n: rotation(1, n),
        lambda n: rotation(n, 4),
        lambda n: so(2).quadrature(n),
        lambda n: so(3).quadrature(n),
        lambda n: u1(2).quadrature(n),
        lambda n: cyclic(3).quadrature(n),
        lambda n: from_generators([np.eye(2)], max_order=n),
    ],
)
def test_other_whole_numbers_are_checked_too(call):
    call(3.0)
    for bad in (2.5, True, "3"):
        with pytest.raises(MfsymError, match="must be a whole number"):
            call(bad)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cyclic(50_001), "more than 50000 elements; n must be at most 50000"),
        (lambda: dihedral(30_000), "n must be at most 25000"),
        (lambda: symmetric(9), "n must be at most 8"),
        (lambda: signed_permutations(7), "n must be at most 6"),
        (lambda: product(symmetric(7), symmetric(5)), "S_7 x S_5 has 604800 elements, more than 50000"),
        (lambda: so(1000), "Lie algebra of so"),
        (lambda: u1(1000), "Lie algebra of u1"),
        (lambda: u1(16).quadrature(), "quadrature of U"),
        (lambda: so(3).quadrature(1000), "quadrature of SO"),
        (lambda: product(u1(3), so(3)).quadrature(20), "quadrature of"),
    ],
)
def test_what_cannot_fit_is_refused_before_it_is_made(call, words):
    with pytest.raises(MfsymError, match=words):
        call()


def test_matrices_that_are_not_real_numbers_are_refused():
    for bad in ([[[1.0 + 0.5j]]], [[[1.0 + 0.0j]]]):
        with pytest.raises(MfsymError, match="generators must be real, got complex128"):
            from_generators(bad)
    with pytest.raises(MfsymError, match="generators must be numbers"):
        from_generators([[["1"]]])
    with pytest.raises(MfsymError, match="must be finite, got NaN or infinity in g1"):
        from_generators([[[np.nan]]])


def test_single_precision_is_told_to_give_more_digits():
    with pytest.raises(MfsymError, match="have only 7 decimals; give its entries to 9 decimals or more"):
        from_generators(rotation(1, 7)[None].astype(np.float32))
    assert from_generators(rotation(1, 4)[None].astype(np.float32)).order == 4


def test_a_table_with_two_entries_swapped_is_no_group():
    closure = symmetric(4).closure
    assert closure.is_group()
    for row, i, j in ((0, 1, 2), (1, 0, 5), (1, 7, 20)):
        right = closure.right.copy()
        right[row, [i, j]] = right[row, [j, i]]
        assert not replace(closure, right=right).is_group()
    right = closure.right.copy()
    right[0, 3] = right[0, 4]
    assert not replace(closure, right=right).is_group()


def test_a_long_cycle_multiplies_without_long_tables():
    group = cyclic(20_000)
    i, j = np.array([1, 7, 19_999, 12_345]), np.array([19_999, 3, 19_999, 9_876])
    assert np.array_equal(group.multiply(i, j), (i + j) % 20_000)
    assert np.array_equal(group.inverse(i), -i % 20_000)
    with pytest.raises(MfsymError, match="1 matrices of 20000 x 20000"):
        group.permutation()


def test_a_pickled_product_keeps_its_factors():
    group = product(cyclic(2), symmetric(3))
    copy = pickle.loads(pickle.dumps(group))
    assert copy.factors == group.factors
    assert symmetric(3).permutation().inflate(copy, 1).dim == 3
    assert np.array_equal(copy.permutation().generator_matrices, group.permutation().generator_matrices)
