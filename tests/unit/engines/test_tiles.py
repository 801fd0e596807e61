"""The two kernels of a GPU, interpreted: the steps of the numba engine, and the end of a run that diverges."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from mfsym.data.teachers import reference_teacher
from mfsym.dynamics import NoisySGD
from mfsym.engines import CpuEngine
from mfsym.streams import normals, stream_key
from tests.tolerances import ROUNDOFF32

pytest.importorskip("jax", reason="needs the extra jax: pip install 'mfsym[jax]'")

from mfsym.engines.jax import JaxEngine, tiles
from mfsym.engines.jax.units import outputs_of

N, STEPS = 300, 3


@pytest.fixture
def tiled(monkeypatch):
    """The engine of the GPU for a unit, its kernels interpreted and its pieces short."""
    interpreted = partial(tiles.run_pieces, interpret=True)
    monkeypatch.setattr("mfsym.engines.jax.engine.run_pieces", interpreted)
    monkeypatch.setattr("mfsym.engines.jax.engine.has_tiles", lambda devices: True)
    monkeypatch.setattr(tiles, "PIECE", 2)
    tiles._compiled.cache_clear()
    yield partial(JaxEngine, dtype="float32")
    tiles._compiled.cache_clear()


def given(scheme, z=None):
    """Unit, particles, batches and parameters of some steps of a scheme."""
    teacher = reference_teacher("wi")
    dynamics = NoisySGD(teacher.unit, scheme, teacher, alpha=50.0, beta=1e-3, batch_size=2)
    state = dynamics.init(normals(stream_key(0, "init"), 0, N, 4) if z is None else z)
    return teacher.unit, state.z, dynamics.batches(state, 0, STEPS), dynamics.step_parameters(state, 0, STEPS)


def advanced(engine, z, batches, parameters):
    """Particles after the steps, the steps done, and whether all is finite."""
    engine.load(z)
    done = engine.advance(batches, parameters)
    return engine.particles(), (done, engine.finite)


@pytest.mark.parametrize("scheme", ["fa", "ea"])
def test_tiles_make_the_steps_of_the_other_engine(scheme, tiled):
    unit, z, batches, parameters = given(scheme)
    ours, ended = advanced(tiled(unit), z, batches, parameters)
    theirs, _ = advanced(CpuEngine(unit, "float32"), z, batches, parameters)
    quiet, _ = advanced(tiled(unit), z, batches, parameters._replace(rates=parameters.rates * [1.0, 0.0]))
    assert ended == (STEPS, True)
    assert np.abs(ours - theirs).max() < ROUNDOFF32 * np.abs(theirs).max()
    assert np.abs(quiet - theirs).max() > 100 * ROUNDOFF32 * np.abs(theirs).max()


def test_a_run_in_tiles_stops_where_the_other_engine_stops(tiled):
    unit, z, batches, parameters = given("vanilla")
    rates = parameters.rates.copy()
    rates[1] = np.inf
    broken = parameters._replace(rates=rates)
    _, ours = advanced(tiled(unit), z, batches, broken)
    _, theirs = advanced(CpuEngine(unit, "float32"), z, batches, broken)
    assert ours == theirs
    assert not ours[1]


def test_only_small_units_in_single_precision_run_in_tiles():
    outputs = outputs_of(reference_teacher("wi").unit)
    assert tiles.fits(outputs, 4, np.dtype("float32"), 20)
    assert not tiles.fits(outputs, 4, np.dtype("float64"), 20)
    assert not tiles.fits(outputs, 4, np.dtype("float32"), 1000)
    assert not tiles.fits(outputs, 40, np.dtype("float32"), 20)


def test_the_kernels_are_accepted_for_a_gpu(monkeypatch):
    engine = JaxEngine(reference_teacher("wi").unit, "float32")
    monkeypatch.setattr("mfsym.engines.jax.engine.has_tiles", lambda devices: True)
    lowered = []

    def lower(plan, rows, chunk):
        given = (rows, chunk, np.int32(0), np.int32(0), np.bool_(True))
        lowered.append(tiles._compiled(plan, False).trace(*given).lower(lowering_platforms=("cuda",)).as_text())
        return rows, 0, True

    monkeypatch.setattr("mfsym.engines.jax.engine.run_pieces", lower)
    _, z, batches, parameters = given("vanilla")
    engine.load(z)
    engine.advance(batches, parameters)
    assert lowered[0].count("custom_call @__gpu$xla.gpu.triton") == 2
