"""Plans: all that XLA must know of a run when it compiles the time loop, and the shapes of what it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mfsym.engines.contract import LiftedBatches, StepParameters
from mfsym.engines.jax.units import Outputs
from mfsym.kernels.losses import LIKELIHOOD
from mfsym.streams import LANES

Pattern = tuple[tuple[int, ...], ...]

CAPACITIES = 32
"""Chunks are padded to a power of this many steps, so that few shapes are compiled."""

BLOCK_BYTES = {"cpu": 1 << 20}
"""Bytes that the values of one block of particles may take on a platform: on a CPU they stay in the cache."""

LARGEST_BLOCK_BYTES = 1 << 31
"""The same on all other platforms, where it only bounds memory."""


class Blocks(NamedTuple):
    """How the places of a half lie: devices, blocks of each device, and lanes of a block, whole groups of LANES."""

    devices: int
    blocks: int
    lanes: int

    @property
    def length(self) -> int:
        """Places of a half."""
        return self.devices * self.blocks * self.lanes


@dataclass(frozen=True)
class JaxPlan:
    """What is compiled: equal plans share their code.

    outputs : of the unit.  n : particles.  layout : of their places.  dtype : name of the precision.
    loss : its code.  plain : one node whose matrix is the identity.
    projector, noise : columns of the nonzero entries of each row of P (None for no P) and of W (None for no noise).
    recompute : whether the second pass must make the outputs of single particles again, instead of keeping them.
    """

    outputs: Outputs
    n: int
    layout: Blocks
    dtype: str
    loss: int
    plain: bool
    projector: Pattern | None
    noise: Pattern | None
    recompute: bool = False


class JaxChunk(NamedTuple):
    """The steps of a chunk as the time loop takes them: arrays of a power of CAPACITIES steps, of which S are made.

    x : (., M, d).  y : (., B, c).  rho : (., K, c, c) or (1, K, c, c).  node_weights : (., K) or (1, K).
    sample_weights : (B,).  rates : (., 2).  penalty : (1,).  projector : (p, p) or (0, 0).  noise_map : (p, m).
    key : (2,).  step : the first, uint64.  steps : S.
    """

    x: Any
    y: Any
    rho: Any
    node_weights: Any
    sample_weights: Any
    rates: Any
    penalty: Any
    projector: Any
    noise_map: Any
    key: Any
    step: Any
    steps: Any


def layout_of(n: int, width: int, item: int, devices: int = 1, platform: str = "cpu") -> Blocks:
    """The layout of n particles, of which a step makes ``width`` values of ``item`` bytes each.

    Blocks are equal, and no larger than the platform's BLOCK_BYTES.
    """
    room = BLOCK_BYTES.get(platform, LARGEST_BLOCK_BYTES) // (2 * width * item)
    groups = -(-n // (2 * LANES * devices))
    blocks = -(-groups // max(1, room // LANES))
    return Blocks(devices, blocks, -(-groups // blocks) * LANES)


def pattern(matrix: NDArray[Any]) -> Pattern:
    """The columns of the nonzero entries of each row."""
    return tuple(tuple(int(i) for i in np.flatnonzero(row)) for row in matrix)


def is_plain(batches: LiftedBatches, loss: int) -> bool:
    """Whether there is one node, of weight 1, whose matrix is the identity, at every step."""
    rho, weights = batches.nodes_by_step
    one = weights.shape[1] == 1 and bool((weights == 1.0).all())
    return one and loss < LIKELIHOOD and bool((rho == np.eye(rho.shape[-1])).all())


def chunk_of(batches: LiftedBatches, parameters: StepParameters, dtype: Any) -> JaxChunk:
    """The padded arrays of S steps, in the precision of a run; overflow gives inf."""
    steps = len(batches.x)
    capacity = CAPACITIES ** next(k for k in range(64) if CAPACITIES**k >= steps)

    def padded(part: NDArray[Any]) -> NDArray[Any]:
        if len(part) == 1 and steps > 1:
            return np.ascontiguousarray(part, dtype)
        whole = np.zeros((capacity, *part.shape[1:]), dtype)
        whole[:steps] = part
        return whole

    rho, node_weights = batches.nodes_by_step
    with np.errstate(over="ignore"):
        return JaxChunk(
            padded(batches.x.reshape(steps, -1, batches.x.shape[-1])),
            padded(batches.y),
            padded(rho),
            padded(node_weights),
            batches.sample_weights.astype(dtype),
            padded(parameters.rates),
            parameters.penalty.astype(dtype),
            parameters.projector.astype(dtype),
            parameters.noise_map.astype(dtype),
            np.asarray(parameters.key, np.uint32),
            np.uint64(parameters.step),
            np.int32(steps),
        )
