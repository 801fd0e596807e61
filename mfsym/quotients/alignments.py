"""Alignment: the point of an orbit that is nearest to a given point.

Every aligner moves rows x (S, p) to the rows rho(g_s) x_s nearest to rows ``to`` (S, p).
"""

from __future__ import annotations

from itertools import product
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mfsym.groups import Elements
from mfsym.groups.continuous import Orthogonal
from mfsym.groups.products import ProductGroup
from mfsym.groups.rotations import exponentials
from mfsym.quotients.kernels.rotations import WIDE, align_clouds, distance_table
from mfsym.quotients.shapes import SPACE, PlanarShapes, copies_of_vector
from mfsym.representations import Representation
from mfsym.streams import stream_key

Floats = NDArray[np.float64]
Waves = NDArray[np.complex128]

NUMBERS = 1 << 22
"""Most numbers in the images of points made at once (32 MiB)."""

LAST_RULE = 3
"""Largest n for which SO(n) and O(n) have a quadrature."""


class Aligner(Protocol):
    """Moves points along their orbits to the positions nearest to given points."""

    def align(self, x: Floats, to: Floats) -> Floats:
        """rho(g_s) x_s (S, p), with g_s the element that brings x_s nearest to to_s."""
        ...


def least_distances(aligner: Aligner, a: Floats, b: Floats) -> Floats:
    """min_g |a_s - rho(g) b_t| (S, T), by aligning all of b to every row of a."""
    if isinstance(aligner, SpatialRotations):
        return aligner.distances(a, b)
    table = np.empty((len(a), len(b)))
    for row, point in zip(table, a, strict=True):
        targets = np.broadcast_to(point, b.shape)
        row[:] = np.linalg.norm(aligner.align(b, targets) - targets, axis=1)
    return table


class Kabsch:
    """Copies of the vector representation of SO(d) or O(d): by singular values of the cross-covariance.

    With SO(d) the least singular direction is turned back where the determinant would be -1: W. Kabsch, Acta Cryst. A32
    (1976) 922. Without it a mirror image counts as the same shape.
    """

    def __init__(self, d: int, proper: bool) -> None:
        self.d, self.proper = d, proper

    def align(self, x: Floats, to: Floats) -> Floats:
        """R_s x_s (S, n d), R_s the rotation of least sum_n |R x_n - to_n|^2."""
        points, targets = (each.reshape(len(x), -1, self.d) for each in (x, to))
        left, _, right = np.linalg.svd(np.einsum("sni,snj->sij", targets, points))
        if self.proper:
            left[:, :, -1] *= np.sign(np.linalg.det(left @ right))[:, None]
        rotations = left @ right
        return np.asarray(np.einsum("sij,snj->sni", rotations, points).reshape(x.shape))


class SpatialRotations:
    """Copies of the vector representation of SO(3), compiled: ``kernels.rotations``."""

    def align(self, x: Floats, to: Floats) -> Floats:
        """R_s x_s (S, 3 n), R_s the rotation of least sum_n |R x_n - to_n|^2."""
        first, second, out = np.ascontiguousarray(x), np.ascontiguousarray(to), np.empty(x.shape)
        tables, square = np.zeros((3, 9 * WIDE)), np.empty((2, 4, 4))
        align_clouds(first.reshape(-1), second.reshape(-1), x.shape[1], out.reshape(-1), tables, square)
        return out

    def distances(self, a: Floats, b: Floats) -> Floats:
        """Least |a_s - R b_t| (S, T)."""
        table, sure, square = np.empty((len(a), len(b))), np.empty(9 * WIDE), np.empty((2, 4, 4))
        tables = np.zeros((3, max(9, a.shape[1]) * WIDE))
        distance_table(a.reshape(-1), b.reshape(-1), a.shape[1], table, tables, sure, square)
        return table


class BestElement:
    """A finite group: the best of all elements, the first of equals."""

    def __init__(self, matrices: Floats) -> None:
        self.matrices = matrices

    def align(self, x: Floats, to: Floats) -> Floats:
        """rho(g_s) x_s (S, p), g_s the element of largest <rho(g) x_s, to_s>."""
        step = max(1, NUMBERS // max(1, self.matrices.shape[0] * x.shape[1]))
        moved = np.empty_like(x)
        for start in range(0, len(x), step):
            part = slice(start, start + step)
            images = np.tensordot(x[part], self.matrices, axes=([1], [2]))
            best = np.argmax(np.einsum("skp,sp->sk", images, to[part]), axis=1)
            moved[part] = images[np.arange(len(best)), best]
        return moved


class Circle:
    """A group of one parameter, exp(theta A): the largest value of a trigonometric polynomial in theta.

    <to, exp(theta A) x> = Re sum_m C_m e^(i m theta) over the charges m of A. With charges 0 and 1 alone the best theta
    is -arg C_1. Otherwise all local maxima of a grid of NODES times the largest charge are refined by Newton steps to
    rounding, and the highest one is taken.
    """

    NODES = 32
    STEPS = 8

    def __init__(self, matrix: Floats) -> None:
        values, self.frame = np.linalg.eigh(1j * matrix)
        self.charges = -np.rint(values).astype(np.int64)
        self.top = int(np.abs(self.charges).max(initial=0))

    def align(self, x: Floats, to: Floats) -> Floats:
        """exp(theta_s A) x_s (S, p) with the best theta_s."""
        waves, targets = x @ self.frame.conj(), to @ self.frame.conj()
        products = targets.conj() * waves
        coefficients = np.zeros((len(x), self.top + 1), dtype=np.complex128)
        for column, m in zip(products.T, self.charges, strict=True):
            coefficients[:, abs(m)] += column if m >= 0 else column.conj()
        phases = np.exp(1j * self.charges * self._angles(coefficients)[:, None])
        return np.ascontiguousarray(((waves * phases) @ self.frame.T).real)

    def _angles(self, coefficients: Waves) -> Floats:
        """The angles (S,) that maximise Re sum_m C_m e^(i m theta), coefficients C (S, top + 1)."""
        if self.top == 0:
            return np.zeros(len(coefficients))
        if not coefficients[:, 1:-1].any():
            return np.asarray(-np.angle(coefficients[:, -1]) / self.top)
        nodes, orders = self.NODES * self.top, np.arange(self.top + 1)
        width = 2.0 * np.pi / nodes
        grid: Floats = width * np.arange(nodes, dtype=np.float64)
        values = (coefficients @ np.exp(1j * np.outer(orders, grid))).real
        peaks = (values >= np.roll(values, 1, axis=1)) & (values >= np.roll(values, -1, axis=1))
        order = np.argsort(np.where(peaks, -values, np.inf), axis=1)[:, : self.top]
        angles: Floats = grid[order]
        for _ in range(self.STEPS):
            slope, bend = self._derivatives(coefficients, angles)
            step = np.where(bend < 0.0, -slope / np.where(bend < 0.0, bend, 1.0), np.sign(slope) * width)
            angles = angles + np.clip(step, -width, width)
        heights = np.einsum("sm,sjm->sj", coefficients, np.exp(1j * angles[..., None] * orders)).real
        return np.take_along_axis(angles, np.argmax(heights, axis=1)[:, None], axis=1)[:, 0]

    def _derivatives(self, coefficients: Waves, angles: Floats) -> tuple[Floats, Floats]:
        orders = np.arange(self.top + 1)
        terms = coefficients[:, None, :] * np.exp(1j * angles[..., None] * orders)
        return -(orders * terms.imag).sum(axis=-1), -(orders**2 * terms.real).sum(axis=-1)


class Cosets:
    """A group H G of finitely many matrices H (K, p, p) and a group G that has an aligner: the best of K alignments."""

    def __init__(self, matrices: Floats, inner: Aligner) -> None:
        self.matrices, self.inner = matrices, inner

    def align(self, x: Floats, to: Floats) -> Floats:
        """h_s rho(g_s) x_s (S, p): ``to`` is moved back by each h, x aligned to it, and the nearest one moved on."""
        best, least = np.empty_like(x), np.full(len(x), np.inf)
        for matrix in self.matrices:
            moved = self.inner.align(x, np.ascontiguousarray(to @ matrix)) @ matrix.T
            distances = np.square(moved - to).sum(axis=1)
            nearer = distances < least
            best[nearer], least[nearer] = moved[nearer], distances[nearer]
        return best


class RotationSearch:
    """Any compact group: Newton's method on the group from the best of many elements. Not certain to be the nearest.

    Starts are the nodes of the group's quadrature, or HAAR draws where it has none; the KEPT best of them climb
    <to, rho(g) x> by damped Newton steps in the Lie algebra until its derivative is rounding. ``agreement`` says how
    many of them reached the same height.
    """

    HAAR = 256
    KEPT = 8
    STEPS = 40
    SAME = 1e-9
    ROUNDING = 1e-14

    def __init__(self, rep: Representation) -> None:
        self.algebra = rep.algebra_matrices
        self.starts = rep(_elements(rep, self.HAAR))
        seconds = np.einsum("aij,bjk->abik", self.algebra, self.algebra)
        self.seconds = 0.5 * (seconds + np.swapaxes(seconds, 0, 1))

    def align(self, x: Floats, to: Floats) -> Floats:
        """rho(g_s) x_s (S, p), g_s the best element found."""
        moved, heights = self._climbed(x, to)
        best = np.argmax(heights, axis=1)
        return np.ascontiguousarray(moved[np.arange(len(x)), best])

    def agreement(self, x: Floats, to: Floats) -> Floats:
        """The share (S,) of the KEPT climbs that reached the highest value, to SAME of |x| |to|."""
        heights = self._climbed(x, to)[1]
        scale = np.linalg.norm(x, axis=1) * np.linalg.norm(to, axis=1)
        return (heights >= heights.max(axis=1, keepdims=True) - self.SAME * scale[:, None]).mean(axis=1)

    def _climbed(self, x: Floats, to: Floats) -> tuple[Floats, Floats]:
        """Images (S, KEPT, p) of x where the climbs ended, and their heights <to, y> (S, KEPT)."""
        pairs = [self._climbed_one(point, target) for point, target in zip(x, to, strict=True)]
        return np.array([moved for moved, _ in pairs]), np.array([heights for _, heights in pairs])

    def _climbed_one(self, point: Floats, target: Floats) -> tuple[Floats, Floats]:
        images = self.starts @ point
        y = images[np.argsort(-(images @ target), kind="stable")[: self.KEPT]]
        damping = np.zeros(len(y))
        scale = float(np.linalg.norm(point) * np.linalg.norm(target))
        for _ in range(self.STEPS):
            slopes = np.einsum("i,aij,sj->sa", target, self.algebra, y, optimize=True)
            if np.abs(slopes).max(initial=0.0) <= 1e-15 * scale:
                break
            bends = np.einsum("i,abij,sj->sab", target, self.seconds, y, optimize=True)
            values, frames = np.linalg.eigh(bends)
            lengths = np.maximum(np.abs(values), 1e-12 * max(scale, 1e-300)) + damping[:, None]
            steps = np.einsum("sab,sb->sa", frames, np.einsum("sab,sa->sb", frames, slopes) / lengths)
            moved = np.einsum("sij,sj->si", exponentials(np.tensordot(steps, self.algebra, axes=1)), y)
            better = moved @ target >= y @ target - self.ROUNDING * scale
            y = np.where(better[:, None], moved, y)
            damping = np.where(better, 0.25 * damping, np.maximum(4.0 * damping, 0.1 * scale))
        return y, y @ target


def _elements(rep: Representation, count: int) -> Elements:
    """Nodes of the group's quadrature; Haar draws where it has none."""
    group = rep.group
    if isinstance(group, Orthogonal) and group.degree > LAST_RULE:
        return group.haar(stream_key(0, "haar"), 0, count)
    return group.quadrature().elements


def aligner_of(rep: Representation, copies: int | None) -> Aligner:
    """The aligner of a representation: exact for finite groups, copies of vectors, one parameter, and products with
    one continuous factor of these; a ``RotationSearch`` otherwise.

    copies : of the vector representation, see ``shapes.copies_of_vector``.
    """
    group = rep.group
    if group.order is not None:
        return BestElement(rep.matrices)
    if copies is not None and isinstance(group, Orthogonal):
        if group.special and group.degree <= SPACE:
            return SpatialRotations() if group.degree == SPACE else PlanarShapes()
        return Kabsch(group.degree, group.special)
    continuous = [i for i, factor in enumerate(group.factors) if factor.order is None]
    if isinstance(group, ProductGroup) and len(continuous) == 1:
        return _product_aligner(rep, group, continuous[0])
    if group.dimension == 1:
        whole = np.concatenate([np.eye(rep.dim)[None], rep.generator_matrices])
        circle = Circle(rep.algebra_matrices[0])
        return circle if len(whole) == 1 else Cosets(whole, circle)
    return RotationSearch(rep)


def _product_aligner(rep: Representation, group: ProductGroup, index: int) -> Cosets:
    """Cosets of the finite factors over the one continuous factor."""
    units = [factor.defining(factor.identity) for factor in group.factors]
    finite = [i for i in range(len(units)) if i != index]
    tables = [group.factors[i].defining(group.factors[i].quadrature().elements) for i in finite]
    elements = []
    for picked in product(*tables):
        blocks = list(units)
        for i, block in zip(finite, picked, strict=True):
            blocks[i] = block
        elements.append(group.assemble(blocks))
    factor = group.factors[index]
    axes = np.cumsum([0, *(each.dimension for each in group.factors)])
    letters = np.cumsum([0, *(len(each.generator_names) for each in group.factors)])
    inner = Representation(
        factor,
        rep.generator_matrices[letters[index] : letters[index + 1]],
        rep.algebra_matrices[axes[index] : axes[index + 1]],
        lambda found: rep(np.array([group.assemble([*units[:index], each, *units[index + 1 :]]) for each in found])),
        rep.name,
    )
    return Cosets(rep(np.array(elements)), aligner_of(inner, copies_of_vector(inner)))
