"""Views relative to an equivariant frame of the input: canonical lambda, for groups too large to enumerate.

With h : X -> G equivariant, h(g x) = g h(x), a finite list Theta of elements and u = h(x)^-1 x, which is invariant:

    F(x) = sum_theta lambda(theta u) rho_hat(h theta^-1) M(theta u) / sum_theta lambda(theta u).

theta u = g x with g = theta h^-1, so rho_hat(h theta^-1) M(theta u) = T_g(x), and an equivariant model comes back
unchanged. Written without theta^-1 the formula is still equivariant, but changes such a model. The invariant form drops
rho_hat altogether. Kaba et al. 2022, arXiv:2211.06489 (one theta); Basu et al. 2023, arXiv:2305.09900.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from mfsym.arguments import as_choice
from mfsym.errors import MfsymError
from mfsym.groups import Elements, Group
from mfsym.representations import Representation
from mfsym.schemes.actions import Move
from mfsym.schemes.arrays import Array, fresh, like, namespace
from mfsym.schemes.averages import relative_weights
from mfsym.schemes.symmetrisers import Symmetriser, flattened, unflattened
from mfsym.schemes.tables import OrbitTable
from mfsym.schemes.weights import as_weights

FORMS = ("equivariant", "invariant")
"""Whether rho_hat is applied to the outputs, or the outputs are returned unchanged."""


class Canonical(Symmetriser):
    """The mean of the model at theta h(x)^-1 x over a list of theta, weighted by lambda: see the module.

    frame : h, a function of a batch to B elements: indices of a finite group, matrices (B, k, k) of another.
    thetas : elements; the identity alone by default.  weights : lambda, as in ``averages.LambdaEquitune``; None for 1.
    form : "equivariant" or "invariant".  The others: see ``Symmetriser``.
    """

    how: ClassVar[str] = "canonical"

    def __init__(
        self,
        model: Any,
        rho_x: Representation | Move | None = None,
        rho_y: Representation | Move | None = None,
        *,
        frame: Callable[[Array], Elements],
        thetas: Elements | None = None,
        weights: Any = None,
        form: str = "equivariant",
        group: Group | None = None,
        batch_size: int | None = None,
    ) -> None:
        super().__init__(model, rho_x, rho_y, group=group, batch_size=batch_size)
        if not callable(frame):
            raise MfsymError(f"frame must be a function of a batch to group elements, got {type(frame).__name__}")
        self.frame = frame
        given = np.asarray(self.group.identity)[None] if thetas is None else np.asarray(thetas)
        self.thetas = self._elements(given, None, "thetas")
        self.masses = np.full(len(self.thetas), 1.0 / len(self.thetas))
        self.weights = None if weights is None else as_weights(weights)
        self.form = as_choice(form, "form", FORMS)

    @property
    def passes(self) -> int:
        """The number of thetas."""
        return len(self.thetas)

    def _table(self, x: Array) -> OrbitTable:
        group, count, rows = self.group, self.passes, x.shape[0]
        frames = self._elements(np.asarray(self.frame(fresh(x))), rows, "the frames")
        many = np.tile(self.thetas, (rows, *[1] * (self.thetas.ndim - 1)))
        turns = group.multiply(many, group.inverse(np.repeat(frames, count, axis=0)))
        flat = self.on_x.each(turns, _repeated(x, count))
        outputs = self._outputs(flat)
        back = outputs if self.form == "invariant" else self.on_y.each(group.inverse(turns), outputs)
        raw, table = unflattened(outputs, count), unflattened(back, count)
        elements = turns.reshape(rows, count, *turns.shape[1:])
        if self.weights is None:
            weights = like(np.tile(self.masses, (rows, 1)), outputs)
        else:
            weights = relative_weights(self, self.weights, unflattened(flat, count), self.masses, raw)
        return OrbitTable(raw, table, weights, group, elements)

    def _elements(self, given: Elements, count: int | None, what: str) -> Elements:
        """The batch of elements; MfsymError if their number is wrong or one is not in the group."""
        shape = () if self.group.order is not None else (self.group.degree, self.group.degree)
        if given.shape[1:] != shape or given.ndim < 1 or given.shape[0] != (given.shape[0] if count is None else count):
            wanted = ", ".join(str(size) for size in ("n" if count is None else count, *shape))
            raise MfsymError(f"{what} must be elements of {self.group.name}, shape ({wanted}), got {given.shape}")
        if self.group.order is None:
            return self.group.find(_polished(given.astype(np.float64)))
        if given.dtype.kind not in "iu" or ((given < 0) | (given >= self.group.order)).any():
            raise MfsymError(
                f"{what} must be indices from 0 to {self.group.order - 1} of elements of {self.group.name}"
            )
        return given

    def _elements_to_check(self) -> Elements:
        return self.thetas[:8]


def _polished(matrices: Elements) -> Elements:
    """Matrices known to single precision, made orthogonal to double: Newton's iteration for the polar factor."""
    for _ in range(2):
        matrices = 1.5 * matrices - 0.5 * matrices @ np.swapaxes(matrices, -1, -2) @ matrices
    return matrices


def _repeated(x: Array, count: int) -> Array:
    """(B count, ...): every row of x (B, ...) repeated ``count`` times, consecutively."""
    return flattened(namespace(x).stack([x] * count, axis=1))
