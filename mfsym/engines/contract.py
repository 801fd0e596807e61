"""The contract between dynamics and an engine: what an engine is told, and what it hands back.

Dynamics prepare lifted batches and step parameters and know no kernel; an engine moves particles and knows no group.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mfsym.kernels.steps import StepParameters

__all__ = ["Engine", "LiftedBatches", "StepParameters"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LiftedBatches:
    """What an engine sees of S batches: it knows no group.

    x : (S, B', K, d).  y : (S, B', c).  rho_y : (K, c, c).  node_weights : (K,), sample_weights : (B',), sums 1.
    The prediction is sum_k node_weights_k rho_y_k^T Phi(x_bk). Where the nodes differ from step to step, as with a
    random subset of the group, rho_y is (S, K, c, c) and node_weights (S, K); either may have the axis alone.
    """

    x: Floats
    y: Floats
    rho_y: Floats
    node_weights: Floats
    sample_weights: Floats

    @property
    def nodes_by_step(self) -> tuple[Floats, Floats]:
        """rho_y (S, K, c, c) and node_weights (S, K); of length 1 along S where all steps share them."""
        rho_y = self.rho_y if self.rho_y.ndim == 4 else self.rho_y[None]
        return rho_y, self.node_weights if self.node_weights.ndim == 2 else self.node_weights[None]

    def at(self, step: int) -> LiftedBatches:
        """The batch of one step, with rho_y (K, c, c) and node_weights (K,)."""
        one = slice(step, step + 1)
        rho_y, node_weights = (part[step % len(part)] for part in self.nodes_by_step)
        return replace(self, x=self.x[one], y=self.y[one], rho_y=rho_y, node_weights=node_weights)


class Engine(Protocol):
    """What moves the particles of one run, step by step.

    finite : whether the particles are finite; once they are not, the engine moves them no more.
    """

    finite: bool

    def load(self, z: NDArray[np.floating]) -> None:
        """Take particles z (N, p)."""

    def advance(self, batches: LiftedBatches, parameters: StepParameters) -> int:
        """Make the S steps of the batches; how many were made until the state stopped being finite, else S."""

    def particles(self) -> NDArray[np.floating]:
        """The particles (N, p), in the precision of the run."""


def without_dust(matrix: Floats, dust: float = 1e-14) -> Floats:
    """The matrix with entries below ``dust`` set to zero: kernels skip zeros, and these are zeros that were rounded."""
    return np.where(np.abs(matrix) < dust, 0.0, matrix)


def in_precision(parameters: StepParameters, dtype: Any) -> StepParameters:
    """Step parameters with every array of numbers in the precision of a run; what is too large for it becomes inf."""
    with np.errstate(over="ignore"):
        rates, penalty, projector, noise_map = (part.astype(dtype) for part in parameters[:4])
    return parameters._replace(rates=rates, penalty=penalty, projector=projector, noise_map=noise_map)
