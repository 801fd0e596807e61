"""Means over the orbit: equitune with the Haar measure, lambda-equitune with weights that depend on the view."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError
from mfsym.groups import Group
from mfsym.representations import Representation
from mfsym.schemes.actions import Move
from mfsym.schemes.arrays import Array, holds, like, matched, namespace, softmax
from mfsym.schemes.symmetrisers import OrbitReader, Symmetriser, flattened, unflattened
from mfsym.schemes.weights import LogWeights, as_weights


class Equitune(OrbitReader):
    """Q_G M(x) = mean_g rho_hat_g^-1 M(rho_g x): the equivariant map nearest to M in mean square over the orbit.

    Basu et al. 2022. On an ensemble it is the read-out of feature averaging: the prediction of the symmetrised law.
    """

    how: ClassVar[str] = "equitune"

    def _weigh(self, views: Array, outputs: Array) -> tuple[Array, None]:
        return like(np.tile(self.rule.weights, (outputs.shape[0], 1)), outputs), None


class LambdaEquitune(OrbitReader):
    """M_lambda(x) = sum_g lambda(rho_g x) T_g(x) / sum_g lambda(rho_g x), with lambda >= 0 on inputs.

    Basu et al. 2023. lambda need not be invariant. It is the equivariant F(x) that minimises
    sum_g lambda(rho_g x) |M(rho_g x) - rho_hat_g F(x)|^2.

    weights : lambda, as a function of a batch to (B,) or (B, 1); or the result of ``fit_weights``; or a pair
    (unit, particles) of an ensemble with one output, read as lambda = exp(Phi).  The others: see ``OrbitReader``.
    """

    how: ClassVar[str] = "lambda"

    def __init__(
        self,
        model: Any,
        rho_x: Representation | Move | None = None,
        rho_y: Representation | Move | None = None,
        *,
        weights: Any,
        group: Group | None = None,
        order: int | None = None,
        batch_size: int | None = None,
    ) -> None:
        super().__init__(model, rho_x, rho_y, group=group, order=order, batch_size=batch_size)
        self.weights = as_weights(weights)

    def _weigh(self, views: Array, outputs: Array) -> tuple[Array, None]:
        return relative_weights(self, self.weights, views, self.rule.weights, outputs), None


def relative_weights(
    reader: Symmetriser, weights: Any, views: Array, masses: NDArray[np.float64], outputs: Array
) -> Array:
    """(B, K): lambda at the views times masses (K,), over its sum; MfsymError where it is negative, NaN or all zero."""
    xp, count = namespace(outputs), views.shape[1]
    is_log = isinstance(weights, LogWeights)
    function, what = (weights.scores, "the scores of the weights") if is_log else (weights, "weights")
    rows = reader._through(function, flattened(views), what)
    if rows.ndim not in (1, 2) or (rows.ndim == 2 and rows.shape[1] != 1):
        raise MfsymError(f"{what} must be one number a view, got shape {tuple(rows.shape)}")
    table = unflattened(matched(xp.reshape(rows, (-1,)), flattened(outputs), what), count)
    if not holds(xp.all(xp.isfinite(table))):
        raise MfsymError(f"{what} must be finite at every view, got one that is not")
    if is_log:
        return softmax(table, masses)
    if not holds(xp.all(table >= 0)):
        raise MfsymError(f"weights must not be negative, got {float(xp.min(table)):.3g}")
    table = table * like(masses, table)
    totals = xp.sum(table, axis=1, keepdims=True)
    if not holds(xp.all(totals > 0)):
        raise MfsymError("weights must not be 0 at all views of an input: their sum divides the read-out")
    return table / totals
