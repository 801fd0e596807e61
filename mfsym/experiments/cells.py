"""From a cell to what is trained: its problem, its dynamics, its start, and cells from keyword arguments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mfsym.configurations.cells import Cell
from mfsym.configurations.single import single_cell
from mfsym.dynamics import NoisySGD, State
from mfsym.ensembles import init_particles
from mfsym.errors import MfsymError
from mfsym.problems import Problem, load_problem
from mfsym.teachers import Teacher, reference_teacher


def problem_of(cell: Cell) -> Problem:
    """The problem whose file a cell names, or the reference problem of its teacher and unit.

    Raises MfsymError if the file's content is no longer what the cell was planned with.
    """
    if cell.problem:
        return load_problem(cell.problem, cell.problem_digest)
    return Problem.of(reference_teacher(cell.teacher, cell.unit, cell.activation))


def dynamics_of(cell: Cell, scheme: str, problem: Problem) -> NoisySGD:
    """The dynamics of one scheme of a cell; noise is projected on E^G where the start lies in it."""
    return NoisySGD(
        problem.unit,
        scheme,
        problem.data,
        alpha=cell.alpha,
        tau=cell.tau,
        beta=cell.beta,
        batch_size=cell.batch_size,
        dtype=cell.dtype,
        loss=problem.loss,
    )


def start_of(cell: Cell, dynamics: NoisySGD) -> State:
    """The state at time 0, the same particles for every scheme of the cell."""
    z = init_particles(dynamics.unit, cell.init, cell.n, cell.seed, cell.replicate)
    return dynamics.init(z, cell.seed, cell.replicate)


def stated(
    teacher: str | Teacher | Problem, schemes: tuple[str, ...] | None, parameters: dict[str, Any]
) -> tuple[Cell, Problem | None]:
    """A checked cell from keyword arguments, and the problem if it was given as an object."""
    unknown = set(parameters) - set(Cell.__dataclass_fields__)
    if unknown:
        raise MfsymError(f"unknown parameter {sorted(unknown)[0]!r}; known: {', '.join(Cell.__dataclass_fields__)}")
    if isinstance(teacher, str):
        cell, _ = single_cell({"teacher": teacher, **parameters}, schemes, environment={})
        return cell, None
    problem = Problem.of(teacher)
    cell, _ = single_cell({**problem.training, **parameters}, schemes, environment={})
    return replace(cell, teacher=problem.name, unit=problem.unit.name, activation=problem.unit.activation), problem
