"""mfsym.kernels.vectors, mlp and deep: products in registers, predictions, and the time loop of multi-layer units."""

import numpy as np
import pytest

from mfsym.dynamics import NoisySGD
from mfsym.groups import cyclic, dihedral
from mfsym.kernels import deep
from mfsym.kernels.deep import deep_plan, deep_workspace
from mfsym.kernels.vectors import product
from mfsym.schemes import SCHEMES
from mfsym.streams import normals, stream_key
from mfsym.teachers import Teacher
from mfsym.units import ACTIVATIONS, Gated, MLPUnit, Normed
from tests import naive, naive_mlp
from tests.sizes import compiled, sized
from tests.tolerances import ALGEBRA, ROUNDOFF, ROUNDOFF32, SPLIT

KEY = stream_key(22, "init")
TOLERANCE = {"float32": ROUNDOFF32, "float64": ROUNDOFF}
C2, C4, D4 = cyclic(2), cyclic(4), dihedral(4)


def small():
    """Two hidden layers, every kind of nonlinearity, p = 75."""
    mixed = [C4.permutation(), Gated(C4.vector()), Normed(C4.vector(), "tanh")]
    return MLPUnit("tanh", C4.vector(), C4.vector(), [C4.regular(), mixed], output_bias=True)


def plain(activation):
    """One hidden layer of widths that are no multiples of anything, activation on the outputs too."""
    return MLPUnit(activation, C2.trivial(3), C2.trivial(5), [C2.trivial(7)], output_linear=False)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    ("rows", "columns", "count"), [(1, 1, 1), (4, 4, 3), (7, 4, 5), (2, 6, 4), (3, 8, 2), (5, 3, 1)]
)
def test_products_equal_their_twin(rows, columns, count, dtype):
    T = 32
    a, b, start = (normals(KEY, k, n * T, 1)[:, 0].astype(dtype) for k, n in
                   [(1, rows * count), (2, count * columns), (3, rows)])  # fmt: skip
    operands = (start, 0, T, 0), (a, 0, count * T, T), (b, 0, columns * T, T)
    out, twin = np.zeros(rows * columns * T + 1, dtype), np.zeros(rows * columns * T + 1)
    sizes = (rows, columns, count, T)
    product((out, 0, columns * T, T), *operands, *sizes)
    naive_mlp.product((twin, 0, columns * T, T), *operands, *sizes)
    assert np.abs(out - twin).max() < 10.0 * TOLERANCE[dtype]
    assert out[-1] == 0.0
    product((out, 0, columns * T, T), (out, 0, columns * T, T), *operands[1:], *sizes)
    naive_mlp.product((twin, 0, columns * T, T), (twin, 0, columns * T, T), *operands[1:], *sizes)
    assert np.abs(out - twin).max() < 10.0 * TOLERANCE[dtype]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_predictions_are_means_of_outputs(activation):
    for unit in (plain(activation), small()):
        for count, n in [(1, 1), (5, 17), (9, sized(300, 20))]:
            x, z = normals(KEY, 4, count, unit.d), normals(KEY, 5, n, unit.p)
            assert np.abs(unit.predict(x, z) - unit.sigma(x, z).mean(axis=1)).max() < 10.0 * ROUNDOFF
    assert unit.predict(np.zeros((0, 2)), z).shape == (0, 2)


def _twin(dynamics, state, steps, projected):
    """The steps written from the equations; the noise of many parameters is drawn in the coordinates of z."""
    unit, z, batch = dynamics.unit, np.float64(state.z), dynamics.batch_size
    keys = {name: stream_key(state.seed, name, state.replicate) for name in ("data", "noise", "haar")}
    n, p = z.shape
    for k in range(steps):
        x, y = dynamics.data.draw(keys["data"], k * batch, batch)
        draws = unit.rho_x.group.haar(keys["haar"], 0, (k + 1) * batch)[-batch:]
        xi = normals(keys["noise"], k, n, p)
        xi = xi @ unit.fixed_subspace.projector if projected else xi
        force = naive.gradient(unit, dynamics.scheme.name, x, y, z, draws) + 2.0 * dynamics.tau * z
        z = z - dynamics.alpha / n * force + np.sqrt(2.0 * dynamics.alpha * dynamics.beta / n) * xi
    return z


@pytest.mark.parametrize("projected", [False, True], ids=["full", "projected"])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_is_the_noisy_sgd_of_its_equations(scheme, dtype, projected):
    unit = small()
    teacher = Teacher(unit, normals(KEY, 6, 3, unit.p), 1.0)
    options = {"alpha": 0.2, "tau": 1e-3, "beta": 1e-3, "batch_size": 3, "projected_noise": projected}
    dynamics = NoisySGD(unit, scheme, teacher, dtype=dtype, **options)
    start = dynamics.init(0.5 * normals(KEY, 7, 5, unit.p), seed=3)
    steps = sized(3, 1)
    end, twin = dynamics.step(start, steps), _twin(dynamics, start, steps, projected or scheme == "ea")
    assert np.abs(end.z - twin).max() < 10.0 * TOLERANCE[dtype]
    assert np.abs(end.z - start.z).max() > SPLIT


@compiled
@pytest.mark.parametrize("n", [1, 16, 100, 129, 300])
def test_blocks_tiles_and_tapes_do_not_matter(n, monkeypatch):
    unit = small()
    teacher = Teacher(unit, normals(KEY, 6, 3, unit.p), 1.0)
    dynamics = NoisySGD(unit, "da", teacher, alpha=0.2, beta=1e-3, batch_size=3, dtype="float64")
    start = dynamics.init(0.5 * normals(KEY, 7, n, unit.p), seed=3)
    ends = []
    for tile, kept in [(1 << 13, 0), (1 << 13, 1 << 30), (1 << 30, 0), (1 << 30, 1 << 30)]:
        monkeypatch.setattr(deep, "TILE_BYTES", tile)
        monkeypatch.setattr(deep, "KEPT_BYTES", kept)
        ends.append(dynamics.step(start, 2).z)
    assert np.array_equal(ends[0], ends[1])
    assert np.array_equal(ends[2], ends[3])
    assert np.abs(ends[0] - ends[2]).max() < ALGEBRA
    assert np.abs(ends[0] - _twin(dynamics, start, 2, False)).max() < ALGEBRA


@compiled
@pytest.mark.slow  # compiles the threaded loop: half a minute
def test_threads_give_the_bits_of_one_thread():
    unit = small()
    teacher = Teacher(unit, normals(KEY, 6, 3, unit.p), 1.0)
    ends = []
    for threads in (1, 2):
        dynamics = NoisySGD(unit, "vanilla", teacher, alpha=0.5, beta=1e-3, batch_size=3, threads=threads)
        ends.append(dynamics.step(dynamics.init(0.5 * normals(KEY, 7, 300, unit.p), seed=3), 3).z)
    assert np.array_equal(*ends)


def test_a_run_that_blows_up_says_when():
    unit = MLPUnit("relu", C4.vector(), C4.vector(), [C4.permutation(), C4.permutation()])
    teacher = Teacher(unit, normals(KEY, 6, 3, unit.p), 1.0)
    dynamics = NoisySGD(unit, "vanilla", teacher, alpha=1e6, batch_size=3, dtype="float64")
    end = dynamics.step(dynamics.init(normals(KEY, 7, 5, unit.p)), 50)
    assert end.status == "diverged"
    assert 1 <= end.diverged_step == end.step < 50


def test_plans_fit_their_tiles():
    network = small().network
    for n in (1, 100, 1000):
        shape = deep_plan(network, n, 20, 4)
        assert shape.tile % 16 == 0
        assert shape.lanes % 16 == 0
        assert shape.blocks * shape.lanes >= n
        work = deep_workspace(shape, 2, 20, 0, np.float32)
        assert work.tape.size == (shape.blocks * shape.lanes * 20 * shape.rows if shape.kept else 0)
