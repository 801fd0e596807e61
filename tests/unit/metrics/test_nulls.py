"""mfsym.metrics.nulls: distances that sampling alone gives, and the exact randomisation test they make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

import mfsym as mf
from mfsym.errors import MfsymError
from mfsym.experiments import distance_to
from mfsym.metrics import distance_wi, rmd2_symmetrised
from mfsym.metrics.nulls import NullLevel, moved, null_level
from mfsym.stores import open_result
from mfsym.streams import normals, stream_key
from tests.conftest import parse_json
from tests.tolerances import ALGEBRA, STAT

Run = Callable[..., Result]

C2 = mf.reference_unit().action
S3 = mf.UVUnit("tanh", mf.symmetric(3).permutation(), mf.symmetric(3).trivial(1)).action
SO2 = mf.UVUnit("tanh", mf.so(2).vector(), mf.so(2).vector()).action

COVERED, LEEWAY = 0.95, 0.03
"""Share of clouds of an exactly weakly invariant law that the band must cover, and how far from it it may be."""


def bump(action: mf.Representation, n: int, trial: int, spread: float = 0.3) -> np.ndarray:
    """n independent draws around one point that the group moves."""
    centre = normals(stream_key(3, "teacher"), 0, 1, action.dim)
    return centre + spread * normals(stream_key(3, "init", trial), 0, n, action.dim)


def invariant(action: mf.Representation, n: int, trial: int) -> np.ndarray:
    """n independent draws of the weakly invariant law of the bump moved by Haar elements."""
    return moved(bump(action, n, trial), action, stream_key(3, "haar", trial), 0)


def coverage(action: mf.Representation, to: str, n: int, trials: int, draws: int) -> tuple[float, float]:
    """Share of clouds of an invariant law that lie in their band, and share with p at most 1/10."""
    found = [null_level(invariant(action, n, trial), action, to, draws=draws, seed=trial) for trial in range(trials)]
    inside = [level.lower <= level.observed <= level.upper for level in found]
    return float(np.mean(inside)), float(np.mean([level.p_value <= 0.1 for level in found]))


def test_bands_cover_clouds_of_an_invariant_law() -> None:
    trials = 100
    share, early = coverage(C2, "wi", 12, trials, 79)
    assert abs(share - COVERED) < STAT * (COVERED * (1.0 - COVERED) / trials) ** 0.5
    assert abs(early - 0.1) < STAT * (0.09 / trials) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize("to", ["wi", "symmetrised"])
@pytest.mark.parametrize(("action", "trials", "draws"), [(C2, 300, 199), (S3, 1000, 39)], ids=["C_2", "S_3"])
def test_bands_cover_many_clouds_of_an_invariant_law(
    action: mf.Representation, trials: int, draws: int, to: str
) -> None:
    share, early = coverage(action, to, 16, trials, draws)
    assert abs(share - COVERED) <= LEEWAY
    assert early == pytest.approx(0.1, abs=STAT * (0.09 / trials) ** 0.5)


@pytest.mark.parametrize("to", ["wi", "symmetrised"])
@pytest.mark.parametrize("action", [C2, S3, SO2], ids=["C_2", "S_3", "SO(2)"])
def test_asymmetric_clouds_are_told_from_invariant_ones(action: mf.Representation, to: str) -> None:
    n, draws = (8, 120) if action is SO2 else (20, 120)
    told = null_level(bump(action, n, 0), action, to, draws=draws)
    assert told.p_value < 0.01
    assert told.observed > told.upper
    assert "asymmetric beyond sampling" in str(told)
    assert null_level(invariant(action, n, 0), action, to, draws=draws).p_value > 0.01


def test_the_statistic_is_the_distance_that_is_reported() -> None:
    z = invariant(S3, 9, 1)
    assert null_level(z, S3, draws=1).observed == rmd2_symmetrised(z, S3)
    assert null_level(z, SO2, draws=1).observed == rmd2_symmetrised(z, SO2)
    assert null_level(z, C2, "wi", draws=1).observed == pytest.approx(float(distance_to(z, "wi")["rmd2"]), rel=ALGEBRA)
    lower = distance_wi(z, S3).lower ** 2
    moment = float(np.mean(np.sum(z**2, axis=1)))
    assert null_level(z, S3, "wi", draws=1).observed == pytest.approx(lower / (4.0 * moment - 2.0 * lower), rel=ALGEBRA)


def test_draws_are_haar_moves_of_each_particle_alone() -> None:
    z, key = bump(S3, 200, 0), stream_key(0, "null")
    cloud = moved(z, S3, key, 4)
    images = np.einsum("kpq,nq->nkp", S3.matrices, z)
    errors = np.abs(images - cloud[:, None]).max(axis=2)
    assert errors.min(axis=1).max() < ALGEBRA
    counts = np.bincount(errors.argmin(axis=1), minlength=6)
    assert (np.abs(counts - 200 / 6) < STAT * (200 * 5 / 36) ** 0.5).all()
    assert not np.array_equal(cloud, moved(z, S3, key, 5))
    assert np.array_equal(cloud, moved(z, S3, key, 4))
    turned = moved(bump(SO2, 300, 0), SO2, key, 0)
    sizes = np.linalg.norm(bump(SO2, 300, 0), axis=1)
    assert np.abs(np.linalg.norm(turned, axis=1) - sizes).max() < ALGEBRA


def test_bands_are_order_statistics() -> None:
    level = NullLevel("rmd2", 0.0, np.arange(79.0))
    assert (level.lower, level.upper) == (1.0, 77.0)
    assert NullLevel("rmd2", 0.0, np.arange(5.0)).upper == 4.0


def test_p_values_count_ties_and_the_observed_cloud() -> None:
    level = NullLevel("rmd2", 0.2, np.array([0.1, 0.2, 0.3, 0.4]))
    assert level.p_value == 4 / 5
    assert level.level == 0.25
    assert NullLevel("rmd2", 0.5, np.array([0.1, 0.2, 0.3, 0.4])).p_value == 1 / 5
    fixed = mf.reference_unit().fixed_subspace.project(bump(C2, 6, 0))
    assert null_level(fixed, C2, draws=9).p_value == 1.0


def test_what_has_no_null_level_is_refused() -> None:
    z = bump(C2, 5, 0)
    for arguments, words in (
        ((z, C2, "si"), "is unchanged when particles are transformed"),
        ((z, C2, "sideways"), "symmetrised or wi, got 'sideways'"),
        ((z[:, :3], C2), "the 4 parameters of the action, got 3"),
    ):
        with pytest.raises(MfsymError, match=words):
            null_level(*arguments)
    with pytest.raises(MfsymError, match="draws must be a whole number"):
        null_level(z, C2, draws=0)


def test_distances_tell_sampling_from_asymmetry(mfsym: Run, tmp_path: Path) -> None:
    random, bent = tmp_path / "random.npy", tmp_path / "bent.npy"
    np.save(random, invariant(C2, 100, 2))
    np.save(bent, bump(C2, 100, 2))
    for to in ("wi", "symmetrised"):
        asked = ("--to", to, "--null", 99)
        assert "null          within sampling: rmd2 to the" in mfsym("distance", random, *asked).stdout
        assert "null          asymmetric beyond sampling" in mfsym("distance", bent, *asked).stdout
        plain = parse_json(mfsym("distance", random, "--to", to, "--format", "json"))
        record = parse_json(mfsym("distance", random, *asked, "--format", "json"))
        assert [key for key in plain if key != "seconds" and plain[key] != record[key]] == []
        assert not [key for key in plain if key.startswith("null")]
        found = null_level(np.load(random), C2, to, draws=99)
        assert {key: value for key, value in record.items() if key.startswith("null_")} == found.record()
        assert record["null_observed"] == pytest.approx(record["rmd2"], rel=ALGEBRA)


@pytest.mark.parametrize("rest", [("--to", "si"), ("CLOUD",), ("--along", "time")])
def test_null_levels_need_one_cloud_and_a_law_with_sampling(mfsym: Run, tmp_path: Path, rest: tuple[str, ...]) -> None:
    path = tmp_path / "cloud.npy"
    np.save(path, bump(C2, 4, 0))
    refused = mfsym("distance", path, *(str(path) if word == "CLOUD" else word for word in rest), "--null", 9)
    assert refused.exit_code == 2
    assert "--null needs one cloud" in refused.stderr


def test_sweeps_may_hold_null_levels(mfsym: Run, small_sweep: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.nc"
    assert mfsym("sweep", small_sweep, "-o", out, "-q", "--set", "null=9").exit_code == 0
    dataset = open_result(out)
    assert dataset["p_value_symmetrised"].dims == ("teacher", "init", "scheme", "n", "replicate")
    low, level, high = (dataset[f"null_symmetrised{end}"].values for end in ("_lower", "", "_upper"))
    assert ((low <= level) & (level <= high)).all()
    assert parse_json(mfsym("verify", out, "--format", "json"))["bad"] == []
    assert "null_symmetrised" in mfsym("table", out, "--variable", "null_symmetrised").stdout
    assert dataset.attrs["noise"] == "projected"


def test_cells_without_null_levels_keep_their_identity() -> None:
    assert mf.Cell().identity == "13fd9dec53ba5e5dc0ce90dec4cadbe0"
    assert mf.Cell(null=9).identity != mf.Cell().identity
