"""Quotients of R^p by a compact group: horizontal projection, orbit volume, its gradient, and alignment."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_floats
from mfsym.errors import MfsymError
from mfsym.quotients.algebras import Geometry, Ranks
from mfsym.quotients.alignments import Aligner, RotationSearch, aligner_of, least_distances
from mfsym.quotients.shapes import (
    centres,
    copies_of_vector,
    fast_dimension,
    geometry_of,
    singular_codimension,
    without_centre,
)
from mfsym.representations import Representation
from mfsym.streams import normals, stream_key

Floats = NDArray[np.float64]

_GENERIC = 8
"""Random points whose largest rank is that of almost all."""


class Quotient:
    """R^p modulo a compact group G acting orthogonally: R^p / G.

    rep : Representation of G on R^p.  centred : whether to divide by translations too; for n >= 2 copies of the vector
    representation. SO(d) with ``centred`` is SE(d), whose orbits are those of SO(d) once the cloud is centred.

    Points are parameter vectors: one (p,), or a batch (S, p). Where rep is n copies of the vector representation on
    R^d, clouds (S, n, d) are accepted too, and answers come in the same shape; p = n d, point by point. With
    ``centred`` every method centres the points first, and gives centred answers.

    At x the vertical space is spanned by A_a x, A_a the matrices of the Lie algebra; Gamma_ab = <A_a x, A_b x> is its
    Gram matrix and the horizontal space its complement. vol(x) = sqrt(pdet Gamma) is the volume of the orbit, up to a
    constant of the group.

    >>> from mfsym.groups import so
    >>> sphere = Quotient(so(3).vector())
    >>> sphere.project([0.0, 0.0, 2.0], [1.0, 1.0, 1.0])
    array([0., 0., 1.])
    >>> sphere.grad_log_volume([0.0, 0.0, 2.0]).round(12) + 0.0
    array([0., 0., 1.])
    """

    def __init__(self, rep: Representation, centred: bool = False) -> None:
        if not isinstance(rep, Representation):
            raise MfsymError(f"a quotient needs a Representation, got {rep!r:.60}; for shapes: n * so(3).vector()")
        self.rep, self.centred = rep, bool(centred)
        self.copies = copies_of_vector(rep)
        if self.centred and (self.copies is None or self.copies < 2):
            raise MfsymError(
                f"centred needs 2 or more copies of the vector representation, got {rep.name[:60]} on R^{rep.dim}; "
                "without translations leave centred out"
            )

    @property
    def dim(self) -> int:
        """p, the dimension of the space that is divided."""
        return self.rep.dim

    @property
    def point_dim(self) -> int | None:
        """d where points are clouds in R^d, else None."""
        return None if self.copies is None else self.rep.group.degree

    @property
    def fast(self) -> int:
        """d if there is a fast path: copies of the vector representation of SO(d), d = 2 or 3; else 0."""
        return fast_dimension(self.rep, self.copies)

    @property
    def is_exact(self) -> bool:
        """Whether ``align`` finds the nearest point for certain, not by a search."""
        return not isinstance(self._aligner, RotationSearch)

    @cached_property
    def generic_rank(self) -> int:
        """The dimension of almost all orbits: the largest rank. 0 for a finite group."""
        draws = normals(stream_key(0, "nodes"), 0, _GENERIC, self.dim)
        return int(self.rank(draws).max()) if self.rep.group.dimension else 0

    @cached_property
    def singular_codimension(self) -> float | None:
        """Codimension, in the quotient, of the orbits of less than the generic dimension; inf if there are none.

        It is the codimension in R^p less the dimensions that those orbits lose: the number of horizontal directions
        that lead away from them. Horizontal noise comes within r of them with probability of order r to this power.
        Known for finite groups, one parameter, copies of the vector representation, and SO(3) and O(3) where almost all
        orbits have dimension 3; else None.
        """
        return singular_codimension(self.rep, self.copies, self.generic_rank, self.centred)

    def centre(self, x: ArrayLike) -> Floats:
        """A copy of x, centred where the quotient is; checked as every point is."""
        points, shape = self._points(x, "x")
        return points.reshape(shape).copy()

    @cached_property
    def _geometry(self) -> Geometry:
        return geometry_of(self.rep, self.copies)

    @cached_property
    def _aligner(self) -> Aligner:
        return aligner_of(self.rep, self.copies)

    def project(self, x: ArrayLike, v: ArrayLike) -> Floats:
        """The horizontal part P_x v of v at x, in the shape of x: v - sum_ab (Gamma^+)_ab <A_b x, v> A_a x."""
        points, vectors, shape = self._pair(x, v, "v")
        return self._geometry.project(points, vectors).reshape(shape)

    def log_volume(self, x: ArrayLike) -> Floats:
        """log vol(x) = log sqrt(pdet Gamma), (S,) or a number for a single point.

        With ``centred`` the Gram matrix of the translations counts too: (d / 2) log n. 0 where the group fixes x.
        """
        points, shape = self._points(x, "x")
        volumes = self._geometry.log_volume(points)
        if self.centred:
            volumes += 0.5 * self.rep.group.degree * np.log(self.copies or 1)
        return volumes.reshape(shape[: -1 if len(shape) < 3 else -2])

    def grad_log_volume(self, x: ArrayLike) -> Floats:
        """The gradient of log vol at x, in the shape of x: -sum_ab (Gamma^+)_ab A_a A_b x. It points to larger orbits.

        It is horizontal, and <x, grad log vol> is the dimension of the orbit. The mean curvature vector of the orbit
        is its negative. Xu et al. 2026, arXiv:2604.21809, equations (7)-(9), have this sign.
        """
        points, shape = self._points(x, "x")
        return self._geometry.grad_log_volume(points).reshape(shape)

    def mean_curvature(self, x: ArrayLike) -> Floats:
        """The mean curvature vector of the orbit at x, -grad log vol: it points to smaller orbits."""
        return -self.grad_log_volume(x)

    def rank(self, x: ArrayLike) -> Ranks:
        """The dimension k of the orbit of G at x: the rank of Gamma by its relative gap, (S,) or a number."""
        points, shape = self._points(x, "x")
        return self._geometry.rank(points).reshape(shape[: -1 if len(shape) < 3 else -2])

    def align(self, x: ArrayLike, to: ArrayLike) -> Floats:
        """The point of the orbit of x nearest to ``to``, in the shape of x. With ``centred`` it has the centre of to.

        Directions matter: x moves, ``to`` stays.
        """
        points, targets, shape = self._pair(x, to, "to")
        moved = self._aligner.align(points, targets)
        if self.centred:
            moved = moved + centres(self._rows(to, "to")[0], self.rep.group.degree)
        return moved.reshape(shape)

    def distances(self, a: ArrayLike, b: ArrayLike) -> Floats:
        """Distances (S, T) on the quotient between the points a (S, p) and b (T, p): min_g |a - rho(g) b|."""
        first, second = self._points(a, "a")[0], self._points(b, "b")[0]
        return least_distances(self._aligner, first, second)

    def _points(self, x: ArrayLike, name: str) -> tuple[Floats, tuple[int, ...]]:
        """Rows (S, p), centred if the quotient is, and their original shape."""
        rows, shape = self._rows(x, name)
        return (without_centre(rows, self.rep.group.degree) if self.centred else rows), shape

    def _rows(self, x: ArrayLike, name: str) -> tuple[Floats, tuple[int, ...]]:
        values = as_floats(x, name)
        clouds = (self.copies, self.point_dim)
        right = values.shape[1:] == clouds if values.ndim == 3 else values.ndim >= 1 and values.shape[-1] == self.dim
        if not right or values.ndim > 3:
            forms = f"(S, {self.dim})" + ("" if self.copies is None else f" or (S, {clouds[0]}, {clouds[1]})")
            raise MfsymError(f"{name} must have shape {forms}, got {values.shape}")
        if not np.isfinite(values.sum()) and not np.isfinite(values).all():
            raise MfsymError(f"{name} must be finite, got NaN or inf; drop those points first")
        return np.ascontiguousarray(values).reshape(-1, self.dim), values.shape

    def _pair(self, x: ArrayLike, other: ArrayLike, name: str) -> tuple[Floats, Floats, tuple[int, ...]]:
        points, shape = self._points(x, "x")
        vectors, second = self._points(other, name)
        if len(vectors) not in (1, len(points)):
            raise MfsymError(f"{name} must have one row, or one for each of the {len(points)} of x, got {second}")
        return points, np.broadcast_to(vectors, points.shape), shape

    def __repr__(self) -> str:
        return f"<Quotient of R^{self.dim} by {self.rep.group.name}{' and translations' if self.centred else ''}>"
