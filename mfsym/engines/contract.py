"""The contract between dynamics and an engine: inputs and outputs of an engine.

Dynamics prepare lifted batches and step parameters and never call a kernel. An engine advances particles and never
uses a group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mfsym.kernels.steps import StepParameters
from mfsym.typing import Floats

__all__ = ["Engine", "LiftedBatches", "StepParameters"]


@dataclass(frozen=True)
class LiftedBatches:
    """S batches in the form that an engine takes: arrays only, no group.

    x : (S, B', K, d).
    y : (S, B', c).
    rho_y : (K, c, c).
    node_weights : (K,), sample_weights : (B',), each summing to 1.
    The prediction is sum_k node_weights_k rho_y_k^T Phi(x_bk).
    """

    x: Floats
    y: Floats
    rho_y: Floats
    node_weights: Floats
    sample_weights: Floats


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


def with_exact_zeros(matrix: Floats, threshold: float = 1e-14) -> Floats:
    """The matrix with entries below ``threshold`` set to zero: they are rounding errors, and kernels skip zeros."""
    return np.where(np.abs(matrix) < threshold, 0.0, matrix)


def in_precision(parameters: StepParameters, dtype: Any) -> StepParameters:
    """Step parameters with every array converted to the precision of a run; overflow gives inf."""
    with np.errstate(over="ignore"):
        rates, penalty, projector, noise_map = (part.astype(dtype) for part in parameters[:4])
    return parameters._replace(rates=rates, penalty=penalty, projector=projector, noise_map=noise_map)
