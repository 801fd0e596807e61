"""The orbit of an input: evaluate a model at every node of a quadrature of the group, and average."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_floats
from mfsym.groups import Quadrature
from mfsym.kernels.images import images_of
from mfsym.representations import Representation

Floats = NDArray[np.float64]
Model = Callable[[Floats], Floats]
"""A model: inputs (Q, d) to outputs (Q, c)."""


class Orbit:
    """The quadrature nodes of a group on inputs and outputs: averages over the orbit of an input.

    rho_x, rho_y : Representations of one group, on inputs R^d and on outputs R^c; any callable can be averaged.
    order : of the group's quadrature, if the group is infinite.  rule : a rule for the Haar integral, to override it.
    nodes_x : (K, d, d).  nodes_y : (K, c, c).  weights : (K,), sum 1.
    """

    def __init__(
        self, rho_x: Representation, rho_y: Representation, order: int | None = None, rule: Quadrature | None = None
    ) -> None:
        rule = rho_x.group.quadrature(order) if rule is None else rule
        self.nodes_x: Floats = rho_x(rule.elements)
        self.nodes_y: Floats = rho_y(rule.elements)
        self.weights: Floats = rule.weights

    def table(self, model: Model, x: ArrayLike) -> Floats:
        """(K, Q, c): rho_hat_k^T model(rho_k x) for every node k; constant in k iff the model is equivariant."""
        points = as_floats(x, "x")
        pairs = zip(self.nodes_x, self.nodes_y, strict=True)
        return np.stack([model(points @ rho_x.T) @ rho_y for rho_x, rho_y in pairs])

    def images(self, nodes: Floats, x: Floats) -> Floats:
        """(S, B, K, q): the images of samples x (S, B, q) under matrices (K, q, q)."""
        images = np.empty((*x.shape[:2], *nodes.shape[:2]))
        images_of(nodes, np.ascontiguousarray(x).reshape(-1, x.shape[2]), images.reshape(-1, *nodes.shape[:2]))
        return images

    def average(self, model: Model, x: ArrayLike) -> Floats:
        """Q_G model at x (Q, d): (Q, c)."""
        return np.asarray(np.einsum("k,kqc->qc", self.weights, self.table(model, x)))
