"""A group that acts on latents by a representation, on arrays of NumPy, JAX and PyTorch."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import array_api_compat as compat
import numpy as np

from mfsym.arguments import as_floats
from mfsym.errors import MfsymError
from mfsym.groups import Group
from mfsym.latents.movers import mover_of
from mfsym.problems.fields import GroupTable
from mfsym.problems.symmetries import build_group, build_representation
from mfsym.representations import Representation, hom
from mfsym.schemes.arrays import Array, is_floating, like
from mfsym.typing import Floats


class LatentAction:
    """rho_g on latents z in R^dim, by any Representation; its trivial part is what the group leaves alone.

    Jin, Shrivastava & Fletcher, NeurIPS 2024, turn every plane of the latents by the same angle: that is charge(1).
    Elements g are, one for each row, one for all rows, or many for one row:
    SO(2), O(2) : angles in radians (n,), or matrices (n, 2, 2).  U(1)^t : (n, t) angles, or matrices (n, 2t, 2t).
    C_k : whole numbers j, the j-th power of the generator.  another finite group : indices of its elements.
    SO(3), SO(n) and others : matrices (n, k, k).
    Planes are turned by charge x angle and irreducibles of SO(3) degree by degree, without matrices (dim, dim) for each
    row. Inside ``jax.jit`` elements may be traced, except those of groups given by larger matrices.

    >>> import mfsym as mf
    >>> circle = mf.so(2)
    >>> action = mf.LatentAction(2 * circle.charge(1) + circle.charge(3) + circle.trivial(4))
    >>> action.dim
    10
    >>> action.act(np.pi / 2, np.eye(10))[0].round(12)[:2]
    array([0., 1.])
    """

    def __init__(self, rep: Representation) -> None:
        if not isinstance(rep, Representation):
            raise MfsymError(f"a latent action needs a Representation, such as 2 * so(2).charge(1), got {rep!r:.60}")
        self.rep = rep
        self._mover = mover_of(rep)

    @classmethod
    def parse(cls, text: str, group: str = "so(2)") -> LatentAction:
        """The action given by texts as in problem files: "2 * charge(1) + trivial(8)" of the group "so(2)"."""
        made = build_group(GroupTable(name=group), Path())
        return cls(build_representation(text, made, Path(), "representation"))

    @property
    def dim(self) -> int:
        """The number of latents."""
        return self.rep.dim

    @property
    def group(self) -> Group:
        """The group."""
        return self.rep.group

    @cached_property
    def invariant(self) -> Floats:
        """(dim, dim) orthogonal projector on the latents that no element moves."""
        return self.rep.fixed_subspace().projector

    def act(self, g: Any, z: Array) -> Array:
        """rho_g z: latents (n, dim), or (dim,), in the library of z.

        MfsymError for elements that do not fit the rows, and for those of NumPy or Python that are not in the group.
        """
        return self._moved(g, z, False)

    def inverse(self, g: Any, z: Array) -> Array:
        """rho_g^-1 z: latents (n, dim), or (dim,), in the library of z; errors as of ``act``."""
        return self._moved(g, z, True)

    def commutant(self) -> Floats:
        """Basis (r, dim, dim), orthonormal in the Frobenius product, of the matrices that commute with every rho_g."""
        basis = hom(self.rep, self.rep).fixed_subspace().basis
        return np.ascontiguousarray(basis.T).reshape(-1, self.dim, self.dim)

    def mixed(self, varying: Array, invariant: Array) -> Array:
        """Latents with the moving part of the first argument and the invariant part of the second, both (n, dim)."""
        kept = like(self.invariant, varying)
        return varying + (invariant - varying) @ kept

    def checked(self, g: Any, rows: int) -> Floats:
        """Elements, one for each of so many rows, as float64; MfsymError if they are not in the group."""
        given = as_floats(g, "g")
        if given.ndim < 1 or len(given) != rows:
            raise MfsymError(f"g must hold one element for each of {rows} pairs, got shape {given.shape}")
        if not np.isfinite(given).all():
            raise MfsymError("g must be finite; drop the pairs without an element")
        self._refuse(self._mover.check(given))
        return given

    def _refuse(self, wrong: str) -> None:
        if wrong:
            raise MfsymError(f"g must hold elements of {self.group.name}, {self._mover.elements}: {wrong}")

    def _check(self, elements: Array, rows: Array) -> None:
        """MfsymError unless the elements fit the rows; values are looked at only in NumPy, where they are concrete."""
        batch = self._mover.batch(tuple(elements.shape))
        if batch is None:
            self._refuse(f"got an array of shape {tuple(elements.shape)}")
        count = rows.shape[0] if rows.ndim == 2 else 1
        if len(batch or ()) > 1 or (batch and count != 1 and batch[0] not in (1, count)):
            raise MfsymError(
                f"g must hold one element for each of {count} rows, or one for all, got shape {tuple(elements.shape)}"
            )
        if isinstance(elements, np.ndarray):
            self._refuse(self._mover.wrong(elements))

    def _moved(self, g: Any, z: Array, back: bool) -> Array:
        foreign = compat.is_array_api_obj(g) and not isinstance(g, np.ndarray | np.generic)
        elements = g if foreign else np.asarray(g) if isinstance(g, np.ndarray | np.generic) else as_floats(g, "g")
        rows = z if compat.is_array_api_obj(z) else as_floats(z, "z")
        if isinstance(rows, np.ndarray) and rows.dtype.kind in "biu":
            rows = as_floats(rows, "z")
        if rows.ndim not in (1, 2) or rows.shape[-1] != self.dim:
            raise MfsymError(
                f"latents must be rows of length {self.dim}, the dimension of {self.rep.name[:60]}, got shape "
                f"{tuple(rows.shape)}"
            )
        if not is_floating(rows):
            raise MfsymError(f"latents must be floating numbers, got an array of {rows.dtype}")
        self._check(elements, rows)
        if isinstance(elements, np.ndarray):
            elements = like(elements, rows)
        elif isinstance(rows, np.ndarray):
            rows = like(rows, elements)
        return self._mover.move(elements, rows, back)

    def __repr__(self) -> str:
        return f"<LatentAction {self.rep.name[:80]} of {self.group.name} on R^{self.dim}>"
