"""Noise modulo the group: how the orbits of particles under the unit's action M shape their noise.

A step of isotropic noise is z' = z + force + kick, kick = a xi. With P_z the projection off the orbit of z and vol(z)
the volume of that orbit:

    horizontal   z' = z + force + P_z kick           (Menon, Stromme & Vacher 2026, arXiv:2602.12257)
    quotient     z' = the point of the orbit of z + force + kick that is nearest to z
    drift-form   z' = z + force + P_z kick + (a^2 / 2) grad log vol(z)

The invariants of quotient noise are those of isotropic noise: it is the same law on R^p / G, without motion along
orbits. The drift form has this law for small steps. Horizontal noise has another one: it lacks the drift beta grad log
vol, and favours small orbits. Where orbits are points all of them are isotropic noise.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mfsym.dynamics.noises import NOISES, Noise
from mfsym.dynamics.states import State
from mfsym.engines import Engine, LiftedBatches, StepParameters
from mfsym.errors import MfsymError
from mfsym.kernels.noise import GROUP, draw_normals
from mfsym.quotients import Quotient
from mfsym.quotients.kernels.steps import FAR
from mfsym.quotients.langevin import SAFE_CODIMENSION
from mfsym.representations import Representation

Floats = NDArray[np.float64]


class OrbitNoise:
    """A kind of noise on a quotient.

    kind : horizontal or aligned.  quotient : of R^p by the action on particles.
    Raises MfsymError for a curvature drift whose steps near singular orbits have no second moment.
    """

    def __init__(self, kind: Noise, quotient: Quotient) -> None:
        self.kind, self.quotient = kind, quotient
        codimension = quotient.singular_codimension if kind.curvature else SAFE_CODIMENSION
        if codimension is None or codimension < SAFE_CODIMENSION:
            found = "not known" if codimension is None else f"{codimension:g}"
            raise MfsymError(
                f"noise {kind.said!r} needs singular orbits of codimension {SAFE_CODIMENSION} or more, got {found} for "
                f"{quotient!r}: steps near them have no second moment; use noise 'quotient', which has the same law"
            )

    def after(self, z: Floats, forced: Floats, kick: Floats) -> Floats:
        """Particles (N, p) after the kick of a step from z that force alone takes to ``forced``; no curvature drift.

        Those at FAR or beyond, of a run that diverges, are kicked as if without orbits.
        """
        near, moved = _near(np.maximum(np.abs(z), np.abs(forced))), forced + kick
        if self.kind.aligned:
            moved[near] = self.quotient.align(moved[near], z[near])
        else:
            moved[near] = forced[near] + self.quotient.project(z[near], kick[near])
        return moved

    def pull(self, z: Floats) -> Floats:
        """c grad log vol (N, p) at particles z: the curvature drift at temperature 1."""
        pull, near = np.zeros_like(z), _near(z)
        pull[near] = self.kind.curvature * self.quotient.grad_log_volume(z[near])
        return pull

    def is_singular(self, z: Floats) -> bool:
        """Whether noise is projected at a particle of z (N, p) whose orbit has less than the full dimension."""
        if not self.kind.horizontal:
            return False
        return bool((self.quotient.rank(z[_near(z)]) < self.quotient.generic_rank).any())


def orbit_noise(name: str, action: Representation) -> OrbitNoise | None:
    """The noise of this name modulo the group of an action; None for a noise that orbits do not change.

    Such are isotropic and fixed noise, and horizontal noise where all orbits are points, as with a finite group.
    """
    kind = NOISES.get(name)
    if kind is None or not (kind.horizontal or kind.aligned):
        return None
    if not action.group.dimension and kind.horizontal:
        return None
    return OrbitNoise(kind, Quotient(action))


class OrbitEngine:
    """An engine whose steps have noise modulo a group; keeps the contract of ``Engine``.

    engine : makes each step without noise; NumPy adds the noise, the same normals as without orbits, in float64.
    singular_step : first step at which a particle was singular (``OrbitNoise.is_singular``), None if there was none.
    """

    def __init__(self, engine: Engine, noise: OrbitNoise) -> None:
        self.engine, self.noise = engine, noise
        self.finite = engine.finite
        self.singular_step: int | None = None

    def load(self, z: NDArray[np.floating]) -> None:
        """Take particles z (N, p)."""
        self.engine.load(z)
        self.finite = self.engine.finite

    def particles(self) -> NDArray[np.floating]:
        """The particles (N, p), in the precision of the run."""
        return self.engine.particles()

    def advance(self, batches: LiftedBatches, parameters: StepParameters) -> int:
        """Make the S steps of the batches; how many were made until the state stopped being finite, else S."""
        quiet = parameters.rates * [1.0, 0.0]
        for s in range(len(batches.x)):
            step, z = parameters.step + s, self.particles()
            told = parameters._replace(rates=quiet[s : s + 1], step=step)
            done = self.engine.advance(batches.at(s), told)
            if self.engine.finite:
                self._kick(z, step, parameters.rates[s, 1], parameters)
            self.finite = self.engine.finite
            if not self.finite:
                return s + done
        return len(batches.x)

    def marked(self, state: State) -> State:
        """The state with the singular step of this engine, if that is its first; "ok" becomes "singular"."""
        step = self.singular_step if state.singular_step is None else state.singular_step
        status = "singular" if step is not None and state.status == "ok" else state.status
        return replace(state, status=status, singular_step=step)

    def _kick(self, z: NDArray[np.floating], step: int, amplitude: float, parameters: StepParameters) -> None:
        """Give the particles, which force took from z to where they are, their noise."""
        before, forced = z.astype(np.float64), self.particles().astype(np.float64)
        normals = _normals(parameters, step, z)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.noise.kind.curvature:
                forced += 0.5 * amplitude**2 * self.noise.pull(before)
            kick = amplitude * (normals @ parameters.noise_map.T)
            self.engine.load(self.noise.after(before, forced, kick).astype(z.dtype))
        if self.singular_step is None and self.noise.is_singular(before):
            self.singular_step = step


def _near(z: Floats) -> slice | NDArray[np.bool_]:
    """The particles (N, p) nearer than FAR, all of them as a slice: products of squares of the others overflow."""
    near = np.abs(z) < FAR
    return slice(None) if near.all() else np.asarray(near.all(axis=1))


def _normals(parameters: StepParameters, step: int, z: NDArray[np.floating]) -> Floats:
    """The standard normals (N, m) that the engine would draw for particles z (N, p) at this step."""
    n, m = len(z), parameters.noise_map.shape[1]
    drawn = np.empty((2 * ((m + 1) // 2), -(-n // GROUP) * GROUP), z.dtype)
    draw_normals(parameters.key, step, 0, drawn)
    return np.ascontiguousarray(drawn[:m, :n].T, dtype=np.float64)
