"""The reference experiment: train schemes under common random numbers, measure, and hand back a Dataset.

Maass Martinez & Fontbona 2024, section 4 and appendix F. One replicate gives every scheme the same start, data and
noise; only the Haar draws of sampled data augmentation are its own.
"""

from __future__ import annotations

import contextlib
import time as clock
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym import executors
from mfsym.accelerate import JIT_DISABLED, compiling
from mfsym.configurations.cells import Cell
from mfsym.configurations.single import single_cell
from mfsym.dynamics import NoisySGD, State
from mfsym.ensembles import init_particles
from mfsym.errors import MfsymError
from mfsym.metrics import distance2_to_si, distance_wi, evaluate, risks, rmd2_si, rmd2_symmetrised, w2_symmetrised
from mfsym.problems import Problem, load_problem
from mfsym.progress import Progress
from mfsym.provenance import attributes
from mfsym.schemes import Scheme
from mfsym.teachers import Teacher, reference_teacher, reference_unit
from mfsym.transport import W2Result, rmd2_from, second_moment, w2
from mfsym.transport.loading import load_auction, load_simplex
from mfsym.units import Unit
from mfsym.variables import TIMINGS, annotate

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Cell", "CellResult", "compare", "distance_between", "distance_to", "run_cell", "simulate"]

LAW_METRICS = ("rmd2_si", "rmd2_symmetrised", "distance_wi", "distance_wi_lower", "distance_wi_upper", "second_moment")
MODEL_METRICS = (
    "risk",
    "risk_bare",
    "l2_symmetrisation",
    "l2_target",
    "l2_symmetrised_target",
    "equivariance_error",
)
CLASS_METRICS = ("accuracy", "accuracy_moved")
"""Metrics of problems whose y names a class."""


@dataclass(frozen=True)
class CellResult:
    """What training and measuring one cell gives: arrays over schemes, by the names of the data dictionary.

    status, diverged_step and every metric (S,); rmd2_pair (S, S); particles (S, N, p); seconds, seconds_measured ().
    """

    cell: Cell
    arrays: dict[str, NDArray[Any]]


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


def law_metrics(z: ArrayLike, unit: Unit) -> dict[str, float]:
    """Distances of the law of z (N, p) to the symmetric laws."""
    action, subspace = unit.action, unit.fixed_subspace
    interval = distance_wi(z, action)
    return {
        "rmd2_si": rmd2_si(z, subspace),
        "rmd2_symmetrised": rmd2_symmetrised(z, action),
        "distance_wi": interval.upper,
        "distance_wi_lower": interval.lower,
        "distance_wi_upper": interval.upper,
        "second_moment": second_moment(z),
    }


def metric_names(problem: Problem) -> tuple[str, ...]:
    """The numbers of one trained scheme on a problem."""
    return (*LAW_METRICS, *MODEL_METRICS, *(CLASS_METRICS if problem.data.classes else ()))


def _measure(state: State, scheme: Scheme, problem: Problem) -> dict[str, float]:
    """Every metric of one trained scheme; NaN where it diverged."""
    names = metric_names(problem)
    if state.status != "ok":
        return dict.fromkeys(names, float("nan"))
    z = np.asarray(state.z, dtype=np.float64)
    found = law_metrics(z, problem.unit) | asdict(evaluate(scheme, problem.data, z, loss=problem.loss))
    return {name: found[name] for name in names}


def _pairs(states: list[State]) -> NDArray[np.float64]:
    """(S, S) squared RMD between the laws of the schemes; NaN where one of the two diverged."""
    clouds = [np.asarray(state.z, dtype=np.float64) if state.status == "ok" else None for state in states]
    table = np.full((len(states), len(states)), np.nan)
    for i, a in enumerate(clouds):
        for j, b in enumerate(clouds[:i]):
            if a is not None and b is not None:
                table[i, j] = table[j, i] = rmd2_from(w2(a, b).w2_squared, a, b)
        if a is not None:
            table[i, i] = 0.0
    return table


def run_cell(cell: Cell, problem: Problem | None = None) -> CellResult:
    """Train every scheme of a cell from one start, on one stream of data and noise, and measure them all.

    problem : instead of the one that the cell names.  A pure function of its arguments, its times apart.
    A run that diverges has status "diverged", the step, and NaN for every metric.
    """
    started = clock.perf_counter()
    stated = problem_of(cell) if problem is None else problem
    dynamics = [dynamics_of(cell, scheme, stated) for scheme in cell.schemes]
    states = [each.step(start_of(cell, each), cell.steps) for each in dynamics]
    trained = clock.perf_counter()
    rows = [_measure(state, each.scheme, stated) for state, each in zip(states, dynamics, strict=True)]
    arrays: dict[str, NDArray[Any]] = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    arrays["status"] = np.array([state.status for state in states], dtype="<U8")
    steps = [-1 if state.diverged_step is None else state.diverged_step for state in states]
    arrays["diverged_step"] = np.array(steps, dtype=np.int64)
    arrays["rmd2_pair"] = _pairs(states)
    arrays["particles"] = np.stack([state.z for state in states])
    ended = clock.perf_counter()
    arrays["seconds"], arrays["seconds_measured"] = np.array(ended - started), np.array(ended - trained)
    return CellResult(cell, arrays)


def simulate(
    teacher: str | Teacher | Problem = "wi",
    scheme: str = "vanilla",
    *,
    snapshots: int = 21,
    replicate: int = 0,
    **parameters: Any,
) -> xr.Dataset:
    """Train one scheme and keep its particles and its distances over time: what ``mfsym simulate`` writes.

    teacher : "arbitrary", "wi", "si", a Teacher or a Problem.  snapshots : number of times from 0 to the horizon.
    parameters : init, n, horizon, alpha, tau, beta, batch_size, unit, activation, dtype, seed; the paper's by default.
    Returns a Dataset: particles (time, particle, param), risk, risk_bare, rmd2_si, rmd2_symmetrised, status (time).
    Raises MfsymError for anything unknown or out of range.
    """
    cell, problem = _stated(teacher, (scheme,), parameters)
    return simulate_cell(replace(cell, replicate=replicate), snapshots=snapshots, problem=problem)


def _stated(
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


def snapshot_steps(cell: Cell, snapshots: int) -> NDArray[np.int64]:
    """Steps at which a run is kept: evenly spaced from 0 to the end, without repeats; one snapshot is the end."""
    if snapshots == 1:
        return np.array([cell.steps])
    return np.unique(np.rint(np.linspace(0, cell.steps, snapshots)).astype(np.int64))


def simulate_cell(
    cell: Cell, *, snapshots: int = 21, problem: Problem | None = None, verbosity: int = -1
) -> xr.Dataset:
    """As ``simulate``, for the first scheme of a cell."""
    import xarray as xr

    stated = problem_of(cell) if problem is None else problem
    dynamics = dynamics_of(cell, cell.schemes[0], stated)
    steps = snapshot_steps(cell, snapshots)
    states, rows = [], []
    with Progress(len(steps), f"{cell.schemes[0]} {cell.label}", verbosity=verbosity, unit="snapshot") as progress:
        for state in dynamics.flow(start_of(cell, dynamics), steps / cell.n):
            states.append(state)
            rows.append(_snapshot(state, dynamics.scheme, stated))
            progress.cell(f"t = {state.time:g}")
    particles = np.stack([state.z if state.status == "ok" else np.full_like(state.z, np.nan) for state in states])
    dataset = xr.Dataset(
        {name: ("time", np.array([row[name] for row in rows])) for name in rows[0]}
        | {"particles": (("time", "particle", "param"), particles)}
        | {"status": ("time", np.array([state.status for state in states], dtype="<U8"))},
        coords={"time": steps / cell.n, "particle": np.arange(cell.n), "param": np.arange(particles.shape[2])},
        attrs=attributes("mfsym simulate", cell.to_dict(), cell.seed),
    )
    last = states[-1]
    dataset.attrs["status"] = last.status
    dataset.attrs["diverged_step"] = -1 if last.diverged_step is None else last.diverged_step
    return annotate(dataset)


def _snapshot(state: State, scheme: Scheme, problem: Problem) -> dict[str, float]:
    """Risks and distances at one time."""
    if state.status != "ok":
        return dict.fromkeys(("risk", "risk_bare", "rmd2_si", "rmd2_symmetrised"), float("nan"))
    z = np.asarray(state.z, dtype=np.float64)
    model, bare = risks(scheme, problem.data, z, loss=problem.loss)
    return {
        "risk": model,
        "risk_bare": bare,
        "rmd2_si": rmd2_si(z, problem.unit.fixed_subspace),
        "rmd2_symmetrised": rmd2_symmetrised(z, problem.unit.action),
    }


def compare(
    teacher: str | Teacher | Problem = "wi",
    *,
    replicates: int = 1,
    schemes: tuple[str, ...] | None = None,
    jobs: int = 1,
    **parameters: Any,
) -> xr.Dataset:
    """Train all schemes under common random numbers, over replicates: what ``mfsym compare`` tabulates.

    teacher, parameters : as ``simulate``.  schemes : their names, None for all five.  jobs : worker processes.
    Returns a Dataset with dimensions scheme, replicate (other, particle, param), named by the data dictionary.
    """
    cell, problem = _stated(teacher, schemes, parameters)
    return compare_cells(cell, replicates=replicates, jobs=jobs, problem=problem)


def compare_cells(
    cell: Cell, *, replicates: int = 1, jobs: int = 1, problem: Problem | None = None, verbosity: int = -1
) -> xr.Dataset:
    """As ``compare``, for the replicates 0, 1, ... of a cell; the error of a replicate that fails is raised."""
    import xarray as xr

    cells = [replace(cell, replicate=r) for r in range(replicates)]
    results = _run_all(partial(run_cell, problem=problem), cells, jobs, verbosity)
    variables: dict[str, Any] = {}
    for name in results[0].arrays:
        dims: dict[str, tuple[str, ...]] = dict.fromkeys(TIMINGS, ())
        dims |= {"rmd2_pair": ("scheme", "other"), "particles": ("scheme", "particle", "param")}
        stacked = np.stack([result.arrays[name] for result in results])
        variables[name] = (("replicate", *dims.get(name, ("scheme",))), stacked)
    coords = {
        "scheme": list(cell.schemes),
        "other": list(cell.schemes),
        "replicate": np.arange(replicates),
        "particle": np.arange(cell.n),
        "param": np.arange(results[0].arrays["particles"].shape[2]),
    }
    attrs = attributes("mfsym compare", {**cell.to_dict(), "replicates": replicates}, cell.seed)
    dataset = xr.Dataset(variables, coords=coords, attrs=attrs)
    dataset = dataset.transpose("scheme", "replicate", "other", "particle", "param")
    return annotate(dataset.assign(_scenery(problem_of(cell) if problem is None else problem)))


def _scenery(problem: Problem) -> dict[str, tuple[tuple[str, str], NDArray[np.float64]]]:
    """What clouds are drawn against: a basis of E^G, and the teacher's particles where there is a teacher."""
    scenery = {"fixed_basis": (("param", "direction"), problem.unit.fixed_subspace.basis)}
    if isinstance(problem.data, Teacher):
        scenery["teacher_particles"] = (("teacher_particle", "param"), problem.data.particles)
    return scenery


def _run_all(function: Callable[[Cell], CellResult], cells: list[Cell], jobs: int, verbosity: int) -> list[CellResult]:
    """The results in the order of the cells; the first error ends the rest."""
    results: dict[int, CellResult] = {}
    crew = executors.workers(min(jobs, len(cells)))
    with (
        Progress(len(cells), cells[0].label.rpartition(" ")[0], verbosity=verbosity) as progress,
        contextlib.closing(executors.completed(function, cells, crew)) as outcomes,
    ):
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
            results[outcome.index] = outcome.value
            progress.cell(cells[outcome.index].label)
    return [results[k] for k in range(len(cells))]


def distance_between(a: ArrayLike, b: ArrayLike, weights_b: ArrayLike | None = None) -> dict[str, float | str]:
    """W2^2, RMD^2 and the certificate between two clouds (N, p), (M, p): what ``mfsym distance A B`` prints."""
    return _record(w2(a, b, weights_b=weights_b), a, b)


def _record(result: W2Result, a: ArrayLike, b: ArrayLike) -> dict[str, float | str]:
    """What is printed of a result between clouds a and b."""
    return {
        "w2_squared": result.w2_squared,
        "rmd2": rmd2_from(result.w2_squared, a, b),
        "lower_bound": result.lower_bound,
        "relative_gap": result.relative_gap,
        "method": result.method,
        "seconds": result.seconds,
    }


def distance_to(z: ArrayLike, laws: str, unit: str | Unit = "matrix") -> dict[str, float | str]:
    """Distance of a cloud (N, p) to the "si" or "wi" laws, or to its "symmetrised" law, for the group of a unit.

    unit : a Unit, or the name of a reference unit.
    The nearest SI and WI laws are barycentres, whose second moment is E|z|^2 - d^2; that gives their RMD^2.
    Where the distance to the WI laws has bounds only, ``w2_squared`` is the upper one.
    """
    particles = np.asarray(z, dtype=np.float64)
    reference = reference_unit(unit) if isinstance(unit, str) else unit
    if particles.shape[1] != reference.p:
        raise MfsymError(
            f"the {reference.name} unit has {reference.p} parameters per particle, the cloud {particles.shape[1]}"
        )
    if laws == "symmetrised":
        result, images = w2_symmetrised(particles, reference.action)
        return _record(result, particles, images)
    if laws == "wi":
        load_auction()
        if reference.action.group.order != 2:
            load_simplex()
    started = clock.perf_counter()
    if laws == "si":
        lower = upper = distance2_to_si(particles, reference.fixed_subspace)
        method = "closed form"
    else:
        interval = distance_wi(particles, reference.action)
        lower, upper = interval.lower**2, interval.upper**2
        method = "midpoint" if lower == upper else "bounds"
    moments = 4.0 * second_moment(particles) - 2.0 * upper
    return {
        "w2_squared": upper,
        "rmd2": upper / moments if moments > 0 else 0.0,
        "lower_bound": lower,
        "relative_gap": (upper - lower) / upper if upper > 0 else 0.0,
        "method": method,
        "seconds": clock.perf_counter() - started,
    }


@cache
def _ready(unit: str, dtype: str, problem: str, problem_digest: str) -> None:
    n = 8 if problem else 512
    with compiling():
        run_cell(Cell(n=n, horizon=2.0 / n, unit=unit, dtype=dtype, problem=problem, problem_digest=problem_digest))


def make_ready(cell: Cell) -> None:
    """Have the kernels that a cell needs compiled, by this process or by another one that is at it already.

    Two steps of a small cell of the same kind, once per process and kind: workers that start together on an empty
    cache compile once, not once each. Nothing is compiled with the JIT off.
    """
    if JIT_DISABLED:
        return
    _ready(cell.unit, cell.dtype, cell.problem, cell.problem_digest)
