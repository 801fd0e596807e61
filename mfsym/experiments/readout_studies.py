"""The study of read-outs over seeds: turned digits and words, and half a domain, in one Dataset; and its ranges."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mfsym.configurations.symmetrisers import HALF, SymmetrisersFile, read_symmetrisers
from mfsym.errors import MfsymError
from mfsym.experiments.symmetrisations import half_domain, turned_digits
from mfsym.experiments.words import TURNS, check_installed, turned_words
from mfsym.runtime.parallel import run_tasks
from mfsym.runtime.provenance import attributes
from mfsym.runtime.scripts import checked_jobs
from mfsym.variables import annotate

if TYPE_CHECKING:
    import xarray as xr

DIGITS = {
    "none": "turned",
    "equitune": "equitune",
    "equitune:probabilities": "equitune of probabilities",
    "equizero:max-score": "equizero, max-score",
    "equizero:max-prob": "equizero, max-prob",
    "lambda": "lambda",
}
"""Readout to the key of ``turned_digits``."""

STUDENT = {
    "none": "off",
    "equitune": "equitune",
    "equizero:own": "equizero",
    "lambda": "lambda",
    "lambda:ensemble": "lambda, ensemble",
}
"""Readout to the key of ``half_domain``."""

PRINTED = {
    "none": "turned",
    "equitune": "equitune",
    "equizero:confidence": "equizero, confidence",
    "lambda:odds": "lambda, odds",
    "lambda:probability": "lambda, probability",
}
"""Readout to the key of ``turned_words``."""

SETTINGS = ("backbones", "seeds", "seed", "words", "student", "n", "horizon")
"""What of a file the Dataset keeps."""


def study_readouts(study: SymmetrisersFile | Path | str, *, jobs: int = 1, verbosity: int = -1) -> xr.Dataset:
    """Every model of a study behind every read-out, over seeds: what ``mfsym symmetrise STUDY.toml`` writes.

    study : the file, or what it states.  jobs : worker processes.
    Returns a Dataset: accuracy_upright (backbone, replicate); accuracy_read (backbone, readout, replicate) of turned
    digits or words; with the student risk (replicate) on its half domain, risk_read (readout, replicate) off it. NaN
    where a read-out is not one of the model's. MfsymError without scikit-learn, which the digits come with, and for
    words without the extra demos.
    """
    import xarray as xr

    file = study if isinstance(study, SymmetrisersFile) else read_symmetrisers(Path(study))
    models, seeds = (*file.backbones, *[HALF] * file.student), range(file.seed, file.seed + file.seeds)
    if not TURNS.keys().isdisjoint(models):
        check_installed()
    readouts = list(dict.fromkeys(name for model in models for name in _keys(model)))
    tasks = [(model, seed) for model in models for seed in seeds]
    rows = run_tasks(
        partial(_row, file=file),
        tasks,
        checked_jobs(jobs),
        title="read-outs",
        label=lambda task: f"{task[0]}, seed {task[1]}",
        verbosity=verbosity,
        unit="model",
    )
    found = dict(zip(tasks, rows, strict=True))

    def over_seeds(model: str, key: str | None) -> list[float]:
        return [np.nan if key is None else found[model, seed][key] for seed in seeds]

    def read(model: str) -> list[list[float]]:
        return [over_seeds(model, _keys(model).get(name)) for name in readouts]

    variables: dict[str, Any] = {
        "accuracy_upright": (("backbone", "replicate"), [over_seeds(model, "upright") for model in file.backbones]),
        "accuracy_read": (("backbone", "readout", "replicate"), [read(model) for model in file.backbones]),
    }
    if file.student:
        variables |= {"risk": ("replicate", over_seeds(HALF, "on"))}
        variables |= {"risk_read": (("readout", "replicate"), read(HALF))}
    coords = {"backbone": list(file.backbones), "readout": readouts, "replicate": np.arange(file.seeds)}
    config = {name: getattr(file, name) for name in SETTINGS}
    attrs = attributes("mfsym symmetrise", config, file.seed, noise="none")
    return annotate(xr.Dataset(variables, coords=coords, attrs=attrs))


def _keys(model: str) -> dict[str, str]:
    """Readout to the key of what is measured of a model."""
    return STUDENT if model == HALF else PRINTED if model in TURNS else DIGITS


def _row(task: tuple[str, int], file: SymmetrisersFile) -> dict[str, float]:
    model, seed = task
    if model == HALF:
        return half_domain(seed, file.n, file.horizon)
    return turned_words(model, seed, file.words) if model in TURNS else turned_digits(model, seed)


def means_of(dataset: xr.Dataset) -> dict[tuple[str, str], float]:
    """(model, readout) to the mean over seeds: accuracy on turned inputs, or squared error off the half domain."""
    found = {}
    for name in map(str, dataset["readout"].values):
        for model in map(str, dataset["backbone"].values):
            found[model, name] = float(dataset["accuracy_read"].sel(backbone=model, readout=name).mean())
        if "risk_read" in dataset:
            found[HALF, name] = float(dataset["risk_read"].sel(readout=name).mean())
    return {key: value for key, value in found.items() if np.isfinite(value)}


def outside_ranges(dataset: xr.Dataset, study: SymmetrisersFile) -> list[str]:
    """One line for every mean over seeds that is not in the range which the study states for it."""
    means, lines = means_of(dataset), []
    for each in study.range:
        if (each.model, each.readout) not in means:
            raise MfsymError(f"no model {each.model!r} is read by {each.readout!r}; correct the [[range]]")
        value = means[each.model, each.readout]
        if each.relative:
            value /= means[each.model, "none"] / 4.0
        low, high = each.between
        if not low <= value <= high:
            lines.append(f"{each.model}, {each.readout}: {value:.4g} is not in [{low:g}, {high:g}]")
    return lines


def study_rows(dataset: xr.Dataset) -> list[list[str]]:
    """Rows of texts: a head, then mean over seeds of every model behind every read-out."""
    means, names = means_of(dataset), [str(name) for name in dataset["readout"].values]
    rows = [["model", "upright", *("turned" if name == "none" else name for name in names)]]
    for model in (*map(str, dataset["backbone"].values), *[HALF] * ("risk_read" in dataset)):
        own = dataset["risk"] if model == HALF else dataset["accuracy_upright"].sel(backbone=model)
        form = "{:.2e}" if model == HALF else "{:.3f}"
        texts = [form.format(means[model, name]) if (model, name) in means else "-" for name in names]
        rows.append([model, form.format(float(own.mean())), *texts])
    return rows
