"""Small runs that together compile every kernel, as named tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from mfsym.accelerate import JIT_DISABLED
from mfsym.configurations import Cell
from mfsym.data.teachers import Teacher, reference_teacher
from mfsym.dynamics import DTYPES, NoisySGD
from mfsym.experiments import run_cell
from mfsym.flows.mean_field import MeanFieldFlow
from mfsym.groups import cyclic
from mfsym.quotients.interpolants import Interpolant
from mfsym.quotients.sampling import sample
from mfsym.quotients.templates import Templates
from mfsym.runtime.notices import hushed
from mfsym.streams import normals, stream_key
from mfsym.transport import quotient_w2, w2
from mfsym.units import MLPUnit

Task = tuple[str, Callable[[], object]]

KEY = stream_key(0, "init")


def tasks() -> Iterator[Task]:
    """Pairs of a name and a function without arguments; together they compile every kernel that the commands use."""
    yield "transport", _transport
    for dtype in DTYPES:
        for unit in ("matrix", "uv"):
            yield f"{unit}, {dtype}", partial(run_cell, Cell(n=8, horizon=0.5, alpha=1.0, unit=unit, dtype=dtype))
    yield "population", _population
    yield "shapes", _shapes
    for dtype in DTYPES:
        yield f"mlp, {dtype}", partial(_network, dtype)


def warm_up(say: Callable[[str], None] = lambda name: None) -> None:
    """Compile every kernel into the cache; ``say`` is called with the name of each task when it is done."""
    if JIT_DISABLED:
        return
    with hushed():
        for name, task in tasks():
            task()
            say(name)


def _transport() -> None:
    """The exact solver on whole masses, on split masses, and between orbits."""
    a, b = normals(KEY, 0, 700, 4), normals(KEY, 1, 700, 4)
    swap = np.stack([np.eye(4), np.eye(4)[::-1]])
    w2(a, b, method="auction")
    w2(a, b[:400], method="auction")
    quotient_w2(a, b, swap)


def _population() -> None:
    teacher = reference_teacher("wi")
    flow = MeanFieldFlow(teacher.unit, "vanilla", teacher)
    list(flow.flow(flow.init(normals(KEY, 2, 8, 4)), [0.01]))


def _shapes() -> None:
    """Exact denoisers and samplers in the plane and in space."""
    for d in (2, 3):
        templates = Templates(normals(KEY, 5, 2, 4 * d).reshape(2, 4, d))
        for integrator in ("aligned", "drift"):
            made = sample(templates, Interpolant(), templates.quotient, 8, method="sde", integrator=integrator, steps=2)
        templates.nearest(made.clouds)


def _network(dtype: str) -> None:
    group = cyclic(2)
    unit = MLPUnit("tanh", group.vector(), group.trivial(1), hidden=[group.permutation()])
    teacher = Teacher(unit, normals(KEY, 3, 4, unit.p))
    dynamics = NoisySGD(unit, "vanilla", teacher, alpha=1.0, batch_size=4, dtype=dtype)
    dynamics.step(dynamics.init(normals(KEY, 4, 8, unit.p)), 2)
