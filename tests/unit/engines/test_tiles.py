"""The two kernels of a GPU, interpreted: the steps of the numba engine, and the end of a run that diverges."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from mfsym.data.teachers import reference_teacher
from mfsym.dynamics import NoisySGD
from mfsym.engines import CpuEngine
from mfsym.streams import normals, stream_key
from mfsym.units import MatrixUnit, UVUnit
from tests.tolerances import ROUNDOFF32

pytest.importorskip("jax", reason="needs the extra jax: pip install 'mfsym[jax]'")

from mfsym.engines.jax import JaxEngine, tiles
from mfsym.engines.jax.plans import chunk_of
from mfsym.engines.jax.units import outputs_of

N, STEPS = 300, 3


@pytest.fixture
def tiled(monkeypatch):
    """The engine of the GPU for a unit, its kernels interpreted and its pieces short."""
    interpreted = partial(tiles.run_pieces, interpret=True)
    monkeypatch.setattr("mfsym.engines.jax.engine.run_pieces", interpreted)
    monkeypatch.setattr("mfsym.engines.jax.engine.has_tiles", lambda devices: True)
    monkeypatch.setattr(tiles, "PIECE", 40)
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
    unit = reference_teacher("wi").unit
    outputs = outputs_of(unit)
    assert tiles.fits(outputs, 4, np.dtype("float32"), 20)
    assert not tiles.fits(outputs_of(MatrixUnit("erf", unit.rho_x, unit.rho_y)), 4, np.dtype("float32"), 20)
    assert not tiles.fits(outputs, 4, np.dtype("float64"), 20)
    assert not tiles.fits(outputs, 4, np.dtype("float32"), 1000)
    assert not tiles.fits(outputs, 40, np.dtype("float32"), 20)


def test_steps_beyond_a_chunk_change_nothing(tiled):
    """Rows that pad a chunk may hold anything: kernels must not read them, and a run must not end by them."""
    unit, z, batches, parameters = given("vanilla")
    engine = tiled(unit)
    expected, ended = advanced(engine, z, batches, parameters)
    real = chunk_of(batches, parameters, np.dtype("float32"))
    spoilt = real._replace(x=real.x.copy(), y=real.y.copy(), rates=real.rates.copy())
    for part in (spoilt.x, spoilt.y, spoilt.rates):
        part[STEPS:] = np.nan
    engine.load(z)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mfsym.engines.jax.engine.chunk_of", lambda *_: spoilt)
        assert (engine.advance(batches, parameters), engine.finite) == ended == (STEPS, True)
    assert (engine.particles() == expected).all()


@pytest.mark.parametrize("activation", tiles.TILED)
@pytest.mark.parametrize("kind", [MatrixUnit, UVUnit])
def test_the_kernels_are_accepted_for_a_gpu(kind, activation, monkeypatch):
    reference = reference_teacher("wi")
    unit = kind(activation, reference.unit.rho_x, reference.unit.rho_y)
    dynamics = NoisySGD(unit, "vanilla", reference, batch_size=2)
    state = dynamics.init(normals(stream_key(0, "init"), 0, N, unit.p))
    engine = JaxEngine(unit, "float32")
    monkeypatch.setattr("mfsym.engines.jax.engine.has_tiles", lambda devices: True)
    lowered = []

    def lower(plan, rows, chunk):
        given = (rows, chunk, np.int32(0), np.int32(0), np.bool_(True))
        lowered.append(tiles._compiled(plan, False).trace(*given).lower(lowering_platforms=("cuda",)).as_text())
        return rows, 0, True

    monkeypatch.setattr("mfsym.engines.jax.engine.run_pieces", lower)
    engine.load(state.z)
    engine.advance(dynamics.batches(state, 0, 1), dynamics.step_parameters(state, 0, 1))
    assert lowered[0].count("custom_call @__gpu$xla.gpu.triton") == 2
