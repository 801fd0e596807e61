"""Expectations over the data with error estimates: product rules or quasi-Monte Carlo, whichever is more accurate.

If the law of x is known, an integral is computed by two Gauss product rules, whose difference estimates the error while
both converge fast, and by randomised quasi-Monte Carlo, whose spread over independent scrambles estimates its error.
Gauss rules are used if target and model are smooth (their moments agree between the two orders to SMOOTH) and
quasi-Monte Carlo agrees. Integrands with kinks, jumps or cusps use quasi-Monte Carlo, refined until its error is small
or BUDGET nodes are used. docs/errors.md explains the method and reports how often the true value lies within the stated
errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from mfsym.data.inputs import QUADRATURE_ORDER, InputLaw
from mfsym.data.nets import REPETITIONS
from mfsym.data.teachers import Data
from mfsym.errors import MfsymError
from mfsym.typing import Floats

BUDGET = 1 << 17
"""Largest number of quasi-Monte Carlo nodes, over all scrambles."""

FIRST_POINTS, ENOUGH_POINTS = 64, 512
"""Points per scramble that suffice to check a Gauss rule, and the fewest that give an estimate without one."""

PRECISION = 2e-3
"""Relative error at which quasi-Monte Carlo stops refining."""

SMOOTH, NEARLY, DECAY = 1e-5, 1e-4, 3.0
"""Target and model count as smooth if their moments under two Gauss rules agree to a relative SMOOTH; or to NEARLY, if
the difference from a third, coarser rule is DECAY times as large: kinks and jumps give less than 2.4."""

MOST_ORDER_NODES = 1 << 21
"""Largest number of nodes of a product rule of given order."""

_STUDENT = 1.2
"""Factor that makes three errors cover as much as three standard errors of a normal law (Student's t, 15 d.o.f.)."""

_AGREE, _TRUST = 5.0, 1e-2
_ROUNDING = 2.0**-50
_TOGETHER = 1 << 13


@dataclass(frozen=True)
class Columns:
    """Values of the integrands at nodes x (Q, d) with targets y (Q, c).

    values : (Q, m), the integrands.
    fields : arrays (Q, k), such as model outputs, used as smoothness indicators.
    """

    values: Floats
    fields: tuple[Floats, ...] = ()


Integrands = Callable[[Floats, Floats], Columns]


@dataclass(frozen=True)
class Expectation:
    """Expectations of m integrands.

    value, error : (m,); the error is 0 for a finite sample, which defines the law, and NaN if it cannot be estimated.
    method : how the first one was computed, in words.
    nodes : the number of nodes used.
    """

    value: Floats
    error: Floats
    method: str
    nodes: int


class Estimate(float):
    """A float with two attributes: ``error``, its estimated error, and ``method``, how it was computed.

    >>> Estimate(1.5, 1e-3, "by hand").error
    0.001
    """

    error: float
    method: str

    def __new__(cls, value: float, error: float, method: str = "") -> Estimate:
        """A float with its attributes."""
        self = super().__new__(cls, value)
        self.error, self.method = float(error), method
        return self

    def __reduce__(self) -> tuple[type[Estimate], tuple[float, float, str]]:
        return Estimate, (float(self), self.error, self.method)


def expect(
    data: Data,
    integrands: Integrands,
    order: int | None = None,
    *,
    budget: int = BUDGET,
    precision: float = PRECISION,
) -> Expectation:
    """Expectations of integrands over the data law, each with an error estimate.

    order : nodes per dimension of a product rule, used even if it has not converged; its error comes from a second
    order.
    budget : largest number of quasi-Monte Carlo nodes; refinement stops at the relative error ``precision``.
    Raises MfsymError for an order that needs more than MOST_ORDER_NODES nodes.
    """
    law = data.inputs
    if law is None or not data.has_target:
        return _built_in_rule(data, integrands, QUADRATURE_ORDER if order is None else order)
    if order is not None:
        return _Pair.of(data, law, integrands, _affordable(order, data.d)).expectation()
    pair = None
    if law.has_products(data.d):
        pair = _Pair.of(data, law, integrands, law.rule(data.d).order)
        if not (np.isfinite(pair.fine).all() and np.isfinite(pair.coarse).all()):
            return pair.expectation()
    return _decide(pair, _Sampling(data, law, integrands), budget, precision)


def _built_in_rule(data: Data, integrands: Integrands, order: int) -> Expectation:
    """Expectation by the data's built-in quadrature: exact for a finite sample, otherwise compared at two orders."""
    x, y, weights = data.evaluation(order)
    total = _Moments.of(integrands, x, y, weights, 1.0)
    if not data.has_target:
        return Expectation(total.values, np.zeros_like(total.values), f"{len(x)} test samples", len(x))
    other_x, other_y, other_weights = data.evaluation(partner(order))
    if np.array_equal(x, other_x):
        unknown = np.full_like(total.values, np.nan)
        return Expectation(total.values, unknown, f"the data's own {len(x)} nodes, error unknown", len(x))
    other = _Moments.of(integrands, other_x, other_y, other_weights, 1.0)
    error = np.abs(total.values - other.values) * inflation(order, partner(order))
    return Expectation(total.values, error, f"the data's own rule, {len(x)} nodes", len(x))


def _affordable(order: int, d: int) -> int:
    if order < 1:
        raise MfsymError(f"a quadrature needs at least one node, got order {order}")
    if float(order) ** d > MOST_ORDER_NODES:
        raise MfsymError(
            f"a product rule of order {order} on R^{d} needs {float(order) ** d:.3g} nodes, more than "
            f"{MOST_ORDER_NODES}; lower the order, or leave it out"
        )
    return order


def partner(order: int) -> int:
    """Order of the rule that checks a rule: odd, about two thirds of ``order``; their only common hyperplane is 0."""
    return 2 if order == 1 else min(int(0.68 * order) | 1, order - 1)


def inflation(order: int, partner: int) -> float:
    """Ratio of the finer rule's error to the difference of the two rules, for errors that decay like 1 / order."""
    fine, coarse = max(order, partner), min(order, partner)
    return coarse / (fine - coarse)


@dataclass(frozen=True)
class _Moments:
    """Sums over one rule: of the integrands (m,), and of the smoothness indicators with their scales (k,)."""

    values: Floats
    probes: Floats
    sizes: Floats

    @classmethod
    def of(cls, integrands: Integrands, x: Floats, y: Floats, weights: Floats, scale: float) -> _Moments:
        found = integrands(x, y)
        waves = np.cos(x @ np.cos(1.0 + np.arange(x.shape[1])) / scale + 1.0)
        probes, sizes = [], []
        for values in (y, *found.fields):
            square = float(weights @ np.einsum("qk,qk->q", values, values))
            mixture = values @ np.cos(2.0 + 3.0 * np.arange(values.shape[1]))
            probes += [square, float(weights @ (mixture * waves))]
            sizes += [square, np.sqrt(square * values.shape[1])]
        return cls(weights @ found.values, np.array(probes), np.array(sizes))

    def change(self, other: _Moments) -> float:
        """Largest difference of a smoothness indicator between two rules, relative to its scale."""
        return float((np.abs(self.probes - other.probes) / np.maximum(self.sizes, 1e-300)).max())


@dataclass(frozen=True)
class _Pair:
    """Two product rules: the sums of the finer one, and the differences between the two.

    fine, coarse : (m,).
    smooth : whether target and fields are smooth.
    size : E|y|^2.
    """

    fine: Floats
    coarse: Floats
    smooth: bool
    size: float
    orders: tuple[int, int]
    nodes: int

    @classmethod
    def of(cls, data: Data, law: InputLaw, integrands: Integrands, order: int) -> _Pair:
        """The rules of this order and of its partner; a third rule if those two do not decide smoothness."""
        fine, nodes = _product(data, law, integrands, order)
        coarse, _ = _product(data, law, integrands, partner(order))
        change = fine.change(coarse)
        smooth = change <= SMOOTH
        if not smooth and change <= NEARLY:
            coarsest, _ = _product(data, law, integrands, partner(partner(order)))
            smooth = DECAY * change <= coarse.change(coarsest)
        return cls(fine.values, coarse.values, smooth, float(fine.sizes[0]), (order, partner(order)), nodes)

    @property
    def error(self) -> Floats:
        """(m,): the difference of the rules where they converge fast; elsewhere scaled for errors like 1 / order."""
        factor = 1.0 if self.smooth else inflation(*self.orders)
        return factor * np.abs(self.fine - self.coarse) + _rounding(self.fine, self.size)

    def method(self) -> str:
        """In words."""
        return f"product rule, {self.orders[0]} nodes per dimension, {self.nodes} in all, checked by {self.orders[1]}"

    def expectation(self) -> Expectation:
        """The expectation from this pair alone."""
        return Expectation(self.fine, self.error, self.method(), self.nodes)


def _product(data: Data, law: InputLaw, integrands: Integrands, order: int) -> tuple[_Moments, int]:
    """The sums over the product rule of exactly this order, and its number of nodes."""
    rule = law.rule(data.d, order)
    x, weights = rule if rule.order == order else law.product_rule(data.d, order)
    parts = [slice(first, first + _TOGETHER) for first in range(0, len(x), _TOGETHER)]
    sums = [_Moments.of(integrands, x[part], data.target(x[part]), weights[part], law.scale) for part in parts]
    sizes = np.sum([part.sizes for part in sums], axis=0)
    sizes[1::2] = np.sqrt(np.sum([part.sizes[1::2] ** 2 for part in sums], axis=0))
    return _Moments(np.sum([s.values for s in sums], axis=0), np.sum([s.probes for s in sums], axis=0), sizes), len(x)


def _rounding(value: Floats, size: float) -> Floats:
    """Rounding error from cancellation in |model - y|^2, for |y|^2 of this size."""
    return np.asarray(_ROUNDING * (np.sqrt(np.abs(value) * size) + np.abs(value)) + _ROUNDING**2 * size)


@dataclass
class _Sampling:
    """Incremental randomised quasi-Monte Carlo: the sums of each scramble over its points so far."""

    data: Data
    law: InputLaw
    integrands: Integrands
    points: int = 0
    sums: Floats = field(default_factory=lambda: np.zeros(0))
    size: float = 0.0

    @property
    def nodes(self) -> int:
        return REPETITIONS * self.points

    def extend(self, points: int) -> None:
        """Extend each scramble to this many points."""
        block = self.law.net(self.data.d, self.points, points)
        together = max(1, _TOGETHER // block.shape[1])
        rows, size = [], 0.0
        for first in range(0, REPETITIONS, together):
            x = block[first : first + together].reshape(-1, self.data.d)
            y = self.data.target(x)
            values = self.integrands(x, y).values
            rows.append(values.reshape(-1, block.shape[1], values.shape[1]).sum(axis=1))
            size += float(np.einsum("qc,qc->", y, y))
        new = np.concatenate(rows)
        self.sums = new if not self.points else self.sums + new
        self.size = (self.size * self.nodes + size) / (REPETITIONS * points)
        self.points = points

    def result(self) -> tuple[Floats, Floats]:
        """Means (m,) and their errors."""
        means = self.sums / self.points
        error = _STUDENT * means.std(axis=0, ddof=1) / np.sqrt(REPETITIONS)
        value, atom = means.mean(axis=0), self.law.atom(self.data.d)
        if atom > 0.0:
            origin = np.zeros((1, self.data.d))
            at_origin = self.integrands(origin, self.data.target(origin)).values[0]
            value, error = atom * at_origin + (1.0 - atom) * value, (1.0 - atom) * error
        return value, error + _rounding(value, self.size)


def _decide(pair: _Pair | None, sampling: _Sampling, budget: int, precision: float) -> Expectation:
    """Refine quasi-Monte Carlo until each integrand has a reliable rule; then choose the more accurate one for each.

    Product rules that have not converged are not reliable: their differences may be small by chance.
    """
    gauss = pair if pair is not None and pair.smooth else None
    points = ENOUGH_POINTS if gauss is None else FIRST_POINTS
    while True:
        sampling.extend(points)
        sampled, spread = sampling.result()
        done = (spread <= precision * np.abs(sampled)) | (spread <= _ROUNDING * sampling.size)
        done &= points >= ENOUGH_POINTS
        if gauss is not None:
            agree = np.abs(gauss.fine - sampled) <= _AGREE * spread + gauss.error
            small = (gauss.error <= _TRUST * np.abs(gauss.fine)) | (gauss.error <= _ROUNDING * gauss.size)
            done = (done & (agree | (points >= 2 * ENOUGH_POINTS))) | (small & agree)
        if done.all() or 2 * points * REPETITIONS > budget or not np.isfinite(sampled).all():
            break
        points = 2 * points
    method = f"quasi-Monte Carlo, {REPETITIONS} scrambled nets of {points} points, {sampling.nodes} in all"
    if gauss is None:
        return Expectation(sampled, spread, method, sampling.nodes)
    better = agree & (small | (gauss.error < spread))
    doubted = np.where(agree, spread, np.maximum(spread, np.abs(gauss.fine - sampled)))
    value, error = np.where(better, gauss.fine, sampled), np.where(better, gauss.error, doubted)
    if better[0]:
        return Expectation(value, error, f"{gauss.method()} and by quasi-Monte Carlo", gauss.nodes)
    return Expectation(value, error, method, sampling.nodes)
