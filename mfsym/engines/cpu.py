"""The compiled engine: blocked particles and threads on one machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, singledispatch
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mfsym.accelerate import available_threads
from mfsym.engines import plain
from mfsym.engines.contract import LiftedBatches, StepParameters, in_precision
from mfsym.kernels import deep, sgd, shallow, user
from mfsym.kernels.gates import run_threads
from mfsym.kernels.steps import Batches, Workspace
from mfsym.kernels.units import SAMPLES_AT_A_TIME, block_shape, pack, unpack
from mfsym.units import MLPUnit, Unit, UserUnit
from mfsym.units.shallow import ShallowUnit


class Loop(NamedTuple):
    """The compiled time loop of a kind of unit.

    plan : (n, samples, bytes per number) -> the shape of a run.
    workspace : (shape, c, samples, noise dimension, dtype, threads) -> its scratch memory.
    advance : (shape, blocked particles, batches, parameters, workspace, index of the thread) -> steps done.
    """

    plan: Callable[..., Any]
    workspace: Callable[..., Workspace]
    advance: Callable[..., int]


@singledispatch
def loop_of(unit: Unit) -> Loop:
    """The time loop of a kind of unit that the kernels know, and for any other the one in NumPy."""
    return Loop(partial(plain.plain_plan, unit), plain.plain_workspace, plain.advance_plain)


@loop_of.register
def _(unit: ShallowUnit) -> Loop:
    sizes = ((unit.code, unit.activation_code), unit.p, unit.d, unit.c)

    def plan(n: int, samples: int, item: int) -> shallow.Shape:
        codes, p, d, c = sizes
        return shallow.plan(codes, n, p, d, c, samples, item)

    return Loop(plan, shallow.workspace, sgd.advance)


@loop_of.register
def _(unit: MLPUnit) -> Loop:
    return Loop(partial(deep.deep_plan, unit.network), deep.deep_workspace, sgd.advance)


@loop_of.register
def _(unit: UserUnit) -> Loop:
    plan = partial(user.user_plan, (unit.forward, unit.pull), unit.p)
    return Loop(plan, user.user_workspace, user.advance_user)


class CpuEngine:
    """One ensemble on the CPU; implements ``Engine``.

    unit : the Unit of the particles.
    dtype : precision of the run.
    threads : number of threads; it never changes results.
    """

    def __init__(self, unit: Unit, dtype: Any, threads: int = 1) -> None:
        self.unit, self.dtype = unit, np.dtype(dtype)
        self.threads = max(1, min(threads, available_threads()))
        self.loop = loop_of(unit) if unit.compiled else loop_of.dispatch(Unit)(unit)
        self.finite = True
        self._plan: tuple[Any, Workspace] | None = None

    def load(self, z: NDArray[np.floating]) -> None:
        """Set the particles z (N, p)."""
        n, p = z.shape
        blocks, self._lanes = block_shape(n, p)
        self._n, self._blocked = n, np.empty(blocks * p * self._lanes, self.dtype)
        pack(np.ascontiguousarray(z, dtype=self.dtype), n, p, self._lanes, self._blocked)
        self.finite = bool(np.isfinite(self._blocked).all())

    def advance(self, batches: LiftedBatches, parameters: StepParameters) -> int:
        """Make the S steps of the batches; returns the steps done until the state stopped being finite, or S."""
        packed, converted = self._packed(batches), in_precision(parameters, self.dtype)
        if self._plan is None:
            self._plan = self._planned(packed.x.shape[1], converted.noise_map.shape[1])
        shape, work = self._plan

        def part(thread: int) -> int:
            return self.loop.advance(shape, self._blocked, packed, converted, work, thread)

        with np.errstate(over="ignore", invalid="ignore"):
            done = run_threads(work.forces.shape[0], part)
        self.finite = done == len(packed.x) and bool(np.isfinite(self._blocked).all())
        return int(done)

    def particles(self) -> NDArray[np.floating]:
        """The particles (N, p), in the precision of the run."""
        z = np.empty((self._n, self.unit.p), self.dtype)
        unpack(self._blocked, self._lanes, z)
        return z

    def _planned(self, samples: int, noise_dimension: int) -> tuple[Any, Workspace]:
        shape = self.loop.plan(self._n, samples, self.dtype.itemsize)
        threads = min(self.threads, shape.blocks)
        return shape, self.loop.workspace(shape, self.unit.c, samples, noise_dimension, self.dtype, threads)

    def _packed(self, batches: LiftedBatches) -> Batches:
        """The batches in the kernels' layout: samples in one row, padded to a multiple of four."""
        steps, d = batches.x.shape[0], batches.x.shape[3]
        flat = batches.x.reshape(steps, -1, d)
        count = -(-flat.shape[1] // SAMPLES_AT_A_TIME) * SAMPLES_AT_A_TIME
        samples = np.zeros((steps, count, d), self.dtype)
        samples[:, : flat.shape[1]] = self.unit.kernel_inputs(flat) if self.unit.compiled else flat
        parts = (batches.y, *batches.nodes_by_step, batches.sample_weights)
        return Batches(samples, *(np.ascontiguousarray(part, dtype=self.dtype) for part in parts))
