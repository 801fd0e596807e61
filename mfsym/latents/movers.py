"""rho_g on rows of latents in any array library: planes turned by angles, irreducibles of SO(3), tables, matrices."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_floats
from mfsym.errors import MfsymError
from mfsym.latents.decompositions import Harmonics, Planes, cyclic_planes, harmonics, torus_planes
from mfsym.representations import Representation
from mfsym.representations.harmonics import harmonic_basis
from mfsym.schemes.arrays import Array, as_numpy, like, namespace
from mfsym.typing import Floats


class Mover(ABC):
    """A representation on rows z (n, dim), or on one row (dim,), of any array library.

    elements : what an element is, for messages.
    """

    elements: str

    def __init__(self, rep: Representation) -> None:
        self.rep = rep

    @abstractmethod
    def move(self, g: Array, z: Array, back: bool) -> Array:
        """rho_g z, or rho_g^-1 z if ``back``; g holds one element for each row, or one for all."""

    @abstractmethod
    def check(self, g: Floats) -> str:
        """What is wrong with a batch of elements, "" if nothing is."""

    @abstractmethod
    def batch(self, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        """The shape without the axes of one element; None if it is not that of elements."""

    def wrong(self, g: NDArray[Any]) -> str:
        """What is wrong with the values of elements of any batch shape, "" if nothing is; angles have no bound."""
        values = as_floats(g, "g")
        if not np.isfinite(values).all():
            return "got NaN or infinity"
        return self._misses(values, _slack(g))

    def _misses(self, g: Floats, slack: float) -> str:
        """What is wrong with finite elements, matrices known to ``slack``: that they are not in the group."""
        size = self.rep.group.degree
        return _outside(self.rep, g.reshape(-1, size, size)) if slack == 0.0 else _far(g, slack)


class Turning(Mover):
    """SO(2), O(2), U(1)^t: planes turned by charge x angle. Elements are angles, or defining matrices."""

    def __init__(self, rep: Representation) -> None:
        super().__init__(rep)
        self.planes, self.size = torus_planes(rep), rep.group.degree
        self.count = len(self.planes.charges)
        self.elements = "angles in radians" if self.count == 1 else f"{self.count} angles in radians"
        self.reflection = rep.generator_matrices[0] if len(rep.generator_matrices) else None

    def move(self, g: Array, z: Array, back: bool) -> Array:
        xp = namespace(z)
        if not _trailing(g, (self.size, self.size)):
            return _turned(self.planes, self._columns(g, z), z, back)
        even = range(0, self.size, 2)
        turns = xp.stack([xp.atan2(g[..., k + 1, k], g[..., k, k]) for k in even], axis=-1)
        turns = xp.astype(turns, z.dtype)
        if self.reflection is None:
            return _turned(self.planes, turns, z, back)
        flipped = (g[..., 0, 0] * g[..., 1, 1] - g[..., 0, 1] * g[..., 1, 0] < 0.0)[..., None]
        mirror = like(np.ascontiguousarray(self.reflection.T), z)
        if back:
            turned = _turned(self.planes, turns, z, True)
            return xp.where(flipped, turned @ mirror, turned)
        return _turned(self.planes, turns, xp.where(flipped, z @ mirror, z), False)

    def batch(self, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        if shape[-2:] == (self.size, self.size):
            return shape[:-2]
        if self.count == 1:
            return shape[:-1] if shape[-1:] == (1,) else shape
        return shape[:-1] if shape[-1:] == (self.count,) else None

    def _misses(self, g: Floats, slack: float) -> str:
        return super()._misses(g, slack) if _trailing(g, (self.size, self.size)) else ""

    def _columns(self, g: Array, z: Array) -> Array:
        """Angles (..., t) in the dtype of z."""
        angles = namespace(z).astype(g, z.dtype)
        return angles[..., None] if self.count == 1 and not _trailing(g, (1,)) else angles

    def check(self, g: Floats) -> str:
        if _trailing(g, (self.size, self.size)) and g.ndim == 3:
            return _outside(self.rep, g)
        if g.ndim != (1 if self.count == 1 else 2) or (self.count > 1 and g.shape[1] != self.count):
            return f"got an array of shape {g.shape}"
        if np.abs(g).max(initial=0.0) > 2.0 * np.pi * (1.0 + 1e-9):
            return f"got {float(g.flat[np.argmax(np.abs(g))]):.6g}, outside [-2 pi, 2 pi]; convert degrees to radians"
        return ""


class Stepping(Mover):
    """C_k: element j, a whole number, turns planes by 2 pi j m / k."""

    def __init__(self, rep: Representation) -> None:
        super().__init__(rep)
        self.planes, self.order = cyclic_planes(rep), rep.group.order or 1
        self.elements = f"whole numbers of steps of 1/{self.order} turn"

    def move(self, g: Array, z: Array, back: bool) -> Array:
        steps = namespace(z).astype(g % self.order, z.dtype)
        return _turned(self.planes, steps[..., None] * (2.0 * np.pi / self.order), z, back)

    def check(self, g: Floats) -> str:
        return _not_whole(g)

    def batch(self, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        return shape

    def _misses(self, g: Floats, slack: float) -> str:
        return _not_whole(g.reshape(-1))


class Tabulated(Mover):
    """Another finite group: element j is its index, and rho a table (order, dim, dim)."""

    def __init__(self, rep: Representation) -> None:
        super().__init__(rep)
        self.table = rep(np.arange(rep.group.order or 1))
        self.elements = f"indices of elements, from 0 to {len(self.table) - 1}"

    def move(self, g: Array, z: Array, back: bool) -> Array:
        xp = namespace(z)
        flat = xp.take(like(self.table, z), xp.astype(xp.reshape(g, (-1,)), xp.int32), axis=0)
        return _applied(xp.reshape(flat, (*g.shape, *self.table.shape[1:])), z, back)

    def check(self, g: Floats) -> str:
        inside = ((g >= 0) & (g < len(self.table))).all()
        return _not_whole(g) or ("" if inside else f"got {g.max():g}" if g.max() > 0 else f"got {g.min():g}")

    def batch(self, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        return shape

    def _misses(self, g: Floats, slack: float) -> str:
        return self.check(g.reshape(-1))


class Spherical(Mover):
    """SO(3): sums of irreducibles of degree l; elements are matrices (n, 3, 3)."""

    elements = "rotation matrices (n, 3, 3)"

    def __init__(self, rep: Representation) -> None:
        super().__init__(rep)
        self.parts: Harmonics = harmonics(rep)

    def move(self, g: Array, z: Array, back: bool) -> Array:
        xp, basis = namespace(z), self.parts.basis
        turns = xp.astype(g, z.dtype)
        rows = z if basis is None else z @ like(basis, z)
        matrices: Array = None
        moved, start = [], 0
        for degree, copies in enumerate(self.parts.copies):
            matrices = _raised(degree, matrices, turns)
            size = 2 * degree + 1
            if not copies:
                continue
            part = xp.reshape(rows[..., start : start + copies * size], (*rows.shape[:-1], copies, size))
            start += copies * size
            if degree:
                part = xp.matmul(part, matrices if back else xp.moveaxis(matrices, -1, -2))
            moved.append(xp.reshape(part, (*part.shape[:-2], copies * size)))
        rows = xp.concat([xp.broadcast_to(part, (*moved[-1].shape[:-1], part.shape[-1])) for part in moved], axis=-1)
        return rows if basis is None else rows @ like(np.ascontiguousarray(basis.T), z)

    def check(self, g: Floats) -> str:
        return _outside(self.rep, g)

    def batch(self, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        return _matrices(shape, self.rep.group.degree)


class Dense(Mover):
    """Any other group: elements are matrices (n, k, k) of NumPy, or readable as such."""

    def __init__(self, rep: Representation) -> None:
        super().__init__(rep)
        self.elements = f"matrices (n, {rep.group.degree}, {rep.group.degree})"

    def move(self, g: Array, z: Array, back: bool) -> Array:
        return _applied(like(self.rep(as_numpy(g).astype(np.float64)), z), z, back)

    def check(self, g: Floats) -> str:
        return _outside(self.rep, g)

    def batch(self, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        return _matrices(shape, self.rep.group.degree)


def mover_of(rep: Representation) -> Mover:
    """The quickest mover for a representation of this group."""
    group = rep.group
    if group.order is not None:
        return Stepping(rep) if len(group.generator_names) <= 1 else Tabulated(rep)
    if group.planes and len(group.generator_names) <= 1:
        return Turning(rep)
    return Spherical(rep) if group.has_harmonics and not group.generator_names else Dense(rep)


def _turned(planes: Planes, angles: Array, z: Array, back: bool) -> Array:
    """Rows with every plane turned by the sum of charges x angles (..., t); cosines once for each distinct charge."""
    xp = namespace(z)
    distinct, kind = np.unique(planes.charges, axis=1, return_inverse=True)
    phases = angles @ like(distinct.astype(np.float64), z)
    places = like(np.reshape(kind, -1), z)
    cosines, sines = (xp.take(part, places, axis=-1) for part in (xp.cos(phases), xp.sin(phases)))
    rows = z if planes.basis is None else z @ like(planes.basis, z)
    signs = like(-planes.sign if back else planes.sign, z)
    moved = rows * cosines + xp.take(rows, like(planes.partner, z), axis=-1) * (signs * sines)
    return moved if planes.basis is None else moved @ like(np.ascontiguousarray(planes.basis.T), z)


def _raised(degree: int, lower: Array, turns: Array) -> Array:
    """D^l (..., 2l+1, 2l+1) from D^(l-1): the part of highest degree of D^(l-1) x g."""
    xp = namespace(turns)
    if degree == 0:
        return xp.ones((*turns.shape[:-2], 1, 1), dtype=turns.dtype)
    below = 2 * degree - 1
    join = np.kron(harmonic_basis(degree - 1), np.eye(3)).T @ harmonic_basis(degree)
    pairs = lower[..., :, None, :, None] * turns[..., None, :, None, :]
    pairs = xp.reshape(pairs, (*turns.shape[:-2], 3 * below, 3 * below))
    return xp.matmul(xp.matmul(like(np.ascontiguousarray(join.T), turns), pairs), like(join, turns))


def _applied(matrices: Array, z: Array, back: bool) -> Array:
    """Rows z moved by matrices (..., dim, dim), or by their transposes."""
    xp = namespace(z)
    forward = matrices if back else xp.moveaxis(matrices, -1, -2)
    return z @ forward if matrices.ndim == 2 else xp.matmul(z[..., None, :], forward)[..., 0, :]


def _trailing(g: Array, shape: tuple[int, ...]) -> bool:
    return tuple(g.shape[-len(shape) :]) == shape and g.ndim >= len(shape)


def _matrices(shape: tuple[int, ...], size: int) -> tuple[int, ...] | None:
    """The batch shape of matrices (..., size, size), None of another shape."""
    return shape[:-2] if shape[-2:] == (size, size) else None


def _slack(g: NDArray[Any]) -> float:
    """By how much matrices of this precision miss a group: 0 of double precision, which is checked to its own."""
    coarse = g.dtype.kind == "f" and g.dtype.itemsize < 8
    return 100.0 * float(np.finfo(g.dtype).eps) if coarse else 0.0


def _far(g: Floats, slack: float) -> str:
    """What is wrong with matrices of single or half precision: that they are not orthogonal."""
    missed = float(np.abs(g @ np.swapaxes(g, -1, -2) - np.eye(g.shape[-1])).max(initial=0.0))
    return f"got matrices {missed:.1e} from orthogonal" if missed > slack else ""


def _not_whole(g: Floats) -> str:
    if g.ndim != 1:
        return f"got an array of shape {g.shape}"
    broken = g[g != np.rint(g)]
    return f"got {float(broken[0]):.6g}" if broken.size else ""


def _outside(rep: Representation, g: Floats) -> str:
    size = rep.group.degree
    if g.ndim != 3 or g.shape[1:] != (size, size):
        return f"got an array of shape {g.shape}"
    try:
        rep.group.find(g)
    except MfsymError as error:
        return str(error)
    return ""
