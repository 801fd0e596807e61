"""Runs as movies: what the command animate writes and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mfsym.data.teachers import reference_teacher
from mfsym.errors import MfsymError, StoreError
from mfsym.experiments import compare, simulate
from mfsym.experiments.movies import movie_of
from mfsym.plotting import animate
from mfsym.stores.datasets import open_result, save

TINY = {"n": 4, "horizon": 0.5, "alpha": 5.0}


@pytest.fixture(scope="module")
def run_file(tmp_path_factory) -> Path:
    """A run of four particles and three times."""
    path = tmp_path_factory.mktemp("movies") / "run.nc"
    save(simulate("arbitrary", "fa", snapshots=3, **TINY), path)
    return path


def test_a_movie_has_the_particles_the_subspace_and_the_teacher_of_the_run(run_file: Path) -> None:
    run, teacher = open_result(run_file), reference_teacher("arbitrary")
    movie = movie_of(run)
    assert np.array_equal(movie.times, run.time.values)
    assert movie.particles.shape == (3, 4, 4)
    assert np.array_equal(movie.basis, teacher.unit.fixed_subspace.basis)
    assert np.array_equal(movie.teacher, teacher.particles)
    assert movie.mark.label == "FA"


def test_runs_without_a_moving_cloud_are_refused(run_file: Path) -> None:
    with pytest.raises(MfsymError, match="particles over time"):
        movie_of(compare("wi", schemes=("fa",), **TINY))
    run = open_result(run_file)
    with pytest.raises(MfsymError, match="how it was made"):
        movie_of(run.assign_attrs(config="{}"))


def test_the_command_writes_a_gif(mfsym, run_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "cloud.gif"
    result = mfsym("animate", run_file, "-o", out, "--seconds", 1)
    assert result.exit_code == 0, result.output
    assert "3 times of 4 particles" in result.stdout
    assert out.read_bytes().startswith(b"GIF89a")


def test_without_a_temporary_folder_a_movie_is_refused_in_one_line(run_file: Path, tmp_path: Path, monkeypatch) -> None:
    def nowhere() -> None:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("mfsym.plotting.tempfile.TemporaryDirectory", nowhere)
    with pytest.raises(StoreError, match="a movie needs a temporary folder: No usable temporary directory found"):
        animate(movie_of(open_result(run_file)), tmp_path / "a.gif")


@pytest.mark.parametrize(
    ("name", "words", "code"),
    [("cloud.avi", "a .gif or an .mp4", 2), ("absent/cloud.gif", "does not exist", 2), ("cloud.mp4", "ffmpeg", 2)],
)
def test_the_command_refuses_in_one_line(
    mfsym, run_file: Path, tmp_path: Path, monkeypatch, name: str, words: str, code: int
) -> None:
    monkeypatch.setenv("PATH", "")
    result = mfsym("animate", run_file, "-o", tmp_path / name)
    assert result.exit_code == code
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_a_run_is_an_unusable_store(mfsym, tmp_path: Path) -> None:
    (tmp_path / "run.nc").write_text("not a result")
    result = mfsym("animate", tmp_path / "run.nc", "-o", tmp_path / "cloud.gif")
    assert result.exit_code == 3
    assert len(result.stderr.splitlines()) == 1
