"""From a cell to what is trained: its problem, its dynamics, its start, and cells from keyword arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mfsym.arguments import shown, suggestions
from mfsym.configurations.cells import Cell
from mfsym.configurations.fields import TRAINING_KEYS
from mfsym.configurations.single import stated_cell
from mfsym.dynamics import NoisySGD, State
from mfsym.ensembles import init_particles
from mfsym.errors import MfsymError
from mfsym.problems import Problem, load_problem
from mfsym.teachers import Teacher, reference_teacher

PARAMETERS = ("init", "n", "seed", *TRAINING_KEYS)
"""What a training takes as keyword arguments, beside its teacher and schemes."""


def problem_of(cell: Cell) -> Problem:
    """The problem whose file a cell names, or the reference problem of its teacher and unit.

    Raises MfsymError if the file's content is no longer what the cell was planned with.
    """
    if cell.problem:
        return load_problem(cell.problem, cell.problem_digest)
    return Problem.of(reference_teacher(cell.teacher, cell.unit, cell.activation))


def dynamics_of(cell: Cell, scheme: str, problem: Problem) -> NoisySGD:
    """The dynamics of one scheme of a cell; noise is projected on E^G whenever the start lies in it."""
    return NoisySGD(
        problem.unit,
        scheme,
        problem.data,
        alpha=cell.alpha,
        tau=cell.tau,
        beta=cell.beta,
        batch_size=cell.batch_size,
        projected_noise=cell.init == "si",
        dtype=cell.dtype,
        loss=problem.loss,
    )


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
    for key in ("unit", "activation"):
        if parameters.get(key) is not None:
            raise MfsymError(f"{key} is stated by the problem {problem.name!r}; leave it out")
    cell = stated_cell({**problem.training, **parameters}, schemes)
    return replace(cell, teacher=problem.name, unit=problem.unit.name, activation=problem.unit.activation), problem
