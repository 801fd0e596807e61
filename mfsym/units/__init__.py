"""Units: the function that one particle computes, its derivative, and the induced action on its parameters.

A unit sigma(x, z) in R^c takes inputs x in R^d and parameters z in R^p. It is *jointly equivariant* when
sigma(rho_g x, M_g z) = rho_hat_g sigma(x, z) for all g (Maass Martínez & Fontbona 2024, section 2.1); every unit
derives M from its representations or takes it as an argument, and raises NotEquivariant if the identity fails.
"""

from __future__ import annotations

from collections.abc import Mapping

from mfsym.configurations import names
from mfsym.configurations.names import bound
from mfsym.units.activations import ACTIVATIONS, Activation, AnyActivation
from mfsym.units.base import EQUIVARIANCE_TOLERANCE, Unit
from mfsym.units.functions import FunctionUnit
from mfsym.units.mlp import Gated, MLPUnit, Normed
from mfsym.units.shallow import MatrixUnit, UVUnit
from mfsym.units.user import UserUnit

UNITS: Mapping[str, type[Unit]] = bound(names.UNITS, {unit.name: unit for unit in (MatrixUnit, UVUnit, MLPUnit)})
"""Units by name, each made from (activation, rho_x, rho_y)."""

__all__ = [
    "ACTIVATIONS",
    "EQUIVARIANCE_TOLERANCE",
    "UNITS",
    "Activation",
    "AnyActivation",
    "FunctionUnit",
    "Gated",
    "MLPUnit",
    "MatrixUnit",
    "Normed",
    "UVUnit",
    "Unit",
    "UserUnit",
]
