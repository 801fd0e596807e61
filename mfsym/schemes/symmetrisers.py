"""Equivariant read-outs of any trained model over the orbit of its input: equitune, lambda, equizero, canonical.

With M : X -> Y a model and T_g(x) = rho_hat_g^-1 M(rho_g x), every read-out here is a weighted mean of T over a group,
with weights that depend on the views alone. So it is equivariant, and leaves an equivariant model unchanged. A
read-out has no state between calls.

Basu et al. 2022, Equi-tuning, arXiv:2210.06475; Basu et al. 2023, Efficient equivariant transfer learning from
pretrained models, arXiv:2305.09900; Kaba et al. 2022, arXiv:2211.06489. These are read-outs, not training schemes:
equizero is not linear in the law of an ensemble, and a weighted mean is the prediction of no symmetrised law.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from mfsym.arguments import as_whole
from mfsym.errors import MfsymError
from mfsym.groups import Elements, Group
from mfsym.representations import Representation
from mfsym.schemes.actions import Action, Move, Nodes, as_action, check_action
from mfsym.schemes.arrays import Array, as_batch, is_floating, matched, namespace, weighted
from mfsym.schemes.models import EnsembleModel, as_model
from mfsym.schemes.tables import OrbitTable


class Symmetriser(ABC):
    """A symmetrised model: call it on a batch (B, ...) like the model itself.

    model : see ``models.as_model``.  rho_x, rho_y : the actions on inputs and outputs: Representations of one group on
    rows, functions (element, batch) -> batch, or None for the trivial action; for an ensemble, those of its unit.
    group : required if neither action is a Representation.  batch_size : largest number of rows per call of the model.
    Arrays of NumPy, PyTorch and JAX keep their type and floating dtype, and gradients pass through; anything else is
    converted to float64 NumPy. Inputs are not modified.
    """

    how: ClassVar[str]

    def __init__(
        self,
        model: Any,
        rho_x: Representation | Move | None = None,
        rho_y: Representation | Move | None = None,
        *,
        group: Group | None = None,
        batch_size: int | None = None,
    ) -> None:
        self.model = as_model(model)
        if isinstance(self.model, EnsembleModel) and rho_x is None and rho_y is None:
            rho_x, rho_y = self.model.unit.rho_x, self.model.unit.rho_y
        self.rho_x, self.rho_y, self.group = rho_x, rho_y, _group_of(rho_x, rho_y, group)
        self.on_x: Action = as_action(rho_x, self.group, "x")
        self.on_y: Action = as_action(rho_y, self.group, "y")
        self.batch_size = None if batch_size is None else as_whole(batch_size, "batch_size", 1)

    @property
    @abstractmethod
    def passes(self) -> int:
        """Forward passes of the model for one input."""

    @abstractmethod
    def _table(self, x: Array) -> OrbitTable:
        """The orbit table of a batch whose views fit in ``batch_size``."""

    def __call__(self, x: Any) -> Array:
        """The read-out at a batch x (B, ...): (B, ...) as the model's outputs."""
        parts = [self._read(part) for part in self._parts(x)]
        return parts[0] if len(parts) == 1 else namespace(parts[0]).concat(parts, axis=0)

    def orbit(self, x: Any) -> OrbitTable:
        """Everything about the orbits of a batch x (B, ...): see ``OrbitTable``."""
        return self._table(self._batch(x))

    def check(self, x: Any) -> None:
        """Check that both maps are group actions, on rows x and on the model's outputs: else MfsymError, naming two
        elements."""
        batch = self._batch(x)
        for action, rows in ((self.on_x, batch), (self.on_y, self._outputs(batch))):
            check_action(action, self._elements_to_check(), rows)

    def _elements_to_check(self) -> Elements:
        return self.group.quadrature().elements[:64]

    def _read(self, x: Array) -> Array:
        table = self._table(x)
        return weighted(table.weights, table.table)

    def _batch(self, x: Any) -> Array:
        batch = as_batch(x, "x")
        self.on_x.check(batch)
        return batch

    def _parts(self, x: Any) -> Iterator[Array]:
        """The rows of a batch, in parts whose views fit in ``batch_size``."""
        batch = self._batch(x)
        rows = batch.shape[0] if self.batch_size is None else max(1, self.batch_size // self.passes)
        for first in range(0, batch.shape[0], rows):
            yield batch[first : first + rows]

    def _outputs(self, rows: Array) -> Array:
        """The model's outputs for rows; MfsymError if the group does not act on them."""
        outputs = self._through(self.model, rows, "the outputs of the model")
        if not is_floating(outputs):
            raise MfsymError(
                f"the outputs of the model must be floating numbers, got {outputs.dtype}: hand over scores or "
                "probabilities, not labels"
            )
        self.on_y.check(outputs)
        return outputs

    def _through(self, function: Callable[[Array], Any], rows: Array, what: str) -> Array:
        """function(rows), at most ``batch_size`` rows at a time."""
        count = rows.shape[0]
        step = count if self.batch_size is None else self.batch_size
        if count <= step:
            return matched(function(rows), rows, what)
        parts = [rows[first : first + step] for first in range(0, count, step)]
        return namespace(rows).concat([matched(function(part), part, what) for part in parts], axis=0)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} over {self.group.name}, {self.passes} forward passes>"


class OrbitReader(Symmetriser):
    """A read-out over a quadrature of the whole group: the base of equitune, lambda and equizero.

    order : of the quadrature of an infinite group: the degree it integrates exactly, see ``rule.degree``.
    """

    def __init__(
        self,
        model: Any,
        rho_x: Representation | Move | None = None,
        rho_y: Representation | Move | None = None,
        *,
        group: Group | None = None,
        order: int | None = None,
        batch_size: int | None = None,
    ) -> None:
        super().__init__(model, rho_x, rho_y, group=group, batch_size=batch_size)
        self.order, self.rule = order, self.group.quadrature(order)
        self.x_nodes: Nodes = self.on_x.nodes(self.rule.elements)
        self.y_nodes: Nodes = self.on_y.nodes(self.rule.elements)

    @property
    def passes(self) -> int:
        """The number of nodes K: the order of a finite group."""
        return len(self.rule)

    @abstractmethod
    def _weigh(self, views: Array, outputs: Array) -> tuple[Array, Array | None]:
        """Weights (B, K), sums 1, and proxies (B, K) or None, from views and raw outputs (B, K, ...)."""

    def _table(self, x: Array) -> OrbitTable:
        views, outputs = self._views(x)
        weights, proxies = self._weigh(views, outputs)
        table = self.y_nodes.back(outputs)
        return OrbitTable(outputs, table, weights, self.group, self.rule.elements, proxies, self.rule)

    def views_and_tables(self, x: Any) -> Iterator[tuple[Array, Array]]:
        """Views (b, K, ...) and the table T (b, K, ...) of the rows of a batch, some rows at a time."""
        for part in self._parts(x):
            views, outputs = self._views(part)
            yield views, self.y_nodes.back(outputs)

    def _views(self, x: Array) -> tuple[Array, Array]:
        """The views (B, K, ...) of a batch, and the model's raw outputs there."""
        views = self.x_nodes.images(x)
        outputs = self._outputs(flattened(views))
        return views, unflattened(outputs, self.passes)


def flattened(views: Array) -> Array:
    """(B K, ...) from (B, K, ...)."""
    return namespace(views).reshape(views, (-1, *views.shape[2:]))


def unflattened(rows: Array, count: int) -> Array:
    """(B, K, ...) from (B K, ...), K = count."""
    return namespace(rows).reshape(rows, (rows.shape[0] // count, count, *rows.shape[1:]))


def _group_of(rho_x: Any, rho_y: Any, group: Group | None) -> Group:
    """The group of the actions, or the stated one."""
    groups = [rho.group for rho in (rho_x, rho_y) if isinstance(rho, Representation)]
    groups += [] if group is None else [group]
    if not groups:
        raise MfsymError("group must be given where neither rho_x nor rho_y is a Representation")
    if any(other != groups[0] for other in groups):
        raise MfsymError(f"rho_x, rho_y and group must be one group, got {', '.join(other.name for other in groups)}")
    return groups[0]
