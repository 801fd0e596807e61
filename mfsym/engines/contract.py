"""The contract between dynamics and an engine: inputs and outputs of an engine.

Dynamics prepare lifted batches and step parameters and never call a kernel. An engine advances particles and never
uses a group.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mfsym.kernels.steps import StepParameters
from mfsym.typing import Floats

__all__ = ["Engine", "Layers", "LiftedBatches", "StepParameters"]


@dataclass(frozen=True)
class LiftedBatches:
    """S batches in the form that an engine takes: arrays only, no group.

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
    """Advances the particles of one run, step by step.

    finite : whether the particles are finite; once they are not, the engine stops advancing them.
    """

    finite: bool

    def load(self, z: NDArray[np.floating]) -> None:
        """Set the particles z (N, p)."""

    def advance(self, batches: LiftedBatches, parameters: StepParameters) -> int:
        """Make the S steps of the batches; returns the steps done until the state stopped being finite, or S."""

    def particles(self) -> NDArray[np.floating]:
        """The particles (N, p), in the precision of the run."""


class Layers(Protocol):
    """Advances the layers of a residual network, which share one unit, one layer at a time.

    input_scale : the factor that multiplies the inputs of a layer.
    """

    input_scale: float

    def particles(self) -> NDArray[np.floating]:
        """The particles (L, N, p)."""

    def forward(self, layer: int, x: Floats) -> Floats:
        """The bare prediction (M, c) of one layer at x (M, d) / input_scale; x is kept for ``backward``."""

    def backward(self, layer: int, r: Floats, parameters: StepParameters) -> tuple[bool, Floats]:
        """Advance one layer by the pullback of r (M, c); whether it stays finite, and the pullback (M, d) to its
        inputs."""


def with_exact_zeros(matrix: Floats, threshold: float = 1e-14) -> Floats:
    """The matrix with entries below ``threshold`` set to zero: they are rounding errors, and kernels skip zeros."""
    return np.where(np.abs(matrix) < threshold, 0.0, matrix)


def in_precision(parameters: StepParameters, dtype: Any) -> StepParameters:
    """Step parameters with every array converted to the precision of a run; overflow gives inf."""
    with np.errstate(over="ignore"):
        rates, penalty, projector, noise_map = (part.astype(dtype) for part in parameters[:4])
    return parameters._replace(rates=rates, penalty=penalty, projector=projector, noise_map=noise_map)
