"""Diffusion on shapes: exact denoisers, losses, and what samplers recover. quotients of arXiv:2604.21809."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ive

from mfsym.errors import Diverged, MfsymError
from mfsym.experiments.diffusions import Twisted
from mfsym.groups import so
from mfsym.quotients import Quotient, populations
from mfsym.quotients.interpolants import Interpolant
from mfsym.quotients.losses import LOSSES, conventional, geodiff, horizontal, vertical
from mfsym.quotients.sampling import sample
from mfsym.quotients.templates import Templates
from mfsym.streams import normals, stream_key
from tests.sizes import compiled
from tests.tolerances import FINITE_DIFFERENCE, ROUNDOFF, STAT

pytestmark = compiled

KEY = stream_key(11, "data")
PLANE = [
    [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]],
    [[1.5, 0.0], [-1.5, 0.0], [0.0, 0.4], [0.0, -0.4]],
    [[0.9, 0.0], [-0.5, 0.0], [-0.4, 0.9], [0.0, -0.54]],
]
WEIGHTS = [0.5, 0.3, 0.2]
FEW = 4000


def plane(kind="mean"):
    """Square, rhombus and 4-gon."""
    return Templates(PLANE, WEIGHTS, kind)


def space(n=5, kind="mean"):
    """Three random clouds in space."""
    return Templates(normals(KEY, 0, 3, 3 * n).reshape(3, n, 3), WEIGHTS, kind)


def variation(made, templates):
    """Total variation of the recovered populations."""
    clouds, quotient = templates.clouds, templates.quotient
    return populations(made.clouds, clouds, templates.weights, quotient).total_variation


# exact denoisers


@pytest.mark.parametrize("templates", [plane(), space()], ids=["plane", "space"])
@pytest.mark.parametrize("t", [0.1, 0.5, 0.8])
def test_the_score_is_the_gradient_of_the_log_density(templates, t):
    x = normals(KEY, 1, 6, templates.quotient.dim)
    x = templates.quotient.centre(x)
    score = Interpolant().score(x, templates(x, t), t)
    step = 1e-5
    for direction in normals(KEY, 2, 3, x.shape[1]):
        along = templates.quotient.centre(direction[None])[0]
        slope = (templates.log_density(x + step * along, t) - templates.log_density(x - step * along, t)) / (2.0 * step)
        scale = max(1.0, float(np.abs(slope).max()))
        assert np.abs(slope - score @ along).max() < 10.0 * FINITE_DIFFERENCE * scale


@pytest.mark.parametrize("kind", ["mean", "aligned"])
@pytest.mark.parametrize("make", [plane, space], ids=["plane", "space"])
def test_denoisers_are_equivariant_and_horizontal(make, kind):
    templates = make(kind=kind)
    quotient, d = templates.quotient, templates.point_dim
    x = quotient.centre(normals(KEY, 3, 8, quotient.dim))
    found = templates(x, 0.4)
    element = so(d).defining(so(d).haar(KEY, 4, 1))[0]
    turn = np.kron(np.eye(templates.points), element)
    assert np.abs(templates(x @ turn.T, 0.4) - found @ turn.T).max() < ROUNDOFF
    assert np.abs(quotient.project(x, found) - found).max() < ROUNDOFF


def test_the_alignment_target_leaves_the_bessel_ratio_out():
    """GeoDiff's minimiser is the mean with I1 / I0 = 1; with the ratio put back it is the exact denoiser."""
    one = Templates(PLANE[:1])
    x, t = one.quotient.centre(normals(KEY, 5, 20, 8)), 0.4
    template, points = one.clouds[0] @ np.array([1.0, 1.0j]), x.reshape(-1, 4, 2) @ np.array([1.0, 1.0j])
    kappa = t * np.abs(points @ template.conj()) / (1.0 - t) ** 2
    ratio = (ive(1, kappa) / ive(0, kappa))[:, None]
    aligned = one.of_kind("aligned")(x, t)
    assert np.abs(ratio * aligned - one(x, t)).max() < ROUNDOFF
    assert np.abs(aligned - one(x, t)).max() > 0.1


def test_the_alignment_target_keeps_the_determinant():
    """A template and its mirror image are different shapes: the aligned one is no reflection."""
    cloud = normals(KEY, 6, 1, 12).reshape(1, 4, 3)
    templates = Templates(cloud, kind="aligned")
    mirrored = templates.clouds * np.array([1.0, 1.0, -1.0])
    found = templates(mirrored, 0.999)
    assert templates.quotient.distances(found.reshape(1, -1), templates.clouds.reshape(1, -1))[0, 0] < 1e-7
    assert np.abs(found - mirrored).max() > 0.01


def test_the_procrustes_mean_is_a_fixed_point_of_alignment():
    templates = space(kind="procrustes")
    quotient = templates.quotient
    x = quotient.centre(normals(KEY, 7, 4, quotient.dim))
    found = templates(x, 0.4)
    for b in range(4):
        logs = [Templates(cloud[None]).log_density(x[b : b + 1], 0.4)[0] for cloud in templates.clouds]
        shares = np.exp(np.array(logs) - max(logs)) * templates.weights
        images = [quotient.align(cloud.reshape(-1), found[b]) for cloud in templates.clouds]
        mean = np.einsum("j,jp->p", shares / shares.sum(), np.array(images))
        assert np.abs(mean - found[b]).max() < 1e-8
    assert np.abs(quotient.align(found, x) - found).max() < 1e-8


def test_draws_have_the_weights_and_lie_on_the_orbits():
    templates = plane()
    clouds, template = templates.draw(3, FEW)
    shares = np.bincount(template, minlength=3) / FEW
    errors = np.sqrt(templates.weights * (1.0 - templates.weights) / FEW)
    assert (np.abs(shares - templates.weights) < STAT * errors).all()
    nearest, distance = templates.nearest(clouds)
    assert (nearest == template).all()
    assert distance.max() < 1e-7
    angles = np.arctan2(clouds[:, 1], clouds[:, 0])
    assert abs(np.exp(1j * angles).mean()) < STAT / np.sqrt(FEW)


# losses


@pytest.mark.parametrize("make", [plane, space], ids=["plane", "space"])
def test_the_conventional_loss_is_the_quotient_loss_plus_the_vertical_one(make):
    templates = make()
    quotient = templates.quotient
    target = templates.draw(1, 50).clouds
    x = quotient.centre(normals(KEY, 8, 50, quotient.dim))
    denoised = x + quotient.centre(normals(KEY, 9, 50, quotient.dim))
    whole, parts = (conventional(denoised, target, x, quotient), horizontal(denoised, target, x, quotient))
    upright = vertical(denoised, target, x, quotient)
    assert np.abs(whole - parts - upright).max() < ROUNDOFF * whole.max()
    assert upright.min() > 1e-6


def noised(templates, t, n=FEW):
    """Targets and their noised clouds."""
    quotient = templates.quotient
    target = templates.draw(2, n).clouds
    x = (1.0 - t) * quotient.centre(normals(stream_key(2, "noise"), 0, n, quotient.dim)) + t * target
    return target, x


def test_the_quotient_loss_does_not_see_vertical_fields():
    templates, t = plane(), 0.5
    quotient = templates.quotient
    target, x = noised(templates, t)
    exact, twisted = templates(x, t), Twisted(templates, templates, 3.0)(x, t)
    quotients = [horizontal(found, target, x, quotient).mean() for found in (exact, twisted)]
    assert abs(quotients[0] - quotients[1]) < ROUNDOFF
    assert conventional(twisted, target, x, quotient).mean() > 1.5 * conventional(exact, target, x, quotient).mean()


def test_each_loss_is_least_at_its_own_denoiser():
    templates, t = plane(), 0.4
    quotient = templates.quotient
    target, x = noised(templates, t)
    losses = {
        name: [loss(templates.of_kind(kind)(x, t), target, x, quotient).mean() for kind in ("mean", "aligned")]
        for name, loss in LOSSES.items()
    }
    assert losses["conventional"][0] < losses["conventional"][1]
    assert losses["quotient"][0] < losses["quotient"][1]
    assert losses["geodiff"][1] < losses["geodiff"][0]
    assert losses["af3"][1] < losses["geodiff"][1] + ROUNDOFF < losses["quotient"][0]


def test_the_aligned_kind_is_the_minimiser_of_geodiffs_loss():
    """Moving it either way in a random direction costs; the slope at it is nothing but sampling error."""
    templates, t = plane("aligned"), 0.4
    quotient = templates.quotient
    target, x = noised(templates, t)
    best = templates(x, t)
    pull = 2.0 * (best - quotient.align(target, x))
    score = pull.mean(axis=0) / (pull.std(axis=0) / np.sqrt(FEW))
    assert np.abs(score).max() < STAT
    along = (pull * best).sum(axis=1)
    assert abs(along.mean()) < STAT * along.std() / np.sqrt(FEW)
    exact = templates.of_kind("mean")(x, t)
    wrong = (2.0 * (exact - quotient.align(target, x)) * exact).sum(axis=1)
    assert abs(wrong.mean()) > STAT * wrong.std() / np.sqrt(FEW)
    assert geodiff(best, target, x, quotient).mean() < geodiff(exact, target, x, quotient).mean()


# samplers


def test_conventional_and_quotient_ode_are_the_same_up_to_rotation():
    templates = plane()
    runs = [
        sample(templates, Interpolant(), templates.quotient, 300, seed=4, integrator=integrator).clouds
        for integrator in ("plain", "aligned", "drift")
    ]
    tables = [np.linalg.norm(clouds[:, :, None] - clouds[:, None], axis=-1) for clouds in runs]
    assert np.abs(tables[0] - tables[1]).max() < 1e-8
    assert np.abs(tables[1] - tables[2]).max() < 1e-8


def test_the_aligned_sde_has_the_shapes_of_the_conventional_one_path_by_path():
    """One step from one start: aligning moves along the orbit only."""
    templates = space()
    runs = [
        sample(templates, Interpolant(), templates.quotient, 200, seed=4, method="sde", integrator=name, steps=1).clouds
        for name in ("plain", "aligned")
    ]
    tables = [np.linalg.norm(clouds[:, :, None] - clouds[:, None], axis=-1) for clouds in runs]
    assert np.abs(tables[0] - tables[1]).max() < 1e-8
    assert np.abs(runs[0] - runs[1]).max() > 1e-3


def test_a_vertical_part_does_not_reach_the_quotient_sampler():
    templates = plane()
    twisted = Twisted(templates, templates, 1.5)
    plain, straight = (
        sample(denoiser, Interpolant(), templates.quotient, FEW, seed=1) for denoiser in (twisted, templates)
    )
    assert np.abs(plain.clouds - straight.clouds).max() < 1e-8
    bent = sample(twisted, Interpolant(), templates.quotient, FEW, seed=1, integrator="plain")
    assert variation(bent, templates) > 0.15


@pytest.mark.parametrize(
    ("keys", "kind", "low", "high"),
    [
        ({}, "mean", 0.0, 0.03),
        ({}, "aligned", 0.14, 0.2),
        ({"method": "sde"}, "mean", 0.0, 0.035),
        ({"method": "sde", "integrator": "drift"}, "mean", 0.0, 0.035),
        ({"method": "sde", "integrator": "drift", "curvature_sign": 0}, "mean", 0.035, 0.08),
        ({"method": "sde", "integrator": "drift", "curvature_sign": -1}, "mean", 0.085, 0.14),
    ],
    ids=["ode", "geodiff", "aligned", "drift", "no-curvature", "as-printed"],
)
def test_populations_of_the_plane_are_recovered_or_not(keys, kind, low, high):
    templates = plane(kind)
    made = sample(templates, Interpolant(), templates.quotient, FEW, seed=1, **keys)
    assert low <= variation(made, templates) <= high


def test_the_sign_of_the_curvature_is_seen_on_the_second_moment():
    """A constant denoiser 0 and eta = 1 - t: d E|x|^2 / dt has the rank of the orbit times eta from the drift."""
    quotient = Quotient(4 * so(3).vector(), centred=True)

    def nothing(x, t):
        return np.zeros_like(x)

    def moment(**keys):
        made = sample(nothing, Interpolant(), quotient, 8000, seed=2, method="sde", steps=1, **keys).clouds
        squares = (made**2).sum(axis=(1, 2))
        return float(squares.mean()), float(squares.std()) / np.sqrt(len(squares))

    # one step of length 1 from t = 0 with eta = 1: x + (0 - x) - x + sqrt(2) noise = -x + sqrt(2) noise
    plain, error = moment(integrator="plain")
    assert abs(plain - 3.0 * 9.0) < STAT * error
    drift, error = moment(integrator="drift")
    without, _ = moment(integrator="drift", curvature_sign=0)
    printed, _ = moment(integrator="drift", curvature_sign=-1)
    assert abs(without - (9.0 + 2.0 * 6.0)) < STAT * error
    # <-x, grad log vol> = -3, twice, plus E|grad log vol|^2, which both signs share
    assert abs((printed - drift) - 4.0 * 3.0) < 2.0 * STAT * error


@pytest.mark.parametrize("keys", [{}, {"method": "sde"}, {"method": "sde", "integrator": "drift"}], ids=str)
@pytest.mark.parametrize("make", [plane, space], ids=["plane", "space"])
def test_a_sample_is_a_function_of_its_seed_and_number(make, keys):
    """A run in parts, from any place, equals the whole bit by bit; so does one beside kept paths."""
    templates = make()

    def run(n, **more):
        return sample(templates, Interpolant(), templates.quotient, n, seed=9, steps=6, **keys, **more)

    whole = run(2300, paths=7)
    assert (whole.clouds[2040:2300] == run(260, first=2040).clouds).all()
    assert (whole.clouds[:200] == run(200).clouds).all()
    assert (whole.paths[-1] == whole.clouds[:7]).all()
    assert not (whole.clouds[:200] == run(200, first=1).clouds).any()


def test_a_cloud_that_loses_rank_ends_with_its_step():
    """A denoiser that takes every cloud to its first principal axis: only the drift form stops there."""
    templates = space()

    def jump(x, t):
        points = x.reshape(len(x), -1, 3)
        top = np.linalg.eigh(np.einsum("sni,snj->sij", points, points))[1][:, :, -1]
        line = np.einsum("sni,si,sj->snj", points, top, top)
        return (2.0 * line - points).reshape(x.shape)

    quotient, still = templates.quotient, Interpolant(eta=0.0)
    made = sample(jump, still, quotient, 40, method="sde", integrator="drift", steps=2, paths=40)
    assert (made.singular_step == 1).all()
    assert (made.clouds == made.paths[1]).all()
    assert (quotient.rank(made.clouds) == 2).all()
    one = sample(jump, still, quotient, 40, method="sde", integrator="drift", steps=1)
    assert (one.singular_step == -1).all()
    aligned = sample(jump, still, quotient, 40, method="sde", steps=2)
    assert (aligned.singular_step == -1).all()


def test_the_drift_form_is_refused_near_singular_orbits():
    """Three atoms in space and one point in the plane: collinear clouds and 0 are too near."""
    for templates in (space(3), Templates([PLANE[0][:1]], centred=False)):
        with pytest.raises(MfsymError, match="singular orbits of codimension 3 or more, got 1"):
            sample(templates, Interpolant(), templates.quotient, 4, method="sde", integrator="drift")
        made = sample(templates, Interpolant(), templates.quotient, 4, method="sde", steps=5)
        assert np.isfinite(made.clouds).all()


def test_denoisers_that_fail_are_refused():
    templates = plane()
    quotient = templates.quotient
    with pytest.raises(Diverged, match="NaN or inf at t = 0"):
        sample(lambda x, t: np.full_like(x, np.nan), Interpolant(), quotient, 10)
    with pytest.raises(MfsymError, match=r"shape \(10, 8\)"):
        sample(lambda x, t: x[:, :4], Interpolant(), quotient, 10)
