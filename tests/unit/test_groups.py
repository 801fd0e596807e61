"""mfsym.groups: elements, words, draws and rules."""

import pickle

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
    with pytest.raises(MfsymError, match=r"misses SO\(3\)"):
        so(3).find(-np.eye(3)[None])
    with pytest.raises(MfsymError, match=r"misses U\(1\)\^2"):
        u1(2).find(so(4).haar(KEY, 0, 1))
    with pytest.raises(MfsymError, match="3x3"):
        so(3).find(np.eye(2)[None])
    with pytest.raises(MfsymError, match="2x2"):
        cyclic(3).find(np.eye(3)[None])
    with pytest.raises(MfsymError, match="Lie algebra"):
        u1(2).algebra_coordinates(so(4).algebra)


def test_bad_requests_say_what_must_hold():
    with pytest.raises(MfsymError, match="at least 1, got 0"):
        cyclic(0)
    with pytest.raises(MfsymError, match="at least 2"):
        so(1)
    with pytest.raises(MfsymError, match="at least 1"):
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
