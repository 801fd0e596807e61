"""Units given by one differentiable function in ``jax.numpy``; JAX finds their derivatives. Needs the extra ``jax``.

The functions are compiled by XLA and run in double precision here, whatever the setting of the process is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from mfsym.accelerate.xla import in_double, local_devices, require_jax
from mfsym.errors import MfsymError
from mfsym.representations import Representation
from mfsym.streams import normals, stream_key
from mfsym.typing import Floats
from mfsym.units.base import OUTPUTS_AT_A_TIME, Unit

FAILURES = (TypeError, ValueError, IndexError, ArithmeticError, AttributeError, RuntimeError)
"""Errors that a function raises when JAX cannot trace or differentiate it; JAX's own errors derive from them."""

ADVICE = {
    "TracerArrayConversionError": "it hands x or z to a function that is not JAX's; use jax.numpy",
    "TracerBoolConversionError": "it branches on values of x or z; use jax.numpy.where",
}
"""What to do about the two most frequent errors, by the name of JAX's class."""


class FunctionUnit(Unit):
    """A unit defined by a function f(x, z) of one input x (d,) and one particle z (p,), in ``jax.numpy``.

    f : returns sigma(x, z), of shape (c,), or () where c = 1. JAX maps it over samples and particles, and finds its
    derivative in z by ``jax.vjp``; it must be a pure function of its two arguments.
    rho_x, rho_y : actions on inputs and outputs.  action : M, the Representation on parameters; p = action.dim.

    With ``engine="jax"`` the function is part of the compiled step. With ``engine="numba"`` it is called step by step,
    between NumPy arrays, in float64; predictions and measures call it likewise.
    Raises NotEquivariant if sigma(rho_g x, M_g z) differs from rho_hat_g sigma(x, z); MfsymError without JAX, and for a
    function that JAX cannot trace or differentiate, or that gives another shape or values that are not finite.

    >>> import jax.numpy as jnp
    >>> from mfsym.groups import cyclic
    >>> turns = cyclic(4)
    >>> def bump(x, z):                             # a unit bump at (z_0, z_1) of height z_2
    ...     return z[2] * jnp.exp(-jnp.sum((x - z[:2]) ** 2))
    >>> unit = FunctionUnit(bump, turns.vector(), turns.trivial(1), turns.vector() + turns.trivial(1))
    >>> unit.p, unit.fixed_subspace.dimension
    (3, 1)
    """

    name = "function"
    advice = "give the action on parameters for which f is jointly equivariant, or another f"

    def __init__(
        self,
        f: Callable[[Any, Any], Any],
        rho_x: Representation,
        rho_y: Representation,
        action: Representation,
    ) -> None:
        if not callable(f):
            raise MfsymError(f"f must be a function of one input and one particle, got {type(f).__name__}")
        if action.group != rho_x.group:
            raise MfsymError(f"action must represent {rho_x.group.name}, got one of {action.group.name}; restrict it")
        self.activation = self.pointwise = "function"
        self.function = f
        self.passes = Passes(f, rho_y.dim)
        self._given_action = action
        _check_function(self.passes, rho_x.dim, action.dim)
        self._join(rho_x, rho_y)

    def _induced_action(self) -> Representation:
        return self._given_action

    def _sigma(self, x: Floats, z: Floats) -> Floats:
        return self.passes.outputs(x, z)

    def _pullback(self, x: Floats, z: Floats, r: Floats) -> Floats:
        slope = np.zeros(z.shape)
        for part in _parts(len(x), len(z) * max(self.c, self.p)):
            slope += self.passes.pullback(x[part], z, r[part])
        return slope

    def _predict(self, x: Floats, z: Floats) -> Floats:
        return np.concatenate([self.passes.mean(x[part], z) for part in _parts(len(x), len(z) * self.c)])


class Passes:
    """The compiled passes of a function f(x, z) with c outputs, between float64 arrays of NumPy.

    The number of samples is padded to a power of two by repeating the last one, so that few sizes are compiled.
    Copies by ``copy`` share what is compiled; another process compiles again.
    """

    def __init__(self, function: Callable[[Any, Any], Any], c: int) -> None:
        self.function, self.c = function, c

    def __reduce__(self) -> tuple[Any, ...]:
        return Passes, (self.function, self.c)

    def one(self, x: Any, z: Any) -> Any:
        """sigma (c,) of one input and one particle, inside a traced function."""
        return checked_output(self.function(x, z), self.c)

    def outputs(self, x: Floats, z: Floats) -> Floats:
        """sigma (B, N, c) from x (B, d) and z (N, p)."""
        return self._run(0, x, z)[: len(x)]

    def mean(self, x: Floats, z: Floats) -> Floats:
        """The mean of sigma over particles: (B, c)."""
        return self._run(1, x, z)[: len(x)]

    def pullback(self, x: Floats, z: Floats, r: Floats) -> Floats:
        """sum_b D_z sigma(x_b, z_i)^T r_b: (N, p), from r (B, c)."""
        padded = np.zeros((next_power(len(x)), self.c))
        padded[: len(r)] = r
        return self._run(2, x, z, padded)

    def _run(self, which: int, x: Floats, z: Floats, *others: Floats) -> Floats:
        points = np.concatenate([x, np.repeat(x[-1:], next_power(len(x)) - len(x), axis=0)])
        with in_double():
            return np.asarray(self._compiled[which](points, np.ascontiguousarray(z), *others), dtype=np.float64)

    @cached_property
    def _compiled(self) -> tuple[Any, Any, Any]:
        jax = require_jax("a FunctionUnit")
        over_particles = jax.vmap(self.one, (None, 0))
        over_samples = jax.vmap(self.one, (0, None))

        def mean(x: Any, z: Any) -> Any:
            return over_particles(x, z).mean(axis=0)

        def pullback(x: Any, z: Any, r: Any) -> Any:
            outputs, pull = jax.vjp(lambda particle: over_samples(x, particle), z)
            return pull(r.astype(outputs.dtype))[0]

        outer = jax.vmap(over_particles, (0, None)), jax.vmap(mean, (0, None)), jax.vmap(pullback, (None, 0, None))
        return jax.jit(outer[0]), jax.jit(outer[1]), jax.jit(outer[2])


def checked_output(value: Any, c: int) -> Any:
    """The traced value of f as (c,) real numbers; ValueError or TypeError otherwise."""
    jax = require_jax("a FunctionUnit")
    found = jax.numpy.asarray(value)
    if found.shape != (c,) and not (c == 1 and found.shape == ()):
        raise ValueError(f"it must return shape ({c},), got {found.shape}")
    if not jax.numpy.issubdtype(found.dtype, jax.numpy.floating):
        raise TypeError(f"it must return real numbers, got {found.dtype}")
    return found.reshape(c)


def _check_function(passes: Passes, d: int, p: int) -> None:
    """MfsymError unless f can be traced and differentiated, and is finite, at two inputs and two particles."""
    require_jax("a FunctionUnit")
    local_devices()
    key = stream_key(0, "init")
    x, z, r = (normals(key, step, 2, size) for step, size in ((6, d), (7, p), (8, passes.c)))
    try:
        found = (passes.outputs(x, z), passes.pullback(x, z, r))
    except FAILURES as error:
        stated = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
        reason = ADVICE.get(type(error).__name__, f"it raised {stated}")
        raise MfsymError(
            f"f(x, z) must be a differentiable function in jax.numpy of x ({d},) and z ({p},): {reason}"
        ) from error
    for values, what in zip(found, ("f(x, z)", "the derivative of f in z"), strict=True):
        if not np.isfinite(values).all():
            raise MfsymError(f"{what} must be finite, got {values[~np.isfinite(values)][0]} at a random point")


def next_power(count: int) -> int:
    """The smallest power of two >= count."""
    return 1 << max(0, count - 1).bit_length()


def _parts(count: int, width: int) -> list[slice]:
    """Slices of at most OUTPUTS_AT_A_TIME / width rows, a power of two."""
    rows = 1 << (max(1, OUTPUTS_AT_A_TIME // max(1, width)).bit_length() - 1)
    return [slice(first, first + rows) for first in range(0, count, rows)]
