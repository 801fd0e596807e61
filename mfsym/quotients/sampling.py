"""Sampling by a denoiser on a quotient: from noise to data by horizontal steps, or by conventional ones.

With D = D(x, t), the velocity v and the score s of the interpolant and eta = eta(t):

    quotient ODE   dx = P v dt
    quotient SDE   dx = P (v + eta s) dt + eta grad log vol dt + sqrt(2 eta) P dw

Xu et al. 2026 (arXiv:2604.21809), equations (7)-(9). Their equation (12), appendix E and algorithm 3 print the other
sign of grad log vol; ``curvature_sign`` = -1 shows what that gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_choice, as_floats, as_whole
from mfsym.errors import Diverged, MfsymError
from mfsym.kernels.noise import GROUP, draw_normals
from mfsym.quotients.interpolants import Interpolant
from mfsym.quotients.langevin import SAFE_CODIMENSION
from mfsym.quotients.orbits import Quotient
from mfsym.streams import stream_key

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Denoiser = Callable[[Floats, float], ArrayLike]

METHODS, INTEGRATORS, SIGNS = ("ode", "sde"), ("aligned", "drift", "plain"), (1, 0, -1)

STEPS = {"ode": 50, "sde": 100}
"""Default number of steps of each method."""

BLOCK = 16 * GROUP
"""Samples that are moved at once: memory does not grow with their number."""

LARGEST = 2**31
"""Numbers of samples are below this."""


@dataclass(frozen=True)
class Integration:
    """How a diffusion is followed from t = 0 to 1.

    method : "ode", the probability flow, or "sde".
    integrator : "aligned", the conventional step of the horizontal denoiser, then moved along its orbit to where it is
    nearest to the cloud before; "drift", projected noise with the drift eta grad log vol; "plain", the conventional
    step. An ODE has no noise: there aligned and drift are one and the same step along P v.
    curvature_sign : of eta grad log vol in the drift form; 1 is right, 0 leaves it out, -1 is as printed.
    steps : 50 of an ODE, 100 of an SDE if None.
    """

    method: str = "ode"
    integrator: str = "aligned"
    curvature_sign: int = 1
    steps: int | None = None

    def __post_init__(self) -> None:
        as_choice(self.method, "method", METHODS)
        as_choice(self.integrator, "integrator", INTEGRATORS)
        if self.curvature_sign not in SIGNS or isinstance(self.curvature_sign, bool):
            raise MfsymError(f"curvature_sign must be 1, 0 or -1, got {self.curvature_sign!r:.40}")
        if self.curvature_sign != 1 and (self.method, self.integrator) != ("sde", "drift"):
            raise MfsymError('curvature_sign has a meaning for method "sde" and integrator "drift" only; leave it out')
        steps = STEPS[self.method] if self.steps is None else as_whole(self.steps, "steps", 1, 10**6)
        object.__setattr__(self, "steps", steps)


class Samples(NamedTuple):
    """The output of a sampler.

    clouds : (N, p), or (N, n, d) for shapes.  singular_step : (N,) the step before which the orbit had lost dimension,
    where the drift form ends and leaves the cloud as it was; -1 where it never did.
    paths : (steps + 1, K, ...) of the first K samples.  times : (steps + 1,) of the steps.
    """

    clouds: Floats
    singular_step: Numbers
    paths: Floats
    times: Floats


def sample(
    denoiser: Denoiser,
    interpolant: Interpolant,
    quotient: Quotient,
    n: int = 1000,
    *,
    seed: int = 0,
    first: int = 0,
    paths: int = 0,
    **integration: Any,
) -> Samples:
    """n samples of a diffusion model on a quotient.

    denoiser : D(x, t) for clouds x (N, p) and t in [0, 1), (N, p).
    first : number of the first sample. Sample i is a function of (seed, i) alone: a run from ``first`` on continues one
    that ended there.  paths : of how many samples to keep every step.
    integration : method, integrator, curvature_sign, steps of ``Integration``.
    Raises MfsymError for anything out of range, a denoiser of another shape, and the drift form where singular orbits
    have a codimension in the quotient below 3; Diverged where the denoiser is not finite.
    """
    how = _integration(integration)
    _check_drift(how, quotient)
    count, begin = as_whole(n, "n", 1, LARGEST), as_whole(first, "first", 0, LARGEST)
    kept = as_whole(paths, "paths", 0, count)
    mover = _Mover(denoiser, interpolant, quotient, how, seed)
    clouds, singular = np.empty((count, quotient.dim)), np.full(count, -1, dtype=np.int64)
    trails = np.empty((int(how.steps or 0) + 1, kept, quotient.dim))
    start = begin
    while start < begin + count:
        size = min(BLOCK - start % BLOCK, begin + count - start)
        part = slice(start - begin, start - begin + size)
        for step, (x, singular[part]) in enumerate(mover.run(start, size)):
            within = min(kept, part.stop) - part.start
            if within > 0:
                trails[step, part.start : part.start + within] = x[:within]
        clouds[part] = x
        start += size
    shape = () if quotient.copies is None else (quotient.copies, quotient.point_dim or 1)
    return Samples(
        clouds.reshape(count, *(shape or (-1,))),
        singular,
        trails.reshape(len(trails), kept, *(shape or (quotient.dim,))),
        mover.times,
    )


def _integration(given: dict[str, Any]) -> Integration:
    for name in given:
        as_choice(name, "the name of an argument", Integration.__dataclass_fields__)
    return Integration(**given)


def _check_drift(how: Integration, quotient: Quotient) -> None:
    """Refuse the drift form where singular orbits are so near that its steps have no second moment."""
    codimension = quotient.singular_codimension
    if (how.method, how.integrator) == ("sde", "drift") and (codimension is None or codimension < SAFE_CODIMENSION):
        found = "not known" if codimension is None else f"{codimension:g}"
        raise MfsymError(
            f"the drift form needs singular orbits of codimension {SAFE_CODIMENSION} or more, got {found} for "
            f"{quotient!r}; use the integrator aligned"
        )


class _Mover:
    """The steps of one sampler, for blocks of samples."""

    def __init__(
        self, denoiser: Denoiser, interpolant: Interpolant, quotient: Quotient, how: Integration, seed: int
    ) -> None:
        self.denoiser, self.interpolant, self.quotient, self.how = denoiser, interpolant, quotient, how
        steps = int(how.steps or 1)
        self.times = interpolant.flow_times(steps) if how.method == "ode" else interpolant.times(steps)
        self.keys = {name: stream_key(seed, name) for name in ("init", "noise")}

    def run(self, first: int, count: int) -> Iterator[tuple[Floats, Numbers]]:
        """The clouds (count, p) before the first step and after every one, with the step where each became singular."""
        x = self._noise("init", 0, first, count)
        lost = np.full(count, -1, dtype=np.int64)
        guarded = self.how.method == "sde" and self.how.integrator == "drift"
        ranks = self.quotient.rank(x) if guarded else np.zeros(count, dtype=np.int64)
        yield x, lost
        for step, (t, later) in enumerate(pairwise(self.times)):
            if guarded:
                lost = np.where((lost < 0) & (self.quotient.rank(x) < ranks), step, lost)
            moved = self._stepped(x, float(t), float(later - t), first, step)
            x = np.where((lost >= 0)[:, None], x, moved) if guarded else moved
            yield x, lost

    def _noise(self, stream: str, step: int, first: int, count: int) -> Floats:
        """Standard normals (count, p) of the samples from ``first`` on; centred where the quotient is."""
        p, offset = self.quotient.dim, first % GROUP
        groups = -(-(offset + count) // GROUP)
        drawn = np.empty((2 * ((p + 1) // 2), groups * GROUP))
        draw_normals(self.keys[stream], step, first // GROUP, drawn)
        normals = np.ascontiguousarray(drawn[:p, offset : offset + count].T)
        if not self.quotient.centred:
            return normals
        points = normals.reshape(count, self.quotient.copies or 1, -1)
        return np.asarray((points - points.mean(axis=1, keepdims=True)).reshape(count, p))

    def _denoised(self, x: Floats, t: float, step: int) -> Floats:
        """D(x, t), projected to its horizontal part unless the integrator is "plain"."""
        found = as_floats(self.denoiser(x, t), "the denoiser's answer")
        if found.shape != x.shape:
            raise MfsymError(f"the denoiser must give an array of shape {x.shape} as x has, got {found.shape}")
        if not np.isfinite(found).all():
            raise Diverged(f"the denoiser gave NaN or inf at t = {t:g}; try more steps", step=step)
        return found if self.how.integrator == "plain" else self.quotient.project(x, found)

    def _stepped(self, x: Floats, t: float, h: float, first: int, step: int) -> Floats:
        """x one step of length h later."""
        denoised = self._denoised(x, t, step)
        velocity = self.interpolant.velocity(x, denoised, t)
        if self.how.method == "ode":
            return np.asarray(x + h * velocity)
        eta = self.interpolant.diffusivity(t)
        moved = x + h * (velocity + eta * self.interpolant.score(x, denoised, t))
        kick = np.sqrt(2.0 * eta * h) * self._noise("noise", step, first, len(x))
        if self.how.integrator == "drift":
            moved = moved + self.quotient.project(x, kick)
            if self.how.curvature_sign:
                moved = moved + self.how.curvature_sign * h * eta * self.quotient.grad_log_volume(x)
            return np.asarray(moved)
        moved = moved + kick
        return self.quotient.align(moved, x) if self.how.integrator == "aligned" else np.asarray(moved)
