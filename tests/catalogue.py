"""Every group, representation and unit the laws are tested on, each with an id.

@pytest.mark.parametrize("case", CASES, ids=str)                        # everything
@pytest.mark.parametrize("case", FINITE, ids=str)                       # K = |G| nodes, exact integrals
@pytest.mark.parametrize("case", INTEGRABLE, ids=str)                   # those with a quadrature
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mfsym.groups import (
    Group,
    cyclic,
    dihedral,
    from_generators,
    o,
    product,
    signed_permutations,
    so,
    symmetric,
    trivial,
    u1,
)
from mfsym.units import MatrixUnit, Unit, UVUnit


@dataclass(frozen=True)
class Case:
    """A jointly equivariant unit: its group, its representations, its activation.

    id : shown by pytest.  build : makes the unit.  quadrature : whether the group has one.
    """

    id: str
    build: Callable[[], Unit]
    quadrature: bool = True

    @cached_property
    def unit(self) -> Unit:
        return self.build()

    @property
    def group(self) -> Group:
        return self.unit.rho_x.group

    def __str__(self) -> str:
        return self.id


def quaternion_group() -> Group:
    """Q_8 acting on R^4 by left multiplication with i and j."""
    i = np.array([[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 0, -1], [0, 0, 1, 0]], dtype=np.float64)
    j = np.array([[0, 0, -1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, -1, 0, 0]], dtype=np.float64)
    return from_generators([i, j], name="Q_8")


GROUPS: dict[str, Group] = {
    "trivial": trivial(),
    "C_1": cyclic(1),
    "C_2": cyclic(2),
    "C_5": cyclic(5),
    "D_1": dihedral(1),
    "D_2": dihedral(2),
    "D_4": dihedral(4),
    "S_3": symmetric(3),
    "S_4": symmetric(4),
    "B_3": signed_permutations(3),
    "Q_8": quaternion_group(),
    "C_2 x S_3": product(cyclic(2), symmetric(3)),
    "SO(2)": so(2),
    "O(2)": o(2),
    "SO(3)": so(3),
    "O(3)": o(3),
    "SO(4)": so(4),
    "O(4)": o(4),
    "SO(5)": so(5),
    "U(1)^2": u1(2),
    "SO(2) x C_3": product(so(2), cyclic(3)),
    "O(2) x SO(3)": product(o(2), so(3)),
}
"""Groups by name."""

FINITE_GROUPS = {name: group for name, group in GROUPS.items() if group.order is not None}
CONTINUOUS_GROUPS = {name: group for name, group in GROUPS.items() if group.order is None}
INTEGRABLE_GROUPS = {name: group for name, group in GROUPS.items() if name not in ("SO(4)", "O(4)", "SO(5)")}


def _swap() -> Unit:
    return MatrixUnit("sigmoid", cyclic(2).permutation(), cyclic(2).permutation())


def _signed() -> Unit:
    return MatrixUnit("tanh", signed_permutations(2).vector(), signed_permutations(2).vector())


def _product() -> Unit:
    group = product(cyclic(2), symmetric(3))
    return UVUnit("erf", group.vector(), symmetric(3).permutation().inflate(group, 1))


def _quaternions() -> Unit:
    group = quaternion_group()
    return UVUnit("tanh", group.vector(), group.vector())


def _pairs() -> Unit:
    return UVUnit("sigmoid", so(3).vector() + so(3).vector(), so(3).vector())


def _cylinder() -> Unit:
    group = product(so(2), cyclic(3))
    rho_y = cyclic(3).permutation().inflate(group, 1)
    return MatrixUnit("softplus", so(2).vector().inflate(group, 0) + rho_y, rho_y)


CASES: tuple[Case, ...] = (
    Case("trivial-matrix", lambda: MatrixUnit("sigmoid", trivial().trivial(2), trivial().trivial(1))),
    Case("C2-swap-matrix", _swap),
    Case("C2-swap-uv", lambda: UVUnit("sigmoid", cyclic(2).permutation(), cyclic(2).permutation())),
    Case("C4-turn-uv", lambda: UVUnit("tanh", cyclic(4).vector(), cyclic(4).trivial(1))),
    Case("C4-shift-matrix", lambda: MatrixUnit("relu", cyclic(4).vector(), cyclic(4).permutation())),
    Case("D4-corners-matrix", lambda: MatrixUnit("softplus", dihedral(4).vector(), dihedral(4).permutation())),
    Case("D4-plane-uv", lambda: UVUnit("sigmoid", dihedral(4).vector(), dihedral(4).vector())),
    Case("S3-sets-matrix", lambda: MatrixUnit("sigmoid", symmetric(3).permutation(), symmetric(3).permutation())),
    Case("S3-sign-matrix", lambda: MatrixUnit("tanh", symmetric(3).permutation(), symmetric(3).sign())),
    Case("C3-regular-matrix", lambda: MatrixUnit("sigmoid", cyclic(3).regular(), cyclic(3).regular())),
    Case("B2-signed-matrix", _signed),
    Case("C2xS3-uv", _product),
    Case("Q8-uv", _quaternions),
    Case("SO2-plane-uv", lambda: UVUnit("sigmoid", so(2).vector(), so(2).vector())),
    Case("O2-charges-uv", lambda: UVUnit("tanh", o(2).charge(2), o(2).vector())),
    Case("SO3-pairs-uv", _pairs),
    Case("SO3-linear-matrix", lambda: MatrixUnit("identity", so(3).vector(), so(3).vector())),
    Case("O3-quadrupole-uv", lambda: UVUnit("erf", o(3).irrep(2), o(3).vector())),
    Case("U1xU1-uv", lambda: UVUnit("sigmoid", u1(2).vector(), u1(2).charge(1, 1))),
    Case("SO2xC3-matrix", _cylinder),
    Case("SO4-uv", lambda: UVUnit("sigmoid", so(4).vector(), so(4).vector()), quadrature=False),
)
"""All triples (group, representations, unit)."""

FINITE = tuple(case for case in CASES if case.group.order is not None)
CONTINUOUS = tuple(case for case in CASES if case.group.order is None)
INTEGRABLE = tuple(case for case in CASES if case.quadrature)
NONTRIVIAL = tuple(case for case in CASES if case.group.order != 1)
