"""Strongly invariant laws against weakly invariant ones, on a problem where the former can only be constant.

Maass Martínez & Fontbona 2024, proposition 4: quarter turns of R^2, y = |x|^2 on the disc, E^G = {A = 0}.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import as_whole
from mfsym.configurations.cells import Cell, noise_of
from mfsym.data.expectations import Columns, expect
from mfsym.errors import MfsymError
from mfsym.experiments import dynamics_of, problem_of, start_of
from mfsym.metrics import risks
from mfsym.problems import Problem
from mfsym.runtime.progress import Progress
from mfsym.runtime.provenance import attributes
from mfsym.schemes import Scheme
from mfsym.streams import normals, stream_key
from mfsym.variables import annotate

if TYPE_CHECKING:
    import xarray as xr

LAWS = {"si": "ea", "wi": "fa"}
"""Kind of law and the scheme whose model is that of such a law at every N: P # mu for EA, mu^G for FA."""

RADII = 41

PROBES, CONSTANT = 32, 1e-10
"""Inputs and particles of E^G that are tried, and how much the unit may vary with the input, relative to its size."""


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


def si_against_wi(cell: Cell, sizes: Sequence[int], *, replicates: int = 1, verbosity: int = -1) -> xr.Dataset:
    """Train an SI and a WI law at every size: what ``mfsym counterexample`` writes.

    cell : names the problem, whose outputs are numbers, and the training parameters.  sizes : numbers N of particles.
    Returns a Dataset: risk, risk_error (law, n, replicate); profile (law, radius), the model of the largest N along the
    first axis; target (radius); the attribute si_infimum, the least risk of a constant.
    """
    import xarray as xr

    sizes, replicates = sorted(as_whole(n, "sizes", 1) for n in sizes), as_whole(replicates, "replicates", 1)
    problem = problem_of(cell).quadratic("the counterexample")
    if problem.unit.c != 1:
        raise MfsymError(f"the counterexample needs a problem with one output, got {problem.unit.c}")
    if not constant_inside(problem):
        raise MfsymError(
            f"the counterexample needs a problem where models of laws in E^G are constant, which those of "
            f"{problem.name} are not; compare its schemes with mfsym.compare"
        )
    shape = (len(LAWS), len(sizes), replicates)
    risk, error, radius = np.full(shape, np.nan), np.full(shape, np.nan), np.linspace(0.0, 1.0, RADII)
    profile, points = np.full((len(LAWS), RADII), np.nan), np.zeros((RADII, problem.unit.d))
    points[:, 0] = radius
    with Progress(int(np.prod(shape)), cell.teacher, verbosity=verbosity, unit="training") as progress:
        for a, b, r in np.ndindex(shape):
            one = replace(cell, n=sizes[b], replicate=r)
            scheme, z = _train(one, list(LAWS.values())[a], problem)
            found = risks(scheme, problem.data, z)[0]
            risk[a, b, r], error[a, b, r] = found, found.error
            if sizes[b] == sizes[-1] and r == 0:
                profile[a] = scheme.read(points, z)[:, 0]
            progress.cell(f"{list(LAWS)[a]} {one.label}")
    config = {**cell.to_dict(), "schemes": list(LAWS.values()), "n": sizes, "replicates": replicates}
    del config["replicate"]
    noise = noise_of((cell.init,), LAWS.values(), (cell.noise,))
    dataset = xr.Dataset(
        {
            "risk": (("law", "n", "replicate"), risk),
            "risk_error": (("law", "n", "replicate"), error),
            "profile": (("law", "radius"), profile),
            "target": ("radius", problem.data.target(points)[:, 0]),
        },
        coords={"law": list(LAWS), "n": sizes, "replicate": np.arange(replicates), "radius": radius},
        attrs=attributes("mfsym counterexample", config, cell.seed, noise=noise),
    )
    dataset.attrs["si_infimum"] = least_constant_risk(problem)
    return annotate(dataset)


def _train(cell: Cell, name: str, problem: Problem) -> tuple[Scheme, NDArray[np.float64]]:
    """The scheme and its particles at the horizon; NaN if it diverged."""
    dynamics = dynamics_of(cell, name, problem)
    state = dynamics.step(start_of(cell, dynamics), cell.steps)
    z = np.asarray(state.z, dtype=np.float64)
    return dynamics.scheme, z if state.status == "ok" else np.full_like(z, np.nan)
