"""Finite groups: every element enumerated from the generators, as an index and as a word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.errors import MfsymError
from mfsym.groups.base import Elements, Floats, Group, Quadrature
from mfsym.streams import uniforms

ORTHOGONAL_TOLERANCE = 1e-8
"""Largest |M M^T - I| accepted from a caller's matrices."""

MAX_TABLE = 1 << 25
"""Most numbers (order q^2) in the table of a representation: 256 MB."""

_GRID = 1e6 / np.pi
_OFFSET = 0.3


class FiniteGroup(Group):
    """A finite group of orthogonal matrices, given by generators and enumerated breadth first.

    matrices : (m, k, k) generators.  natural : generator matrices of further natural representations, by name.
    Element i is the word ``words[i]`` in the generators (0 is the identity, the empty word); ``matrices[i]`` is its
    defining matrix. MfsymError if the closure passes ``max_order`` elements.
    """

    order: int

    def __init__(
        self,
        matrices: ArrayLike,
        name: str,
        *,
        generator_names: Sequence[str] | None = None,
        natural: Mapping[str, Floats] | None = None,
        max_order: int = 50_000,
    ) -> None:
        generators = np.array(matrices, dtype=np.float64)
        if generators.ndim != 3 or generators.shape[1] != generators.shape[2]:
            raise MfsymError(f"generators must be an array (m, k, k) of square matrices, got shape {generators.shape}")
        self.name = name
        self.generator_defining = generators
        self.degree = generators.shape[1]
        self.generator_names = tuple(generator_names or (f"g{i + 1}" for i in range(len(generators))))
        check_orthogonal(generators, self.generator_names)
        self.algebra = np.zeros((0, self.degree, self.degree))
        self._natural = dict(natural or {})
        self._enumerate(max_order)
        self.order = self.matrices.shape[0]
        self.generators = self.find(generators)

    def _enumerate(self, max_order: int) -> None:
        """Breadth-first closure under right multiplication by the generators, one word length at a time."""
        known = {_key(np.eye(self.degree)): 0}
        levels = [np.eye(self.degree)[None]]
        parents, letters = [np.zeros(1, dtype=np.intp)], [np.zeros(1, dtype=np.intp)]
        start, total = 0, 1
        while total > start:
            products = np.einsum("nij,mjk->nmik", levels[-1], self.generator_defining)
            fresh, origin = [], []
            for flat, product in enumerate(products.reshape(-1, self.degree, self.degree)):
                key = _key(product)
                if key not in known:
                    known[key] = len(known)
                    fresh.append(product)
                    origin.append(divmod(flat, len(self.generator_names)))
            if len(known) > max_order:
                raise MfsymError(
                    f"the generators of {self.name} must generate a finite group, got more than {max_order} elements; "
                    "check their angles, or raise max_order"
                )
            start, total = total, len(known)
            if fresh:
                pairs = np.array(origin, dtype=np.intp)
                parents.append(pairs[:, 0] + start - len(levels[-1]))
                letters.append(pairs[:, 1])
                levels.append(np.stack(fresh))
        self.matrices = np.concatenate(levels)
        self._parents, self._letters = np.concatenate(parents), np.concatenate(letters)
        self._levels = np.cumsum([0, *map(len, levels)])
        self._known = known

    @cached_property
    def _right(self) -> NDArray[np.intp]:
        """(m, order): index of element . generator."""
        columns = [self.find(self.matrices @ generator) for generator in self.generator_defining]
        return np.array(columns, dtype=np.intp).reshape(len(self.generator_names), self.order)

    @cached_property
    def _steps(self) -> NDArray[np.intp]:
        """(m + 1, order): as ``_right``, with a last row that stands still (the padding of short words)."""
        return np.vstack([self._right, np.arange(self.order)[None]])

    @cached_property
    def _padded_words(self) -> NDArray[np.intp]:
        """(order, longest word): letters of every element's word, left to right, padded with m."""
        padding = len(self.generator_names)
        words = np.full((self.order, len(self._levels) - 2), padding, dtype=np.intp)
        for length in range(1, len(self._levels) - 1):
            here = slice(self._levels[length], self._levels[length + 1])
            words[here, : length - 1] = words[self._parents[here], : length - 1]
            words[here, length - 1] = self._letters[here]
        return words

    @property
    def words(self) -> tuple[tuple[int, ...], ...]:
        """Generator indices of every element's word, left to right."""
        return tuple(tuple(int(k) for k in w if k < len(self.generator_names)) for w in self._padded_words)

    @property
    def identity(self) -> Elements:
        """Index 0."""
        return np.array(0)

    @cached_property
    def table(self) -> NDArray[np.intp]:
        """(order, order): index of the product of element i and element j."""
        everyone = np.arange(self.order)
        return np.asarray(self.multiply(everyone[:, None], everyone[None, :]))

    def multiply(self, a: Elements, b: Elements) -> Elements:
        """Products a_i b_i, walking along the words of b."""
        a, b = np.broadcast_arrays(self._checked(a), self._checked(b))
        result = a.copy()
        for letter in np.moveaxis(self._padded_words[b], -1, 0):
            result = self._steps[letter, result]
        return result

    def inverse(self, a: Elements) -> Elements:
        """Inverses, walking the words of a backwards with the generators' inverses."""
        back = np.argsort(self._steps, axis=1)
        a = self._checked(a)
        result = np.zeros_like(a)
        for letter in np.moveaxis(self._padded_words[a], -1, 0)[::-1]:
            result = back[letter, result]
        return result

    def element_name(self, element: Elements) -> str:
        """The element's word, runs as powers: "e", "r^2 s"."""
        word = self._padded_words[int(self._checked(element))]
        runs = [(self.generator_names[k], len(list(run))) for k, run in groupby(word) if k < len(self.generator_names)]
        return " ".join(letter if power == 1 else f"{letter}^{power}" for letter, power in runs) or "e"

    def haar(self, key: NDArray[np.uint32], step: int, n: int) -> Elements:
        """n independent uniform indices (n,)."""
        return np.asarray((uniforms(key, step, n, 1)[:, 0] * self.order).astype(np.intp))

    def quadrature(self, order: int | None = None) -> Quadrature:
        """All of the group with equal weights, in the order of enumeration (identity first): the integral itself."""
        return Quadrature(np.arange(self.order), np.full(self.order, 1.0 / self.order), exact=True)

    def defining(self, elements: Elements) -> Floats:
        """Defining matrices (n, k, k)."""
        return np.asarray(self.matrices[self._checked(elements)])

    def find(self, matrices: Floats) -> Elements:
        """Indices (n,) of defining matrices (n, k, k); MfsymError if one is not in the group."""
        matrices = np.asarray(matrices, dtype=np.float64)
        if matrices.shape[-2:] != (self.degree, self.degree):
            raise MfsymError(f"elements of {self.name} are {self.degree}x{self.degree} matrices, got {matrices.shape}")
        flat = [self._known.get(_key(matrix), -1) for matrix in matrices.reshape(-1, self.degree, self.degree)]
        if -1 in flat:
            raise MfsymError(f"matrix {flat.index(-1)} is not an element of {self.name}")
        return np.array(flat, dtype=np.intp).reshape(matrices.shape[:-2])

    def natural(self, name: str) -> Floats | None:
        """Generator matrices of a natural representation, None if there is none."""
        return self._natural[name] if name in self._natural else super().natural(name)

    def tabulate(self, generators: Floats) -> Floats:
        """(order, q, q): the products of generator matrices (m, q, q) along every element's word."""
        table = np.broadcast_to(np.eye(generators.shape[-1]), (self.order, *generators.shape[1:])).copy()
        for length in range(1, len(self._levels) - 1):
            here = slice(self._levels[length], self._levels[length + 1])
            table[here] = table[self._parents[here]] @ generators[self._letters[here]]
        return table

    def evaluator(self, generators: Floats, algebra: Floats) -> Table:
        """The table of all products; MfsymError naming the element if they do not respect the group's relations."""
        size = generators.shape[-1]
        if self.order * size**2 > MAX_TABLE:
            raise MfsymError(
                f"a representation must fit in a table of {MAX_TABLE} numbers: {self.name} on R^{size} has "
                f"{self.order * size**2}; build it from smaller ones by +, * and hom, or take a smaller group"
            )
        table = self.tabulate(generators)
        for k, letter in enumerate(self.generator_names):
            error = np.abs(table @ generators[k] - table[self._right[k]]).max(axis=(1, 2), initial=0.0)
            worst = int(np.argmax(error))
            if error[worst] > ORTHOGONAL_TOLERANCE:
                raise MfsymError(
                    f"matrices must respect the relations of {self.name}: max|rho(g) rho({letter}) - rho(g {letter})| "
                    f"= {error[worst]:.1e} for g = {self.element_name(np.array(worst))}; give one matrix a generator, "
                    f"in the order {', '.join(self.generator_names)}"
                )
        return Table(table)

    def _checked(self, elements: Elements) -> NDArray[np.intp]:
        indices = np.asarray(elements)
        if not np.issubdtype(indices.dtype, np.integer):
            raise MfsymError(f"elements of {self.name} are indices 0 to {self.order - 1}, got dtype {indices.dtype}")
        return indices.astype(np.intp, copy=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.generator_defining, self.name, self.generator_names, self._natural, self.order)


class Table:
    """A homomorphism of a finite group as the table (order, q, q) of its values."""

    def __init__(self, values: Floats) -> None:
        self.values = values

    def __call__(self, elements: Elements) -> Floats:
        return np.asarray(self.values[elements])


def check_orthogonal(matrices: Floats, names: Sequence[str]) -> None:
    """MfsymError naming the first of ``matrices`` (m, q, q) that is not orthogonal."""
    defect = np.abs(matrices @ np.swapaxes(matrices, -1, -2) - np.eye(matrices.shape[-1]))
    for error, name in zip(defect.max(axis=(-1, -2), initial=0.0), names, strict=True):
        if not error <= ORTHOGONAL_TOLERANCE:
            raise MfsymError(
                f"M must be orthogonal: max|M M^T - I| = {error:.1e} for {name}; rescale it, or change the basis"
            )


def _key(matrix: Floats) -> bytes:
    """The matrix on a grid of step pi 1e-6, irrational so that the entries met in practice stay off its edges."""
    return np.rint(matrix * _GRID + _OFFSET).astype(np.int64).tobytes()


def _rebuild(
    matrices: Floats, name: str, names: tuple[str, ...], natural: Mapping[str, Floats], order: int
) -> FiniteGroup:
    return FiniteGroup(matrices, name, generator_names=names, natural=natural, max_order=order)
