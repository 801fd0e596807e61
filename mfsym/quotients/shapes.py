"""Clouds of points under rotations: how to recognise them in a representation, and where their orbits are singular."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mfsym.groups.continuous import Orthogonal
from mfsym.quotients.algebras import AlgebraGeometry, Geometry, Ranks
from mfsym.quotients.kernels.inertia import horizontal_clouds, volume_clouds
from mfsym.quotients.kernels.rotations import WIDE
from mfsym.representations import Representation

Floats = NDArray[np.float64]

MATCH = 1e-12
"""Largest difference of an entry between a representation and copies of the vector representation."""

SPACE = 3
"""Dimension of the clouds that have compiled code; the plane has formulas."""

NEAR_SINGULAR = 1e-8
"""Share 1 / (tr K tr K^-1) of an inertia tensor below which singular values take over; they lose half the digits."""


def copies_of_vector(rep: Representation) -> int | None:
    """n where the representation is n copies of the group's defining one, point by point; None otherwise.

    >>> from mfsym.groups import so
    >>> copies_of_vector(4 * so(3).vector()), copies_of_vector(so(2).charge(2))
    (4, None)
    """
    group, p = rep.group, rep.dim
    n, remainder = divmod(p, group.degree)
    if remainder:
        return None
    pairs = [(rep.generator_matrices, group.generator_defining), (rep.algebra_matrices, group.algebra)]
    for matrices, blocks in pairs:
        for matrix, block in zip(matrices, blocks, strict=True):
            if np.abs(matrix - np.kron(np.eye(n), block)).max(initial=0.0) > MATCH:
                return None
    return n


def without_centre(clouds: Floats, d: int) -> Floats:
    """Clouds (S, n d) of points of R^d moved so that the mean of their points is 0."""
    points = clouds.reshape(len(clouds), -1, d)
    return np.asarray((points - points.mean(axis=1, keepdims=True)).reshape(clouds.shape))


def centres(clouds: Floats, d: int) -> Floats:
    """The part of clouds (S, n d) that ``without_centre`` takes off: the mean, n times."""
    points = clouds.reshape(len(clouds), -1, d)
    return np.asarray(np.broadcast_to(points.mean(axis=1, keepdims=True), points.shape).reshape(clouds.shape))


class PlanarShapes:
    """Clouds of n points of the plane under SO(2), as complex numbers: Gamma = |x|^2 and grad log vol = x / |x|^2."""

    def project(self, x: Floats, v: Floats) -> Floats:
        """v - w i x with the turning rate w = Im sum_n conj(x_n) v_n / |x|^2."""
        z, u = _complex(x), _complex(v)
        rates = (z.conj() * u).imag.sum(axis=1) / _squares(z)[0]
        return _real(u - 1j * rates[:, None] * z)

    def log_volume(self, x: Floats) -> Floats:
        """log |x|; 0 at x = 0, whose orbit is a point."""
        squares, moved = _squares(_complex(x))
        return np.where(moved, 0.5 * np.log(squares), 0.0)

    def grad_log_volume(self, x: Floats) -> Floats:
        """x / |x|^2; 0 at x = 0."""
        return x / _squares(_complex(x))[0][:, None]

    def rank(self, x: Floats) -> Ranks:
        """1, and 0 at x = 0."""
        return _squares(_complex(x))[1].astype(np.int64)

    def align(self, x: Floats, to: Floats) -> Floats:
        """x turned by the phase of sum_n conj(x_n) to_n; as it is where that sum is 0."""
        z = _complex(x)
        sums = (z.conj() * _complex(to)).sum(axis=1)
        sizes = np.abs(sums)
        phases = np.where(sizes > 0.0, sums / np.where(sizes > 0.0, sizes, 1.0), 1.0)
        return _real(z * phases[:, None])


class SpatialShapes:
    """Clouds of n points of R^3 under SO(3), compiled: inertia tensors, and singular values where those lose digits.

    The inertia tensor squares the ratio of the lengths of vertical vectors; where that is below NEAR_SINGULAR the cloud
    goes to ``AlgebraGeometry``, which also takes the pseudo-inverse of singular ones.
    """

    def __init__(self, algebra: AlgebraGeometry) -> None:
        self.algebra = algebra

    def project(self, x: Floats, v: Floats) -> Floats:
        """v_n - w x x_n, with w = K^-1 sum_n x_n x v_n."""
        out, share = np.empty_like(x), np.empty(len(x) + WIDE)
        horizontal_clouds(
            x.reshape(-1), np.ascontiguousarray(v).reshape(-1), x.shape[1], out.reshape(-1), share, _room()
        )
        hard = share[: len(x)] < NEAR_SINGULAR
        if hard.any():
            out[hard] = self.algebra.project(x[hard], v[hard])
        return out

    def log_volume(self, x: Floats) -> Floats:
        """log sqrt(det K)."""
        _, volume, hard = self._volumes(x)
        if hard.any():
            volume[hard] = self.algebra.log_volume(x[hard])
        return volume

    def grad_log_volume(self, x: Floats) -> Floats:
        """tr(K^-1) x_n - K^-1 x_n."""
        gradient, _, hard = self._volumes(x)
        if hard.any():
            gradient[hard] = self.algebra.grad_log_volume(x[hard])
        return gradient

    def rank(self, x: Floats) -> Ranks:
        """3; 2 for a collinear cloud, 0 for points that all lie at 0."""
        hard = self._volumes(x)[2]
        ranks = np.full(len(x), 3, dtype=np.int64)
        ranks[hard] = self.algebra.rank(x[hard])
        return ranks

    def _volumes(self, x: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        out, volume, share = np.empty_like(x), np.empty(len(x) + WIDE), np.empty(len(x) + WIDE)
        volume_clouds(x.reshape(-1), x.shape[1], out.reshape(-1), volume, share, _room())
        return out, volume[: len(x)], share[: len(x)] < NEAR_SINGULAR


def fast_dimension(rep: Representation, copies: int | None) -> int:
    """d where rep is copies of the vector representation of SO(d) with d = 2 or 3, else 0."""
    group = rep.group
    known = copies is not None and isinstance(group, Orthogonal) and group.special and group.degree <= SPACE
    return group.degree if known else 0


def geometry_of(rep: Representation, copies: int | None) -> Geometry:
    """The geometry of the orbits of a representation: by a fast path for copies of vectors of SO(2) and SO(3)."""
    algebra = AlgebraGeometry(rep.algebra_matrices)
    if copies is None or not isinstance(rep.group, Orthogonal) or rep.group.degree > SPACE:
        return algebra
    return PlanarShapes() if rep.group.degree < SPACE else SpatialShapes(algebra)


def singular_codimension(rep: Representation, copies: int | None, generic: int, centred: bool) -> float | None:
    """Codimension in the quotient of the orbits of less than the ``generic`` dimension; None where it is not known.

    n points of R^d that span r dimensions: codimension (d - r)(n - r) in R^p, orbits of the dimension of
    SO(d) / SO(d - r); singular up to r = min(n - 1, d - 2). With one parameter: the dimension that the group moves,
    less 1. For SO(3) with finite stabilisers, singular points are fixed by the rotations about some axis, codimension
    p - dim ker A_z - 2 with 1 dimension lost, or by all, with 3 lost.
    """
    group = rep.group
    if generic == 0:
        return float("inf")
    if copies is not None and isinstance(group, Orthogonal):
        n, d = copies - int(centred), group.degree
        stabilised = [(d - r) * (d - r - 1) // 2 for r in range(min(n, d) + 1)]
        found = [(d - r) * (n - r) - stabilised[r] + stabilised[-1] for r in range(min(n - 1, d - 2) + 1)]
        return float(min(found))
    moved = [int(np.linalg.matrix_rank(matrix)) for matrix in rep.algebra_matrices]
    if group.dimension == 1:
        return float(moved[0] - 1)
    if isinstance(group, Orthogonal) and group.degree == SPACE == generic:
        by_any = int(np.linalg.matrix_rank(rep.algebra_matrices.reshape(-1, rep.dim)))
        return float(min(moved[-1] - 3, by_any - 3))
    return None


def _room() -> Floats:
    return np.zeros((3, 9 * WIDE))


def _complex(x: Floats) -> NDArray[np.complex128]:
    return np.ascontiguousarray(x).view(np.complex128)


def _real(z: NDArray[np.complex128]) -> Floats:
    return np.ascontiguousarray(z).view(np.float64)


def _squares(z: NDArray[np.complex128]) -> tuple[Floats, NDArray[np.bool_]]:
    """|x|^2 (S,), 1 where it is 0, and where it is not."""
    squares = np.square(z.real).sum(axis=1) + np.square(z.imag).sum(axis=1)
    return np.where(squares > 0.0, squares, 1.0), squares > 0.0
