"""Autoencoders of two mean-field ensembles whose latents a group moves, trained by noisy SGD on pairs x2 = g x1.

    E(x) = (1/N) sum_i sigma_E(x, e_i),    D(z) = (1/N) sum_i sigma_D(z, d_i),
    R(mu_E, mu_D) = E |x2 - D rho_g E x1|^2 + |x1 - D rho_g^-1 E x2|^2      (+ consistency and cycle, see LossWeights)
    e_i <- e_i - (alpha s(t) / N) [ N dR/de_i + 2 tau e_i ] + sqrt(2 alpha s(t) beta / N) xi_i,   and so for d_i

Each ensemble moves by N times the derivative of the risk, as one layer does (Maass Martínez & Fontbona 2024, section
2.1), so t = k / N is the time of both. The risk is that of Jin, Shrivastava & Fletcher, NeurIPS 2024, with any
representation rho; its derivative goes through rho_g by hand: rho_g is orthogonal, its pullback is rho_g^-1.
Every orthogonal Q that commutes with rho acts by (E, D) -> (Q E, D Q^T) and leaves the risk unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_choice, as_number, as_plain, as_times, as_whole
from mfsym.arguments.callables import check_schedule
from mfsym.configurations.names import DTYPES
from mfsym.dynamics.coders import Coder, RunningCoder
from mfsym.dynamics.sgd import Schedule, rates_of
from mfsym.dynamics.states import flow_through
from mfsym.engines.contract import in_precision
from mfsym.errors import MfsymError
from mfsym.latents.actions import LatentAction
from mfsym.latents.pairs import Pairs, PairSource
from mfsym.streams import Stream, stream, stream_key
from mfsym.typing import Floats
from mfsym.units import Unit

NAMES = ("encoder", "decoder")


def child(seed: int, name: str, replicate: int, which: str) -> Stream:
    """The stream of one ensemble: a child of the stream ``name`` of the replicate.  which : a name in NAMES."""
    return stream(seed, name, replicate).child(as_choice(which, "an ensemble", NAMES), 0)


@dataclass(frozen=True)
class LossWeights:
    """Weights >= 0 of the terms of the risk: each a mean over pairs, in units of |x|^2 or |z|^2.

    restriction : of |x2 - D rho_g E x1|^2 + |x1 - D rho_g^-1 E x2|^2.  consistency : of |rho_g E x1 - E x2|^2.
    cycle : of |z - E D z|^2 at z = rho_g E x1.
    """

    restriction: float = 1.0
    consistency: float = 0.0
    cycle: float = 0.0

    def __post_init__(self) -> None:
        for name in ("restriction", "consistency", "cycle"):
            object.__setattr__(self, name, as_number(getattr(self, name), f"weight of {name}", least=0.0))


@dataclass(frozen=True)
class AutoencoderState:
    """All that is needed to continue exactly.

    encoder : (N, p_E), decoder : (N, p_D) particles in the precision of the run.
    status : "ok", or "diverged" after ``diverged_step`` steps.
    projected : for each, whether its start lies in E^G of its unit; by default, noise is then projected on it.
    """

    encoder: NDArray[np.floating]
    decoder: NDArray[np.floating]
    step: int = 0
    seed: int = 0
    replicate: int = 0
    status: str = "ok"
    diverged_step: int | None = None
    projected: tuple[bool, bool] = (False, False)

    @property
    def z(self) -> NDArray[np.floating]:
        """(N, p_E + p_D): particles of the two ensembles side by side. Only the two laws matter, not who is beside
        whom."""
        return np.hstack([self.encoder, self.decoder])

    @property
    def time(self) -> float:
        """Mean-field time t = step / N."""
        return self.step / len(self.encoder)

    def __repr__(self) -> str:
        shapes = " and ".join(" x ".join(map(str, z.shape)) for z in (self.encoder, self.decoder))
        run = f"seed {self.seed}, replicate {self.replicate}"
        return f"<AutoencoderState t = {self.time:g}, {shapes} {self.encoder.dtype}, {self.status}, {run}>"


class Halves(NamedTuple):
    """The two coders of a run."""

    encoder: RunningCoder
    decoder: RunningCoder


class AutoencoderSGD:
    """Noisy SGD on an encoder and a decoder, each a mean-field ensemble, with latents that a group moves.

    encoder : Coder, or its unit, R^d -> R^k.  decoder : R^k -> R^d.  action : LatentAction on R^k.
    pairs : what draws (x1, x2, g), such as ``Pairs`` or ``digit_pairs``: a pure function of (seed, step).
    weights : of the terms of the risk.  batch_size : pairs per step.
    alpha, tau, beta, schedule, dtype ("float32" or "float64"), threads : as in ``NoisySGD``.

    >>> import mfsym as mf
    >>> rho = mf.so(2).charge(1) + mf.so(2).trivial(1)
    >>> pixels = mf.so(2).trivial(4)
    >>> x = np.eye(4)
    >>> dynamics = AutoencoderSGD(
    ...     mf.UVUnit("softplus", pixels, rho), mf.UVUnit("softplus", rho, pixels),
    ...     mf.LatentAction(rho), mf.Pairs(x, x, np.zeros(4)), batch_size=4, alpha=1.0,
    ... )
    >>> dynamics.step(dynamics.init(np.ones((8, 7)), np.ones((8, 7))), 4).time
    0.5
    """

    def __init__(
        self,
        encoder: Coder | Unit,
        decoder: Coder | Unit,
        action: LatentAction,
        pairs: PairSource,
        *,
        weights: LossWeights | None = None,
        alpha: float = 50.0,
        tau: float = 0.0,
        beta: float = 0.0,
        batch_size: int = 128,
        schedule: Schedule | None = None,
        dtype: str = "float32",
        threads: int = 1,
    ) -> None:
        self.encoder, self.decoder = (part if isinstance(part, Coder) else Coder(part) for part in (encoder, decoder))
        if not isinstance(action, LatentAction):
            raise MfsymError(f"action must be a LatentAction, whose rho_g is orthogonal, got {action!r:.60}")
        self.action, self.pairs = action, pairs.check(action) if isinstance(pairs, Pairs) else pairs
        wanted = {"encoder": (pairs.pixels, action.dim), "decoder": (action.dim, pairs.pixels)}
        for name, (d, c) in wanted.items():
            unit = getattr(self, name).unit
            if (unit.d, unit.c) != (d, c):
                raise MfsymError(f"the {name}'s unit must be R^{d} -> R^{c}, got R^{unit.d} -> R^{unit.c}")
        self.weights = LossWeights() if weights is None else weights
        self.alpha = as_number(alpha, "alpha", above=0.0)
        self.tau, self.beta = as_number(tau, "tau", least=0.0), as_number(beta, "beta", least=0.0)
        self.batch_size = as_whole(batch_size, "batch_size", 1)
        if schedule is not None:
            check_schedule(schedule)
        self.schedule = schedule
        self.dtype = np.dtype(as_choice(as_plain(dtype), "dtype", DTYPES))
        self.threads = as_whole(threads, "threads", 1)

    def __repr__(self) -> str:
        rates = f"alpha = {self.alpha:g}, tau = {self.tau:g}, beta = {self.beta:g}, B = {self.batch_size}"
        return f"<AutoencoderSGD {self.encoder!r}, {self.decoder!r}, {self.action!r}, {rates}>"

    def init(self, encoder: ArrayLike, decoder: ArrayLike, seed: int = 0, replicate: int = 0) -> AutoencoderState:
        """The state at time 0: particles (N, p_E) and (N, p_D), projected if a scheme works in E^G."""
        seed, replicate = as_whole(seed, "seed"), as_whole(replicate, "replicate")
        starts = self.encoder.start(encoder, self.dtype), self.decoder.start(decoder, self.dtype)
        if len(starts[0]) != len(starts[1]):
            raise MfsymError(
                f"encoder and decoder must have as many particles, so that t = k / N is the time of both, got "
                f"{len(starts[0])} and {len(starts[1])}"
            )
        if not all(np.isfinite(z).all() for z in starts):
            return AutoencoderState(*starts, seed=seed, replicate=replicate, status="diverged", diverged_step=0)
        fixed = self.encoder.begins_fixed(starts[0]), self.decoder.begins_fixed(starts[1])
        return AutoencoderState(*starts, seed=seed, replicate=replicate, projected=fixed)

    def step(self, state: AutoencoderState, n: int = 1) -> AutoencoderState:
        """The state n steps later; a diverged state is returned unchanged."""
        n = as_whole(n, "n")
        return state if state.status == "diverged" or n <= 0 else self._advance(state, n)

    def flow(self, start: AutoencoderState, times: Iterable[float]) -> Iterator[AutoencoderState]:
        """The states at increasing mean-field times (rounded to whole steps), one at a time.

        After a divergence every later time yields the diverged state.
        """
        return flow_through(self._advance, start, as_times(times))

    def encode(self, state: AutoencoderState, x: ArrayLike) -> Floats:
        """E(x) (M, k) at x (M, d), float64."""
        return self.encoder(x, state.encoder)

    def decode(self, state: AutoencoderState, z: ArrayLike) -> Floats:
        """D(z) (M, d) at latents z (M, k), float64."""
        return self.decoder(z, state.decoder)

    def _advance(self, state: AutoencoderState, n: int) -> AutoencoderState:
        halves = self._running(state, n)
        key = stream_key(state.seed, "data", state.replicate)
        reached, finite = state.step, True
        while finite and reached < state.step + n:
            with np.errstate(over="ignore", invalid="ignore"):
                finite = self._move(halves, *self.pairs.draw(key, reached, self.batch_size), reached - state.step)
            reached += 1
        ended = replace(
            state, encoder=halves.encoder.layer.particles(), decoder=halves.decoder.layer.particles(), step=reached
        )
        return ended if finite else replace(ended, status="diverged", diverged_step=reached)

    def _move(self, halves: Halves, x1: Floats, x2: Floats, g: Floats, s: int) -> bool:
        """Make step s of this run on one batch of pairs; false if the two maps are no longer finite."""
        (E, D), rho, weights, rate = halves, self.action, self.weights, 2.0 / len(x1)
        z1, z2 = np.split(E.forward(np.concatenate([x1, x2])), 2)
        ahead, back = rho.act(g, z1), rho.inverse(g, z2)
        y2, y1 = np.split(D.forward(np.concatenate([ahead, back])), 2)

        to_z2 = rate * weights.consistency * (z2 - ahead)
        to_ahead = -to_z2
        to_y2, to_y1 = rate * weights.restriction * (y2 - x2), rate * weights.restriction * (y1 - x1)
        if weights.cycle:
            again = len(x1) + len(x2)
            to_again = rate * weights.cycle * (E.forward(y2, again) - ahead)
            to_ahead = to_ahead - to_again
            to_y2 = to_y2 + E.pull(to_again, again)
        if not np.isfinite(to_y2).all() or not np.isfinite(to_y1).all():
            return False

        through_ahead, through_back = np.split(D.pull(np.concatenate([to_y2, to_y1])), 2)
        to_z1, to_z2 = rho.inverse(g, to_ahead + through_ahead), to_z2 + rho.act(g, through_back)
        E.pull(np.concatenate([to_z1, to_z2]), down=False)
        moved = D.move(s), E.move(s)
        return all(moved)

    def _running(self, state: AutoencoderState, n: int) -> Halves:
        """The coders with the particles of a state and the parameters of the next n steps."""
        rates = rates_of(self.alpha, self.beta, self.schedule, state.step, n, len(state.encoder))
        samples = self.batch_size * (3 if self.weights.cycle else 2)
        parts = []
        for name, projected in zip(NAMES, state.projected, strict=True):
            coder, z = getattr(self, name), getattr(state, name)
            key = child(state.seed, "noise", state.replicate, name).key
            parameters = coder.step_parameters(rates, self.tau, key, state.step, projected)
            parts.append(RunningCoder(coder, z, samples, in_precision(parameters, z.dtype), self.threads))
        return Halves(*parts)
