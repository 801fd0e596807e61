"""Latent actions: array libraries, what is refused, parts that do not move."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest

import mfsym as mf
from mfsym.errors import MfsymError
from mfsym.groups import cyclic, dihedral, o, so, u1
from mfsym.latents import LatentAction
from mfsym.streams import normals, stream_key
from tests.tolerances import ROUNDOFF, SINGLE

KEY, ROWS = stream_key(22, "init"), 7
ACTIONS = {
    "SO(2)": LatentAction.parse("2 * charge(1) + charge(3) + trivial(2)"),
    "O(2)": LatentAction.parse("charge(1) + sign", "o(2)"),
    "C_5": LatentAction.parse("regular + trivial(1)", "cyclic(5)"),
    "D_3": LatentAction.parse("regular", "dihedral(3)"),
    "SO(3)": LatentAction.parse("irrep(0) + irrep(1) + irrep(2)", "so(3)"),
}
LIBRARIES = [
    pytest.param(name, marks=pytest.mark.skipif(find_spec(name) is None, reason=f"{name} is not installed: {extra}"))
    for name, extra in (("jax", "pip install 'mfsym[jax]'"), ("torch", "pip install 'mfsym[bench]'"))
]


def case(name):
    action = ACTIONS[name]
    return action, action.group.haar(stream_key(22, "haar"), 0, ROWS), normals(KEY, 0, ROWS, action.dim)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", ["SO(2)", "D_3"])
def test_other_libraries_give_the_numbers_of_numpy_in_their_own_arrays(library, name):
    action, g, z = case(name)
    expected = {way: getattr(action, way)(g, z) for way in ("act", "inverse")}
    make = import_module("torch").tensor if library == "torch" else import_module("jax.numpy").asarray
    rows, own = make(z.astype(np.float32)), make(g)
    for way, answer in expected.items():
        for elements in (g, own):
            moved = getattr(action, way)(elements, rows)
            assert type(moved).__module__.split(".")[0] in (library, "jaxlib")
            assert str(moved.dtype).endswith("float32")
            assert np.abs(np.asarray(moved) - answer).max() < 10.0 * SINGLE


@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed: pip install 'mfsym[jax]'")
@pytest.mark.parametrize("name", ACTIONS)
def test_jax_compiles_maps_and_differentiates_it(name):
    """Traced elements, row by row; the gradient of |rho_g z|^2 is 2 z because rho_g is orthogonal."""
    jax = import_module("jax")
    action, g, z = case(name)

    def both(elements, rows):
        moved = jax.vmap(action.act)(elements, rows)
        return (moved**2).sum(), (moved, action.inverse(elements, moved))

    compiled = jax.jit(jax.value_and_grad(both, argnums=1, has_aux=True))
    (_, (moved, back)), gradient = compiled(jax.numpy.asarray(g), jax.numpy.asarray(z, dtype=np.float32))
    assert np.abs(np.asarray(moved) - action.act(g, z)).max() < 10.0 * SINGLE
    assert np.abs(np.asarray(back) - z).max() < 10.0 * SINGLE
    assert np.abs(np.asarray(gradient) - 2.0 * z).max() < 10.0 * SINGLE


@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed: pip install 'mfsym[jax]'")
def test_jax_differentiates_angles():
    """The derivative of the first coordinate of a plane of charge m, at (1, 1), is -m (sin + cos)(m angle)."""
    jax = import_module("jax")
    action, angles = LatentAction(so(2).charge(3)), np.array([0.2, 0.9], dtype=np.float32)
    slope = jax.jit(jax.grad(lambda g: action.act(g, np.ones((2, 2), dtype=np.float32))[:, 0].sum()))(angles)
    assert np.abs(np.asarray(slope) + 3.0 * (np.sin(3.0 * angles) + np.cos(3.0 * angles))).max() < 10.0 * SINGLE


def test_the_parts_of_two_latents_are_mixed():
    action, _, z = case("SO(2)")
    other = z + 1.0
    mixed = action.mixed(z, other)
    assert np.abs(mixed[:, :6] - z[:, :6]).max() < ROUNDOFF
    assert np.abs(mixed[:, 6:] - other[:, 6:]).max() < ROUNDOFF
    average = ACTIONS["C_5"].mixed(np.zeros((1, 6)), np.eye(6)[:1])
    assert np.abs(average[0] - [0.2, 0.2, 0.2, 0.2, 0.2, 0.0]).max() < ROUNDOFF


def test_one_row_and_whole_numbers_are_latents():
    action = ACTIONS["SO(2)"]
    assert action.act(0.5, np.ones(8)).shape == (8,)
    assert (
        np.abs(action.act(np.pi, np.ones((1, 8), dtype=np.int64))[0] - [-1, -1, -1, -1, -1, -1, 1, 1]).max() < ROUNDOFF
    )


@pytest.mark.parametrize("z", [np.ones((3, 7)), np.ones((2, 3, 8)), np.ones(()), ["a"] * 8])
def test_latents_of_another_dimension_are_refused(z):
    with pytest.raises(MfsymError, match=r"latents must be rows of length 8|z must be"):
        ACTIONS["SO(2)"].act(0.5, z)


def test_only_representations_act():
    for wrong in (8, "charge(1)", so(2)):
        with pytest.raises(MfsymError, match="needs a Representation"):
            mf.LatentAction(wrong)
    with pytest.raises(MfsymError, match="from 0 to 6"):
        LatentAction(so(3).irrep(4) * so(3).irrep(3))


@pytest.mark.parametrize(
    ("rep", "g", "reason"),
    [
        (so(2).charge(1), [30.0, 40.0], "convert degrees to radians"),
        (so(2).charge(1), [np.nan, 0.0], "must be finite"),
        (so(2).charge(1), [0.1], "one element for each of 2 pairs"),
        (so(2).charge(1), np.ones((2, 3)), "got an array of shape"),
        (so(2).charge(1), np.ones((2, 2, 2)), "is not|in SO|must"),
        (u1(2).charge(1, 2), [0.1, 0.2], "2 angles in radians"),
        (cyclic(4).vector(), [0.5, 1.0], "whole numbers of steps of 1/4 turn: got 0.5"),
        (dihedral(3).regular(), [0.0, 6.0], "indices of elements, from 0 to 5: got 6"),
        (dihedral(3).regular(), [0.0, -1.0], "got -1"),
        (so(3).vector(), np.ones((2, 3, 3)), "rotation matrices"),
        (so(3).vector(), np.stack([np.eye(3), -np.eye(3)]), "SO\\(3\\)"),
        (o(3).vector(), np.ones((2, 2, 2)), "got an array of shape"),
    ],
)
def test_elements_outside_the_group_are_refused(rep, g, reason):
    with pytest.raises(MfsymError, match=reason) as caught:
        LatentAction(rep).checked(g, 2)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "rep", [so(2).charge(1), u1(2).charge(1, 1), cyclic(4).vector(), so(3).vector(), o(3).vector()]
)
def test_elements_of_the_group_pass(rep):
    g = rep.group.haar(stream_key(22, "haar"), 1, ROWS)
    assert np.array_equal(LatentAction(rep).checked(g, ROWS), g)


@pytest.mark.parametrize(
    ("rep", "g", "reason"),
    [
        (so(2).charge(1), np.zeros(5), "one element for each of 3 rows, or one for all"),
        (so(2).charge(1), np.zeros((4, 3, 3)), "one element for each of 3 rows"),
        (so(2).charge(1), [0.1, np.nan, 0.2], "got NaN or infinity"),
        (so(2).charge(1), np.full((3, 2, 2), 0.5), "must lie in SO"),
        (so(2).charge(1), np.full((3, 2, 2), 0.5, dtype=np.float32), "from orthogonal"),
        (so(2).charge(1), "turn", "g must be"),
        (u1(2).charge(1, 2), np.zeros((3, 3)), "2 angles in radians: got an array of shape"),
        (dihedral(3).vector(), -1, "indices of elements, from 0 to 5: got -1"),
        (dihedral(3).vector(), 1.7, "got 1.7"),
        (dihedral(3).vector(), [0, 9, 1], "got 9"),
        (dihedral(3).vector(), np.nan, "got NaN or infinity"),
        (cyclic(4).vector(), 1.5, "whole numbers of steps of 1/4 turn: got 1.5"),
        (cyclic(4).vector(), np.zeros((3, 1)), "one element for each of 3 rows"),
        (so(3).vector(), np.zeros(3), "rotation matrices"),
        (so(3).vector(), np.ones((3, 3)), "must lie in SO"),
        (o(3).vector(), np.stack([np.eye(3)] * 2), "one element for each of 3 rows"),
    ],
)
def test_elements_that_cannot_act_are_refused(rep, g, reason):
    action, z = LatentAction(rep), np.ones((3, rep.dim))
    for moved in (action.act, action.inverse):
        with pytest.raises(MfsymError, match=reason) as caught:
            moved(g, z)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rep", [so(2).charge(1), cyclic(4).vector(), dihedral(3).vector(), so(3).vector()])
def test_many_elements_act_on_one_row(rep):
    """An orbit; angles beyond a turn and steps beyond the order act too."""
    g = rep.group.haar(stream_key(22, "haar"), 2, ROWS)
    z, action = np.arange(1.0, rep.dim + 1.0), LatentAction(rep)
    rows = action.act(g, np.repeat(z[None], ROWS, axis=0))
    assert np.abs(action.act(g, z[None]) - rows).max() < ROUNDOFF
    if rep.group.name in ("SO(2)", "C_4"):
        turn = 2.0 * np.pi if rep.group.order is None else rep.group.order
        far = np.arange(ROWS) % 4
        same = far + 3 * turn
        assert np.abs(action.act(same, z[None]) - action.act(far, z[None])).max() < ROUNDOFF
