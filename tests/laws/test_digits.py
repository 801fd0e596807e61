"""Real data: scikit-learn's handwritten digits under quarter turns, all schemes by the same command line."""

from pathlib import Path

import numpy as np
import pytest

from mfsym.problems import load_problem
from mfsym.stores import open_result
from tests.conftest import parse_json
from tests.sizes import compiled
from tests.tolerances import ROUNDOFF32

pytest.importorskip("sklearn", reason="the digits come with scikit-learn, in the extra digits")

FILE = Path(__file__).parents[2] / "sims" / "problems" / "digits-c4.toml"
SYMMETRIC = ("fa", "ea")
LEARNT, CHANCE = 0.6, 0.1


@pytest.fixture(scope="module")
def problem():
    return load_problem(FILE)


def test_quarter_turns_permute_the_64_pixels(problem):
    matrices = problem.unit.rho_x.matrices
    assert matrices.shape == (4, 64, 64)
    for k, matrix in enumerate(matrices):
        assert set(np.unique(matrix)) == {0.0, 1.0}
        assert (matrix.sum(axis=0) == 1.0).all()
        assert (matrix.sum(axis=1) == 1.0).all()
        image = problem.data.x[0]
        assert np.array_equal((matrix @ image).reshape(8, 8), np.rot90(image.reshape(8, 8), k))


def test_training_and_test_images_are_apart_and_of_ten_classes(problem):
    data = problem.data
    assert (len(data.x), len(data.test_x), data.classes) == (1348, 449, 10)
    assert set(data.y.argmax(axis=1)) == set(range(10))
    scale = np.abs(data.x).max()
    assert np.abs(data.x.mean()) < scale / 100.0


@compiled
def test_every_scheme_learns_and_only_symmetric_ones_ignore_turns(mfsym, tmp_path):
    out = tmp_path / "digits.nc"
    result = mfsym("compare", "--problem", FILE, "-n", 40, "--horizon", 10, "-q", "--format", "json", "-o", out)
    assert result.exit_code == 0, result.output
    rows = {row["scheme"]: row for row in parse_json(result)["schemes"]}
    assert len(rows) == 5
    for name, row in rows.items():
        assert row["status"] == "ok"
        assert row["accuracy"] > LEARNT
        if name in SYMMETRIC:
            assert row["accuracy"] == pytest.approx(row["accuracy_moved"], abs=ROUNDOFF32)
    assert rows["vanilla"]["accuracy_moved"] < rows["vanilla"]["accuracy"] - 3 * CHANCE
    for name in ("da", "da-sampled"):
        assert abs(rows[name]["accuracy"] - rows[name]["accuracy_moved"]) < CHANCE
    assert {"accuracy", "accuracy_moved"} <= set(open_result(out).data_vars)


@compiled
def test_the_table_shows_both_accuracies(mfsym):
    table = mfsym("compare", "--problem", FILE, "-n", 8, "--horizon", 0.5, "--schemes", "vanilla,ea", "-q").stdout
    assert "accuracy_moved" in table.splitlines()[0]
