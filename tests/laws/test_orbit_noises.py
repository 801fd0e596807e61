"""Noise modulo the group in training: moments in closed form, invariants step by step, laws from a WI start.

Menon, Stromme & Vacher 2026 (arXiv:2602.12257), Xu et al. 2026 (arXiv:2604.21809).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mfsym as mf
from mfsym.configurations.names import ORBIT_NOISES
from mfsym.data.datasets import SampleData
from mfsym.data.teachers import reference_teacher
from mfsym.dynamics import NoisySGD, sgd
from mfsym.dynamics.orbits import OrbitNoise, orbit_noise
from mfsym.dynamics.resnets import ResNetSGD
from mfsym.ensembles import init_particles
from mfsym.errors import MfsymError
from mfsym.flows import MeanFieldFlow
from mfsym.groups import cyclic, so
from mfsym.quotients import Quotient
from mfsym.stores import open_result
from mfsym.streams import normals, stream_key
from mfsym.units import UVUnit
from tests.sizes import compiled
from tests.tolerances import ALGEBRA, STAT

KEY = stream_key(41, "init")
PLANE, SPACE = so(2).vector(), so(3).vector()
UNITS = {
    "SO(2)": UVUnit("tanh", PLANE, PLANE),
    "SO(3)": UVUnit("tanh", SPACE, SPACE),
    "charges": UVUnit("tanh", so(2).charge(1), so(2).charge(2)),
}
EVERY = ("isotropic", *ORBIT_NOISES)
SWIRL = Path(mf.__file__).parents[1] / "sims" / "problems" / "so2-plane.toml"


def idle(unit):
    """Samples at x = 0: tanh units feel no force there, so that particles move by penalty and noise alone."""
    return SampleData((np.zeros((4, unit.d)), np.zeros((4, unit.c))))


def forced(unit):
    """Samples that push."""
    x = normals(KEY, 1, 16, unit.d)
    return SampleData((x, 2.0 * normals(KEY, 2, 16, unit.c)))


def trained(unit, noise, data, n, steps, *, h=0.2, tau=0.5, beta=1.0, **options):
    """The state after steps of size h = alpha / n, from a Gaussian start."""
    options = {"dtype": "float64", "batch_size": 4} | options
    dynamics = NoisySGD(unit, "vanilla", data, alpha=h * n, tau=tau, beta=beta, noise=noise, **options)
    return dynamics.step(dynamics.init(normals(KEY, 0, n, unit.p), 5), steps)


def score(sample, expected):
    return (sample.mean() - expected) / (sample.std() / np.sqrt(sample.size))


def second_moment(start, unit, noise, steps, *, h=0.2, tau=0.5, beta=1.0):
    """E|z|^2 after the steps, exactly: m <- (1 - 2 tau h)^2 m + 2 h beta q, q = p, and p - k for horizontal noise."""
    quotient = Quotient(unit.action)
    q, moment = unit.p - (quotient.generic_rank if noise == "horizontal" else 0), start
    for _ in range(steps):
        moment = (1.0 - 2.0 * tau * h) ** 2 * moment + 2.0 * h * beta * q
    return moment


@compiled
@pytest.mark.parametrize("noise", ["isotropic", "quotient", "horizontal"])
@pytest.mark.parametrize("name", UNITS)
def test_the_second_moment_of_a_confined_law_is_exact_in_the_step(name, noise):
    unit, n, steps = UNITS[name], 4000 if name == "charges" else 20_000, 6
    end = np.square(trained(unit, noise, idle(unit), n, steps).z).sum(axis=1)
    start = np.square(normals(KEY, 0, n, unit.p)).sum(axis=1).mean()
    assert abs(score(end, second_moment(start, unit, noise, steps))) < STAT
    if noise == "horizontal":
        assert score(end, second_moment(start, unit, "quotient", steps)) < -5.0 * STAT, "not quotient noise"


@compiled
def test_the_drift_form_has_the_second_moment_of_isotropic_noise_in_small_steps():
    unit, n, steps, h = UNITS["SO(2)"], 20_000, 60, 0.01
    end = np.square(trained(unit, "drift-form", idle(unit), n, steps, h=h).z).sum(axis=1)
    start = np.square(normals(KEY, 0, n, unit.p)).sum(axis=1).mean()
    assert abs(score(end, second_moment(start, unit, "isotropic", steps, h=h))) < STAT
    assert score(end, second_moment(start, unit, "horizontal", steps, h=h)) > 5.0 * STAT


@pytest.mark.parametrize("name", UNITS)
def test_each_step_is_made_of_the_same_normals(name):
    """Against the step without noise and the isotropic one: P_z kick, and the aligned isotropic step."""
    unit, n, h, beta = UNITS[name], 40, 0.3, 0.7
    quotient, z = Quotient(unit.action), normals(KEY, 0, n, unit.p)
    still = trained(unit, "isotropic", forced(unit), n, 1, h=h, beta=0.0).z
    ends = {noise: trained(unit, noise, forced(unit), n, 1, h=h, beta=beta).z for noise in EVERY[:3]}
    kick = ends["isotropic"] - still
    np.testing.assert_allclose(ends["horizontal"], still + quotient.project(z, kick), atol=ALGEBRA)
    np.testing.assert_allclose(ends["quotient"], quotient.align(ends["isotropic"], z), atol=ALGEBRA)
    assert np.abs(ends["quotient"] - ends["isotropic"]).max() > 0.1
    vertical = np.einsum("aij,nj,ni->na", unit.action.algebra_matrices, z, ends["horizontal"] - still)
    assert np.abs(vertical).max() < ALGEBRA
    if name == "SO(2)":
        drift = trained(unit, "drift-form", forced(unit), n, 1, h=h, beta=beta).z - ends["horizontal"]
        np.testing.assert_allclose(drift, h * beta * quotient.grad_log_volume(z), atol=ALGEBRA)


def test_quotient_noise_has_the_invariants_of_the_isotropic_step_all_along_a_run():
    unit = UNITS["SO(3)"]
    options = {"alpha": 2.0, "tau": 0.1, "beta": 0.3, "dtype": "float64", "batch_size": 4}
    isotropic, quotient = (NoisySGD(unit, "vanilla", forced(unit), noise=name, **options) for name in EVERY[::2])
    state = quotient.init(normals(KEY, 0, 12, unit.p), 5)
    for _ in range(20):
        free, state = isotropic.step(state), quotient.step(state)
        one, two = (each.z.reshape(12, -1, 3) for each in (free, state))
        np.testing.assert_allclose(one @ one.transpose(0, 2, 1), two @ two.transpose(0, 2, 1), atol=ALGEBRA)
        assert np.abs(one - two).max() > 1e-3


@compiled
def test_from_a_wi_start_the_risk_is_that_of_isotropic_noise_and_horizontal_noise_has_another():
    problem, moments, risks = mf.load_problem(SWIRL), {}, {}
    for noise in EVERY:
        options = {"init": "wi", "n": 1000, "alpha": 5.0, "tau": 0.2, "beta": 0.4, "horizon": 2.0, "snapshots": 4}
        run = mf.simulate(problem, noise=noise, **options)
        moments[noise], risks[noise] = np.square(run["particles"].values[-1]).sum(axis=1), run["risk"].values[1:].mean()
    expected, gap = moments["isotropic"].mean(), risks["horizontal"] - risks["isotropic"]
    assert gap > 0.2 * risks["isotropic"]
    for noise in ("quotient", "drift-form"):
        assert abs(score(moments[noise], expected)) < STAT
        assert abs(risks[noise] - risks["isotropic"]) < 0.2 * gap
    assert score(moments["horizontal"], expected) < -STAT


@pytest.mark.parametrize("name", ["horizontal", "drift-form"])
def test_for_a_finite_group_horizontal_noise_is_isotropic_noise_bit_for_bit(name):
    teacher = reference_teacher("wi")
    ends = [trained(teacher.unit, noise, teacher, 9, 7, dtype="float32").z for noise in ("isotropic", name)]
    np.testing.assert_array_equal(*ends)
    clouds = []
    for noise in ("isotropic", name):
        flow = MeanFieldFlow(teacher.unit, "fa", teacher, beta=1e-2, noise=noise, accuracy=mf.Accuracy(order=4))
        clouds += [state.z for state in flow.flow(flow.init(mf.start_cloud(teacher.unit, "wi", 8)), [0.1])]
    np.testing.assert_array_equal(*clouds)
    assert orbit_noise(name, teacher.unit.action) is None


def test_for_a_finite_group_quotient_noise_ends_on_the_orbit_of_the_isotropic_step():
    unit = UVUnit("tanh", cyclic(4).vector(), cyclic(4).vector())
    z = normals(KEY, 0, 30, unit.p)
    free, near = (trained(unit, noise, forced(unit), 30, 1, h=1.0).z for noise in ("isotropic", "quotient"))
    images = np.einsum("kij,nj->nki", unit.action.matrices, free)
    gaps = np.abs(images - near[:, None]).max(axis=2).min(axis=1)
    assert gaps.max() < ALGEBRA < np.abs(free - near).max()
    assert (np.linalg.norm(near - z, axis=1) <= np.linalg.norm(images - z[:, None], axis=2).min(axis=1) + ALGEBRA).all()


@pytest.mark.parametrize("noise", ORBIT_NOISES)
def test_results_depend_on_neither_threads_nor_chunks_nor_pauses(noise, monkeypatch):
    unit = UNITS["SO(2)"]
    whole = trained(unit, noise, forced(unit), 150, 9, dtype="float32").z
    np.testing.assert_array_equal(whole, trained(unit, noise, forced(unit), 150, 9, dtype="float32", threads=2).z)
    dynamics = NoisySGD(unit, "vanilla", forced(unit), alpha=30.0, tau=0.5, beta=1.0, noise=noise, batch_size=4)
    state = dynamics.init(normals(KEY, 0, 150, unit.p), 5)
    np.testing.assert_array_equal(whole, dynamics.step(dynamics.step(state, 4), 5).z)
    monkeypatch.setattr(sgd, "CHUNK_SAMPLES", 8)
    np.testing.assert_array_equal(whole, trained(unit, noise, forced(unit), 150, 9, dtype="float32").z)


@pytest.mark.parametrize("noise", ORBIT_NOISES)
def test_without_temperature_all_noises_are_the_same_and_the_architecture_keeps_its_own(noise):
    unit = UNITS["SO(2)"]
    quiet = [trained(unit, name, forced(unit), 9, 5, beta=0.0).z for name in ("isotropic", noise)]
    np.testing.assert_array_equal(*quiet)
    teacher = reference_teacher("wi")
    ends = []
    for name in ("fixed", noise):
        dynamics = NoisySGD(teacher.unit, "ea", teacher, beta=1e-2, noise=name)
        ends.append(dynamics.step(dynamics.init(init_particles(teacher.unit, "wi", 8, 3), 3), 4))
        assert dynamics.noise(ends[-1]) == "projected"
    np.testing.assert_array_equal(ends[0].z, ends[1].z)


def test_horizontal_noise_at_singular_orbits_goes_on_with_a_status():
    """At 0 orbits are points: the first kick is isotropic, by the pseudo-inverse. Alignment needs no rank."""
    unit = UNITS["SO(2)"]
    starts = np.zeros((20, unit.p))
    ends = {}
    for noise in EVERY:
        dynamics = NoisySGD(unit, "vanilla", idle(unit), alpha=2.0, beta=1.0, noise=noise, dtype="float64")
        ends[noise] = dynamics.step(dynamics.step(dynamics.init(starts, 5)), 3)
    told = {noise: (end.status, end.singular_step) for noise, end in ends.items()}
    lost, well = ("singular", 0), ("ok", None)
    assert told == {"isotropic": well, "horizontal": lost, "quotient": well, "drift-form": lost}
    assert all(np.isfinite(end.z).all() and end.step == 4 for end in ends.values())
    one = NoisySGD(unit, "vanilla", idle(unit), alpha=2.0, beta=1.0, noise="horizontal", dtype="float64")
    free = NoisySGD(unit, "vanilla", idle(unit), alpha=2.0, beta=1.0, noise="isotropic", dtype="float64")
    np.testing.assert_allclose(one.step(one.init(starts, 5)).z, free.step(free.init(starts, 5)).z, atol=ALGEBRA)
    run = mf.simulate(mf.load_problem(SWIRL), init="si", n=6, horizon=0.5, beta=1e-2, noise="horizontal", snapshots=2)
    assert list(run["status"].values) == ["ok", "singular"]
    assert run.attrs["status"] == "singular"
    assert run.attrs["singular_step"] == 0
    well = mf.simulate(mf.load_problem(SWIRL), init="si", n=6, horizon=0.5, beta=1e-2, noise="quotient", snapshots=2)
    assert (well.attrs["status"], well.attrs["singular_step"]) == ("ok", -1)


@pytest.mark.parametrize(("noise", "warns"), [("horizontal", True), ("quotient", False)])
def test_commands_say_that_a_run_met_singular_orbits(noise, warns, tmp_path, mfsym):
    common = ["--problem", SWIRL, "--init", "si", "-n", 6, "--horizon", 0.5, "--beta", 0.01, "--noise", noise]
    single = mfsym("simulate", *common, "-o", tmp_path / "run.nc")
    several = mfsym("compare", *common, "--schemes", "vanilla,da", "--replicates", 1, "-j", 1)
    for done, who in ((single, "from t = 0 on the run had"), (several, "2 training(s) had")):
        assert done.exit_code == 0
        assert (f"warning: {who} particles whose orbits had lost a dimension" in done.stderr) is warns


@pytest.mark.parametrize("noise", ORBIT_NOISES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_run_that_diverges_says_so(noise, dtype):
    unit = UNITS["SO(2)"]
    end = trained(unit, noise, idle(unit), 20, 400, h=20.0, dtype=dtype)
    assert end.status == "diverged"
    assert end.step == end.diverged_step


def test_what_cannot_be_done_is_refused_in_one_line():
    with pytest.raises(MfsymError, match="'drift-form' needs singular orbits of codimension 3 or more, got 1 for"):
        NoisySGD(UNITS["SO(3)"], "vanilla", idle(UNITS["SO(3)"]), beta=1.0, noise="drift-form")
    unit = UVUnit("tanh", PLANE, PLANE)
    with pytest.raises(MfsymError, match="residual network must be isotropic or fixed, got 'quotient'"):
        ResNetSGD(unit, "vanilla", idle(unit), depth=2, noise="quotient")


@compiled
@pytest.mark.parametrize("noise", EVERY)
def test_the_limit_has_the_second_moment_of_its_noise(noise):
    """Without force m(t) = e^(-4 tau alpha t) m(0) + (1 - e^(-4 tau alpha t)) q beta / (2 tau)."""
    unit, n, time = UNITS["SO(2)"], 8192, 0.5
    flow = MeanFieldFlow(unit, "vanilla", idle(unit), alpha=1.0, tau=0.5, beta=1.0, noise=noise, seed=3)
    z = normals(KEY, 0, n // 2, unit.p)
    (state,) = flow.flow(flow.init(np.concatenate([z, -z])), [time])
    sample, decay = np.square(state.z[: n // 2]).sum(axis=1), np.exp(-2.0 * time)
    start, q = np.square(z).sum(axis=1).mean(), 3.0 if noise == "horizontal" else 4.0
    expected = decay * start + (1.0 - decay) * q
    assert abs(score(sample, expected)) < STAT
    assert abs(score(sample, expected + (1.0 - decay))) > 2.0 * STAT, "one dimension of noise more"


def test_a_kick_of_the_limit_is_projected_or_aligned():
    unit = UNITS["SO(3)"]
    z, increment = normals(KEY, 0, 10, unit.p), normals(KEY, 1, 5, unit.p)
    moved = {}
    for noise in EVERY[:3]:
        flow = MeanFieldFlow(unit, "vanilla", idle(unit), beta=1.0, noise=noise, accuracy=mf.Accuracy(order=1))
        moved[noise] = flow.kicked(z, 0.4, increment)
    quotient = Quotient(unit.action)
    np.testing.assert_allclose(moved["horizontal"], z + quotient.project(z, moved["isotropic"] - z), atol=ALGEBRA)
    np.testing.assert_array_equal(moved["quotient"], quotient.align(moved["isotropic"], z))
    assert np.abs(moved["quotient"] - moved["isotropic"]).max() > 0.1


def test_particles_too_far_for_alignment_are_left_as_they_are():
    unit = UNITS["SO(2)"]
    noise = orbit_noise("quotient", unit.action)
    assert isinstance(noise, OrbitNoise)
    z = normals(KEY, 0, 3, unit.p)
    z[1] *= 1e200
    kick = normals(KEY, 1, 3, unit.p)
    moved = noise.after(z, z, kick)
    np.testing.assert_array_equal(moved[1], z[1] + kick[1])
    np.testing.assert_array_equal(moved[::2], Quotient(unit.action).align((z + kick)[::2], z[::2]))


def test_options_files_and_settings_take_the_names(tmp_path, mfsym):
    common = ["--problem", SWIRL, "--init", "wi", "-n", 6, "--horizon", 0.5]
    risks = {}
    for name in ("horizontal", "quotient"):
        out = tmp_path / f"{name}.nc"
        assert mfsym("simulate", *common, "--beta", 0.01, "--noise", name, "-o", out).exit_code == 0
        run = open_result(out)
        assert run.attrs["noise"] == name
        risks[name] = float(run["risk"][-1])
    file, swept = tmp_path / "sweep.toml", tmp_path / "sweep.nc"
    file.write_text(
        f'[sweep]\nproblem = "{SWIRL}"\ninit = ["wi"]\nn = [6]\nscheme = ["vanilla"]\n'
        '[training]\nhorizon = 0.5\nbeta = 0.01\nnoise = "quotient"\n'
    )
    names = "noise=['quotient', 'horizontal']"
    assert mfsym("sweep", file, "-o", swept, "--set", names).exit_code == 0
    result = open_result(swept)
    assert list(result["noise"].values) == ["quotient", "horizontal"]
    assert {name: float(result["risk"].sel(noise=name).squeeze()) for name in risks} == risks
    refused = mfsym("simulate", *common, "--noise", "vertical", "-o", tmp_path / "no.nc")
    assert refused.exit_code == 2
    assert "vertical" in refused.stderr
    assert not (tmp_path / "no.nc").exists()
