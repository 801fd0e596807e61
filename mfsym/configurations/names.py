"""Names that options, files and arguments take: of schemes, units, activations, teachers, start laws, rules and noises.

The names stand here, below everything, so that reading a configuration or printing a help text loads no code that
computes. The registry of each (``mfsym.schemes.SCHEMES``, ``mfsym.units.UNITS``, ...) binds its objects to these names
by ``bound``, which refuses a name without an object and an object without a name when the registry is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar

T = TypeVar("T")

AUTO = "auto"
"""Stands beside the names of precisions and of noises for "as the run needs it"."""

SCHEMES = ("vanilla", "da", "da-sampled", "fa", "ea")
"""Training schemes, in the order in which tables and cells hold them."""

UNITS = ("matrix", "uv", "mlp")
"""Kinds of unit."""

REFERENCE_UNITS = ("matrix", "uv")
"""Kinds of unit of the reference problem; the other kinds need a problem file."""

ACTIVATIONS = ("sigmoid", "tanh", "relu", "softplus", "erf", "identity")
"""Activations; compiled code knows each by its place."""

CONVENTIONS = ("torch", "keras", "math")
"""How the weights of a trained network are laid out."""

TEACHERS = ("arbitrary", "wi", "si")
"""Teachers of the reference problem."""

INITS = ("wi", "si")
"""Start laws."""

DTYPES = ("float32", "float64")
"""Precisions of a training."""

NOISES = ("isotropic", "fixed", "horizontal", "quotient", "drift-form")
"""Kinds of noise."""

ORBIT_NOISES = NOISES[2:]
"""Kinds of noise that depend on the orbits of the particles under the group."""

RULES = ("paper", "robust", "oracle", "paper-oracle")
"""Rules by which a discovery decides."""

INTEGRATORS = ("RK23", "RK45", "DOP853")
"""Embedded Runge-Kutta pairs of a flow, by their names in scipy; of orders 3, 5 and 8."""


def bound(names: tuple[str, ...], objects: Mapping[str, T]) -> Mapping[str, T]:
    """The objects by name, in the order of the names: a registry.

    Raises LookupError unless every name has an object and every object a name.
    """
    astray = sorted(set(names) ^ set(objects))
    if astray:
        raise LookupError(f"names and objects of a registry must agree; one side lacks {', '.join(astray)}")
    return MappingProxyType({name: objects[name] for name in names})


def in_order(chosen: Iterable[str], names: tuple[str, ...]) -> tuple[str, ...]:
    """The chosen names in the order of a registry's.

    >>> in_order(["fa", "vanilla"], SCHEMES)
    ('vanilla', 'fa')
    """
    return tuple(sorted(chosen, key=names.index))
