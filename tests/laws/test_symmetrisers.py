"""Laws of read-outs: any model, read over the orbit of its input, over the catalogue of groups."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest

import mfsym as mf
from mfsym.groups import Group, cyclic, dihedral, so, symmetric
from mfsym.groups.characters import components
from mfsym.representations import Representation
from mfsym.schemes import Orbit
from mfsym.streams import normals, stream_key
from tests.tolerances import FLAT, ROUNDOFF, SPLIT

KEY = stream_key(19, "init")
ROWS, HIDDEN = 12, 7


@dataclass(frozen=True)
class Setting:
    """A group acting on inputs and outputs, and models between them that know nothing of it."""

    id: str
    group: Group
    trivial_outputs: bool

    @cached_property
    def rho_x(self) -> Representation:
        return 2 * self.group.vector()

    @cached_property
    def rho_y(self) -> Representation:
        return self.group.trivial(3) if self.trivial_outputs else self.group.vector()

    @property
    def x(self) -> np.ndarray:
        return normals(KEY, 1, ROWS, self.rho_x.dim)

    def model(self, x: np.ndarray) -> np.ndarray:
        """A generic map for a finite group; for another, generic polynomials of degree 2, which its rule integrates."""
        d, c = self.rho_x.dim, self.rho_y.dim
        inside = x @ normals(KEY, 2, d, HIDDEN)
        inside = np.tanh(inside) if self.group.order is not None else inside + 0.3 * inside**2
        return inside @ normals(KEY, 3, HIDDEN, c) + normals(KEY, 4, 1, c)

    def weights(self, x: np.ndarray) -> np.ndarray:
        """A positive function that is not invariant; of degree 2 where the group is infinite."""
        side = x @ normals(KEY, 5, self.rho_x.dim, 1)[:, 0]
        return np.exp(side) if self.group.order is not None else 0.1 + side**2

    def equivariant(self, x: np.ndarray) -> np.ndarray:
        """An equivariant model: invariants of two vectors times both, or invariants alone."""
        a, b = np.split(x, 2, axis=1)
        inner = [(a * a).sum(axis=1), (a * b).sum(axis=1), (b * b).sum(axis=1)]
        if self.trivial_outputs:
            return np.stack(inner, axis=1)
        return np.sin(inner[1])[:, None] * a + np.cos(inner[0])[:, None] * b

    def frame(self, x: np.ndarray) -> np.ndarray:
        """h with h(g x) = g h(x): the element whose inverse brings x nearest to a generic direction, or a frame."""
        if self.group.order is not None:
            everyone = np.arange(self.group.order)
            views = np.einsum("kij,bj->bki", self.rho_x(self.group.inverse(everyone)), x)
            return (views @ normals(KEY, 6, self.rho_x.dim, 1)[:, 0]).argmax(axis=1)
        a, b = np.split(x, 2, axis=1)
        first = a / np.linalg.norm(a, axis=1, keepdims=True)
        if self.group.degree == 2:
            return np.stack([first, np.stack([-first[:, 1], first[:, 0]], axis=1)], axis=2)
        third = np.cross(first, b)
        third /= np.linalg.norm(third, axis=1, keepdims=True)
        return np.stack([first, np.cross(third, first), third], axis=2)

    @property
    def thetas(self) -> np.ndarray:
        """A list of a few elements, no subgroup."""
        return self.group.haar(KEY, 7, 3) if self.group.order is None else np.arange(min(3, self.group.order))

    @property
    def order(self) -> int | None:
        """A degree that the means of these models and weights need."""
        return None if self.group.order is not None else 6

    def read(self, model, how: str, **options) -> mf.schemes.symmetrisers.Symmetriser:
        if how == "canonical":
            options = {"frame": self.frame, "thetas": self.thetas, "weights": self.weights} | options
        else:
            options = {"order": self.order} | ({"weights": self.weights} if how == "lambda" else {}) | options
        return mf.symmetrise(model, self.rho_x, self.rho_y, how, **options)

    @property
    def moves(self) -> np.ndarray:
        """Elements to move inputs by: all of a finite group, Haar draws of another."""
        return self.group.haar(KEY, 8, 4) if self.group.order is None else np.arange(self.group.order)

    def __str__(self) -> str:
        return self.id


GROUPS = {
    "C_2": cyclic(2),
    "C_4": cyclic(4),
    "D_4": dihedral(4),
    "S_3": symmetric(3),
    "SO(2)": so(2),
    "SO(3)": so(3),
}
SETTINGS = [
    Setting(f"{name}-{'trivial' if still else 'vector'}", group, still)
    for name, group in GROUPS.items()
    for still in (False, True)
]
FINITE = [setting for setting in SETTINGS if setting.group.order is not None]
VECTORS = [setting for setting in SETTINGS if not setting.trivial_outputs]
HOWS = ("equitune", "lambda", "equizero", "canonical")


def _unequal(function, setting: Setting) -> float:
    """Largest |F(g x) - rho_hat_g F(x)| over some g, relative to F."""
    base, worst = function(setting.x), 0.0
    for g in setting.moves:
        moved = function(setting.x @ setting.rho_x(g).T)
        worst = max(worst, float(np.abs(moved - base @ setting.rho_y(g).T).max()))
    return worst / float(np.abs(base).max())


@pytest.mark.parametrize(
    ("setting", "how"),
    [(one, how) for one in SETTINGS for how in HOWS if how != "equizero" or one.group.order is not None],
    ids=str,
)
def test_read_outs_are_equivariant_and_their_models_are_not(setting, how):
    assert _unequal(setting.read(setting.model, how), setting) < ROUNDOFF
    assert _unequal(setting.model, setting) > SPLIT


def test_equizero_over_a_cyclic_rule_of_the_circle_is_equivariant_on_its_nodes_alone():
    setting = SETTINGS[8]
    read = setting.read(setting.model, "equizero")
    node, between = so(2).quadrature(6).elements[2], so(2).haar(KEY, 8, 1)[0]
    for g, equal in ((node, True), (between, False)):
        error = np.abs(read(setting.x @ setting.rho_x(g).T) - read(setting.x) @ setting.rho_y(g).T).max()
        assert (error < ROUNDOFF * np.abs(read(setting.x)).max()) == equal


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_an_equivariant_model_comes_back_unchanged(setting, how):
    expected = setting.equivariant(setting.x)
    error = np.abs(setting.read(setting.equivariant, how)(setting.x) - expected).max()
    assert error < ROUNDOFF * np.abs(expected).max()


@pytest.mark.parametrize("setting", VECTORS, ids=str)
def test_the_canonical_formula_needs_its_theta(setting):
    """Without theta^-1 it is still equivariant, but changes a model that is equivariant already."""
    group = setting.group

    def circulated(x: np.ndarray) -> np.ndarray:
        frames, total, shares = setting.frame(x), 0.0, 0.0
        for theta in setting.thetas:
            many = np.broadcast_to(theta, frames.shape)
            turns = setting.rho_x(group.multiply(many, group.inverse(frames)))
            views = np.einsum("bij,bj->bi", turns, x)
            share = setting.weights(views)[:, None]
            total = total + share * np.einsum("bij,bj->bi", setting.rho_y(frames), setting.equivariant(views))
            shares = shares + share
        return total / shares

    assert _unequal(circulated, setting) < ROUNDOFF
    expected = setting.equivariant(setting.x)
    assert np.abs(circulated(setting.x) - expected).max() > 0.1
    assert np.abs(setting.read(setting.equivariant, "canonical")(setting.x) - expected).max() < ROUNDOFF * 10.0


@pytest.mark.parametrize("setting", VECTORS, ids=str)
def test_the_invariant_form_hands_out_what_the_model_says_of_the_frame(setting):
    read = setting.read(setting.model, "canonical", form="invariant")
    base = read(setting.x)
    for g in setting.moves:
        assert np.abs(read(setting.x @ setting.rho_x(g).T) - base).max() < ROUNDOFF * np.abs(base).max()


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_constant_weights_give_the_read_out_of_feature_averaging(setting):
    orbit = Orbit(setting.rho_x, setting.rho_y, setting.order)
    expected = orbit.average(setting.model, setting.x)
    scale = np.abs(orbit.table(setting.model, setting.x)).max()
    flat = setting.read(setting.model, "lambda", weights=lambda x: np.full(len(x), 0.7))
    for read in (setting.read(setting.model, "equitune"), flat):
        assert np.abs(read(setting.x) - expected).max() < ROUNDOFF * scale
    assert np.abs(setting.read(setting.model, "lambda")(setting.x) - expected).max() > SPLIT


@pytest.mark.parametrize("setting", FINITE, ids=str)
def test_the_indicator_of_the_best_view_gives_equizero(setting):
    read = setting.read(setting.model, "equizero")
    table = read.orbit(setting.x)
    best = table.outputs.max(axis=2) == table.outputs.max(axis=2).max(axis=1, keepdims=True)
    assert (best.sum(axis=1) == 1).all()
    assert np.array_equal(best, table.weights == 1.0)

    def indicator(views: np.ndarray) -> np.ndarray:
        scores = setting.model(views).max(axis=1).reshape(ROWS, -1)
        return (scores == scores.max(axis=1, keepdims=True)).ravel().astype(np.float64)

    weighed = setting.read(setting.model, "lambda", weights=indicator)(setting.x)
    assert np.abs(weighed - read(setting.x)).max() < ROUNDOFF


@pytest.mark.parametrize("setting", FINITE, ids=str)
def test_lambda_minimises_the_weighted_squares_over_the_orbit(setting):
    table = setting.read(setting.model, "lambda").orbit(setting.x)
    matrices = setting.rho_y(table.elements)

    def cost(value: np.ndarray) -> np.ndarray:
        apart = table.outputs - np.einsum("kij,bj->bki", matrices, value)
        return np.einsum("bk,bkc->b", table.weights, apart**2)

    least = cost(table.value)
    for step in range(8):
        nearby = table.value + 1e-3 * normals(KEY, 20 + step, ROWS, setting.rho_y.dim)
        assert (cost(nearby) > least).all()
    centre = setting.read(setting.model, "equitune")(setting.x)
    assert (cost(centre) > least).all()


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("setting", FINITE, ids=str)
def test_a_read_out_is_no_farther_from_an_equivariant_map_than_its_model(setting, how):
    epsilon = 0.05

    def near(x: np.ndarray) -> np.ndarray:
        noise = np.sin(40.0 * x @ normals(KEY, 9, setting.rho_x.dim, setting.rho_y.dim) + 1.0)
        return setting.equivariant(x) + epsilon * noise / np.linalg.norm(noise, axis=1, keepdims=True)

    far = np.linalg.norm(setting.read(near, how)(setting.x) - setting.equivariant(setting.x), axis=1)
    assert (far <= epsilon * (1.0 + ROUNDOFF)).all()
    assert far.max() > SPLIT


@pytest.mark.parametrize("setting", FINITE, ids=str)
def test_the_energy_over_the_orbit_is_the_sum_over_irreps(setting):
    table = setting.read(setting.model, "equitune").orbit(setting.x)
    parts = table.defects()
    whole = (table.table**2).sum(axis=2).mean(axis=1)
    assert np.abs(sum(parts.values()) - whole).max() < ROUNDOFF * whole.max()
    assert np.abs(parts["trivial"] - (table.value**2).sum(axis=1)).max() < ROUNDOFF * whole.max()
    assert min(part.min() for part in parts.values()) > -ROUNDOFF * whole.max()
    others = sum(part for name, part in parts.items() if name != "trivial")
    assert np.abs(others - (table.spread**2).sum(axis=1)).max() < ROUNDOFF * whole.max()
    assert others.min() > SPLIT
    still = setting.read(setting.equivariant, "equitune").orbit(setting.x).defects()
    assert max(np.abs(part).max() for name, part in still.items() if name != "trivial") < ROUNDOFF * whole.max()


@pytest.mark.parametrize("name", GROUPS)
def test_components_are_those_of_the_group(name):
    group = GROUPS[name]
    ranks = {"C_2": [1, 1], "C_4": [1, 1, 2], "D_4": [1, 1, 1, 1, 4], "S_3": [1, 1, 4]}
    if group.order is None:
        parts = components(group, 2)
        assert [part.rank for part in parts] == ([1, 2, 2] if name == "SO(2)" else [1, 9, 25])
        rule = group.quadrature(8)
    else:
        parts, rule = components(group), group.quadrature()
        assert [part.rank for part in parts] == ranks[name]
    for a in parts:
        for b in parts:
            inner = rule.weights @ (a.kernel(rule.elements) * b.kernel(rule.elements))
            assert inner == pytest.approx(a.rank if a is b else 0.0, abs=FLAT)


def test_a_component_is_where_its_representation_lies():
    """C_4 on R^2 is a pair of charges 1; the sign of C_4 is the other real one; D_4's vector is its 2a."""
    group = cyclic(4)
    for rho, name in ((group.vector(), "2a"), (group.sign(), "1a"), (group.trivial(), "trivial")):
        direction = normals(KEY, 10, rho.dim, 1)[:, 0]
        table = mf.symmetrise(lambda x, u=direction: (x @ u)[:, None], rho).orbit(normals(KEY, 11, 5, rho.dim))
        parts = table.defects()
        whole = sum(parts.values())
        assert np.abs(parts[name] - whole).max() < ROUNDOFF * whole.max()


@pytest.mark.parametrize("name", ["SO(2)", "SO(3)"])
def test_a_rule_of_degree_l_makes_means_exact_and_variances_need_twice_that(name):
    """A model of degree 2 in a vector, with a number as output: T has degree 2, and |T|^2 degree 4."""
    group = GROUPS[name]
    rho = group.vector()
    one, two = normals(KEY, 12, 2, rho.dim)
    x = normals(KEY, 13, ROWS, rho.dim)

    def orbit(order: int):
        return mf.symmetrise(lambda v: (v @ one + (v @ two) ** 2)[:, None], rho, order=order).orbit(x)

    right, half, whole = orbit(12), orbit(2), orbit(4)
    assert np.abs(half.mean - right.mean).max() < ROUNDOFF * 10.0
    assert np.abs(whole.spread - right.spread).max() < ROUNDOFF * 10.0
    assert np.abs(orbit(1).mean - right.mean).max() > SPLIT
    assert np.abs(half.spread - right.spread).max() > SPLIT
    energy = np.einsum("k,bkc->b", right.rule.weights, right.table**2)
    assert np.abs(sum(right.defects(2).values()) - energy).max() < ROUNDOFF * energy.max()
    assert np.abs(sum(right.defects(1).values()) - energy).max() > SPLIT


@pytest.mark.parametrize("setting", FINITE, ids=str)
def test_averaging_gains_its_own_distance_in_quadratic_risk(setting):
    """R(M) - R(Q_G M) = E|M - Q_G M|^2 on symmetrised samples with an equivariant target."""
    everyone = np.arange(setting.group.order)
    x = np.einsum("kij,bj->bki", setting.rho_x(everyone), setting.x).reshape(-1, setting.rho_x.dim)
    y, bare, read = setting.equivariant(x), setting.model(x), setting.read(setting.model, "equitune")(x)

    def risk(values: np.ndarray) -> float:
        return float(((values - y) ** 2).sum(axis=1).mean())

    gain = float(((bare - read) ** 2).sum(axis=1).mean())
    assert risk(bare) - risk(read) == pytest.approx(gain, rel=ROUNDOFF)
    one_sided = [float((part**2).sum(axis=1).mean()) for part in (bare - y, read - y, bare - read)]
    assert one_sided[0] - one_sided[1] > 0.0
    half = slice(0, None, setting.group.order)
    bare_half, read_half = (((part[half] - y[half]) ** 2).sum(axis=1).mean() for part in (bare, read))
    assert abs(bare_half - read_half - ((bare[half] - read[half]) ** 2).sum(axis=1).mean()) > SPLIT


@pytest.mark.parametrize("setting", [one for one in FINITE if one.id == "S_3-vector"], ids=str)
def test_at_a_stabiliser_ties_are_averaged(setting):
    """x = (a, a, b, c, c, d) is fixed by the transposition (0 1): the first minimiser alone breaks equivariance."""
    x = np.array([[0.3, 0.3, -0.9, 1.1, 1.1, 0.2]])
    read = setting.read(setting.model, "equizero")
    table = read.orbit(x)
    assert (table.weights > 0.0).sum() == 2
    first = table.table[0, table.chosen_node[0]]
    swap = setting.rho_y(setting.group.generators[0])
    assert np.abs(read(x)[0] - swap @ read(x)[0]).max() < ROUNDOFF
    assert np.abs(first - swap @ first).max() > 0.1


def test_a_kept_element_makes_an_invertible_model_invertible_and_y_alone_may_not():
    """C_6 on a plane of its own and two more: several x may be read as one y; the true one is always among them."""
    group = cyclic(6)
    rho = group.vector() + group.trivial()
    matrix = np.eye(3) + 0.8 * normals(KEY, 14, 3, 3)
    back = np.linalg.inv(matrix)
    read = mf.symmetrise(
        lambda x: x @ matrix.T, rho, rho, "equizero", proxy=lambda y: y[:, 0], inverse=lambda y: y @ back.T
    )
    x = normals(KEY, 15, 200, 3)
    y, kept = read(x), read.orbit(x).chosen
    assert np.abs(read.invert(y, kept) - x).max() < ROUNDOFF * 100.0
    others = group.multiply(kept, np.ones(200, dtype=int))
    assert np.abs(read.invert(y, others) - x).max() > SPLIT
    found = read.preimages(y)
    counts = np.array([len(rows) for rows in found])
    assert counts.min() >= 1
    assert counts.max() >= 2
    for rows, truth, value in zip(found, x, y, strict=True):
        assert np.abs(rows - truth).max(axis=1).min() < ROUNDOFF * 100.0
        assert np.abs(read(rows) - value).max() < ROUNDOFF * 100.0


class Speller:
    """An autoregressive model of 5 letters: scores of the next from the last two; C_5 shifts the alphabet."""

    letters = 5

    def __init__(self) -> None:
        self.table = 2.0 * normals(KEY, 16, self.letters**2, self.letters)

    def __call__(self, tokens: np.ndarray) -> np.ndarray:
        return self.table[tokens[:, -2] * self.letters + tokens[:, -1]]

    def greedy(self, tokens: np.ndarray, length: int) -> np.ndarray:
        for _ in range(length):
            tokens = np.append(tokens, self(tokens[None])[0].argmax())
        return tokens


def test_a_decode_is_one_the_model_makes_and_choosing_anew_is_not():
    group, model, length = cyclic(5), Speller(), 8
    contexts = np.stack([np.arange(25) // 5, np.arange(25) % 5], axis=1)

    def shift(element: int, tokens: np.ndarray) -> np.ndarray:
        return (tokens + element) % 5

    def logs(tokens: np.ndarray) -> np.ndarray:
        scores = model(tokens)
        return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))

    read = mf.symmetrise(model, shift, None, "equizero", group=group)
    decoded = read.decode(contexts, length)
    genuine = {
        tuple(shift(-g, model.greedy(shift(g, context), length))) for context in contexts for g in range(group.order)
    }
    assert all(tuple(row) in genuine for row in decoded.tokens)
    for g in range(5):
        moved = read.decode(shift(g, contexts), length).tokens
        assert np.array_equal(moved, shift(g, decoded.tokens))

    anew, averaged = [], []
    for context in contexts:
        rows = [np.array(context), np.array(context)]
        for _ in range(length):
            views = [np.stack([shift(g, row) for g in range(5)]) for row in rows]
            chances = [np.exp(logs(view)) for view in views]
            best = int(chances[0].max(axis=1).argmax())
            mixed = np.mean([np.roll(chances[1][g], -g) for g in range(5)], axis=0)
            rows = [np.append(rows[0], (chances[0][best].argmax() - best) % 5), np.append(rows[1], mixed.argmax())]
        anew.append(tuple(rows[0]))
        averaged.append(tuple(rows[1]))
    assert not any(row in genuine for row in anew)
    assert not any(row in genuine for row in averaged)
