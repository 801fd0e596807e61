"""The weights lambda as a training problem: frozen views of labelled inputs, and the loss of their mixture.

lambda = exp(s) for a score s on views; over the orbit of an input, with masses w_k of the nodes,
lambda_k = w_k exp(s_k) / sum_l w_l exp(s_l). The model and its views do not move, so a sample is a table: the features
of its K views, and the model's output for its label in each view.

"cross-entropy": -log o, o = sum_k lambda_k q_k, q_k the probability of the true class in view k.
"quadratic": |sum_k lambda_k T_k - y|^2.

For an ensemble this is one more loss for the engine of ``NoisySGD``: the scores over the orbit are a prediction in R^K,
``kernels.losses`` computes the derivatives, and the scheme ``Weighing`` presents the tables. The rest of the training
is unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_choice, as_floats
from mfsym.data.losses import Loss
from mfsym.engines.contract import LiftedBatches
from mfsym.errors import MfsymError
from mfsym.kernels.losses import LIKELIHOOD, SQUARES
from mfsym.schemes.training import Scheme
from mfsym.units import Unit

Floats = NDArray[np.float64]

LEAST_PROBABILITY = 1e-12
"""Lower clip of the probability of the true class: keeps the loss finite if all views exclude that class."""


@dataclass(frozen=True)
class ViewTables:
    """n labelled inputs, each as a table of its K views.

    features : (n, K, f).  targets : (n, K) probabilities of the true class, or (n, K, c) residuals T_k - y.
    masses : (K,), of the nodes, sum 1.  loss : "cross-entropy" or "quadratic".
    """

    features: Floats
    targets: Floats
    masses: Floats
    loss: str

    def __len__(self) -> int:
        return len(self.features)

    def mixture(self, rows: NDArray[np.intp], scores: Floats) -> tuple[float, Floats]:
        """The mean loss over samples ``rows`` with scores (B, K), and its derivative (B, K)."""
        weights = relative(scores, self.masses)
        targets = self.targets[rows].reshape(len(rows), len(self.masses), -1)
        mean = np.einsum("bk,bkc->bc", weights, targets)
        if self.loss == "cross-entropy":
            values, factors = -np.log(mean[:, 0]), -1.0 / mean
        else:
            values, factors = (mean**2).sum(axis=1), 2.0 * mean
        slopes = weights * np.einsum("bc,bkc->bk", factors, targets - mean[:, None])
        return float(values.mean()), slopes / len(rows)


def relative(scores: Floats, masses: Floats) -> Floats:
    """lambda_k (B, K) from scores (B, K) and masses (K,)."""
    grown = masses * np.exp(scores - scores.max(axis=1, keepdims=True))
    return grown / grown.sum(axis=1, keepdims=True)


class Weighing(Scheme):
    """Train a score on tables of views: x holds the features of all K views, y their targets.

    This is a helper, not a symmetry scheme, and SCHEMES does not list it: ``unit`` is a score on features, on which no
    group acts.
    """

    name = "weighing"

    def __init__(self, unit: Unit, tables: ViewTables) -> None:
        super().__init__(unit)
        if (unit.d, unit.c) != (tables.features.shape[2], 1):
            raise MfsymError(
                f"the unit of weights must be on R^{tables.features.shape[2]} x R^1, got R^{unit.d} x R^{unit.c}"
            )
        self.tables = tables

    @property
    def widths(self) -> tuple[int, int]:
        return self.tables.features[0].size, self.tables.targets[0].size

    def lift(self, x: Floats, y: Floats, key: NDArray[np.uint32], first_step: int) -> LiftedBatches:
        steps, batch = x.shape[:2]
        count = len(self.tables.masses)
        views = x.reshape(steps, batch, count, -1)
        return LiftedBatches(views, y, np.ones((count, 1, 1)), self.tables.masses, np.full(batch, 1.0 / batch))


def mixture_loss(tables: ViewTables) -> Loss:
    """The loss of the mixture, on scores (Q, K) and targets (Q, K) or (Q, K c), for ``NoisySGD``."""
    values: Callable[[Floats, Floats], Floats] = partial(_values, tables.masses, tables.loss)
    code = LIKELIHOOD if tables.loss == "cross-entropy" else SQUARES
    return Loss(f"mixture, {tables.loss}", code, values, "finite", lambda y: bool(np.isfinite(y).all()), "permutation")


def _values(masses: Floats, loss: str, scores: Floats, y: Floats) -> Floats:
    mean = np.einsum("qk,qkc->qc", relative(scores, masses), y.reshape(len(y), len(masses), -1))
    return -np.log(mean[:, 0]) if loss == "cross-entropy" else np.asarray((mean**2).sum(axis=1))


def targets_of(table: Floats, y: object, loss: str, probabilities: bool) -> Floats:
    """(n, K) probabilities of the true class, or (n, K, c) residuals, from a table (n, K, c) and labels or targets.

    y : class numbers (n,) or (n, 1), or one-hot rows (n, c), for "cross-entropy"; (n, c) or (n,) for "quadratic".
    probabilities : whether the table holds probabilities, not logits.
    """
    as_choice(loss, "loss", ("cross-entropy", "quadratic"))
    given, (count, _, width) = as_floats(y, "y"), table.shape
    if given.shape[:1] != (count,):
        raise MfsymError(f"y must have one row for each of {count} inputs, got shape {given.shape}")
    rows = given.reshape(count, -1)
    if loss == "quadratic":
        if rows.shape[1] != width:
            raise MfsymError(f"y must be rows of length {width} as the outputs are, got shape {given.shape}")
        return np.asarray(table - rows[:, None])
    labels = _labels(rows, width)
    chances = table if probabilities else relative_exp(table)
    if not (np.isfinite(chances).all() and (chances >= 0.0).all()):
        raise MfsymError("probabilities must be finite and not negative; of logits leave probabilities=False")
    picked = np.take_along_axis(chances, labels[:, None, None], axis=2)[:, :, 0]
    return np.maximum(picked, LEAST_PROBABILITY)


def output_slopes(table: Floats, y: Floats, lambdas: Floats, loss: str) -> Floats:
    """The derivative (B, K, c) of the mean loss with respect to the table of logits (B, K, c), at fixed lambdas (B, K).

    "cross-entropy": -(lambda_k q_k / o) (e_y - p_k) with p_k = softmax(T_k).  "quadratic": 2 lambda_k F.
    """
    count, _, width = table.shape
    targets = targets_of(table, y, loss, False)
    if loss == "quadratic":
        slopes = 2.0 * lambdas[:, :, None] * np.einsum("bk,bkc->bc", lambdas, targets)[:, None]
    else:
        shares = lambdas * targets
        shares = shares / shares.sum(axis=1, keepdims=True)
        truth = np.eye(width)[_labels(y.reshape(count, -1), width)]
        slopes = shares[:, :, None] * (relative_exp(table) - truth[:, None])
    return np.asarray(slopes / count)


def _labels(rows: Floats, width: int) -> NDArray[np.intp]:
    """Class numbers (n,) from numbers (n, 1) or one-hot rows (n, width)."""
    labels = rows.argmax(axis=1) if rows.shape[1] == width > 1 else rows[:, 0]
    whole = (labels == np.rint(labels)).all() and ((labels >= 0) & (labels < width)).all()
    if rows.shape[1] not in (1, width) or not whole:
        raise MfsymError(f"y must be class numbers from 0 to {width - 1} or one-hot rows, got shape {rows.shape}")
    return labels.astype(np.intp)


def relative_exp(scores: Floats) -> Floats:
    """softmax over the last axis."""
    grown = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=-1, keepdims=True))
