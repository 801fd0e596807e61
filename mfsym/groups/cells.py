"""Partitions of a compact group into cells around quadrature nodes, and quadratures for evaluation.

Each node of a quadrature represents a cell around it. The cells partition the group, and their Haar measures equal the
weights. A function constant on cells is thus known on the whole group, not just at the nodes. Evaluation rules use more
nodes than training does, and different ones, because a model averaged over a rule looks symmetric at its nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce, singledispatch

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError
from mfsym.groups.base import Group, Quadrature
from mfsym.groups.continuous import Orthogonal, Torus
from mfsym.groups.finite import FiniteGroup
from mfsym.groups.products import ProductGroup
from mfsym.groups.rotations import equispaced, planar
from mfsym.representations.arrays import check_numbers
from mfsym.streams import stream_key
from mfsym.typing import Elements, Floats

JUDGING_STEPS = (1, 3)
"""Degrees of the two evaluation rules above the default: 17 and 19 nodes on the circle, against 16 in training."""

JUDGING_DRAWS = 256
"""Haar draws in an evaluation rule, for a group without a quadrature."""

JUDGING_SEED = 1_618_033
"""Seed of the elements that translate the evaluation rules; training does not use it by default."""


@dataclass(frozen=True)
class Cells:
    """A partition of a group into K cells with S nodes in each.

    elements : batch (K, S) of elements.  weights : (K,), the Haar measures of the cells.
    inner : (S,), weights of the nodes within each cell, summing to 1; Gauss-Legendre in the coordinates of the cell.
    """

    elements: Elements
    weights: Floats
    inner: Floats


def has_rule(group: Group) -> bool:
    """Whether the group, or each of its factors, has a quadrature: all groups except SO(n) and O(n) with n > 3."""
    return not any(isinstance(part, Orthogonal) and part.degree > 3 for part in group.factors or (group,))


@singledispatch
def cells_of(group: Group, degree: int, inside: int) -> Cells:
    """The cells around the nodes of the group's quadrature of the given degree, with ``inside`` nodes per direction.

    The cells of a finite group are its elements. Raises MfsymError for a group that has no quadrature.
    """
    raise MfsymError(f"{group.name} has no quadrature, and no cells")


@cells_of.register
def _(group: FiniteGroup, degree: int, inside: int) -> Cells:
    rule = group.quadrature()
    return Cells(group.defining(rule.elements)[:, None], rule.weights, np.ones(1))


@cells_of.register
def _(group: Torus, degree: int, inside: int) -> Cells:
    offsets, inner = _grid([_gauss(inside)] * group.dimension)
    nodes = _grid([(equispaced(degree + 1), np.ones(degree + 1))] * group.dimension)[0]
    check_numbers(len(nodes) * len(offsets), group.degree, f"the cells of {group.name}")
    angles = nodes[:, None] + offsets * (2.0 * np.pi / (degree + 1))
    return Cells(group.rotations(angles), np.full(len(nodes), 1.0 / len(nodes)), inner)


@cells_of.register
def _(group: Orthogonal, degree: int, inside: int) -> Cells:
    if not has_rule(group):
        raise MfsymError(f"{group.name} has no quadrature, and no cells")
    elements, weights, inner = _circle_cells(degree, inside) if group.degree == 2 else _rotation_cells(degree, inside)
    cosets = [elements, *(generator @ elements for generator in group.generators)]
    return Cells(np.concatenate(cosets), np.tile(weights, len(cosets)) / len(cosets), inner)


@cells_of.register
def _(group: ProductGroup, degree: int, inside: int) -> Cells:
    parts = [cells_of(factor, degree, inside) for factor in group.factors]
    outer = _indices([len(part.weights) for part in parts])
    inner = _indices([len(part.inner) for part in parts])
    check_numbers(len(outer) * len(inner), group.degree, f"the cells of {group.name}")
    blocks = [part.elements[k][:, s] for part, k, s in zip(parts, outer.T, inner.T, strict=True)]
    weights = reduce(np.multiply, [part.weights[k] for part, k in zip(parts, outer.T, strict=True)])
    inside_weights = reduce(np.multiply, [part.inner[s] for part, s in zip(parts, inner.T, strict=True)])
    return Cells(group.assemble(blocks), weights, inside_weights)


def judging_rule(group: Group, number: int = 0) -> Quadrature:
    """A rule for the Haar integral that training does not use; the full sum for a finite group.

    number : 0 or 1, two rules with no common node. Their degrees exceed the default, and each is translated by a
    different fixed Haar draw. A group without a quadrature gets JUDGING_DRAWS Haar draws.
    """
    if isinstance(group, FiniteGroup):
        return group.quadrature()
    key = stream_key(JUDGING_SEED, "haar", number)
    if isinstance(group, ProductGroup):
        return group.product_rule([judging_rule(factor, number) for factor in group.factors])
    if not has_rule(group):
        return Quadrature(group.haar(key, 0, JUDGING_DRAWS), np.full(JUDGING_DRAWS, 1.0 / JUDGING_DRAWS), False, 0)
    degree = group.quadrature().degree
    assert degree is not None
    rule = group.quadrature(degree + JUDGING_STEPS[number])
    return Quadrature(group.multiply(rule.elements, group.haar(key, 0, 1)), rule.weights, False, rule.degree)


def _gauss(inside: int) -> tuple[Floats, Floats]:
    """Gauss-Legendre nodes on [-1/2, 1/2], with weights summing to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(inside)
    return nodes / 2.0, weights / 2.0


def _indices(sizes: list[int]) -> NDArray[np.intp]:
    """(prod of sizes, len(sizes)): every combination of indices."""
    return np.stack([axis.ravel() for axis in np.indices(sizes)], axis=-1)


def _grid(rules: list[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """The product of one-dimensional rules: nodes (n, axes) and weights (n,)."""
    picks = _indices([len(nodes) for nodes, _ in rules]).T
    nodes = np.stack([rule[0][pick] for rule, pick in zip(rules, picks, strict=True)], axis=-1)
    weights = reduce(np.multiply, [rule[1][pick] for rule, pick in zip(rules, picks, strict=True)])
    return nodes, weights


def _circle_cells(degree: int, inside: int) -> tuple[Floats, Floats, Floats]:
    """Arcs of the circle: rotations (K, S, 2, 2), weights (K,), inner weights (S,)."""
    offsets, inner = _gauss(inside)
    count = degree + 1
    angles = equispaced(count)[:, None] + offsets * (2.0 * np.pi / count)
    return planar(angles), np.full(count, 1.0 / count), inner


def _rotation_cells(degree: int, inside: int) -> tuple[Floats, Floats, Floats]:
    """Boxes in Euler angles, Rz(a) Ry(b) Rz(c): the Haar measure is da d(cos b) dc / (8 pi^2).

    Split the range of cos b into consecutive intervals whose lengths are the Gauss weights: each contains exactly one
    Gauss node (Szego, Orthogonal Polynomials, section 3.41).
    """
    count, (offsets, inner) = degree + 1, _gauss(inside)
    heights = np.polynomial.legendre.leggauss(degree // 2 + 1)[1]
    edges = np.concatenate([[-1.0], -1.0 + np.cumsum(heights)])
    turns = equispaced(count)[:, None] + offsets * (2.0 * np.pi / count)
    cosines = (edges[:-1] + 0.5 * heights)[:, None] + offsets * heights[:, None]
    check_numbers(count**2 * len(heights) * inside**3, 3, "the cells of SO(3)")
    outer, within = _indices([count, len(heights), count]), _indices([inside] * 3)
    a, b, c = (table[k][:, s] for table, k, s in zip((turns, cosines, turns), outer.T, within.T, strict=True))
    weights = heights[outer[:, 1]] / (2.0 * count**2)
    return _about_z(a) @ _about_y(b) @ _about_z(c), weights, np.prod(inner[within], axis=1)


def _about_z(angles: Floats) -> Floats:
    """Rotations (..., 3, 3) about the third axis."""
    result = np.zeros((*angles.shape, 3, 3))
    result[..., :2, :2], result[..., 2, 2] = planar(angles), 1.0
    return result


def _about_y(cosines: Floats) -> Floats:
    """Rotations (..., 3, 3) about the second axis, by angles in [0, pi] of these cosines."""
    result, sines = np.zeros((*cosines.shape, 3, 3)), np.sqrt(1.0 - cosines**2)
    result[..., 0, 0], result[..., 0, 2], result[..., 2, 0], result[..., 2, 2] = cosines, sines, -sines, cosines
    result[..., 1, 1] = 1.0
    return result
