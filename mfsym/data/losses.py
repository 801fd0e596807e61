"""Losses l(yhat, y): their values, their codes in kernels, and the groups that leave them invariant.

The theory of Maass Martínez & Fontbona 2024 requires a loss that is convex in yhat and invariant,
l(rho_hat_g yhat, rho_hat_g y) = l(yhat, y) (section 2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy.special import logsumexp

from mfsym.arguments import as_choice
from mfsym.errors import MfsymError
from mfsym.kernels.losses import CROSS_ENTROPY, LOGISTIC, QUADRATIC
from mfsym.representations import Representation
from mfsym.typing import Floats

MATRIX_TOLERANCE = 1e-9
"""Largest distance of an entry of a (signed) permutation matrix from -1, 0 or 1."""


@dataclass(frozen=True)
class Loss:
    """A convex loss on predictions and targets in R^c.

    name.
    code : its code in the kernels.
    values : (yhat (Q, c), y (Q, c)) -> (Q,).
    targets : the requirement on y, in words.
    admits : whether rows y (Q, c) satisfy it.
    symmetry : the matrices on outputs that leave the loss invariant: "orthogonal", "permutation", "signed permutation".
    """

    name: str
    code: int
    values: Callable[[Floats, Floats], Floats]
    targets: str
    admits: Callable[[Floats], bool]
    symmetry: str

    def check(self, rho_y: Representation) -> None:
        """MfsymError naming a group element under which this loss is not invariant, if there is one."""
        if self.symmetry == "orthogonal":
            return
        group = rho_y.group
        labels = [*group.generator_names, *(f"exp(A{k + 1})" for k in range(group.dimension))]
        wrong = [not self._leaves(matrix) for matrix in rho_y.generator_matrices]
        wrong += [bool(np.abs(matrix).max(initial=0.0) > MATRIX_TOLERANCE) for matrix in rho_y.algebra_matrices]
        if any(wrong):
            raise MfsymError(
                f"the {self.name} loss is invariant only where rho_y acts by {self.symmetry}s, which "
                f"{labels[wrong.index(True)]} of {group.name} does not; use another rho_y, or the quadratic loss"
            )

    def check_targets(self, y: Floats) -> None:
        """MfsymError if some row of y (Q, c) is not a valid target of this loss."""
        if not self.admits(y):
            raise MfsymError(f"targets of the {self.name} loss must be {self.targets}")

    def _leaves(self, matrix: Floats) -> bool:
        entries = np.abs(matrix) if self.symmetry == "signed permutation" else matrix
        binary = np.minimum(np.abs(entries), np.abs(entries - 1.0)).max(initial=0.0) <= MATRIX_TOLERANCE
        return bool(binary and np.abs(entries.sum(axis=0) - 1.0).max(initial=0.0) <= MATRIX_TOLERANCE)


def _quadratic(prediction: Floats, y: Floats) -> Floats:
    return np.asarray(np.sum((prediction - y) ** 2, axis=1))


def _cross_entropy(prediction: Floats, y: Floats) -> Floats:
    return np.asarray(logsumexp(prediction, axis=1) * y.sum(axis=1) - np.sum(prediction * y, axis=1))


def _logistic(prediction: Floats, y: Floats) -> Floats:
    return np.asarray(np.sum(np.logaddexp(0.0, prediction) - 0.5 * (1.0 + y) * prediction, axis=1))


def _in_simplex(y: Floats) -> bool:
    return bool((y >= 0.0).all() and np.abs(y.sum(axis=1) - 1.0).max(initial=0.0) <= MATRIX_TOLERANCE)


LOSSES: Mapping[str, Loss] = MappingProxyType(
    {
        loss.name: loss
        for loss in (
            Loss("quadratic", QUADRATIC, _quadratic, "finite", lambda y: bool(np.isfinite(y).all()), "orthogonal"),
            Loss(
                "cross-entropy",
                CROSS_ENTROPY,
                _cross_entropy,
                "one-hot rows, or rows of probabilities",
                _in_simplex,
                "permutation",
            ),
            Loss(
                "logistic",
                LOGISTIC,
                _logistic,
                "in {-1, 1}, or means of such labels in [-1, 1]",
                lambda y: bool((np.abs(y) <= 1.0).all()),
                "signed permutation",
            ),
        )
    }
)
"""Losses by name.

quadratic : |yhat - y|^2, no factor 1/2.  cross-entropy : -sum_j y_j log softmax(yhat)_j.
logistic : log(1 + exp(-y yhat)), labels y in {-1, 1} so that a sign representation exchanges the two classes; summed
over outputs where c > 1 (c independent questions).
"""


def get_loss(name: str) -> Loss:
    """The loss of this name; MfsymError lists the known names."""
    return LOSSES[as_choice(name, "loss", LOSSES)]
