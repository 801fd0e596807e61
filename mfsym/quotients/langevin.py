"""Langevin dynamics of clouds, with noise that is isotropic, horizontal, or isotropic on the quotient.

dx = force dt + noise at temperature beta, by Euler steps of size h. Xu et al. 2026 (arXiv:2604.21809) and Menon,
Stromme & Vacher 2026 (arXiv:2602.12257).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_choice, as_floats, as_number, as_times, as_whole
from mfsym.errors import MfsymError
from mfsym.kernels.gates import run_threads
from mfsym.kernels.noise import GROUP, draw_normals
from mfsym.quotients.kernels.rotations import WIDE
from mfsym.quotients.kernels.steps import (
    DIVERGED,
    FAR,
    HORIZONTAL,
    ISOTROPIC,
    OK,
    QUOTIENT,
    SINGULAR,
    Clouds,
    Room,
    StepRule,
    advance,
)
from mfsym.quotients.orbits import Quotient
from mfsym.quotients.shapes import SPACE
from mfsym.streams import stream_key

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Force = Callable[[Floats], ArrayLike]

NOISES = {"isotropic": ISOTROPIC, "quotient": QUOTIENT, "horizontal": HORIZONTAL}
"""Names of the noises."""

STATUSES = ("ok", "singular", "diverged")
"""Status of a cloud: moving; stopped where its orbit lost a dimension; stopped before a step beyond FAR or to NaN."""

SAFE_CODIMENSION = 3
"""Least codimension of the singular orbits at which the second moment of the drift form stays finite."""


@dataclass(frozen=True)
class Confinement:
    """The force -2 tau x of the potential f = tau |x|^2, tau ``strength`` >= 0: compiled with the step.

    >>> Confinement(0.5)(np.array([[1.0, 2.0]]))
    array([[-1., -2.]])
    """

    strength: float

    def __post_init__(self) -> None:
        as_number(self.strength, "the strength of a confinement", least=0.0)

    def __call__(self, x: Floats) -> Floats:
        return np.asarray(-2.0 * self.strength * x)


@dataclass(frozen=True)
class CloudState:
    """The complete state, enough to resume exactly.

    x : the clouds, (S, p) or (S, n, d), in the shape given to ``init``.  step : steps done.  time_step : h.
    codes : (S,) index into STATUSES.  ended : (S,) the step a cloud ended at, -1 while it moves.
    """

    x: Floats
    codes: Codes
    ended: Codes
    time_step: float
    step: int = 0
    seed: int = 0
    replicate: int = 0

    @property
    def time(self) -> float:
        """step h."""
        return self.step * self.time_step

    @property
    def status(self) -> NDArray[np.str_]:
        """(S,) names of how every cloud is, see STATUSES."""
        return np.array(STATUSES)[self.codes]


class Langevin:
    """Euler steps x <- x + h force(x) + noise of a batch of clouds.

    force : ``Confinement``, or a callable from clouds, in the shape given to ``init``, to forces of the same shape:
    minus the gradient of an invariant f.  quotient : Quotient; with ``centred`` clouds stay centred, in
    R^(p - d).  temperature : beta >= 0.  step : h > 0.
    noise : "isotropic", sqrt(2 beta h) xi. "quotient": the isotropic step, then aligned to where it was, the nearest
    point of the new orbit; its invariants are those of the isotropic chain, path by path. "horizontal": sqrt(2 beta h)
    P_x xi, which lacks the drift beta grad log vol that the quotient of isotropic noise has.
    curvature : c, for horizontal noise: adds c beta grad log vol to the drift. exp(-f / beta) vol^(c - 1) is stationary
    on the quotient as h -> 0. Refused where singular orbits have codimension 2 or less in the quotient, or where that
    is not known: the explicit step c beta h / r at distance r from them then has no second moment. Clouds of four
    points in SE(3) are safe, three are not. ``guarded=False`` runs it all the same.
    threads : share the clouds between threads; results are the same.

    Finite groups: horizontal noise is isotropic noise. The law of horizontal noise is G-invariant at one time only from
    a G-invariant start: horizontal motion of three points or more still turns them.

    >>> from mfsym.groups import so
    >>> dynamics = Langevin(Confinement(0.5), Quotient(4 * so(3).vector()), 1.0, noise="quotient", step=0.01)
    >>> dynamics.step(dynamics.init(np.eye(4, 3)[None]), 10).x.shape
    (1, 4, 3)
    """

    def __init__(
        self,
        force: Force,
        quotient: Quotient,
        temperature: float,
        noise: str = "quotient",
        step: float = 1e-3,
        *,
        curvature: float = 0.0,
        guarded: bool = True,
        threads: int = 1,
    ) -> None:
        if not isinstance(quotient, Quotient):
            raise MfsymError(f"quotient must be a Quotient, got {quotient!r:.60}; make one of a representation")
        if not callable(force):
            raise MfsymError(f"force must be a Confinement or a callable, got {force!r:.60}")
        self.force, self.quotient = force, quotient
        self.temperature = as_number(temperature, "temperature", least=0.0)
        self.time_step = as_number(step, "step", above=0.0)
        self.noise = as_choice(noise, "noise", NOISES)
        self.curvature = as_number(curvature, "curvature")
        self.threads = as_whole(threads, "threads", 1)
        if self.curvature and self.noise != "horizontal":
            raise MfsymError(f"curvature is for noise 'horizontal', got {self.curvature:g} with {self.noise!r}")
        if self.curvature and guarded:
            _check_singular_set(quotient)

    def init(self, x: ArrayLike, seed: int = 0, replicate: int = 0) -> CloudState:
        """The state at time 0 of clouds x (S, p) or (S, n, d), centred where the quotient is.

        MfsymError for what is not finite, and where noise is not isotropic for clouds whose orbits are singular.
        """
        seed, replicate = as_whole(seed, "seed"), as_whole(replicate, "replicate")
        values = as_floats(x, "clouds")
        if values.ndim < 2 or len(values) == 0:
            raise MfsymError(f"clouds must be a batch (S, {self.quotient.dim}), S >= 1, got shape {values.shape}")
        start = self.quotient.centre(values)
        if self.noise != "isotropic":
            lost = np.flatnonzero(self.quotient.rank(start) < self.quotient.generic_rank)
            if lost.size:
                raise MfsymError(
                    f"orbits must have dimension {self.quotient.generic_rank} at the start, got less at {lost.size} of "
                    f"{len(start)} clouds (first: cloud {lost[0]}); move points that coincide or are collinear"
                )
        still = np.zeros(len(start), dtype=np.int64)
        return CloudState(start, still, still - 1, self.time_step, seed=seed, replicate=replicate)

    def step(self, state: CloudState, n: int = 1) -> CloudState:
        """The state n steps later. Clouds that ended stay as they were."""
        n = as_whole(n, "n", 0)
        x, codes, ended = state.x.copy(), state.codes.copy(), state.ended.copy()
        compiled = isinstance(self.force, Confinement)
        done = 0
        while done < n and (codes == OK).any():
            taken = n if compiled and self._is_fast else 1
            self._advance(Clouds(x, self._force_at(x), codes, ended), state, state.step + done, taken)
            done += taken
        return replace(state, x=x, codes=codes, ended=ended, step=state.step + n)

    def flow(self, start: CloudState, times: Iterable[float]) -> Iterator[CloudState]:
        """The states at increasing times (rounded to whole steps), one at a time."""
        state = start
        for time in as_times(times):
            target = round(time / self.time_step)
            if target < state.step:
                raise MfsymError(f"times must increase, got {time} after {state.time}")
            state = self.step(state, target - state.step)
            yield state

    @property
    def _is_fast(self) -> bool:
        """Whether whole steps are compiled."""
        planar = self.quotient.fast == SPACE - 1
        return (
            self._kind == ISOTROPIC or planar or (self.quotient.fast == SPACE and self.quotient.generic_rank == SPACE)
        )

    @property
    def _kind(self) -> int:
        finite = self.quotient.generic_rank == 0 and self.noise == "horizontal"
        return ISOTROPIC if finite else NOISES[self.noise]

    def _force_at(self, x: Floats) -> Floats:
        """The force on clouds, in their shape; empty where it is compiled."""
        if isinstance(self.force, Confinement):
            return np.empty(0)
        force = as_floats(self.force(x), "the force")
        if force.shape != x.shape:
            raise MfsymError(f"the force must have the shape {x.shape} of the clouds, got {force.shape}")
        return np.ascontiguousarray(force)

    def _advance(self, clouds: Clouds, state: CloudState, first: int, count: int) -> None:
        """Move the clouds by ``count`` steps from step ``first`` on, in place."""
        key, rule = stream_key(state.seed, "noise", state.replicate), self._rule()
        if not self._is_fast:
            self._advance_slowly(clouds, key, first, rule)
            return
        flat = clouds._replace(x=clouds.x.reshape(-1), force=clouds.force.reshape(-1))
        groups = -(-len(clouds.codes) // GROUP)
        threads = min(self.threads, groups)

        def part(thread: int) -> int:
            room = _room(rule.size)
            for group in range(thread, groups, threads):
                advance(flat, rule, room, key, first, count, group)
            return 0

        run_threads(threads, part)

    def _rule(self) -> StepRule:
        h, beta = self.time_step, self.temperature
        shrink = 2.0 * h * self.force.strength if isinstance(self.force, Confinement) else 0.0
        dim, centred = self.quotient.point_dim or 1, int(self.quotient.centred)
        sigma, drift = float(np.sqrt(2.0 * beta * h)), h * beta * self.curvature
        return StepRule(self.quotient.dim, dim, self._kind, centred, shrink, h, sigma, drift)

    def _advance_slowly(self, clouds: Clouds, key: NDArray[np.uint32], step: int, rule: StepRule) -> None:
        """One step of any quotient, by its methods."""
        moving = np.flatnonzero(clouds.codes == OK)
        x = clouds.x.reshape(len(clouds.codes), -1)[moving]
        kicks = rule.sigma * _normals(key, step, len(clouds.codes), rule.size)[moving]
        fresh = (1.0 - rule.shrink) * x
        if clouds.force.size:
            fresh += rule.step * clouds.force.reshape(len(clouds.codes), -1)[moving]
        lost = np.zeros(len(x), dtype=bool)
        if rule.noise == HORIZONTAL:
            lost = self.quotient.rank(x) < self.quotient.generic_rank
            kicks = self.quotient.project(x, kicks)
            if rule.drift:
                kicks += rule.drift * self.quotient.grad_log_volume(x)
        fresh += kicks
        finite = np.abs(fresh).sum(axis=1) < FAR
        fresh[~finite] = x[~finite]
        fresh = self.quotient.centre(fresh)
        if rule.noise == QUOTIENT:
            fresh = self.quotient.align(fresh, x)
            lost = self.quotient.rank(fresh) < self.quotient.generic_rank
        fresh = np.where((~finite | lost & (rule.noise == HORIZONTAL))[:, None], x, fresh)
        clouds.x.reshape(len(clouds.codes), -1)[moving] = fresh
        clouds.codes[moving] = np.where(lost, SINGULAR, np.where(finite, OK, DIVERGED))
        clouds.ended[moving] = np.where(lost | ~finite, step, -1)


def _room(size: int) -> Room:
    """Arrays that one thread writes on."""
    pairs, flat = (size + 1) // 2, np.zeros((2, WIDE * size))
    words, tables = np.empty((2, GROUP), dtype=np.uint32), np.zeros((3, 9 * WIDE))
    return Room(np.empty(2 * pairs * GROUP), words, flat[0], flat[1], tables, np.ones(5 * WIDE), np.empty((2, 4, 4)))


def _normals(key: NDArray[np.uint32], step: int, count: int, size: int) -> Floats:
    """The noise (count, size) that compiled steps draw at this step."""
    drawn = np.empty((2 * ((size + 1) // 2), -(-count // GROUP) * GROUP))
    draw_normals(key, step, 0, drawn)
    return np.ascontiguousarray(drawn[:size, :count].T)


def _check_singular_set(quotient: Quotient) -> None:
    codimension = quotient.singular_codimension
    if codimension is None or codimension < SAFE_CODIMENSION:
        found = "not known" if codimension is None else f"{codimension:g}"
        raise MfsymError(
            f"the curvature drift needs singular orbits of codimension {SAFE_CODIMENSION} or more, got {found} for "
            f"{quotient!r}: steps near it have no second moment; use noise 'quotient', or guarded=False"
        )
