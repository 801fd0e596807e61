"""mfsym.dynamics.resnets: forces, the coincidence from an SI start, one layer as a shallow model, refusals."""

import numpy as np
import pytest

from mfsym.data.teachers import reference_teacher
from mfsym.dynamics import NoisySGD
from mfsym.dynamics.resnets import ResNetSGD, init_layers, predict
from mfsym.errors import MfsymError
from mfsym.groups import cyclic, dihedral
from mfsym.schemes import SCHEMES, get_scheme
from mfsym.streams import normals, stream_key
from mfsym.units import Gated, MatrixUnit, MLPUnit, UVUnit
from tests import naive_mlp
from tests.sizes import sized
from tests.tolerances import ALGEBRA, FINITE_DIFFERENCE, ROUNDOFF32, SPLIT
from tests.trainings import Sample

KEY = stream_key(25, "init")
SWAP, PLANE = cyclic(2).permutation(), dihedral(4).vector()
UNITS = {
    "matrix": MatrixUnit("sigmoid", SWAP, SWAP),
    "uv": UVUnit("tanh", SWAP, SWAP),
    "mlp": MLPUnit("tanh", PLANE, PLANE, [[PLANE.group.trivial(1), Gated(PLANE)]]),
}
QUIET = {"alpha": 1.0, "tau": 1e-2, "beta": 0.0, "dtype": "float64"}
DEPTH, N = 3, 4


def _sample(unit, batch=3):
    return Sample(1.5 * normals(KEY, 1, batch, unit.d), normals(KEY, 2, batch, unit.c))


def _start(unit, init="wi", depth=DEPTH, n=N):
    return 4.0 * init_layers(unit, init, depth, n, seed=1)


@pytest.mark.parametrize("scheme", ["vanilla", "fa"])
@pytest.mark.parametrize("name", UNITS)
def test_forces_are_derivatives_of_the_risk(name, scheme):
    unit = UNITS[name]
    dynamics = ResNetSGD(unit, scheme, _sample(unit), depth=DEPTH, batch_size=3, **QUIET)
    start = dynamics.init(_start(unit))
    end, twin = dynamics.step(start), naive_mlp.resnet_step(dynamics, start)
    assert np.abs(end.z - twin).max() < FINITE_DIFFERENCE
    assert np.abs(end.z - start.z).max() > SPLIT


@pytest.mark.parametrize("name", UNITS)
def test_one_layer_is_a_shallow_model_of_the_residual(name):
    unit = UNITS[name]
    data = _sample(unit)
    shallow = NoisySGD(unit, "fa", Sample(data.x, data.y - data.x), batch_size=3, **QUIET)
    deep = ResNetSGD(unit, "fa", data, depth=1, batch_size=3, **QUIET)
    start = _start(unit, depth=1)
    ends = shallow.step(shallow.init(start[0]), 3).z, deep.step(deep.init(start), 3).z[0]
    assert np.abs(ends[0] - ends[1]).max() < ALGEBRA
    assert np.abs(ends[0] - start[0]).max() > SPLIT


@pytest.mark.parametrize("name", UNITS)
def test_fa_ea_and_da_coincide_from_an_si_start_and_stay_in_it(name):
    unit = UNITS[name]
    options = {**QUIET, "beta": 1e-3, "projected_noise": True, "batch_size": 3}
    start, ends = _start(unit, "si"), {}
    for scheme in SCHEMES:
        dynamics = ResNetSGD(unit, scheme, _sample(unit), depth=DEPTH, **options)
        ends[scheme] = dynamics.step(dynamics.init(start, seed=2), sized(10, 2)).z
    for scheme in ("fa", "da"):
        assert np.abs(ends[scheme] - ends["ea"]).max() < ALGEBRA
    assert unit.fixed_subspace.contains(ends["fa"].reshape(-1, unit.p))
    assert np.abs(ends["ea"] - start).max() > SPLIT
    for scheme in ("vanilla", "da-sampled"):
        assert np.abs(ends[scheme] - ends["ea"]).max() > SPLIT
        assert not unit.fixed_subspace.contains(ends[scheme].reshape(-1, unit.p))


def test_networks_of_symmetric_layers_are_equivariant():
    unit = UNITS["mlp"]
    x, z = normals(KEY, 3, 5, 2), _start(unit)
    errors = {}
    for scheme in ("vanilla", "fa", "ea"):
        model = get_scheme(scheme, unit)
        moved = [predict(model, x @ g.T, z) @ g - predict(model, x, z) for g in PLANE.matrices]
        errors[scheme] = np.abs(moved).max()
    assert max(errors["fa"], errors["ea"]) < ALGEBRA
    assert errors["vanilla"] > SPLIT


def test_layers_draw_their_own_noise_and_runs_resume_exactly():
    teacher = reference_teacher("wi")
    options = {"depth": 3, "alpha": 1.0, "beta": 1e-3, "batch_size": 4}
    dynamics = ResNetSGD(teacher.unit, "da-sampled", teacher, **options)
    start = dynamics.init(np.zeros((3, 20, 4)), seed=4)
    straight = dynamics.step(start, 4)
    assert np.array_equal(straight.z, dynamics.step(dynamics.step(start, 1), 3).z)
    assert all(np.abs(straight.z[a] - straight.z[b]).max() > SPLIT for a, b in [(0, 1), (0, 2), (1, 2)])
    states = list(dynamics.flow(start, [0.1, 0.2]))
    assert [state.time for state in states] == [0.1, 0.2]
    assert np.array_equal(states[1].z, straight.z)
    double = ResNetSGD(teacher.unit, "da-sampled", teacher, dtype="float64", **options)
    assert np.abs(double.step(double.init(start.z, seed=4), 4).z - straight.z).max() < ROUNDOFF32


def test_losses_other_than_the_quadratic_train_it():
    unit = UNITS["matrix"]
    data = Sample(normals(KEY, 1, 4, 2), np.eye(2)[[0, 1, 0, 1]])
    dynamics = ResNetSGD(unit, "vanilla", data, depth=2, batch_size=4, loss="cross-entropy", **QUIET)
    start = dynamics.init(_start(unit, depth=2))
    end = dynamics.step(start, 200)
    values = [dynamics.loss.values(predict(dynamics.scheme, data.x, state.z), data.y).mean() for state in (start, end)]
    assert values[1] < values[0]


def test_bad_requests_and_divergence_are_reported():
    unit = UNITS["matrix"]
    with pytest.raises(MfsymError, match="rho_x = rho_y"):
        ResNetSGD(MatrixUnit("tanh", SWAP, cyclic(2).trivial(2)), "vanilla", _sample(unit), depth=2)
    with pytest.raises(MfsymError, match="depth must be"):
        ResNetSGD(unit, "vanilla", _sample(unit), depth=0)
    with pytest.raises(MfsymError, match="particles must be an array"):
        ResNetSGD(unit, "vanilla", _sample(unit), depth=2).init(np.zeros((3, 5, 4)))
    with pytest.raises(MfsymError, match="init must be wi or si"):
        init_layers(unit, "wi-orbit", 2, 4, seed=0)
    relu = MatrixUnit("relu", SWAP, SWAP)
    dynamics = ResNetSGD(relu, "vanilla", _sample(relu), depth=2, batch_size=3, alpha=1e9, dtype="float64")
    end = dynamics.step(dynamics.init(_start(relu, depth=2)), 60)
    assert end.status == "diverged"
    assert dynamics.step(end, 3) is end
