"""Build the problem, the dynamics and the initial state of a cell."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mfsym.configurations.cells import Cell
from mfsym.configurations.names import REFERENCE_UNITS, TEACHERS
from mfsym.data.teachers import Teacher, reference_teacher
from mfsym.dynamics import NoisySGD, State
from mfsym.dynamics.own import NOTHING, Own
from mfsym.ensembles import init_particles
from mfsym.errors import MfsymError
from mfsym.problems import Problem, load_problem

GIVEN = "given as an object"
"""Placeholder for the problem file in a cell whose problem was given as an object; such a cell cannot be reloaded."""


class UnrecordedCell(Cell):
    """A cell that depends on an object that is not recorded, so that it cannot be reproduced from its fields."""

    @property
    def identity(self) -> str:
        """Always raises MfsymError: the fields of this cell do not identify its result."""
        raise MfsymError(f"the training {self.label!r} holds objects that are not recorded, so it has no identity")


def problem_of(cell: Cell) -> Problem:
    """The problem whose file a cell names, or the reference problem of its teacher and unit.

    Raises MfsymError if the file has changed since the cell was planned, or if there was no file.
    """
    if cell.problem == GIVEN:
        raise MfsymError(f"the problem {cell.teacher!r} was given as an object; give it again, or state it in a file")
    if cell.problem:
        return load_problem(cell.problem, cell.problem_digest)
    return _reference(cell.teacher, cell.unit, cell.activation)


@lru_cache(maxsize=16)
def _reference(teacher: str, unit: str, activation: str) -> Problem:
    """The reference problem with these names; cached, so that equal names give the same object."""
    return Problem.of(reference_teacher(teacher, unit, activation))


def told(cell: Cell, problem: Problem, own: Own = NOTHING) -> Cell:
    """The cell with its fields corrected to describe the given problem, as result attributes report it.

    A cell that already names the problem is returned unchanged. Otherwise ``problem`` becomes GIVEN and the names are
    those of the object. The result is an UnrecordedCell if the problem has no file, or if a scheme or the schedule is
    user-defined.
    """
    named = cell.problem == GIVEN or _names(cell, problem)
    if not named:
        unit = problem.unit
        cell = replace(cell, teacher=problem.name, unit=unit.name, activation=unit.activation)
        cell = replace(cell, problem=GIVEN, problem_digest=problem.digest)
    lost = (cell.problem == GIVEN and not problem.digest) or own.schemes or own.schedule is not None
    return UnrecordedCell(**{each.name: getattr(cell, each.name) for each in fields(Cell)}) if lost else cell


def _names(cell: Cell, problem: Problem) -> bool:
    """Whether the fields of the cell already identify this problem."""
    if not cell.problem and (cell.teacher not in TEACHERS or cell.unit not in REFERENCE_UNITS):
        return False
    own = problem_of(cell)
    return own.data is problem.data and own.unit is problem.unit and own.loss == problem.loss


def scenery(problem: Problem) -> dict[str, tuple[tuple[str, str], NDArray[np.float64]]]:
    """Reference variables for plots of clouds: a basis of E^G, and the teacher's particles if there is a teacher."""
    found = {"fixed_basis": (("param", "direction"), problem.unit.fixed_subspace.basis)}
    if isinstance(problem.data, Teacher):
        found["teacher_particles"] = (("teacher_particle", "param"), problem.data.particles)
    return found


def dynamics_of(cell: Cell, scheme: str, problem: Problem, own: Own = NOTHING) -> NoisySGD:
    """The dynamics of one scheme of a cell; the noise is projected onto E^G if the start lies in E^G."""
    return NoisySGD(
        problem.unit,
        own.scheme(scheme),
        problem.data,
        schedule=own.schedule,
        loss=problem.loss,
        **cell.options(),
    )


def start_of(cell: Cell, dynamics: NoisySGD, own: Own = NOTHING) -> State:
    """The state at time 0, the same particles for every scheme of the cell."""
    z = own.start
    if z is None:
        z = init_particles(dynamics.unit, cell.init, cell.n, cell.seed, cell.replicate)
    return dynamics.init(z, cell.seed, cell.replicate)
