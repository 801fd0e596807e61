"""mfsym.dynamics: the engine against a loop written from the equations, and what no result may depend on."""

import numpy as np
import pytest

from mfsym.data.teachers import Teacher, reference_teacher
from mfsym.dynamics import Dynamics, LawState, NoisySGD, State, noises
from mfsym.dynamics import sgd as module
from mfsym.dynamics.resnets import ResNetSGD
from mfsym.engines import cpu
from mfsym.ensembles import init_particles
from mfsym.errors import MfsymError
from mfsym.flows import Accuracy, MeanFieldFlow
from mfsym.groups import trivial
from mfsym.kernels import shallow
from mfsym.schemes import SCHEMES, get_scheme
from mfsym.streams import normals, stream_key
from mfsym.units import ACTIVATIONS, UNITS
from tests import naive
from tests.catalogue import CASES, INTEGRABLE
from tests.sizes import compiled, sized
from tests.tolerances import ALGEBRA, ROUNDOFF32, SPLIT
from tests.trainings import KEY, KINDS, asymmetric_teacher

NOISY = {"alpha": 2.0, "tau": 1e-3, "beta": 1e-3, "batch_size": 3}
SMALL = sized(INTEGRABLE, INTEGRABLE[:3])
STEPS = sized(5, 2)


def _plain(kind, activation, d, c):
    """A unit without symmetry on R^d -> R^c."""
    group = trivial()
    return UNITS[kind](activation, group.trivial(d), group.trivial(c))


def _run(unit, scheme, n, steps, dtype="float64", start=None, **options):
    dynamics = NoisySGD(unit, scheme, asymmetric_teacher(unit), dtype=dtype, **{**NOISY, **options})
    state = dynamics.init(normals(KEY, 30, n, unit.p) if start is None else start, seed=4, replicate=2)
    return dynamics, state, dynamics.step(state, steps)


def _distance(a, b):
    return np.abs(a.astype(np.float64) - b).max() / max(1.0, np.abs(b).max())


@pytest.mark.parametrize("projected", [False, True], ids=["full", "projected"])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("case", SMALL, ids=str)
def test_every_scheme_is_the_noisy_sgd_of_its_equations(case, scheme, projected):
    dynamics, start, end = _run(case.unit, scheme, 7, STEPS, projected_noise=projected)
    twin = naive.noisy_sgd(dynamics, start, STEPS, projected)
    assert end.status == "ok"
    assert _distance(end.z, twin) < ALGEBRA
    if scheme != "ea" or case.unit.fixed_subspace.dimension:
        assert _distance(end.z, naive.noisy_sgd(dynamics, start, STEPS - 1, projected)) > ALGEBRA
    assert _distance(_run(case.unit, scheme, 7, STEPS, "float32", projected_noise=projected)[2].z, twin) < ROUNDOFF32


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("d", "c"), [(1, 1), (2, 3), (3, 1), (5, 3)])
@pytest.mark.parametrize("kind", KINDS)
def test_every_unit_and_activation_trains_as_its_equations_say(kind, activation, d, c):
    unit = _plain(kind, activation, d, c)
    for n in (1, 17):
        dynamics, start, end = _run(unit, "vanilla", n, 2)
        twin = naive.noisy_sgd(dynamics, start, 2)
        assert _distance(end.z, twin) < ALGEBRA
        assert _distance(_run(unit, "vanilla", n, 2, "float32")[2].z, twin) < ROUNDOFF32


@pytest.mark.parametrize("n", sized([1, 5, 16, 17, 100, 513, 700, 1024, 1025, 2100], [1, 17]))
@pytest.mark.parametrize("kind", KINDS)
def test_every_number_of_particles_trains_as_its_equations_say(kind, n):
    unit = reference_teacher("wi", kind).unit
    for scheme in ("vanilla", "fa"):
        dynamics, start, end = _run(unit, scheme, n, 2, batch_size=5)
        assert _distance(end.z, naive.noisy_sgd(dynamics, start, 2)) < ALGEBRA


@pytest.mark.parametrize("kind", KINDS)
def test_a_schedule_multiplies_alpha_at_the_time_of_the_step(kind):
    unit = reference_teacher("wi", kind).unit

    def schedule(t):
        return 1.0 / (1.0 + t)

    dynamics, start, end = _run(unit, "vanilla", 6, 4, schedule=schedule)
    assert _distance(end.z, naive.noisy_sgd(dynamics, start, 4)) < ALGEBRA
    assert np.abs(end.z - _run(unit, "vanilla", 6, 4)[2].z).max() > SPLIT
    rates = dynamics.rates(6, 2, 6)
    assert np.abs(rates[0] - [2.0 / 6 / 2, np.sqrt(2 * 2.0 * 1e-3 / 6 / 2)]).max() < ALGEBRA


@pytest.mark.parametrize("scheme", SCHEMES)
def test_many_parameters_draw_noise_in_their_own_coordinates(scheme):
    unit = _plain("matrix", "tanh", 5, 4)
    end = _run(unit, scheme, 6, 1)[2]
    quiet = _run(unit, scheme, 6, 1, beta=0.0)[2]
    assert unit.p > noises.FRAME_LIMIT
    noise = (end.z - quiet.z) * np.sqrt(6 / (2 * NOISY["alpha"] * NOISY["beta"]))
    eta = normals(module.stream_key(4, "noise", 2), 0, 6, unit.p)
    assert np.abs(noise - eta).max() < ALGEBRA


@pytest.mark.parametrize("dtype", module.DTYPES)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", KINDS)
def test_steps_compose_bitwise(kind, scheme, dtype):
    unit = reference_teacher("wi", kind).unit
    dynamics, start, straight = _run(unit, scheme, 9, sized(40, 4), dtype)
    state = start
    for n in sized([1, 2, 30, 7], [1, 3]):
        state = dynamics.step(state, n)
    assert np.array_equal(state.z, straight.z)
    assert state == State(state.z, straight.step, 4, 2, projected=scheme == "ea")
    assert not np.array_equal(dynamics.step(state).z, straight.z)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_chunks_change_no_bit(scheme, monkeypatch):
    unit = reference_teacher("wi").unit
    steps = sized(30, 5)
    straight = _run(unit, scheme, 9, steps)[2]
    for samples in (1, 7, 30):
        monkeypatch.setattr(module, "CHUNK_SAMPLES", samples)
        assert np.array_equal(_run(unit, scheme, 9, steps)[2].z, straight.z)


def test_haar_draws_do_not_depend_on_their_blocks_being_cut(monkeypatch):
    unit = reference_teacher("wi").unit
    monkeypatch.setattr("mfsym.schemes.training.HAAR_DRAWS", 16)
    straight = _run(unit, "da-sampled", 9, 11)[2]
    monkeypatch.setattr(module, "CHUNK_SAMPLES", 9)
    assert np.array_equal(_run(unit, "da-sampled", 9, 11)[2].z, straight.z)


@compiled
@pytest.mark.parametrize("kept", [1 << 22, 0], ids=["kept", "recomputed"])
@pytest.mark.parametrize("kind", KINDS)
def test_threads_change_no_bit(kind, kept, monkeypatch):
    monkeypatch.setattr(shallow, "KEPT_TAPE_BYTES", kept)
    monkeypatch.setattr(cpu, "available_threads", lambda: 2)
    unit = reference_teacher("wi", kind).unit
    for scheme in ("vanilla", "ea"):
        one, two = (_run(unit, scheme, 3000, 5, "float32", threads=threads)[2] for threads in (1, 2))
        assert np.array_equal(one.z, two.z)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", KINDS)
def test_keeping_or_recomputing_the_tape_agrees(kind, scheme, monkeypatch):
    unit = reference_teacher("wi", kind).unit
    n, steps = sized((1500, 6), (9, 2))
    kept = _run(unit, scheme, n, steps)[2]
    monkeypatch.setattr(shallow, "KEPT_TAPE_BYTES", 0)
    recomputed = _run(unit, scheme, n, steps)[2]
    assert _distance(recomputed.z, kept.z) < ALGEBRA


def test_flow_yields_the_states_at_the_times():
    unit = reference_teacher("wi").unit
    dynamics, start, end = _run(unit, "vanilla", 4, 6)
    states = list(dynamics.flow(start, [0, 0.5, 0.5, 1.5]))
    assert [state.step for state in states] == [0, 2, 2, 6]
    assert [state.time for state in states] == [0.0, 0.5, 0.5, 1.5]
    assert np.array_equal(states[0].z, start.z)
    assert np.array_equal(states[-1].z, end.z)
    with pytest.raises(MfsymError, match=r"times must increase, got 0\.25 after 0\.5"):
        list(dynamics.flow(start, [0.5, 0.25]))


def test_no_steps_leave_the_state_as_it_is():
    dynamics, start, _ = _run(reference_teacher("wi").unit, "vanilla", 4, 0)
    assert dynamics.step(start, 0) is start
    assert start.z.dtype == np.float64


def test_ea_starts_in_the_fixed_subspace():
    unit = reference_teacher("wi").unit
    z = init_particles(unit, "wi", 5, seed=0)
    starts = {scheme: NoisySGD(unit, scheme, reference_teacher("wi"), dtype="float64").init(z).z for scheme in SCHEMES}
    for scheme, start in starts.items():
        assert np.array_equal(start, unit.fixed_subspace.project(z) if scheme == "ea" else z)


# divergence


@pytest.mark.parametrize("dtype", module.DTYPES)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("alpha", sized([1e6, 1e30, 1e300], [1e30, 1e300]))
def test_an_absurd_step_diverges_and_says_when(alpha, scheme, dtype):
    teacher = reference_teacher("wi", "uv")
    dynamics = NoisySGD(teacher.unit, scheme, teacher, alpha=alpha, dtype=dtype)
    end = dynamics.step(dynamics.init(init_particles(teacher.unit, "wi", 6, seed=0)), sized(400, 40))
    assert end.status == "diverged"
    assert end.diverged_step == end.step
    assert 1 <= end.step <= sized(400, 40)
    again = dynamics.step(end, 5)
    assert again is end
    assert [state.status for state in dynamics.flow(end, [1.0, 200.0])] == ["diverged"] * 2


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_start_that_is_not_finite_has_diverged_at_once(scheme, bad):
    teacher = reference_teacher("wi")
    z = np.zeros((20, 4))
    z[13, 2] = bad
    dynamics = NoisySGD(teacher.unit, scheme, teacher)
    start = dynamics.init(z)
    assert (start.status, start.diverged_step) == ("diverged", 0)
    assert dynamics.step(start, 10) is start


@pytest.mark.parametrize("dtype", sized(module.DTYPES, ["float32"]))
@pytest.mark.parametrize("kind", KINDS)
def test_the_step_of_a_divergence_is_exact(kind, dtype):
    """Explosion by a factor 10 per step: the last finite state is found by single steps."""
    unit = _plain(kind, "identity", 2, 2)
    options = {"alpha": 1.0, "tau": 5.5 * 3, "beta": 0.0, "batch_size": 3}
    data = Teacher(unit, np.zeros((1, unit.p)), scale=1e-150 if dtype == "float64" else 1e-18)
    dynamics = NoisySGD(unit, "vanilla", data, dtype=dtype, **options)
    start = dynamics.init(np.ones((3, unit.p)))
    end = dynamics.step(start, 1000)
    state = start
    while state.status == "ok":
        before, state = state, dynamics.step(state)
    assert state.step == end.step == end.diverged_step
    assert np.isfinite(before.z).all()
    assert before.step >= end.step - 1
    if kind == "matrix":
        assert before.step == end.step - 1
        assert np.log10(np.finfo(dtype).max) - 1 < end.step < np.log10(np.finfo(dtype).max) + 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_prediction_that_overflows_is_a_divergence_even_if_particles_are_finite(kind):
    unit = _plain(kind, "identity", 2, 1)
    dynamics = NoisySGD(unit, "vanilla", Teacher(unit, np.ones((1, unit.p)), scale=4.0), alpha=1e-3)
    start = dynamics.init(np.full((5, unit.p), 3e38))
    assert start.status == "ok"
    end = dynamics.step(start, 7)
    assert (end.status, end.step, end.diverged_step) == ("diverged", 0, 0)


@compiled
@pytest.mark.parametrize("at", [0, 1499, 2999])
def test_one_bad_particle_of_many_is_seen_by_every_thread(at, monkeypatch):
    monkeypatch.setattr(cpu, "available_threads", lambda: 2)
    unit = _plain("matrix", "relu", 2, 1)
    z = np.zeros((3000, 2))
    z[at] = 3e38
    for threads in (1, 2):
        dynamics = NoisySGD(unit, "vanilla", asymmetric_teacher(unit), tau=1.0, alpha=1e5, threads=threads)
        end = dynamics.step(dynamics.init(z), 50)
        assert end.status == "diverged"
        assert end.step <= 1


# refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.0}, "alpha must be a number > 0, got 0"),
        ({"alpha": np.inf}, "alpha must be finite, got inf"),
        ({"tau": -1.0}, "tau must be a number >= 0, got -1"),
        ({"beta": np.nan}, "beta must be finite, got nan"),
        ({"batch_size": 0}, "batch_size must be a whole number >= 1, got 0"),
        ({"dtype": "float16"}, "dtype must be one of float32, float64, auto, got 'float16'"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_settings_out_of_range_are_refused(options, message):
    teacher = reference_teacher("wi")
    with pytest.raises(MfsymError, match=message):
        NoisySGD(teacher.unit, "vanilla", teacher, **options)


def test_starts_and_data_of_other_sizes_are_refused():
    teacher = reference_teacher("wi")
    dynamics = NoisySGD(teacher.unit, "vanilla", teacher)
    for bad in (np.zeros(4), np.zeros((0, 4)), np.zeros((3, 5))):
        with pytest.raises(MfsymError, match=r"particles must be an array \(N, 4\)"):
            dynamics.init(bad)
    with pytest.raises(MfsymError, match=r"data must be on R\^3 x R\^1, got R\^2 x R\^2"):
        NoisySGD(_plain("uv", "tanh", 3, 1), "vanilla", teacher)


def test_a_scheme_object_serves_as_its_name():
    teacher = reference_teacher("wi")
    ends = []
    for scheme in ("fa", get_scheme("fa", teacher.unit)):
        dynamics = NoisySGD(teacher.unit, scheme, teacher)
        ends.append(dynamics.step(dynamics.init(np.eye(4)), 2).z)
    assert np.array_equal(*ends)


def test_the_catalogue_is_trained_whole():
    assert len(INTEGRABLE) >= len(CASES) - 1


@pytest.mark.parametrize("kind", ["sgd", "resnet", "flow"])
def test_every_dynamics_has_the_same_two_verbs_and_its_states_the_same_nouns(kind):
    teacher = reference_teacher("wi")
    dynamics = {
        "sgd": lambda: NoisySGD(teacher.unit, "fa", teacher, tau=1e-3),
        "resnet": lambda: ResNetSGD(teacher.unit, "fa", teacher, depth=2, tau=1e-3),
        "flow": lambda: MeanFieldFlow(teacher.unit, "fa", teacher, accuracy=Accuracy(order=8)),
    }[kind]()
    start = normals(stream_key(3, "init"), 0, 6, teacher.unit.p)
    assert isinstance(dynamics, Dynamics)
    states = list(dynamics.flow(dynamics.init(np.stack([start, start]) if kind == "resnet" else start), [0.0, 0.5]))
    assert all(isinstance(state, LawState) and state.status == "ok" for state in states)
    assert [state.time for state in states] == [0.0, 0.5]
    assert states[0].z.shape[-2:] == (6, teacher.unit.p)
    assert not isinstance(teacher, Dynamics)
    with pytest.raises(MfsymError, match="increas"):
        list(dynamics.flow(states[1], [0.25]))
