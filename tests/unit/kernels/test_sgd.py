"""mfsym.kernels.sgd: the compiled time loop against its twin on batches of every shape."""

import numpy as np
import pytest

from mfsym.kernels import sgd
from mfsym.kernels.gates import run_threads
from mfsym.kernels.shallow import Kept, Recomputed, plan, workspace
from mfsym.kernels.steps import Batches, StepParameters
from mfsym.kernels.units import MATRIX, UV, block_shape
from mfsym.streams import normals, stream_key, uniforms
from tests import naive
from tests.sizes import sized
from tests.tolerances import ALGEBRA, ROUNDOFF32, SPLIT

KEY = stream_key(9, "data")
NOISE = stream_key(9, "noise")
TOLERANCE = {"float32": ROUNDOFF32, "float64": ALGEBRA}
KINDS = {"matrix": MATRIX, "uv": UV}


def _problem(
    code, n, d, c, nodes=1, batch=4, steps=3, *, drawn=1, dtype="float64", noise=2, project=False, activation=1
):
    """A Shape, blocked particles, Batches and StepParameters without any symmetry: arrays are all the kernels see.

    drawn : how many sets of nodes there are, 1 for all steps or one a step.
    """
    p = c * d if code == MATRIX else c + d
    samples = -(-batch * nodes // 4) * 4
    x = np.zeros((steps, samples, d))
    x[:, : batch * nodes] = normals(KEY, 0, steps * batch * nodes, d).reshape(steps, -1, d)
    y = normals(KEY, 1, steps * batch, c).reshape(steps, batch, c)
    rho = np.linalg.qr(normals(KEY, 2, drawn * nodes * c, c).reshape(drawn, nodes, c, c))[0]
    masses = [uniforms(KEY, step, size, width) for step, size, width in [(3, drawn, nodes), (4, 1, batch)]]
    masses = [mass / mass.sum(axis=1, keepdims=True) for mass in masses]
    q = np.linalg.qr(normals(KEY, 5, p, max(1, p - 1)))[0]
    rates = np.stack([0.1 + 0.1 * np.arange(steps), np.full(steps, 0.3 if noise else 0.0)], axis=1)
    parts = (x, y, rho, masses[0], masses[1][0])
    shape = plan((code, activation), n, p, d, c, samples, np.dtype(dtype).itemsize)
    parameters = (rates, np.array([0.02]), q @ q.T if project else np.zeros((0, 0)), normals(KEY, 6, p, noise))
    z = np.empty(shape.blocks * p * shape.lanes, dtype)
    naive.pack(normals(KEY, 7, n, p).astype(dtype), n, p, shape.lanes, z)
    return (
        shape,
        z,
        Batches(*(np.ascontiguousarray(part, dtype) for part in parts)),
        StepParameters(*(np.ascontiguousarray(part, dtype) for part in parameters), NOISE, 1 << 33),
    )


def _scratch(shape, batches, parameters, threads=1):
    samples, c = batches.x.shape[1], batches.y.shape[2]
    return workspace(shape, c, samples, parameters.noise_map.shape[1], batches.x.dtype, threads)


def _advance(problem, kept=None, threads=1):
    shape, z, batches, parameters = problem
    shape = shape if kept is None else shape._replace(tape=Kept() if kept else Recomputed())
    z = z.copy()
    work = _scratch(shape, batches, parameters, threads)
    return run_threads(threads, lambda thread: sgd.advance(shape, z, batches, parameters, work, thread)), z


def _twin(problem):
    shape, z, batches, parameters = problem
    z = np.array(z, np.float64)
    return naive.advance(shape, z, batches, parameters, None, 0), z


def _distance(a, b):
    return np.abs(a - b).max() / max(1.0, np.abs(b).max())


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "recomputed"])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("d", "c", "nodes", "batch"), [(1, 1, 1, 1), (2, 2, 1, 4), (3, 1, 2, 3), (2, 3, 4, 5)])
@pytest.mark.parametrize("code", KINDS.values(), ids=list(KINDS))
def test_the_time_loop_equals_its_twin(code, d, c, nodes, batch, dtype, kept):
    for noise, project in [(0, False), (1, True), (3, False)]:
        problem = _problem(code, 7, d, c, nodes, batch, 2, dtype=dtype, noise=noise, project=project)
        (done, z), (twin_done, twin) = _advance(problem, kept), _twin(problem)
        assert done == twin_done == 2
        assert _distance(z, twin) < TOLERANCE[dtype]
        assert _distance(problem[1], twin) > SPLIT


@pytest.mark.parametrize("n", sized([1, 16, 17, 100, 513, 700, 1025, 2600], [1, 17]))
@pytest.mark.parametrize("code", KINDS.values(), ids=list(KINDS))
def test_blocks_of_every_size_equal_their_twin(code, n):
    problem = _problem(code, n, 2, 2, steps=2)
    twin = _twin(problem)[1]
    for kept in (True, False):
        done, z = _advance(problem, kept)
        assert done == 2
        assert _distance(z, twin) < ALGEBRA


@pytest.mark.parametrize("code", KINDS.values(), ids=list(KINDS))
def test_lanes_past_the_last_particle_stay_zero(code):
    shape, z, batches, parameters = _problem(code, 5, 2, 2)
    sgd.advance(shape, z, batches, parameters, _scratch(shape, batches, parameters), 0)
    assert (z.reshape(shape.p, shape.lanes)[:, 5:] == 0.0).all()
    assert (z.reshape(shape.p, shape.lanes)[:, :5] != 0.0).all()


def _nodes(batches):
    """Matrices, node weights and sample weights of all steps."""
    return batches.rho[0], batches.node_weights[0], batches.sample_weights


@pytest.mark.parametrize("code", KINDS.values(), ids=list(KINDS))
def test_nodes_drawn_afresh_belong_to_their_step(code):
    problem = _problem(code, 9, 2, 2, 3, drawn=3)
    done, z = _advance(problem)
    assert done == 3
    assert _distance(z, _twin(problem)[1]) < ALGEBRA
    first = problem[2]._replace(rho=problem[2].rho[:1], node_weights=problem[2].node_weights[:1])
    assert _distance(z, _advance((*problem[:2], first, problem[3]))[1]) > SPLIT


@pytest.mark.parametrize("nodes", [1, 3, 4])
def test_cotangents_average_over_nodes_that_all_move_outputs(nodes):
    """Also the first node: its row of the partial sums must not be overwritten while it is still read."""
    shape, _, batches, parameters = _problem(MATRIX, 5, 2, 3, nodes, 5, 1)
    work = _scratch(shape, batches, parameters)
    phi = normals(KEY, 8, 5 * nodes, 3)
    work.phi[0, : 5 * nodes] = shape.n * phi
    assert sgd.cotangents(shape, batches, 0, work)
    twin = naive.cotangents(phi.reshape(5, nodes, 3), batches.y[0], *_nodes(batches))
    assert np.abs(work.r[: 5 * nodes] - twin.reshape(-1, 3)).max() < ALGEBRA
    assert (work.r[5 * nodes :] == 0.0).all()
    work.phi[0, 2, 1] = np.nan
    with np.errstate(invalid="ignore"):
        assert not sgd.cotangents(shape, batches, 0, work)


@pytest.mark.parametrize("twisted", [False, True])
def test_cotangents_without_orbits_are_those_of_one_node(twisted):
    """One node of weight 1 and the identity has a shorter way; a node with any other matrix has not."""
    shape, _, batches, parameters = _problem(MATRIX, 5, 2, 3, 1, 6, 2)
    rho = np.roll(np.eye(3), 1, axis=0) if twisted else np.eye(3)
    batches = batches._replace(rho=rho[None, None].copy(), node_weights=np.ones((1, 1)))
    work = _scratch(shape, batches, parameters)
    phi = normals(KEY, 8, 6, 3)
    work.phi[0, :6] = shape.n * phi
    assert sgd.cotangents(shape, batches, 1, work)
    twin = naive.cotangents(phi.reshape(6, 1, 3), batches.y[1], *_nodes(batches)).reshape(6, 3)
    assert np.abs(work.r[:6] - twin).max() < ALGEBRA
    assert (work.r[6:] == 0.0).all()
    assert np.abs(work.r[:6] - twin[::-1]).max() > SPLIT
    for spoilt in (work.phi[0], batches.y[1]):
        work.phi[0, :6] = shape.n * phi
        spoilt[5, 2] = np.nan
        with np.errstate(invalid="ignore"):
            assert not sgd.cotangents(shape, batches, 1, work)


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "recomputed"])
@pytest.mark.parametrize("code", KINDS.values(), ids=list(KINDS))
def test_threads_give_the_bits_of_one_thread(code, kept):
    n, steps = sized((5000, 5), (1030, 1))
    problem = _problem(code, n, 2, 2, steps=steps, dtype="float32")
    done, z = _advance(problem, kept)
    for threads in (2, 3):
        shared_done, shared = _advance(problem, kept, threads)
        assert shared_done == done == steps
        assert np.array_equal(shared, z)
    assert _distance(z, _twin(problem)[1]) < ROUNDOFF32


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("code", KINDS.values(), ids=list(KINDS))
def test_the_loop_ends_where_the_state_stops_being_finite(code, dtype):
    problem = _problem(code, 7, 2, 2, steps=4, dtype=dtype)
    parameters = problem[3]
    parameters.rates[2] = np.finfo(dtype).max
    with np.errstate(over="ignore", invalid="ignore"):
        done, z = _advance(problem)
    assert done == 3
    assert not np.isfinite(z).all()
    parameters.rates[2] = 0.1
    problem[2].y[1, 0, 0] = np.nan
    with np.errstate(over="ignore", invalid="ignore"):
        assert _advance(problem)[0] == 1


def test_large_tapes_are_not_kept():
    small = plan((MATRIX, 0), 100, 4, 2, 2, 20, 4)
    large = plan((MATRIX, 0), 1_000_000, 4, 2, 2, 20, 4)
    assert (small.kept, large.kept) == (True, False)
    for shape in (small, large):
        assert (shape.blocks, shape.lanes) == block_shape(shape.n)
    work = workspace(large, 2, 20, 4, np.float32)
    assert sum(array.nbytes for array in work) < 200 * large.n
