"""One ensemble of uv units by dense matrix products, for inputs or outputs of many dimensions.

For d or c of a hundred or more, matrix products of a linear algebra library are several times as fast as the compiled
passes of ``engines.layers``. Activations, noise and updates are the compiled ones. Particles lie in blocks, and a sum
over particles adds the partial sums of the blocks in order, so threads do not change it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mfsym.accelerate import available_threads
from mfsym.engines.contract import StepParameters
from mfsym.errors import MfsymError
from mfsym.kernels.activations import values_slopes_by_code
from mfsym.kernels.steps import Sizes, make_workspace, map_extents, update_block
from mfsym.kernels.units import block_shape, pack, unpack
from mfsym.typing import Floats
from mfsym.units import Unit, UVUnit

T = TypeVar("T")


class DenseLayer:
    """The ensemble of a uv unit with a compiled activation: forward, pulled back, and moved, a batch at a time.

    z : (N, p), in the precision of the run.  samples : largest number of inputs of one step.
    noise_dimension : normals drawn per particle and step.  threads : they share the blocks.
    A step is one or more ``forward``, a ``pull`` of each input, and ``move``.  MfsymError for any other unit.
    """

    def __init__(
        self, unit: Unit, z: NDArray[np.floating], samples: int, noise_dimension: int, threads: int = 1
    ) -> None:
        check_dense(unit)
        n, p = z.shape
        blocks, lanes = block_shape(n, p)
        self._unit, self._dtype, self._used = unit, z.dtype, 0
        self._sizes = Sizes(n, p, lanes, blocks)
        workers = max(1, min(threads, available_threads(), blocks))
        self._pool = ThreadPoolExecutor(workers) if workers > 1 else None
        self._work = make_workspace(self._sizes, 0, 0, unit.c, 0, noise_dimension, z.dtype, workers)
        self._blocked = np.empty(blocks * p * lanes, z.dtype)
        pack(np.ascontiguousarray(z), n, p, lanes, self._blocked)
        self._z = self._blocked.reshape(blocks, p, lanes)
        self._x, self._r = np.zeros((samples, unit.d), z.dtype), np.zeros((samples, unit.c), z.dtype)
        self._values, self._slopes = np.zeros((2, blocks, samples, lanes), z.dtype)

    def particles(self) -> NDArray[np.floating]:
        """The particles (N, p)."""
        z = np.empty((self._sizes.n, self._sizes.p), self._dtype)
        unpack(self._blocked, self._sizes.lanes, z)
        return z

    def forward(self, x: Floats, first: int = 0) -> Floats:
        """Phi (M, c) at x (M, d), which become the inputs first, first + 1, ... of this step; float64."""
        rows, d = slice(first, first + len(x)), self._unit.d
        self._x[rows] = self._unit.kernel_inputs(x)
        self._used = max(self._used, rows.stop)

        def part(block: int, thread: int) -> NDArray[np.floating]:
            z, values, slopes = self._z[block], self._values[block, rows], self._slopes[block, rows]
            np.matmul(self._x[rows], z[:d], out=slopes)
            values_slopes_by_code(
                self._unit.activation_code, slopes.reshape(-1), np.uintp(0), values.reshape(-1), slopes.size
            )
            return np.asarray(values @ z[d:].T)

        return self._total(part)

    def pull(self, r: Floats, first: int = 0, *, down: bool = True) -> Floats:
        """The pullback (M, d) of r (M, c) to the inputs first, first + 1, ...; each is pulled back once.

        down : whether that is wanted; without, the answer has no rows.
        """
        rows, d = slice(first, first + len(r)), self._unit.d
        self._r[rows] = r

        def part(block: int, thread: int) -> NDArray[np.floating]:
            z, slopes = self._z[block], self._slopes[block, rows]
            np.multiply(slopes, self._r[rows] @ z[d:], out=slopes)
            return np.asarray(slopes @ z[:d].T if down else slopes[:0, :d])

        return self._total(part) / d

    def move(self, parameters: StepParameters, s: int) -> bool:
        """Make step s of the parameters, which are in the precision of the run; whether the particles stay finite."""
        used, d, sizes, work = self._used, self._unit.d, self._sizes, self._work
        self._used = 0

        def part(block: int, thread: int) -> bool:
            force = work.forces[thread, : sizes.p * sizes.lanes].reshape(sizes.p, sizes.lanes)
            np.matmul(self._x[:used].T, self._slopes[block, :used], out=force[:d])
            np.matmul(self._r[:used].T, self._values[block, :used], out=force[d:])
            extents = work.extents[thread]
            map_extents(parameters, extents)
            return bool(update_block(sizes, block, self._blocked, parameters, extents, s, work, thread))

        return all(self._shared(part))

    def _total(self, part: Callable[[int, int], NDArray[np.floating]]) -> Floats:
        """The mean over particles: partial sums of the blocks, added in order in float64."""
        return np.asarray(sum(partial.astype(np.float64) for partial in self._shared(part)) / self._sizes.n)

    def _shared(self, part: Callable[[int, int], T]) -> list[T]:
        """part(block, thread) of every block, in order; overflow is left to the particles to show."""
        blocks, threads = self._sizes.blocks, len(self._work.forces)

        def several(thread: int) -> list[T]:
            mine = range(thread * blocks // threads, (thread + 1) * blocks // threads)
            with np.errstate(over="ignore", invalid="ignore"):
                return [part(block, thread) for block in mine]

        parts: Any = map(several, range(threads)) if self._pool is None else self._pool.map(several, range(threads))
        return [found for those in parts for found in those]


def check_dense(unit: Unit) -> None:
    """MfsymError for a unit that ``DenseLayer`` does not know."""
    if not (isinstance(unit, UVUnit) and unit.compiled):
        raise MfsymError(f"dense products need a uv unit with an activation of the package, got {unit!r}")
