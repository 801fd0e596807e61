"""Small trainings that several laws share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfsym.data.teachers import Data, Teacher
from mfsym.dynamics import NoisySGD, State
from mfsym.ensembles import Ensemble
from mfsym.streams import normals, stream_key
from mfsym.units import Unit

Floats = NDArray[np.float64]
KEY = stream_key(17, "teacher")

KINDS = ("matrix", "uv")
"""Shallow units, those the reference teachers exist for."""

EXACT = ("da", "fa", "ea")
"""Schemes that never leave E^G."""


@dataclass
class Sample(Data):
    """A finite sample x (B, d), y (B, c), presented whole at every step: the empirical law as the data law.

    calls : the (first, count) that were asked for.
    """

    x: Floats
    y: Floats
    name: str = "sample"

    def __post_init__(self) -> None:
        self.d, self.c = self.x.shape[1], self.y.shape[1]
        self.calls: list[tuple[int, int]] = []

    def draw(self, key, first, count):
        self.calls.append((first, count))
        index = np.arange(first, first + count) % len(self.x)
        return self.x[index], self.y[index]

    def target(self, x):
        raise LookupError("a finite sample has no target elsewhere")

    def quadrature(self, order=0):
        return self.x, np.full(len(self.x), 1.0 / len(self.x))


def asymmetric_teacher(unit: Unit, scale: float = 1.0) -> Teacher:
    """A teacher of three generic particles."""
    return Teacher(unit, normals(KEY, 0, 3, unit.p), scale)


def symmetric_teacher(unit: Unit, scale: float = 1.0) -> Teacher:
    """A teacher whose law is invariant under a finite group: three particles and all their images."""
    return Teacher(unit, Ensemble(normals(KEY, 0, 3, unit.p)).orbit(unit.action).z, scale)


def closed_sample(unit: Unit, target: Teacher, count: int = 3) -> Sample:
    """A sample closed under a finite group on inputs; closed as a law of (x, y) iff the target is equivariant."""
    x = Ensemble(1.5 * normals(KEY, 1, count, unit.d)).orbit(unit.rho_x).z
    return Sample(x, target.target(x))


def generic_sample(unit: Unit, batch: int = 4) -> Sample:
    """A sample without any symmetry."""
    return Sample(1.5 * normals(KEY, 2, batch, unit.d), normals(KEY, 3, batch, unit.c))


def force(unit: Unit, scheme: str, data: Sample, z: Floats, n_steps: int = 1) -> Floats:
    """The engine's bracket (N, p) of one noiseless step without penalty, at the particles z (N, p)."""
    quiet = NoisySGD(unit, scheme, data, alpha=1.0, tau=0.0, beta=0.0, batch_size=len(data.x), dtype="float64")
    start = quiet.init(z)
    return (start.z - quiet.step(start, n_steps).z) * len(z)


def trained(unit: Unit, scheme: str, data: Data, z: Floats, steps: int, **options) -> State:
    """The float64 state after some steps from the particles z, with the seed 5."""
    dynamics = NoisySGD(unit, scheme, data, **{"dtype": "float64", **options})
    return dynamics.step(dynamics.init(z, seed=5), steps)
