"""Direct products of groups, finite and continuous."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from itertools import pairwise
from math import prod

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from mfsym.errors import MfsymError
from mfsym.groups.base import Group, Quadrature
from mfsym.groups.finite import MAX_ORDER, FiniteGroup
from mfsym.groups.matrix_groups import MatrixGroup, checked_homomorphism
from mfsym.representations.arrays import check_numbers
from mfsym.typing import Elements, Floats

_STEP_BITS = 56
"""Factor i draws at step + i 2^56: below 2^56 steps, factors share a key but never a random block."""


def product(*groups: Group) -> Group:
    """The direct product, acting on the direct sum of the factors' defining spaces, factor after factor.

    A representation of a factor becomes one of the product with ``rep.inflate(product, index)``. The product is finite
    if every factor is; its elements are then indices in the enumeration of the product.
    """
    factors = tuple(factor for group in groups for factor in (getattr(group, "factors", ()) or (group,)))
    if not factors:
        raise MfsymError("product needs at least one group")
    if not all(isinstance(factor, Group) for factor in factors):
        raise MfsymError("product needs groups, such as product(cyclic(2), so(2))")
    finite = [factor for factor in factors if isinstance(factor, FiniteGroup)]
    if len(finite) < len(factors):
        return ProductGroup(factors)
    order = prod(factor.order for factor in finite)
    if order > MAX_ORDER:
        raise MfsymError(f"{_name(factors)} has {order} elements, more than {MAX_ORDER}; take smaller factors")
    generators = _embedded([factor.generator_defining for factor in finite], np.eye)
    known = all(factor.has_natural("permutation") for factor in finite)
    natural = {"permutation": partial(_permutations, factors)} if known else {}
    made = FiniteGroup(generators, _name(factors), generator_names=_names(factors), natural=natural)
    made.factors = factors
    return made


class ProductGroup(MatrixGroup):
    """A direct product with a continuous factor; elements are block diagonal defining matrices (n, k, k)."""

    def __init__(self, factors: tuple[Group, ...]) -> None:
        generators = _embedded([factor.generator_defining for factor in factors], np.eye)
        algebra = _embedded([factor.algebra for factor in factors], lambda n: np.zeros((n, n)))
        super().__init__(_name(factors), algebra, generators, _names(factors))
        self.factors = factors
        self._edges = np.cumsum([0, *(factor.degree for factor in factors)])

    def blocks(self, matrices: Floats) -> list[Floats]:
        """Diagonal blocks of matrices (..., k, k), factor by factor."""
        return [matrices[..., a:b, a:b] for a, b in pairwise(self._edges)]

    def distance(self, matrices: Floats) -> Floats:
        blocks = self.blocks(matrices)
        for factor, part in zip(self.factors, blocks, strict=True):
            factor.find(part)
        return np.asarray(np.abs(matrices - self.assemble(blocks)).max(axis=(1, 2)))

    def haar(self, key: NDArray[np.uint32], step: int, n: int) -> Elements:
        """Independent draws of the factors."""
        draws = [
            factor.defining(factor.haar(key, step + (i << _STEP_BITS), n)) for i, factor in enumerate(self.factors)
        ]
        return self.assemble(draws)

    def quadrature(self, order: int | None = None) -> Quadrature:
        """The product of the factors' rules; its degree is the smallest of theirs."""
        return self.product_rule([factor.quadrature(order) for factor in self.factors])

    def product_rule(self, rules: list[Quadrature]) -> Quadrature:
        """The product of one rule per factor; its degree is the smallest of their degrees."""
        check_numbers(prod(map(len, rules)), self.degree, f"the quadrature of {self.name}")
        grid = np.meshgrid(*(np.arange(len(rule)) for rule in rules), indexing="ij")
        picks = [axis.ravel() for axis in grid]
        nodes = [
            factor.defining(rule.elements[pick]) for factor, rule, pick in zip(self.factors, rules, picks, strict=True)
        ]
        weights = [rule.weights[pick] for rule, pick in zip(rules, picks, strict=True)]
        degree = min(rule.degree for rule in rules if rule.degree is not None)
        return Quadrature(self.assemble(nodes), np.prod(weights, axis=0), False, degree)

    def element_name(self, element: Elements) -> str:
        """The factors' names."""
        names = [
            factor.element_name(factor.find(part))
            for factor, part in zip(self.factors, self.blocks(np.asarray(element)), strict=True)
        ]
        return f"({'; '.join(names)})"

    def evaluator(self, generators: Floats, algebra: Floats) -> Callable[[Elements], Floats]:
        """The product of the factors' homomorphisms; MfsymError if they do not commute."""
        letters = np.cumsum([0, *(len(factor.generator_names) for factor in self.factors)])
        axes = np.cumsum([0, *(factor.dimension for factor in self.factors)])
        parts = [
            factor.evaluator(generators[letters[i] : letters[i + 1]], algebra[axes[i] : axes[i + 1]])
            for i, factor in enumerate(self.factors)
        ]
        return checked_homomorphism(self, FactorProduct(self, parts))

    def assemble(self, blocks: list[Floats]) -> Floats:
        """Elements (..., k, k) from their diagonal blocks, one per factor."""
        result = np.zeros((*blocks[0].shape[:-2], self.degree, self.degree))
        for block, (a, b) in zip(blocks, pairwise(self._edges), strict=True):
            result[..., a:b, a:b] = block
        return result


class FactorProduct:
    """The homomorphism (g_1, ..., g_f) -> rho_1(g_1) ... rho_f(g_f) of a ProductGroup."""

    def __init__(self, group: ProductGroup, parts: list[Callable[[Elements], Floats]]) -> None:
        self.group, self.parts = group, parts

    def __call__(self, elements: Elements) -> Floats:
        blocks = zip(self.group.factors, self.group.blocks(np.asarray(elements)), self.parts, strict=True)
        return reduce(np.matmul, [part(factor.find(block)) for factor, block, part in blocks])


def _permutations(factors: tuple[Group, ...]) -> Floats:
    """Generator matrices of the sum of the factors' natural permutation representations."""
    known = [factor.natural("permutation") for factor in factors]
    return _embedded([matrices for matrices in known if matrices is not None], np.eye)


def _embedded(parts: list[Floats], filler: Callable[[int], Floats]) -> Floats:
    """Block diagonal matrices, one per matrix of each factor, with ``filler`` in the blocks of the other factors."""
    sizes = [part.shape[-1] for part in parts]
    check_numbers(sum(map(len, parts)), sum(sizes), "a product of groups")
    matrices = [
        block_diag(*(matrix if i == j else filler(size) for j, size in enumerate(sizes)))
        for i, part in enumerate(parts)
        for matrix in part
    ]
    return np.array(matrices, dtype=np.float64).reshape(-1, sum(sizes), sum(sizes))


def _name(factors: tuple[Group, ...]) -> str:
    return " x ".join(factor.name for factor in factors)


def _names(factors: tuple[Group, ...]) -> tuple[str, ...]:
    """Generator names of a product: the factors' names, numbered by factor where two factors share one."""
    names = [(i, name) for i, factor in enumerate(factors) for name in factor.generator_names]
    plain = [name for _, name in names]
    return tuple(f"{name}{i + 1}" if plain.count(name) > 1 else name for i, name in names)
