"""mfsym.engines.jax: the same steps as the compiled engine, whatever is trained and however steps are grouped."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from mfsym.accelerate.xla import in_double
from mfsym.configurations.names import ACTIVATIONS, SCHEMES
from mfsym.data.losses import LOSSES
from mfsym.engines import CpuEngine, LiftedBatches
from mfsym.engines.choices import make_engine
from mfsym.errors import MfsymError
from mfsym.streams import bits, normals
from mfsym.units import Activation, MatrixUnit, UserUnit
from tests.engine_cases import C4, KEY, STEPS, SWAP, UNITS, EngineCase, N, distance, mixture, start_of
from tests.sizes import compiled
from tests.tolerances import ENGINES, ENGINES32, NORMAL, NORMAL32, SPLIT

jax = pytest.importorskip("jax", reason="needs the extra jax: pip install 'mfsym[jax]'")

from mfsym.engines.jax import JaxEngine, loops, streams  # noqa: E402

NOISES = ("isotropic", "fixed", "horizontal", "quotient", "drift-form")
CASES = [
    *(EngineCase(scheme=scheme) for scheme in SCHEMES),
    *(EngineCase(unit=unit) for unit in UNITS if unit != "matrix"),
    *(EngineCase(unit=activation) for activation in ACTIVATIONS if activation != "sigmoid"),
    *(EngineCase(scheme="fa", loss=loss) for loss in LOSSES if loss != "quadratic"),
    EngineCase(loss="cross-entropy"),
    EngineCase(options={"noise": "fixed"}),
    EngineCase(options={"beta": 0.0}),
]
ORBITS = [EngineCase(unit="plane", options={"noise": noise, "alpha": 2.0}) for noise in NOISES[2:]]
EVERY = [
    EngineCase(unit, scheme, loss)
    for unit, scheme, loss in product(UNITS, SCHEMES, LOSSES)
    if loss == "quadratic" or unit not in ("user",)
]


def both(dynamics, other, steps=STEPS):
    """How far two trainings end from each other; they move, and noise matters."""
    start = start_of(dynamics)
    ends = dynamics.step(start, steps), other.step(start, steps)
    assert ends[0].status == ends[1].status == "ok"
    assert distance(ends[0].z, start.z) > SPLIT
    return distance(ends[1].z, ends[0].z)


@compiled
@pytest.mark.parametrize("case", CASES, ids=str)
def test_steps_are_those_of_the_compiled_engine(case):
    assert both(case.dynamics(), case.dynamics(engine="jax")) < ENGINES


@compiled
@pytest.mark.parametrize("loss", ["cross-entropy", "quadratic"])
def test_mixtures_over_orbits_are_trained_alike(loss):
    assert both(mixture(loss), mixture(loss, engine="jax")) < ENGINES


@compiled
@pytest.mark.parametrize("case", ORBITS, ids=str)
def test_noise_modulo_a_group_is_the_same(case):
    assert both(case.dynamics(), case.dynamics(engine="jax"), 20) < ENGINES


@compiled
@pytest.mark.slow
@pytest.mark.parametrize("case", EVERY, ids=str)
def test_every_combination_is_trained_alike(case):
    assert both(case.dynamics(), case.dynamics(engine="jax")) < ENGINES


@compiled
@pytest.mark.parametrize("unit", ["matrix", "uv"])
def test_steps_in_single_precision_agree_to_its_rounding(unit):
    case = EngineCase(unit=unit, options={"dtype": "float32"})
    end = case.dynamics(engine="jax").step(start_of(case.dynamics()), 20)
    assert end.z.dtype == np.float32
    assert both(case.dynamics(), case.dynamics(engine="jax"), 20) < ENGINES32


@compiled
def test_other_noise_would_be_seen():
    """The negative control: another replicate's noise moves particles by much more than the tolerance."""
    case = EngineCase()
    start = start_of(case.dynamics())
    ends = [case.dynamics(engine="jax", beta=beta).step(start, 5).z for beta in (1e-3, 1.1e-3)]
    assert distance(ends[0], ends[1]) > 1e3 * ENGINES


@compiled
def test_a_run_continues_on_the_other_engine():
    numba, other = (EngineCase(scheme="fa").dynamics(engine=engine) for engine in ("numba", "jax"))
    start = start_of(numba)
    straight = numba.step(start, 90)
    for first, second in ((numba, other), (other, numba)):
        assert distance(second.step(first.step(start, 40), 50).z, straight.z) < ENGINES


@compiled
@pytest.mark.parametrize("n", [1, 64, 65, 128, 300])
def test_any_number_of_particles(n):
    case = EngineCase(scheme="fa")
    start = start_of(case.dynamics(), n)
    ends = [case.dynamics(engine=engine).step(start, 30) for engine in ("numba", "jax")]
    assert ends[1].z.shape == (n, 4)
    assert distance(ends[1].z, ends[0].z) < ENGINES


@compiled
def test_blocks_do_not_change_the_steps(monkeypatch):
    """Blocks of one group of lanes, of which the last holds few particles."""
    case = EngineCase()
    start = start_of(case.dynamics(), 300)
    whole = case.dynamics(engine="jax").step(start, 50).z
    monkeypatch.setattr("mfsym.engines.jax.plans.BLOCK_BYTES", {"cpu": 1})
    assert distance(case.dynamics(engine="jax").step(start, 50).z, whole) < ENGINES


@compiled
def test_values_may_be_made_again_instead_of_kept(monkeypatch):
    """As accelerators do."""
    monkeypatch.setattr("mfsym.engines.jax.engine.recomputes", lambda devices: True)
    assert both(EngineCase().dynamics(), EngineCase().dynamics(engine="jax"), 50) < ENGINES


@compiled
def test_nodes_may_differ_from_step_to_step():
    unit, steps, count = UNITS["matrix"](), 12, 3
    x = normals(KEY, 11, steps * 4 * count, 2).reshape(steps, 4, count, 2)
    y = normals(KEY, 12, steps * 4, 2).reshape(steps, 4, 2)
    turns = np.stack([np.eye(2)[:: 1 if flip else -1] for flip in bits(KEY, 13, steps * count, 1)[:, 0] % 2])
    weights = np.abs(normals(KEY, 14, steps, count)) + 0.1
    batches = LiftedBatches(
        x, y, turns.reshape(steps, count, 2, 2), weights / weights.sum(axis=1, keepdims=True), np.full(4, 0.25)
    )
    dynamics = EngineCase().dynamics()
    start = start_of(dynamics)
    ends = []
    for kind in (CpuEngine, JaxEngine):
        engine = kind(unit, "float64")
        engine.load(start.z)
        assert engine.advance(batches, dynamics.step_parameters(start, 0, steps)) == steps
        ends.append(engine.particles())
    assert distance(ends[1], ends[0]) < ENGINES


# streams


def test_words_are_those_of_the_streams_bit_for_bit():
    step, groups, m = (5 << 32) + 7, 3, 4
    with in_double():
        halves = (np.uint32(step & 0xFFFFFFFF), np.uint32(step >> 32))
        drawn = [
            np.stack(streams.block_words(np.arange(64 * groups, dtype=np.uint32), np.uint32(pair), halves, KEY))
            for pair in range(m // 2)
        ]
    words = np.stack(drawn).reshape(m // 2, 2, 2, groups, 64)
    assert np.array_equal(words.transpose(3, 1, 4, 0, 2).reshape(-1, m), bits(KEY, step, 128 * groups, m))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", NORMAL), ("float32", NORMAL32)])
def test_normals_are_those_of_the_streams_to_rounding(dtype, tolerance):
    words = bits(KEY, 1, 20000, 2)
    words[:4] = [[0xFFFFFFFF, 0], [0, 0xFFFFFFFF], [0xFFFFFF80, 1 << 31], [1, 3 << 30]]
    with in_double():
        pair = streams.normal_pair(jax.numpy.asarray(words[:, 0]), jax.numpy.asarray(words[:, 1]), np.dtype(dtype))
    radius = np.sqrt(-2.0 * np.log((words[:, 0] + 0.5) * 2.0**-32))
    angle = 2.0 * np.pi * 2.0**-32 * words[:, 1].astype(np.float64)
    for found, exact in zip(pair, (radius * np.cos(angle), radius * np.sin(angle)), strict=True):
        assert found.dtype == dtype
        if dtype == "float32":
            near = radius < 1e-3
            assert np.abs(np.asarray(found))[near].max() < 1e-3
            assert np.abs(np.asarray(found) - exact)[~near].max() < tolerance * max(1.0, 1.0 / radius[~near].min())
        else:
            assert np.abs(np.asarray(found) - exact).max() < tolerance


# steps and chunks


@compiled
def test_results_do_not_depend_on_how_steps_are_grouped(monkeypatch):
    dynamics = EngineCase(scheme="da-sampled").dynamics(engine="jax")
    start = start_of(dynamics)
    straight = dynamics.step(start, 120).z
    *_, last = dynamics.flow(start, np.array([1, 2, 3, 40, 41, 75, 120]) / N)
    assert np.array_equal(last.z, straight)
    monkeypatch.setattr("mfsym.dynamics.sgd.CHUNK_SAMPLES", 35)
    assert np.array_equal(dynamics.step(start, 120).z, straight)


def test_nothing_is_traced_again_between_chunks(monkeypatch):
    """Chunks of 2 to 32 steps share one program, and so do runs of one unit, size and scheme."""
    traces = []
    real = loops.one_step
    monkeypatch.setattr(loops, "one_step", lambda *given: traces.append(1) or real(*given))
    loops.compiled.cache_clear()
    for seed in (1, 2):
        dynamics = EngineCase().dynamics(engine="jax", tau=0.01 * seed)
        state = dynamics.init(normals(KEY, seed, 70, 4), seed)
        for steps in (32, 7, 2, 29, 64, 33):
            state = dynamics.step(state, steps)
        if seed == 1:
            first = len(traces)
    assert len(traces) == first <= 4
    loops.compiled.cache_clear()


# divergence


@compiled
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("scheme", "alpha"), [("vanilla", 1e6), ("fa", 1e30)])
def test_a_run_diverges_at_the_same_step(scheme, alpha, dtype):
    case = EngineCase(unit="identity", scheme=scheme, options={"alpha": alpha, "dtype": dtype})
    ends = [case.dynamics(engine=engine).step(start_of(case.dynamics(), 6), 400) for engine in ("numba", "jax")]
    assert ends[0].status == ends[1].status == "diverged"
    assert ends[0].step == ends[1].step > 0


def test_a_prediction_that_overflows_ends_the_run_before_its_step():
    dynamics = EngineCase(unit="identity", options={"alpha": 1e-3, "dtype": "float32"}).dynamics(engine="jax")
    end = dynamics.step(dynamics.init(np.full((5, 4), 3e38)), 7)
    assert (end.status, end.step, end.diverged_step) == ("diverged", 0, 0)
    assert np.array_equal(end.z, np.full((5, 4), np.float32(3e38)))


# refusals


def test_the_setting_of_the_process_is_left_alone():
    before = jax.config.jax_enable_x64
    dynamics = EngineCase().dynamics(engine="jax")
    assert dynamics.step(start_of(dynamics), 3).z.dtype == np.float64
    assert jax.config.jax_enable_x64 == before
    assert jax.numpy.zeros(1).dtype == ("float64" if before else "float32")


def test_units_that_cannot_be_traced_are_refused_in_one_line():
    def branching(x, z, out):
        out[0] = z[2] if z[0] > 0.0 else 2.0 * z[2]

    trivial = C4.trivial
    unit = UserUnit(branching, trivial(2), trivial(1), trivial(3))
    with pytest.raises(MfsymError, match=r"forward\(x, z, out\) must be a function that JAX can trace") as caught:
        make_engine("jax", unit, "float64")
    assert "\n" not in str(caught.value)
    table = Activation("table", lambda a: np.interp(a, np.array([-9.0, 9.0]), np.array([-9.0, 9.0])), np.ones_like)
    filled = Activation("filled", _filled, np.ones_like)
    make_engine("jax", MatrixUnit(table, SWAP, SWAP), "float64")
    with pytest.raises(MfsymError, match="the function of the activation 'filled' must be a function that JAX"):
        make_engine("jax", MatrixUnit(filled, SWAP, SWAP), "float64")


def _filled(a):
    out = np.empty(np.shape(a))
    out[...] = a
    return out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"engine": "torch"}, "engine must be one of numba, jax"),
        ({"device": "cpu"}, "a device is chosen for engine 'jax' only"),
        ({"engine": "jax", "device": 3}, "device must be a name"),
    ],
)
def test_engines_and_devices_have_names(options, words):
    with pytest.raises(MfsymError, match=words):
        EngineCase().dynamics(**options)


def test_a_missing_device_is_one_line():
    with pytest.raises(MfsymError, match="JAX must have the device 'cpu:77', got cpu:0"):
        make_engine("jax", UNITS["matrix"](), "float64", device="cpu:77")
