"""No wrong value is accepted: thousands of problems, atoms far and near, heavy and light, in rational arithmetic."""

from __future__ import annotations

import time
from collections import Counter
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest

from mfsym.errors import TransportFailed
from mfsym.groups import cyclic, dihedral, signed_permutations, symmetric
from mfsym.streams import normals, stream_key, uniforms
from mfsym.transport import METHODS, W2Result, quotient_w2, w2
from mfsym.transport.atoms import as_cloud
from mfsym.transport.distances import solve_by
from tests.rational_transport import exact_costs, exact_w2
from tests.sizes import compiled, sized
from tests.tolerances import ROUNDOFF

KEY = stream_key(37, "teacher")
CERTIFIED = 1e-9
"""The largest relative gap that is promised."""

FAR = 1e6
"""Ratio of sizes from which the rounding of images counts."""

SLOW = 5.0
"""Seconds that no small problem may take."""

QUICK, ALL = sized(300, 12), 3000
GROUPS = {
    2: [cyclic(2).permutation(), dihedral(4).vector(), signed_permutations(2).vector(), cyclic(5).vector()],
    3: [cyclic(3).permutation(), symmetric(3).permutation(), signed_permutations(3).vector()],
    4: [cyclic(4).permutation(), dihedral(3).vector() + dihedral(3).vector()],
}


class Draws:
    """Choices of one case, one after another."""

    def __init__(self, case: int) -> None:
        self.case, self.used = case, 0
        self.numbers = uniforms(KEY, case, 1, 64)[0]

    def number(self) -> float:
        self.used += 1
        return float(self.numbers[self.used - 1])

    def whole(self, low: int, high: int) -> int:
        """From low to high, ends included."""
        return low + int(self.number() * (high - low + 1))

    def of(self, *choices):
        return choices[self.whole(0, len(choices) - 1)]

    def array(self, *shape: int) -> np.ndarray:
        self.used += 1
        return normals(KEY, 10**6 * (self.used + 1) + self.case, *shape)


class Case(NamedTuple):
    a: np.ndarray
    b: np.ndarray
    weights_a: np.ndarray | None
    weights_b: np.ndarray | None
    matrices: np.ndarray | None


def _case(number: int, most: int) -> Case:
    draw = Draws(number)
    group = None
    p = draw.of(1, 2, 2, 2, 3, 4, 8, 20)
    if p in GROUPS and draw.whole(0, 2) == 0:
        group = draw.of(*GROUPS[p]).matrices
    balanced = draw.whole(0, 1) == 1
    n, m, rows_a, rows_b = _counts(draw, most, balanced)
    a, b = draw.array(n, p), draw.array(m, p)
    shape = draw.of("plain", "plain", "shared", "near", "grid", "offset", "twice")
    if shape == "shared":
        b[: m // 2] = a[np.arange(m // 2) % n]
    elif shape == "near":
        b = a[np.arange(m) % n] + 10.0 ** -draw.whole(3, 9) * b
    elif shape == "grid":
        a, b = np.round(a), np.round(b)
    elif shape == "offset":
        a, b = a + 1e4, b + draw.of(0.0, 1e4, -1e6)
    elif shape == "twice":
        a, b = a[np.arange(n) // 2], b[np.arange(m) // 3]
    scale = draw.of(1.0, 1.0, 2.0**30, 1e-8)
    a, b = scale * a, scale * b
    far, kind = 10.0 ** draw.whole(3, 36) * draw.of(1.0, 9.97, -3.0), draw.of("point", "point", "all", "several")
    for cloud, rows in ((a, rows_a), (b, rows_b)):
        cloud[:rows, : p if kind == "all" else 1] = far
        if kind == "several":
            cloud[:rows, 0] += far * 1e-3 * np.arange(rows)
    weights = [None, None]
    if group is None and draw.whole(0, 1):
        if balanced:
            weights = _halves(draw, (n, rows_a), (m, rows_b))
        else:
            weights = [_weights(draw, n), _weights(draw, m)]
    return Case(a, b, *weights, group)


def _counts(draw: Draws, most: int, balanced: bool) -> tuple[int, int, int, int]:
    """Atoms of both clouds and far rows among them: the same share of both where balanced."""
    if balanced:
        share = draw.whole(2, 6)
        far, one, other = draw.whole(1, share - 1), draw.whole(1, most // share), draw.whole(1, most // share)
        return one * share, other * share, one * far, other * far
    n, m = draw.whole(1, most), draw.whole(1, most)
    m = n if draw.whole(0, 2) == 0 else m
    return n, m, draw.of(0, draw.whole(0, n - 1)), draw.of(0, draw.whole(0, m - 1))


def _halves(draw: Draws, *sides: tuple[int, int]) -> list[np.ndarray]:
    """Weights of which the far rows have exactly as much in both clouds, and one near row perhaps very little."""
    light = 2.0 ** -draw.whole(10, 60) if min(count - rows for count, rows in sides) > 1 else 0.0
    found = []
    for count, rows in sides:
        near = count - rows - (light > 0.0)
        weights = np.append(np.full(rows, 720.0 / rows), np.full(near, 720.0 / near))
        found.append(np.append(weights, light) if light else weights)
    return found


def _weights(draw: Draws, count: int) -> np.ndarray | None:
    kind = draw.of("none", "random", "light", "whole", "zero", "wide")
    weights = np.abs(draw.array(count, 1)[:, 0]) + 0.1
    if kind == "none":
        return None
    if kind == "light":
        weights[draw.whole(0, count - 1)] = 10.0 ** -draw.whole(1, 18)
    elif kind == "whole":
        weights = np.ceil(3.0 * weights)
    elif kind == "zero":
        weights[1:][draw.array(count - 1, 1)[:, 0] > 1.0] = 0.0
    elif kind == "wide":
        weights = 10.0 ** (-9.0 + 3.0 * draw.array(count, 1)[:, 0])
    return weights


def _solved(case: Case, method: str) -> W2Result:
    if case.matrices is not None:
        return quotient_w2(case.a, case.b, case.matrices)
    if method == "auto":
        return w2(case.a, case.b, weights_a=case.weights_a, weights_b=case.weights_b)
    return solve_by(method, as_cloud(case.a, case.weights_a), as_cloud(case.b, case.weights_b))


def _able(case: Case) -> list[str]:
    """Exact methods that the case may be given to."""
    methods = [name for name in METHODS if name not in ("sinkhorn", "sliced")]
    if case.matrices is not None:
        return ["auto"]
    if case.a.shape[1] != 1:
        methods.remove("sort")
    if case.a.shape != case.b.shape or not (_equal(case.weights_a) and _equal(case.weights_b)):
        methods.remove("dense")
    return methods


def _equal(weights: np.ndarray | None) -> bool:
    return weights is None or bool((weights == weights[0]).all())


def _assert_holds(result: W2Result, truth: Fraction, case: Case) -> None:
    """The bounds contain the truth, up to the rounding that ``W2Result`` states, and agree."""
    upper, lower = Fraction(result.w2_squared), Fraction(result.lower_bound)
    x, y = case.a[result.plan.rows], case.b[result.plan.columns]
    size = (np.square(x).sum(axis=1) + np.square(y).sum(axis=1)).min()
    coincide = result.w2_squared <= ROUNDOFF**2 * size
    slack = Fraction(ROUNDOFF) * upper
    if _rounds_images(case) and result.method != "rational":
        slack = upper / 10**6 + (Fraction(ROUNDOFF**2 * size) if coincide else _rounding_of_images(result, x, y))
    assert lower >= 0
    assert lower - slack <= truth <= upper + slack, (float(lower), float(truth), float(upper))
    assert coincide or result.w2_squared - result.lower_bound <= CERTIFIED * result.w2_squared


def _rounds_images(case: Case) -> bool:
    """Whether the images M_g z are rounded to float64: not by permutations and changes of sign."""
    return case.matrices is not None and not np.isin(case.matrices, (-1.0, 0.0, 1.0)).all()


def _rounding_of_images(result: W2Result, x: np.ndarray, y: np.ndarray) -> Fraction:
    """What the docstring of ``quotient_w2`` allows where no coupled atom is far from the others."""
    size = np.square(x).sum(axis=1) + np.square(y).sum(axis=1)
    square = float(result.plan.mass @ size)
    moved = (x.shape[1] + 2.0) * 2.0**-51 * square**0.5
    return Fraction(2.0 * moved * result.value + moved**2 if square <= FAR**2 * size.min() else 0.0)


def _tally(numbers: range) -> Counter[str]:
    found: Counter[str] = Counter()
    for number in numbers:
        case = _case(number, 12)
        truth = exact_w2(exact_costs(case.a, case.b, case.matrices), case.weights_a, case.weights_b)
        methods = _able(case)
        for method in ("auto", methods[number % len(methods)]):
            started = time.process_time()
            try:
                _assert_holds(_solved(case, method), truth, case)
                found[f"{method} proved"] += 1
            except TransportFailed:
                found[f"{method} refused"] += 1
            except AssertionError as error:
                raise AssertionError(f"case {number}, method {method}: {error}") from error
            assert time.process_time() - started <= SLOW, f"case {number}, method {method}"
    return found


def test_accepted_values_are_right_in_rational_arithmetic():
    tally = _tally(range(QUICK))
    print(dict(tally))
    assert tally["auto refused"] == 0


@pytest.mark.slow
@compiled
def test_thousands_of_accepted_values_are_right_in_rational_arithmetic():
    tally = _tally(range(QUICK, ALL))
    print(dict(tally))
    assert tally["auto refused"] == 0


def _agreement(numbers: range) -> Counter[str]:
    """One method against another on larger problems: bounds that are accepted overlap, and whole numbers decide."""
    found: Counter[str] = Counter()
    for number in numbers:
        case, bounds = _case(number, sized(60, 8)), []
        for method in _able(case):
            if method == "rational" and number % 10:
                continue
            started = time.process_time()
            try:
                result = _solved(case, method)
                bounds.append((result.lower_bound, result.w2_squared * (1.0 + CERTIFIED), method))
                found[f"{method} proved"] += 1
            except TransportFailed:
                found[f"{method} refused"] += 1
            assert time.process_time() - started <= 4.0 * SLOW, f"case {number}, method {method}"
        assert max(bounds)[0] <= min(upper for _, upper, _ in bounds), f"case {number}: {bounds}"
    return found


def test_methods_agree_on_larger_problems():
    tally = _agreement(range(ALL, ALL + sized(60, 4)))
    print(dict(tally))
    assert tally["auto refused"] == 0
