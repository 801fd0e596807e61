"""Generators written to 7 to 10 decimals, in random frames: the right group, or a refusal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from mfsym.errors import MfsymError
from mfsym.groups import cyclic, dihedral, from_generators, product, signed_permutations, symmetric
from mfsym.groups.catalogue import rotation
from mfsym.groups.finite import FiniteGroup
from mfsym.groups.rotations import exponentials, uniform_orthogonal
from mfsym.groups.snapping import relation_defect
from mfsym.streams import stream_key
from tests.catalogue import quaternion_group
from tests.tolerances import ROUNDOFF

Floats = NDArray[np.float64]

KEY = stream_key(11, "haar")
DECIMALS = (7, 8, 9, 10)
FRAMES = 7
SURE = 720
"""Groups of up to this many elements must be found from 10 decimals."""


@dataclass(frozen=True)
class Exact:
    """Generators (m, k, k) to all digits, the order they give, and whether the action is irreducible, not trivial."""

    name: str
    generators: Floats
    order: int
    irreducible: bool = True

    def rounded(self, decimals: int, frame: int) -> Floats:
        """The generators in a random frame, to so many decimals."""
        turn = uniform_orthogonal(KEY, frame, 1, self.generators.shape[-1])[0]
        return np.round(turn @ self.generators @ turn.T, decimals)


def _about(axis: list[float], angle: float) -> Floats:
    x, y, z = angle * np.array(axis) / np.linalg.norm(axis)
    return exponentials(np.array([[[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]]]))[0]


def _standard(n: int) -> Floats:
    """S_n on the complement of the constant vector, in an orthonormal basis."""
    basis = np.linalg.svd(np.ones((1, n)))[2][1:]
    return basis @ symmetric(n).generator_defining @ basis.T


def _mirrors(n: int) -> Floats:
    """D_n by two neighbouring mirrors."""
    flip = np.diag([1.0, -1.0])
    return np.stack([flip, rotation(1, n) @ flip])


def _made(group: FiniteGroup) -> Exact:
    irreducible = group.vector().fixed_subspace().dimension == 0
    return Exact(group.name, group.generator_defining, group.order, irreducible)


GOLDEN = (1.0 + 5.0**0.5) / 2.0
CASES = [
    *map(_made, [cyclic(3), cyclic(25), cyclic(1024), dihedral(5), dihedral(25), dihedral(100), dihedral(720)]),
    *map(_made, [symmetric(4), signed_permutations(3), signed_permutations(4), quaternion_group()]),
    _made(product(cyclic(7), symmetric(3))),
    Exact("D_139 by mirrors", _mirrors(139), 278),
    Exact("S_5", _standard(5), 120),
    Exact("S_6", _standard(6), 720),
    Exact("tetrahedron", np.stack([_about([1, 1, 1], 2 * np.pi / 3), _about([1, 0, 0], np.pi)]), 12),
    Exact("octahedron", np.stack([_about([1, 1, 1], 2 * np.pi / 3), _about([1, 0, 0], np.pi / 2)]), 24),
    Exact("icosahedron", np.stack([_about([1, 1, 1], 2 * np.pi / 3), _about([0, 1, GOLDEN], 2 * np.pi / 5)]), 60),
    Exact("C_5000", rotation(1, 5000)[None], 5000),
]
INPUTS = [(case, decimals, frame) for case in CASES for decimals in DECIMALS for frame in range(FRAMES)]


def _closed_on_a_grid(generators: Floats, limit: int) -> int:
    """How many elements the same closure finds that keys entries by a grid; above ``limit``, as far as it came."""
    step = np.pi * 1e-6

    def key(matrix: Floats) -> bytes:
        return np.rint(matrix / step + 0.3).astype(np.int64).tobytes()

    waiting = [np.eye(generators.shape[-1])]
    known = {key(waiting[0])}
    while waiting and len(known) <= limit:
        found = [element @ generator for element in waiting for generator in generators]
        waiting = []
        for element in found:
            if key(element) not in known:
                known.add(key(element))
                waiting.append(element)
    return len(known)


def test_rounded_generators_give_the_right_group_or_are_refused() -> None:
    assert len(INPUTS) >= 500
    wrong, refusals, missed = [], [], []
    for case, decimals, frame in INPUTS:
        try:
            group = from_generators(case.rounded(decimals, frame))
        except MfsymError as refusal:
            refusals.append(str(refusal))
            if decimals == 10 and case.order <= SURE:
                missed.append((case.name, frame))
            continue
        defect = relation_defect(group.closure, group.matrices, group.generator_defining)[0]
        mean = group.matrices.mean(axis=0)
        biased = case.irreducible and np.abs(mean).max() > ROUNDOFF
        if group.order != case.order or defect > ROUNDOFF or biased:
            wrong.append((case.name, decimals, frame, group.order, defect))
    assert wrong == []
    assert missed == []
    assert all("decimals" in refusal for refusal in refusals)
    assert len(refusals) <= 2 * len(INPUTS) // 3


def test_the_same_inputs_closed_on_a_grid_give_wrong_orders() -> None:
    """Negative control: what comparing by a grid makes of them."""
    small = [(case, decimals, frame) for case, decimals, frame in INPUTS if decimals > 8 and case.order <= 300]
    wrong = [case.name for case, d, frame in small if _closed_on_a_grid(case.rounded(d, frame), 600) != case.order]
    assert len(wrong) >= 5


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_generators_to_all_digits_are_always_taken(case: Exact) -> None:
    group = from_generators(case.rounded(17, 0))
    assert group.order == case.order
    assert np.abs(group.generator_defining - case.rounded(17, 0)).max() < ROUNDOFF
    assert np.abs(group.matrices @ group.matrices[:1] - group.matrices).max() < ROUNDOFF


@pytest.mark.parametrize("case", [case for case in CASES if case.order <= SURE], ids=lambda case: case.name)
def test_the_table_of_a_rounded_group_is_a_latin_square(case: Exact) -> None:
    group, everyone = from_generators(case.rounded(10, 1)), np.arange(case.order)
    for axis in (0, 1):
        assert (np.sort(group.table, axis=axis) == np.expand_dims(everyone, 1 - axis)).all()
    assert np.array_equal(group.multiply(group.inverse(everyone), everyone), np.zeros(case.order))
    products = group.matrices[:7, None] @ group.matrices[None]
    assert np.abs(products - group.matrices[group.table[:7]]).max() < ROUNDOFF


@pytest.mark.parametrize("decimals", [9, 10])
def test_representations_of_rounded_matrices_are_exact(decimals: int) -> None:
    exact = Exact("D_139", dihedral(139).generator_defining, 278)
    given = exact.rounded(decimals, 3)
    rep = dihedral(139).representation(given)
    everyone = np.arange(278)
    table = rep(everyone)
    assert np.abs(rep.generator_matrices - given).max() < 10.0**-decimals
    assert np.abs(table.mean(axis=0)).max() < ROUNDOFF
    for k, generator in enumerate(rep.generator_matrices):
        moved = dihedral(139).multiply(everyone, dihedral(139).generators[k])
        assert np.abs(table @ generator - table[moved]).max() < ROUNDOFF


@pytest.mark.parametrize(
    ("angle", "decimals", "words"),
    [
        (1.0, 17, "0.159154943092 of a turn"),
        (1.0, 9, "0.159154943.* of a turn, which must be .* give more digits: the entries are known to 1e-09"),
        (0.2513274, 17, "fractions of a turn to all digits"),
        (2.0 * np.pi / 1e6, 17, "fractions of a turn to all digits"),
        (2.0 * np.pi / 1e6, 9, "only near one, at distance 8.9e-06"),
        (2.0 * np.pi / 5000, 9, "give their entries to 11 decimals"),
        (2.0 * np.pi / 5000, 17, "got more than 500 elements"),
        (
            2.0 * np.pi / 25,
            4,
            "orthogonal: .* its entries have only 4 decimals; give its entries to 9 decimals",
        ),
    ],
)
def test_refusals_say_whether_digits_or_finiteness_is_missing(angle: float, decimals: int, words: str) -> None:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    with pytest.raises(MfsymError, match=words):
        from_generators([np.round(turn, decimals)], max_order=50_000 if decimals == 9 else 500)


def test_mirrors_at_an_angle_that_is_no_fraction_of_a_turn_generate_no_finite_group() -> None:
    turn = np.array([[np.cos(1.0), np.sin(1.0)], [np.sin(1.0), -np.cos(1.0)]])
    with pytest.raises(MfsymError, match="infinite or larger than this limit"):
        from_generators([np.diag([1.0, -1.0]), turn], max_order=500)
