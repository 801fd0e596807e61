"""What every unit is: the joint-equivariance check, and what kernels are told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from mfsym.arguments import as_floats
from mfsym.errors import MfsymError, NotEquivariant
from mfsym.groups import Group
from mfsym.groups.rotations import exponentials
from mfsym.representations import Representation, Subspace
from mfsym.streams import normals, stream_key
from mfsym.typing import Floats
from mfsym.units.activations import ACTIVATIONS, AnyActivation, activation_name, as_activation

EQUIVARIANCE_TOLERANCE = 1e-9
"""Largest joint-equivariance error accepted, relative to the size of the outputs."""

_PROBES = 16

OUTPUTS_AT_A_TIME = 1 << 20
"""Outputs of single particles that a prediction in NumPy holds at once."""


class Unit(ABC):
    """A jointly equivariant unit sigma: R^d x R^p -> R^c.

    rho_x : Representation on inputs, d = rho_x.dim.  rho_y : on outputs, c = rho_y.dim, of the same group.
    activation : a name in ACTIVATIONS, or an Activation.
    Raises NotEquivariant (error, element) when joint equivariance fails.

    A unit of one's own derives from this class and states its ``name``, its action ``_induced_action``, ``_sigma`` and
    ``_pullback``, in NumPy. It trains like the others, without compiled code.
    """

    name: ClassVar[str]
    code: ClassVar[int] = -1
    advice: ClassVar[str] = "choose another representation"

    def __init__(self, activation: AnyActivation, rho_x: Representation, rho_y: Representation) -> None:
        self.pointwise = as_activation(activation)
        self.activation = activation_name(self.pointwise)
        self._join(rho_x, rho_y)

    def _join(self, rho_x: Representation, rho_y: Representation) -> None:
        """Set the representations; NotEquivariant if the unit is not jointly equivariant."""
        if rho_x.group != rho_y.group:
            raise MfsymError(
                f"rho_x and rho_y must share a group, got {rho_x.group.name} and {rho_y.group.name}; restrict one"
            )
        self.rho_x = rho_x
        self.rho_y = rho_y
        self._verify()

    @property
    def group(self) -> Group:
        """The group of the representations."""
        return self.rho_x.group

    @property
    def d(self) -> int:
        """Input dimension."""
        return self.rho_x.dim

    @property
    def c(self) -> int:
        """Output dimension."""
        return self.rho_y.dim

    @property
    def p(self) -> int:
        """Number of parameters of one unit."""
        return self.action.dim

    @property
    def compiled(self) -> bool:
        """Whether kernels compute this unit; others run in NumPy, by their own ``_sigma`` and ``_pullback``."""
        return False

    def _computes_as(self, known: type[Unit]) -> bool:
        """Whether the methods that kernels stand for are those of a class that the kernels know."""
        names = ("_sigma", "_pullback", "_predict", "kernel_inputs")
        return all(getattr(type(self), name) is getattr(known, name) for name in names)

    @property
    def activation_code(self) -> int:
        """Position of the activation in ACTIVATIONS: its code in compiled kernels."""
        return list(ACTIVATIONS).index(self.activation)

    @cached_property
    def action(self) -> Representation:
        """M, the induced representation on the parameters."""
        return self._induced_action()

    @cached_property
    def fixed_subspace(self) -> Subspace:
        """E^G, the parameters that M fixes."""
        return self.action.fixed_subspace()

    @abstractmethod
    def _induced_action(self) -> Representation:
        """M from rho_x and rho_y."""

    @abstractmethod
    def _sigma(self, x: Floats, z: Floats) -> Floats:
        """sigma on validated arrays."""

    @abstractmethod
    def _pullback(self, x: Floats, z: Floats, r: Floats) -> Floats:
        """pullback on validated arrays."""

    def _predict(self, x: Floats, z: Floats) -> Floats:
        """predict on validated arrays, x not empty."""
        rows = max(1, OUTPUTS_AT_A_TIME // (len(z) * self.c))
        parts = [self._sigma(x[first : first + rows], z).mean(axis=1) for first in range(0, len(x), rows)]
        return np.concatenate(parts)

    def kernel_inputs(self, x: Floats) -> Floats:
        """Inputs (..., d) in the form that this unit's kernels expect."""
        return x

    def sigma(self, x: ArrayLike, z: ArrayLike) -> Floats:
        """Outputs (B, N, c) of every unit z (N, p) at every input x (B, d), float64."""
        return self._sigma(rows_of("x", x, self.d), rows_of("z", z, self.p))

    def pullback(self, x: ArrayLike, z: ArrayLike, r: ArrayLike) -> Floats:
        """sum_b D_z sigma(x_b, z_i)^T r_b for every particle: (N, p), from x (B, d), z (N, p), r (B, c)."""
        return self._pullback(rows_of("x", x, self.d), rows_of("z", z, self.p), rows_of("r", r, self.c))

    def predict(self, x: ArrayLike, z: ArrayLike) -> Floats:
        """Phi(x) = (1/N) sum_i sigma(x, z_i): (B, c) from x (B, d) and z (N, p), float64."""
        inputs, particles = rows_of("x", x, self.d), rows_of("z", z, self.p)
        if not len(inputs):
            return np.zeros((0, self.c))
        return self._predict(inputs, particles)

    def _verify(self) -> None:
        """Check joint equivariance on generators, one-parameter subgroups and Haar draws, at fixed random points."""
        key = stream_key(0, "init")
        x = 2.0 * normals(key, 1, _PROBES, self.d)
        z = 2.0 * normals(key, 2, _PROBES, self.p)
        base = self._sigma(x, z)
        for label, rho_x, rho_y, action in self._probes():
            moved = self._sigma(x @ rho_x.T, z @ action.T)
            error = float(np.abs(moved - base @ rho_y.T).max())
            if not error <= EQUIVARIANCE_TOLERANCE * max(1.0, float(np.abs(base).max())):
                raise NotEquivariant(
                    f"unit {self.name} with {self.activation} must be jointly equivariant: "
                    f"|sigma(rho x, M z) - rho_hat sigma(x, z)| = {error:.1e} for {label} of {self.rho_x.group.name}; "
                    f"{self.advice}",
                    error=error,
                    element=label,
                )

    def _probes(self) -> Iterator[tuple[str, Floats, Floats, Floats]]:
        """(name, rho_x, rho_y, M) on generators, on exp(A) for a basis of the algebra, and on a few Haar draws.

        Yields one element at a time, so only three matrices are in memory.
        """
        group, acts = self.rho_x.group, (self.rho_x, self.rho_y, self.action)
        x, y, z = acts
        for k, name in enumerate(group.generator_names):
            yield name, x.generator_matrices[k], y.generator_matrices[k], z.generator_matrices[k]
        for k in range(group.dimension):
            turned = [exponentials(rep.algebra_matrices[k]) for rep in acts]
            yield f"exp(A{k + 1})", turned[0], turned[1], turned[2]
        for draw in group.haar(stream_key(0, "haar"), 0, 4):
            yield group.element_name(draw), x(draw), y(draw), z(draw)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.activation}, R^{self.d} -> R^{self.c}, {self.rho_x.group.name}>"


def rows_of(name: str, values: ArrayLike, width: int) -> Floats:
    """The values as float64 rows (n, width); MfsymError naming the argument for any other shape."""
    rows = as_floats(values, name)
    if rows.ndim != 2 or rows.shape[1] != width:
        raise MfsymError(f"{name} must be an array of rows of length {width}, got shape {rows.shape}")
    return rows
