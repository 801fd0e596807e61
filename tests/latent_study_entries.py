"""The entries of the data dictionary that a study of latents adds: a small study, and slow formulas for each entry.

Its learners are small ensembles, so that the study needs no extra but the digits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import xarray as xr

from mfsym.configurations.latent_studies import LatentRangeTable, LatentStudyFile, LearnerTable
from mfsym.dynamics.ensemble_latents import EnsembleTraining, TrainedEnsembles, train_ensembles
from mfsym.experiments.latent_studies import SHOWN, study_latents
from mfsym.latents import LatentAction, digit_pairs
from tests.shape_entries import close

ANGLES, STEPS = 8, 24
TWO, ONE = "charge(1) + charge(2) + trivial(3)", "charge(1) + trivial(3)"
STUDY = LatentStudyFile(
    learner=[
        LearnerTable(name="two", representation=TWO, trainer="ensembles", particles=8),
        LearnerTable(name="one", representation=ONE, trainer="ensembles", particles=8, data=["blocked"]),
    ],
    seeds=1,
    seed=2,
    angles=ANGLES,
    steps=STEPS,
    batch_size=8,
    range=[
        LatentRangeTable(learner="two", data="blocked", between=[0.0, 40.0]),
        LatentRangeTable(learner="copy", data="rotated", between=[10.0, 14.0]),
    ],
)


@cache
def latent_study_results() -> dict[str, xr.Dataset]:
    """A study of two learners, one of them on blocked digits only."""
    return {"latent_study": study_latents(STUDY)}


@cache
def trained(text: str) -> TrainedEnsembles:
    """A learner of the study on blocked digits, trained once more."""
    action = LatentAction.parse(text)
    pairs, _ = digit_pairs(ANGLES, 3, seed=2, action=action)
    training = EnsembleTraining(8, STEPS, batch_size=8, seed=2)
    ((_, found),) = train_ensembles(action, pairs, training)
    return found


def turned(z: Any, charges: tuple[int, ...], angles: Any) -> Any:
    """Latents, plane by plane, as complex numbers."""
    moved = np.array(z, dtype=float)
    for k, charge in enumerate(charges):
        plane = (z[:, 2 * k] + 1j * z[:, 2 * k + 1]) * np.exp(1j * charge * angles)
        moved[:, 2 * k], moved[:, 2 * k + 1] = plane.real, plane.imag
    return moved


def _swapped(results: Any) -> None:
    """Digit A with the square of B, and what each learner makes of the two."""
    data = results.latent_study
    _, held = digit_pairs(ANGLES, 3, seed=2)
    a, b, target = (images[:SHOWN] for images in held.swaps())
    for name, images in (("swap_varying", a), ("swap_invariant", b), ("swap_target", target)):
        close(data[name].values, images)
    changed = a != target
    assert ((a[changed] == 1.0) | (target[changed] == 1.0)).all()
    assert ((b == 1.0) >= ((target == 1.0) & changed)).all()
    for name, text, moving in (("two", TWO, 4), ("one", ONE, 2)):
        net = trained(text)
        mixed = np.concatenate([net.encode(a)[:, :moving], net.encode(b)[:, moving:]], axis=1)
        close(data["swap_answer"].sel(learner=name).values, net.decode(mixed), 1e-5)


def _named(results: Any) -> None:
    """Every number stands at its data and learner; an orbit that was not trained is missing."""
    data = results.latent_study
    assert data["data"].values.tolist() == ["rotated", "blocked"]
    assert data["learner"].values.tolist() == ["two", "one"]
    assert data["row"].values.tolist() == ["two", "one", "whole image", "truth"]
    net, (_, held) = trained(ONE), digit_pairs(ANGLES, 3, seed=2)
    x1, x2, g = held.evaluation().arrays
    error = ((net.decode(turned(net.encode(x1), (1,), g)) - x2) ** 2).mean()
    close(data["psnr"].sel(data="blocked", learner="one").values, [-10.0 * np.log10(error)], 1e-5)
    close(data["psnr_copy"].sel(data="blocked").values, [-10.0 * np.log10(((x1 - x2) ** 2).mean())])
    missing = np.isnan(data["psnr"].sel(data="rotated").values[:, 0]).tolist()
    assert missing == [False, True]
    orbits, angles = data["orbit"].sel(data="blocked"), 2.0 * np.pi * np.arange(ANGLES) / ANGLES
    assert np.isnan(data["orbit"].sel(data="rotated", row="one").values).all()
    close(orbits.sel(row="truth").values, held.truth(SHOWN), 1e-6)
    z = np.repeat(net.encode(held.truth(SHOWN)[1, :1]), ANGLES, axis=0)
    close(orbits.sel(row="one").values[1], net.decode(turned(z, (1,), angles)), 1e-5)


LATENT_STUDY_CHECKS: dict[Callable[[Any], None], tuple[str, ...]] = {
    _swapped: ("swap_answer", "swap_varying", "swap_invariant", "swap_target"),
    _named: ("data", "learner"),
}
"""A check to the entries that it works out again."""
