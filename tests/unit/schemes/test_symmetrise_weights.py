"""Fitting the weights lambda: the mixture's gradient, the network, the engine's loss, the backbone."""

from __future__ import annotations

import numpy as np
import pytest

import mfsym as mf
from mfsym.data.losses import LOSSES
from mfsym.dynamics.fitting import EnsembleFit, NetworkFit
from mfsym.errors import Diverged, MfsymError
from mfsym.groups import cyclic, dihedral, trivial
from mfsym.kernels.losses import cotangents
from mfsym.kernels.shallow import plan, workspace
from mfsym.kernels.steps import Batches
from mfsym.schemes import SCHEMES
from mfsym.schemes.mixtures import ViewTables, Weighing, mixture_loss, output_slopes, targets_of
from mfsym.schemes.networks import Adam, AdamTraining, ScoreNetwork
from mfsym.streams import normals, stream_key, uniforms
from tests.tolerances import ALGEBRA, FINITE_DIFFERENCE, ROUNDOFF, SPLIT

KEY = stream_key(22, "init")
COUNT, VIEWS, FEATURES, WIDTH = 7, 3, 4, 2
KINDS = ("cross-entropy", "quadratic")


def tables(loss):
    """Random tables of views, of unequal masses."""
    features = normals(KEY, 1, COUNT * VIEWS, FEATURES).reshape(COUNT, VIEWS, FEATURES)
    masses = np.array([0.2, 0.5, 0.3])
    if loss == "cross-entropy":
        return ViewTables(features, 0.02 + uniforms(KEY, 2, COUNT, VIEWS), masses, loss)
    return ViewTables(features, normals(KEY, 3, COUNT * VIEWS, WIDTH).reshape(COUNT, VIEWS, WIDTH), masses, loss)


def naive_mixture(made, scores):
    """The loss of every sample, one number at a time."""
    values = []
    for b in range(len(scores)):
        shares = [w * np.exp(s) for w, s in zip(made.masses, scores[b], strict=True)]
        shares = [share / sum(shares) for share in shares]
        mean = sum(share * target for share, target in zip(shares, made.targets[b], strict=True))
        values.append(-np.log(mean) if made.loss == "cross-entropy" else np.sum(mean**2))
    return np.array(values)


@pytest.mark.parametrize("loss", KINDS)
def test_the_mixture_and_its_gradient(loss):
    made, scores, rows = tables(loss), normals(KEY, 4, COUNT, VIEWS), np.arange(COUNT)
    value, slopes = made.mixture(rows, scores)
    naive = naive_mixture(made, scores)
    assert value == pytest.approx(naive.mean(), rel=ROUNDOFF)
    assert np.abs(mixture_loss(made).values(scores, made.targets.reshape(COUNT, -1)) - naive).max() < ROUNDOFF
    direction, step = normals(KEY, 5, COUNT, VIEWS), 1e-6
    ahead, behind = (naive_mixture(made, scores + sign * step * direction).mean() for sign in (1, -1))
    assert abs((slopes * direction).sum() - (ahead - behind) / (2.0 * step)) < FINITE_DIFFERENCE
    if loss == "cross-entropy":
        q, grown = made.targets, made.masses * np.exp(scores)
        shares = grown / grown.sum(axis=1, keepdims=True)
        o = (shares * q).sum(axis=1, keepdims=True)
        assert np.abs(slopes + shares * (q - o) / o / COUNT).max() < ROUNDOFF


@pytest.mark.parametrize("loss", KINDS)
def test_the_kernel_knows_the_slopes_of_the_mixture(loss):
    made, scores = tables(loss), normals(KEY, 6, COUNT, VIEWS)
    n, samples = 9, 24
    shape = plan((1, 0), n, FEATURES + 1, FEATURES, 1, samples, 8)
    work = workspace(shape, 1, samples, 0, np.float64)
    work.phi[0, : COUNT * VIEWS, 0] = n * scores.ravel()
    masses = uniforms(KEY, 7, COUNT, 1)[:, 0]
    batches = Batches(
        np.zeros((1, samples, FEATURES)),
        made.targets.reshape(1, COUNT, -1),
        np.ones((1, VIEWS, 1, 1)),
        made.masses[None],
        masses / masses.sum(),
    )
    assert cotangents(shape, batches, 0, work, mixture_loss(made).code)
    slopes = made.mixture(np.arange(COUNT), scores)[1] * COUNT * batches.sample_weights[:, None]
    assert np.abs(work.r[: COUNT * VIEWS, 0] - slopes.ravel()).max() < ROUNDOFF
    assert not work.r[COUNT * VIEWS :].any()
    work.phi[0, : COUNT * VIEWS, 0] = 700.0 * n * scores.ravel()
    assert cotangents(shape, batches, 0, work, mixture_loss(made).code)
    assert np.isfinite(work.r).all()
    work.phi[0, 0, 0] = np.inf
    assert not cotangents(shape, batches, 0, work, mixture_loss(made).code)


@pytest.mark.parametrize("loss", KINDS)
@pytest.mark.parametrize("unit", ["uv", "matrix"])
def test_one_step_of_the_engine_follows_the_gradient_of_the_mixture(loss, unit):
    """The force on particle i is N times the derivative of the mean loss with respect to z_i."""
    made = tables(loss)
    kind = mf.UVUnit if unit == "uv" else mf.MatrixUnit
    score = kind("tanh", trivial().trivial(FEATURES), trivial().trivial(1))
    data = mf.SampleData((made.features.reshape(COUNT, -1), made.targets.reshape(COUNT, -1)))
    alpha, n = 0.3, 5
    dynamics = mf.NoisySGD(
        score,
        Weighing(score, made),
        data,
        alpha=alpha,
        tau=0.0,
        beta=0.0,
        batch_size=COUNT,
        dtype="float64",
        loss=mixture_loss(made),
    )
    z = normals(KEY, 8, n, score.p)
    moved = dynamics.step(dynamics.init(z), 1).z

    def risk(particles):
        rows = made.features.reshape(-1, FEATURES)
        return naive_mixture(made, score.predict(rows, particles).reshape(COUNT, VIEWS)).mean()

    direction, step = normals(KEY, 9, n, score.p), 1e-6
    slope = (risk(z + step * direction) - risk(z - step * direction)) / (2.0 * step)
    assert abs(((z - moved) * direction).sum() / alpha - slope) < FINITE_DIFFERENCE
    assert abs(slope) > SPLIT
    wrong = mf.UVUnit("tanh", trivial().trivial(FEATURES + 1), trivial().trivial(1))
    with pytest.raises(MfsymError, match=r"the unit of weights must be on R\^4 x R\^1, got R\^5 x R\^1"):
        Weighing(wrong, made)


def test_mixtures_are_no_choice_of_a_training():
    assert "weighing" not in SCHEMES
    assert len(LOSSES) == 3
    with pytest.raises(MfsymError, match=r"data must be on R\^2 x R\^2"):
        mf.NoisySGD(mf.reference_unit(), "vanilla", mf.SampleData((np.ones((3, 3)), np.ones((3, 2)))))


@pytest.mark.parametrize("widths", [(4, 1), (4, 6, 2), (4, 5, 3, 2)])
def test_gradients_of_networks_by_hand(widths):
    network = ScoreNetwork.drawn(widths, 1)
    x, r = normals(KEY, 10, 9, widths[0]), normals(KEY, 11, 9, widths[-1])
    gradient = network.gradient(x, r)
    for k, (weights, bias) in enumerate(network.layers):
        for which, part in enumerate((weights, bias)):
            direction = normals(KEY, 12 + k, *np.atleast_2d(part).shape).reshape(part.shape)

            def value(sign, k=k, which=which, direction=direction):
                layers = [list(layer) for layer in network.layers]
                layers[k][which] = layers[k][which] + sign * 1e-6 * direction
                return (ScoreNetwork(tuple(map(tuple, layers)))(x) * r).sum()

            slope = (value(1) - value(-1)) / 2e-6
            assert abs((gradient.layers[k][which] * direction).sum() - slope) < FINITE_DIFFERENCE * max(1, abs(slope))


def test_adam_moves_by_its_rate_first_and_decays_weights_alone():
    network = ScoreNetwork.drawn((2, 1), 0)
    step = Adam(0.1).step(network, network.gradient(np.ones((1, 2)), np.ones((1, 1))))
    for before, after in zip(network.layers[0], step.layers[0], strict=True):
        assert np.abs(np.abs(before - after) - 0.1).max() < FINITE_DIFFERENCE
    still = ScoreNetwork(((np.zeros((2, 1)), np.zeros(1)),))
    decayed = Adam(0.1, 0.5).step(ScoreNetwork(((np.ones((2, 1)), np.ones(1)),)), still)
    assert np.abs(decayed.layers[0][0] - 0.95).max() < ROUNDOFF
    assert np.array_equal(decayed.layers[0][1], np.ones(1))


@pytest.mark.parametrize("loss", KINDS)
def test_slopes_of_the_outputs_are_those_of_the_mixture(loss):
    count, width = 5, 3
    table = normals(KEY, 30, count * VIEWS, width).reshape(count, VIEWS, width)
    lambdas = uniforms(KEY, 31, count, VIEWS) + 0.1
    lambdas /= lambdas.sum(axis=1, keepdims=True)
    y = np.array([0.0, 2.0, 1.0, 1.0, 0.0]) if loss == "cross-entropy" else normals(KEY, 32, count, width)

    def risk(values):
        made = ViewTables(values, targets_of(values, y, loss, False), np.full(VIEWS, 1.0 / VIEWS), loss)
        return made.mixture(np.arange(count), np.log(lambdas))[0]

    direction = normals(KEY, 33, count * VIEWS, width).reshape(table.shape)
    slope = (risk(table + 1e-6 * direction) - risk(table - 1e-6 * direction)) / 2e-6
    assert abs((output_slopes(table, y, lambdas, loss) * direction).sum() - slope) < FINITE_DIFFERENCE


C4 = cyclic(4)
RHO = C4.vector() + C4.trivial()


def upright(count):
    """Points of the cone |x2| < x1 with a class, and the same points turned: a problem with an upright side."""
    x = normals(KEY, 34, count, 3)
    x[:, 0] = np.abs(x[:, 1]) + np.abs(x[:, 0]) + 0.2
    labels = (x[:, 2] + 0.5 * x[:, 1] > 0.0).astype(int)
    return x, labels, RHO.act(np.arange(count) % 4, x)


def classifier(x):
    """Logits that are right on the cone, and sure of the wrong class elsewhere."""
    side = 4.0 * (x[:, 2] + 0.5 * x[:, 1]) - 8.0 * (x[:, 0] < np.abs(x[:, 1]))
    return np.stack([0.0 * side, side], axis=1)


FITS = {
    "network": NetworkFit((8,), AdamTraining(epochs=40, batch_size=20)),
    "ensemble": EnsembleFit(mf.UVUnit("tanh", trivial().trivial(3), trivial().trivial(1)), n=64, alpha=200.0),
}


@pytest.mark.parametrize("fit", FITS)
def test_fitted_weights_find_the_side_that_a_model_knows(fit):
    x, labels, turned = upright(240)
    mean = mf.symmetrise(classifier, RHO)
    read = mf.fit_weights(mean, x[:120], labels[:120], by=FITS[fit])
    right = (read(turned[120:]).argmax(axis=1) == labels[120:]).mean()
    assert right > 0.9
    assert (mean(turned[120:]).argmax(axis=1) == labels[120:]).mean() < right - 0.2
    assert (read(x[120:]).argmax(axis=1) == labels[120:]).mean() == right
    again = mf.fit_weights(mean, x[:120], labels[:120], by=FITS[fit])
    assert np.array_equal(again(turned), read(turned))
    other = mf.symmetrise(classifier, RHO, how="lambda", weights=read.weights)
    assert np.array_equal(other(turned), read(turned))
    one_hot = mf.fit_weights(mean, x[:120], np.eye(2)[labels[:120]], by=FITS[fit])
    assert np.array_equal(one_hot(turned), read(turned))


def test_features_and_probabilities_of_the_model_are_taken():
    x, labels, turned = upright(240)

    def chances(v):
        grown = np.exp(classifier(v))
        return grown / grown.sum(axis=1, keepdims=True)

    mean = mf.symmetrise(chances, RHO, batch_size=50)
    read = mf.fit_weights(
        mean, x[:120], labels[:120], probabilities=True, features=lambda v: v[:, :2], by=FITS["network"]
    )
    assert (read(turned[120:]).argmax(axis=1) == labels[120:]).mean() > 0.9
    assert read.batch_size == 50
    assert read.weights.centre.shape == (2,)


@pytest.mark.parametrize("loss", KINDS)
def test_the_backbone_is_trained_on_through_the_weighted_mean(loss):
    """Phase two lowers the loss of the mixture that phase one left, on outputs that the group moves."""
    group = dihedral(4)
    rho_x, rho_y = group.vector(), group.vector()
    network = ScoreNetwork.drawn((2, 6, 2), 4)
    x = normals(KEY, 35, 40, 2)
    if loss == "cross-entropy":
        rho_x, rho_y, y = group.vector(), group.trivial(2), ((x**2).sum(axis=1) > 1.5).astype(int)
    else:
        y = x * (1.0 + (x**2).sum(axis=1, keepdims=True))
    mean = mf.symmetrise(network, rho_x, rho_y)
    fit = NetworkFit((), AdamTraining(5, 20))
    first = mf.fit_weights(mean, x, y, loss=loss, by=fit)
    second = mf.fit_weights(mean, x, y, loss=loss, by=fit, backbone=AdamTraining(60, 20, 1e-2, 0.0))

    def risk(read):
        table = read.orbit(x)
        targets = targets_of(table.table, y, loss, False)
        made = ViewTables(targets, targets, np.full(8, 0.125), loss)
        return made.mixture(np.arange(40), np.log(table.weights))[0]

    assert risk(second) < 0.8 * risk(first)
    assert np.array_equal(network(x), first.model(x))
    moved = second(x @ rho_x(np.array(5)).T) - second(x) @ rho_y(np.array(5)).T
    assert np.abs(moved).max() < ALGEBRA


BAD = {
    "labels": (lambda m, x: mf.fit_weights(m, x, np.full(4, 2)), "y must be class numbers from 0 to 1 or one-hot rows"),
    "fractions": (lambda m, x: mf.fit_weights(m, x, np.full(4, 0.5)), "y must be class numbers from 0 to 1"),
    "rows": (lambda m, x: mf.fit_weights(m, x, np.ones(3)), "y must have one row for each of 4 inputs"),
    "targets": (
        lambda m, x: mf.fit_weights(m, x, np.ones((4, 3)), loss="quadratic"),
        "y must be rows of length 2 as the outputs are, got shape",
    ),
    "a loss": (lambda m, x: mf.fit_weights(m, x, np.ones(4), loss="hinge"), "loss must be one of cross-entropy, quad"),
    "logits as probabilities": (
        lambda m, x: mf.fit_weights(m, x, np.ones(4), probabilities=True),
        "probabilities must be finite and not negative",
    ),
    "a backbone that is no network": (
        lambda m, x: mf.fit_weights(m, x, np.ones(4), backbone=AdamTraining()),
        "backbone needs a model that is a ScoreNetwork of logits",
    ),
    "a canonical read-out": (
        lambda m, x: mf.fit_weights(
            mf.symmetrise(classifier, RHO, how="canonical", frame=lambda v: np.zeros(len(v), dtype=int)), x, np.ones(4)
        ),
        "weights are fitted over a whole orbit: hand over an equitune read-out, got canonical",
    ),
    "outputs that are no rows": (
        lambda m, x: mf.fit_weights(mf.symmetrise(lambda v: v[:, 0], RHO), x, np.ones(4)),
        "the model must give rows \\(R, c\\) to fit weights, got shape \\(16,\\)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_fitted_is_refused_in_one_line(case):
    attempt, words = BAD[case]
    with pytest.raises(MfsymError, match=words) as caught:
        attempt(mf.symmetrise(classifier, RHO), upright(4)[0])
    assert "\n" not in str(caught.value)


def test_weights_that_diverge_say_so():
    x, labels, _ = upright(40)
    far = EnsembleFit(mf.UVUnit("relu", trivial().trivial(3), trivial().trivial(1)), n=4, alpha=1e300)
    with pytest.raises(Diverged, match="the weights diverged at step"):
        mf.fit_weights(mf.symmetrise(classifier, RHO), x, labels, by=far)
