"""One small result of every command, for the tests that hold the data dictionary against what computes it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import xarray as xr

from mfsym.configurations import Cell
from mfsym.configurations.discoveries import Case
from mfsym.configurations.discoveries import DiscoveryStudy as Cases
from mfsym.data.datasets import SampleData
from mfsym.data.inputs import Gaussian
from mfsym.data.teachers import FunctionData, Teacher
from mfsym.discovery import Search
from mfsym.discovery.frequencies import run_study
from mfsym.discovery.traces import trace
from mfsym.experiments import compare, problem_of, simulate
from mfsym.experiments.convergence import Study, converge
from mfsym.experiments.counterexample import si_against_wi
from mfsym.experiments.limits import flow, phase_portrait
from mfsym.flows import Accuracy
from mfsym.groups import cyclic, so
from mfsym.problems import Problem, load_problem
from mfsym.representations import Subspace
from mfsym.streams import normals, stream_key
from mfsym.sweeps import sweep
from mfsym.units import UVUnit
from mfsym.variables import TIMINGS
from tests.formulas import (
    SWAP,
)
from tests.latent_entries import latent_results
from tests.meta.sources import ROOT
from tests.readout_entries import readout_results
from tests.shape_entries import shapes_results

Floats = np.ndarray
TURNS = ROOT / "sims" / "problems" / "c4-counterexample.toml"
SHARED = {"n": 6, "horizon": 0.5, "alpha": 5.0, "tau": 0.01, "beta": 1e-3, "batch_size": 4, "dtype": "float64"}
FLOW = {"n": 8, "horizon": 0.5, "alpha": 5.0, "tau": 0.01, "beta": 0.0, "init": "wi"}
UNSTABLE = {"alpha": 4.0, "tau": 1e-2, "beta": 1e-3, "n": 40, "horizon": 7.0, "init": "si"}
NOISY = {**FLOW, "beta": 1e-2}
STEPS = Accuracy(order=60, noise_step=0.25, level=1, halvings=0)


@dataclass
class Results:
    """One small result of every command; ``changed`` gives them with one variable altered."""

    of: dict[str, xr.Dataset]
    extra: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> xr.Dataset:
        return self.of[name]

    def changed(self, name: str) -> Results:
        """The same with every value of one variable off by a percent and a bit, a whole number by one."""

        def off(values: Floats) -> Floats:
            if values.dtype.kind == "f":
                return -values - 1.0 if name in TIMINGS else 1.01 * values + (0.5 if name == "horizon" else 1e-3)
            return values + 1 if values.dtype.kind in "iu" else np.array(["other"] * values.size).reshape(values.shape)

        of = {
            key: data.assign({name: (data[name].dims, off(data[name].values))}) if name in data.variables else data
            for key, data in self.of.items()
        }
        return Results(of, self.extra)


def labels_problem() -> Problem:
    """Two classes that the generator of C_4 exchanges; its square moves no input."""
    group = cyclic(4)
    rho = group.representation([SWAP])
    x = normals(stream_key(5, "data"), 0, 24, 2)
    y = np.eye(2)[(x[:, 0] + 0.5 * x[:, 1] > 0.2).astype(int)]
    data = SampleData((x[:12], y[:12]), (x[12:], y[12:]), name="labels", classes=2)
    return Problem("labels", UVUnit("tanh", rho, rho), data, "cross-entropy")


def signs_problem() -> Problem:
    """Two outputs in {-1, 1} that the swap exchanges, under the logistic loss."""
    group = cyclic(2)
    rho = group.permutation()
    x = normals(stream_key(6, "data"), 0, 16, 2)
    data = SampleData((x[:8], np.sign(x[:8])), (x[8:], np.sign(x[8:])), name="signs")
    return Problem("signs", UVUnit("tanh", rho, rho), data, "logistic")


def unstable_problem() -> Problem:
    """y = |x|^2 under C_4: E^G is unstable, and rounding takes a long run in single precision off it."""
    group = cyclic(4)
    data = FunctionData(Gaussian(1.0), lambda x: (x**2).sum(axis=1, keepdims=True), 2, 1)
    return Problem("squares", UVUnit("softplus", group.vector(), group.trivial(1)), data)


def turning_problem() -> Problem:
    """A teacher without symmetry under the rotations of the plane."""
    turns = so(2)
    unit = UVUnit("tanh", turns.vector(), turns.trivial(1))
    return Problem.of(Teacher(unit, normals(stream_key(8, "teacher"), 0, 3, 3), name="turning"))


def small_discovery() -> xr.Dataset:
    """A discovery whose last subspace is larger than E^G: it starts from a space that is not inside."""
    start = Subspace(np.eye(4)[:, :3])
    search = Search(n=8, horizon=0.5, alpha=5.0, batch_size=4, delta=1e-6, max_steps=2, start=start)
    problem = Problem.of(reference())
    return trace(problem.unit, problem.data, "paper", search)


def reference(teacher: str = "arbitrary") -> Teacher:
    """A reference teacher, the object that the names of cells stand for."""
    data = problem_of(Cell(teacher=teacher)).data
    assert isinstance(data, Teacher)
    return data


def swept(folder: Path) -> dict[str, xr.Dataset]:
    """One sweep for every parameter that may be a dimension, over two values of it."""
    lists: dict[str, list[Any]] = {
        "teacher": ["arbitrary", "wi"],
        "init": ["wi", "si"],
        "n": [4, 6],
        "alpha": [5.0, 3.0],
        "tau": [0.01, 0.5],
        "beta": [1e-3, 0.1],
        "batch_size": [4, 5],
        "horizon": [0.5, 1.0],
        "unit": ["uv", "matrix"],
        "activation": ["tanh", "sigmoid"],
        "dtype": ["float64", "float32"],
        "noise": ["fixed", "isotropic"],
        "engine": ["numba", "jax"] if find_spec("jax") else ["numba"],
    }
    fixed = {**SHARED, "teacher": "wi", "init": "wi", "scheme": ["vanilla", "ea"]}
    return {f"sweep_{key}": sweep({**fixed, key: values}, folder / f"{key}.nc") for key, values in lists.items()}


def computed(folder: Path) -> Results:
    """One small result of every command; sweeps go to a folder."""
    """Every result, computed once."""
    began = perf_counter()
    compared = compare("arbitrary", init="wi", replicates=2, seed=3, **SHARED)
    wall = perf_counter() - began
    teacher = reference()
    unit = teacher.unit
    study = Study((4, 8), 3, (0.25, 0.5), 8)
    cell = Cell(teacher="arbitrary", init="wi", schemes=("vanilla",), seed=3, **{**SHARED, "beta": 0.0})
    turns = load_problem(TURNS)
    counter = Cell(teacher="c4", problem=str(TURNS), problem_digest=turns.digest, init="wi", schemes=("ea", "fa"))
    of = {
        "compare": compared,
        "simulate": simulate("arbitrary", "fa", snapshots=3, init="wi", seed=3, **SHARED),
        "diverged": simulate("arbitrary", "vanilla", snapshots=2, **{**SHARED, "alpha": 1e300}),
        "flow": flow("arbitrary", "da", snapshots=65, accuracy=Accuracy(order=60), **FLOW),
        "rough": flow("arbitrary", "da", snapshots=3, accuracy=Accuracy(force_tolerance=1e-2), **FLOW),
        "half": flow("arbitrary", "da", snapshots=65, accuracy=Accuracy(order=60), **{**FLOW, "n": 4}),
        "converge": converge(cell, study, teacher, unit, accuracy=Accuracy(order=60)),
        "limit": flow("arbitrary", snapshots=3, accuracy=Accuracy(order=60), **{**FLOW, "n": 4, "tau": SHARED["tau"]}),
        "noisy": flow("arbitrary", "da", snapshots=3, accuracy=STEPS, **NOISY),
        "longer": flow("arbitrary", "da", snapshots=3, accuracy=replace(STEPS, level=0), **NOISY),
        "few": flow("arbitrary", "da", snapshots=3, accuracy=STEPS, **{**NOISY, "n": 4}),
        "noisily": converge(
            replace(cell, schemes=("da",), seed=0, beta=NOISY["beta"]),
            Study((4, 8), 2, (0.25, 0.5), 8),
            teacher,
            unit,
            accuracy=STEPS,
        ),
        "trace": trace(unit, teacher, "paper", Search(n=8, horizon=0.5, alpha=5.0, batch_size=4)),
        "outside": small_discovery(),
        "study": run_study(Cases([Case("a", rule="paper", n=8, horizon=0.5, alpha=5.0, seed=4)], 2)),
        "phase": phase_portrait(
            Cell(teacher="arbitrary", init="si", n=6, alpha=5.0, tau=0.01, beta=0.0, schemes=("vanilla",)),
            [0.0, 0.5],
            teacher,
            unit,
            grid=5,
            accuracy=Accuracy(order=60),
        ),
        "counterexample": si_against_wi(replace(counter, horizon=0.25, alpha=5.0, dtype="float64"), [4, 8]),
        **shapes_results(),
        **readout_results(),
        **latent_results(),
        "moved": compare("arbitrary", schemes=("vanilla",), init="wi", null=19, **SHARED),
        "leaving": compare(unstable_problem(), schemes=("vanilla", "da"), **UNSTABLE),
        "turning": compare(turning_problem(), schemes=("fa", "vanilla"), init="wi", **SHARED),
        "labels": compare(labels_problem(), schemes=("vanilla", "fa"), **{**SHARED, "init": "wi"}),
        "signs": compare(signs_problem(), schemes=("vanilla", "fa"), **{**SHARED, "init": "wi"}),
        **swept(folder),
    }
    return Results(of, {"wall": wall, "study": study, "cell": cell})
