"""Every entry of the data dictionary is what its declaration says: values against slow formulas in plain NumPy.

A result is computed once for each command; an entry's check takes particles, teacher and data from it (or from
another run of the same start) and works the entry out again from its definition. Changing a value by a percent makes
the check fail, so none of them is empty.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import xarray as xr

from mfsym.configurations import Cell
from mfsym.data.teachers import Data, Teacher
from mfsym.discovery import Search
from mfsym.discovery.controls import asymmetric
from mfsym.discovery.traces import trace
from mfsym.dynamics import NoisySGD
from mfsym.ensembles import init_particles
from mfsym.experiments import compare, law_metrics, simulate
from mfsym.experiments.limits import flow
from mfsym.flows import Accuracy
from mfsym.groups import cyclic
from mfsym.metrics.nulls import NULL_MEASURES
from mfsym.problems import load_problem
from mfsym.representations import Subspace
from mfsym.streams import normals, stream_key, uniforms
from mfsym.units import MatrixUnit, UVUnit
from mfsym.variables import LOSSES, STATUSES, VARIABLES
from tests.formulas import (
    ARBITRARY,
    FIXED,
    MOVE,
    SWAP,
    averaged,
    columns,
    gauss,
    largest_angle,
    model,
    moment,
    norm,
    orbit,
    phi,
    presented,
    risk_of,
    rmd2_of,
    sigma,
    w2_squared,
)
from tests.latent_entries import LATENT_CHECKS
from tests.readout_entries import READOUT_CHECKS
from tests.results import (
    FLOW,
    SHARED,
    TURNS,
    Floats,
    Results,
    computed,
    labels_problem,
    reference,
    signs_problem,
    turning_problem,
    unstable_problem,
)
from tests.shape_entries import SHAPE_CHECKS
from tests.sizes import compiled
from tests.tolerances import ALGEBRA, INTEGRATED

pytestmark = compiled


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """One small result of every command."""
    return computed(tmp_path_factory.mktemp("dictionary"))


# one check for every entry

CHECKS: dict[str, Callable[[Results], None]] = {}


def entry(*names: str) -> Callable[[Callable[[Results], None]], Callable[[Results], None]]:
    """Register the check of some entries."""

    def register(check: Callable[[Results], None]) -> Callable[[Results], None]:
        CHECKS.update(dict.fromkeys(names, check))
        return check

    return register


for _check, _names in (*SHAPE_CHECKS.items(), *READOUT_CHECKS.items(), *LATENT_CHECKS.items()):
    entry(*_names)(_check)


def close(found: Any, expected: Any, tolerance: float = ALGEBRA) -> None:
    """Equal up to a tolerance relative to the largest value."""
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    assert found.shape == expected.shape
    size = max(float(np.abs(expected).max(initial=0.0)), 1e-3)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * size)


def trained(data: xr.Dataset) -> list[tuple[int, int, str, Floats]]:
    """(scheme number, replicate, scheme, particles) of every training of a comparison."""
    names = [str(name) for name in data["scheme"].values]
    clouds = data["particles"].transpose("scheme", "replicate", "particle", "param").values
    return [(k, r, name, clouds[k, r]) for k, name in enumerate(names) for r in range(clouds.shape[1])]


def over_schemes(name: str, formula: Callable[[str, Floats], float], tolerance: float = INTEGRATED) -> None:
    """Register a check of a variable (scheme, replicate) of a comparison on the reference problem."""

    def check(results: Results) -> None:
        data = results.compare
        values = data[name].transpose("scheme", "replicate").values
        expected = np.empty_like(values)
        for k, r, scheme, z in trained(data):
            expected[k, r] = formula(scheme, z)
        close(values, expected, tolerance)

    CHECKS[name] = check


def _unsymmetric(scheme: str, z: Floats) -> float:
    x, _ = gauss()
    f = model(scheme, z)
    return norm(f(x) - averaged(f)(x))


def _uneven(scheme: str, z: Floats) -> float:
    x, _ = gauss()
    f = model(scheme, z)
    return (0.5 * norm(f(x @ SWAP) @ SWAP - f(x)) ** 2) ** 0.5


def _to_target(scheme: str, z: Floats) -> float:
    return risk_of(model(scheme, z)) ** 0.5


def _to_symmetrised_target(scheme: str, z: Floats) -> float:
    x, _ = gauss()
    return norm(model(scheme, z)(x) - averaged(lambda points: phi(points, ARBITRARY))(x))


def _to_wi(scheme: str, z: Floats) -> float:
    return w2_squared(z, z @ MOVE) ** 0.5 / 2.0


over_schemes("risk", lambda scheme, z: risk_of(model(scheme, z)))
over_schemes("risk_bare", lambda scheme, z: risk_of(lambda x: phi(x, z)))
over_schemes("rmd2_si", lambda scheme, z: rmd2_of(z, z @ FIXED))
over_schemes("rmd2_symmetrised", lambda scheme, z: rmd2_of(z, orbit(z)))
over_schemes("second_moment", lambda scheme, z: moment(z))
for _name in ("distance_wi", "distance_wi_lower", "distance_wi_upper"):
    over_schemes(_name, _to_wi)
over_schemes("l2_symmetrisation", _unsymmetric)
over_schemes("l2_target", _to_target)
over_schemes("l2_symmetrised_target", _to_symmetrised_target)
over_schemes("equivariance_error", _uneven)


STATED = {
    "risk_error": "risk",
    "risk_bare_error": "risk_bare",
    "l2_symmetrisation_error": "l2_symmetrisation",
    "l2_target_error": "l2_target",
    "l2_symmetrised_target_error": "l2_symmetrised_target",
    "equivariance_error_error": "equivariance_error",
}


@entry(*STATED)
def _stated(results: Results) -> None:
    """Between 0 and a thousandth of the largest value; that they cover the truth is a law of test_expectations."""
    for name, of in STATED.items():
        error, values = results.compare[name].values, results.compare[of].values
        assert (error >= 0.0).all()
        assert error.max() <= 1e-3 * values.max()
        CHECKS[of](results)


@entry("limit_risk_error")
def _stated_limit(results: Results) -> None:
    error = results.converge["limit_risk_error"].values
    assert (error >= 0.0).all()
    assert error.max() <= 1e-3 * results.converge["limit_risk"].values.max()


@entry("rmd2_pair")
def _pairs(results: Results) -> None:
    data = results.compare
    clouds = data["particles"].transpose("scheme", "replicate", "particle", "param").values
    count = clouds.shape[0]
    expected = [
        [[rmd2_of(clouds[i, r], clouds[j, r]) for j in range(count)] for i in range(count)]
        for r in range(clouds.shape[1])
    ]
    close(data["rmd2_pair"].transpose("replicate", "scheme", "other").values, expected)


@entry("particles", "particle", "param")
def _particles(results: Results) -> None:
    """The vanilla particles after one step of noisy SGD are those of its definition, so are rows and columns."""
    data = results.compare
    assert list(data["particle"].values) == list(range(SHARED["n"]))
    assert list(data["param"].values) == list(range(4))
    cell = Cell(teacher="arbitrary", init="wi", seed=3, **SHARED)
    n, batch = cell.n, cell.batch_size
    for r in range(2):
        z = 0.25 * normals(stream_key(3, "init", r), 0, n, 4)
        basis = reference().unit.fixed_subspace.frame
        for step in range(cell.steps):
            x, y = reference().draw(stream_key(3, "data", r), step * batch, batch)
            s = sigma(x, z)
            slope = 2.0 / batch * np.einsum("bj,bnj,bk->njk", s.mean(axis=1) - y, s * (1.0 - s), x).reshape(n, 4)
            kick = normals(stream_key(3, "noise", r), step, n, 4) @ basis.T
            z = z - cell.alpha / n * (slope + 2.0 * cell.tau * z) + np.sqrt(2.0 * cell.alpha * cell.beta / n) * kick
        close(data["particles"].sel(scheme="vanilla", replicate=r).transpose("particle", "param").values, z)


@entry("teacher_particles", "teacher_particle")
def _teacher(results: Results) -> None:
    close(results.compare["teacher_particles"].values, ARBITRARY)
    close(results.flow["teacher_particles"].values, ARBITRARY)
    close(results.trace["teacher_particles"].values, ARBITRARY)
    assert list(results.trace["teacher_particle"].values) == list(range(5))


@entry("fixed_basis", "direction")
def _fixed_basis(results: Results) -> None:
    for data in (results.compare, results.simulate, results.flow, results.phase, results.trace):
        basis = columns(data["fixed_basis"].values)
        close(basis.T @ basis, np.eye(2))
        close(basis @ basis.T, FIXED)
    assert list(results.trace["direction"].values) == list(range(4))


@entry("seconds", "seconds_measured")
def _seconds(results: Results) -> None:
    data = results.compare
    assert (data["seconds_measured"].values > 0).all()
    assert (data["seconds_measured"].values < data["seconds"].values).all()
    assert data["seconds"].values.sum() <= results.extra["wall"]


@entry("status", "diverged_step")
def _status(results: Results) -> None:
    assert set(results.compare["status"].values.ravel()) == {"ok"} < set(STATUSES)
    assert list(results.diverged["status"].values) == ["ok", "diverged"]
    assert (results.compare["diverged_step"].values == -1).all()
    for data in (value for key, value in results.of.items() if key.startswith("sweep")):
        assert (data["diverged_step"].values == -1).all()


@entry("drifted_step")
def _drifted(results: Results) -> None:
    """The run of exact augmentation step by step: the first with more than 1e-6 of E|z|^2 off E^G, where z = (0, v)."""
    data, problem = results.leaving, unstable_problem()
    assert list(data["status"].values[:, 0]) == ["ok", "drifted"]
    dynamics = NoisySGD(problem.unit, "da", problem.data, projected_noise=True, alpha=4.0, tau=1e-2, beta=1e-3)
    start = dynamics.init(init_particles(problem.unit, "si", 40, 0))
    shares = []
    for state in dynamics.flow(start, np.arange(1, 281) / 40):
        z = np.float64(state.z)
        shares.append((z[:, :2] ** 2).sum() / max((z**2).sum(), 40 * 3 / 16.0))
    assert list(data["drifted_step"].values[:, 0]) == [-1, 1 + int(np.argmax(np.array(shares) > 1e-6))]
    assert (results.compare["drifted_step"].values == -1).all()


@entry("precision")
def _precision(results: Results) -> None:
    assert set(results.compare["precision"].values.ravel()) == {"float64"}
    assert set(results.leaving["precision"].values.ravel()) == {"float32"}


@entry("rmd2_floor")
def _floor(results: Results) -> None:
    """Half of (steps + 1) eps^2 / 12 of the start law's E|z|^2 = p / 16, or of the own where it is larger."""
    for data, steps, eps in ((results.compare, 3, 2.0**-52), (results.leaving, 280, 2.0**-23)):
        for k, r, _, z in trained(data):
            floor = (steps + 1) / 12.0 * max(moment(z), z.shape[1] / 16.0) / moment(z)
            close(data["rmd2_floor"].values[k, r] / eps**2, 0.5 * floor)


@entry("rmd2_symmetrised_error", "equivariance_error_group")
def _errors_over_groups(results: Results) -> None:
    """Nothing for a finite group; over rotations they cover what many more nodes give."""
    for name in ("rmd2_symmetrised_error", "equivariance_error_group"):
        assert (results.compare[name].values == 0.0).all()
        assert (results.turning[name].values < 1e-3).all()
    data, unit, x = results.turning, turning_problem().unit, 4.0 * normals(stream_key(9, "data"), 0, 400, 2)
    angles = 2.0 * np.pi * np.arange(60) / 60
    for k, r, _, z in trained(data):
        images = np.concatenate([np.hstack([z[:, :2] @ turned(angle).T, z[:, 2:]]) for angle in angles])
        many = w2_squared(np.repeat(z, 60, axis=0), images) / (4.0 * moment(z))
        assert abs(many - data["rmd2_symmetrised"].values[k, r]) < 0.05 * many
    values = np.stack([unit.predict(x @ turned(angle).T, z) for angle in angles])
    spread = float(((values - values[0]) ** 2).mean()) ** 0.5
    assert abs(spread - data["equivariance_error"].values[1, 0]) < 0.2 * spread


def turned(angle: float) -> Floats:
    """The rotation of the plane by an angle."""
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


@entry("null_symmetrised", "null_symmetrised_lower", "null_symmetrised_upper", "p_value_symmetrised")
def _null(results: Results) -> None:
    """Particles each swapped or not by a coin of their own: the median, both ends and the rank of the one observed."""
    (_, _, _, z), *_ = trained(results.moved)
    key = stream_key(0, "null")
    coins = [cyclic(2).haar(key, draw, len(z))[:, None] for draw in range(19)]
    values = np.sort([rmd2_of(cloud, orbit(cloud)) for cloud in (np.where(coin == 1, z @ MOVE, z) for coin in coins)])
    rank = (1 + int((values >= rmd2_of(z, orbit(z)) - 1e-12).sum())) / 20
    found = [results.moved[name].values[0, 0] for name in NULL_MEASURES]
    close(found, [np.median(values), values[0], values[-1], rank])
    assert values[0] < values[-1]


@entry("accuracy", "accuracy_moved")
def _accuracy(results: Results) -> None:
    data, problem = results.labels, labels_problem()
    x, y = problem.data.test_x, problem.data.test_y  # type: ignore[attr-defined]
    for k, _, scheme, z in trained(data):
        own = _labels_model(scheme, z)
        hits = (own(x).argmax(axis=1) == y.argmax(axis=1)).mean()
        moved = (own(x @ SWAP).argmax(axis=1) == (y @ SWAP).argmax(axis=1)).mean()
        close(data["accuracy"].values[k, 0], hits)
        close(data["accuracy_moved"].values[k, 0], moved)


def _labels_model(scheme: str, z: Floats) -> Callable[[Floats], Floats]:
    def bare(points: Floats) -> Floats:
        return (np.tanh(points @ z[:, :2].T / 2.0)[:, :, None] * z[None, :, 2:]).mean(axis=1)

    return averaged(bare) if scheme == "fa" else bare


@entry("energy", "dissipated", "energy_defect")
def _energy(results: Results) -> None:
    """On all images of the data; what is lost is integrated by Simpson's rule over the kept times."""
    data = results.flow
    clouds = data["particles"].values
    parts = [presented(z, 60) for z in clouds]
    energy = np.array([risk + FLOW["tau"] * moment(z) for (risk, _), z in zip(parts, clouds, strict=True)])
    speeds = [
        FLOW["alpha"] * ((slope + 2.0 * FLOW["tau"] * z) ** 2).sum(axis=1).mean()
        for (_, slope), z in zip(parts, clouds, strict=True)
    ]
    h = FLOW["horizon"] / (len(clouds) - 1)
    lost = [0.0]
    for k in range(0, len(clouds) - 2, 2):
        lost.append(lost[-1] + h / 3.0 * (speeds[k] + 4.0 * speeds[k + 1] + speeds[k + 2]))
    close(data["energy"].values, energy, INTEGRATED)
    close(data["dissipated"].values[::2], lost, INTEGRATED)
    defect = data["energy"].values + data["dissipated"].values - energy[0]
    close(data["energy_defect"].values, defect, INTEGRATED)
    one = flow("arbitrary", "da", snapshots=1, accuracy=Accuracy(order=20), **FLOW)
    assert abs(one["energy_defect"].item()) < INTEGRATED < one["dissipated"].item()


@entry("quadrature_order", "error_force")
def _order(results: Results) -> None:
    """The gradient changes by error_force, relative to its size at the start, with 30 nodes a side instead of 20."""
    data = results.rough
    assert set(results.flow["quadrature_order"].values) == {60}
    assert set(data["quadrature_order"].values) == {20}
    clouds = data["particles"].values
    size = np.abs(presented(clouds[0], 30)[1] + 2.0 * FLOW["tau"] * clouds[0]).max()
    for k in range(3):
        change = np.abs(presented(clouds[k], 30)[1] - presented(clouds[k], 20)[1]).max()
        assert data["error_force"].values[k] == pytest.approx(change / size, rel=INTEGRATED)


@entry("error_w2", "error_risk")
def _errors(results: Results) -> None:
    fine, coarse = results.flow, results.half
    pairs = zip(fine["particles"].values, coarse["particles"].values, strict=True)
    gaps = [w2_squared(a, b) ** 0.5 for a, b in pairs]
    close(fine["error_w2"].values, gaps, INTEGRATED)
    close(fine["error_risk"].values, np.abs(fine["risk"].values - coarse["risk"].values), INTEGRATED)
    data = results.converge
    close(data["error_risk"].values, np.abs(data["risk"].values - data["limit_risk"].values))


def between_steps(results: Results) -> Floats:
    """(3,) W2 distances between flows of steps h and 2 h on one path, the larger of both ends of a time's interval."""
    pairs = zip(results.noisy["particles"].values, results.longer["particles"].values, strict=True)
    start, middle, end = (w2_squared(a, b) ** 0.5 for a, b in pairs)
    return np.array([start, max(start, middle), max(middle, end)])


@entry("error_time")
def _error_time(results: Results) -> None:
    fine, gaps = results.noisy, between_steps(results)
    close(fine["error_time"].values, gaps)
    assert gaps[1] > 0.0
    coarse = results.few["particles"].values
    particles = [w2_squared(a, b) ** 0.5 for a, b in zip(fine["particles"].values, coarse, strict=True)]
    close(fine["error_w2"].values, particles + gaps)
    assert np.isnan(results.flow["error_time"].values).all()


@entry("limit_error_time")
def _limit_error_time(results: Results) -> None:
    close(results.noisily["limit_error_time"].values, between_steps(results)[1:])
    close(results.noisily["limit_error_w2"].values, results.noisy["error_w2"].values[1:])


def runs(results: Results) -> Floats:
    """(size, replicate, time, ...) particles of the trainings of the convergence study, as an object array."""
    study, cell = results.extra["study"], results.extra["cell"]
    clouds = np.empty((2, 3, 2), dtype=object)
    parameters = {key: getattr(cell, key) for key in ("init", "seed", *SHARED)}
    for i, n in enumerate(study.sizes):
        for r in range(study.replicates):
            run = _run(replicate=r, **{**parameters, "n": n})
            clouds[i, r, 0], clouds[i, r, 1] = run[1], run[2]
    return clouds


@cache
def _run(**parameters: Any) -> Floats:
    return simulate("arbitrary", "vanilla", snapshots=3, **parameters)["particles"].values


def over_runs(name: str, formula: Callable[[Floats, Floats], float], tolerance: float = ALGEBRA) -> None:
    """Register a check of a variable (n, replicate, time) of a convergence study, from a cloud and the limit's."""

    def check(results: Results) -> None:
        data, clouds = results.converge, runs(results)
        expected = np.empty(clouds.shape)
        for index in np.ndindex(clouds.shape):
            expected[index] = formula(clouds[index], data["limit_particles"].values[index[2]])
        close(data[name].transpose("n", "replicate", "time").values, expected, tolerance)

    CHECKS[name] = check


over_runs("w2_limit", lambda z, limit: w2_squared(z, limit) ** 0.5)
over_runs("rmd2_limit", rmd2_of)
over_runs("error_mean", lambda z, limit: float(np.linalg.norm(z.mean(axis=0) - limit.mean(axis=0))))
over_runs("error_second_moment", lambda z, limit: abs(moment(z) - moment(limit)))
over_runs("error_prediction", lambda z, limit: norm(phi(gauss()[0], z) - phi(gauss()[0], limit)), INTEGRATED)


@entry("limit_risk", "limit_rmd2_si", "limit_second_moment", "limit_error_w2", "limit_particles", "limit_particle")
def _limit(results: Results) -> None:
    data = results.converge
    clouds = data["limit_particles"].values
    close(data["limit_risk"].values, [risk_of(lambda x, z=z: phi(x, z)) for z in clouds], INTEGRATED)
    close(data["limit_rmd2_si"].values, [rmd2_of(z, z @ FIXED) for z in clouds])
    close(data["limit_second_moment"].values, [moment(z) for z in clouds])
    half = results.limit["particles"].values[1:]
    gaps = [w2_squared(a, b) ** 0.5 for a, b in zip(clouds, half, strict=True)]
    close(data["limit_error_w2"].values, gaps, INTEGRATED)
    assert list(data["limit_particle"].values) == list(range(8))


@entry("observable", "slope", "slope_lower", "slope_upper")
def _slopes(results: Results) -> None:
    """Straight lines through logarithms of root mean squares, of means for the squared RMDs; percentile bootstrap."""
    data = results.converge
    logs = np.log([4.0, 8.0])
    key = stream_key(results.extra["cell"].seed, "bootstrap")
    picks = [np.floor(uniforms(key, k, 1000, 3) * 3).astype(int) for k in range(2)]
    for name in data["observable"].values:
        for t in range(2):
            table = data[str(name)].transpose("n", "replicate", "time").values[:, :, t]
            power = 1 if str(name).startswith("rmd2") else 2
            sizes = [(row**power).mean() ** (1.0 / power) for row in table]
            again = [[(row[pick] ** power).mean() ** (1.0 / power) for pick in picks[k]] for k, row in enumerate(table)]
            slopes = (np.log(again[1]) - np.log(again[0])) / (logs[1] - logs[0])
            one = data.sel(observable=name).isel(time=t)
            close(one["slope"], np.polyfit(logs, np.log(sizes), 1)[0])
            close([one["slope_lower"], one["slope_upper"]], np.quantile(slopes, [0.025, 0.975]))


@entry("time")
def _time(results: Results) -> None:
    close(results.simulate["time"].values, np.array([0, 2, 3]) / SHARED["n"])
    close(results.flow["time"].values, np.linspace(0.0, 0.5, 65))
    z = 0.25 * normals(stream_key(3, "init"), 0, SHARED["n"], 4)
    close(results.simulate["particles"].values[0], z)


@entry("step", "dimension", "basis", "rmd2", "rmd2_before", "statistic", "threshold", "left", "angle", "mean_share")
def _steps(results: Results) -> None:
    for data in (results.trace, results.outside):
        assert list(data["step"].values) == list(range(data.sizes["step"]))
        fixed = columns(data["fixed_basis"].values)
        for j in range(data.sizes["step"]):
            step = data.isel(step=j)
            basis = columns(step["basis"].values)
            close(basis.T @ basis, np.eye(basis.shape[1]))
            assert int(step["dimension"]) == basis.shape[1]
            before, after = (step[f"particles_{when}"].values for when in ("before", "after"))
            close(step["rmd2_before"], rmd2_of(before, before @ basis @ basis.T) if before.any() else 0.0)
            close(step["rmd2"], rmd2_of(after, after @ basis @ basis.T))
            close(step["statistic"], step["rmd2"])
            assert int(step["left"]) == int(step["statistic"] > step["threshold"])
            close(step["angle"], largest_angle(basis, fixed))
            residual = after - after @ basis @ basis.T
            size = moment(residual) ** 0.5
            close(step["mean_share"], np.linalg.norm(residual.mean(axis=0)) / size if size > ALGEBRA else 1.0)
            if j + 1 < data.sizes["step"]:
                wider, mean_residual = columns(data["basis"].values[j + 1]), residual.mean(axis=0)
                close(wider @ (wider.T @ mean_residual), mean_residual)
    assert set(results.trace["threshold"].values) == {0.01}
    assert set(results.outside["threshold"].values) == {1e-6}
    assert results.trace["left"].values[0] == 1
    close(results.outside["angle"].values[0], np.pi / 2)


@entry("residual_spectrum")
def _spectrum(results: Results) -> None:
    for j in range(results.trace.sizes["step"]):
        step = results.trace.isel(step=j)
        basis, after = columns(step["basis"].values), step["particles_after"].values
        residual = after - after @ basis @ basis.T
        values = np.linalg.svd(residual / len(residual) ** 0.5, compute_uv=False)
        close(step["residual_spectrum"].values, values, INTEGRATED)


def searched(basis: Floats, j: int, number: int, data: Data | None = None) -> Floats:
    """Particles of training ``number`` of step j of a small discovery: vanilla noisy SGD, its noise inside E_j."""
    z = 0.25 * normals(stream_key(0, "init", j), 0, 8, 4) @ basis @ basis.T
    label = j * (1 << 20) + number
    for k in range(4):
        x, y = (reference() if data is None else data).draw(stream_key(0, "data", label), 4 * k, 4)
        s = sigma(x, z)
        slope = 0.5 * np.einsum("bj,bnj,bk->njk", s.mean(axis=1) - y, s * (1.0 - s), x).reshape(8, 4)
        kick = normals(stream_key(0, "noise", label), k, 8, basis.shape[1]) @ basis.T
        z = z - 5.0 / 8 * (slope + 2e-4 * z) + np.sqrt(2.0 * 5.0 * 1e-6 / 8) * kick
    return z


@entry("particles_before", "particles_after")
def _before_and_after(results: Results) -> None:
    """The start of step j is Gaussian inside E_j; one training of vanilla SGD without noise off E_j leads on."""
    data = results.trace
    for j in range(data.sizes["step"]):
        step = data.isel(step=j)
        basis = columns(step["basis"].values)
        close(step["particles_before"].values, 0.25 * normals(stream_key(0, "init", j), 0, 8, 4) @ basis @ basis.T)
        close(step["particles_after"].values, searched(basis, j, 0))


@entry("case", "rule", "answer_dimension", "answer_angle", "found", "dimension_fixed")
def _study(results: Results) -> None:
    data = results.study
    assert list(data["case"].values) == ["a"]
    assert list(data["rule"].values) == ["paper"]
    assert list(data["dimension_fixed"].values) == [round(float(np.trace(FIXED)))]
    wi = reference("wi")
    for r in range(2):
        run = trace(wi.unit, wi, "paper", Search(n=8, horizon=0.5, alpha=5.0, seed=4 + r))
        answer = columns(run["basis"].values[-1])
        fixed = columns(run["fixed_basis"].values)
        assert run["left"].values[-1] == 0
        assert int(data["answer_dimension"].values[0, r]) == answer.shape[1]
        angle = max(largest_angle(answer, fixed), largest_angle(fixed, answer))
        close(data["answer_angle"].values[0, r], angle)
        assert int(data["found"].values[0, r]) == int(answer.shape[1] == 2 and angle < 1e-2)
        kept = run.sizes["step"]
        close(data["rmd2"].values[0, r, :kept], run["rmd2"].values)
        assert (data["dimension"].values[0, r, kept:] == -1).all()


@entry("resolution", "control", "verdict", "reason")
def _verdicts(results: Results) -> None:
    """The paper's rule resolves its threshold; E_j is kept only if a target with an asymmetric part leaves it."""
    for data in (results.trace, results.outside):
        for j in range(data.sizes["step"]):
            step = data.isel(step=j)
            close(step["resolution"], step["threshold"])
            basis, control = columns(step["basis"].values), float(step["control"])
            verdict, reason = str(step["verdict"].item()), str(step["reason"].item())
            if int(step["left"]):
                assert (verdict, np.isnan(control)) == ("left", True)
                assert reason == "the residual exceeds the threshold"
                continue
            if basis.shape[1] == 4:
                assert (verdict, np.isnan(control)) == ("kept", True)
                assert reason == "nothing lies outside the whole space"
                continue
            after = searched(basis, j, 1, asymmetric(reference(), 1.0))
            close(control, rmd2_of(after, after @ basis @ basis.T))
            assert verdict == ("kept" if control > float(step["threshold"]) else "undecided")
            assert ("asymmetric data" in reason) == (verdict in ("kept", "undecided"))
            assert reason.startswith("the law stays" if verdict == "kept" else "asymmetric data do not")


@entry("answer_verdict", "answer_reason", "wrong", "undecided")
def _answers(results: Results) -> None:
    data, wi = results.study, reference("wi")
    for r in range(2):
        run = trace(wi.unit, wi, "paper", Search(n=8, horizon=0.5, alpha=5.0, seed=4 + r))
        verdict = "found" if str(run["verdict"].values[-1]) == "kept" else "undecided"
        assert str(data["answer_verdict"].values[0, r]) == verdict
        assert str(data["answer_reason"].values[0, r]) == str(run["reason"].values[-1])
        right = int(data["found"].values[0, r])
        assert int(data["undecided"].values[0, r]) == int(verdict == "undecided")
        assert int(data["wrong"].values[0, r]) == int(verdict == "found" and not right)


@entry("drift", "first", "second", "coordinate", "particles_fixed", "teacher_fixed")
def _portrait(results: Results) -> None:
    data = results.phase
    basis = data["fixed_basis"].values
    axis = data["first"].values
    close(data["second"].values, axis)
    close(np.diff(axis), np.full(4, axis[-1] / 2))
    assert list(data["coordinate"].values) == [0, 1]
    close(data["teacher_fixed"].values, ARBITRARY @ basis)
    inside = np.abs(np.concatenate([data["particles_fixed"].values.reshape(-1, 2), ARBITRARY @ basis])).max()
    close(axis[-1], 1.15 * inside)
    x, weights = gauss()
    y = phi(x, ARBITRARY)
    later = flow("arbitrary", snapshots=2, accuracy=Accuracy(order=60), **{**FLOW, "init": "si", "n": 6})
    close(data["particles_fixed"].values, later["particles"].values @ basis, INTEGRATED)
    for t, z in enumerate(later["particles"].values):
        error = phi(x, z) - y
        for b, a in itertools.product(range(5), range(5)):
            place = (np.array([axis[a], axis[b]]) @ basis.T)[None]
            s = sigma(x, place)[:, 0]
            slope = 2.0 * np.einsum("q,qj,qj,qk->jk", weights, error, s * (1.0 - s), x).ravel() + 0.02 * place[0]
            close(data["drift"].values[t, b, a], -5.0 * slope @ basis, INTEGRATED)


@entry("profile", "target", "radius", "law")
def _profile(results: Results) -> None:
    data = results.counterexample
    radius = data["radius"].values
    close(radius, np.linspace(0.0, 1.0, 41))
    close(data["target"].values, radius**2)
    assert list(data["law"].values) == ["si", "wi"]
    problem = load_problem(TURNS)
    points = np.stack([radius, 0.0 * radius], axis=1)
    quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
    for law, scheme in (("si", "ea"), ("wi", "fa")):
        parameters = {**SHARED, "n": 8, "horizon": 0.25, "alpha": 5.0, "tau": 1e-4, "beta": 1e-6, "batch_size": 20}
        run = simulate(problem, scheme, snapshots=1, init="wi", **parameters)
        z = run["particles"].values[-1]
        values = np.zeros(len(radius))
        for power in range(4):
            moved = points @ np.linalg.matrix_power(quarter, power).T
            hidden = 1.0 / (1.0 + np.exp(-(moved @ z[:, :2].T + z[:, 2])))
            values += 0.25 * (hidden * z[:, 3]).mean(axis=1)
        close(data["profile"].sel(law=law).values, values)


@entry("scheme", "other", "replicate")
def _coordinates(results: Results) -> None:
    names = ["vanilla", "da", "da-sampled", "fa", "ea"]
    assert list(results.compare["scheme"].values) == names == list(results.compare["other"].values)
    assert list(results.compare["replicate"].values) == [0, 1]
    again = simulate("arbitrary", "fa", replicate=1, snapshots=1, init="wi", seed=3, **SHARED)
    close(results.compare["particles"].sel(scheme="fa", replicate=1).values, again["particles"].values[-1])


@entry("teacher", "init", "n", "alpha", "tau", "beta", "batch_size", "horizon")
@entry("unit", "activation", "dtype", "noise", "engine")
def _dimensions(results: Results) -> None:
    """What stands at a value of a dimension is what a training with that value gives."""
    for key, data in results.of.items():
        if not key.startswith("sweep_"):
            continue
        name = key.removeprefix("sweep_")
        for value in data[name].values:
            one = data.sel({name: value})
            stated = {**SHARED, "teacher": "wi", "init": "wi"} | {name: value.item()}
            run = _compared(tuple(sorted(stated.items())))
            for scheme in ("vanilla", "ea"):
                found = float(one["risk"].sel(scheme=scheme).values.squeeze())
                assert found == float(run["risk"].sel(scheme=scheme).values[0]), (name, value)


@cache
def _compared(stated: tuple[tuple[str, Any], ...]) -> xr.Dataset:
    known: dict[str, tuple[str, ...]] = {
        "teacher": ("wi", "arbitrary"),
        "init": ("wi", "si"),
        "unit": ("matrix", "uv"),
        "activation": ("sigmoid", "tanh"),
        "dtype": ("float64", "float32"),
        "noise": ("fixed", "isotropic"),
        "engine": ("numba", "jax"),
    }
    for key, value in stated:
        assert key not in known or value in known[key], f"{value} was not asked for"
    return compare(schemes=("vanilla", "ea"), **dict(stated))


# the laws


@pytest.mark.parametrize("name", VARIABLES)
def test_an_entry_is_what_its_definition_gives(name: str, results: Results) -> None:
    CHECKS[name](results)


@pytest.mark.parametrize("name", VARIABLES)
def test_a_value_that_is_off_is_noticed(name: str, results: Results) -> None:
    """The negative control of the law above, entry by entry."""
    assert any(name in data.variables for data in results.of.values()), "the entry is in no result"
    with pytest.raises((AssertionError, KeyError)):
        CHECKS[name](results.changed(name))


@pytest.mark.parametrize("loss", ["cross-entropy", "logistic"])
def test_risks_are_means_of_the_loss_they_name(loss: str, results: Results) -> None:
    data = results.labels if loss == "cross-entropy" else results.signs
    problem = labels_problem() if loss == "cross-entropy" else signs_problem()
    x, y = problem.data.test_x, problem.data.test_y  # type: ignore[attr-defined]
    for k, _, scheme, z in trained(data):
        for name, f in (("risk", _labels_model(scheme, z)), ("risk_bare", _labels_model("vanilla", z))):
            prediction = f(x)
            if loss == "cross-entropy":
                values = -(y * np.log(np.exp(prediction) / np.exp(prediction).sum(axis=1, keepdims=True))).sum(axis=1)
            else:
                values = np.log(1.0 + np.exp(-y * prediction)).sum(axis=1)
            close(data[name].values[k, 0], values.mean())
            assert data[name].attrs["units"] == "nat"
            assert data[name].attrs["long_name"].endswith(f"l = {LOSSES[loss][0]}")
    assert "|y|" not in json.dumps([data[name].attrs for name in ("risk", "risk_bare")])


def test_the_papers_rule_averages_its_statistic_over_trainings() -> None:
    teacher = reference()
    search = Search(
        n=8, horizon=0.5, alpha=5.0, batch_size=4, trainings=2, max_steps=1, start=Subspace(np.eye(4)[:, :2])
    )
    step = trace(teacher.unit, teacher, "paper", search).isel(step=0)
    basis = columns(step["basis"].values)
    clouds = [searched(basis, 0, number) for number in range(2)]
    distances = [rmd2_of(z, z @ basis @ basis.T) for z in clouds]
    close(step["rmd2"], np.mean(distances))
    close(step["particles_after"].values, clouds[0])
    residual = np.concatenate([z - z @ basis @ basis.T for z in clouds])
    close(step["residual_spectrum"].values[:2], np.linalg.svd(residual / 4.0, compute_uv=False)[:2], INTEGRATED)


def test_the_dictionary_knows_every_loss() -> None:
    from mfsym.data.losses import LOSSES as KNOWN

    assert set(LOSSES) == set(KNOWN)


def test_a_divergence_is_told_by_the_steps_that_were_done() -> None:
    """A linear student that grows without bound: the step is that of a plain iteration which overflows."""
    unit = MatrixUnit("identity", cyclic(2).permutation(), cyclic(2).permutation())
    teacher = Teacher(unit, ARBITRARY, name="linear")
    rate = {"n": 6, "alpha": 400.0, "tau": 0.0, "beta": 0.0, "batch_size": 4, "dtype": "float64"}
    run = simulate(teacher, "vanilla", snapshots=2, init="wi", horizon=40.0, **rate)
    z, step = 0.25 * normals(stream_key(0, "init"), 0, 6, 4), 0
    with np.errstate(over="ignore", invalid="ignore"):
        while np.isfinite(z).all() and np.isfinite(z.reshape(-1, 2, 2).mean(axis=0) @ np.ones(2)).all():
            x, y = teacher.draw(stream_key(0, "data"), 4 * step, 4)
            error = np.einsum("njk,bk->bnj", z.reshape(-1, 2, 2), x).mean(axis=1) - y
            slope = np.broadcast_to(0.5 * np.einsum("bj,bk->jk", error, x), (6, 2, 2)).reshape(6, 4)
            z, step = z - 400.0 / 6 * slope, step + 1
    assert 10 < step < 240
    assert run.attrs["diverged_step"] == step
    assert run.attrs["status"] == "diverged"


@pytest.mark.parametrize("turns", [1, 3, 4])
def test_bounds_on_the_distance_to_wi_laws_hold_what_they_say(turns: int) -> None:
    """Exact for two elements and fewer, else an upper bound that some symmetric law attains, and a lower one."""
    group = cyclic(turns)
    unit = UVUnit("tanh", group.vector(), group.trivial(1))
    z = normals(stream_key(1, "init"), 0, 4, 3)
    found = law_metrics(z, unit)
    assert found["distance_wi"] == found["distance_wi_upper"] >= found["distance_wi_lower"] >= 0.0
    images = np.concatenate([z @ matrix.T for matrix in unit.action.matrices])
    whole = w2_squared(z, images) ** 0.5
    nearest = min(w2_squared(z, images) ** 0.5, w2_squared(z, z @ unit.fixed_subspace.projector) ** 0.5)
    assert whole / 2.0 <= found["distance_wi_upper"] + ALGEBRA
    assert found["distance_wi_lower"] <= nearest + ALGEBRA
    assert found["distance_wi_upper"] <= nearest + ALGEBRA
    assert (turns > 1) == (found["distance_wi"] > ALGEBRA)


def test_every_result_speaks_in_words_of_the_dictionary(results: Results) -> None:
    for data in results.of.values():
        loss = str(data.attrs["loss"])
        for name in map(str, data.variables):
            assert data[name].attrs == VARIABLES[name].attrs(loss)
