"""The time loop of any unit in NumPy: its own ``predict`` and ``pullback`` around the compiled update.

For units that no kernel knows: one's own classes, and built-in units with an activation of one's own. Noise, penalty
and projection are those of ``kernels.sgd``, so that common random numbers hold between all units.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mfsym.kernels.losses import cotangents
from mfsym.kernels.steps import Sizes, Workspace, make_workspace, map_extents, update_block
from mfsym.kernels.units import block_shape, pack, unpack
from mfsym.units import Unit


class PlainShape(NamedTuple):
    """A run of any unit: the unit, and the sizes of the run."""

    unit: Unit
    sizes: Sizes

    @property
    def blocks(self) -> int:
        """Blocks of particles."""
        return self.sizes.blocks


def plain_plan(unit: Unit, n: int, samples: int, item: int) -> PlainShape:
    """The PlainShape of a run of n particles."""
    blocks, lanes = block_shape(n, unit.p)
    return PlainShape(unit, Sizes(n, unit.p, lanes, blocks))


def plain_workspace(
    shape: PlainShape, c: int, samples: int, noise_dimension: int, dtype: Any, threads: int = 1
) -> Workspace:
    """Scratch arrays for a run of this shape, which takes one thread whatever ``threads`` is."""
    return make_workspace(shape.sizes, 0, 0, c, samples, noise_dimension, dtype, 1)


def advance_plain(
    shape: PlainShape, blocked: NDArray[Any], batches: Any, parameters: Any, work: Workspace, thread: int
) -> int:
    """As ``kernels.sgd.advance``, in float64 between the updates."""
    unit, sizes, extents = shape.unit, shape.sizes, work.extents[thread]
    map_extents(parameters, extents)
    z, forces = np.empty((sizes.n, unit.p), blocked.dtype), np.empty_like(blocked)
    length = unit.p * sizes.lanes
    for s, points in enumerate(batches.x.astype(np.float64)):
        unpack(blocked, sizes.lanes, z)
        particles = z.astype(np.float64)
        work.phi[:] = 0.0
        work.phi[0] = unit.predict(points, particles) * sizes.n
        if not cotangents(sizes, batches, s, work, parameters.loss):
            return s
        force = unit.pullback(points, particles, work.r.astype(np.float64))
        pack(np.ascontiguousarray(force, dtype=blocked.dtype), sizes.n, unit.p, sizes.lanes, forces)
        finite = True
        for block in range(sizes.blocks):
            work.forces[thread, :length] = forces[block * length : (block + 1) * length]
            finite &= bool(update_block(sizes, block, blocked, parameters, extents, s, work, thread))
        if not finite:
            return s + 1
    return len(batches.x)
