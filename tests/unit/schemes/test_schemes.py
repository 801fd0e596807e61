"""mfsym.schemes: what each scheme does to batches, particles and predictions."""

import numpy as np
import pytest

from mfsym.data.teachers import reference_teacher, reference_unit
from mfsym.dynamics import NoisySGD
from mfsym.dynamics.resnets import ResNetSGD, predict
from mfsym.errors import MfsymError
from mfsym.flows.populations import Population
from mfsym.groups import so
from mfsym.schemes import SCHEMES, LiftedBatches, Orbit, Scheme, get_scheme
from mfsym.schemes import training as module
from mfsym.streams import normals, stream_key
from mfsym.units import UVUnit
from tests.catalogue import CASES, FINITE, INTEGRABLE
from tests.tolerances import ALGEBRA, SPLIT, STAT

HAAR = stream_key(6, "haar")
KEY = stream_key(6, "data")


def _batches(unit, steps=3, batch=4):
    x = normals(KEY, 0, steps * batch, unit.d).reshape(steps, batch, unit.d)
    y = normals(KEY, 1, steps * batch, unit.c).reshape(steps, batch, unit.c)
    return x, y


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("case", INTEGRABLE, ids=str)
def test_lifted_batches_have_the_stated_shapes_and_masses(case, name):
    unit = case.unit
    x, y = _batches(unit)
    scheme = get_scheme(name, unit)
    lifted = scheme.lift(x, y, HAAR, 5)
    K = len(unit.rho_x.group.quadrature())
    nodes, repeats = (K if name == "fa" else 1), (K if name == "da" else 1)
    assert scheme.name == name
    assert lifted.x.shape == (3, 4 * repeats, nodes, unit.d)
    assert lifted.y.shape == (3, 4 * repeats, unit.c)
    assert lifted.rho_y.shape == (nodes, unit.c, unit.c)
    assert abs(lifted.node_weights.sum() - 1.0) < ALGEBRA
    assert abs(lifted.sample_weights.sum() - 1.0) < ALGEBRA
    assert lifted.node_weights.shape == (nodes,)
    assert lifted.sample_weights.shape == (4 * repeats,)


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("case", FINITE, ids=str)
def test_the_prediction_of_a_lifted_batch_is_the_model_of_the_scheme(case, name):
    unit = case.unit
    x, y = _batches(unit, steps=1)
    z = normals(KEY, 2, 5, unit.p)
    scheme = get_scheme(name, unit)
    lifted = scheme.lift(x, y, HAAR, 0)
    outputs = np.stack(
        [unit.predict(lifted.x[0, :, k], scheme.particles(z)) @ rho for k, rho in enumerate(lifted.rho_y)]
    )
    prediction = np.einsum("k,kbc->bc", lifted.node_weights, outputs)
    assert np.abs(prediction - scheme.read(lifted.x[0, :, 0] if name != "fa" else x[0], z)).max() < ALGEBRA


@pytest.mark.parametrize("case", FINITE, ids=str)
def test_da_presents_every_sample_with_all_its_images(case):
    unit = case.unit
    x, y = _batches(unit)
    lifted = get_scheme("da", unit).lift(x, y, HAAR, 0)
    K = case.group.order
    for k, (g, h) in enumerate(zip(unit.rho_x.matrices, unit.rho_y.matrices, strict=True)):
        assert np.abs(lifted.x.reshape(3, 4, K, unit.d)[:, :, k] - x @ g.T).max() < ALGEBRA
        assert np.abs(lifted.y.reshape(3, 4, K, unit.c)[:, :, k] - y @ h.T).max() < ALGEBRA


@pytest.mark.parametrize("case", CASES, ids=str)
def test_sampled_da_moves_inputs_and_outputs_by_the_same_element(case):
    unit = case.unit
    x, y = _batches(unit)
    lifted = get_scheme("da-sampled", unit).lift(x, y, HAAR, 7)
    draws = case.group.haar(HAAR, 0, 10 * 4)[7 * 4 :]
    assert np.abs(lifted.x.reshape(12, -1) - _move(unit.rho_x(draws), x)).max() < ALGEBRA
    assert np.abs(lifted.y.reshape(12, -1) - _move(unit.rho_y(draws), y)).max() < ALGEBRA


def _move(matrices, values):
    return np.einsum("nij,nj->ni", matrices, values.reshape(len(matrices), -1))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_haar_draws_belong_to_their_step_whatever_the_chunk(case, monkeypatch):
    monkeypatch.setattr(module, "HAAR_DRAWS", 16)
    unit = case.unit
    x, y = _batches(unit, steps=9)
    scheme = get_scheme("da-sampled", unit)
    whole = scheme.lift(x, y, HAAR, 2)
    for first, steps in [(0, 1), (1, 5), (6, 3)]:
        part = scheme.lift(x[first : first + steps], y[first : first + steps], HAAR, 2 + first)
        assert np.array_equal(part.x, whole.x[first : first + steps])
        assert np.array_equal(part.y, whole.y[first : first + steps])
    if case.group.order != 1:
        assert not np.array_equal(scheme.lift(x, y, HAAR, 3).x, whole.x)
        assert not np.array_equal(scheme.lift(x, y, stream_key(7, "haar"), 2).x, whole.x)


def test_sampled_da_draws_every_element_equally_often():
    unit = reference_unit()
    x = np.tile([1.0, 0.0], (2000, 1, 1))
    lifted = get_scheme("da-sampled", unit).lift(x, x, HAAR, 0)
    swapped = lifted.x[:, 0, 0, 1].mean()
    assert abs(swapped - 0.5) * 2.0 * np.sqrt(2000) < STAT
    assert abs(swapped - 0.6) * 2.0 * np.sqrt(2000) > STAT


@pytest.mark.parametrize("name", SCHEMES)
def test_only_ea_projects(name):
    unit = reference_unit()
    scheme = get_scheme(name, unit)
    z = normals(KEY, 2, 5, unit.p)
    if name == "ea":
        assert np.abs(scheme.projector - unit.fixed_subspace.projector).max() < ALGEBRA
        assert unit.fixed_subspace.contains(scheme.particles(z))
    else:
        assert scheme.projector is None
        assert np.array_equal(scheme.particles(z), z)


@pytest.mark.parametrize("case", FINITE, ids=str)
def test_orbit_tables_are_constant_exactly_for_equivariant_models(case):
    unit = case.unit
    orbit, x, z = Orbit(unit.rho_x, unit.rho_y), normals(KEY, 3, 4, unit.d), normals(KEY, 4, 3, unit.p)
    table = orbit.table(lambda points: get_scheme("fa", unit).read(points, z), x)
    assert np.abs(table - table[0]).max() < ALGEBRA
    bare = orbit.table(lambda points: unit.predict(points, z), x)
    assert (np.abs(bare - bare[0]).max() > SPLIT) == (case.group.order > 1)
    assert np.abs(orbit.average(lambda points: unit.predict(points, z), x) - bare.mean(axis=0)).max() < ALGEBRA


def test_the_order_of_the_rule_is_chosen_for_infinite_groups():
    unit = UVUnit("sigmoid", so(2).vector(), so(2).vector())
    x, z = normals(KEY, 3, 4, 2), normals(KEY, 4, 3, 4)
    low, high, higher = (get_scheme("fa", unit, order=order).read(x, z) for order in (2, 30, 40))
    assert np.abs(high - higher).max() < ALGEBRA
    assert np.abs(low - higher).max() > np.abs(high - higher).max()


def test_unknown_schemes_are_refused():
    with pytest.raises(MfsymError, match="one of vanilla, da, da-sampled, fa, ea, got 'pairs'"):
        get_scheme("pairs", reference_unit())
    assert list(SCHEMES) == ["vanilla", "da", "da-sampled", "fa", "ea"]


class Mine(Scheme):
    """A user's scheme: feature averaging written from the hooks alone, under a name that nothing knows."""

    name = "mine"

    @property
    def readout(self):
        return self.orbit

    def lift(self, x, y, key, first_step):
        weights = np.full(x.shape[1], 1.0 / x.shape[1])
        images = self.orbit.images(self.orbit.nodes_x, x)
        return LiftedBatches(images, y, self.orbit.nodes_y, self.orbit.weights, weights)


class Drawn(get_scheme("da-sampled", reference_unit()).__class__):
    """A user's variant of sampled augmentation."""

    name = "drawn"


def test_dynamics_flows_and_networks_ask_a_scheme_by_property_and_not_by_name():
    unit, teacher, z = reference_unit(), reference_teacher("arbitrary"), normals(KEY, 5, 6, 4)
    options = {"alpha": 1.0, "beta": 0.0, "dtype": "float64"}
    ends = {}
    for scheme in (Mine(unit), "fa", "vanilla"):
        dynamics = NoisySGD(unit, scheme, teacher, **options)
        network = ResNetSGD(unit, scheme, teacher, depth=2, **options)
        population = Population(unit, scheme, teacher, order=20)
        ends[getattr(scheme, "name", scheme)] = (
            dynamics.step(dynamics.init(z), 3).z,
            network.step(network.init(np.stack([z, -z])), 3).z,
            predict(network.scheme, z[:, :2], np.stack([z, -z])),
            population.gradient(z)[0],
            dynamics.scheme.read(z[:, :2], z),
        )
    for mine, known, plain in zip(*ends.values(), strict=True):
        assert np.array_equal(mine, known)
        assert np.abs(mine - plain).max() > SPLIT


def test_a_random_scheme_shares_the_population_risk_of_its_mean():
    unit, teacher, z = reference_unit(), reference_teacher("arbitrary"), normals(KEY, 5, 6, 4)
    slopes = [Population(unit, scheme, teacher, order=20).gradient(z)[0] for scheme in (Drawn(unit), "da", "vanilla")]
    assert np.array_equal(slopes[0], slopes[1])
    assert np.abs(slopes[0] - slopes[2]).max() > SPLIT


def test_schemes_that_need_a_quadrature_say_so():
    assert [name for name, scheme in SCHEMES.items() if scheme.needs_quadrature] == ["da", "fa"]
