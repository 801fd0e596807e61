"""From a cell to what is trained: its problem, its dynamics, its start, and cells from keyword arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import shown, suggestions
from mfsym.configurations.cells import Cell
from mfsym.configurations.loading import STATED, stated_cell
from mfsym.configurations.names import REFERENCE_UNITS, TEACHERS
from mfsym.configurations.parameters import named
from mfsym.data.teachers import Teacher, reference_teacher
from mfsym.dynamics import NoisySGD, State
from mfsym.ensembles import init_particles
from mfsym.errors import MfsymError
from mfsym.problems import Problem, load_problem

GIVEN = "given as an object"
"""What stands for the problem file in the cell of a problem that was an object: nothing can load it again."""

PARAMETERS = (*(name for name in named(option=True) if name != "teacher"), "null")
"""What a training takes as keyword arguments, beside its teacher and schemes."""


def problem_of(cell: Cell) -> Problem:
    """The problem whose file a cell names, or the reference problem of its teacher and unit.

    Raises MfsymError if the file's content is no longer what the cell was planned with, or if there was no file.
    """
    if cell.problem == GIVEN:
        raise MfsymError(f"the problem {cell.teacher!r} was given as an object; give it again, or state it in a file")
    if cell.problem:
        return load_problem(cell.problem, cell.problem_digest)
    return _reference(cell.teacher, cell.unit, cell.activation)


@lru_cache(maxsize=16)
def _reference(teacher: str, unit: str, activation: str) -> Problem:
    """The reference problem of these names, the same object every time."""
    return Problem.of(reference_teacher(teacher, unit, activation))


def told(cell: Cell, problem: Problem) -> Cell:
    """The cell whose values are true of a training on this problem: what attributes say.

    That is the cell itself where it names the problem; else its problem is GIVEN, under the names of the object.
    """
    if cell.problem == GIVEN or _names(cell, problem):
        return cell
    unit = problem.unit
    named = replace(cell, teacher=problem.name, unit=unit.name, activation=unit.activation)
    return replace(named, problem=GIVEN, problem_digest=problem.digest)


def _names(cell: Cell, problem: Problem) -> bool:
    """Whether the problem of a cell is this very one."""
    if not cell.problem and (cell.teacher not in TEACHERS or cell.unit not in REFERENCE_UNITS):
        return False
    own = problem_of(cell)
    return own.data is problem.data and own.unit is problem.unit and own.loss == problem.loss


def scenery(problem: Problem) -> dict[str, tuple[tuple[str, str], NDArray[np.float64]]]:
    """What clouds are drawn against: a basis of E^G, and the teacher's particles where there is a teacher."""
    found = {"fixed_basis": (("param", "direction"), problem.unit.fixed_subspace.basis)}
    if isinstance(problem.data, Teacher):
        found["teacher_particles"] = (("teacher_particle", "param"), problem.data.particles)
    return found


def dynamics_of(cell: Cell, scheme: str, problem: Problem) -> NoisySGD:
    """The dynamics of one scheme of a cell; noise is projected on E^G where the start lies in it."""
    return NoisySGD(problem.unit, scheme, problem.data, loss=problem.loss, **cell.options())


def start_of(cell: Cell, dynamics: NoisySGD) -> State:
    """The state at time 0, the same particles for every scheme of the cell."""
    z = init_particles(dynamics.unit, cell.init, cell.n, cell.seed, cell.replicate)
    return dynamics.init(z, cell.seed, cell.replicate)


def stated(
    teacher: str | Teacher | Problem, schemes: Sequence[str] | None, parameters: dict[str, Any]
) -> tuple[Cell, Problem | None]:
    """A checked cell from keyword arguments, and the problem if it was given as an object."""
    for key in parameters:
        if key not in PARAMETERS:
            hint = "; hand over mf.load_problem(path)" if key == "problem" else suggestions(key, PARAMETERS)
            raise MfsymError(f"unknown parameter {key!r}{hint}")
    if isinstance(teacher, str):
        return stated_cell({"teacher": teacher, **parameters}, schemes), None
    if not isinstance(teacher, Teacher | Problem):
        raise MfsymError(f"teacher must be a name, a Teacher or a Problem, got {shown(teacher)}")
    problem = Problem.of(teacher)
    for key in STATED:
        if parameters.get(key) is not None:
            raise MfsymError(f"{key} is stated by the problem {problem.name!r}, an object; leave it out")
    return told(stated_cell({**problem.training, **parameters}, schemes), problem), problem
