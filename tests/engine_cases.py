"""Trainings that two engines must make alike: every scheme, unit, activation, loss and noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.data.datasets import SampleData
from mfsym.dynamics import NoisySGD, State
from mfsym.groups import cyclic, so
from mfsym.representations import Representation
from mfsym.schemes.mixtures import ViewTables, Weighing, mixture_loss
from mfsym.streams import normals, stream_key
from mfsym.units import Activation, Gated, MatrixUnit, MLPUnit, Normed, Unit, UserUnit, UVUnit

Floats = NDArray[np.float64]
KEY = stream_key(61, "init")
C2, C4, PLANE = cyclic(2), cyclic(4), so(2).vector()
SWAP = C2.permutation()
N, STEPS = 150, 200
OPTIONS = {"alpha": 3.0, "tau": 1e-2, "beta": 1e-3, "batch_size": 5, "dtype": "float64"}


def bump(x: Any, z: Any, out: Any) -> None:
    """A bump at (z_0, z_1) of height z_2, on C_4 acting on the plane."""
    out[0] = z[2] * np.exp(-((x[0] - z[0]) ** 2) - (x[1] - z[1]) ** 2)


def bump_pullback(x: Any, z: Any, r: Any, out: Any) -> None:
    """Its derivative in z."""
    height = np.exp(-((x[0] - z[0]) ** 2) - (x[1] - z[1]) ** 2)
    out[0] = r[0] * z[2] * height * 2.0 * (x[0] - z[0])
    out[1] = r[0] * z[2] * height * 2.0 * (x[1] - z[1])
    out[2] = r[0] * height


class Ridge(Unit):
    """v s(u.x) with s(a) = a / (1 + e^-a), a unit of one's own."""

    name = "ridge"

    def _induced_action(self) -> Representation:
        return self.rho_x + self.rho_y

    def _sigma(self, x: Floats, z: Floats) -> Floats:
        a = x @ z[:, : self.d].T
        return (a / (1.0 + np.exp(-a)))[:, :, None] * z[:, self.d :]

    def _pullback(self, x: Floats, z: Floats, r: Floats) -> Floats:
        a = x @ z[:, : self.d].T
        gate = 1.0 / (1.0 + np.exp(-a))
        slope = gate * (1.0 + a * (1.0 - gate))
        return np.hstack([(slope * (r @ z[:, self.d :].T)).T @ x, (a * gate).T @ r])


SOFTSIGN = Activation("softsign", lambda a: a / (1.0 + np.abs(a)), lambda a: 1.0 / (1.0 + np.abs(a)) ** 2)

UNITS: dict[str, Callable[[], Unit]] = {
    "matrix": lambda: MatrixUnit("sigmoid", SWAP, SWAP),
    "uv": lambda: UVUnit("tanh", SWAP, SWAP),
    "mlp": lambda: MLPUnit("tanh", SWAP, SWAP, [SWAP, [Gated(SWAP), Normed(SWAP, "tanh")]], output_bias=True),
    "user": lambda: UserUnit(bump, C4.vector(), C4.trivial(1), C4.vector() + C4.trivial(1), bump_pullback),
    "own unit": lambda: Ridge("identity", SWAP, SWAP),
    "own activation": lambda: MatrixUnit(SOFTSIGN, SWAP, SWAP),
}


@dataclass(frozen=True)
class EngineCase:
    """A training: a unit by name or an activation of the matrix unit, a scheme, a loss, and further options."""

    unit: str = "matrix"
    scheme: str = "vanilla"
    loss: str = "quadratic"
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return "-".join(
            [self.unit, self.scheme, self.loss, *(f"{name}={value}" for name, value in self.options.items())]
        )

    def made(self) -> Unit:
        """The unit."""
        if self.unit in UNITS:
            return UNITS[self.unit]()
        if self.unit == "plane":
            return UVUnit("tanh", PLANE, PLANE)
        return MatrixUnit(self.unit, SWAP, SWAP)

    def dynamics(self, **options: Any) -> NoisySGD:
        """The training."""
        unit = self.made()
        data = SampleData((1.5 * normals(KEY, 1, 64, unit.d), targets(self.loss, unit.c)))
        return NoisySGD(unit, self.scheme, data, loss=self.loss, **OPTIONS | self.options | options)


def targets(loss: str, c: int) -> Floats:
    """64 targets of a loss."""
    y = normals(KEY, 2, 64, c)
    if loss == "cross-entropy":
        return np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)
    return np.sign(y) if loss == "logistic" else y


def mixture(loss: str, **options: Any) -> NoisySGD:
    """Weights of a read-out over orbits of three views: the losses LIKELIHOOD and SQUARES of the kernels."""
    unit = UVUnit("tanh", C2.trivial(2), C2.trivial(1))
    features, masses = normals(KEY, 3, 64 * 3, 2).reshape(64, 3, 2), np.array([0.5, 0.3, 0.2])
    residuals = normals(KEY, 4, 64 * 3, 2).reshape(64, 3, 2)
    aims = np.exp(-np.abs(residuals[..., 0])) if loss == "cross-entropy" else residuals
    tables = ViewTables(features, aims, masses, loss)
    data = SampleData((features.reshape(64, -1), aims.reshape(64, -1)))
    return NoisySGD(unit, Weighing(unit, tables), data, loss=mixture_loss(tables), **OPTIONS | options)


def start_of(dynamics: NoisySGD, n: int = N) -> State:
    """A Gaussian start of n particles."""
    return dynamics.init(0.7 * normals(KEY, 5, n, dynamics.unit.p), 8, 3)


def distance(a: Any, b: Any) -> float:
    """The largest difference of two clouds, relative to the largest particle."""
    return float(np.abs(np.float64(a) - np.float64(b)).max() / np.abs(np.float64(b)).max())
