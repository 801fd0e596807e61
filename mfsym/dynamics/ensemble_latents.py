"""Training of an encoder and a decoder that are mean-field ensembles of uv units, under a latent action."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_number, as_whole
from mfsym.dynamics.autoencoders import NAMES, AutoencoderSGD, AutoencoderState, LossWeights, child
from mfsym.dynamics.coders import Coder
from mfsym.ensembles import gaussian
from mfsym.errors import Diverged
from mfsym.latents.actions import LatentAction
from mfsym.latents.pairs import PairSource
from mfsym.streams import stream_key
from mfsym.typing import Floats
from mfsym.units import UVUnit

ACTIVATION = "softplus"

SCALED_BY = 1024
"""Training pairs whose root mean square sets the gain of the encoder."""


@dataclass(frozen=True)
class EnsembleTraining:
    """Plain SGD on two ensembles of n softplus uv units each, which begin as draws from N(0, I).

    rate : alpha = rate N, so a step moves a particle by ``rate`` times N times the derivative of the risk. 1/12 is 12 N
    for the risk per pixel of 12 x 12 pixels.  weights : of the terms of the risk.  batch_size : pairs per step.
    tau, beta, dtype, threads : as in ``NoisySGD``.
    """

    n: int = 512
    steps: int = 8000
    rate: float = 1.0 / 12.0
    batch_size: int = 128
    weights: LossWeights = field(default_factory=LossWeights)
    tau: float = 0.0
    beta: float = 0.0
    seed: int = 0
    dtype: str = "float32"
    threads: int = 1

    def dynamics(self, action: LatentAction, pairs: PairSource) -> AutoencoderSGD:
        """The dynamics on these pairs. Pixels do not turn in the units: the group acts on latents alone."""
        x = pairs.draw(stream_key(self.seed, "nodes"), 0, SCALED_BY)[0]
        size = max(float(np.sqrt(np.mean(x**2))), float(np.finfo(np.float32).tiny))
        return AutoencoderSGD(
            *latent_coders(action, pairs.pixels, (pairs.pixels**0.5 / size, float(action.dim))),
            action,
            pairs,
            weights=self.weights,
            alpha=as_number(self.rate, "rate", above=0.0) * as_whole(self.n, "n", 1),
            tau=self.tau,
            beta=self.beta,
            batch_size=self.batch_size,
            dtype=self.dtype,
            threads=self.threads,
        )

    def start(self, dynamics: AutoencoderSGD) -> AutoencoderState:
        """The state at time 0."""
        sizes = zip(NAMES, (dynamics.encoder, dynamics.decoder), strict=True)
        draws = [gaussian(child(self.seed, "init", 0, name).key, self.n, each.unit.p, 1.0) for name, each in sizes]
        return dynamics.init(draws[0], draws[1], self.seed)


class TrainedEnsembles:
    """An encoder and a decoder with their particles (N, p), p = d + k: ``encode``, ``decode``, and the units' laws."""

    def __init__(self, coders: tuple[Coder, Coder], particles: tuple[ArrayLike, ArrayLike]) -> None:
        self.coders = coders
        self.particles = (np.asarray(particles[0], np.float64), np.asarray(particles[1], np.float64))

    def encode(self, x: ArrayLike) -> Floats:
        """E(x) (M, k) at x (M, d), float64."""
        return self.coders[0](x, self.particles[0])

    def decode(self, z: ArrayLike) -> Floats:
        """D(z) (M, d) at latents z (M, k), float64."""
        return self.coders[1](z, self.particles[1])

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """All that ``from_arrays`` needs beside the action."""
        gains = np.array([coder.gain for coder in self.coders])
        return {"encoder": self.particles[0], "decoder": self.particles[1], "gains": gains}

    @classmethod
    def from_arrays(cls, action: LatentAction, arrays: Mapping[str, ArrayLike]) -> TrainedEnsembles:
        """The pair of maps that ``to_arrays`` gave."""
        encoder, decoder = (np.asarray(arrays[name], dtype=np.float64) for name in NAMES)
        gains = np.asarray(arrays["gains"], dtype=np.float64)
        pixels = encoder.shape[1] - action.dim
        return cls(latent_coders(action, pixels, (float(gains[0]), float(gains[1]))), (encoder, decoder))


def latent_coders(action: LatentAction, pixels: int, gains: tuple[float, float]) -> tuple[Coder, Coder]:
    """Encoder and decoder of softplus uv units. The group acts by M_g (u, v) = (u, rho_g v) on the encoder's particles
    and by (rho_g u, v) on the decoder's: on both at once it leaves the risk of an abelian group alone."""
    still = action.group.trivial(pixels)
    encoder, decoder = UVUnit(ACTIVATION, still, action.rep), UVUnit(ACTIVATION, action.rep, still)
    return Coder(encoder, gain=gains[0]), Coder(decoder, gain=gains[1])


def train_ensembles(
    action: LatentAction, pairs: PairSource, training: EnsembleTraining, steps: Iterable[int] | None = None
) -> Iterator[tuple[int, TrainedEnsembles]]:
    """The number of steps done and the maps after them, for increasing numbers of steps; by default at the end.

    Raises Diverged, and MfsymError for steps that decrease.
    """
    dynamics = training.dynamics(action, pairs)
    wanted = [as_whole(training.steps, "steps", 1)] if steps is None else list(steps)
    for state in dynamics.flow(training.start(dynamics), [count / training.n for count in wanted]):
        if state.status == "diverged":
            raise Diverged(f"the ensembles diverged at step {state.diverged_step}; lower the rate", step=state.step)
        yield state.step, TrainedEnsembles((dynamics.encoder, dynamics.decoder), (state.encoder, state.decoder))
