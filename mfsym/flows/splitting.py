"""The McKean-Vlasov equation of a cloud by splitting: the drift by Runge-Kutta, the noise in kicks.

    dZ = -alpha s(t) D_z dF/dmu(Z) dt + sqrt(2 alpha s(t) beta) P dB,     mu = law of Z

A step of length h follows the drift, and gives the noise of its two halves in kicks at the two Gauss points
(1/2 -+ 1/sqrt(12)) h of the step. Weak order 2; the error is O(beta h^4 + beta^2 h^2) (McLachlan 1995, "Composition
methods in the presence of small parameters", BIT 35: order (4, 2)), so that little noise costs little more than none.
Kicks modulo the group (``mfsym.dynamics.orbits``): aligned ones keep this order in all invariants of the group;
horizontal ones are projected where they begin, an Euler step of that noise, and the weak order is 1.

The grid of steps is a function of the problem and of the last time: its intervals shrink with the stiffness of the
drift, and never depend on the other times that are asked for. Those are reached by a shorter step that leaves the grid
and does not come back to it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError
from mfsym.flows.paths import BrownianPath

Floats = NDArray[np.float64]

KICK = 0.5 - 1.0 / math.sqrt(12.0)
"""Share of a step before its first kick; as much follows the second."""

LONGEST = 1.0
"""Longest step, in mean-field time: the interval that a Brownian path is drawn over first."""

SHORTEST = 2.0**-24
"""Shortest step of the grid before it is halved."""

MOST = 1 << 20
"""Most intervals of a grid."""

STIFFNESS = 16.0
"""An interval lasts at most this many of the shortest times in which the drift contracts: two kicks in each half of it
then still put so much noise into every direction that halving the steps tells what is missing."""


class Motion(Protocol):
    """What the splitting needs of a flow; beta is the temperature of its noise."""

    beta: float

    def rate(self, time: float) -> float:
        """alpha s(t)."""

    def drift(self, z: Floats, begin: float, end: float, first: float | None) -> tuple[Floats, float]:
        """The particles after the drift alone, and a first step to try next; ``first`` is the one to try here."""

    def kicked(self, z: Floats, size: float, increment: Floats) -> Floats:
        """The particles after the kick that the increment (rows, p) of the path gives them, times ``size``."""

    def curvature(self, z: Floats) -> float:
        """Largest |D_z^2 dF/dmu| at z, about."""

    def size(self, z: Floats) -> tuple[float, float]:
        """E|z|^2 and the energy F at z."""

    def resolve(self, z: Floats) -> tuple[float, bool]:
        """Relative error of the drift at z, and whether the quadrature of the data became finer for it."""


@dataclass(frozen=True)
class Pause:
    """Where a step of a course begins in which a time was asked for.

    z : (N, p) particles at the time ``now`` of the last kick before.  begin : of the step.  first : of its drift.
    """

    z: Floats
    now: float
    begin: float
    first: float | None


@dataclass
class Course:
    """One computation of the flow, with ``parts`` steps in every interval of the grid.

    sizes : (K, 2) E|z|^2 and F at the ends of the intervals.
    asked : for every asked time the number of its interval, and where to go on to it.
    clouds : particles at both ends of the intervals with asked times, by the number of the interval that begins there.
    forces : largest error of the drift at these ends, by the number of the interval.
    """

    parts: int
    sizes: list[tuple[float, float]] = field(default_factory=list)
    asked: list[tuple[int, Pause]] = field(default_factory=list)
    clouds: dict[int, Floats] = field(default_factory=dict)
    forces: dict[int, float] = field(default_factory=dict)

    def error(self, other: Course) -> float:
        """Largest relative difference of E|z|^2 and of F between two courses."""
        a, b = np.array(self.sizes), np.array(other.sizes)
        return float((np.abs(a - b) / np.maximum(np.abs(a), 1e-300)).max())


@dataclass
class Grid:
    """Ends of the intervals from the start on, extended as the first course goes on.

    step : fixed length of the intervals, None to choose each by stiffness and noise.  tolerance : of the noise.
    """

    motion: Motion
    start: float
    step: float | None
    tolerance: float
    ends: list[float] = field(default_factory=list)

    def end(self, k: int, z: Floats) -> float:
        """End of interval k, which begins with particles z: the next multiple of a power of two."""
        if k == len(self.ends):
            begin = self.ends[-1] if self.ends else self.start
            length = self._length(begin, z)
            self.ends.append((math.floor(begin / length) + 1) * length)
        return self.ends[k]

    def _length(self, time: float, z: Floats) -> float:
        wanted = self._wanted(time, z) if self.step is None else self.step
        return float(2.0 ** math.floor(math.log2(min(max(wanted, SHORTEST), LONGEST))))

    def _wanted(self, time: float, z: Floats) -> float:
        """As long as stiff directions hold too little noise to matter, otherwise as short as they need.

        A direction that decays within a step h holds noise of variance below alpha s beta h.
        """
        rate, held = self.motion.rate(time), z.shape[1] * self.motion.beta
        if held * max(1.0, rate * LONGEST) <= self.tolerance * min(self.motion.size(z)):
            return LONGEST
        return STIFFNESS / max(rate * self.motion.curvature(z), 1e-300)


def course(motion: Motion, path: BrownianPath, grid: Grid, z: Floats, times: Sequence[float], parts: int) -> Course:
    """The flow to increasing times after the start of the grid, from particles z there; the last closes the grid.

    Raises MfsymError where the particles stop being finite.
    """
    found, walk = Course(parts), Walk(motion, path)
    begin, before = grid.start, 0.0
    for k in range(MOST):
        end = min(grid.end(k, z), times[-1])
        inside = [time for time in times[len(found.asked) :] if time <= end]
        finer = True
        while finer:
            pauses, after = walk.interval(z, begin, end, inside, parts)
            force, finer = motion.resolve(after)
        found.sizes.append(motion.size(after))
        if inside:
            found.asked += [(k, pause) for pause in pauses]
            found.forces[k] = float(np.maximum(before, force))
            found.clouds |= {k: z, k + 1: after}
        if end == times[-1]:
            return found
        z, begin, before = after, end, force
    raise MfsymError(f"the flow needs more than {MOST} intervals to t = {times[-1]:g}; ask for a shorter one")


class Walk:
    """Steps along a path. The drift after the last kick of a step is done together with that before the next."""

    def __init__(self, motion: Motion, path: BrownianPath) -> None:
        self.motion, self.path = motion, path
        self.first: float | None = None

    def interval(
        self, z: Floats, begin: float, end: float, asked: Sequence[float], parts: int
    ) -> tuple[list[Pause], Floats]:
        """Where to go on to each of the asked times in (begin, end], and the particles at the end."""
        pauses: list[Pause] = []
        ends = [begin + (end - begin) * j / parts for j in range(parts)]
        now, self.first = begin, None
        for a, b in pairwise([*ends, end]):
            pauses += [Pause(z, now, a, self.first) for time in asked if a < time <= b]
            z, now, self.first = self._kicks(Pause(z, now, a, self.first), b)
        z, self.first = self.motion.drift(z, now, end, self.first)
        return pauses, z

    def branch(self, pause: Pause, time: float) -> Floats:
        """The particles at ``time`` by one step that leaves the grid."""
        z, now, first = self._kicks(pause, time)
        return self.motion.drift(z, now, time, first)[0]

    def _kicks(self, pause: Pause, end: float) -> tuple[Floats, float, float | None]:
        """The particles after the second kick of the step to ``end``, its time, and a first step of the next drift."""
        begin, h, z, now, first = pause.begin, end - pause.begin, pause.z, pause.now, pause.first
        middle = 0.5 * (begin + end)
        for time, half in ((begin + KICK * h, (begin, middle)), (end - KICK * h, (middle, end))):
            z, first = self.motion.drift(z, now, time, first)
            size = math.sqrt(2.0 * self.motion.beta * self.motion.rate(time))
            z, now = self.motion.kicked(z, size, self.path.increment(*half)), time
        if not np.isfinite(z).all():
            raise MfsymError(f"the flow stopped being finite between t = {begin:g} and {end:g}; use a smaller alpha")
        return z, now, first
