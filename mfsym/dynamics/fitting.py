"""Fitting the weights lambda of a read-out to labels over the orbit, and the backbone after them.

Basu et al. 2023, arXiv:2305.09900, trains in two phases: a small network on frozen features of the views, by the
gradient of the mixture over the orbit; then, if wanted, the model through the weighted mean. Here lambda may as well be
an ensemble, which the mean-field engine trains through the same gradient: see ``schemes.mixtures``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_floats
from mfsym.data.datasets import SampleData
from mfsym.dynamics import NoisySGD
from mfsym.ensembles import init_particles
from mfsym.errors import Diverged, MfsymError
from mfsym.schemes.arrays import as_numpy
from mfsym.schemes.averages import LambdaEquitune
from mfsym.schemes.mixtures import ViewTables, Weighing, mixture_loss, output_slopes, relative, targets_of
from mfsym.schemes.models import EnsembleModel
from mfsym.schemes.networks import AdamTraining, ScoreNetwork
from mfsym.schemes.symmetrisers import OrbitReader, Symmetriser, flattened
from mfsym.schemes.weights import Function, LogWeights, flat_features
from mfsym.units import Unit

Floats = NDArray[np.float64]

LEAST_SCALE = 1e-6
"""Features that vary by less than this share of the largest are divided by that share instead of their own size."""


class WeightFit(Protocol):
    """What fits a score to tables of views."""

    def fit(self, tables: ViewTables) -> Function:
        """The score: standardised features (R, f) -> (R, 1)."""


@dataclass(frozen=True)
class NetworkFit:
    """The score is a network with tanh layers, trained by Adam with gradients by hand.

    hidden : widths of the hidden layers; none for a linear score.  training : see ``AdamTraining``.
    """

    hidden: tuple[int, ...] = (32,)
    training: AdamTraining = field(default_factory=AdamTraining)

    def fit(self, tables: ViewTables) -> ScoreNetwork:
        """The network after training."""

        def slope(network: ScoreNetwork, rows: NDArray[np.intp]) -> ScoreNetwork:
            views = tables.features[rows].reshape(-1, tables.features.shape[2])
            slopes = tables.mixture(rows, network(views).reshape(len(rows), -1))[1]
            return network.gradient(views, slopes.reshape(-1, 1))

        start = ScoreNetwork.drawn((tables.features.shape[2], *self.hidden, 1), self.training.seed)
        return self.training.run(start, len(tables), slope)


@dataclass(frozen=True)
class EnsembleFit:
    """The score is Phi of a mean-field ensemble with one output, trained by noisy SGD on the mixture's loss.

    unit : on the features, f -> 1; nothing acts on them, so ``trivial().trivial(f)`` will do.  n : particles.
    horizon : mean-field time.  alpha, tau, beta, batch_size : as in ``NoisySGD``.  seed : of start, order and noise.
    """

    unit: Unit
    n: int = 200
    horizon: float = 20.0
    alpha: float = 50.0
    tau: float = 0.0
    beta: float = 0.0
    batch_size: int = 20
    seed: int = 0

    def fit(self, tables: ViewTables) -> EnsembleModel:
        """The ensemble at the horizon. Raises Diverged."""
        data = SampleData((tables.features.reshape(len(tables), -1), tables.targets.reshape(len(tables), -1)))
        dynamics = NoisySGD(
            self.unit,
            Weighing(self.unit, tables),
            data,
            alpha=self.alpha,
            tau=self.tau,
            beta=self.beta,
            batch_size=self.batch_size,
            dtype="float64",
            loss=mixture_loss(tables),
        )
        start = dynamics.init(init_particles(self.unit, "wi", self.n, self.seed), self.seed)
        end = dynamics.step(start, round(self.horizon * self.n))
        if end.status == "diverged":
            raise Diverged(f"the weights diverged at step {end.diverged_step}; lower alpha", step=end.step)
        return EnsembleModel(self.unit, end.z)


def fit_weights(
    reader: Symmetriser,
    x: Any,
    y: Any,
    *,
    loss: str = "cross-entropy",
    by: WeightFit | None = None,
    features: Function | None = None,
    probabilities: bool = False,
    backbone: AdamTraining | None = None,
) -> LambdaEquitune:
    """The model of ``reader`` read by weights lambda that are fitted to labelled inputs; ``weights`` of the result.

    reader : such as ``symmetrise(model, rho_x, rho_y)``; only its model, actions and rule are used.
    x : (n, ...) inputs.  y : class numbers (n,) or one-hot rows, or (n, c) for the loss "quadratic".
    loss : "cross-entropy", -log sum_k lambda_k q_k with q_k the probability of the true class in view k; or
    "quadratic", |sum_k lambda_k T_k - y|^2.  probabilities : whether the model gives probabilities, not logits.
    by : ``NetworkFit`` (32 hidden neurons by default) or ``EnsembleFit``.
    features : what the score sees of a batch of views; by default the views. They are standardised over the orbits.
    backbone : how a ``ScoreNetwork`` is trained further after the weights, through the weighted mean; None: not.

    MfsymError for labels that do not fit, and for outputs that are not rows.
    """
    if not isinstance(reader, OrbitReader):
        raise MfsymError(f"weights are fitted over a whole orbit: hand over an equitune read-out, got {reader.how}")
    if backbone is not None and (not isinstance(reader.model, ScoreNetwork) or probabilities):
        raise MfsymError(
            "backbone needs a model that is a ScoreNetwork of logits, whose gradient is known; train PyTorch and JAX "
            "models by their own optimisers through symmetrise(..., how='lambda'), which passes gradients"
        )
    views, outputs, seen = _collected(reader, x, features)
    targets = targets_of(outputs, y, loss, probabilities)
    rows = seen.reshape(-1, seen.shape[2])
    centre, size = rows.mean(axis=0), rows.std(axis=0)
    scale = np.maximum(size, max(LEAST_SCALE * size.max(initial=0.0), np.finfo(np.float64).tiny))
    tables = ViewTables((seen - centre) / scale, targets, reader.rule.weights, loss)
    weights = LogWeights((NetworkFit() if by is None else by).fit(tables), features, centre, scale)
    model = reader.model
    if backbone is not None and isinstance(model, ScoreNetwork):
        lambdas = relative(_scores(weights, tables), tables.masses)
        model = _tuned(model, reader, views, as_floats(y, "y"), tables, lambdas, backbone)
    return LambdaEquitune(
        model,
        reader.rho_x,
        reader.rho_y,
        weights=weights,
        group=reader.group,
        order=reader.order,
        batch_size=reader.batch_size,
    )


def _collected(reader: OrbitReader, x: Any, features: Function | None) -> tuple[Floats, Floats, Floats]:
    """Views (n, K, ...), the model's table T (n, K, c) and features (n, K, f), in float64."""
    found: tuple[list[Floats], ...] = ([], [], [])
    for views, table in reader.views_and_tables(x):
        if table.ndim != 3:
            raise MfsymError(
                f"the model must give rows (R, c) to fit weights, got shape {tuple(flattened(table).shape)}"
            )
        seen = flat_features(features, flattened(views))
        parts = (views, table, seen)
        for kept, part in zip(found, parts, strict=True):
            kept.append(as_numpy(part).astype(np.float64))
    views, table, seen = (np.concatenate(parts) for parts in found)
    return views, table, seen.reshape(*table.shape[:2], -1)


def _scores(weights: LogWeights, tables: ViewTables) -> Floats:
    """(n, K) scores of standardised features."""
    rows = tables.features.reshape(-1, tables.features.shape[2])
    return np.asarray(weights.score(rows)).reshape(tables.features.shape[:2])


def _tuned(
    model: ScoreNetwork,
    reader: OrbitReader,
    views: Floats,
    y: Floats,
    tables: ViewTables,
    lambdas: Floats,
    training: AdamTraining,
) -> ScoreNetwork:
    """The model after training through the mean with fixed weights lambdas (n, K)."""
    forward = reader.on_y.nodes(reader.group.inverse(reader.rule.elements))

    def slope(network: ScoreNetwork, rows: NDArray[np.intp]) -> ScoreNetwork:
        inputs = views[rows].reshape(-1, views.shape[2])
        table = reader.y_nodes.back(network(inputs).reshape(*lambdas[rows].shape, -1))
        cotangents = output_slopes(table, y[rows], lambdas[rows], tables.loss)
        return network.gradient(inputs, forward.back(cotangents).reshape(len(inputs), -1))

    return training.run(model, len(views), slope)
