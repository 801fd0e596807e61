"""What is benchmarked: one training of the reference experiment, given to every contender in the same words.

Matrix unit, sigmoid, C_2 by the swap on X = Y = R^2, teacher "wi", x ~ N(0, 16 I), B = 20, fresh samples every step,
noise on (Maass Martinez & Fontbona 2024, section 4 and appendix F).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.data.teachers import Data, reference_teacher
from mfsym.dynamics import NoisySGD
from mfsym.ensembles import init_particles
from mfsym.streams import normals, stream_key

Array = NDArray[Any]

ALPHA, TAU, BETA, BATCH, SCALE = 50.0, 1e-4, 1e-6, 20, 4.0
SCHEMES = ("vanilla", "da", "da-sampled", "fa", "ea")
SIZES = (5, 100, 1000, 5000, 50000)
REPLICATES = 10
P = 4


@dataclass(frozen=True)
class Case:
    """One training: N particles, a scheme, a precision, how many replicates run side by side, noise or none."""

    n: int
    scheme: str = "vanilla"
    dtype: str = "float32"
    replicates: int = 1
    noisy: bool = True

    @property
    def rate(self) -> float:
        """alpha / N."""
        return ALPHA / self.n

    @property
    def keep(self) -> float:
        """What the penalty leaves of a particle: 1 - 2 tau alpha / N."""
        return 1.0 - 2.0 * TAU * self.rate

    @property
    def amplitude(self) -> float:
        """sqrt(2 alpha beta / N), the size of the noise."""
        return float(np.sqrt(2.0 * ALPHA * BETA / self.n))

    @property
    def samples(self) -> int:
        """Samples of a step after the lift: 2 B where the orbit is taken, B elsewhere."""
        return BATCH * (2 if self.scheme in ("da", "fa") else 1)


@dataclass(frozen=True)
class OneStep:
    """A noiseless step on given data: particles z (N, 4), x (B, 2), y (B, 2), swaps (B,) of sampled augmentation."""

    z: Array
    x: Array
    y: Array
    swaps: Array


class GivenData(Data):
    """Data that are these samples."""

    name, d, c = "given", 2, 2

    def __init__(self, x: Array, y: Array) -> None:
        self.x, self.y = x, y

    def draw(self, key: NDArray[np.uint32], first: int, count: int) -> tuple[Array, Array]:
        return self.x[:count], self.y[:count]

    def target(self, x: object) -> Array:
        return self.y

    def quadrature(self, order: int = 1) -> tuple[Array, Array]:
        return self.x, np.full(len(self.x), 1.0 / len(self.x))


def teacher_particles() -> Array:
    """(10, 4) particles of the teacher "wi"."""
    return reference_teacher("wi").particles


def start(case: Case, replicate: int = 0) -> Array:
    """(N, 4) particles at time 0, in E^G for the equivariant architecture."""
    unit = reference_teacher("wi").unit
    return init_particles(unit, "si" if case.scheme == "ea" else "wi", case.n, 0, replicate)


def one_step(case: Case) -> OneStep:
    """The step on which contenders must agree: the swaps are those that mfsym's sampled augmentation draws."""
    teacher = reference_teacher("wi")
    x = SCALE * normals(stream_key(0, "data"), 0, BATCH, 2)
    y = teacher.target(x) + 0.1 * normals(stream_key(0, "teacher"), 0, BATCH, 2)
    draws = teacher.unit.rho_x.group.haar(stream_key(0, "haar"), 0, BATCH)
    swaps = teacher.unit.rho_x(draws)[:, 0, 1] > 0.5
    return OneStep(start(case), x, y, swaps)


def dynamics_of(case: Case, data: Data, beta: float = BETA, **options: Any) -> NoisySGD:
    """mfsym's dynamics of a case; ``options`` are those of NoisySGD, such as threads or engine."""
    unit = reference_teacher("wi").unit
    options |= {"alpha": ALPHA, "tau": TAU, "beta": beta if case.noisy else 0.0, "batch_size": BATCH}
    return NoisySGD(unit, case.scheme, data, dtype=case.dtype, **options)


def expected(case: Case, given: OneStep) -> Array:
    """(N, 4) particles after the noiseless step, by mfsym in double precision."""
    double = Case(case.n, case.scheme, "float64")
    dynamics = dynamics_of(double, GivenData(given.x, given.y), beta=0.0)
    return np.asarray(dynamics.step(dynamics.init(given.z), 1).z)


def lift(scheme: str, x: Array, y: Array, swaps: Array) -> tuple[Array, Array]:
    """Samples x (..., B, 2), y (..., B, 2) as a scheme presents them: x (..., M, 2), y (..., M or B, 2).

    swaps : (..., B) boolean, used by sampled augmentation. Feature averaging has the identity first, then the swap.
    """
    if scheme == "da":
        return np.concatenate([x, x[..., ::-1]], axis=-2), np.concatenate([y, y[..., ::-1]], axis=-2)
    if scheme == "fa":
        return np.concatenate([x, x[..., ::-1]], axis=-2), y
    if scheme == "da-sampled":
        chosen = swaps[..., None]
        return np.where(chosen, x[..., ::-1], x), np.where(chosen, y[..., ::-1], y)
    return x, y


def disagreement(case: Case, contender: Array, reference: Array) -> float:
    """Largest difference of a step from mfsym's, in units of the precision and of the largest parameter."""
    epsilon = np.finfo(case.dtype).eps
    scale = max(1.0, float(np.abs(reference).max()), case.rate)
    return float(np.abs(np.asarray(contender, dtype=np.float64) - reference).max() / (epsilon * scale))
