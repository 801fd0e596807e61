"""Read-outs of any model: what goes in and comes out, in NumPy, and what is refused in one line."""

from __future__ import annotations

import numpy as np
import pytest

import mfsym as mf
from mfsym.data.teachers import reference_teacher
from mfsym.ensembles import Ensemble
from mfsym.errors import MfsymError, NotEquivariant
from mfsym.groups import cyclic, dihedral, so, symmetric
from mfsym.groups.characters import components, conjugacy_classes
from mfsym.problems.symmetries import pixels
from mfsym.schemes.actions import as_action
from mfsym.schemes.choices import PROXIES
from mfsym.streams import normals, stream_key
from tests.tolerances import ALGEBRA, ROUNDOFF, ROUNDOFF32

KEY = stream_key(20, "init")
C4 = cyclic(4)
RHO = C4.vector()
MIX = normals(KEY, 1, 2, 2)


def model(x):
    """A generic map R^2 -> R^2."""
    return np.tanh(x @ MIX)


def points(count=6):
    """Rows of R^2."""
    return normals(KEY, 2, count, 2)


HOWS = {
    "equitune": {},
    "lambda": {"weights": lambda x: np.exp(x[:, 0])},
    "equizero": {},
    "canonical": {"frame": lambda x: (np.einsum("kij,bj->bki", RHO.matrices, x)[:, :, 0]).argmin(axis=1)},
}


@pytest.mark.parametrize("how", HOWS)
def test_chunks_change_nothing_and_bound_what_the_model_sees(how):
    seen = []

    def watched(x):
        seen.append(len(x))
        return model(x)

    whole = mf.symmetrise(watched, RHO, RHO, how, **HOWS[how])(points(11))
    for batch_size in (1, 3, 4, 9):
        seen.clear()
        parts = mf.symmetrise(watched, RHO, RHO, how, batch_size=batch_size, **HOWS[how])(points(11))
        assert np.abs(parts - whole).max() < ROUNDOFF
        assert max(seen) <= batch_size


@pytest.mark.parametrize("how", HOWS)
def test_there_are_as_many_forward_passes_as_said_in_one_batch(how):
    seen = []

    def watched(x):
        seen.append(len(x))
        return model(x)

    read = mf.symmetrise(watched, RHO, RHO, how, **HOWS[how])
    read(points(5))
    assert seen == [5 * read.passes]
    assert str(read.passes) in repr(read)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtypes_go_through_and_inputs_are_not_written_to(how, dtype):
    def greedy(x):
        made = model(x).astype(np.float64)
        x[:] = np.nan
        return made

    def frame(x):
        found = HOWS["canonical"]["frame"](x)
        x[:] = np.nan
        return found

    x = points().astype(dtype)
    x.setflags(write=False)
    options = HOWS[how] | ({"frame": frame} if how == "canonical" else {})
    if how == "lambda":
        options = {"weights": lambda x: np.ones(len(x))}
    read = mf.symmetrise(greedy, RHO, RHO, how, **options)
    first = read(x)
    assert first.dtype == dtype
    assert np.array_equal(read(x), first)
    assert np.isfinite(first).all()


def test_lists_frames_and_readonly_arrays_are_taken():
    read = mf.symmetrise(model, RHO, RHO)
    assert np.array_equal(read(points().tolist()), read(points()))
    with pytest.raises(MfsymError, match="no masked entries"):
        read(np.ma.masked_greater(points(), 0.0))
    with pytest.raises(MfsymError, match="x must be numbers"):
        read(np.array([["a", "b"]]))


def test_the_table_holds_raw_views_and_what_is_read_from_them():
    x, read = points(), mf.symmetrise(model, RHO, RHO, "equizero", proxy=lambda y: y[:, 0])
    table = read.orbit(x)
    for k in range(4):
        matrix = RHO(np.array(k))
        raw = model(x @ matrix.T)
        assert np.abs(table.outputs[:, k] - raw).max() < ROUNDOFF
        assert np.abs(table.table[:, k] - raw @ matrix).max() < ROUNDOFF
        assert np.abs(table.proxies[:, k] - raw[:, 0]).max() < ROUNDOFF
    assert np.array_equal(table.chosen, table.proxies.argmin(axis=1))
    assert np.array_equal(table.value, read(x))
    assert np.abs(table.mean - table.table.mean(axis=1)).max() < ROUNDOFF
    assert np.abs(table.spread - table.table.std(axis=1)).max() < ROUNDOFF


def test_the_canonical_table_knows_each_input_s_elements_and_has_no_orbit():
    x = points()
    table = mf.symmetrise(model, RHO, RHO, "canonical", thetas=np.array([0, 1]), **HOWS["canonical"]).orbit(x)
    assert table.elements.shape == (6, 2)
    for b in range(6):
        matrix = RHO(table.elements[b, 1])
        assert np.abs(table.table[b, 1] - model(x[b : b + 1] @ matrix.T)[0] @ matrix).max() < ROUNDOFF
    assert table.chosen.shape == (6,)
    with pytest.raises(MfsymError, match="mean and spread over the orbit need views at a quadrature"):
        _ = table.mean
    with pytest.raises(MfsymError, match="defects by irreps need views at a quadrature"):
        table.defects()


def test_frames_in_single_precision_are_made_exact():
    group = so(2)

    def frame(x):
        u = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
        return np.stack([u, np.stack([-u[:, 1], u[:, 0]], axis=1)], axis=2)

    read = mf.symmetrise(model, group.vector(), group.vector(), "canonical", frame=frame)
    assert read(points().astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("n", [3, 8])
def test_quarter_turns_of_images_are_index_moves(n):
    images = normals(KEY, 3, 5, n * n)
    rho = pixels(C4, n)
    nodes = as_action(rho, C4, "x").nodes(np.arange(4))
    moved = nodes.images(images).reshape(5, 4, n, n)
    for k in range(4):
        assert np.array_equal(moved[:, k], np.rot90(images.reshape(5, n, n), k, axes=(1, 2)))
    assert np.array_equal(nodes.back(nodes.images(images)), np.stack([images] * 4, axis=1))
    assert nodes.images(images.astype(np.uint8)).dtype == np.uint8
    assert not any(getattr(value, "ndim", 0) == 3 for value in vars(nodes).values())


def test_functions_act_as_the_representation_they_are():
    n, images = 4, normals(KEY, 4, 5, 16)
    mix = normals(KEY, 5, 16, 3)

    def turn(element, batch):
        return np.rot90(batch, element, axes=(1, 2))

    rows = mf.symmetrise(lambda x: np.tanh(x @ mix), pixels(C4, n), how="equizero")
    squares = mf.symmetrise(lambda x: np.tanh(x.reshape(-1, 16) @ mix), turn, how="equizero", group=C4)
    assert np.abs(rows(images) - squares(images.reshape(5, n, n))).max() < ROUNDOFF
    back = mf.symmetrise(lambda x: x**2 + x[:, ::-1], turn, turn, group=C4)(images.reshape(5, n, n))
    same = mf.symmetrise(lambda x: x**2 + x.reshape(-1, n, n)[:, ::-1].reshape(-1, 16), pixels(C4, n), pixels(C4, n))(
        images
    )
    assert np.abs(back.reshape(5, 16) - same).max() < ROUNDOFF
    frame = {"frame": lambda x: x.reshape(-1, n * n).argmax(axis=1) % 4}
    one = mf.symmetrise(lambda x: x**2, turn, turn, "canonical", group=C4, **frame)(images.reshape(5, n, n))
    two = mf.symmetrise(lambda x: x**2, pixels(C4, n), pixels(C4, n), "canonical", **frame)(images)
    assert np.abs(one.reshape(5, 16) - two).max() < ROUNDOFF


def test_signed_permutations_of_the_outputs_are_undone():
    group = dihedral(4)
    rho = group.vector()
    read = mf.symmetrise(model, rho, rho)
    x = points()
    by_matrices = np.mean([model(x @ m.T) @ m for m in rho.matrices], axis=0)
    assert np.abs(read(x) - by_matrices).max() < ROUNDOFF


def test_ensembles_runs_and_sessions_are_models():
    teacher = reference_teacher("arbitrary")
    unit, z, x = teacher.unit, teacher.particles, points()
    expected = mf.symmetrise(lambda v: unit.predict(v, z), unit.rho_x, unit.rho_y)(x)
    weights = np.array([0.1, 0.2, 0.3, 0.2, 0.2])
    for particles in (z, Ensemble(z), np.stack([0 * z, z])):
        assert np.array_equal(mf.symmetrise((unit, particles))(x), expected)
    mixed = mf.symmetrise((unit, Ensemble(z, weights)))(x)
    by_hand = mf.symmetrise(lambda v: np.einsum("i,bic->bc", weights, unit.sigma(v, z)), unit.rho_x, unit.rho_y)(x)
    assert np.abs(mixed - by_hand).max() < ALGEBRA
    run = mf.simulate("wi", n=8, horizon=0.5, snapshots=2)
    last = run.particles.values[-1]
    assert np.array_equal(mf.symmetrise((unit, run))(x), mf.symmetrise((unit, last))(x))

    class Session:
        """What onnxruntime's InferenceSession answers to."""

        def get_inputs(self):
            return [type("Input", (), {"name": "pixels"})]

        def run(self, outputs, given):
            return [unit.predict(given["pixels"], z).astype(given["pixels"].dtype)]

    assert np.array_equal(mf.symmetrise(Session(), unit.rho_x, unit.rho_y)(x), expected)


def test_log_weights_of_an_ensemble_are_exponents():
    unit = mf.UVUnit("tanh", C4.vector(), C4.trivial())
    z, x = normals(KEY, 6, 9, unit.p), points()
    by_pair = mf.symmetrise(model, RHO, RHO, "lambda", weights=(unit, 900.0 * z))
    by_hand = mf.symmetrise(model, RHO, RHO, "lambda", weights=lambda v: np.exp(unit.predict(v, z)))
    assert np.isfinite(by_pair(x)).all()
    smaller = mf.symmetrise(model, RHO, RHO, "lambda", weights=(unit, z))
    assert np.abs(smaller(x) - by_hand(x)).max() < ROUNDOFF


def test_proxies_say_what_they_minimise():
    scores = np.array([[1.0, 5.0, 4.0], [3.0, 0.0, -4.0], [4.0, 4.0, 4.0]])
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    entropies = -(chances * np.log(chances)).sum(axis=1)
    assert np.abs(PROXIES["max-score"].values(scores) + scores.max(axis=1)).max() < ROUNDOFF
    assert np.abs(PROXIES["max-prob"].values(scores) + np.log(chances.max(axis=1))).max() < ROUNDOFF
    assert np.abs(PROXIES["entropy"].values(scores) - entropies).max() < ROUNDOFF
    for name, proxy in PROXIES.items():
        assert proxy.minimises in repr(mf.symmetrise(model, RHO, RHO, "equizero", proxy=name))


def test_a_proxy_may_read_the_views():
    read = mf.symmetrise(model, RHO, RHO, "equizero", proxy=lambda x: -x[:, 0] - 0.1 * x[:, 1], reads="inputs")
    views = np.einsum("kij,bj->bki", RHO.matrices, points())
    assert np.array_equal(read.orbit(points()).chosen, (views @ [1.0, 0.1]).argmax(axis=1))


def test_proxies_may_count():
    read = mf.symmetrise(model, RHO, RHO, "equizero", proxy=lambda x: (x < 0.0).sum(axis=1), reads="inputs")
    views = np.einsum("kij,bj->bki", RHO.matrices, points())
    assert np.array_equal(read.orbit(points()).proxies, (views < 0.0).sum(axis=2))


def test_single_precision_goes_back_to_its_own_precision():
    matrix = np.eye(2) + 0.3 * MIX
    back = np.linalg.inv(matrix)
    read = mf.symmetrise(lambda x: x @ matrix.T, RHO, RHO, "equizero", inverse=lambda y: (y @ back.T).astype(y.dtype))
    x = points().astype(np.float32)
    for rows, truth in zip(read.preimages(read(x)), x, strict=True):
        assert rows.dtype == np.float32
        assert np.abs(rows - truth).max(axis=1).min() < ROUNDOFF32


def test_views_without_weight_may_be_infinite():
    def burst(x):
        with np.errstate(divide="ignore"):
            return 1.0 / np.maximum(x, 0.0)

    read = mf.symmetrise(burst, RHO, None, "equizero", proxy=lambda y: y.sum(axis=1))
    assert np.isfinite(read(points())).all()


def test_actions_that_are_none_are_found_out():
    mf.symmetrise(model, RHO, RHO).check(points())
    mf.symmetrise(model, so(2).vector(), so(2).vector()).check(points())

    def forgetful(element, batch):
        return batch[:, ::-1] if element == 1 else batch

    with pytest.raises(NotEquivariant, match=r"C_4 must act on x: moving by .* differs") as caught:
        mf.symmetrise(model, forgetful, None, group=C4).check(points())
    assert caught.value.error > 0.1


def test_a_decode_that_reads_one_view_keeps_the_others():
    table = normals(KEY, 7, 4, 4)
    read = mf.symmetrise(lambda t: table[t[:, -1]], lambda g, t: (t + g) % 4, None, "equizero", group=C4, batch_size=3)
    decoded = read.decode(np.array([[0], [1], [3]]), 5)
    assert decoded.views.shape == (3, 4, 6)
    for b in range(3):
        chosen = decoded.scores[b].argmax()
        assert decoded.chosen[b] == chosen
        assert np.array_equal(decoded.tokens[b], (decoded.views[b, chosen] - chosen) % 4)
    with pytest.raises(MfsymError, match="length must be a whole number >= 1"):
        read.decode(np.array([[0]]), 0)


def test_classes_of_conjugate_elements():
    assert list(np.bincount(conjugacy_classes(symmetric(3)))) == [1, 3, 2]
    assert list(np.sort(np.bincount(conjugacy_classes(dihedral(4))))) == [1, 1, 2, 2, 2]
    with pytest.raises(MfsymError, match="irreps are listed for"):
        components(mf.o(3))
    with pytest.raises(MfsymError, match="at most 1024"):
        components(symmetric(7))


BAD = {
    "a model of the wrong width": (
        lambda: mf.symmetrise(model, RHO, C4.regular())(points()),
        "C_4 acts on y in R\\^4 by regular: y must be rows of length 4, got shape \\(24, 2\\)",
    ),
    "a model that loses rows": (
        lambda: mf.symmetrise(lambda x: model(x)[:3], RHO, RHO)(points()),
        "the outputs of the model must have one row for each of 24 rows, got shape \\(3, 2\\)",
    ),
    "a model of labels": (
        lambda: mf.symmetrise(lambda x: np.arange(len(x)), RHO)(points()),
        "the outputs of the model must be floating numbers, got int64",
    ),
    "a proxy that is NaN": (
        lambda: mf.symmetrise(model, RHO, RHO, "equizero", proxy=lambda y: y[:, 0] * np.nan)(points()),
        "the proxy <lambda> must be a number at every view, got NaN",
    ),
    "a proxy of several numbers": (
        lambda: mf.symmetrise(model, RHO, RHO, "equizero", proxy=lambda y: y)(points()),
        "the proxy <lambda> must be one number a view, got shape \\(24, 2\\)",
    ),
    "an unknown proxy": (
        lambda: mf.symmetrise(model, RHO, RHO, "equizero", proxy="max_prob"),
        "proxy must be one of max-score, max-prob, entropy, got 'max_prob' \\(did you mean 'max-prob'\\?\\)",
    ),
    "a named proxy of inputs": (
        lambda: mf.symmetrise(model, RHO, RHO, "equizero", reads="inputs"),
        "the proxy max-score is one of outputs",
    ),
    "a named proxy of images": (
        lambda: mf.symmetrise(lambda x: x[:, :, None], RHO, None, "equizero")(points()),
        "the proxy max-score needs outputs \\(B, c\\), got shape \\(6, 2, 1\\)",
    ),
    "weights that are all 0": (
        lambda: mf.symmetrise(model, RHO, RHO, "lambda", weights=lambda x: 0.0 * x[:, 0])(points()),
        "weights must not be 0 at all views of an input",
    ),
    "weights that are negative": (
        lambda: mf.symmetrise(model, RHO, RHO, "lambda", weights=lambda x: x[:, 0])(points()),
        "weights must not be negative, got -",
    ),
    "weights that are NaN": (
        lambda: mf.symmetrise(model, RHO, RHO, "lambda", weights=lambda x: x[:, 0] * np.nan)(points()),
        "weights must be finite at every view",
    ),
    "weights of several numbers": (
        lambda: mf.symmetrise(model, RHO, RHO, "lambda", weights=lambda x: x**2)(points()),
        "weights must be one number a view, got shape \\(24, 2\\)",
    ),
    "weights that are none": (
        lambda: mf.symmetrise(model, RHO, RHO, "lambda", weights=3.0),
        "weights must be a function of a batch",
    ),
    "weights of two outputs": (
        lambda: mf.symmetrise(model, RHO, RHO, "lambda", weights=(reference_teacher("wi").unit, np.ones((2, 4)))),
        "the unit of weights must have one output, got 2",
    ),
    "a group that does not act on the data": (
        lambda: mf.symmetrise(model, pixels(C4, 3), RHO)(points()),
        "C_4 acts on x in R\\^9 by pixels\\(3\\): x must be rows of length 9, got shape \\(6, 2\\)",
    ),
    "an action that changes shapes": (
        lambda: mf.symmetrise(model, lambda g, x: x[:, :1], None, group=C4)(points()),
        "the action of C_4 on x must give batches of the shape it is given, \\(6, 2\\), got \\(6, 1\\) for e",
    ),
    "an action that is none": (lambda: mf.symmetrise(model, 3, RHO), "rho_x must be a Representation, a function"),
    "two groups": (
        lambda: mf.symmetrise(model, RHO, cyclic(2).vector()),
        "rho_x, rho_y and group must be one group, got C_4, C_2",
    ),
    "no group": (lambda: mf.symmetrise(model), "group must be given where neither"),
    "no model": (lambda: mf.symmetrise("model", RHO), "model must be a function of a batch"),
    "particles of another unit": (
        lambda: mf.symmetrise((reference_teacher("wi").unit, np.ones((2, 3)))),
        "particles must be a finite array \\(N, 4\\), got shape \\(2, 3\\)",
    ),
    "a batch of size 0": (
        lambda: mf.symmetrise(model, RHO, RHO)(np.zeros((0, 2))),
        "x must hold at least one row, got shape \\(0, 2\\)",
    ),
    "whole numbers under rotations": (
        lambda: mf.symmetrise(model, so(2).vector(), None)(np.ones((3, 2), dtype=int)),
        "only permutations move arrays of int64: hand over floating numbers",
    ),
    "an unknown how": (lambda: mf.symmetrise(model, RHO, RHO, "equitoon"), "did you mean 'equitune'"),
    "an unknown option": (
        lambda: mf.symmetrise(model, RHO, RHO, "equizero", proxi="entropy"),
        "equizero has no option 'proxi' \\(did you mean 'proxy'\\?\\); known: batch_size, group",
    ),
    "no weights": (lambda: mf.symmetrise(model, RHO, RHO, "lambda"), "lambda needs the option 'weights'"),
    "no frame": (lambda: mf.symmetrise(model, RHO, RHO, "canonical"), "canonical needs the option 'frame'"),
    "a frame that is none": (
        lambda: mf.symmetrise(model, RHO, RHO, "canonical", frame=3),
        "frame must be a function of a batch to group elements, got int",
    ),
    "frames that are no elements": (
        lambda: mf.symmetrise(model, RHO, RHO, "canonical", frame=lambda x: np.full(len(x), 7))(points()),
        "the frames must be indices from 0 to 3 of elements of C_4",
    ),
    "too few frames": (
        lambda: mf.symmetrise(model, RHO, RHO, "canonical", frame=lambda x: np.array([0]))(points()),
        "the frames must be elements of C_4, shape \\(6\\), got \\(1,\\)",
    ),
    "elements for other rows": (
        lambda: mf.symmetrise(model, RHO, RHO, "equizero", inverse=lambda y: y).invert(points(), np.array([0, 1])),
        "there must be one element a row of y, 6, got 2",
    ),
    "no inverse": (
        lambda: mf.symmetrise(model, RHO, RHO, "equizero").preimages(points()),
        "inverse, the inverse of the model on a batch, must be given",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_is_refused_in_one_line(case):
    attempt, words = BAD[case]
    with pytest.raises(MfsymError, match=words) as caught:
        attempt()
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
