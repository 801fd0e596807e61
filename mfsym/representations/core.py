"""Orthogonal representations of a compact group, their algebra, and the subspaces they fix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from mfsym.arguments import as_floats, as_whole
from mfsym.errors import MfsymError
from mfsym.representations.arrays import check_numbers, copied, direct_sum, eyes, kronecker, square_basis
from mfsym.representations.orthogonality import check_orthogonal
from mfsym.representations.subspaces import Subspace, null_space
from mfsym.typing import Elements, Floats

if TYPE_CHECKING:
    from mfsym.groups import Group, Quadrature

Evaluate = Callable[[Elements], Floats]

ANTISYMMETRY_TOLERANCE = 1e-8
"""Largest |A + A^T| accepted from a caller's Lie algebra matrices."""

ACT_NUMBERS = 1 << 25
"""Largest number of matrix entries that ``act`` holds at once: 256 MB."""

INVARIANCE_TOLERANCE = 1e-8
"""Largest distance between an invariant subspace and the image of a unit vector in it."""

_LONGEST_SUM = 8


class Representation:
    """An orthogonal action of a group on R^dim.

    ``rep(elements)`` gives matrices (n, dim, dim). ``generator_matrices`` (m, dim, dim) and ``algebra_matrices``
    (a, dim, dim) are its values on the group's generators and the derivative's values on its Lie algebra basis.
    ``a + b`` is the direct sum, ``2 * a`` copies, ``a * b`` the tensor product (row-major), ``a.dual`` the dual,
    ``hom(a, b)`` the action on matrices. Build one with the methods of a group or with ``from_matrices``, which
    validate their arguments.
    """

    def __init__(
        self, group: Group, generator_matrices: Floats, algebra_matrices: Floats, evaluate: Evaluate, name: str
    ) -> None:
        self.group = group
        self.generator_matrices = generator_matrices
        self.algebra_matrices = algebra_matrices
        self.name = name
        self._evaluate = evaluate

    @property
    def dim(self) -> int:
        """Dimension of the space acted on."""
        return int(self.generator_matrices.shape[-1])

    def __call__(self, elements: Elements) -> Floats:
        """Matrices (n, dim, dim) of a batch of group elements; (dim, dim) of a single one.

        MfsymError if they take more than 1 GiB.
        """
        check_numbers(self.group.count(elements), self.dim, f"{self.name[:60]} of {self.group.name}")
        return self._evaluate(elements)

    def act(self, elements: Elements, x: ArrayLike) -> Floats:
        """rho(g_i) x_i for a batch of n elements and rows x (n, dim): (n, dim).

        At most ACT_NUMBERS matrix entries are held at a time, so memory does not grow with n. On large spaces, a finite
        group's matrix is computed once for each distinct element.
        """
        rows = as_floats(x, "x")
        step = max(1, ACT_NUMBERS // max(1, self.dim) ** 2)
        moved = np.empty(rows.shape)
        if self.group.order is not None and step < len(rows):
            for element in np.unique(elements):
                here = elements == element
                moved[here] = np.einsum("ij,nj->ni", self(element), rows[here])
            return moved
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            moved[part] = np.einsum("nij,nj->ni", self(elements[part]), rows[part])
        return moved

    def differential(self, algebra: ArrayLike) -> Floats:
        """Matrices (n, dim, dim) of Lie algebra elements given as defining matrices (n, k, k)."""
        return np.tensordot(self.group.algebra_coordinates(algebra), self.algebra_matrices, axes=1)

    @cached_property
    def quadrature(self) -> Quadrature:
        """The group's default quadrature."""
        return self.group.quadrature()

    @cached_property
    def matrices(self) -> Floats:
        """(K, dim, dim) on the nodes of the group's quadrature: on the whole group if it is finite."""
        return self(self.quadrature.elements)

    def characters(self, elements: Elements) -> Floats:
        """Traces (n,) of the matrices of a batch."""
        return np.asarray(np.trace(self(elements), axis1=-2, axis2=-1))

    def __add__(self, other: Representation) -> Representation:
        _same_group(self, other)
        check_room(self.group, self.dim + other.dim, "a sum")
        return Representation(
            self.group,
            direct_sum(self.generator_matrices, other.generator_matrices),
            direct_sum(self.algebra_matrices, other.algebra_matrices),
            partial(_evaluate_sum, self, other),
            f"{self.name} + {other.name}",
        )

    def __rmul__(self, count: int) -> Representation:
        """``count`` copies: the direct sum of this representation with itself."""
        copies = as_whole(count, "the number of copies", 1)
        check_room(self.group, copies * self.dim, f"{copies} copies")
        text = " + ".join([self.name] * copies) if copies <= _LONGEST_SUM else f"{copies} * {_bracketed(self.name)}"
        return Representation(
            self.group,
            copied(self.generator_matrices, copies),
            copied(self.algebra_matrices, copies),
            partial(_evaluate_copies, self, copies),
            text,
        )

    def __mul__(self, other: Representation) -> Representation:
        _same_group(self, other)
        check_room(self.group, self.dim * other.dim, "a tensor product")
        left, right = self.algebra_matrices, other.algebra_matrices
        return Representation(
            self.group,
            kronecker(self.generator_matrices, other.generator_matrices),
            kronecker(left, eyes(right)) + kronecker(eyes(left), right),
            partial(_evaluate_product, self, other),
            f"{_bracketed(self.name)} * {_bracketed(other.name)}",
        )

    @property
    def dual(self) -> Representation:
        """The dual: g acts by the inverse transpose, which for orthogonal matrices is the matrix itself."""
        return Representation(
            self.group, self.generator_matrices, self.algebra_matrices, self._evaluate, f"{_bracketed(self.name)}*"
        )

    def fixed_subspace(self) -> Subspace:
        """E^G = {z : rho(g) z = z for all g}: the null space of the stacked rho(h) - I and d rho(A).

        Maass Martínez & Fontbona 2024, section 2.2.

        >>> from mfsym.groups import cyclic
        >>> swap = cyclic(2).permutation()
        >>> hom(swap, swap).fixed_subspace().dimension
        2
        """
        return self._fixed

    @cached_property
    def _fixed(self) -> Subspace:
        moves = np.concatenate([self.generator_matrices - np.eye(self.dim), self.algebra_matrices])
        return null_space(moves.reshape(-1, self.dim))

    def restrict(self, along: Representation, name: str | None = None) -> Representation:
        """The representation h -> rho(along(h)) of another group.

        ``along`` is a representation of that group whose matrices are defining matrices of this one: the inclusion of
        a subgroup (``dihedral(4).vector().restrict(cyclic(4).vector())``) or the projection of a product.
        """
        generators = self(self.group.find(along.generator_matrices))
        algebra = self.differential(along.algebra_matrices)
        evaluate: Evaluate = partial(_evaluate_restricted, self, along)
        if along.group.order is not None:
            evaluate = along.group.evaluator(generators, algebra)
            generators = evaluate(along.group.generators)
        return Representation(along.group, generators, algebra, evaluate, name or f"{self.name}|{along.group.name}")

    def inflate(self, product: Group, index: int) -> Representation:
        """This representation of factor ``index`` of a direct product, as one of the product."""
        index = as_whole(index, "index")
        if not 0 <= index < len(product.factors) or product.factors[index] != self.group:
            factors = ", ".join(factor.name for factor in product.factors) or "none"
            raise MfsymError(f"factor {index} of {product.name} must be {self.group.name}; its factors are {factors}")
        start = sum(factor.degree for factor in product.factors[:index])
        block = slice(start, start + self.group.degree)
        projection = Representation(
            product,
            product.generator_defining[:, block, block],
            product.algebra[:, block, block],
            partial(_evaluate_block, product, block),
            f"factor {index}",
        )
        return self.restrict(projection, self.name)

    def subrepresentation(self, basis: ArrayLike, name: str | None = None) -> Representation:
        """The action on an invariant subspace, in the coordinates of an orthonormal basis (dim, r) of it.

        MfsymError naming an element that does not preserve the subspace, if there is one.
        """
        frame = as_floats(basis, "basis")
        if frame.ndim != 2 or frame.shape[0] != self.dim:
            raise MfsymError(f"basis must be a matrix ({self.dim}, r), got shape {frame.shape}")
        skew = float(np.abs(frame.T @ frame - np.eye(frame.shape[1])).max(initial=0.0))
        if skew > INVARIANCE_TOLERANCE:
            raise MfsymError(f"basis must be orthonormal: max|Q^T Q - I| = {skew:.1e}; use Subspace(basis).basis")
        moves = [*self.generator_matrices, *self.algebra_matrices]
        labels = [*self.group.generator_names, *(f"A{k + 1}" for k in range(self.group.dimension))]
        for label, move in zip(labels, moves, strict=True):
            moved = move @ frame
            error = float(np.abs(moved - frame @ (frame.T @ moved)).max(initial=0.0))
            if error > INVARIANCE_TOLERANCE:
                raise MfsymError(
                    f"the subspace must be invariant: {label} of {self.group.name} leaves it by {error:.1e}"
                )
        return Representation(
            self.group,
            frame.T @ self.generator_matrices @ frame,
            frame.T @ self.algebra_matrices @ frame,
            partial(_evaluate_sub, self, frame),
            name or f"{self.name} on R^{frame.shape[1]}",
        )

    @property
    def symmetric_square(self) -> Representation:
        """The action on symmetric matrices: basis e_i e_i, then (e_i e_j + e_j e_i) / sqrt 2 for i < j."""
        return (self * self).subrepresentation(square_basis(self.dim, 1.0), f"Sym2({self.name})")

    @property
    def antisymmetric_square(self) -> Representation:
        """The action on antisymmetric matrices: basis (e_i e_j - e_j e_i) / sqrt 2 for i < j."""
        return (self * self).subrepresentation(square_basis(self.dim, -1.0), f"Alt2({self.name})")

    def __repr__(self) -> str:
        return f"<Representation {self.name} of {self.group.name} on R^{self.dim}>"


def from_matrices(
    group: Group,
    generators: ArrayLike | Sequence[ArrayLike],
    algebra: ArrayLike | None = None,
    name: str = "rho",
) -> Representation:
    """The representation with given matrices (m, q, q) on the generators and (a, q, q) on the Lie algebra.

    For a finite group, matrices given to a few digits are replaced by those of the nearby exact homomorphism.
    MfsymError naming the element when the matrices are not orthogonal (antisymmetric on the algebra) or do not respect
    the group's products.
    """
    count = len(group.generator_names)
    given = as_floats(generators, "generator matrices")
    derived = as_floats(() if algebra is None else algebra, "Lie algebra matrices")
    size = (given if given.ndim == 3 else derived).shape[-1] if max(given.ndim, derived.ndim) == 3 else 1
    given = given if given.size else np.zeros((0, size, size))
    derived = derived if derived.size else np.zeros((0, size, size))
    _check_shape(given, count, size, f"one matrix for each generator of {group.name}")
    _check_shape(derived, group.dimension, size, f"one matrix for each Lie algebra basis element of {group.name}")
    check_room(group, size, name)
    check_orthogonal(given, [f"generator {letter}" for letter in group.generator_names])
    tilt = float(np.abs(derived + np.swapaxes(derived, -1, -2)).max(initial=0.0))
    if not tilt <= ANTISYMMETRY_TOLERANCE:
        raise MfsymError(f"Lie algebra matrices must be antisymmetric: max|A + A^T| = {tilt:.1e}; change the basis")
    evaluate = group.evaluator(given, derived)
    exact = given if group.order is None else evaluate(group.generators)
    return Representation(group, exact, derived, evaluate, name)


def hom(a: Representation, b: Representation) -> Representation:
    """The action z -> rho_b z rho_a^T on linear maps from a's space to b's: row-major matrices (b.dim, a.dim)."""
    result = b * a.dual
    result.name = f"hom({a.name}, {b.name})"
    return result


def _evaluate_sum(a: Representation, b: Representation, elements: Elements) -> Floats:
    return direct_sum(a(elements), b(elements))


def _evaluate_copies(rep: Representation, count: int, elements: Elements) -> Floats:
    return copied(rep(elements), count)


def _evaluate_product(a: Representation, b: Representation, elements: Elements) -> Floats:
    return kronecker(a(elements), b(elements))


def _evaluate_restricted(rep: Representation, along: Representation, elements: Elements) -> Floats:
    return rep(rep.group.find(along(elements)))


def _evaluate_block(group: Group, block: slice, elements: Elements) -> Floats:
    return group.defining(elements)[..., block, block]


def _evaluate_sub(rep: Representation, frame: Floats, elements: Elements) -> Floats:
    return np.asarray(frame.T @ rep(elements) @ frame)


def _bracketed(name: str) -> str:
    return f"({name})" if "+" in name else name


def check_room(group: Group, dim: int, what: str) -> None:
    """MfsymError if the matrices of the generators and of the Lie algebra basis on R^dim would not fit in memory."""
    check_numbers(len(group.generator_names) + group.dimension, dim, f"{what[:60]} of {group.name} on R^{dim}")


def _same_group(a: Representation, b: Representation) -> None:
    if not isinstance(b, Representation):
        raise MfsymError(f"expected a representation, got {b!r:.60}; write copies as 2 * rep")
    if a.group != b.group:
        raise MfsymError(
            f"representations must be of the same group, got {a.group.name} and {b.group.name}; restrict one"
        )


def _check_shape(matrices: Floats, count: int, size: int, what: str) -> None:
    if matrices.shape != (count, size, size):
        raise MfsymError(f"need {what}: shape ({count}, q, q), got {matrices.shape}")
