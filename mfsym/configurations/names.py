"""Names of schemes, units, activations, teachers, starts, rules, noises, engines: in options, files and arguments.

This module imports no numerical code, so reading a configuration or printing a help text stays fast. The registry of
each (``mfsym.schemes.SCHEMES``, ``mfsym.units.UNITS``, ...) binds its objects to these names by ``bound``, which
raises at import if a name has no object or an object has no name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar

T = TypeVar("T")

AUTO = "auto"
"""Choice that lets the run select the precision or the noise."""

SCHEMES = ("vanilla", "da", "da-sampled", "fa", "ea")
"""Training schemes, in the order of tables and cells."""

UNITS = ("matrix", "uv", "mlp")
"""Kinds of unit."""

REFERENCE_UNITS = ("matrix", "uv")
"""Kinds of unit of the reference problem; the other kinds need a problem file."""

ACTIVATIONS = ("sigmoid", "tanh", "relu", "softplus", "erf", "identity")
"""Activations; compiled code identifies each by its index."""

CONVENTIONS = ("torch", "keras", "math")
"""Layouts of the weights of a trained network."""

TEACHERS = ("arbitrary", "wi", "si")
"""Teachers of the reference problem."""

INITS = ("wi", "si")
"""Start laws."""

DTYPES = ("float32", "float64")
"""Precisions of a training."""

ENGINES = ("numba", "jax")
"""Engines, which make the steps of a training."""

NOISES = ("isotropic", "fixed", "horizontal", "quotient", "drift-form")
"""Kinds of noise."""

ORBIT_NOISES = NOISES[2:]
"""Kinds of noise that depend on the orbits of the particles under the group."""

RULES = ("paper", "robust", "oracle", "paper-oracle")
"""Decision rules of a discovery."""

INTEGRATORS = ("RK23", "RK45", "DOP853")
"""Embedded Runge-Kutta pairs of a flow, by their names in scipy; of orders 3, 5 and 8."""


def bound(names: tuple[str, ...], objects: Mapping[str, T]) -> Mapping[str, T]:
    """A registry: the objects by name, in the order of ``names``.

    Raises LookupError unless every name has an object and every object a name.
    """
    astray = sorted(set(names) ^ set(objects))
    if astray:
        raise LookupError(f"names and objects of a registry must agree; one side lacks {', '.join(astray)}")
    return MappingProxyType({name: objects[name] for name in names})


def in_order(chosen: Iterable[str], names: tuple[str, ...]) -> tuple[str, ...]:
    """The chosen names, in registry order.

    >>> in_order(["fa", "vanilla"], SCHEMES)
    ('vanilla', 'fa')
    """
    return tuple(sorted(chosen, key=names.index))
