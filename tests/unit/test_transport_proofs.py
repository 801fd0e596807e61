"""No wrong value is accepted: thousands of small problems, far and near atoms, heavy and light, in rational arithmetic."""

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
from tests.rational_transport import exact_costs, exact_w2
from tests.sizes import compiled, sized
from tests.tolerances import ROUNDOFF

KEY = stream_key(37, "teacher")
CERTIFIED = 1e-9
"""The largest relative gap that is promised."""

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
    n, m = draw.whole(1, most), draw.whole(1, most)
    m = n if draw.whole(0, 2) == 0 else m
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
    far = 10.0 ** draw.whole(3, 36) * draw.of(1.0, 9.97, -3.0)
    kind = draw.of("none", "point", "point", "all", "several", "one side")
    for cloud, count in ((a, n), (b, m)):
        rows = draw.whole(0, count - 1) if kind != "none" and not (kind == "one side" and cloud is b) else 0
        cloud[:rows, : p if kind == "all" else 1] = far
        if kind == "several":
            cloud[:rows, 0] += far * 1e-3 * np.arange(rows)
    weights = [None, None]
    if group is None and draw.whole(0, 1):
        for side, count in ((0, n), (1, m)):
            weights[side] = _weights(draw, count)
    return Case(a, b, *weights, group)


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
    return w2(case.a, case.b, weights_a=case.weights_a, weights_b=case.weights_b, method=method)


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
    slack = Fraction(ROUNDOFF) * upper + _rounding_of_images(result, case)
    assert lower >= 0
    assert lower - slack <= truth <= upper + slack, (float(lower), float(truth), float(upper))
    if result.w2_squared - result.lower_bound > CERTIFIED * result.w2_squared:
        x, y = case.a[result.plan.rows], case.b[result.plan.columns]
        assert result.w2_squared <= ROUNDOFF**2 * (np.square(x).sum(axis=1) + np.square(y).sum(axis=1)).min()


def _rounding_of_images(result: W2Result, case: Case) -> Fraction:
    """What rounding of the images M_g z to float64 may change of W2^2; none for permutations and changes of sign."""
    if case.matrices is None or np.isin(case.matrices, (-1.0, 0.0, 1.0)).all():
        return Fraction(0)
    root = sum(np.sqrt(np.square(z).sum(axis=1).mean()) for z in (case.a, case.b)) * 1e-13
    return Fraction(2.0 * root * result.value + root**2)


def _tally(numbers: range) -> Counter[str]:
    found: Counter[str] = Counter()
    for number in numbers:
        case = _case(number, 12)
        truth = exact_w2(exact_costs(case.a, case.b, case.matrices), case.weights_a, case.weights_b)
        methods = _able(case)
        for method in ("auto", methods[number % len(methods)]):
            started = time.perf_counter()
            try:
                _assert_holds(_solved(case, method), truth, case)
                found[f"{method} proved"] += 1
            except TransportFailed:
                found[f"{method} refused"] += 1
            except AssertionError as error:
                raise AssertionError(f"case {number}, method {method}: {error}") from error
            assert time.perf_counter() - started <= SLOW, f"case {number}, method {method}"
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
