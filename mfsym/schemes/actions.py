"""Group actions on batches: by representations (permutations act by indexing), or by user-defined functions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError, NotEquivariant
from mfsym.groups import Elements, Group
from mfsym.representations import Representation
from mfsym.schemes.arrays import Array, as_numpy, fresh, is_floating, like, namespace, picked

Floats = NDArray[np.float64]
Move = Callable[[Any, Array], Array]
"""(element, batch) -> batch: an index for a finite group, a defining matrix (k, k) for another."""

MOVE_TOLERANCE = 1e-12
"""Farthest an entry of a matrix may be from -1, 0, 1 for it to count as an index move, with or without signs."""

ACTION_TOLERANCE = 1e-6
"""Largest error of a user-defined action that passes ``check``, relative to the batch."""

NUMBERS = 1 << 24
"""Largest number of entries, over all matrices, when each row has its own group element: 128 MB."""


class Action(ABC):
    """A group acting on batches (B, ...), row by row.

    what : the space it acts on, as error messages name it: "x" or "y".
    """

    def __init__(self, group: Group, what: str) -> None:
        self.group, self.what = group, what

    @abstractmethod
    def check(self, batch: Array) -> None:
        """MfsymError unless the group acts on rows like these."""

    @abstractmethod
    def nodes(self, elements: Elements) -> Nodes:
        """The moves of a batch of K elements, prepared for repeated use."""

    @abstractmethod
    def one_by_one(self, elements: Elements, batch: Array) -> Array:
        """As ``each``, for elements that are almost all different."""

    def each(self, elements: Elements, batch: Array) -> Array:
        """Row b of a batch (B, ...) moved by elements[b]."""
        if self.group.order is None:
            return self.one_by_one(elements, batch)
        xp = namespace(batch)
        kinds, kind = np.unique(elements, return_inverse=True)
        order = np.argsort(kind, kind="stable")
        sorted_rows, ends = xp.take(batch, like(order, batch), axis=0), np.cumsum(np.bincount(kind))
        starts = [0, *ends[:-1]]
        parts = [self.nodes(kinds[k : k + 1]).images(sorted_rows[starts[k] : end])[:, 0] for k, end in enumerate(ends)]
        return xp.take(xp.concat(parts, axis=0), like(np.argsort(order), batch), axis=0)


class Nodes(ABC):
    """The moves of K elements."""

    @abstractmethod
    def images(self, x: Array) -> Array:
        """(B, K, ...): every row of x (B, ...) moved by every element; a new array."""

    @abstractmethod
    def back(self, y: Array) -> Array:
        """(B, K, ...): row (b, k) of y (B, K, ...) moved by the inverse of element k."""


class _Still(Action):
    """The trivial action, on rows of any shape."""

    def check(self, batch: Array) -> None:
        """Accept every batch."""

    def nodes(self, elements: Elements) -> Nodes:
        return _Copies(self.group.count(elements))

    def one_by_one(self, elements: Elements, batch: Array) -> Array:
        return batch


class _Copies(Nodes):
    """Moves that change nothing."""

    def __init__(self, count: int) -> None:
        self.count = count

    def images(self, x: Array) -> Array:
        return namespace(x).stack([fresh(x)] * self.count, axis=1)

    def back(self, y: Array) -> Array:
        return y


class _Linear(Action):
    """A Representation on rows (B, dim)."""

    def __init__(self, rep: Representation, what: str) -> None:
        super().__init__(rep.group, what)
        self.rep = rep

    def check(self, batch: Array) -> None:
        if batch.ndim != 2 or batch.shape[1] != self.rep.dim:
            raise MfsymError(
                f"{self.rep.group.name} acts on {self.what} in R^{self.rep.dim} by {self.rep.name[:60]}: {self.what} "
                f"must be rows of length {self.rep.dim}, got shape {tuple(batch.shape)}"
            )

    def nodes(self, elements: Elements) -> Nodes:
        moves = _as_moves(self.rep, elements)
        return _Matrices(self.rep(elements)) if moves is None else _Places(*moves)

    def one_by_one(self, elements: Elements, batch: Array) -> Array:
        xp, rows = namespace(batch), max(1, NUMBERS // self.rep.dim**2)
        parts = []
        for first in range(0, batch.shape[0], rows):
            part = slice(first, first + rows)
            matrices = like(self.rep(elements[part]), batch)
            parts.append(xp.matmul(matrices, _floating(batch)[part, :, None])[:, :, 0])
        return parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)


class _Places(Nodes):
    """Index moves: entry i of the image under element k is entry places[k, i] of the row, times signs[k, i]."""

    def __init__(self, places: NDArray[np.intp], signs: Floats) -> None:
        count, size = places.shape
        inverse = np.argsort(places, axis=1)
        self.still = bool((signs == 1.0).all() and (places == np.arange(size)).all())
        self.forward, self.signs = places.ravel(), None if (signs == 1.0).all() else signs
        self.backward = (inverse + size * np.arange(count)[:, None]).ravel()
        self.backward_signs = np.take_along_axis(signs, inverse, axis=1)
        self.shape = (count, size)

    def images(self, x: Array) -> Array:
        xp = namespace(x)
        moved = xp.reshape(picked(x, self.forward), (x.shape[0], *self.shape))
        return moved if self.signs is None else moved * like(self.signs, _floating(x))

    def back(self, y: Array) -> Array:
        if self.still:
            return y
        flat = namespace(y).reshape(y, (y.shape[0], -1))
        moved = namespace(y).reshape(picked(flat, self.backward), y.shape)
        return moved if self.signs is None else moved * like(self.backward_signs, _floating(y))


class _Matrices(Nodes):
    """Dense moves by matrices (K, d, d)."""

    def __init__(self, matrices: Floats) -> None:
        self.matrices = matrices
        self.side_by_side = np.ascontiguousarray(matrices.transpose(2, 0, 1).reshape(matrices.shape[1], -1))

    def images(self, x: Array) -> Array:
        xp = namespace(x)
        moved = xp.matmul(_floating(x), like(self.side_by_side, x))
        return xp.reshape(moved, (x.shape[0], *self.matrices.shape[:2]))

    def back(self, y: Array) -> Array:
        xp = namespace(y)
        return xp.matmul(_floating(y)[:, :, None, :], like(self.matrices, y))[:, :, 0, :]


class _Moved(Action):
    """A user-defined function (element, batch) -> batch of the same shape; it may overwrite its argument."""

    def __init__(self, group: Group, function: Move, what: str) -> None:
        super().__init__(group, what)
        self.function = function

    def move(self, element: Any, batch: Array) -> Array:
        """The batch moved by one element."""
        given = int(element) if self.group.order is not None else np.asarray(element)
        moved = self.function(given, fresh(batch))
        if tuple(getattr(moved, "shape", ())) != tuple(batch.shape):
            raise MfsymError(
                f"the action of {self.group.name} on {self.what} must give batches of the shape it is given, "
                f"{tuple(batch.shape)}, got {tuple(getattr(moved, 'shape', ()))} for {self.group.element_name(element)}"
            )
        return moved

    def check(self, batch: Array) -> None:
        """Accept every batch: ``move`` checks the shapes."""

    def nodes(self, elements: Elements) -> Nodes:
        return _Functions(self, elements)

    def one_by_one(self, elements: Elements, batch: Array) -> Array:
        rows = [self.move(element, batch[b : b + 1]) for b, element in enumerate(elements)]
        return namespace(batch).concat(rows, axis=0)


class _Functions(Nodes):
    """The moves of K elements by a user-defined function."""

    def __init__(self, action: _Moved, elements: Elements) -> None:
        self.action, self.elements = action, elements
        self.inverses = action.group.inverse(elements)

    def images(self, x: Array) -> Array:
        return namespace(x).stack([self.action.move(element, x) for element in self.elements], axis=1)

    def back(self, y: Array) -> Array:
        moved = [self.action.move(element, y[:, k]) for k, element in enumerate(self.inverses)]
        return namespace(y).stack(moved, axis=1)


def as_action(given: Representation | Move | None, group: Group, what: str) -> Action:
    """The action given by a Representation of the group, by a function, or by None (the trivial action)."""
    if given is None:
        return _Still(group, what)
    if isinstance(given, Representation):
        if given.group != group:
            raise MfsymError(f"rho_x and rho_y must be of one group, got {group.name} and {given.group.name}")
        return _Linear(given, what)
    if not callable(given):
        raise MfsymError(
            f"rho_{what} must be a Representation, a function (element, batch) -> batch, or None where the group does "
            f"nothing, got {type(given).__name__}"
        )
    return _Moved(group, given, what)


def check_action(action: Action, elements: Elements, batch: Array) -> None:
    """Raise NotEquivariant, naming two elements, unless g (h x) = (g h) x on these rows.

    g runs over the generators, h over ``elements``; an infinite group also tries the first few elements as g.
    """
    action.check(batch)
    group = action.group
    by_h = action.nodes(elements).images(batch)
    size = max(float(np.abs(as_numpy(batch)).max()), np.finfo(np.float64).tiny)
    firsts = [*group.generators, *(elements[:3] if group.order is None else ())]
    for g in firsts:
        direct = as_numpy(action.nodes(group.multiply(g, elements)).images(batch))
        for k, h in enumerate(elements):
            stepwise = as_numpy(action.nodes(np.asarray(g)[None]).images(by_h[:, k]))[:, 0]
            error = float(np.abs(stepwise.astype(np.float64) - direct[:, k]).max()) / size
            if not error <= ACTION_TOLERANCE:
                names = group.element_name(g), group.element_name(h)
                raise NotEquivariant(
                    f"{group.name} must act on {action.what}: moving by {names[1]} and then by {names[0]} differs from "
                    f"moving by their product by {error:.1e} of the size of {action.what}; elements of a finite group "
                    "are indices in the order of group.words, the first moved last",
                    error=error,
                    element=names[0],
                )


def _floating(batch: Array) -> Array:
    """The batch; MfsymError if its dtype is not floating, since the action mixes entries or changes signs."""
    if not is_floating(batch):
        raise MfsymError(f"only permutations move arrays of {batch.dtype}: hand over floating numbers")
    return batch


def _as_moves(rep: Representation, elements: Elements) -> tuple[NDArray[np.intp], Floats] | None:
    """places (K, dim) and signs (K, dim) if all matrices are signed permutations, else None; one matrix at a time."""
    places, signs = [], []
    for element in elements:
        matrix = rep(element)
        where = np.abs(matrix).argmax(axis=1)
        sign = np.rint(matrix[np.arange(rep.dim), where])
        matrix = matrix.copy()
        matrix[np.arange(rep.dim), where] -= sign
        once = np.array_equal(np.sort(where), np.arange(rep.dim)) and bool((np.abs(sign) == 1.0).all())
        if not once or np.abs(matrix).max(initial=0.0) > MOVE_TOLERANCE:
            return None
        places.append(where)
        signs.append(sign)
    return np.array(places, dtype=np.intp), np.array(signs)
