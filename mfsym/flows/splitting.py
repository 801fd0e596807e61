"""Splitting integrator for the McKean-Vlasov equation of a cloud: Runge-Kutta for the drift, kicks for the noise.

    dZ = -alpha s(t) D_z dF/dmu(Z) dt + sqrt(2 alpha s(t) beta) P dB,     mu = law of Z

A step of length h integrates the drift and applies the noise of its two halves as kicks at the two Gauss points (1/2 -+
1/sqrt(12)) h of the step. Weak order 2; the error is O(beta h^4 + beta^2 h^2) (McLachlan 1995, "Composition methods in
the presence of small parameters", BIT 35: order (4, 2)), so small noise costs little more than no noise. Kicks modulo
the group (``mfsym.dynamics.orbits``): aligned kicks keep this order in all invariants of the group; horizontal kicks
are projected where they begin, an Euler step of that noise, and have weak order 1.

The grid of steps is a function of the problem and of the last time: its intervals shrink with the stiffness of the
drift and do not depend on the other requested times. Each of those is reached by a shorter side step from the grid,
whose result is not used to continue.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np

from mfsym.errors import MfsymError
from mfsym.flows.paths import BrownianPath
from mfsym.typing import Floats

KICK = 0.5 - 1.0 / math.sqrt(12.0)
"""Share of a step before its first kick, and after its second."""

LONGEST = 1.0
"""Longest step, in mean-field time: the first interval of the Brownian path's construction."""

SHORTEST = 2.0**-24
"""Shortest step of the grid before it is halved."""

MOST = 1 << 20
"""Largest number of intervals in a grid."""

STIFFNESS = 16.0
"""Longest interval, in units of the shortest contraction time of the drift. Up to this length, kicks put enough noise
into every direction for step halving to detect the error."""


class NoisyFlow(Protocol):
    """The interface of a flow that the splitting integrates; beta is the temperature of its noise."""

    beta: float

    def rate(self, time: float) -> float:
        """alpha s(t)."""

    def drift(self, z: Floats, begin: float, end: float, first: float | None) -> tuple[Floats, float]:
        """The particles after the drift alone, and a first step for the next call; ``first`` is the first step here."""

    def kicked(self, z: Floats, size: float, increment: Floats) -> Floats:
        """The particles after the kick that the increment (rows, p) of the path gives them, times ``size``."""

    def curvature(self, z: Floats) -> float:
        """Estimate of the largest |D_z^2 dF/dmu| at z."""

    def size(self, z: Floats) -> tuple[float, float]:
        """E|z|^2 and the energy F at z."""

    def resolve(self, z: Floats) -> tuple[float, bool]:
        """Relative error of the drift at z, and whether the quadrature of the data was refined."""


@dataclass(frozen=True)
class ResumePoint:
    """The start of a step that contains a requested time, to resume from.

    z : (N, p) particles at the time ``now`` of the previous kick.
    begin : start of the step.
    first : first drift step.
    """

    z: Floats
    now: float
    begin: float
    first: float | None


@dataclass
class GridSolution:
    """A numerical solution of the flow, with ``parts`` steps in every interval of the grid.

    sizes : (K, 2) E|z|^2 and F at the ends of the intervals.
    requested : for every requested time, the index of its interval and the point to resume from.
    clouds : particles at both ends of intervals with requested times, by the index of the interval that begins there.
    forces : largest error of the drift at these ends, by the index of the interval.
    """

    parts: int
    sizes: list[tuple[float, float]] = field(default_factory=list)
    requested: list[tuple[int, ResumePoint]] = field(default_factory=list)
    clouds: dict[int, Floats] = field(default_factory=dict)
    forces: dict[int, float] = field(default_factory=dict)

    def error(self, other: GridSolution) -> float:
        """Largest relative difference of E|z|^2 and of F between two solutions."""
        a, b = np.array(self.sizes), np.array(other.sizes)
        return float((np.abs(a - b) / np.maximum(np.abs(a), 1e-300)).max())


@dataclass
class Grid:
    """Ends of the intervals, extended during the first solution.

    step : fixed length of the intervals, None to choose each by stiffness and noise.
    tolerance : for the noise.
    """

    flow: NoisyFlow
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
        """LONGEST if the noise in stiff directions is negligible, otherwise short enough to resolve it.

        A direction that decays within a step h carries noise of variance below alpha s beta h.
        """
        rate, held = self.flow.rate(time), z.shape[1] * self.flow.beta
        if held * max(1.0, rate * LONGEST) <= self.tolerance * min(self.flow.size(z)):
            return LONGEST
        return STIFFNESS / max(rate * self.flow.curvature(z), 1e-300)


def solve_on_grid(
    flow: NoisyFlow, path: BrownianPath, grid: Grid, z: Floats, times: Sequence[float], parts: int
) -> GridSolution:
    """The flow from particles z at the start of the grid to increasing times; the grid ends at the last time.

    Raises MfsymError if the particles stop being finite.
    """
    found, walk = GridSolution(parts), Stepper(flow, path)
    begin, before = grid.start, 0.0
    for k in range(MOST):
        end = min(grid.end(k, z), times[-1])
        inside = [time for time in times[len(found.requested) :] if time <= end]
        finer = True
        while finer:
            points, after = walk.interval(z, begin, end, inside, parts)
            force, finer = flow.resolve(after)
        found.sizes.append(flow.size(after))
        if inside:
            found.requested += [(k, point) for point in points]
            found.forces[k] = float(np.maximum(before, force))
            found.clouds |= {k: z, k + 1: after}
        if end == times[-1]:
            return found
        z, begin, before = after, end, force
    raise MfsymError(f"the flow needs more than {MOST} intervals to reach t = {times[-1]:g}; use an earlier last time")


class Stepper:
    """Steps along a path. The drift after the last kick of a step is merged with the drift before the next kick."""

    def __init__(self, flow: NoisyFlow, path: BrownianPath) -> None:
        self.flow, self.path = flow, path
        self.first: float | None = None

    def interval(
        self, z: Floats, begin: float, end: float, requested: Sequence[float], parts: int
    ) -> tuple[list[ResumePoint], Floats]:
        """The resume points of the requested times in (begin, end], and the particles at the end."""
        points: list[ResumePoint] = []
        ends = [begin + (end - begin) * j / parts for j in range(parts)]
        now, self.first = begin, None
        for a, b in pairwise([*ends, end]):
            points += [ResumePoint(z, now, a, self.first) for time in requested if a < time <= b]
            z, now, self.first = self._kicks(ResumePoint(z, now, a, self.first), b)
        z, self.first = self.flow.drift(z, now, end, self.first)
        return points, z

    def branch(self, point: ResumePoint, time: float) -> Floats:
        """The particles at ``time``, by one side step from the grid."""
        z, now, first = self._kicks(point, time)
        return self.flow.drift(z, now, time, first)[0]

    def _kicks(self, point: ResumePoint, end: float) -> tuple[Floats, float, float | None]:
        """The particles after the second kick of the step to ``end``, its time, and a first step for the next drift."""
        begin, h, z, now, first = point.begin, end - point.begin, point.z, point.now, point.first
        middle = 0.5 * (begin + end)
        for time, half in ((begin + KICK * h, (begin, middle)), (end - KICK * h, (middle, end))):
            z, first = self.flow.drift(z, now, time, first)
            size = math.sqrt(2.0 * self.flow.beta * self.flow.rate(time))
            z, now = self.flow.kicked(z, size, self.path.increment(*half)), time
        if not np.isfinite(z).all():
            raise MfsymError(f"the flow stopped being finite between t = {begin:g} and {end:g}; use a smaller alpha")
        return z, now, first
