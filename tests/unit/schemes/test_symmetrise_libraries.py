"""Read-outs in PyTorch and JAX: the numbers of NumPy, in their own arrays, and gradients through them."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest

import mfsym as mf
from mfsym.groups import cyclic, dihedral, so
from mfsym.schemes.networks import ScoreNetwork
from mfsym.schemes.weights import LogWeights
from mfsym.streams import normals, stream_key
from tests.tolerances import FINITE_DIFFERENCE, SINGLE, SPLIT

KEY = stream_key(21, "init")
GROUPS = {"D_4": dihedral(4), "SO(2)": so(2)}
LIBRARIES = [
    pytest.param(name, marks=pytest.mark.skipif(find_spec(name) is None, reason=f"{name} is not installed: {extra}"))
    for name, extra in (("jax", "pip install 'mfsym[jax]'"), ("torch", "pip install 'mfsym[bench]'"))
]
HOWS = ("equitune", "lambda", "equizero", "canonical")


class Library:
    """What the tests need of PyTorch or JAX: arrays, functions, gradients."""

    def __init__(self, name: str, double: bool = False) -> None:
        self.name, self.double = name, double
        self.main = import_module(name)
        self.functions = self.main if name == "torch" else import_module("jax.numpy")

    def array(self, values: np.ndarray):
        """The values in the precision of the test."""
        kind = np.float64 if self.double else np.float32
        if self.name == "torch":
            return self.main.tensor(values.astype(kind))
        return self.functions.asarray(values.astype(kind))

    def gradient(self, function, x: np.ndarray) -> np.ndarray:
        """The gradient at x of a function of arrays to one number."""
        if self.name == "jax":
            return np.asarray(self.main.grad(function)(self.array(x)))
        point = self.array(x).requires_grad_(True)
        function(point).backward()
        return point.grad.numpy()


@pytest.fixture
def double():
    """JAX in double precision while a test takes differences."""
    if find_spec("jax") is None:
        yield
        return
    jax = import_module("jax")
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


def _readers(library, group, how, **options):
    """The same read-out of the same model in NumPy and in a library."""
    rho_x, rho_y = 2 * group.vector(), group.vector()
    mix, out, side = normals(KEY, 1, 4, 6), normals(KEY, 2, 6, 2), normals(KEY, 3, 4, 1)[:, 0]
    made = []
    for functions, array in ((np, np.asarray), (library.functions, library.array)):

        def same(values, x, array=array):
            return array(values.astype(x.dtype)) if isinstance(x, np.ndarray) else array(values)

        def model(x, functions=functions, same=same):
            return functions.tanh(x @ same(mix, x)) @ same(out, x)

        def weights(x, functions=functions, same=same):
            return functions.exp(x @ same(side, x))

        def frame(x):
            first = np.asarray(x, dtype=np.float64)[:, :2]
            if group.order is not None:
                views = np.einsum("kij,bj->bki", group.defining(group.inverse(np.arange(8))), first)
                return (views @ [1.0, 0.3]).argmax(axis=1)
            first = first / np.linalg.norm(first, axis=1, keepdims=True)
            return np.stack([first, np.stack([-first[:, 1], first[:, 0]], axis=1)], axis=2)

        chosen = {"lambda": {"weights": weights}, "canonical": {"frame": frame, "weights": weights}}.get(how, {})
        made.append(mf.symmetrise(model, rho_x, rho_y, how, **chosen, **options))
    return made


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_numbers_are_those_of_numpy_in_arrays_of_the_library(library, name, how):
    made = Library(library)
    ours, theirs = _readers(made, GROUPS[name], how)
    x = normals(KEY, 4, 9, 4).astype(np.float32)
    given = made.array(x)
    found = theirs(given)
    assert type(found) is type(given)
    assert found.dtype == given.dtype
    expected = ours(x)
    assert np.abs(np.asarray(found) - expected).max() <= SINGLE * np.abs(expected).max()
    assert np.array_equal(np.asarray(given), x)
    table = theirs.orbit(given)
    assert type(table.table) is type(given)
    assert np.array_equal(np.asarray(table.chosen), np.asarray(ours.orbit(x).chosen))


@pytest.mark.parametrize("how", ["equitune", "lambda", "equizero"])
def test_read_outs_are_compiled_by_jax(how):
    jax = pytest.importorskip("jax", reason="jax is not installed: pip install 'mfsym[jax]'")
    theirs = _readers(Library("jax"), dihedral(4), how)[1]
    x = jax.numpy.asarray(normals(KEY, 5, 9, 4).astype(np.float32))
    plain = np.asarray(theirs(x))
    assert np.abs(np.asarray(jax.jit(theirs)(x)) - plain).max() <= SINGLE * np.abs(plain).max()


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("how", HOWS[:3])
@pytest.mark.parametrize("library", LIBRARIES)
def test_gradients_are_those_of_differences(library, how):
    made = Library(library, double=True)
    ours, theirs = _readers(made, dihedral(4), how)
    x, r = normals(KEY, 6, 5, 4), normals(KEY, 7, 5, 2)
    gradient = made.gradient(lambda v: (theirs(v) * made.array(r)).sum(), x)
    direction, step = normals(KEY, 8, 5, 4), 1e-6
    slope = ((ours(x + step * direction) - ours(x - step * direction)) * r).sum() / (2.0 * step)
    assert abs((gradient * direction).sum() - slope) < FINITE_DIFFERENCE * max(1.0, abs(slope))


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("library", LIBRARIES)
def test_straight_through_reads_the_best_view_and_follows_the_mean(library):
    made = Library(library, double=True)
    through = _readers(made, dihedral(4), "equizero", straight_through=True)[1]
    best = _readers(made, dihedral(4), "equizero")[1]
    mean = _readers(made, dihedral(4), "equitune")[0]
    x, r = normals(KEY, 9, 5, 4), normals(KEY, 10, 5, 2)
    assert np.abs(np.asarray(through(made.array(x))) - np.asarray(best(made.array(x)))).max() < FINITE_DIFFERENCE
    gradient = made.gradient(lambda v: (through(v) * made.array(r)).sum(), x)
    direction, step = normals(KEY, 11, 5, 4), 1e-6
    slope = ((mean(x + step * direction) - mean(x - step * direction)) * r).sum() / (2.0 * step)
    assert abs((gradient * direction).sum() - slope) < FINITE_DIFFERENCE * max(1.0, abs(slope))
    bare = made.gradient(lambda v: (best(v) * made.array(r)).sum(), x)
    assert np.abs(bare - gradient).max() > SPLIT


@pytest.mark.parametrize("library", LIBRARIES)
def test_fitted_weights_pass_gradients_and_ensembles_are_read(library):
    made, group = Library(library), cyclic(2)
    rho = group.permutation()
    fitted = LogWeights(ScoreNetwork.drawn((2, 5, 1), 3))
    x = normals(KEY, 12, 6, 2)
    read = mf.symmetrise(lambda v: v**2 + v, rho, rho, "lambda", weights=fitted)
    expected = read(x)
    assert np.abs(np.asarray(read(made.array(x))) - expected).max() <= SINGLE * np.abs(expected).max()
    gradient = made.gradient(lambda v: (read(v) ** 2).sum(), x)
    direction, step = normals(KEY, 13, 6, 2), 1e-6
    slope = ((read(x + step * direction) ** 2).sum() - (read(x - step * direction) ** 2).sum()) / (2.0 * step)
    assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-4)
    unit, z = mf.reference_unit(), normals(KEY, 14, 7, 4)
    ensemble = mf.symmetrise((unit, z))
    found = ensemble(made.array(x))
    assert type(found) is type(made.array(x))
    assert np.abs(np.asarray(found) - ensemble(x)).max() <= SINGLE


@pytest.mark.parametrize("library", LIBRARIES)
def test_tokens_are_decoded_in_the_library(library):
    made, table = Library(library), normals(KEY, 15, 4, 4)
    ours = mf.symmetrise(lambda t: table[t[:, -1]], lambda g, t: (t + g) % 4, None, "equizero", group=cyclic(4))
    scores = made.array(table)
    theirs = mf.symmetrise(lambda t: scores[t[:, -1]], lambda g, t: (t + g) % 4, None, "equizero", group=cyclic(4))
    contexts = np.array([[0, 1], [2, 3], [1, 1]])
    given = made.functions.asarray(contexts) if library == "jax" else made.main.tensor(contexts)
    assert np.array_equal(np.asarray(theirs.decode(given, 6).tokens), ours.decode(contexts, 6).tokens)
