"""Read-outs of models trained on data that break the symmetry: upright digits, and half a domain.

Each function trains on such data from one seed, and measures the model and its read-outs on transformed data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_choice, as_whole
from mfsym.data.datasets import digits, permutation
from mfsym.data.inputs import Gaussian
from mfsym.data.teachers import FunctionData, reference_teacher
from mfsym.dynamics import NoisySGD
from mfsym.dynamics.fitting import EnsembleFit, NetworkFit, fit_weights
from mfsym.ensembles import init_particles
from mfsym.groups import cyclic, trivial
from mfsym.problems.symmetries import pixels
from mfsym.schemes.mixtures import relative_exp
from mfsym.schemes.networks import AdamTraining, ScoreNetwork
from mfsym.schemes.readouts import symmetrise
from mfsym.streams import stream_key
from mfsym.units import UVUnit

Floats = NDArray[np.float64]
Labels = NDArray[np.intp]
Logits = Callable[[Floats], Floats]

TRAINING = 1000
"""Training digits; the other 797 are the test set."""

PROTOTYPES, TEMPERATURE = 4, 40.0
"""Prototypes per class, and the factor that turns cosines into logits."""

HALF_LABELS, HALF_JUDGES = 500, 20_000
"""Labelled inputs to fit the weights of the half-domain student, and test inputs."""


@dataclass(frozen=True)
class Digits:
    """Handwritten digits of 8 x 8 pixels in [0, 1], split by a seed: x (n, 64), labels (n,)."""

    x: Floats
    labels: Labels
    test_x: Floats
    test_labels: Labels


def split_digits(seed: int = 0) -> Digits:
    """1,000 training digits and 797 test digits. MfsymError without scikit-learn."""
    x, y = digits()
    order = permutation(stream_key(seed, "teacher"), 0, len(x))
    train, test = order[:TRAINING], order[TRAINING:]
    labels = y[:, 0].astype(np.intp)
    return Digits(x[train] / 16.0, labels[train], x[test] / 16.0, labels[test])


def prototypes(data: Digits, seed: int = 0) -> Logits:
    """Logits: TEMPERATURE times the cosine to the nearest of PROTOTYPES centres of each class, found by k-means."""
    centres = [k_means(data.x[data.labels == label], PROTOTYPES, seed) for label in range(10)]
    directions = _directions(np.stack(centres))

    def logits(x: Floats) -> Floats:
        return np.asarray(TEMPERATURE * np.einsum("bd,cpd->bcp", _directions(x), directions).max(axis=2))

    return logits


def perceptron(data: Digits, seed: int = 0, *, overconfident: bool = False) -> ScoreNetwork:
    """Logits of a network 64-64-10: stopped early under weight decay, or trained until its training loss vanishes."""
    training = AdamTraining(300, 100, 1e-2, 0.0, seed) if overconfident else AdamTraining(30, 100, 3e-3, 0.1, seed)

    def slope(network: ScoreNetwork, rows: Labels) -> ScoreNetwork:
        chances = relative_exp(network(data.x[rows]))
        chances[np.arange(len(rows)), data.labels[rows]] -= 1.0
        return network.gradient(data.x[rows], chances / len(rows))

    return training.run(ScoreNetwork.drawn((64, 64, 10), seed), len(data.x), slope)


BACKBONES: Mapping[str, Callable[[Digits, int], Logits]] = MappingProxyType(
    {
        "prototypes": prototypes,
        "perceptron": perceptron,
        "overconfident": lambda data, seed: perceptron(data, seed, overconfident=True),
    }
)
"""Models of upright digits by name."""


def turned_digits(backbone: str = "prototypes", seed: int = 0) -> dict[str, float]:
    """Accuracies of a model of upright digits and of its read-outs over C_4, on 797 test digits.

    backbone : a name in BACKBONES.  Keys: "upright" and "turned" of the bare model (turned: digit i by i quarter
    turns); of the turned digits "equitune" (mean of logits), "equitune of probabilities",
    "equizero, max-score", "equizero, max-prob" and "lambda" (``fit_weights`` on the 1,000 training digits).
    """
    data = split_digits(seed)
    logits = BACKBONES[as_choice(backbone, "backbone", BACKBONES)](data, as_whole(seed, "seed"))
    rho = pixels(cyclic(4), 8)
    turned = rho.act(np.arange(len(data.test_x)) % 4, data.test_x)
    mean = symmetrise(logits, rho)

    def accuracy(model: Logits, x: Floats) -> float:
        return float((np.asarray(model(x)).argmax(axis=1) == data.test_labels).mean())

    return {
        "upright": accuracy(logits, data.test_x),
        "turned": accuracy(logits, turned),
        "equitune": accuracy(mean, turned),
        "equitune of probabilities": accuracy(symmetrise(lambda x: relative_exp(logits(x)), rho), turned),
        "equizero, max-score": accuracy(symmetrise(logits, rho, how="equizero", proxy="max-score"), turned),
        "equizero, max-prob": accuracy(symmetrise(logits, rho, how="equizero", proxy="max-prob"), turned),
        "lambda": accuracy(fit_weights(mean, data.x, data.labels), turned),
    }


@dataclass(frozen=True)
class HalfPlane(Gaussian):
    """The Gaussian given |x1| > |x2|, on R^2: the other half is swapped onto this one."""

    name = "half plane"

    def transform(self, normals: Floats) -> Floats:
        return _folded(super().transform(normals))

    def product_rule(self, d: int, order: int) -> tuple[Floats, Floats]:
        """Gauss-Hermite nodes, swapped onto the half plane."""
        nodes, weights = super().product_rule(d, order)
        return _folded(nodes), weights


def half_domain(seed: int = 0, n: int = 200, horizon: float = 200.0) -> dict[str, float]:
    """Mean squared errors of a vanilla student that has seen |x1| > |x2| only, off that domain.

    The target is the arbitrary teacher where |x1| > |x2|, continued to the rest by the swap. (x1 > x2 would not do: the
    sigmoid has Phi(-x) = 1 - Phi(x), and -1 maps that half plane onto the other.) Keys: "on" the domain; and off it
    "off" of the bare student, "equitune" (a quarter of "off": one of two views is right), "equizero" with the proxy
    |x2| - |x1| of the view, "lambda" with two weights on (|x1|, |x2|), "lambda, ensemble" with an ensemble on these.
    """
    teacher = reference_teacher("arbitrary")
    unit, law = teacher.unit, HalfPlane(teacher.scale)
    data = FunctionData(law, teacher.target, 2, 2, "the half domain")
    dynamics = NoisySGD(unit, "vanilla", data, tau=0.0, beta=0.0, dtype="float64")
    start = dynamics.init(init_particles(unit, "wi", n, seed), seed)
    student = (unit, dynamics.step(start, round(horizon * n)).z)
    on = law.draw(stream_key(seed, "teacher"), 0, HALF_JUDGES, 2)
    off, values = on[:, ::-1].copy(), teacher.target(on)
    mean = symmetrise(student)
    seen = law.draw(stream_key(seed, "teacher"), HALF_JUDGES, HALF_LABELS, 2)
    labels, other = teacher.target(seen), np.arange(HALF_LABELS) % 2 == 1
    seen[other], labels[other] = seen[other, ::-1], labels[other, ::-1]
    two = NetworkFit((), AdamTraining(200, 50, 0.5, 0.0, seed))
    many = EnsembleFit(UVUnit("tanh", trivial().trivial(2), trivial().trivial(1)), alpha=500.0, seed=seed)
    readers: dict[str, Logits] = {
        "off": mean.model,
        "equitune": mean,
        "equizero": symmetrise(
            student, how="equizero", reads="inputs", proxy=lambda x: np.abs(x[:, 1]) - np.abs(x[:, 0])
        ),
        "lambda": fit_weights(mean, seen, labels, loss="quadratic", by=two, features=np.abs),
        "lambda, ensemble": fit_weights(mean, seen, labels, loss="quadratic", by=many, features=np.abs),
    }
    errors = {"on": float(((mean.model(on) - values) ** 2).sum(axis=1).mean())}
    for name, reader in readers.items():
        errors[name] = float(((reader(off) - values[:, ::-1]) ** 2).sum(axis=1).mean())
    return errors


def k_means(x: Floats, count: int, seed: int = 0, restarts: int = 8, steps: int = 40) -> Floats:
    """Centres (count, d) by Lloyd's iterations from random rows, the best of some restarts by mean squared distance."""
    best, least = x[:count], np.inf
    for restart in range(restarts):
        centres = x[permutation(stream_key(seed, "init"), restart, len(x))[:count]]
        for _ in range(steps):
            nearest = ((x[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
            members = [x[nearest == k] for k in range(count)]
            centres = np.stack([own.mean(axis=0) if len(own) else centres[k] for k, own in enumerate(members)])
        cost = float(((x[:, None] - centres) ** 2).sum(axis=2).min(axis=1).mean())
        if cost < least:
            best, least = centres, cost
    return best


def _directions(x: Floats) -> Floats:
    return np.asarray(x / np.linalg.norm(x, axis=-1, keepdims=True))


def _folded(x: Floats) -> Floats:
    """Points of R^2 with |x1| >= |x2|: the others are swapped."""
    return np.where((np.abs(x[:, 0]) >= np.abs(x[:, 1]))[:, None], x, x[:, ::-1])
