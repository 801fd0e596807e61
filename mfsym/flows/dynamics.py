"""How the limit law moves: the mean-field flow, and the McKean-Vlasov equation where there is noise.

    dZ = -alpha s(t) D_z dF/dmu(Z) dt + sqrt(2 alpha s(t) beta) P dB,     mu = law of Z

(Maass Martínez & Fontbona 2024, equations (1) and (4).) Particles of equal weight stand for the law. Without noise:
embedded Runge-Kutta in mean-field time, and F(0) - F(t) = integral of alpha s E|D_z dF/dmu|^2 is carried along as a
check. With noise: Heun's scheme (weak order 2, noise being additive), with noise that is antithetic and closed under
the symmetry of the start cloud.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_floats
from mfsym.callables import as_factors, check_schedule
from mfsym.dynamics import lies_inside
from mfsym.errors import MfsymError
from mfsym.flows.populations import Population
from mfsym.flows.starts import StartCloud
from mfsym.schemes import Scheme
from mfsym.streams import normals, stream_key
from mfsym.teachers import Data
from mfsym.units import Unit

Floats = NDArray[np.float64]

METHODS = ("RK23", "RK45", "DOP853")
"""Embedded Runge-Kutta pairs, by their names in scipy; of orders 3, 5 and 8."""

MAX_LEVEL = 16
"""Most halvings of the noisy step."""

LONGEST = 0.25
"""Largest default step of Heun's scheme."""

POWER_ITERATIONS = 12
"""Gradient differences that estimate how stiff the flow is."""


@dataclass(frozen=True)
class FlowState:
    """The law at one mean-field time.

    z : (N, p) particles of equal weight.  time : t.  energy : F = R + tau E|z|^2 of the scheme.
    dissipated : integral of alpha s E|D_z dF/dmu|^2 from 0 to t (without noise; NaN with it).
    force_error : relative change of the gradient at the next finer quadrature of the data.  order : of the quadrature.
    steps : noise increments used.
    """

    z: Floats
    time: float = 0.0
    energy: float = float("nan")
    dissipated: float = 0.0
    force_error: float = 0.0
    order: int = 0
    steps: int = 0


@dataclass(frozen=True)
class Accuracy:
    """How exactly a flow is computed.

    order : of the data's quadrature, or None to refine it until the gradient changes by less than ``force_tolerance``
    (relative to its size at the start), at the start and at every time that is asked for.
    method : a name in METHODS.  rtol, atol : of its error control.  max_step : its largest step, and its first.
    noise_step : of Heun's scheme, None for half of the longest stable one; ``level`` halves it that many times on the
    same Brownian path.
    """

    order: int | None = None
    force_tolerance: float = 1e-6
    method: str = "DOP853"
    rtol: float = 1e-8
    atol: float = 1e-10
    max_step: float | None = None
    noise_step: float | None = None
    level: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise MfsymError(f"method must be one of {', '.join(METHODS)}, got {self.method!r}")
        if not 0 <= self.level <= MAX_LEVEL:
            raise MfsymError(f"level must lie between 0 and {MAX_LEVEL}, got {self.level}")


class MeanFieldFlow:
    """The N -> infinity limit of ``NoisySGD``: same names, no samples and no batch.

    unit, scheme, data, alpha, tau, beta, schedule, projected_noise : as there.
    accuracy : of quadrature and time.  seed : of the noise.

    >>> from mfsym.teachers import reference_teacher
    >>> teacher = reference_teacher("wi")
    >>> flow = MeanFieldFlow(teacher.unit, "vanilla", teacher, accuracy=Accuracy(order=20))
    >>> [state.time for state in flow.flow(flow.init(np.zeros((1, 4))), [0.0, 0.5])]
    [0.0, 0.5]
    """

    def __init__(
        self,
        unit: Unit,
        scheme: Scheme | str,
        data: Data,
        *,
        alpha: float = 50.0,
        tau: float = 1e-4,
        beta: float = 0.0,
        schedule: Callable[[Floats], Floats] | None = None,
        projected_noise: bool | None = None,
        accuracy: Accuracy | None = None,
        seed: int = 0,
    ) -> None:
        if not (np.isfinite(alpha) and alpha > 0):
            raise MfsymError(f"alpha must be finite and positive, got {alpha}")
        if not (np.isfinite(beta) and beta >= 0 and np.isfinite(tau) and tau >= 0):
            raise MfsymError(f"beta and tau must be finite and non-negative, got {beta} and {tau}")
        self.accuracy = Accuracy() if accuracy is None else accuracy
        self.population = Population(unit, scheme, data, tau=tau, order=self.accuracy.order)
        if schedule is not None:
            check_schedule(schedule)
        self.alpha, self.beta, self.schedule = float(alpha), float(beta), schedule
        self.key = stream_key(seed, "noise")
        self.projected_noise = True if self.population.projector is not None else projected_noise
        self.noise_projector: Floats | None = None
        self.closure: Floats = np.eye(unit.p)[None]
        self.scale: float | None = None
        self.evaluations = 0

    def init(self, start: StartCloud | ArrayLike) -> FlowState:
        """The state at time 0 from a StartCloud or particles (N, p), projected where the scheme lives in E^G."""
        cloud = start if isinstance(start, StartCloud) else None
        z = as_floats(cloud.z if cloud is not None else start, "particles")
        p = self.population.unit.p
        if z.ndim != 2 or z.shape[0] < 1 or z.shape[1] != p or not np.isfinite(z).all():
            raise MfsymError(f"particles must be a finite array (N, {p}) with N >= 1, got shape {z.shape}")
        self.closure = np.eye(p)[None] if cloud is None else cloud.matrices
        z = self.population.scheme.particles(z)
        subspace = self.population.unit.fixed_subspace
        inside = lies_inside(z, subspace) if self.projected_noise is None else self.projected_noise
        self.noise_projector = subspace.projector if inside else None
        error = self.population.resolve(z, self.accuracy.force_tolerance)
        slope, energy = self.population.gradient(z)
        self.scale = float(np.abs(slope).max())
        dissipated = float("nan") if self.beta > 0 else 0.0
        return FlowState(z, 0.0, energy, dissipated, error, self.population.order)

    def flow(self, start: FlowState, times: Iterable[float]) -> Iterator[FlowState]:
        """The states at increasing times. Raises MfsymError when the integrator cannot go on."""
        state = start
        for time in times:
            if time < state.time:
                raise MfsymError(f"times must increase, got {time} after {state.time}")
            state = self._reach(state, float(time))
            yield state

    def _reach(self, state: FlowState, time: float) -> FlowState:
        """The state at ``time``; done again with a finer quadrature while that changes the gradient there."""
        if time == state.time:
            return state
        while True:
            order = self.population.order
            after = self._noisy(state, time) if self.beta > 0 else self._smooth(state, time)
            error = self.population.resolve(after.z, self.accuracy.force_tolerance, self.scale)
            if self.population.order == order:
                return replace(after, force_error=error, order=order)

    def _rate(self, time: float) -> float:
        if self.schedule is None:
            return self.alpha
        return self.alpha * float(as_factors(self.schedule, np.array([time]))[0])

    def _noise_step(self, z: Floats) -> float:
        """Half of the longest stable step of Heun's scheme at z; the curvature by power iteration."""
        if self.accuracy.noise_step is not None:
            return self.accuracy.noise_step
        here, _ = self._slope(z)
        turn, curvature = normals(stream_key(0, "init"), 0, *z.shape), 0.0
        for _ in range(POWER_ITERATIONS):
            turn *= 1e-5 * np.sqrt(z.size) / np.linalg.norm(turn)
            change = self._slope(z + turn)[0] - here
            curvature = float(np.linalg.norm(change) / np.linalg.norm(turn))
            turn = change if curvature > 0 else turn
        return min(LONGEST, 1.0 / max(self.alpha * curvature, 1e-300))

    def _slope(self, z: Floats) -> tuple[Floats, float]:
        self.evaluations += 1
        return self.population.gradient(z)

    def _smooth(self, state: FlowState, time: float) -> FlowState:
        from scipy.integrate import solve_ivp

        shape = state.z.shape

        def velocity(t: float, y: Floats) -> Floats:
            slope, _ = self._slope(y[:-1].reshape(shape))
            rate = self._rate(t)
            return np.append(-rate * slope.ravel(), rate * np.einsum("np,np->", slope, slope) / shape[0])

        limit = np.inf if self.accuracy.max_step is None else self.accuracy.max_step
        begin = np.append(state.z.ravel(), state.dissipated)
        with np.errstate(over="ignore", invalid="ignore"):
            found = solve_ivp(
                velocity,
                (state.time, time),
                begin,
                method=self.accuracy.method,
                rtol=self.accuracy.rtol,
                atol=self.accuracy.atol,
                first_step=None if self.accuracy.max_step is None else min(limit, time - state.time),
                max_step=limit,
            )
        if not found.success:
            raise MfsymError(f"the flow cannot go on from t = {found.t[-1]:g}: {found.message} Try a smaller alpha")
        z = found.y[:-1, -1].reshape(shape)
        return replace(state, z=z, time=time, energy=self._slope(z)[1], dissipated=float(found.y[-1, -1]))

    def _noisy(self, state: FlowState, time: float) -> FlowState:
        span = time - state.time
        count = max(1, math.ceil(span / self._noise_step(state.z) - 1e-9)) * 2**self.accuracy.level
        h, z = span / count, state.z
        for k in range(count):
            t = state.time + k * h
            kick = np.sqrt(2.0 * self.beta * h) * np.sqrt(self._rate(t)) * self._increment(state.steps, k, z.shape[0])
            first = self._rate(t) * self._slope(z)[0]
            middle = z - h * first + kick
            second = self._rate(t + h) * self._slope(middle)[0]
            z = z - 0.5 * h * (first + second) + kick
            if not np.isfinite(z).all():
                raise MfsymError(f"the flow stopped being finite at t = {t:g}; use a smaller step than {h:g}")
        coarse = count // 2**self.accuracy.level
        return replace(state, z=z, time=time, energy=self._slope(z)[1], steps=state.steps + coarse)

    def _increment(self, steps: int, k: int, n: int) -> Floats:
        """Noise (n, p) of fine step k after ``steps`` coarse ones, of variance 1 per coordinate.

        Brownian bridge: halving the step refines the same path. Within the base particles the second half has the
        opposite noise of the first; images have the images of it.
        """
        coarse, fine = divmod(k, 2**self.accuracy.level)
        p = self.population.unit.p
        base = n // len(self.closure)
        draws = self._bridge(steps + coarse, fine, -(-base // 2), p)
        noise = np.concatenate([draws, -draws])[:base]
        noise = np.concatenate([noise @ matrix.T for matrix in self.closure])
        return noise if self.noise_projector is None else noise @ self.noise_projector.T

    def _bridge(self, step: int, fine: int, rows: int, p: int) -> Floats:
        """Normalised increment number ``fine`` of the 2^level parts of a coarse step."""
        value = normals(self.key, step << 20, rows, p)
        for depth in range(1, self.accuracy.level + 1):
            node = (1 << depth) + (fine >> (self.accuracy.level - depth))
            own = normals(self.key, (step << 20) + (node >> 1), rows, p)
            value = (value + (1.0 if node % 2 else -1.0) * own) / np.sqrt(2.0)
        return value
