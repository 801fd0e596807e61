"""How noisy SGD approaches its mean-field limit as N grows: distances at fixed times, and their rates.

Replicates of noisy SGD over several N against one limit law computed without sampling (``mfsym.flows``). Expected:
observables approach at N^{-1/2} (fluctuations of SGD and of an independent start), empirical W2 at the rate of its
dimension. Maass Martínez & Fontbona 2024, theorem of propagation of chaos in section 2.1.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_floats, as_plain, as_times, as_whole, shown
from mfsym.configurations.cells import Cell
from mfsym.errors import MfsymError
from mfsym.experiments.cells import dynamics_of, start_of
from mfsym.experiments.measures import CONVERGING, row_of_state
from mfsym.experiments.parallel import run_all
from mfsym.experiments.setups import UNSTATED, AnyProblem, Setup, setup_of
from mfsym.flows import Accuracy, Limit, limit_of, time_attributes
from mfsym.metrics import risks, rmd2_si
from mfsym.problems import Problem
from mfsym.runtime.progress import with_progress
from mfsym.runtime.scripts import checked_jobs
from mfsym.schemes import AnyScheme, get_scheme
from mfsym.streams import stream_key, uniforms
from mfsym.transport import second_moment

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]

ERRORS = ("error_mean", "error_second_moment", "error_prediction", "error_risk", "w2_limit")
"""Distances to the limit whose root mean square over replicates is fitted."""

SQUARES = ("rmd2_si", "rmd2_limit")
"""Squared quantities whose mean over replicates is fitted."""

BOOTSTRAP = 1000
"""Resamples of the replicates behind a confidence interval."""

CONFIDENCE = 0.95


def approach(cell: Cell, target: Limit, problem: Problem) -> dict[str, Floats]:
    """Distances (T,) of one replicate of noisy SGD to the limit, by name; NaN after a divergence."""
    dynamics = dynamics_of(cell, cell.schemes[0], problem, target.own)
    states = dynamics.flow(start_of(cell, dynamics, target.own), target.times)
    rows = [
        row_of_state(state, dynamics.scheme, problem, CONVERGING, limit, cell.engine)
        for state, limit in zip(states, target.particles, strict=True)
    ]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@dataclass(frozen=True)
class Slope:
    """A fitted slope with the ends of its bootstrap confidence interval."""

    value: float
    lower: float
    upper: float


def fit_slope(n: ArrayLike, values: ArrayLike, power: int = 2, seed: int = 0) -> Slope:
    """Slope of log M(N) against log N, M = (mean over replicates of values^power)^(1 / power), by least squares.

    n : (K,) sizes.  values : (K, R) non-negative, one row per size; replicates that are not finite are left out.
    The interval is the percentile bootstrap over replicates, resampled separately for each size (Efron & Tibshirani
    1993, section 13.3).
    Raises MfsymError with fewer than two sizes, or where a size has no positive value.
    """
    sizes = np.log(as_floats(n, "n"))
    table = as_floats(values, "values")
    if sizes.size < 2 or table.shape[0] != sizes.size:
        raise MfsymError(f"a slope needs at least two sizes, one row of values each; got {sizes.size}")
    rows = [row[np.isfinite(row)] ** power for row in table]
    if any(row.size == 0 or row.mean() <= 0 for row in rows):
        raise MfsymError("a slope needs a positive value at every size; leave out sizes that diverged or are exact")
    weights = (sizes - sizes.mean()) / np.sum((sizes - sizes.mean()) ** 2)
    draws = np.zeros((BOOTSTRAP, sizes.size))
    key = stream_key(seed, "bootstrap")
    for k, row in enumerate(rows):
        picks = np.floor(uniforms(key, k, BOOTSTRAP, row.size) * row.size).astype(np.intp)
        draws[:, k] = row[picks].mean(axis=1)
    fitted = np.log(np.maximum(draws, 1e-300)) @ weights / power
    low, high = np.quantile(fitted, [(1.0 - CONFIDENCE) / 2.0, (1.0 + CONFIDENCE) / 2.0])
    value = float(np.log([row.mean() for row in rows]) @ weights / power)
    return Slope(value, float(low), float(high))


@dataclass(frozen=True)
class Study:
    """Design of a convergence study: sizes N, replicates of each, mean-field times, particles of the limit's cloud.

    W2 is fastest if N divides the number of the limit's particles, or is a multiple of it.
    """

    sizes: tuple[int, ...]
    replicates: int = 20
    times: tuple[float, ...] = (1.0, 2.0, 5.0)
    limit_n: int = 1000

    def __post_init__(self) -> None:
        found = {name: as_plain(getattr(self, name)) for name in ("sizes", "times")}
        for name, values in found.items():
            if not isinstance(values, list) or not values:
                raise MfsymError(f"{name} must be a sequence of numbers, got {shown(getattr(self, name))}")
        object.__setattr__(self, "sizes", tuple(as_whole(n, "sizes", 1) for n in found["sizes"]))
        object.__setattr__(self, "times", tuple(as_times(found["times"])))
        if len(set(self.sizes)) < len(self.sizes) or self.times[0] < 0:
            raise MfsymError(f"sizes must not repeat and times be >= 0, got {shown(self.sizes)}, {shown(self.times)}")
        for name in ("replicates", "limit_n"):
            object.__setattr__(self, name, as_whole(getattr(self, name), name, 1))


STUDIED = ("sizes", "replicates", "times", "limit_n")
"""Parameters of ``converge`` that are fields of its Study."""

SIZES = (50, 200, 1000)
"""Default numbers of particles."""


@with_progress
def converge(
    problem: AnyProblem | Cell = UNSTATED,
    scheme: AnyScheme | Study = "vanilla",
    *former: Any,
    study: Study | None = None,
    accuracy: Accuracy | None = None,
    jobs: int = 1,
    verbosity: int = -1,
    **parameters: Any,
) -> xr.Dataset:
    """Noisy SGD over sizes N, with replicates, against its limit: what ``mfsym converge`` writes.

    problem, scheme, parameters : as ``simulate``; of quadratic loss, from a start law.  study : a Study of what is
    varied, or its fields as parameters: sizes (50, 200, 1000), replicates (20), times (1, 2, 5), limit_n (1000).
    Returns a Dataset: error_mean, error_second_moment, error_prediction, error_risk, w2_limit, rmd2_limit, rmd2_si,
    risk, risk_error, second_moment (n, replicate, time); limit_risk, limit_risk_error, limit_rmd2_si,
    limit_second_moment, limit_error_w2, limit_error_time (time);
    limit_particles (time, limit_particle, param); slope, slope_lower, slope_upper (observable, time).
    The former order of arguments, converge(cell, study, data, unit), still works.
    """
    if isinstance(problem, Cell):
        data, unit = former if former else (parameters["data"], parameters["unit"])
        setup = Setup.of(problem, Problem(data.name, unit, data))
        asked = study if isinstance(scheme, str) else scheme
        return converge_setup(setup, cast(Study, asked), accuracy=accuracy, jobs=jobs, verbosity=verbosity)
    if former:
        raise MfsymError("converge takes a problem and a scheme; give sizes, replicates and times by name")
    fields = {key: parameters.pop(key) for key in STUDIED if key in parameters}
    if study is not None and fields:
        raise MfsymError(f"{next(iter(fields))} is stated by the study; leave it out")
    for key, other in (("n", "sizes"), ("horizon", "times")):
        if key in parameters:
            raise MfsymError(f"{key} is stated by {other}; leave it out")
    chosen = Study(**{"sizes": SIZES, **fields}) if study is None else study
    return converge_setup(
        setup_of(problem, (scheme,), parameters), chosen, accuracy=accuracy, jobs=jobs, verbosity=verbosity
    )


def converge_setup(
    setup: Setup, study: Study, *, accuracy: Accuracy | None = None, jobs: int = 1, verbosity: int = -1
) -> xr.Dataset:
    """As ``converge``, for the first scheme of a setup; n, replicate and horizon come from the study."""
    jobs, cell = checked_jobs(jobs), setup.quadratic("converge").without_start("converge").cell
    sizes, replicates, problem = study.sizes, study.replicates, setup.problem
    times = np.array(study.times)
    target = limit_of(replace(cell, n=study.limit_n), times, problem.data, problem.unit, accuracy, setup.own)
    cells = [replace(cell, n=n, replicate=r) for n in sizes for r in range(replicates)]
    train = partial(approach, target=target, problem=problem)
    found = run_all(train, cells, jobs, title="converge", verbosity=verbosity)
    shape = (len(sizes), replicates, len(target.times))
    tables = {name: np.stack([row[name] for row in found]).reshape(shape) for name in found[0]}
    values = cell.to_dict() | {
        "n": list(sizes),
        "horizon": float(target.times[-1]),
        "replicates": replicates,
        "limit_n": len(target.particles[0]),
    }
    return _dataset(setup, target, tables, {key: value for key, value in values.items() if key != "replicate"})


def _slopes(
    sizes: Sequence[int], tables: dict[str, Floats], count: int, seed: int
) -> tuple[list[str], NDArray[np.float64]]:
    """Names of the fitted observables, and (name, time, 3) slopes with their intervals; NaN without a fit."""
    names = [*ERRORS, *SQUARES]
    fitted = np.full((len(names), count, 3), np.nan)
    for i, name in enumerate(names):
        for t in range(count):
            with contextlib.suppress(MfsymError):
                slope = fit_slope(sizes, tables[name][:, :, t], 1 if name in SQUARES else 2, seed)
                fitted[i, t] = slope.value, slope.lower, slope.upper
    return names, fitted


def _dataset(setup: Setup, target: Limit, tables: dict[str, Floats], config: dict[str, Any]) -> xr.Dataset:
    sizes, cell, unit, data = config["n"], setup.cell, setup.unit, setup.problem.data
    scheme = get_scheme(setup.own.scheme(cell.schemes[0]), unit)
    names, fitted = _slopes(sizes, tables, len(target.times), cell.seed)
    variables: dict[str, Any] = {name: (("n", "replicate", "time"), table) for name, table in tables.items()}
    limit_risks = [risks(scheme, data, z, engine=cell.engine)[0] for z in target.particles]
    per_time = {
        "limit_risk": limit_risks,
        "limit_risk_error": [found.error for found in limit_risks],
        "limit_rmd2_si": [rmd2_si(z, unit.fixed_subspace) for z in target.particles],
        "limit_second_moment": [second_moment(z) for z in target.particles],
        "limit_error_w2": target.errors_w2(),
        "limit_error_time": target.errors_time(),
    }
    variables |= {name: ("time", np.asarray(values)) for name, values in per_time.items()}
    variables["limit_particles"] = (("time", "limit_particle", "param"), target.particles)
    for k, name in enumerate(("slope", "slope_lower", "slope_upper")):
        variables[name] = (("observable", "time"), fitted[:, :, k])
    coords = {
        "n": sizes,
        "replicate": np.arange(tables["risk"].shape[1]),
        "time": target.times,
        "observable": names,
        "limit_particle": np.arange(target.particles.shape[1]),
        "param": np.arange(unit.p),
    }
    dataset = setup.dataset("mfsym converge", variables, coords, config)
    dataset.attrs |= time_attributes(target.states, target.accuracy)
    return dataset


def slope_table(dataset: xr.Dataset) -> str:
    """One row per observable and time: the slope and its confidence interval."""
    lines = [f"{'observable':20s} {'time':>6s} {'slope':>7s}  {CONFIDENCE:.0%} interval"]
    for name in dataset["observable"].values:
        for time in dataset["time"].values:
            value, low, high = (
                float(dataset[part].sel(observable=name, time=time)) for part in ("slope", "slope_lower", "slope_upper")
            )
            lines.append(f"{name!s:20s} {time:6g} {value:7.3f}  [{low:.3f}, {high:.3f}]")
    return "\n".join(lines)


def slope_records(dataset: xr.Dataset) -> list[dict[str, Any]]:
    """The rows of ``slope_table`` as records; null where no fit was possible."""
    records = []
    for name in dataset["observable"].values:
        for time in dataset["time"].values:
            row: dict[str, Any] = {"observable": str(name), "time": float(time)}
            for part in ("slope", "slope_lower", "slope_upper"):
                value = float(dataset[part].sel(observable=name, time=time))
                row[part] = value if np.isfinite(value) else None
            records.append(row)
    return records
