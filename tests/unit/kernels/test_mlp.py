"""mfsym.kernels.vectors, mlp and deep: products in registers, predictions, and the time loop of multi-layer units."""

import numpy as np
import pytest

from mfsym.data.teachers import Teacher
from mfsym.dynamics import NoisySGD
from mfsym.engines.cpu import loop_of
from mfsym.groups import cyclic, dihedral
from mfsym.kernels import deep, sgd
from mfsym.kernels.activations import FROM_VALUES, pull_values_row, values_row
from mfsym.kernels.deep import deep_plan, deep_workspace
from mfsym.kernels.mlp import copy_rows, fill
from mfsym.kernels.steps import StepParameters, map_extents, update_block
from mfsym.kernels.vectors import product
from mfsym.schemes import SCHEMES
from mfsym.streams import normals, stream_key
from mfsym.units import ACTIVATIONS, Gated, MLPUnit, Normed
from tests import naive, naive_mlp
from tests.sizes import compiled, sized
from tests.tolerances import ALGEBRA, FINITE_DIFFERENCE, ROUNDOFF, ROUNDOFF32, SPLIT

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


def test_threads_give_the_bits_of_one_thread():
    unit = small()
    teacher = Teacher(unit, normals(KEY, 6, 3, unit.p), 1.0)
    ends = []
    for threads in (1, 2):
        dynamics = NoisySGD(unit, "vanilla", teacher, alpha=0.5, beta=1e-3, batch_size=3, threads=threads)
        ends.append(dynamics.step(dynamics.init(0.5 * normals(KEY, 7, 300, unit.p), seed=3), 3).z)
    assert np.array_equal(*ends)


def test_networks_run_in_the_loops_of_their_own():
    engine = loop_of(small())
    assert engine.advance == sgd.advance


def test_a_run_that_blows_up_says_when():
    unit = MLPUnit("relu", C4.vector(), C4.vector(), [C4.permutation(), C4.permutation()])
    teacher = Teacher(unit, normals(KEY, 6, 3, unit.p), 1.0)
    dynamics = NoisySGD(unit, "vanilla", teacher, alpha=1e6, batch_size=3, dtype="float64")
    end = dynamics.step(dynamics.init(normals(KEY, 7, 5, unit.p)), 50)
    assert end.status == "diverged"
    assert 1 <= end.diverged_step == end.step < 50


def _pass(unit, n, dtype="float64"):
    """A run of one block, its blocked particles, inputs (8, d) and cotangents (8, c)."""
    shape = deep_plan(unit.network, n, 8, np.dtype(dtype).itemsize)
    work = deep_workspace(shape, unit.c, 8, 0, np.dtype(dtype))
    z, x, r = normals(KEY, 8, n, unit.p), normals(KEY, 9, 8, unit.d), normals(KEY, 10, 8, unit.c)
    blocked = np.zeros(unit.p * shape.lanes, dtype)
    naive.pack(z.astype(dtype), n, unit.p, shape.lanes, blocked)
    return shape, work, blocked, z, x.astype(dtype), r.astype(dtype)


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "recomputed"])
def test_passes_of_a_block_are_sums_and_pullbacks_and_input_slopes(kept):
    for unit in (small(), plain("erf")):
        shape, work, blocked, z, x, r = _pass(unit, 19)
        shape = shape._replace(kept=kept)
        work = deep_workspace(shape, unit.c, 8, 0, np.float64)
        weights = work.weights[1]
        deep.deep_sums(shape, 0, blocked, x, weights, work, 0)
        assert np.abs(work.phi[0] - unit.sigma(x, z).sum(axis=1)).max() < 100.0 * ROUNDOFF
        slopes = np.zeros_like(x)
        deep.deep_force(shape, 0, blocked, x, r, work, 0, slopes, weights)
        force = work.forces[0, : unit.p * shape.lanes].reshape(unit.p, shape.lanes)[:, :19].T
        assert np.abs(force - unit.pullback(x, z, r)).max() < 100.0 * ROUNDOFF
        direction = normals(KEY, 11, 8, unit.d)
        up, down = (unit.sigma(x + sign * 1e-6 * direction, z).sum(axis=1) for sign in (1.0, -1.0))
        change = np.sum((up - down) * r, axis=1) / 2e-6
        assert np.abs(np.sum(slopes * direction, axis=1) - change).max() < 100.0 * FINITE_DIFFERENCE
        assert np.abs(change).max() > SPLIT


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("code", FROM_VALUES)
def test_slopes_from_values_are_the_slopes(code, dtype):
    a, e = 3.0 * normals(KEY, 13, 64, 1)[:, 0].astype(dtype), normals(KEY, 14, 64, 1)[:, 0].astype(dtype)
    values, pulled, (function, slope) = a.copy(), e.copy(), naive.ACTIVATIONS[code]
    values_row(code, values, np.uintp(0), np.uintp(64))
    pull_values_row(code, pulled, np.uintp(0), values, np.uintp(0), np.uintp(64))
    assert np.abs(values - function(np.float64(a))).max() < TOLERANCE[dtype]
    assert np.abs(pulled - np.float64(e) * slope(np.float64(a))).max() < TOLERANCE[dtype]
    assert np.abs(pulled - e).max() > SPLIT or code == 5


def test_rows_are_copied_and_filled_within_their_lanes():
    a, out = np.arange(40.0), np.full(40, -1.0)
    copy_rows(out, 2, 10, a, 5, 7, 3, 4)
    expected = np.full(40, -1.0)
    for k in range(3):
        expected[2 + 10 * k : 6 + 10 * k] = a[5 + 7 * k : 9 + 7 * k]
    assert np.array_equal(out, expected)
    fill(out, 7, 3.0, 5)
    expected[7:12] = 3.0
    assert np.array_equal(out, expected)


def test_extents_hold_the_nonzero_entries():
    maps = np.array([[0.0, 2.0, 0.0, 1.0], [0.0] * 4, [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 4.0]])
    parameters = StepParameters(np.zeros((1, 2)), np.zeros(1), np.zeros((0, 0)), maps, KEY, 0)
    extents = np.full((2, 4, 2), 7)
    map_extents(parameters, extents)
    assert np.array_equal(extents[0], np.zeros((4, 2)))
    assert np.array_equal(extents[1], [[1, 4], [0, 0], [0, 1], [3, 4]])


def test_an_updated_block_has_moved_by_its_force_and_noise():
    unit = small()
    shape, work, blocked, z, _, _ = _pass(unit, 19)
    work = deep_workspace(shape, unit.c, 8, unit.p, np.float64)
    force = normals(KEY, 12, 19, unit.p)
    work.forces[0, : unit.p * shape.lanes].reshape(unit.p, shape.lanes)[:, :19] = force.T
    projector = unit.fixed_subspace.projector
    parameters = StepParameters(np.array([[0.1, 0.2]]), np.array([0.3]), projector, np.eye(unit.p), KEY, 5)
    map_extents(parameters, work.extents[0])
    assert update_block(shape, 0, blocked, parameters, work.extents[0], 0, work, 0)
    twin = z - 0.1 * (force @ projector.T + 0.3 * z) + 0.2 * normals(KEY, 5, 19, unit.p)
    moved = blocked.reshape(unit.p, shape.lanes)
    assert np.abs(moved[:, :19].T - twin).max() < ALGEBRA
    assert (moved[:, 19:] == 0.0).all()


def test_plans_fit_their_tiles():
    network = small().network
    for n in (1, 100, 1000):
        shape = deep_plan(network, n, 20, 4)
        assert shape.tile % 16 == 0
        assert shape.lanes % 16 == 0
        assert shape.blocks * shape.lanes >= n
        work = deep_workspace(shape, 2, 20, 0, np.float32)
        assert work.tape.size == (shape.blocks * shape.lanes * 20 * shape.rows if shape.kept else 0)
