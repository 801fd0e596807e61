"""Problems on which E^G is discovered: a unit, symmetric data, and what a search there needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from mfsym.data.teachers import Teacher, reference_teacher
from mfsym.discovery import Search
from mfsym.ensembles import Ensemble
from mfsym.groups import cyclic, dihedral, so, symmetric
from mfsym.streams import normals, stream_key
from mfsym.units import MatrixUnit, Unit, UVUnit


@dataclass(frozen=True)
class Problem:
    """id : shown by pytest.  build : the teacher, its law symmetric.  search : of the robust rule.  oracle : of it."""

    id: str
    build: Callable[[], Teacher]
    search: Search
    oracle: Search

    @cached_property
    def teacher(self) -> Teacher:
        return self.build()

    def __str__(self) -> str:
        return self.id


def closed_teacher(unit: Unit, scale: float, size: float = 1.0) -> Teacher:
    """Three particles and all their images, moved so that the outputs do not average to zero."""
    z = size * (normals(stream_key(41, "teacher"), 0, 3, unit.p) + 0.5)
    return Teacher(unit, Ensemble(z).orbit(unit.action).z, scale)


def _turns() -> Teacher:
    group = cyclic(4)
    return closed_teacher(UVUnit("sigmoid", group.vector() + group.trivial(1), group.trivial(1)), 2.0, 3.0)


def _sets() -> Teacher:
    rho = symmetric(3).permutation()
    return closed_teacher(MatrixUnit("sigmoid", rho, rho), 2.0)


def _corners() -> Teacher:
    group = dihedral(4)
    return closed_teacher(MatrixUnit("sigmoid", group.vector() + group.trivial(1), group.permutation()), 2.0, 2.0)


def _rotations() -> Teacher:
    group = so(2)
    return closed_teacher(UVUnit("sigmoid", group.vector() + group.trivial(1), group.trivial(1)), 2.0, 3.0)


PROBLEMS = (
    Problem(
        "reference",
        lambda: reference_teacher("wi"),
        Search(n=200, batch_size=100, horizon=10.0),
        Search(n=32, horizon=10.0),
    ),
    Problem(
        "C4-turns", _turns, Search(n=200, batch_size=400, horizon=6.0, alpha=5.0), Search(n=16, horizon=6.0, alpha=5.0)
    ),
    Problem("S3-sets", _sets, Search(n=200, batch_size=300, horizon=10.0), Search(n=16, horizon=10.0)),
    Problem("D4-corners", _corners, Search(n=200, batch_size=400, horizon=10.0), Search(n=16, horizon=10.0)),
    Problem(
        "SO2-turns",
        _rotations,
        Search(n=200, batch_size=400, horizon=6.0, alpha=5.0),
        Search(n=16, horizon=6.0, alpha=5.0),
    ),
)
"""The reference problem, and four others."""
