"""Latent files whose trainer is two mean-field ensembles: training, laws along time, results that are looked into."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mfsym as mf
from mfsym.configurations.latents import LatentFile, LatentTable, PairsTable, TrainingTable
from mfsym.dynamics.ensemble_latents import EnsembleTraining, TrainedEnsembles, train_ensembles
from mfsym.errors import Diverged, MfsymError
from mfsym.experiments.latent_ensembles import follow_ensembles
from mfsym.experiments.latent_laws import LAWS, training_of
from mfsym.experiments.latent_runs import train_latent, traverse
from mfsym.experiments.measures import law_metrics
from mfsym.latents import digit_pairs
from mfsym.latents.latent_files import load_latent
from mfsym.latents.measures import latent_error, psnr
from mfsym.streams import stream_key, uniforms
from mfsym.units import UVUnit
from tests.sizes import compiled
from tests.tolerances import ALGEBRA, SPLIT

pytestmark = compiled
REPRESENTATION = "charge(1) + trivial(2)"
TRAINING = {"trainer": "ensembles", "particles": 8, "steps": 40, "batch_size": 16, "seed": 3, "cycle": 1e-3}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> LatentFile:
    """Rings of nine pixels shifted by angles: a bump at an angle, and the same bump further round."""
    path = tmp_path_factory.mktemp("rings") / "rings.npz"
    u = 2.0 * np.pi * uniforms(stream_key(5, "data"), 0, 60, 2)
    places = 2.0 * np.pi * np.arange(9) / 9
    x1, x2 = (0.5 + 0.5 * np.cos(places - angle[:, None]) for angle in (u[:, 0], u.sum(axis=1)))
    np.savez(path, x1=x1, x2=x2, g=u[:, 1])
    table = LatentTable(representation=REPRESENTATION)
    return LatentFile(pairs=PairsTable(source=str(path)), latent=table, training=TrainingTable(**TRAINING))


def test_ensembles_are_followed_in_time(file: LatentFile) -> None:
    found = follow_ensembles(file, (0, 40, 400))
    assert found["time"].values.tolist() == [0.0, 5.0, 50.0]
    assert list(found["ensemble"].values) == ["encoder", "decoder"]
    assert found["psnr"].values[2] > found["psnr"].values[0] + 3.0
    task = load_latent(file)
    pairs = task.held.evaluation().arrays
    for k, (step, trained) in enumerate(train_ensembles(task.action, task.train, training_of(task), (0, 40, 400))):
        assert step == (0, 40, 400)[k]
        answers = trained.decode(task.action.act(pairs[2], trained.encode(pairs[0])))
        assert found["psnr"].values[k] == psnr(answers, pairs[1])
        assert found["latent_error"].values[k] == latent_error(trained.encode, task.action, *pairs)
    for k, (z, representations) in enumerate(zip(trained.particles, _representations(), strict=True)):
        law = law_metrics(z, UVUnit("softplus", *representations))
        assert [found[name].values[2, k] for name in LAWS] == pytest.approx([law[name] for name in LAWS], abs=ALGEBRA)
    alone = follow_ensembles(file, (400,), laws=False)
    assert alone["psnr"].values[0] == found["psnr"].values[2]
    assert "rmd2_symmetrised" not in alone
    assert (np.diff(found["rmd2_symmetrised"].values, axis=0) != 0.0).all()


def _representations() -> list[tuple[mf.Representation, mf.Representation]]:
    circle = mf.so(2)
    still, moving = circle.trivial(9), circle.charge(1) + circle.trivial(2)
    return [(still, moving), (moving, still)]


def test_a_result_keeps_the_ensembles(file: LatentFile) -> None:
    result = train_latent(file)
    task = load_latent(file)
    ((_, trained),) = train_ensembles(task.action, task.train, training_of(task))
    arrays = trained.to_arrays()
    again = TrainedEnsembles.from_arrays(task.action, arrays)
    x, z = task.held.evaluation().arrays[0], uniforms(stream_key(1, "init"), 0, 5, 4)
    assert np.array_equal(again.encode(x), trained.encode(x))
    assert np.array_equal(again.decode(z), trained.decode(z))
    row = np.concatenate([arrays[name].ravel() for name in ("decoder", "encoder", "gains")])
    assert np.array_equal(result["network_weights"].values, row)
    assert result["rmd2_symmetrised"].dims == ("ensemble",)
    followed = follow_ensembles(file, (40,))
    for name in (*LAWS, "psnr", "ssim", "decoder_consistency"):
        assert np.array_equal(result[name].values, followed[name].values[0])
    orbit = traverse(result, 2, 5)["orbit"].values[0]
    turns = 2.0 * np.pi * np.arange(5) / 5
    direct = trained.decode(task.action.act(turns, np.repeat(trained.encode(x[2:3]), 5, axis=0)))
    assert np.abs(orbit - direct).max() < ALGEBRA
    assert np.abs(orbit[1] - orbit[0]).max() > SPLIT


def test_other_trainers_and_steps_are_refused(file: LatentFile) -> None:
    with pytest.raises(MfsymError, match='needs \\[training\\] with trainer = "ensembles"'):
        follow_ensembles(LatentFile(pairs=file.pairs, latent=file.latent), (1,))
    for steps in ((), (3, 2), (4, 4)):
        with pytest.raises(MfsymError, match="steps must increase"):
            follow_ensembles(file, steps)
    with pytest.raises(Diverged, match="lower the rate") as caught:
        train_latent(file, rate=1e6)
    assert 0 < caught.value.step <= 40
    with pytest.raises(MfsymError, match="rate must be a number > 0"):
        EnsembleTraining(rate=0.0).dynamics(load_latent(file).action, load_latent(file).train)


def test_the_command_line_trains_them(file: LatentFile, tmp_path: Path, mfsym: Callable[..., Any]) -> None:
    place = tmp_path / "rings.toml"
    text = f'[latent]\nrepresentation = "{REPRESENTATION}"\n[pairs]\nsource = "{file.pairs.source}"\n[training]\n'
    stated = "".join(f"{key} = {value!r}\n" for key, value in TRAINING.items())
    place.write_text(text + stated)
    run = mfsym("latent", place, "-o", tmp_path / "out.nc", "-q")
    assert run.exit_code == 0
    value = train_latent(place)["psnr"].item()
    assert f"{value:.2f}" in run.stdout
    assert "law of the decoder: " in run.stdout
    assert mf.open_result(tmp_path / "out.nc")["psnr"].item() == value
    place.write_text(text + stated.replace("'ensembles'", "'ensemble'"))
    run = mfsym("latent", place, "-o", tmp_path / "other.nc")
    assert run.exit_code == 2
    assert len(run.stderr.splitlines()) == 1
    assert not (tmp_path / "other.nc").exists()


def _decibels(training: EnsembleTraining) -> float:
    action = mf.LatentAction.parse("2 * charge(1) + 2 * charge(2) + 2 * charge(3) + 2 * charge(4) + trivial(8)")
    train, held = digit_pairs(36, seed=training.seed, action=action)
    ((_, trained),) = train_ensembles(action, train, training)
    x1, x2, g = held.evaluation().arrays
    return psnr(trained.decode(action.act(g, trained.encode(x1))), x2)


def test_turned_digits_are_learned_in_a_moment() -> None:
    """Copying the input gives 12 dB, and 400 steps of 128 units each more than 17."""
    assert _decibels(EnsembleTraining(n=128, steps=400)) > 17.0


@pytest.mark.slow
def test_turned_digits_are_learned_to_23_decibels() -> None:
    """The demonstration: N = 512 each, 8,000 steps of plain SGD at the rate 12 N per pixel, charges 1 to 4."""
    assert _decibels(EnsembleTraining()) > 23.0
