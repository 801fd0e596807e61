"""The dynamics of the limit law: the mean-field flow or, with noise, the McKean-Vlasov equation.

    dZ = -alpha s(t) D_z dF/dmu(Z) dt + sqrt(2 alpha s(t) beta) P dB,     mu = law of Z

with P = I, the projection on E^G, or the horizontal one at Z; or modulo the group (``mfsym.dynamics.orbits``).
(Maass Martínez & Fontbona 2024, equations (1) and (4).) Particles of equal weight represent the law. Without noise:
embedded Runge-Kutta in mean-field time; the identity F(0) - F(t) = integral of alpha s E|D_z dF/dmu|^2 is integrated
along as a check. With noise: the splitting of ``mfsym.flows.splitting``, with noise that is antithetic and closed under
the symmetry of the start cloud.

With noise, the time step adds an error. The flow is computed twice on the same Brownian path, the second time with half
the step, and the step is halved until E|z|^2 and F change by less than ``time_tolerance`` of their size at every end of
an interval of the grid. The change at the last halving is the stated error; it exceeds the remaining error wherever
halving reduces it. It includes the fluctuations of finitely many particles, of order h / N^(1/2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mfsym.arguments import as_choice, as_floats, as_number, as_times, as_whole
from mfsym.arguments.callables import as_factors, check_schedule
from mfsym.configurations.names import AUTO, ENGINES, INTEGRATORS
from mfsym.data.teachers import Data
from mfsym.dynamics.noises import noise_name
from mfsym.dynamics.orbits import orbit_noise
from mfsym.dynamics.precision import starts_in
from mfsym.dynamics.states import FlowState
from mfsym.errors import MfsymError
from mfsym.flows.paths import BrownianPath
from mfsym.flows.populations import Population
from mfsym.flows.splitting import Grid, Stepper, solve_on_grid
from mfsym.flows.starts import StartCloud
from mfsym.schemes import AnyScheme
from mfsym.streams import normals, stream_key
from mfsym.typing import Floats
from mfsym.units import Unit

MAX_LEVEL = 16
"""Largest number of halvings of the noisy step, before the first computation and after it."""

DRIFT_SHARE = 1e-3
"""Share of ``time_tolerance`` for the drift between two kicks: its relative tolerance is at least this share."""

POWER_ITERATIONS = 12
"""Power iterations, each one gradient difference, that estimate the stiffness of the flow."""


@dataclass(frozen=True)
class Accuracy:
    """Numerical accuracy of a flow.

    order : of the data's quadrature, or None to refine it until the gradient changes by less than ``force_tolerance``
    (relative to its size at the start), at the start and at every time that is asked for (with noise: at the ends of
    the intervals of its grid).
    method : a name in INTEGRATORS, None for DOP853 without noise and RK45 with it.  rtol, atol : of its error control.
    max_step : its largest step, and its first.
    time_tolerance : with noise, the steps are halved until E|z|^2 and F change by less than this share of their size.
    halvings : largest number of halvings after the first; if they do not suffice, ``time_error`` exceeds the tolerance.
    noise_step : length of the intervals of the noisy grid, rounded down to a power of two of at most 1; None to adapt
    to the stiffness of the drift.
    level : the first steps are 2^-level of an interval.
    """

    order: int | None = None
    force_tolerance: float = 1e-6
    method: str | None = None
    rtol: float = 1e-8
    atol: float = 1e-10
    max_step: float | None = None
    noise_step: float | None = None
    level: int = 0
    time_tolerance: float = 1e-2
    halvings: int = 6

    def __post_init__(self) -> None:
        if self.method is not None:
            as_choice(self.method, "method", INTEGRATORS)
        found: dict[str, float] = {
            name: as_whole(getattr(self, name), name, 0, MAX_LEVEL) for name in ("level", "halvings")
        }
        positive = ("force_tolerance", "rtol", "time_tolerance")
        found |= {name: as_number(getattr(self, name), name, above=0.0) for name in positive}
        found["atol"] = as_number(self.atol, "atol", least=0.0)
        if self.order is not None:
            found["order"] = as_whole(self.order, "order", 1)
        for name in ("max_step", "noise_step"):
            if getattr(self, name) is not None:
                found[name] = as_number(getattr(self, name), name, above=0.0)
        for name, value in found.items():
            object.__setattr__(self, name, value)


class MeanFieldFlow:
    """The N -> infinity limit of ``NoisySGD``, with the same parameter names but no samples and no batches.

    unit, scheme, data, alpha, tau, beta, schedule, noise : as there.  former : ``projected_noise``, as there.
    accuracy : of quadrature and time.  seed, replicate : of the noise.
    engine : "numba", or "jax" for the population gradient on JAX's device, in double precision.

    >>> from mfsym.data.teachers import reference_teacher
    >>> teacher = reference_teacher("wi")
    >>> flow = MeanFieldFlow(teacher.unit, "vanilla", teacher, accuracy=Accuracy(order=20))
    >>> [state.time for state in flow.flow(flow.init(np.zeros((1, 4))), [0.0, 0.5])]
    [0.0, 0.5]
    """

    def __init__(
        self,
        unit: Unit,
        scheme: AnyScheme,
        data: Data,
        *,
        alpha: float = 50.0,
        tau: float = 1e-4,
        beta: float = 0.0,
        schedule: Callable[[Floats], Floats] | None = None,
        accuracy: Accuracy | None = None,
        seed: int = 0,
        replicate: int = 0,
        noise: str = AUTO,
        engine: str = ENGINES[0],
        **former: bool | None,
    ) -> None:
        tau, self.alpha = as_number(tau, "tau", least=0.0), as_number(alpha, "alpha", above=0.0)
        self.beta, self.schedule = as_number(beta, "beta", least=0.0), schedule
        self.accuracy = Accuracy() if accuracy is None else accuracy
        self.population = Population(unit, scheme, data, tau=tau, order=self.accuracy.order, engine=engine)
        if schedule is not None:
            check_schedule(schedule)
        self.key = stream_key(seed, "noise", replicate)
        named = noise_name(noise, former.pop("projected_noise", None))
        if former:
            raise TypeError(f"{type(self).__name__} got an unexpected keyword argument {next(iter(former))!r}")
        self.noise_name = named if self.population.projector is None else "fixed"
        self.orbits = orbit_noise(self.noise_name, unit.action) if self.beta > 0.0 else None
        self.noise_projector: Floats | None = None
        self.closure: Floats = np.eye(unit.p)[None]
        self.scale: float | None = None
        self.evaluations = 0

    def init(self, start: StartCloud | ArrayLike) -> FlowState:
        """The state at time 0 from a StartCloud or particles (N, p), projected if the scheme works in E^G."""
        cloud = start if isinstance(start, StartCloud) else None
        z = as_floats(cloud.z if cloud is not None else start, "particles")
        p = self.population.unit.p
        if z.ndim != 2 or z.shape[0] < 1 or z.shape[1] != p or not np.isfinite(z).all():
            raise MfsymError(f"particles must be a finite array (N, {p}) with N >= 1, got shape {z.shape}")
        self.closure = np.eye(p)[None] if cloud is None else cloud.matrices
        z = self.population.scheme.particles(z)
        subspace = self.population.unit.fixed_subspace
        fixed = starts_in(z, subspace) if self.noise_name == AUTO else self.noise_name == "fixed"
        self.noise_projector = subspace.projector if fixed else None
        error = self.population.resolve(z, self.accuracy.force_tolerance)
        slope, energy = self.population.gradient(z)
        self.scale = float(np.abs(slope).max())
        dissipated = float("nan") if self.beta > 0 else 0.0
        return FlowState(z, 0.0, energy, dissipated, error, self.population.order)

    def flow(self, start: FlowState, times: Iterable[float]) -> Iterator[FlowState]:
        """The states at increasing times. Raises MfsymError if the integrator fails.

        With noise all times are computed together, on a grid that ends at the last of them.
        """
        if self.beta > 0:
            yield from self._noisy(start, list(as_times(times)))
            return
        state = start
        for time in as_times(times):
            state = self._reach(state, time)
            yield state

    def _reach(self, state: FlowState, time: float) -> FlowState:
        """The state at ``time``; repeated with a finer quadrature as long as that changes the gradient there."""
        _check_order(state.time, time)
        if time == state.time:
            return state
        while True:
            after = self._smooth(state, time)
            error, finer = self.resolve(after.z)
            if not finer:
                return replace(after, force_error=error, order=self.population.order)

    def resolve(self, z: Floats) -> tuple[float, bool]:
        """Relative error of the gradient at z, and whether the quadrature of the data was refined."""
        order = self.population.order
        error = self.population.resolve(z, self.accuracy.force_tolerance, self.scale)
        return error, self.population.order != order

    def rate(self, time: float) -> float:
        """alpha s(t)."""
        if self.schedule is None:
            return self.alpha
        return self.alpha * float(as_factors(self.schedule, np.array([time]))[0])

    def size(self, z: Floats) -> tuple[float, float]:
        """E|z|^2 and the energy F at z."""
        return float(np.einsum("np,np->", z, z)) / len(z), self._slope(z)[1]

    def curvature(self, z: Floats) -> float:
        """Estimate of the largest |D_z^2 dF/dmu| at z, by power iteration on gradient differences."""
        here, _ = self._slope(z)
        turn, found = normals(stream_key(0, "init"), 0, *z.shape), 0.0
        for _ in range(POWER_ITERATIONS):
            turn *= 1e-5 * np.sqrt(z.size) / np.linalg.norm(turn)
            change = self._slope(z + turn)[0] - here
            found = float(np.linalg.norm(change) / np.linalg.norm(turn))
            turn = change if found > 0 else turn
        return found

    def _slope(self, z: Floats) -> tuple[Floats, float]:
        self.evaluations += 1
        return self.population.gradient(z)

    def _smooth(self, state: FlowState, time: float) -> FlowState:
        shape = state.z.shape

        def velocity(t: float, y: Floats) -> Floats:
            slope, _ = self._slope(y[:-1].reshape(shape))
            rate = self.rate(t)
            return np.append(-rate * slope.ravel(), rate * np.einsum("np,np->", slope, slope) / shape[0])

        begin = np.append(state.z.ravel(), state.dissipated)
        options = {"method": self.accuracy.method or "DOP853", "rtol": self.accuracy.rtol, "atol": self.accuracy.atol}
        _, end = self._solve(velocity, state.time, time, begin, self.accuracy.max_step, options)
        z = end[:-1].reshape(shape)
        return replace(state, z=z, time=time, energy=self._slope(z)[1], dissipated=float(end[-1]))

    def drift(self, z: Floats, begin: float, end: float, first: float | None) -> tuple[Floats, float]:
        """The particles at ``end`` without noise, and a first step for the next call; first : the first step here."""
        accuracy = self.accuracy

        def velocity(t: float, y: Floats) -> Floats:
            here = y.reshape(z.shape)
            slope, _ = self._slope(here)
            if self.orbits is not None and self.orbits.kind.curvature:
                slope = slope - self.beta * self.orbits.pull(here)
            return -self.rate(t) * slope.ravel()

        rtol = max(accuracy.rtol, DRIFT_SHARE * accuracy.time_tolerance)
        options = {"method": accuracy.method or "RK45", "rtol": rtol, "atol": accuracy.atol * (rtol / accuracy.rtol)}
        steps, after = self._solve(velocity, begin, end, z.ravel(), first or accuracy.max_step, options)
        return after.reshape(z.shape), float(steps.max())

    def _solve(
        self,
        velocity: Callable[[float, Floats], Floats],
        begin: float,
        end: float,
        y: Floats,
        first: float | None,
        options: dict[str, Any],
    ) -> tuple[Floats, Floats]:
        """The step sizes of scipy's solve_ivp, and its final values."""
        from scipy.integrate import solve_ivp

        longest = np.inf if self.accuracy.max_step is None else self.accuracy.max_step
        first = None if first is None else min(first, longest, end - begin)
        with np.errstate(over="ignore", invalid="ignore"):
            found = solve_ivp(velocity, (begin, end), y, first_step=first, max_step=longest, **options)
        if not found.success:
            raise MfsymError(f"the integrator failed at t = {found.t[-1]:g}: {found.message} Try a smaller alpha")
        return np.diff(found.t), found.y[:, -1]

    def _noisy(self, start: FlowState, times: list[float]) -> Iterator[FlowState]:
        """The states at increasing times; steps are halved until the weak error meets its tolerance."""
        for before, after in pairwise([start.time, *times]):
            _check_order(before, after)
        yield from (start for time in times if time == start.time)
        later = [time for time in times if time > start.time]
        if later:
            yield from self._split(start, later)

    def _split(self, start: FlowState, times: list[float]) -> Iterator[FlowState]:
        accuracy, (n, p) = self.accuracy, start.z.shape
        path = BrownianPath(self.key, -(-(n // len(self.closure)) // 2), p)
        grid = Grid(self, start.time, accuracy.noise_step, accuracy.time_tolerance)
        parts = [2 ** (accuracy.level + k) for k in range(accuracy.halvings + 2)]
        fine, error = solve_on_grid(self, path, grid, start.z, times, parts[0]), math.inf
        for count in parts[1:]:
            if not error <= accuracy.time_tolerance:
                coarse, fine = fine, solve_on_grid(self, path, grid, start.z, times, count)
                error = fine.error(coarse)
        branches, order = Stepper(self, path), self.population.order
        for time, (k, point) in zip(times, fine.requested, strict=True):
            z = branches.branch(point, time)
            twins = tuple((fine.clouds[end], coarse.clouds[end]) for end in (k, k + 1))
            state = FlowState(z, time, self.size(z)[1], start.dissipated, fine.forces[k], order)
            yield replace(state, time_error=error, twins=twins)

    def kicked(self, z: Floats, size: float, increment: Floats) -> Floats:
        """The particles z (N, p) after a kick: ``size`` times the noise of an increment, modulo the group if it is."""
        kick = size * self.particle_noise(increment, len(z))
        return z + kick if self.orbits is None else self.orbits.after(z, z, kick)

    def particle_noise(self, increment: Floats, count: int) -> Floats:
        """Noise (count, p) of all particles from an increment (rows, p) of the path.

        The second half of the base particles gets the negative of the first half's noise; images get its images.
        """
        base = count // len(self.closure)
        noise = np.concatenate([increment, -increment])[:base]
        noise = np.concatenate([noise @ matrix.T for matrix in self.closure])
        return noise if self.noise_projector is None else noise @ self.noise_projector.T


def _check_order(before: float, after: float) -> None:
    if not after >= before:
        raise MfsymError(f"times must increase, got {after} after {before}")
