"""mfsym.data.losses: values, slopes as the engine uses them, invariance, targets, refusals."""

import numpy as np
import pytest

from mfsym.data.losses import LOSSES, get_loss
from mfsym.dynamics import NoisySGD
from mfsym.errors import MfsymError
from mfsym.groups import cyclic, dihedral, signed_permutations, so, symmetric
from mfsym.kernels.losses import cotangents, half_slopes
from mfsym.kernels.shallow import plan, workspace
from mfsym.kernels.steps import Batches
from mfsym.schemes import SCHEMES, get_scheme
from mfsym.streams import normals, stream_key, uniforms
from mfsym.units import MatrixUnit, MLPUnit, UVUnit
from tests import naive_mlp
from tests.tolerances import ALGEBRA, FINITE_DIFFERENCE, SPLIT
from tests.trainings import Sample

KEY = stream_key(23, "data")
C4, S3 = cyclic(4), symmetric(3)


def _targets(loss, count, c):
    if loss == "cross-entropy":
        weights = uniforms(KEY, 1, count, c) + 0.05
        return weights / weights.sum(axis=1, keepdims=True)
    if loss == "logistic":
        return np.where(uniforms(KEY, 2, count, c) < 0.5, -1.0, 1.0)
    return normals(KEY, 3, count, c)


@pytest.mark.parametrize("loss", LOSSES)
def test_cotangents_equal_their_twin_and_are_slopes_of_the_values(loss):
    B, K, c = 5, 3, 4
    y, phi = _targets(loss, B, c), 2.0 * normals(KEY, 4, B * K, c).reshape(B, K, c)
    rho = np.stack([np.eye(c)[::-1], np.roll(np.eye(c), 1, axis=0), np.eye(c)])
    masses = [uniforms(KEY, 5, size, 1)[:, 0] for size in (K, B)]
    weights = [mass / mass.sum() for mass in masses]
    shape = plan((0, 0), 7, 8, 2, c, 16, 8)
    work = workspace(shape, c, 16, 0, np.float64)
    work.phi[0, : B * K] = shape.n * phi.reshape(-1, c)
    batches = Batches(np.zeros((1, 16, 2)), y[None], rho[None], weights[0][None], weights[1])
    assert cotangents(shape, batches, 0, work, get_loss(loss).code)
    twin = naive_mlp.cotangents(loss, phi, y, rho, *weights).reshape(-1, c)
    assert np.abs(work.r[: B * K] - twin).max() < ALGEBRA

    def risk(values):
        prediction = np.einsum("k,kij,bki->bj", weights[0], rho, values)
        return weights[1] @ get_loss(loss).values(prediction, y)

    direction = normals(KEY, 6, B * K, c).reshape(phi.shape)
    slope = (risk(phi + 1e-6 * direction) - risk(phi - 1e-6 * direction)) / 2e-6
    assert abs(np.sum(twin.reshape(phi.shape) * direction) - slope) < FINITE_DIFFERENCE
    assert abs(slope) > SPLIT


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "quadratic"])
def test_slopes_stay_finite_for_large_predictions(loss):
    for size in (1.0, 40.0, 1000.0):
        e = size * np.array([1.0, -1.0, 0.5])
        half_slopes(get_loss(loss).code, e, np.array([0.0, 1.0, 0.0]))
        assert np.isfinite(e).all()
        assert np.abs(e).max() <= 1.0


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("loss", LOSSES)
def test_forces_are_derivatives_of_the_risk(loss, scheme):
    unit = MLPUnit("tanh", C4.vector(), C4.permutation(), [C4.regular()])
    x, y = 1.5 * normals(KEY, 7, 4, 2), _targets(loss, 4, 4)
    dynamics = NoisySGD(
        unit, scheme, Sample(x, y), alpha=1.0, tau=0.0, beta=0.0, batch_size=4, dtype="float64", loss=loss
    )
    start = dynamics.init(normals(KEY, 8, 3, unit.p))
    given = (start.z - dynamics.step(start).z) * len(start.z)
    model = get_scheme(scheme, unit)

    def risk(z):
        if scheme in ("da", "da-sampled"):
            lifted = model.lift(x[None], y[None], stream_key(0, "haar"), 0)
            return lifted.sample_weights @ get_loss(loss).values(unit.predict(lifted.x[0, :, 0], z), lifted.y[0])
        return get_loss(loss).values(model.read(x, z), y).mean()

    direction = normals(KEY, 9, *start.z.shape)
    slope = len(start.z) * (risk(start.z + 1e-5 * direction) - risk(start.z - 1e-5 * direction)) / 2e-5
    assert abs(np.sum(given * direction) - slope) < FINITE_DIFFERENCE * max(1.0, abs(slope))
    assert abs(slope) > SPLIT


@pytest.mark.parametrize(
    ("loss", "rho"),
    [
        ("quadratic", so(3).vector()),
        ("cross-entropy", S3.permutation()),
        ("cross-entropy", so(2).trivial(3)),
        ("logistic", S3.sign()),
        ("logistic", signed_permutations(2).vector()),
    ],
    ids=str,
)
def test_losses_are_invariant_where_they_are_accepted(loss, rho):
    get_loss(loss).check(rho)
    y, prediction = _targets(loss, 5, rho.dim), normals(KEY, 10, 5, rho.dim)
    for matrix in rho(rho.group.haar(KEY, 0, 4)):
        moved = get_loss(loss).values(prediction @ matrix.T, y @ matrix.T)
        assert np.abs(moved - get_loss(loss).values(prediction, y)).max() < ALGEBRA


@pytest.mark.parametrize(
    ("loss", "rho", "element"),
    [
        ("cross-entropy", S3.sign(), "of S_3"),
        ("cross-entropy", so(2).vector(), "A1"),
        ("logistic", dihedral(3).vector(), "of D_3"),
        ("logistic", so(2).vector(), "A1"),
    ],
    ids=str,
)
def test_groups_that_move_the_loss_are_refused_by_element(loss, rho, element):
    with pytest.raises(MfsymError, match=element):
        get_loss(loss).check(rho)
    unit = UVUnit("tanh", rho, rho)
    with pytest.raises(MfsymError, match=element):
        NoisySGD(unit, "vanilla", Sample(np.ones((1, rho.dim)), np.ones((1, rho.dim))), loss=loss)


def test_targets_that_are_none_are_refused():
    unit = MatrixUnit("identity", C4.vector(), C4.permutation())
    wrong = {"cross-entropy": 2.0 * np.eye(4), "logistic": 3.0 * np.eye(4)}
    for loss, y in wrong.items():
        dynamics = NoisySGD(unit, "vanilla", Sample(normals(KEY, 11, 4, 2), y), batch_size=4, loss=loss)
        with pytest.raises(MfsymError, match="targets of the"):
            dynamics.step(dynamics.init(np.zeros((3, unit.p))))
    with pytest.raises(MfsymError, match="loss must be one of"):
        get_loss("hinge")


@pytest.mark.parametrize(("loss", "c"), [("cross-entropy", 4), ("logistic", 1)])
def test_classes_are_learned(loss, c):
    """Four clusters under quarter turns, each its own class; inside and outside a circle for two classes."""
    x = np.tile(np.array([[2.0, 0.0], [0.0, 2.0], [-2.0, 0.0], [0.0, -2.0]]), (4, 1)) + 0.3 * normals(KEY, 12, 16, 2)
    y = np.tile(np.eye(4), (4, 1))
    rho_y = C4.permutation()
    if loss == "logistic":
        x[::2] *= 0.2
        y, rho_y = np.where(np.arange(16) % 2, -1.0, 1.0)[:, None], C4.trivial(1)
    unit = MLPUnit("relu", C4.vector(), rho_y, [C4.permutation() + C4.permutation()])
    dynamics = NoisySGD(unit, "ea", Sample(x, y), alpha=1.0, beta=0.0, batch_size=16, dtype="float64", loss=loss)
    start = dynamics.init(0.5 * normals(KEY, 13, 20, unit.p))
    end = dynamics.step(start, 2000)
    risks = [get_loss(loss).values(dynamics.scheme.read(x, state.z), y).mean() for state in (start, end)]
    assert risks[1] < 0.5 * risks[0]
    prediction = dynamics.scheme.read(x, end.z)
    right = prediction.argmax(axis=1) == y.argmax(axis=1) if c > 1 else (prediction * y > 0.0)[:, 0]
    assert right.all()
