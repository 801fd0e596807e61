"""The path from noise to data that a diffusion model follows back: x_t = (1 - t) noise + t x_1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_floats, as_number, as_whole
from mfsym.errors import MfsymError

Floats = NDArray[np.float64]

SPREAD, SHIFT = 0.6, 1.5
"""Slope of the log odds of the times of an ODE against those of equal steps, and the odds by which they start later."""


@dataclass(frozen=True)
class Interpolant:
    """x_t = (1 - t) noise + t x_1 for t in [0, 1], with standard normal noise.

    A denoiser D(x, t) = E[x_1 | x_t = x] gives the velocity of the probability flow and the score. With diffusivity
    eta(t) = ``eta`` (1 - t) the law of dx = (v + eta(t) s) dt + sqrt(2 eta(t)) dw is that of x_t too, for every eta.
    Albergo, Boffi & Vanden-Eijnden 2023, arXiv:2303.08797.

    >>> Interpolant().velocity([0.0, 0.0], [1.0, 2.0], 0.5)
    array([2., 4.])
    """

    eta: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "eta", as_number(self.eta, "eta", least=0.0))

    def noisy(self, target: ArrayLike, noise: ArrayLike, t: float) -> Floats:
        """x_t of targets x_1 and noise of one shape."""
        t = as_number(t, "t", least=0.0)
        return np.asarray((1.0 - t) * as_floats(noise, "noise") + t * as_floats(target, "target"))

    def velocity(self, x: ArrayLike, denoised: ArrayLike, t: float) -> Floats:
        """v = (D - x) / (1 - t), for t < 1."""
        return np.asarray((as_floats(denoised, "denoised") - as_floats(x, "x")) / (1.0 - before_the_end(t)))

    def score(self, x: ArrayLike, denoised: ArrayLike, t: float) -> Floats:
        """s = -(x - t D) / (1 - t)^2, the gradient of the log density of x_t, for t < 1."""
        t = before_the_end(t)
        return np.asarray(-(as_floats(x, "x") - t * as_floats(denoised, "denoised")) / (1.0 - t) ** 2)

    def diffusivity(self, t: float) -> float:
        """eta(t) = eta (1 - t)."""
        return self.eta * (1.0 - as_number(t, "t", least=0.0))

    def times(self, steps: int) -> Floats:
        """The times (steps + 1,) of ``steps`` equal steps from 0 to 1: those of an SDE."""
        count = as_whole(steps, "steps", 1)
        return np.arange(count + 1) / count

    def flow_times(self, steps: int) -> Floats:
        """The times (steps + 1,) of ``steps`` steps of an ODE from 0 to 1, shortest about t = 0.4.

        log(t / (1 - t)) = SPREAD log(s / (1 - s)) - log SHIFT with s from 0 to 1 in equal steps. Samples choose their
        shape in the middle of the way; equal steps bias the populations more.
        """
        s = self.times(steps)
        ahead, left = s**SPREAD, SHIFT * (1.0 - s) ** SPREAD
        return np.asarray(ahead / (ahead + left))


def before_the_end(t: float) -> float:
    """A time in [0, 1); MfsymError otherwise: at t = 1 nothing is left to denoise."""
    found = as_number(t, "t", least=0.0)
    if found >= 1.0:
        raise MfsymError(f"t must be below 1, got {found:g}; at t = 1 the cloud is the data")
    return found
