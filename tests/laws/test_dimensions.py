"""Units are not words: where the problem is scaled, every number scales as its declared unit says.

The uv unit v (u.x / d) with the identity as activation is homogeneous: inputs times b and parameters times r give
outputs times r^2 b. Step size, penalty, temperature and time are scaled by their own declared units, so a wrong one
among them spoils every law.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pytest
import xarray as xr

from mfsym.configurations import Cell
from mfsym.data.teachers import Teacher
from mfsym.discovery import Search
from mfsym.discovery.traces import trace
from mfsym.ensembles import gaussian
from mfsym.experiments import compare, simulate
from mfsym.experiments.convergence import Study, converge
from mfsym.experiments.limits import flow, phase_portrait
from mfsym.flows import Accuracy
from mfsym.flows.starts import INIT_SCALE
from mfsym.groups import cyclic
from mfsym.representations import Subspace
from mfsym.streams import normals, stream_key
from mfsym.units import UVUnit
from mfsym.variables import TIMINGS, VARIABLES
from tests.sizes import compiled
from tests.tolerances import ALGEBRA, INTEGRATED

pytestmark = compiled

Scale = Mapping[str, float]
PLAIN: Scale = {"|x|": 1.0, "|y|": 1.0, "|z|": 1.0, "t": 1.0}
SAMPLED: Scale = {"|x|": 4.0, "|y|": 16.0, "|z|": 2.0, "t": 1.0}
"""Of trainings with samples, whose number of steps fixes the time."""

FLOWING: Scale = {**SAMPLED, "t": 2.0}
DIMENSIONLESS = ("1", "s", "rad", "step", "dB", "degree")
STATED = {f"{name}_error" for name in ("risk", "risk_bare", "limit_risk", "equivariance_error")}
STATED |= {f"{name}_read_error" for name in ("risk", "equivariance_error")}
STATED |= {f"l2_{name}_error" for name in ("symmetrisation", "target", "symmetrised_target")}
"""Errors of integrals over polynomials, which the rules take exactly."""

SHAPES = {"clouds", "distance_nearest", "paths", "templates", "amr", "rmsd", "w2_quotient"}
"""Of diffusions, whose noise has size 1 whatever the data: they do not scale."""

MEASURED_ELSEWHERE = {
    *SHAPES,
    "radius",
    "profile",
    "target",
    "energy_defect",
    "equivariance_error_group",
    *STATED,
    *TIMINGS,
}
"""A fixed grid of |x|, what is drawn over it, numbers that are 0, the clock: ``test_dictionary`` holds their values."""

STEPS = Accuracy(order=4, noise_step=0.25, halvings=0)
"""Of flows: fixed steps where there is noise, whose length is a time."""

PARAMETERS = {"alpha": 0.5, "tau": 0.02, "beta": 1e-3}


def size(units: str, scale: Scale) -> float:
    """What a number with these units is multiplied by."""
    above, _, below = units.partition("/")
    value = 1.0
    for word, power in re.findall(r"(\|[xyz]\||[a-z]+|1)(?:\^(\d))?", above.strip("()")):
        value *= 1.0 if word in DIMENSIONLESS else scale[word] ** int(power or 1)
    return value / size(below, scale) if below else value


def units_of(name: str) -> str:
    """The declared units of an entry under the quadratic loss."""
    return VARIABLES[name].attrs()["units"]


def teacher_at(scale: Scale) -> Teacher:
    """A teacher of three particles without symmetry, inputs N(0, |x|^2 I)."""
    rho = cyclic(2).permutation()
    z = normals(stream_key(11, "teacher"), 0, 3, 4)
    return Teacher(UVUnit("identity", rho, rho), scale["|z|"] * z, scale["|x|"], name="own")


def parameters_at(scale: Scale, horizon: float = 0.5) -> dict[str, float]:
    """Parameters of a training, each scaled by its own units."""
    return {name: value * size(units_of(name), scale) for name, value in {**PARAMETERS, "horizon": horizon}.items()}


def compared(scale: Scale) -> xr.Dataset:
    options = {"n": 6, "batch_size": 4, "dtype": "float64", "init": "wi", "readouts": "equitune"}
    return compare(teacher_at(scale), **options, **parameters_at(scale))


def simulated(scale: Scale) -> xr.Dataset:
    return simulate(teacher_at(scale), "fa", n=6, batch_size=4, dtype="float64", snapshots=3, **parameters_at(scale))


def converged(scale: Scale, *, quiet: bool = True) -> xr.Dataset:
    teacher, parameters = teacher_at(scale), parameters_at(scale)
    parameters["beta"] *= not quiet
    cell = Cell(schemes=("vanilla",), init="wi", dtype="float64", batch_size=4, **parameters)
    study = Study((4, 8), 3, (0.25, 0.5), 8)
    return converge(cell, study, teacher, teacher.unit, accuracy=STEPS)


def discovered(scale: Scale) -> xr.Dataset:
    teacher = teacher_at(scale)
    start = Subspace(np.eye(4)[:, :3])
    return trace(teacher.unit, teacher, "paper", Search(n=8, batch_size=4, start=start, **parameters_at(scale)))


def flowed(scale: Scale, *, quiet: bool = True) -> xr.Dataset:
    parameters = parameters_at(scale)
    parameters["beta"] *= not quiet
    return flow(teacher_at(scale), "vanilla", n=8, init="wi", snapshots=3, accuracy=STEPS, **parameters)


def portrayed(scale: Scale) -> xr.Dataset:
    teacher, parameters = teacher_at(scale), {**parameters_at(scale), "beta": 0.0}
    cell = Cell(schemes=("vanilla",), n=6, **parameters)
    return phase_portrait(cell, [0.0, cell.horizon], teacher, teacher.unit, grid=5, accuracy=Accuracy(order=4))


STUDIES: dict[str, tuple[Callable[[Scale], xr.Dataset], Scale, float]] = {
    "compare": (compared, SAMPLED, ALGEBRA),
    "simulate": (simulated, SAMPLED, ALGEBRA),
    "converge": (converged, SAMPLED, INTEGRATED),
    "discover": (discovered, SAMPLED, ALGEBRA),
    "flow": (flowed, FLOWING, INTEGRATED),
    "noisy": (partial(flowed, quiet=False), SAMPLED, INTEGRATED),
    "noisily": (partial(converged, quiet=False), SAMPLED, INTEGRATED),
    "phase": (portrayed, FLOWING, INTEGRATED),
}
"""What computes a result at a scale, the scale, and how exactly it must follow."""


def _start_at(scale: Scale, patch: pytest.MonkeyPatch) -> None:
    """Start laws of this size instead of N(0, 1/16)."""
    for module in ("ensembles", "searches"):
        patch.setattr(f"mfsym.{module}.gaussian", lambda key, n, p: scale["|z|"] * gaussian(key, n, p))
    patch.setattr("mfsym.flows.starts.INIT_SCALE", scale["|z|"] * INIT_SCALE)


@pytest.fixture(scope="module")
def pairs() -> dict[str, tuple[xr.Dataset, xr.Dataset]]:
    """Every study as it is and scaled."""
    found = {}
    for name, (compute, scale, _) in STUDIES.items():
        plain = compute(PLAIN)
        with pytest.MonkeyPatch.context() as patch:
            _start_at(scale, patch)
            found[name] = plain, compute(scale)
    return found


def follows(plain: np.ndarray, scaled: np.ndarray, factor: float, tolerance: float) -> bool:
    """Whether scaled = factor * plain, relative to the largest value; the same text where it is text."""
    if plain.dtype.kind not in "f":
        return np.array_equal(plain, scaled)
    largest = float(np.nanmax(np.abs(plain), initial=0.0))
    gap = np.abs(scaled / factor - plain)
    same_holes = np.array_equal(np.isnan(plain), np.isnan(scaled))
    return same_holes and float(np.nanmax(gap, initial=0.0)) <= tolerance * max(largest, tolerance)


@pytest.mark.parametrize("study", STUDIES)
def test_numbers_scale_as_their_units_say(study: str, pairs: dict[str, tuple[xr.Dataset, xr.Dataset]]) -> None:
    plain, scaled = pairs[study]
    _, scale, tolerance = STUDIES[study]
    wrong = [
        name
        for name in map(str, plain.variables)
        if name not in TIMINGS
        and not follows(plain[name].values, scaled[name].values, size(units_of(name), scale), tolerance)
    ]
    assert wrong == []


@pytest.mark.parametrize("name", [name for name in VARIABLES if VARIABLES[name].kind == "float"])
def test_another_unit_would_be_noticed(name: str, pairs: dict[str, tuple[xr.Dataset, xr.Dataset]]) -> None:
    """The negative control, and that no unit goes untested: some result holds the entry with a value that is not 0."""
    if name in MEASURED_ELSEWHERE or name in {*PARAMETERS, "horizon"}:
        return
    seen = False
    for study, (plain, scaled) in pairs.items():
        if name not in plain.variables or not np.nanmax(np.abs(plain[name].values), initial=0.0) > INTEGRATED:
            continue
        _, scale, tolerance = STUDIES[study]
        for wrong in ("|x|", "|y|", "|z|"):
            factor = size(units_of(name), scale) * scale[wrong]
            assert not follows(plain[name].values, scaled[name].values, factor, tolerance)
        seen = True
    assert seen or units_of(name) in DIMENSIONLESS, f"no result holds {name}"


@pytest.mark.parametrize("name", [*PARAMETERS, "horizon"])
def test_parameters_have_the_units_that_keep_the_laws(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With another unit of one parameter a training does not scale: the units of the others cannot make up for it."""
    scale = FLOWING if name == "horizon" else SAMPLED
    entry = VARIABLES[name]
    compute = flowed if name == "horizon" else simulated
    plain = compute(PLAIN)
    _start_at(scale, monkeypatch)
    wrong = "1" if name == "horizon" else f"|y| {units_of(name)}"
    monkeypatch.setitem(VARIABLES, name, type(entry)(name, entry.kind, entry.doc, wrong))
    scaled = compute(scale)
    assert not follows(plain["particles"].values, scaled["particles"].values, scale["|z|"], INTEGRATED)


@pytest.mark.parametrize(
    ("units", "factor"),
    [("1", 1.0), ("|y|^2", 256.0), ("|z|/t", 1.0), ("|z|^2/(|y|^2 t)", 4.0 / 512.0), ("|y|^2/|z|^2", 64.0)],
)
def test_units_are_read(units: str, factor: float) -> None:
    assert size(units, FLOWING) == factor
