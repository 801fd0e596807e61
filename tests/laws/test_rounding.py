"""Runs that ought to stay in E^G: what rounding makes of them is noticed, and double precision is there for it."""

import numpy as np
import pytest

from mfsym.data.inputs import Gaussian
from mfsym.data.teachers import FunctionData, reference_teacher
from mfsym.dynamics import NoisySGD
from mfsym.dynamics.precision import DRIFT_LIMIT, rmd2_floor, rounding_floor, share_off_subspace
from mfsym.ensembles import init_particles
from mfsym.experiments import compare
from mfsym.groups import cyclic
from mfsym.metrics import rmd2_si
from mfsym.problems import Problem
from mfsym.schemes import SCHEMES, get_scheme
from mfsym.streams import normals, stream_key
from mfsym.units import UVUnit
from tests.catalogue import CASES
from tests.sizes import compiled
from tests.tolerances import ALGEBRA, ROUNDOFF, SPLIT

N, HORIZON = 40, 8.0
UNSTABLE = {"alpha": 4.0, "tau": 1e-2, "beta": 1e-3}
KEY = stream_key(16, "init")


def _square(x):
    return (x**2).sum(axis=1, keepdims=True)


GROUP = cyclic(4)
UNIT = UVUnit("softplus", GROUP.vector(), GROUP.trivial(1))
DATA = FunctionData(Gaussian(1.0), _square, d=2, c=1)


def _run(scheme, dtype, times=(HORIZON,)):
    dynamics = NoisySGD(UNIT, scheme, DATA, projected_noise=True, dtype=dtype, **UNSTABLE)
    return list(dynamics.flow(dynamics.init(init_particles(UNIT, "si", N, 0)), times))


@compiled
@pytest.mark.parametrize("scheme", ["da", "fa"])
def test_a_run_that_rounding_takes_off_the_fixed_subspace_is_noticed(scheme):
    single, double = _run(scheme, "float32")[-1], _run(scheme, "float64")[-1]
    assert single.status == "drifted"
    assert share_off_subspace(single.z, UNIT.fixed_subspace) > 1e-2
    assert double.status == "ok"
    assert share_off_subspace(double.z, UNIT.fixed_subspace) < ROUNDOFF
    before, at = _run(scheme, "float32", [(single.drifted_step - 1) / N, single.drifted_step / N])
    assert (before.status, at.status) == ("ok", "drifted")
    assert (
        share_off_subspace(before.z, UNIT.fixed_subspace) <= DRIFT_LIMIT < share_off_subspace(at.z, UNIT.fixed_subspace)
    )
    assert _run(scheme, "float64", [2.0 * HORIZON])[-1].status == "drifted"


@compiled
def test_when_a_run_left_does_not_depend_on_how_often_one_looks():
    steps = {
        _run("da", "float32", times)[-1].drifted_step for times in ([HORIZON], [3.0, HORIZON], [6.2, 7.0, HORIZON])
    }
    assert len(steps) == 1


@compiled
@pytest.mark.parametrize("scheme", ["da", "fa", "ea", "vanilla", "da-sampled"])
def test_auto_is_double_precision_where_single_leaves_and_single_elsewhere(scheme):
    auto = _run(scheme, "auto", [2.0, HORIZON])
    chosen = "float64" if scheme in ("da", "fa") else "float32"
    assert {str(state.z.dtype) for state in auto} == {chosen}
    for ours, theirs in zip(auto, _run(scheme, chosen, [2.0, HORIZON]), strict=True):
        assert np.array_equal(ours.z, theirs.z)
        assert ours.status == "ok"


@compiled
def test_auto_decides_by_the_end_of_the_call_and_later_calls_keep_it():
    dynamics = NoisySGD(UNIT, "da", DATA, projected_noise=True, dtype="auto", **UNSTABLE)
    start = dynamics.init(init_particles(UNIT, "si", N, 0))
    short = dynamics.step(start, 40)
    assert short.z.dtype == np.float32
    later = dynamics.step(short, 280)
    assert (later.status, later.z.dtype) == ("drifted", np.float32)
    assert dynamics.step(start, 320).z.dtype == np.float64


@compiled
@pytest.mark.parametrize("teacher", ["wi", "arbitrary"])
@pytest.mark.parametrize("scheme", ["da", "fa", "ea"])
def test_the_reference_problem_is_not_accused(scheme, teacher):
    data = reference_teacher(teacher)
    for replicate in range(3):
        dynamics = NoisySGD(data.unit, scheme, data, projected_noise=True)
        state = dynamics.step(dynamics.init(init_particles(data.unit, "si", 20, 0, replicate), 0, replicate), 400)
        assert state.status == "ok"
        if teacher == "wi":
            assert rmd2_si(state.z, data.unit.fixed_subspace) < rmd2_floor(state.z, state.step) < ROUNDOFF


@pytest.mark.parametrize("case", [case for case in CASES if case.quadrature], ids=str)
def test_schemes_that_preserve_the_fixed_subspace_do(case):
    unit, space = case.unit, case.unit.fixed_subspace
    start = space.project(normals(KEY, 0, 4, unit.p))
    data = FunctionData(Gaussian(1.0), lambda x: np.sin(x.sum(axis=1, keepdims=True)) + np.ones(unit.c), unit.d, unit.c)
    for name in SCHEMES:
        scheme = get_scheme(name, unit)
        dynamics = NoisySGD(unit, scheme, data, alpha=1.0, beta=0.0, batch_size=2, dtype="float64")
        share = share_off_subspace(dynamics.step(dynamics.init(start), 2).z, space)
        assert not scheme.preserves_fixed or share < ROUNDOFF
        assert scheme.preserves_fixed or name in ("vanilla", "da-sampled") or share > 0.0
    assert not get_scheme("vanilla", unit).preserves_fixed
    assert case.group.order is None or get_scheme("fa", unit).preserves_fixed


def test_a_cloud_that_is_zero_to_rounding_has_no_relative_distance():
    space = cyclic(2).sign().fixed_subspace()
    assert space.dimension == 0
    z = np.float32(3e-9) * normals(KEY, 1, 50, 1).astype(np.float32)
    zero = rounding_floor(z, 300)
    assert abs(rmd2_si(z, space) - 0.5) < ALGEBRA
    assert rmd2_si(z, space, zero) == 0.0
    assert rmd2_floor(z, 300) == 0.5
    large = z * np.float32(1e6)
    assert rmd2_si(large, space, zero) > 0.4
    assert rmd2_floor(large, 300) < 1e-3
    assert rounding_floor(z.astype(np.float64), 300) < zero * SPLIT


@compiled
def test_tables_say_which_runs_drifted_and_in_what_arithmetic():
    problem = Problem("square", UNIT, DATA)
    options = {"n": N, "horizon": HORIZON, "init": "si", "schemes": ["da", "ea"], **UNSTABLE}
    single, auto = (compare(problem, dtype=dtype, **options).isel(replicate=0) for dtype in ("float32", "auto"))
    assert list(single["status"].values) == ["drifted", "ok"]
    assert int(single["drifted_step"][0]) > 0 > int(single["drifted_step"][1])
    assert float(single["rmd2_si"][0]) > 1e-3
    assert list(auto["status"].values) == ["ok", "ok"]
    assert list(auto["precision"].values) == ["float64", "float32"]
    assert float(auto["rmd2_si"][0]) < ROUNDOFF
