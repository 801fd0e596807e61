"""Noisy SGD on an ensemble, in mean-field time t = k / N.

theta_i <- theta_i - (alpha s(t) / N) [ grad_i + 2 tau theta_i ] + sqrt(2 alpha s(t) beta / N) xi_i
(Maass Martínez & Fontbona 2024, section 2.1), with grad_i the scheme's stochastic gradient and s a step schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_choice, as_floats, as_number, as_plain, as_times, as_whole
from mfsym.arguments.callables import as_factors, check_schedule
from mfsym.configurations.names import AUTO, DTYPES, ENGINES
from mfsym.data.losses import Loss, get_loss
from mfsym.data.teachers import Data
from mfsym.dynamics.noises import NOISES, Noise, noise_name
from mfsym.dynamics.orbits import OrbitEngine, orbit_noise
from mfsym.dynamics.precision import has_drifted, starts_in
from mfsym.dynamics.states import State, flow_through
from mfsym.engines import Engine, LiftedBatches, StepParameters, as_engine, make_engine
from mfsym.engines.contract import with_exact_zeros
from mfsym.errors import MfsymError
from mfsym.schemes import AnyScheme, Scheme, get_scheme
from mfsym.streams import stream_key
from mfsym.typing import Floats
from mfsym.units import Unit

Schedule = Callable[[Floats], Floats]

CHUNK_SAMPLES = 1 << 14
"""Samples prepared at once: bounds memory and never changes results."""


class NoisySGD:
    """Noisy SGD of one scheme on one data law.

    unit, scheme (a Scheme, its class or its name), data : what is trained, how, on what.
    alpha > 0 : learning rate.  tau >= 0 : weight of the penalty |z|^2.  beta >= 0 : temperature of the noise.
    batch_size : fresh samples per step.  schedule : t (S,) -> factors (S,) of alpha, None for 1.
    noise : a name in NOISES: "isotropic" for xi, "fixed" for its projection P xi on E^G; "horizontal", "quotient" or
    "drift-form", modulo the group (``dynamics.orbits``); or "auto": fixed where the particles handed to ``init`` lie in
    E^G to rounding (``precision.starts_in``), else isotropic. The equivariant architecture always projects on E^G,
    where orbits are points. The method ``noise`` says which it is.
    dtype : "float32", "float64" or "auto": float32, and float64 from time 0 where the run would leave E^G by rounding.
    The call of ``step`` or ``flow`` that begins a run decides, by how the run in float32 ends; a state's particles tell
    which it was, and later calls keep it.  threads : share one large run between threads; the result is the same.
    loss : a name in LOSSES, or a Loss; it must be invariant under the unit's rho_y.
    others : ``engine``, "numba" or "jax", which needs the extra mfsym[jax] and makes the same run, to rounding, on the
    devices of JAX; ``device``, for "jax" the platform whose devices share the particles, such as "cpu" or "gpu", or one
    of them, such as "gpu:0", None for the platform that JAX prefers; and ``projected_noise``, the former way to say
    "fixed" (True) or "isotropic" (False).

    >>> from mfsym.data.teachers import reference_teacher
    >>> teacher = reference_teacher("wi")
    >>> dynamics = NoisySGD(teacher.unit, "vanilla", teacher, dtype="float64")
    >>> dynamics.step(dynamics.init(np.zeros((8, 4))), 4).time
    0.5
    """

    def __init__(
        self,
        unit: Unit,
        scheme: AnyScheme,
        data: Data,
        *,
        alpha: float = 50.0,
        tau: float = 1e-4,
        beta: float = 1e-6,
        batch_size: int = 20,
        schedule: Schedule | None = None,
        dtype: str = "float32",
        threads: int = 1,
        loss: str | Loss = "quadratic",
        noise: str = AUTO,
        **others: Any,
    ) -> None:
        self.unit, self.data = unit, data
        self.loss = loss if isinstance(loss, Loss) else get_loss(loss)
        self.loss.check(unit.rho_y)
        self.scheme = get_scheme(scheme, unit)
        d, c = self.scheme.widths
        if (data.d, data.c) != (d, c):
            raise MfsymError(f"data must be on R^{d} x R^{c}, got R^{data.d} x R^{data.c}")
        self.alpha = as_number(alpha, "alpha", above=0.0)
        self.tau, self.beta = as_number(tau, "tau", least=0.0), as_number(beta, "beta", least=0.0)
        self.batch_size = as_whole(batch_size, "batch_size", 1)
        if schedule is not None:
            check_schedule(schedule)
        self.schedule = schedule
        precision = as_choice(as_plain(dtype), "dtype", (*DTYPES, AUTO))
        self.auto = precision == AUTO
        self.dtype = np.dtype("float64" if self.auto else precision)
        self.threads = as_whole(threads, "threads", 1)
        self.engine, self.device = as_engine(others.pop("engine", ENGINES[0]), others.pop("device", None))
        self.projector = self.scheme.projector
        named = noise_name(noise, others.pop("projected_noise", None))
        if others:
            raise TypeError(f"{type(self).__name__} got an unexpected keyword argument {next(iter(others))!r}")
        self.noise_name = named if self.projector is None else "fixed"
        self.orbits = orbit_noise(self.noise_name, unit.action) if self.beta > 0.0 else None

    def __repr__(self) -> str:
        rates = f"alpha = {self.alpha:g}, tau = {self.tau:g}, beta = {self.beta:g}, B = {self.batch_size}"
        return f"<{type(self).__name__} {self.scheme.name!r}, {rates}, on {self.data!r}>"

    def init(self, z: ArrayLike, seed: int = 0, replicate: int = 0) -> State:
        """The state at time 0: particles z (N, p), projected if the scheme works in E^G; in float64 for "auto"."""
        seed, replicate = as_whole(seed, "seed"), as_whole(replicate, "replicate")
        start = as_floats(z, "particles")
        if start.ndim != 2 or start.shape[0] < 1 or start.shape[1] != self.unit.p:
            raise MfsymError(f"particles must be an array (N, {self.unit.p}) with N >= 1, got shape {start.shape}")
        with np.errstate(over="ignore", invalid="ignore"):
            state = State(self.scheme.particles(start).astype(self.dtype), seed=seed, replicate=replicate)
            if not np.isfinite(state.z).all():
                return replace(state, status="diverged", diverged_step=0)
            state = replace(state, projected=starts_in(state.z, self.unit.fixed_subspace))
        return replace(state, watched=state.projected and self._keeps_fixed(state))

    def step(self, state: State, n: int = 1) -> State:
        """The state n steps later; a diverged state is returned unchanged.

        A run that starts in E^G under a scheme that preserves it is checked for drift: see State.
        """
        n = as_whole(n, "n")
        if state.status == "diverged" or n <= 0:
            return state
        if self._may_rerun(state):
            single = self._advance(_in_single(state), n)
            return single if single.drifted_step is None else self._advance(state, n)
        return self._advance(state, n)

    def flow(self, start: State, times: Iterable[float]) -> Iterator[State]:
        """The states at increasing mean-field times (rounded to whole steps), one at a time.

        After a divergence every later time yields the diverged state.
        """
        moments = as_times(times)
        if not self._may_rerun(start):
            return self._flow(start, moments)
        if not start.watched:
            return self._flow(_in_single(start), moments)
        moments = list(moments)
        states = list(self._flow(_in_single(start), moments))
        drifted = bool(states) and states[-1].drifted_step is not None
        return self._flow(start, moments) if drifted else iter(states)

    def _flow(self, start: State, times: Iterable[float]) -> Iterator[State]:
        """``flow`` in the precision of the start state."""
        return flow_through(self._advance, start, times)

    def _may_rerun(self, state: State) -> bool:
        """Whether this state begins a run of precision "auto" whose particles fit in single precision."""
        begins = self.auto and state.step == 0 and state.z.dtype == np.float64
        return begins and bool(np.abs(state.z).max() <= np.finfo(np.float32).max)

    def _advance(self, state: State, n: int) -> State:
        """The state n > 0 steps later, in the precision of the state's particles."""
        chunk = max(1, CHUNK_SAMPLES // self.batch_size)
        engine = self._loaded(state.z)
        left, seen, done = state.drifted_step, state.z, 0
        while done < n:
            first, taken = state.step + done, min(chunk, n - done)
            batches, parameters = self.batches(state, first, taken), self.step_parameters(state, first, taken)
            done += engine.advance(batches, parameters)
            if not engine.finite:
                reached = state.step + done
                ended = replace(state, z=engine.particles(), step=reached, drifted_step=left)
                return replace(ended, status="diverged", diverged_step=reached)
            if state.watched and left is None:
                before, seen = seen, engine.particles()
                if has_drifted(seen, self.unit.fixed_subspace):
                    left = first + self._drift_step(before, batches, parameters)
        status = "ok" if left is None else "drifted"
        moved = replace(state, z=engine.particles(), step=state.step + n, status=status, drifted_step=left)
        return engine.marked(moved) if isinstance(engine, OrbitEngine) else moved

    def _loaded(self, z: NDArray[np.floating]) -> Engine:
        """An engine with these particles, of their precision."""
        engine = make_engine(self.engine, self.unit, z.dtype, self.threads, self.device)
        engine = engine if self.orbits is None else OrbitEngine(engine, self.orbits)
        engine.load(z)
        return engine

    def _drift_step(self, z: NDArray[np.floating], batches: LiftedBatches, parameters: StepParameters) -> int:
        """The number of steps after which a run from z leaves E^G, given that it is off E^G after all of them."""
        engine, count = self._loaded(z), len(batches.x)
        for k in range(count - 1):
            one = slice(k, k + 1)
            told = parameters._replace(rates=parameters.rates[one], step=parameters.step + k)
            engine.advance(batches.at(k), told)
            if has_drifted(engine.particles(), self.unit.fixed_subspace):
                return k + 1
        return count

    def batches(self, state: State, first_step: int, steps: int, scheme: Scheme | None = None) -> LiftedBatches:
        """The batches of the steps from first_step on, lifted by the scheme.

        scheme : replaces the scheme of the dynamics.
        """
        batch, (d, c) = self.batch_size, self.scheme.widths
        count = steps * batch
        x, y = self.data.draw(stream_key(state.seed, "data", state.replicate), first_step * batch, count)
        if (x.shape, y.shape) != ((count, d), (count, c)):
            raise MfsymError(
                f"{count} samples of {self.data.name} must be x ({count}, {d}) and y ({count}, {c}), "
                f"got {x.shape} and {y.shape}"
            )
        if self.loss.name != "quadratic":
            self.loss.check_targets(y)
        haar = stream_key(state.seed, "haar", state.replicate)
        chosen = self.scheme if scheme is None else scheme
        return chosen.lift(x.reshape(steps, batch, d), y.reshape(steps, batch, c), haar, first_step)

    def step_parameters(self, state: State, first_step: int, steps: int) -> StepParameters:
        """The parameters of the steps from first_step on, in float64."""
        projector = np.zeros((0, 0)) if self.projector is None else self.projector
        with np.errstate(over="ignore", invalid="ignore"):
            return StepParameters(
                self.rates(first_step, steps, state.z.shape[-2]),
                np.array([2.0 * self.tau]),
                with_exact_zeros(projector),
                with_exact_zeros(self.noise_map(state)),
                stream_key(state.seed, "noise", state.replicate),
                first_step,
                self.loss.code,
            )

    def rates(self, first_step: int, steps: int, n: int) -> Floats:
        """(steps, 2): the factors alpha s / N of the force and sqrt(2 alpha s beta / N) of the noise."""
        return rates_of(self.alpha, self.beta, self.schedule, first_step, steps, n)

    def noise(self, state: State) -> str:
        """What noise a state feels: "projected" on E^G, "isotropic", or the name of a noise modulo the group."""
        return self._noise(state).said

    def noise_map(self, state: State) -> Floats:
        """W (p, m) with xi = W eta for m standard normals eta: the noise that a state feels, before ``orbits``."""
        if self.beta == 0.0:
            return np.zeros((self.unit.p, 0))
        return self._noise(state).matrix(self.unit.fixed_subspace)

    def _keeps_fixed(self, state: State) -> bool:
        """Whether a run from this start in E^G stays there but for rounding, without being projected."""
        quiet = self.beta == 0.0 or self._noise(state).keeps_fixed
        return self.scheme.preserves_fixed and self.projector is None and quiet

    def _noise(self, state: State) -> Noise:
        automatic = "fixed" if state.projected else "isotropic"
        return NOISES[automatic if self.noise_name == AUTO else self.noise_name]


def rates_of(alpha: float, beta: float, schedule: Schedule | None, first_step: int, steps: int, n: int) -> Floats:
    """(steps, 2): the factors alpha s / N of the force and sqrt(2 alpha s beta / N) of the noise, for N = n."""
    factor = np.ones(steps)
    if schedule is not None:
        factor = as_factors(schedule, np.arange(first_step, first_step + steps) / n)
    return np.stack([alpha * factor / n, np.sqrt(2.0 * alpha * factor * beta / n)], axis=1)


def _in_single(state: State) -> State:
    """The same state in single precision."""
    return replace(state, z=state.z.astype(np.float32))
