"""The study of latent actions over seeds: all learners on all data in one Dataset, and the ranges it must keep."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mfsym.configurations.latent_studies import (
    BASELINES,
    DATA,
    LatentStudyFile,
    LearnerTable,
    read_latent_study,
)
from mfsym.configurations.latents import LatentFile, LatentTable, PairsTable, TrainingTable
from mfsym.experiments.latent_laws import fit_ensembles
from mfsym.experiments.latent_runs import baselines, measured
from mfsym.latents.baselines import AdditiveAction, whole_image
from mfsym.latents.digits import DigitPairs
from mfsym.latents.latent_files import LatentTask, load_latent
from mfsym.latents.measures import swapped
from mfsym.latents.pairs import Pairs
from mfsym.latents.traversals import orbit
from mfsym.runtime.parallel import run_tasks
from mfsym.runtime.provenance import attributes
from mfsym.runtime.scripts import checked_jobs
from mfsym.stores.datasets import open_result, save
from mfsym.stores.publishing import make_folder, require_writable
from mfsym.variables import annotate
from mfsym.version import __version__

if TYPE_CHECKING:
    import xarray as xr

SHOWN = 6
"""Held-out inputs, and pairs of the swap test, whose images are kept of the first seed."""

MEASURED = ("psnr", "ssim", "latent_error", "decoder_consistency", "psnr_swap", "psnr_linear", "latent_error_linear")
"""Numbers of a learner on a data set, for every seed; with ``seconds``."""

BESIDE = ("psnr_copy", "psnr_whole_image", "psnr_swap_varying", "psnr_swap_invariant")
"""Numbers of a data set, for every seed."""


class LatentCell(NamedTuple):
    """One training: data and learner by name, and the seed."""

    data: str
    learner: str
    seed: int

    @property
    def label(self) -> str:
        """What a progress line calls it."""
        return f"{self.learner} on {self.data} digits, seed {self.seed}"


def study_latents(
    study: LatentStudyFile | Path | str, kept: Path | None = None, *, jobs: int = 1, verbosity: int = -1, **keys: Any
) -> xr.Dataset:
    """Train every learner of a study on its data over seeds: what ``mfsym latents`` writes.

    study : the file, or what it states.  kept : a folder to which each finished training is written, and from which
    it is read.  jobs : worker processes.  keys : seeds, seed, steps; they override the file's.
    Returns a Dataset: MEASURED and seconds (data, learner, replicate), NaN where a learner has none or is not
    trained; BESIDE (data, replicate); of the first seed orbit (data, sample, row, turn, pixel), where row is a learner,
    "whole image" or "truth", and of the swap test swap_answer (learner, sample, pixel), swap_varying, swap_invariant,
    swap_target (sample, pixel).  MfsymError without the extras ``jax`` and ``digits``.
    """
    file = (study if isinstance(study, LatentStudyFile) else read_latent_study(Path(study))).replaced(**keys)
    if kept is not None:
        make_folder(kept)
        require_writable(kept / "cell.nc")
    cells = [
        LatentCell(data, learner.name, seed)
        for learner in file.learner
        for data in learner.data
        for seed in range(file.seed, file.seed + file.seeds)
    ]
    parts = run_tasks(
        partial(_kept_cell, file=file, kept=kept),
        cells,
        checked_jobs(jobs),
        title="latents",
        label=lambda cell: cell.label,
        cost=lambda cell: latent_file_of(cell, file).training.steps,
        verbosity=verbosity,
        unit="training",
    )
    return _collected(file, dict(zip(cells, parts, strict=True)))


def latent_file_of(cell: LatentCell, study: LatentStudyFile) -> LatentFile:
    """The latent file that states one training; an additive action as the representation that it replaces."""
    learner = _learner(cell, study)
    training = TrainingTable(
        trainer="ensembles" if learner.trainer == "ensembles" else "network",
        particles=learner.particles,
        steps=study.steps if learner.steps is None else learner.steps,
        batch_size=study.batch_size,
        seed=cell.seed,
    )
    pairs = PairsTable(source="digits", angles=study.angles, block=study.block if cell.data == "blocked" else 0)
    return LatentFile(
        pairs=pairs, latent=LatentTable(representation=learner.representation), training=training, name=learner.name
    )


def run_latent_cell(cell: LatentCell, study: LatentStudyFile) -> xr.Dataset:
    """One training: its measures, and for the first seed the images that the figures show."""
    import xarray as xr

    began = time.perf_counter()
    task, learner = load_latent(latent_file_of(cell, study)), _learner(cell, study)
    action, trained = _trained(task, learner)
    values = measured(action, task.held, trained.encode, trained.decode)
    values |= baselines(task) | {"seconds": time.perf_counter() - began}
    if learner.trainer == "additive":
        values = {name: value for name, value in values.items() if not name.endswith("_linear")}
    variables: dict[str, Any] = {name: ((), value) for name, value in values.items()}
    if cell.seed == study.seed:
        variables |= _images(task, action, trained)
    config = {**task.file.to_dict(), "data": cell.data, "learner": cell.learner, "trainer": learner.trainer}
    attrs = attributes("mfsym latents", config, cell.seed, noise="none")
    return annotate(xr.Dataset(variables, attrs=attrs))


def _trained(task: LatentTask, learner: LearnerTable) -> tuple[Any, Any]:
    """The action on latents, and encoder and decoder trained under it."""
    if learner.trainer == "ensembles":
        return task.action, fit_ensembles(task)

    from mfsym.latents.training import train

    table, action = task.file.training, _action(task, learner)
    made = train(
        action, task.train, steps=table.steps, batch_size=table.batch_size, rate=table.usual_rate, seed=table.seed
    )
    return action, made


def _action(task: LatentTask, learner: LearnerTable) -> Any:
    """The representation, or its additive substitute, which moves as many latents."""
    if learner.trainer != "additive":
        return task.action
    return AdditiveAction(task.action.dim, task.action.dim - round(float(np.trace(task.action.invariant))))


def _images(task: LatentTask, action: Any, trained: Any) -> dict[str, Any]:
    """Orbits of the first held-out inputs by three ways, and the swap test of the first pairs; pixels in float32."""
    held = task.held
    assert isinstance(held, DigitPairs)
    truth = held.truth(SHOWN)
    angles = 2.0 * np.pi * np.arange(held.angles) / held.angles
    learned = [orbit(trained.encode, trained.decode, action, each[0], angles) for each in truth]
    start = [np.repeat(each[:1], held.angles, axis=0) for each in truth]
    whole = [whole_image(Pairs(same, same, angles), task.action) for same in start]
    rows = np.stack([learned, whole, list(truth)], axis=1).astype(np.float32)
    found: dict[str, Any] = {"orbit": (("sample", "row", "turn", "pixel"), rows)}
    if held.block:
        a, b, target = (images[:SHOWN] for images in held.swaps())
        answers = swapped(trained.encode, trained.decode, action, a, b)
        images = {"answer": answers, "varying": a, "invariant": b, "target": target}
        found |= {f"swap_{name}": (("sample", "pixel"), each.astype(np.float32)) for name, each in images.items()}
    return found


def _kept_cell(cell: LatentCell, file: LatentStudyFile, kept: Path | None) -> xr.Dataset:
    """A training, read from the folder if it is there, else made and written to it."""
    path = None if kept is None else kept / f"{identity_of(cell, file)}.nc"
    if path is not None and path.exists():
        return open_result(path)
    found = run_latent_cell(cell, file)
    if path is not None:
        save(found, path)
    return found


def identity_of(cell: LatentCell, study: LatentStudyFile) -> str:
    """Digest (32 hexadecimal digits) of everything that determines the result of one training."""
    content = {**latent_file_of(cell, study).to_dict(), "trainer": _learner(cell, study).trainer}
    content |= {"images": cell.seed == study.seed, "version": __version__}
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()


def _learner(cell: LatentCell, study: LatentStudyFile) -> LearnerTable:
    return next(learner for learner in study.learner if learner.name == cell.learner)


def _collected(file: LatentStudyFile, parts: dict[LatentCell, xr.Dataset]) -> xr.Dataset:
    """The Dataset of all trainings."""
    import xarray as xr

    learners, seeds = [learner.name for learner in file.learner], range(file.seed, file.seed + file.seeds)
    present = [name for name in DATA if any(cell.data == name for cell in parts)]

    def number(name: str, *cells: LatentCell) -> float:
        found = (parts[cell] for cell in cells if cell in parts and name in parts[cell])
        return next((float(part[name]) for part in found), np.nan)

    variables: dict[str, Any] = {}
    for name in (*MEASURED, "seconds"):
        table = [[[number(name, LatentCell(d, m, s)) for s in seeds] for m in learners] for d in present]
        variables[name] = (("data", "learner", "replicate"), table)
    for name in BESIDE:
        beside = [[number(name, *(LatentCell(d, m, s) for m in learners)) for s in seeds] for d in present]
        variables[name] = (("data", "replicate"), beside)
    variables |= _pictures(file, parts, present)
    angles = 360.0 * np.arange(file.angles) / file.angles
    coords: dict[str, Any] = {"data": present, "learner": learners, "replicate": np.arange(file.seeds), "turn": angles}
    coords |= {"row": [*learners, *_OTHER_ROWS]}
    shape = variables["orbit"][1].shape
    coords |= {"sample": np.arange(shape[1]), "pixel": np.arange(shape[-1])}
    attrs = attributes("mfsym latents", file.to_dict(), file.seed, noise="none")
    return annotate(xr.Dataset(variables, coords=coords, attrs=attrs))


_OTHER_ROWS = ("whole image", "truth")


def _pictures(file: LatentStudyFile, parts: dict[LatentCell, xr.Dataset], present: Sequence[str]) -> dict[str, Any]:
    """Orbits and swap tests of the first seed, NaN where a learner is not trained on the data."""
    first = {(cell.data, cell.learner): part for cell, part in parts.items() if cell.seed == file.seed}
    size = next(iter(first.values()))["orbit"].shape
    orbits = np.full((len(present), size[0], len(file.learner) + len(_OTHER_ROWS), *size[2:]), np.nan, np.float32)
    answers = np.full((len(file.learner), size[0], size[-1]), np.nan, np.float32)
    found: dict[str, Any] = {}
    for (data, learner), part in first.items():
        place = next(k for k, each in enumerate(file.learner) if each.name == learner)
        orbits[present.index(data), :, place] = part["orbit"].values[:, 0]
        orbits[present.index(data), :, len(file.learner) :] = part["orbit"].values[:, 1:]
        if "swap_answer" in part:
            answers[place] = part["swap_answer"].values
            found |= {name: (("sample", "pixel"), part[name].values) for name in _SWAPS}
    if found:
        found["swap_answer"] = (("learner", "sample", "pixel"), answers)
    return {"orbit": (("data", "sample", "row", "turn", "pixel"), orbits)} | found


_SWAPS = ("swap_varying", "swap_invariant", "swap_target")


def outside_latents(dataset: xr.Dataset, study: LatentStudyFile) -> list[str]:
    """One line for every number, of a seed or a mean over seeds, that is not in the range which the study states."""
    lines, first = [], int(dataset.attrs["seed"])
    for each in study.range:
        low, high = each.between
        values = _values(dataset, each.learner, each.data, each.measure)
        named = {f"seed {first + replicate}": value for replicate, value in enumerate(values)}
        if each.of == "mean":
            named = {f"mean over {len(values)} seed(s)": values.mean()}
        for which, value in named.items():
            if not low <= value <= high:
                where = f"{each.learner}, {each.data}, {which}"
                lines.append(f"{where}: {each.measure} {value:.4g} is not in [{low:g}, {high:g}]")
    return lines


def _values(dataset: xr.Dataset, learner: str, data: str, measure: str) -> Any:
    """A measure over seeds."""
    if learner in BASELINES:
        return dataset[f"{measure}_{learner.replace(' ', '_')}"].sel(data=data).values
    return dataset[measure].sel(data=data, learner=learner).values


def latent_records(dataset: xr.Dataset) -> list[dict[str, Any]]:
    """One record for each data set and learner, baselines included: every measure over seeds; those absent are left
    out."""
    records = []
    for data in map(str, dataset["data"].values):
        for learner in (*BASELINES, *map(str, dataset["learner"].values)):
            names = ("psnr",) if learner in BASELINES else (*MEASURED, "seconds")
            values = {name: _values(dataset, learner, data, name) for name in names}
            known = {name: value.tolist() for name, value in values.items() if np.isfinite(value).any()}
            if known:
                records.append({"data": data, "learner": learner, **known})
    return records


def latent_rows(dataset: xr.Dataset) -> list[list[str]]:
    """Rows of texts: a head, then least and largest value over seeds of every learner on every data set."""
    names = {"psnr": "dB", "ssim": "SSIM", "latent_error": "latent error", "psnr_swap": "swap, dB", "seconds": "s"}
    digits = {"psnr": 2, "psnr_swap": 2, "seconds": 0}
    rows = [["digits, latents", *names.values()]]
    for record in latent_records(dataset):
        texts = [_spread(record[name], digits.get(name, 3)) if name in record else "-" for name in names]
        rows.append([f"{record['data']}, {record['learner']}", *texts])
    return rows


def _spread(values: list[float], places: int) -> str:
    low, high = f"{min(values):.{places}f}", f"{max(values):.{places}f}"
    return low if low == high else f"{low} - {high}"
