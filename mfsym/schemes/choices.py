"""Equizero: read one view of the orbit, by a proxy loss; its inverse, and decoding of token sequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_choice, as_number
from mfsym.errors import MfsymError
from mfsym.groups import Elements, Group
from mfsym.representations import Representation
from mfsym.schemes.actions import Move
from mfsym.schemes.arrays import Array, as_batch, as_numpy, frozen, holds, is_floating, largest, like, namespace
from mfsym.schemes.decoding import Decoding, decode
from mfsym.schemes.symmetrisers import OrbitReader, flattened, unflattened

TIE_ULPS = 256.0
"""Proxies tie if they differ by less than this many units of rounding of the largest one on the orbit."""

READS = ("outputs", "inputs")
"""Possible arguments of a proxy: the raw outputs M(rho_g x), or the views rho_g x."""


@dataclass(frozen=True)
class Proxy:
    """A loss on one view; equizero reads the view that minimises it.

    name.  minimises : the loss, in words and symbols.  values : raw outputs (R, c) -> (R,).
    """

    name: str
    minimises: str
    values: Callable[[Array], Any]


def _scores(outputs: Array) -> Array:
    return -largest(outputs)


def _log_probabilities(outputs: Array) -> Array:
    xp = namespace(outputs)
    lowered = outputs - largest(outputs)[:, None]
    return lowered - xp.log(xp.sum(xp.exp(lowered), axis=1, keepdims=True))


def _confidence(outputs: Array) -> Array:
    return -largest(_log_probabilities(outputs))


def _entropy(outputs: Array) -> Array:
    logs = _log_probabilities(outputs)
    return -namespace(outputs).sum(namespace(outputs).exp(logs) * logs, axis=1)


PROXIES: Mapping[str, Proxy] = MappingProxyType(
    {
        proxy.name: proxy
        for proxy in (
            Proxy("max-score", "minus the largest output, -max_j M_j: the view with the highest score", _scores),
            Proxy("max-prob", "-log max_j softmax(M)_j: the view with the most probable class", _confidence),
            Proxy("entropy", "the entropy of softmax(M): the view with the surest distribution", _entropy),
        )
    }
)
"""Proxies by name, for logits. Applied to probabilities, "max-score" takes the most probable class."""


class Equizero(OrbitReader):
    """M_0(x) = T_{g*}(x), g* = argmin_g l(M(rho_g x)): the best view by a proxy loss; the mean over ties.

    Basu et al. 2023. l reads the raw output, before rho_hat_g^-1. If several g minimise, as at an input with a
    stabiliser, taking only the first would break equivariance.

    proxy : a name in PROXIES, or a function of a batch to (R,).  reads : its argument, "outputs" or "inputs".
    inverse : M^-1 on batches, for ``invert`` and ``preimages``.
    straight_through : gradients are those of equitune, values those of equizero: eqt + stopgrad(eq0 - eqt).
    The others: see ``OrbitReader``.
    """

    how: ClassVar[str] = "equizero"

    def __init__(
        self,
        model: Any,
        rho_x: Representation | Move | None = None,
        rho_y: Representation | Move | None = None,
        *,
        proxy: str | Callable[[Array], Any] = "max-score",
        reads: str = "outputs",
        inverse: Callable[[Array], Any] | None = None,
        straight_through: bool = False,
        group: Group | None = None,
        order: int | None = None,
        batch_size: int | None = None,
    ) -> None:
        super().__init__(model, rho_x, rho_y, group=group, order=order, batch_size=batch_size)
        self.proxy = as_proxy(proxy)
        self.reads = as_choice(reads, "reads", READS)
        if self.reads == "inputs" and isinstance(proxy, str):
            raise MfsymError(f"the proxy {proxy} is one of outputs; one of inputs must be a function")
        self.inverse, self.straight_through = inverse, straight_through

    def _weigh(self, views: Array, outputs: Array) -> tuple[Array, Array]:
        xp, read = namespace(outputs), views if self.reads == "inputs" else outputs
        if self.proxy is PROXIES.get(self.proxy.name) and outputs.ndim != 3:
            shape = (*outputs.shape[:1], *outputs.shape[2:])
            raise MfsymError(f"the proxy {self.proxy.name} needs outputs (B, c), got shape {shape}")
        values = self._through(self.proxy.values, flattened(frozen(read)), f"the proxy {self.proxy.name}")
        if values.ndim != 1:
            raise MfsymError(f"the proxy {self.proxy.name} must be one number a view, got shape {tuple(values.shape)}")
        if not holds(xp.all(~xp.isnan(values))):
            raise MfsymError(f"the proxy {self.proxy.name} must be a number at every view, got NaN")
        values = values if is_floating(values) else xp.astype(values, outputs.dtype)
        proxies = unflattened(values, self.passes)
        least = xp.min(proxies, axis=1, keepdims=True)
        scale = xp.max(xp.where(xp.isfinite(proxies), xp.abs(proxies), xp.zeros_like(proxies)), axis=1, keepdims=True)
        tied = (proxies <= least + TIE_ULPS * float(xp.finfo(proxies.dtype).eps) * scale) | (proxies == least)
        weights = xp.where(tied, xp.ones_like(proxies), xp.zeros_like(proxies)) * like(self.rule.weights, proxies)
        weights = weights / xp.sum(weights, axis=1, keepdims=True)
        return xp.astype(weights, outputs.dtype), proxies

    def _read(self, x: Array) -> Array:
        if not self.straight_through:
            return super()._read(x)
        table = self._table(x)
        return table.mean + frozen(table.value - table.mean)

    def invert(self, y: Any, elements: Elements) -> Array:
        """x (B, ...) = g^-1 M^-1(rho_hat_g y) of the read-outs y (B, ...) whose chosen elements (B,) were kept."""
        rows = as_batch(y, "y")
        self.on_y.check(rows)
        if self.group.count(elements) != rows.shape[0]:
            raise MfsymError(f"there must be one element a row of y, {rows.shape[0]}, got {self.group.count(elements)}")
        found = self._inverse()(self.on_y.each(elements, rows))
        return self.on_x.each(self.group.inverse(elements), found)

    def preimages(self, y: Any, tolerance: float | None = None) -> list[Array]:
        """For each row of y every x with equizero(x) = y: arrays (n_b, ...), n_b >= 0.

        Each g proposes x = g^-1 M^-1(rho_hat_g y), kept if equizero(x) = y. There may be several, since y does not
        determine the view it was read from.

        tolerance : relative distance below which two x, or a read-out and y, count as equal; by default the square
        root of the precision of y.
        """
        rows = as_batch(y, "y")
        self.on_y.check(rows)
        default = float(namespace(rows).finfo(rows.dtype).eps) ** 0.5 if is_floating(rows) else 0.0
        limit = default if tolerance is None else as_number(tolerance, "tolerance", least=0.0)
        inverse, inverses = self._inverse(), self.group.inverse(self.rule.elements)
        found = self.y_nodes.images(rows)
        nodes = [self.on_x.nodes(inverses[k : k + 1]) for k in range(self.passes)]
        proposed = [node.images(inverse(found[:, k]))[:, 0] for k, node in enumerate(nodes)]
        kept = [_near(as_numpy(self(x)), as_numpy(rows), limit) for x in proposed]
        return [
            _distinct([proposed[k][b] for k in range(self.passes) if kept[k][b]], proposed[0][:0], limit)
            for b in range(rows.shape[0])
        ]

    def decode(self, context: Any, length: int) -> Decoding:
        """Continue token sequences by an autoregressive model, each in a single view: see ``decoding``.

        Here the model maps sequences (R, t) to scores (R, V) of the next token, and rho_x acts on token sequences.
        """
        batch = as_batch(context, "context")
        self.on_x.check(batch)

        def next_scores(rows: Array) -> Array:
            return self._through(self.model, rows, "the scores of the model")

        return decode(next_scores, self.on_x, self.x_nodes, self.rule.elements, batch, length)

    def _inverse(self) -> Callable[[Array], Any]:
        if self.inverse is None:
            raise MfsymError("inverse, the inverse of the model on a batch, must be given to go back from outputs")
        return self.inverse

    def __repr__(self) -> str:
        return f"<Equizero over {self.group.name}, {self.passes} forward passes, minimises {self.proxy.minimises}>"


def as_proxy(given: str | Callable[[Array], Any]) -> Proxy:
    """The proxy with a name in PROXIES, or a user-defined one."""
    if callable(given):
        name = getattr(given, "__name__", type(given).__name__)
        return Proxy(name, f"the function {name}", given)
    return PROXIES[as_choice(given, "proxy", PROXIES)]


def _near(a: NDArray[Any], b: NDArray[Any], limit: float) -> NDArray[np.bool_]:
    """(B,): whether rows are equal up to ``limit`` times their size."""
    axes = tuple(range(1, a.ndim))
    apart, size = np.abs(a - b).max(axis=axes), np.maximum(np.abs(a), np.abs(b)).max(axis=axes)
    return np.asarray(apart <= limit * np.maximum(size, np.finfo(a.dtype).tiny))


def _distinct(rows: list[Array], none: Array, limit: float) -> Array:
    """Rows without repeats, stacked; ``none`` where there are none."""
    kept: list[Array] = []
    for row in rows:
        if not any(_near(as_numpy(row)[None], as_numpy(other)[None], limit)[0] for other in kept):
            kept.append(row)
    return namespace(none).stack(kept, axis=0) if kept else none
