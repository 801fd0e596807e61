"""Risks and equivariance errors of a model: expectations over x with error estimates.

Maass Martínez & Fontbona 2024, section 2; see ``mfsym.data.expectations`` for the error estimates.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_floats
from mfsym.configurations.names import ENGINES
from mfsym.data.expectations import BUDGET, Columns, Estimate, Expectation, Integrands, expect
from mfsym.data.losses import get_loss
from mfsym.data.teachers import Data
from mfsym.engines.predictions import predictor
from mfsym.schemes import Orbit, Scheme
from mfsym.streams import stream_key
from mfsym.transport import second_moment
from mfsym.typing import Floats

LEAST_BUDGET = 1 << 13
"""Smallest quasi-Monte Carlo budget for averages over orbits, which otherwise is BUDGET divided by the orbit size."""

MOST_ROWS = 1 << 16
"""Inputs whose predictions are cached while one model is evaluated."""

_IDENTITY = 1e-9
_UNKNOWN = Estimate(float("nan"), float("nan"))


@dataclass(frozen=True)
class Evaluation:
    """All measures of a scheme's predictions on a data law, each with its error.

    risk : E loss(model(x), y) of the scheme's model; for the quadratic loss E|model(x) - y|^2.
    risk_bare : the same for the bare prediction Phi.
    l2_symmetrisation : |model - Q_G model|.  l2_target : |model - f_*|.  l2_symmetrised_target : |model - Q_G f_*|.
    equivariance_error : (integral over g of |rho_hat_g^-1 model(rho_g .) - model|^2)^(1/2).
    equivariance_error_group : the difference between two rules for that integral over an infinite group, 0 for a finite
    one. Integrals over g use rules whose nodes differ from those of training (``Scheme.judges``).
    accuracy : share of x whose class is predicted correctly, for classification only.
    accuracy_moved : the same on rho_g x, averaged over the nodes of the group other than the identity.
    All norms are those of L^2(x), not squared. NaN if a measure is undefined: f_* of a finite sample, no classes.
    NAME_error : the error of NAME as an integral over x (``mfsym.data.expectations``), without the error of the
    integral over g. 0 on a finite sample, which defines the law.
    method : how the risk was integrated, in words.
    """

    risk: float
    risk_bare: float
    l2_symmetrisation: float
    l2_target: float
    l2_symmetrised_target: float
    equivariance_error: float
    equivariance_error_group: float
    accuracy: float
    accuracy_moved: float
    risk_error: float
    risk_bare_error: float
    l2_symmetrisation_error: float
    l2_target_error: float
    l2_symmetrised_target_error: float
    equivariance_error_error: float
    method: str


def evaluate(
    scheme: Scheme,
    data: Data,
    z: ArrayLike,
    order: int | None = None,
    loss: str = "quadratic",
    engine: str = ENGINES[0],
) -> Evaluation:
    """The Evaluation of particles z (N, p) trained by a scheme on a data law.

    order : nodes per dimension of a product rule; by default ``mfsym.data.expectations`` chooses the rule.
    engine : "numba", or "jax" for predictions on JAX's device, in double precision.
    """
    scheme, data, z = _with_cached_predictions(scheme, engine), copy(data), as_floats(z, "particles")
    data.target = _Cached(data.target)  # type: ignore[method-assign, assignment]
    losses, squares = integrands(scheme, data, z, loss)
    own, copies = expect(data, losses, order), sum(len(orbit.weights) for orbit in scheme.judges)
    rest = expect(data, squares, order, budget=max(LEAST_BUDGET, BUDGET // copies))
    norms = {
        "l2_symmetrisation": _root(rest, 0),
        "l2_target": _root(own, 2) if data.has_target else _UNKNOWN,
        "l2_symmetrised_target": _root(rest, 2) if data.has_target else _UNKNOWN,
        "equivariance_error": _root(rest, 1),
    }
    classes = data.classes is not None
    defects = np.sqrt(np.maximum(rest.value[-len(scheme.judges) :], 0.0))
    return Evaluation(
        risk=float(own.value[0]),
        risk_bare=float(own.value[1]),
        equivariance_error_group=float(defects.max() - defects.min()),
        accuracy=float(rest.value[3]) if classes else float("nan"),
        accuracy_moved=float(rest.value[4]) if classes else float("nan"),
        risk_error=float(own.error[0]),
        risk_bare_error=float(own.error[1]),
        method=own.method,
        **{name: float(found) for name, found in norms.items()},
        **{f"{name}_error": found.error for name, found in norms.items()},
    )


def risks(
    scheme: Scheme,
    data: Data,
    z: ArrayLike,
    order: int | None = None,
    loss: str = "quadratic",
    engine: str = ENGINES[0],
) -> tuple[Estimate, Estimate]:
    """Population risk of the scheme's model and of the bare prediction Phi (without tau r and entropy).

    Two floats, each with ``error`` and ``method``.  order, engine : as in ``evaluate``.
    """
    found = expect(data, _losses(_with_cached_predictions(scheme, engine), as_floats(z, "particles"), loss), order)
    model, bare = (Estimate(found.value[k], found.error[k], found.method) for k in range(2))
    return model, bare


def integrands(scheme: Scheme, data: Data, z: ArrayLike, loss: str = "quadratic") -> tuple[Integrands, Integrands]:
    """The integrands of ``evaluate``: losses, then squared distances, (Q, m) each.

    Losses of the scheme's model and of Phi, and |model - y|^2; then |model - Q_G model|^2, the squared equivariance
    error and, if f_* is known, |model - Q_G f_*|^2.
    """
    return _losses(scheme, z, loss), _symmetries(scheme, data, z)


def objective(
    scheme: Scheme, data: Data, z: ArrayLike, tau: float, engine: str = ENGINES[0]
) -> tuple[Estimate, Estimate, Estimate]:
    """The objective of a scheme, population risk plus tau E|z|^2, and the two values of ``risks``, by the same rule.

    The population risk is taken over the data as the scheme presents them: for data augmentation, over their orbits.
    Particles z (N, p); quadratic loss.  engine : as in ``evaluate``.
    """
    scheme, z = _with_cached_predictions(scheme, engine), as_floats(z, "particles")
    own, losses = _presented(scheme, z), _losses(scheme, z, "quadratic")

    def columns(x: Floats, y: Floats) -> Columns:
        found = losses(x, y)
        return Columns(np.column_stack([own(x, y), found.values[:, :2]]), found.fields)

    found = expect(data, columns)
    energy, model, bare = (Estimate(found.value[k], found.error[k], found.method) for k in range(3))
    return Estimate(energy + tau * second_moment(z), energy.error, found.method), model, bare


def _presented(scheme: Scheme, z: ArrayLike) -> Callable[[Floats, Floats], Floats]:
    """(Q,): the squared error of the training model, averaged over the samples that the scheme makes of each one."""
    particles, unit = scheme.particles(z), scheme.unit

    def squares(x: Floats, y: Floats) -> Floats:
        lifted = scheme.lift(x[None], y[None], stream_key(0, "haar"), 0).at(0)
        count, nodes = lifted.x.shape[1:3]
        phi = unit.predict(lifted.x.reshape(-1, unit.d), particles).reshape(count, nodes, unit.c)
        model = np.einsum("k,kij,bki->bj", lifted.node_weights, lifted.rho_y, phi)
        weighted = lifted.sample_weights * len(x) * _squares(model, lifted.y[0])
        return np.asarray(weighted.reshape(len(x), -1).sum(axis=1))

    return squares


def _losses(scheme: Scheme, z: ArrayLike, loss: str) -> Integrands:
    """Losses of the scheme's model and of Phi, and |model - y|^2."""
    values = _squares if loss == "quadratic" else get_loss(loss).values

    def columns(x: Floats, y: Floats) -> Columns:
        model, bare = scheme.read(x, z), scheme.unit.predict(x, z)
        found = np.stack([values(model, y), values(bare, y), _squares(model, y)], axis=1)
        return Columns(found, (model, bare))

    return columns


def _symmetries(scheme: Scheme, data: Data, z: ArrayLike) -> Integrands:
    """Squares: |model - Q_G model|^2, the equivariance error, |model - Q_G f_*|^2; then accuracies for class labels.

    The last columns are the squared equivariance error by each rule of ``scheme.judges``; column two is their mean.
    """
    orbit, *others = scheme.judges

    def columns(x: Floats, y: Floats) -> Columns:
        model = scheme.read(x, z)
        table = orbit.table(lambda points: scheme.read(points, z), x)
        averaged = np.einsum("k,kqc->qc", orbit.weights, table)
        tables = [table, *(other.table(lambda points: scheme.read(points, z), x) for other in others)]
        spreads = [_spread(each, one - model) for each, one in zip(scheme.judges, tables, strict=True)]
        found = [_squares(model, averaged), np.mean(spreads, axis=0)]
        if data.has_target:
            found.append(_squares(model, orbit.average(data.target, x)))
        if data.classes is not None:
            found += [np.zeros(len(x))] * (3 - len(found))
            found += [(_classes(model) == _classes(y)).astype(np.float64), _moved_shares(orbit, table, y)]
        return Columns(np.stack([*found, *spreads], axis=1), (model,))

    return columns


def _spread(orbit: Orbit, gap: Floats) -> Floats:
    """(Q,): the mean over an orbit of the squares of gap (K, Q, c)."""
    return np.asarray(np.einsum("k,kqc,kqc->q", orbit.weights, gap, gap))


def _squares(a: Floats, b: Floats) -> Floats:
    """(Q,): |a - b|^2 row by row."""
    gap = a - b
    return np.asarray(np.einsum("qc,qc->q", gap, gap))


def _root(found: Expectation, k: int) -> Estimate:
    """The square root of the k-th expectation, with its error."""
    square, error = max(float(found.value[k]), 0.0), float(found.error[k])
    root = np.sqrt(square)
    return Estimate(root, error / max(root + np.sqrt(square + error), 1e-300), found.method)


class _Cached:
    """A cached function of inputs x (Q, d), for the first MOST_ROWS inputs."""

    def __init__(self, function: Callable[..., Floats]) -> None:
        self._function, self._rows, self._known = function, 0, dict[tuple[bytes, ...], Floats]()

    def __call__(self, x: Floats, *others: ArrayLike) -> Floats:
        key = tuple(np.asarray(part, dtype=np.float64).tobytes() for part in (x, *others))
        found = self._known.get(key)
        if found is None:
            found = self._function(x, *others)
            if self._rows < MOST_ROWS:
                self._rows += len(x)
                self._known[key] = found
        return found


def _with_cached_predictions(scheme: Scheme, engine: str) -> Scheme:
    """The scheme on a unit that predicts by an engine and caches: an orbit needs the same ones several times."""
    same, unit = copy(scheme), copy(scheme.unit)
    unit.predict = _Cached(predictor(scheme.unit, engine))  # type: ignore[method-assign, assignment]
    same.unit = unit
    return same


def accuracy(prediction: ArrayLike, y: ArrayLike, weights: ArrayLike) -> float:
    """Weighted share of samples whose predicted class is that of y: the largest entry of c, or the sign if c = 1.

    >>> accuracy([[0.1, 0.7], [0.9, 0.2]], [[0.0, 1.0], [0.0, 1.0]], [0.5, 0.5])
    0.5
    """
    named, true = _classes(as_floats(prediction, "prediction")), _classes(as_floats(y, "y"))
    return float(as_floats(weights, "weights")[named == true].sum())


def _classes(values: Floats) -> NDArray[np.intp]:
    if values.shape[1] == 1:
        return (values[:, 0] > 0.0).astype(np.intp)
    return np.argmax(values, axis=1)


def _moved_shares(orbit: Orbit, table: Floats, y: Floats) -> Floats:
    """(Q,): share of nodes k other than the identity for which the class at rho_k x is that of rho_hat_k y.

    table : (K, Q, c), rho_hat_k^T model(rho_k x).
    """
    still = np.abs(orbit.nodes_x - np.eye(orbit.nodes_x.shape[1])).max(axis=(1, 2)) < _IDENTITY
    nodes = np.flatnonzero(~still) if not still.all() else np.arange(len(still))
    named = [_classes(table[k] @ orbit.nodes_y[k].T) == _classes(y @ orbit.nodes_y[k].T) for k in nodes]
    return np.asarray(np.average(np.array(named, dtype=np.float64), axis=0, weights=orbit.weights[nodes]))
