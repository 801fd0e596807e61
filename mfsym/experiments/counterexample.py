"""Strongly invariant laws against weakly invariant ones, on a problem where the former can only be constant.

Maass Martínez & Fontbona 2024, proposition 4: quarter turns of R^2, y = |x|^2 on the disc, E^G = {A = 0}.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_whole
from mfsym.configurations.cells import Cell
from mfsym.data.expectations import Columns, expect
from mfsym.dynamics.own import Own
from mfsym.errors import MfsymError
from mfsym.experiments.cells import dynamics_of, problem_of, start_of
from mfsym.experiments.parallel import run_all
from mfsym.experiments.setups import AnyProblem, Setup, setup_of
from mfsym.metrics import risks
from mfsym.problems import Problem
from mfsym.schemes import EquivariantArchitecture, FeatureAveraging, Scheme
from mfsym.streams import normals, stream_key

if TYPE_CHECKING:
    import xarray as xr

LAWS: Mapping[str, type[Scheme]] = MappingProxyType({"si": EquivariantArchitecture, "wi": FeatureAveraging})
"""Kind of law, and the scheme whose model is that of such a law for every N: P # mu for EA, mu^G for FA."""

RADII = 41

PROBES, CONSTANT = 32, 1e-10
"""Numbers of random inputs and particles of E^G, and the relative variation over inputs that counts as constant."""


def least_constant_risk(problem: Problem) -> float:
    """E|y - E y|^2, the least risk of a constant model; 0.0825544 for the problem of proposition 4."""
    mean = expect(problem.data, lambda _, y: Columns(y)).value
    found = expect(problem.data, lambda _, y: Columns(np.sum((y - mean) ** 2, axis=1, keepdims=True)))
    return float(found.value[0])


def constant_inside(problem: Problem) -> bool:
    """Whether units with parameters in E^G ignore their input: every SI law then has a constant model."""
    unit, key = problem.unit, stream_key(0, "init")
    x, _ = problem.data.draw(stream_key(0, "data"), 0, PROBES)
    values = unit.sigma(x, unit.fixed_subspace.project(normals(key, 0, PROBES, unit.p)))
    spread = float(np.ptp(values, axis=0).max())
    return spread <= CONSTANT * max(1.0, float(np.abs(values).max()))


def si_against_wi(
    problem: AnyProblem | Cell,
    sizes: Sequence[int],
    *,
    replicates: int = 1,
    jobs: int = 1,
    verbosity: int = -1,
    **parameters: Any,
) -> xr.Dataset:
    """Train an SI and a WI law at every size: what ``mfsym counterexample`` writes.

    problem : a problem file, a Teacher or a Problem whose outputs are numbers, or a Cell that names it and states the
    parameters.  sizes : numbers N of particles.  parameters : as ``simulate``, from a start law.
    Returns a Dataset: risk, risk_error (law, n, replicate); profile (law, radius), the model of the largest N along the
    first axis; target (radius); the attribute si_infimum, the least risk of a constant.
    """
    schemes = tuple(LAWS.values())
    setup = Setup.of(problem) if isinstance(problem, Cell) else setup_of(problem, schemes, parameters)
    return counterexample_setup(setup, sizes, replicates=replicates, jobs=jobs, verbosity=verbosity)


def counterexample_setup(
    setup: Setup, sizes: Sequence[int], *, replicates: int = 1, jobs: int = 1, verbosity: int = -1
) -> xr.Dataset:
    """As ``si_against_wi``, for a setup."""
    setup = setup.quadratic("the counterexample").without_start("the counterexample")
    sizes, replicates = sorted(as_whole(n, "sizes", 1) for n in sizes), as_whole(replicates, "replicates", 1)
    problem, names = setup.problem, [scheme.name for scheme in LAWS.values()]
    if problem.unit.c != 1:
        raise MfsymError(f"the counterexample needs a problem with one output, got {problem.unit.c}")
    if not constant_inside(problem):
        raise MfsymError(
            f"the counterexample needs a problem where models of laws in E^G are constant, which those of "
            f"{problem.name} are not; compare its schemes with mfsym.compare"
        )
    setup = setup.varied(schemes=tuple(names))
    grid = itertools.product(names, sizes, range(replicates))
    cells = [replace(setup.cell, schemes=(name,), n=n, replicate=r) for name, n, r in grid]
    train = partial(_train, problem=setup.carried, own=setup.own)
    found = run_all(train, cells, jobs, title=setup.cell.teacher, verbosity=verbosity, unit="training")
    shape = (len(LAWS), len(sizes), replicates)
    risk, error = (np.array([getattr(each, part) for each in found]).reshape(shape) for part in ("risk", "error"))
    profiles = np.stack([each.profile for each in found]).reshape(*shape, RADII)
    config = {**setup.cell.to_dict(), "n": sizes, "replicates": replicates}
    del config["replicate"]
    radius, points = _radii(problem.unit.d)
    dataset = setup.dataset(
        "mfsym counterexample",
        {
            "risk": (("law", "n", "replicate"), risk),
            "risk_error": (("law", "n", "replicate"), error),
            "profile": (("law", "radius"), profiles[:, -1, 0]),
            "target": ("radius", problem.data.target(points)[:, 0]),
        },
        {"law": list(LAWS), "n": sizes, "replicate": np.arange(replicates), "radius": radius},
        config,
    )
    dataset = dataset.drop_vars(["fixed_basis", "teacher_particles"], errors="ignore")
    dataset.attrs["si_infimum"] = least_constant_risk(problem)
    return dataset


class TrainedLaw(NamedTuple):
    """One training: its risk with the error, and its model (RADII,) along the first axis; NaN if it diverged."""

    risk: float
    error: float
    profile: NDArray[np.float64]


def _radii(d: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places (RADII,) on the first axis of R^d, and the points (RADII, d) there."""
    radius, points = np.linspace(0.0, 1.0, RADII), np.zeros((RADII, d))
    points[:, 0] = radius
    return radius, points


def _train(cell: Cell, problem: Problem | None, own: Own) -> TrainedLaw:
    """Train the only scheme of a cell."""
    stated = problem_of(cell) if problem is None else problem
    dynamics = dynamics_of(cell, cell.schemes[0], stated, own)
    state = dynamics.step(start_of(cell, dynamics, own), cell.steps)
    z = np.asarray(state.z, dtype=np.float64)
    z = z if state.status == "ok" else np.full_like(z, np.nan)
    found = risks(dynamics.scheme, stated.data, z, engine=cell.engine)[0]
    return TrainedLaw(float(found), found.error, dynamics.scheme.read(_radii(stated.unit.d)[1], z)[:, 0])
