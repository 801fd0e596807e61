"""mfsym.dynamics.together: several trainings at once are each what it is alone, bit for bit."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import mfsym as mf
from mfsym.data.datasets import SampleData
from mfsym.dynamics import NoisySGD
from mfsym.dynamics.together import step_together
from mfsym.engines import runs_at_once
from mfsym.errors import MfsymError
from mfsym.streams import normals
from tests.engine_cases import KEY, EngineCase
from tests.sizes import compiled
from tests.tolerances import SPLIT

pytest.importorskip("jax", reason="needs the extra jax: pip install 'mfsym[jax]'")

CASES = [
    EngineCase(unit="uv"),
    EngineCase(unit="mlp", options={"dtype": "float32"}),
    EngineCase(unit="plane", options={"noise": "horizontal", "alpha": 2.0}),
    EngineCase(options={"dtype": "auto"}),
]
"""The units among them whose sums XLA orders otherwise with an axis of replicates."""


@pytest.fixture(autouse=True)
def _two_threads(monkeypatch):
    """As on two cores, whatever the machine has."""
    monkeypatch.setattr("mfsym.engines.choices.available_threads", lambda: 2)


def starts_of(dynamics, count=3, n=70):
    """Replicates from different starts."""
    return [dynamics.init(0.7 * normals(KEY, 50 + r, n, dynamics.unit.p), 8, r) for r in range(count)]


def same(a, b):
    """Whether two states are equal in every bit and field."""
    told = [(s.step, s.status, s.diverged_step, s.drifted_step, s.replicate, s.z.dtype) for s in (a, b)]
    return told[0] == told[1] and np.array_equal(a.z, b.z)


@compiled
@pytest.mark.parametrize("case", CASES, ids=str)
def test_replicates_are_what_they_are_alone(case):
    dynamics = case.dynamics(engine="jax")
    starts = starts_of(dynamics)
    together = step_together(dynamics, starts, 40)
    assert all(same(end, dynamics.step(start, 40)) for end, start in zip(together, starts, strict=True))
    assert np.abs(together[0].z - together[1].z).max() > SPLIT


@compiled
def test_schemes_are_what_they_are_alone():
    every = [EngineCase(scheme=scheme).dynamics(engine="jax") for scheme in ("vanilla", "da-sampled", "fa", "ea")]
    starts = [starts_of(each, 1)[0] for each in every]
    together = step_together(every, starts, 40)
    alone = [each.step(start, 40) for each, start in zip(every, starts, strict=True)]
    assert all(map(same, together, alone))
    assert np.abs(together[0].z - together[-1].z).max() > SPLIT


@compiled
def test_a_run_that_diverges_stops_alone():
    calm, wild = (EngineCase(unit="identity", options={"alpha": a}).dynamics(engine="jax") for a in (1e-3, 1e6))
    each, starts = [calm, wild, calm], starts_of(calm, 3, 6)
    ends = step_together(each, starts, 400)
    assert [end.status for end in ends] == ["ok", "diverged", "ok"]
    assert 0 < ends[1].step == ends[1].diverged_step < 400
    assert all(same(end, one.step(start, 400)) for end, one, start in zip(ends, each, starts, strict=True))
    later = step_together(each, ends, 5)
    assert later[1] is ends[1]
    assert same(later[0], calm.step(starts[0], 405))


class Meeting(SampleData):
    """Data that two trainings must draw at the same time."""

    gate = threading.Barrier(2, timeout=60)

    def draw(self, key, first, count):
        if first == 0:
            self.gate.wait()
        return super().draw(key, first, count)


@compiled
def test_trainings_do_go_side_by_side():
    """Alone, the first would wait for the second forever."""
    unit = EngineCase().made()
    data = Meeting((normals(KEY, 1, 16, 2), normals(KEY, 2, 16, 2)))
    dynamics = NoisySGD(unit, "vanilla", data, engine="jax", dtype="float64", batch_size=2)
    assert [end.step for end in step_together(dynamics, starts_of(dynamics, 4), 3)] == [3] * 4
    Meeting.gate.abort()
    with pytest.raises(threading.BrokenBarrierError):
        dynamics.step(starts_of(dynamics, 1)[0], 3)


def test_the_compiled_engine_takes_its_turns():
    dynamics = EngineCase().dynamics()
    starts = starts_of(dynamics, 2, 5)
    together = step_together(dynamics, starts, 3)
    assert all(same(end, dynamics.step(start, 3)) for end, start in zip(together, starts, strict=True))
    assert runs_at_once("numba") == 1
    assert runs_at_once("jax", "cpu:0") == 2
    assert step_together(dynamics, [], 3) == []


def test_every_state_has_its_dynamics():
    dynamics = EngineCase().dynamics()
    with pytest.raises(MfsymError, match="one for each of the 1 states"):
        step_together([dynamics, dynamics], starts_of(dynamics, 1, 5), 3)


class Broken(SampleData):
    """Data that end."""

    def draw(self, key, first, count):
        raise MfsymError("no data are left")


@compiled
def test_an_error_of_one_training_is_raised():
    dynamics = EngineCase().dynamics(engine="jax")
    broken = NoisySGD(dynamics.unit, "vanilla", Broken((np.ones((2, 2)), np.ones((2, 2)))), engine="jax")
    with pytest.raises(MfsymError, match="no data are left"):
        step_together([dynamics, broken], [*starts_of(dynamics, 1), *starts_of(broken, 1)], 3)


@compiled
def test_a_study_does_not_depend_on_how_many_go_together(monkeypatch):
    options = {"schemes": "fa", "replicates": 3, "n": 6, "horizon": 1.0, "alpha": 5.0, "batch_size": 2}
    grouped = mf.compare("wi", engine="jax", **options)
    monkeypatch.setattr("mfsym.engines.choices.available_threads", lambda: 1)
    alone = mf.compare("wi", engine="jax", **options)
    for name in set(grouped.data_vars) - {"seconds", "seconds_measured"}:
        assert np.array_equal(grouped[name].values, alone[name].values, equal_nan=grouped[name].dtype.kind == "f"), name
    assert grouped["particles"].sizes["replicate"] == 3
    assert np.abs(np.diff(grouped["particles"].values, axis=grouped["particles"].dims.index("replicate"))).max() > SPLIT
