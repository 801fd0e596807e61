"""Trained schemes read once more: the model of a scheme through the read-outs of ``symmetrise``, measured as it is.

A reading is "equitune", "lambda", "equizero", or "equizero:PROXY" with the name of a proxy. What the problem decides:

equizero without a proxy takes the view with the highest score, "max-score", where y names a class; elsewhere no output
tells how far it is to be trusted, so it takes the view to which the fitted weights give most, "weights".
lambda is fitted by ``fit_weights`` to LABELS samples of the training law that no training sees: a network with 32
hidden neurons on the views, by the loss of the problem. "lambda" and "equizero:weights" of one model share it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_choice, as_plain, shown
from mfsym.dynamics import State
from mfsym.dynamics.fitting import NetworkFit, fit_weights
from mfsym.errors import MfsymError
from mfsym.metrics import evaluate
from mfsym.problems import Problem
from mfsym.schemes import Scheme
from mfsym.schemes.averages import LambdaEquitune
from mfsym.schemes.choices import PROXIES
from mfsym.schemes.networks import AdamTraining
from mfsym.schemes.readouts import symmetrise
from mfsym.schemes.symmetrisers import Symmetriser
from mfsym.schemes.weights import LogWeights
from mfsym.streams import stream

Floats = NDArray[np.float64]

NONE = "none"
"""The reading that is none: the scheme's own model."""

WEIGHTS = "weights"
"""The proxy that is minus log lambda of the view."""

READINGS = ("equitune", "equizero", "lambda", *(f"equizero:{proxy}" for proxy in (*PROXIES, WEIGHTS)))
"""Names of readings: "equizero" alone leaves the proxy to the problem."""

LABELS = 1000
"""Samples of the training law to which weights are fitted."""

SECONDS_PER_FIT = 1.5
"""Nominal single-core seconds that fitting the weights of one model takes."""

MEASURED = {
    "risk_read": "risk",
    "risk_read_error": "risk_error",
    "equivariance_error_read": "equivariance_error",
    "equivariance_error_read_error": "equivariance_error_error",
    "accuracy_read": "accuracy",
}
"""Variable of a reading to the number of ``evaluate`` that it holds; the last where y names a class."""


def as_readings(given: Any) -> tuple[str, ...]:
    """Names of readings from a list of them, one of them, or a text with commas between them; () for None.

    MfsymError for an unknown or repeated one.

    >>> as_readings("equitune, equizero:entropy")
    ('equitune', 'equizero:entropy')
    """
    if given is None:
        return ()
    plain = as_plain(given)
    listed = plain.split(",") if isinstance(plain, str) else plain
    if not isinstance(listed, list):
        raise MfsymError(f"readouts must be names such as equitune, got {shown(given)}")
    if any(isinstance(each, str) and each.strip() == "canonical" for each in listed):
        raise MfsymError(
            "readouts cannot hold canonical, which needs an equivariant frame of the input: "
            "symmetrise(model, how='canonical', frame=...) takes one"
        )
    names = [as_choice(each.strip() if isinstance(each, str) else each, "readouts", READINGS) for each in listed]
    if len(set(names)) < len(names):
        raise MfsymError(f"readouts must name each read-out once, got {shown(given)}")
    return tuple(names)


class Read(Scheme):
    """A scheme's model behind another read-out, as what ``evaluate`` judges: it is read, not trained."""

    name = "read"

    def __init__(self, scheme: Scheme, reader: Symmetriser) -> None:
        super().__init__(scheme.unit, scheme.order)
        self.reader = reader

    def read(self, x: ArrayLike, z: ArrayLike) -> Floats:
        """The read-out at x (Q, d): (Q, c); the particles are those of its model."""
        return np.asarray(self.reader(np.asarray(x, dtype=np.float64)))


class Reader:
    """One trained model and its readings, each made when it is asked for; the weights are fitted once.

    z : (N, p), the particles of the model of ``scheme``.  seed, replicate : of the labels and the weights' training.
    """

    def __init__(self, scheme: Scheme, problem: Problem, z: ArrayLike, seed: int = 0, replicate: int = 0) -> None:
        self.scheme, self.problem = scheme, problem
        self.z = np.asarray(z, dtype=np.float64)
        self.seed, self.replicate = seed, replicate
        self._fitted: LambdaEquitune | None = None

    def model(self, x: Floats) -> Floats:
        """The scheme's own model at x (Q, d): (Q, c)."""
        return self.scheme.read(x, self.z)

    def reading(self, name: str) -> Symmetriser:
        """The model read as a name in READINGS says."""
        how, _, proxy = name.partition(":")
        if how == "lambda":
            return self.fitted
        if how == "equitune":
            return self._symmetrised(how)
        chosen = proxy or default_proxy(self.problem)
        if chosen != WEIGHTS:
            return self._symmetrised(how, proxy=chosen)
        return self._symmetrised(how, proxy=_Distrust(self.fitted.weights), reads="inputs")

    @property
    def fitted(self) -> LambdaEquitune:
        """The model read by weights that are fitted to labelled samples."""
        if self._fitted is None:
            draws = stream(self.seed, "data", self.replicate).child("label", 0).key
            x, y = self.problem.data.draw(draws, 0, LABELS)
            by = NetworkFit(training=AdamTraining(seed=self.seed))
            self._fitted = fit_weights(self._symmetrised("equitune"), x, y, loss=fitting_loss(self.problem), by=by)
        return self._fitted

    def _symmetrised(self, how: str, **options: Any) -> Symmetriser:
        return symmetrise(self.model, self.problem.unit.rho_x, self.problem.unit.rho_y, how, **options)

    def row(self, name: str) -> dict[str, float]:
        """The numbers of MEASURED of one reading, or of NONE."""
        judged = self.scheme if name == NONE else Read(self.scheme, self.reading(name))
        found = evaluate(judged, self.problem.data, self.z, loss=self.problem.loss)
        return {variable: getattr(found, number) for variable, number in measured(self.problem).items()}

    def passes(self, name: str) -> int:
        """Forward passes of the network for one input."""
        return passes_of(name, self.scheme, self.problem)


def passes_of(name: str, scheme: Scheme, problem: Problem) -> int:
    """Forward passes of the network to read one input of a scheme's model by a reading, or by NONE."""
    own = 1 if scheme.readout is None else len(scheme.readout.weights)
    return own if name == NONE else own * len(problem.unit.rho_x.group.quadrature())


def passes_to_judge(names: Sequence[str], schemes: Sequence[Scheme], problem: Problem) -> int:
    """Most forward passes that ``readings_of`` makes of one replicate: the judged inputs, their images, the labels.

    Of a scheme's own model fewer are made, since ``evaluate`` keeps its predictions.
    """
    inputs, total = len(problem.data.evaluation()[0]), 0
    for scheme in schemes:
        nodes = sum(len(orbit.weights) for orbit in scheme.judges)
        read = sum(1 + (2 + nodes) * passes_of(name, scheme, problem) for name in names)
        total += inputs * ((1 + nodes) * passes_of(NONE, scheme, problem) + read)
        total += LABELS * fits(names, problem) * passes_of("lambda", scheme, problem)
    return total


def fits(names: Sequence[str], problem: Problem) -> int:
    """How often the weights of one model are fitted: once if a reading needs them."""
    return int(any(needs_weights(name, problem) for name in names))


class _Distrust:
    """Minus log lambda of views (R, d): (R,)."""

    def __init__(self, weights: LogWeights) -> None:
        self.weights, self.__name__ = weights, "-log lambda"

    def __call__(self, views: Floats) -> Floats:
        return -np.asarray(self.weights.scores(views))[:, 0]


def default_proxy(problem: Problem) -> str:
    """The proxy of "equizero" on a problem: see above."""
    return "max-score" if problem.data.classes and problem.data.c > 1 else WEIGHTS


def fitting_loss(problem: Problem) -> str:
    """The loss that weights minimise: the problem's. MfsymError for one that has no mixture."""
    if problem.loss not in ("quadratic", "cross-entropy"):
        raise MfsymError(
            f"weights are fitted by the quadratic loss or cross-entropy, got {problem.loss} in the problem "
            f"{problem.name}; read it by equitune, or by equizero with a proxy such as equizero:max-score"
        )
    return problem.loss


def needs_weights(name: str, problem: Problem) -> bool:
    """Whether a reading of models of a problem needs fitted weights."""
    return name == "lambda" or f":{WEIGHTS}" in name or (name == "equizero" and default_proxy(problem) == WEIGHTS)


def check_readings(names: Sequence[str], problem: Problem) -> None:
    """MfsymError, before anything is trained, for readings that models of the problem do not have."""
    if any(needs_weights(name, problem) for name in names):
        fitting_loss(problem)


def measured(problem: Problem) -> dict[str, str]:
    """The part of MEASURED that is known on a problem."""
    return {name: of for name, of in MEASURED.items() if of != "accuracy" or problem.data.classes}


def readings_of(
    names: Sequence[str], states: Sequence[State], schemes: Sequence[Scheme], problem: Problem
) -> dict[str, NDArray[Any]]:
    """What ``compare`` writes of the readings NONE and ``names`` of trained schemes: arrays (S, 1 + R) by variable.

    Numbers of a training that diverged are NaN. ``passes_training`` (S,) counts the forward passes of one sample.
    """
    rows, everything = [], (NONE, *names)
    for state, scheme in zip(states, schemes, strict=True):
        reader = Reader(scheme, problem, state.z, state.seed, state.replicate)
        lost = state.status == "diverged"
        row: Callable[[str], dict[str, float]] = _lost(problem) if lost else reader.row
        rows.append([row(name) | {"passes": reader.passes(name)} for name in everything])
    found: dict[str, NDArray[Any]] = {
        name: np.array([[each[name] for each in row] for row in rows]) for name in rows[0][0]
    }
    return found | {"passes_training": np.array([scheme.nodes for scheme in schemes])}


def _lost(problem: Problem) -> Callable[[str], dict[str, float]]:
    return lambda name: dict.fromkeys(measured(problem), float("nan"))
