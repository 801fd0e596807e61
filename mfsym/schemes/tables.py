"""The orbit table: the model's outputs at every view of an input, and the weights that a read-out gives them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError
from mfsym.groups import Elements, Group, Quadrature
from mfsym.groups.characters import components
from mfsym.schemes.arrays import Array, as_numpy, like, namespace, weighted

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OrbitTable:
    """Outputs of a model over the orbits of B inputs, K views each.

    outputs : (B, K, ...), raw: M(rho_k x).  table : (B, K, ...), T_k(x) = rho_hat_k^-1 M(rho_k x), constant in k iff
    the model is equivariant there.  weights : (B, K), sums 1: the read-out is their mean of the table.
    proxies : (B, K), the loss that equizero minimises; None otherwise.
    elements : a batch of K elements of ``group``; for canonical read-outs (B, K), each input's own.
    rule : the quadrature whose nodes are the elements; None for canonical read-outs, which do not cover the orbit.
    """

    outputs: Array
    table: Array
    weights: Array
    group: Group
    elements: Elements
    proxies: Array | None = None
    rule: Quadrature | None = None

    @property
    def value(self) -> Array:
        """The read-out: (B, ...)."""
        return weighted(self.weights, self.table)

    @property
    def chosen_node(self) -> NDArray[np.intp]:
        """(B,): the node of largest weight, the first of several; for equizero a minimiser of the proxy."""
        return np.asarray(as_numpy(self.weights).argmax(axis=1))

    @property
    def chosen(self) -> Elements:
        """(B,): the group element of ``chosen_node``."""
        if self.rule is None:
            return self.elements[np.arange(len(self.chosen_node)), self.chosen_node]
        return self.elements[self.chosen_node]

    @property
    def mean(self) -> Array:
        """(B, ...): the Haar mean of the table, which equitune reads."""
        xp = namespace(self.table)
        return xp.sum(self._masses * self.table, axis=1)

    @property
    def spread(self) -> Array:
        """(B, ...): the standard deviation of each entry over the orbit; 0 where the model is equivariant.

        For an infinite group the rule must have twice the degree that the mean needs.
        """
        xp = namespace(self.table)
        centred = self.table - xp.expand_dims(self.mean, axis=1)
        return xp.sqrt(xp.sum(self._masses * centred**2, axis=1))

    def defects(self, degree: int | None = None) -> dict[str, Floats]:
        """The mean of |T_k|^2 over the orbit by irreducible representation: name -> (B,), see ``groups.characters``.

        "trivial" is |Q_G M|^2. The others sum to |spread|^2: they show in which irreps the model is not equivariant.
        degree : largest degree of the irreps of an infinite group; by default half the degree of the rule, the largest
        that the rule resolves.
        MfsymError for canonical read-outs, and for groups whose irreps are not listed.
        """
        rule = self._integral("defects by irreps")
        flat = as_numpy(self.table).astype(np.float64).reshape(*self.table.shape[:2], -1)
        flat = flat * rule.weights[:, None]
        products = np.einsum("bkc,blc->bkl", flat, flat)
        split = components(self.group, (rule.degree or 0) // 2 if degree is None else degree)
        count = len(rule)
        inverses = self.group.inverse(self.elements)
        steps = [self.group.multiply(inverses[k : k + 1], self.elements) for k in range(count)]
        kernels = {part.name: np.stack([part.kernel(step) for step in steps]) for part in split}
        return {name: np.einsum("kl,bkl->b", kernel, products) for name, kernel in kernels.items()}

    def _integral(self, what: str) -> Quadrature:
        if self.rule is None:
            raise MfsymError(f"{what} need views at a quadrature of the group: take the orbit of equitune")
        return self.rule

    @property
    def _masses(self) -> Array:
        """The weights of the rule, to be multiplied with the table."""
        masses = self._integral("mean and spread over the orbit").weights
        return like(masses.reshape(1, -1, *[1] * (self.table.ndim - 2)), self.table)
