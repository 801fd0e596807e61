"""User-defined units: sigma and its derivative are functions that numba compiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mfsym.accelerate import NotCompiled, user_function
from mfsym.arguments.callables import check_writer
from mfsym.errors import MfsymError
from mfsym.kernels import user
from mfsym.representations import Representation
from mfsym.streams import normals, stream_key
from mfsym.typing import Floats
from mfsym.units.base import Unit

DERIVATIVES = {"differences": user.differences, "complex": user.complex_differences}
"""Ways to compute the pullback from ``forward`` alone."""

SLOPE_TOLERANCE = 1e-5
"""Largest relative error accepted for a given pullback, against central differences at a few random points."""


class UserUnit(Unit):
    """A unit defined by functions of one input x (d,) and one particle z (p,), float64 arrays.

    forward(x, z, out) writes sigma(x, z) to out (c,).
    rho_x, rho_y : actions on inputs and outputs.  action : M, the Representation on parameters; p = action.dim.
    pullback(x, z, r, out) writes D_z sigma(x, z)^T r to out (p,). Instead of a function: "differences" (central
    differences, about nine digits, 2 p forward passes) or "complex" (complex-step derivative, exact to rounding, p
    complex forward passes; forward must be analytic in z, without abs, max or comparisons of z).
    name : used in messages.

    Numba compiles the functions (plain Python or already ``numba.njit``) and calls them for one sample and particle at
    a time. That is slower than the built-in units, which use vector instructions, and slower by the factor above
    without a pullback. The compiled loop is not cached on disk: each process compiles it again, which takes seconds.
    NotEquivariant if joint equivariance fails; MfsymError if the pullback is not the derivative.

    >>> from mfsym.groups import cyclic
    >>> def forward(x, z, out):                     # a unit bump at (z_0, z_1) of height z_2
    ...     out[0] = z[2] * np.exp(-((x[0] - z[0]) ** 2) - (x[1] - z[1]) ** 2)
    >>> turns = cyclic(4)
    >>> bump = UserUnit(forward, turns.vector(), turns.trivial(1), turns.vector() + turns.trivial(1), "complex")
    >>> bump.p, bump.fixed_subspace.dimension
    (3, 1)
    """

    name = "user"
    code = user.USER
    advice = "give the action on parameters for which sigma is jointly equivariant, or another sigma"

    def __init__(
        self,
        forward: Callable[..., Any],
        rho_x: Representation,
        rho_y: Representation,
        action: Representation,
        pullback: Callable[..., Any] | str = "differences",
    ) -> None:
        if isinstance(pullback, str) and pullback not in DERIVATIVES:
            raise MfsymError(f"pullback must be a function, or one of {', '.join(DERIVATIVES)}, got {pullback!r}")
        if action.group != rho_x.group:
            raise MfsymError(f"action must represent {rho_x.group.name}, got one of {action.group.name}; restrict it")
        key = stream_key(0, "init")
        sizes = ((6, rho_x.dim), (7, action.dim), (8, rho_y.dim))
        x, z, r = (normals(key, step, 1, size)[0] for step, size in sizes)
        check_writer(forward, (x, z), rho_y.dim, "forward(x, z, out)")
        if pullback == "complex":
            check_writer(forward, (x, z + 0j), rho_y.dim, 'forward(x, z, out), for the derivative "complex",')
            _check_analytic(getattr(forward, "py_func", forward), x, z, rho_y.dim)
        if not isinstance(pullback, str):
            check_writer(pullback, (x, z, r), action.dim, "pullback(x, z, r, out)")
        self.activation = self.pointwise = "user"
        self.forward = user_function(forward)
        self.pull = DERIVATIVES[pullback](self.forward) if isinstance(pullback, str) else user_function(pullback)
        self._given_action = action
        try:
            self._join(rho_x, rho_y)
        except NotCompiled as error:
            reason = " ".join(str(error).split())[:160]
            raise MfsymError(f"forward(x, z, out) must be a function that numba can compile: {reason}") from error
        if not isinstance(pullback, str):
            self._verify_pullback()

    @property
    def compiled(self) -> bool:
        return True

    def _induced_action(self) -> Representation:
        return self._given_action

    def _sigma(self, x: Floats, z: Floats) -> Floats:
        out = np.empty((len(x), len(z), self.c))
        user.user_outputs(self.forward, np.ascontiguousarray(x), np.ascontiguousarray(z), out)
        return out

    def _pullback(self, x: Floats, z: Floats, r: Floats) -> Floats:
        out = np.zeros(z.shape)
        user.user_pullbacks(self.pull, np.ascontiguousarray(x), z.copy(), np.ascontiguousarray(r), out)
        return out

    def _predict(self, x: Floats, z: Floats) -> Floats:
        return np.asarray(self._sigma(x, z).mean(axis=1))

    def _verify_pullback(self) -> None:
        key = stream_key(0, "init")
        x, z, r = (normals(key, step, 4, size) for step, size in ((3, self.d), (4, self.p), (5, self.c)))
        given, slopes = self._pullback(x, z, r), np.zeros(z.shape)
        user.user_pullbacks(user.differences(self.forward), x, z.copy(), r, slopes)
        error = float(np.abs(given - slopes).max())
        if not error <= SLOPE_TOLERANCE * max(1.0, float(np.abs(slopes).max())):
            raise MfsymError(
                f"pullback must be the derivative of forward: it differs from central differences by {error:.1e}; "
                'correct it, or use "differences"'
            )


def _check_analytic(forward: Callable[..., Any], x: Floats, z: Floats, c: int) -> None:
    """Check at one point that complex steps give the derivative of forward in z; they fail for abs or max of z."""
    for k, step in enumerate(user.DIFFERENCE_STEP * np.maximum(1.0, np.abs(z))):
        along = np.eye(len(z))[k]
        up, down, turned = np.empty(c), np.empty(c), np.empty(c, np.complex128)
        forward(x, z + step * along, up)
        forward(x, z - step * along, down)
        forward(x, z + 1j * user.COMPLEX_STEP * along, turned)
        slopes = (up - down) / (2.0 * step)
        error = float(np.abs(turned.imag / user.COMPLEX_STEP - slopes).max())
        if not error <= SLOPE_TOLERANCE * max(1.0, float(np.abs(slopes).max())):
            raise MfsymError(
                f'forward must be analytic in z for the derivative "complex": it differs from central differences by '
                f'{error:.1e} along z[{k}]; use "differences", or give a pullback'
            )
