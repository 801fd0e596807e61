"""Files of the study of latent actions: data, learners, seeds, and the ranges that every seed must keep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from mfsym.arguments import as_choice
from mfsym.configurations.fields import Batch, Count, Seed
from mfsym.configurations.latents import Angles, Side, Text
from mfsym.configurations.layers import read_toml
from mfsym.configurations.values import checked
from mfsym.errors import MfsymError

BASELINES = ("copy", "whole image")
"""What stands beside the learners without training: the input itself, and the whole image turned."""

DataName = Literal["rotated", "blocked"]
DATA: tuple[DataName, ...] = ("rotated", "blocked")
"""Digits that turn, and digits that turn beside a white square that does not."""

MEASURES = ("psnr", "ssim", "latent_error", "decoder_consistency", "psnr_swap")
"""Measures of a learner for which a range can be stated."""


class LearnerTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[[learner]]: one way in which latents turn, trained on each of ``data``.

    trainer : "network", dense networks; "ensembles", two mean-field ensembles; "additive", dense networks whose latents
    that vary under ``representation`` have the angle added instead.  steps : those of the study by default.
    particles : N of each ensemble.
    """

    name: Text
    representation: Text
    trainer: Literal["network", "additive", "ensembles"] = "network"
    data: Annotated[list[DataName], Meta(min_length=1)] = msgspec.field(default_factory=lambda: list(DATA))
    steps: Count | None = None
    particles: Count = 512


class LatentRangeTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[[range]]: where one measure of one learner must be.

    learner : its name, or a name in BASELINES, of which psnr alone is known.  between : both ends.
    of : "every seed", or "mean" for the mean over seeds.
    """

    learner: Text
    data: DataName
    measure: Literal["psnr", "ssim", "latent_error", "decoder_consistency", "psnr_swap"] = "psnr"
    between: Annotated[list[float], Meta(min_length=2, max_length=2)]
    of: Literal["every seed", "mean"] = "every seed"


class LatentStudyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole file.

    seeds : how many, from ``seed`` on.  angles, block : of the digits, as in a latent file.
    steps, batch_size : of each training.  learner, range : see ``LearnerTable`` and ``LatentRangeTable``.
    """

    learner: Annotated[list[LearnerTable], Meta(min_length=1)]
    seeds: Count = 5
    seed: Seed = 0
    angles: Angles = 36
    block: Side = 3
    steps: Count = 4000
    batch_size: Batch = 128
    range: list[LatentRangeTable] = msgspec.field(default_factory=list)
    description: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The values as plain JSON types, table by table."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    def replaced(self, **values: Any) -> LatentStudyFile:
        """A copy with seeds, seed or steps replaced, each checked as in a file; MfsymError for another name."""
        for key in values:
            as_choice(key, "the name of an argument", ("seeds", "seed", "steps"))
        found = {key: checked(key, value, LatentStudyFile) for key, value in values.items()}
        return checked_study(msgspec.structs.replace(self, **found))


def read_latent_study(path: Path) -> LatentStudyFile:
    """The study that a file states; MfsymError of one line, naming the file, for anything that is not one."""
    data = read_toml(path, "a file of a study of latents")
    for key in ("seeds", "seed", "angles", "block", "steps", "batch_size"):
        if key in data:
            data[key] = checked(key, data[key], LatentStudyFile, f" ({path})")
    try:
        found = msgspec.convert(data, LatentStudyFile)
    except (msgspec.ValidationError, OverflowError, RecursionError) as error:
        reason = " ".join(str(error).split()).replace("`$.", "`")
        raise MfsymError(f"{path}: {reason[:200]}") from error
    try:
        return checked_study(found)
    except MfsymError as error:
        raise MfsymError(f"{path}: {error}") from None


def checked_study(study: LatentStudyFile) -> LatentStudyFile:
    """The study; MfsymError for a name that occurs twice or is reserved, a range of nothing, or a square of no side."""
    names = [learner.name for learner in study.learner]
    for name in names:
        if names.count(name) > 1 or name in (*BASELINES, "truth"):
            raise MfsymError(
                f"every learner needs a name of its own, got {name[:60]!r}; {', '.join(BASELINES)} are kept"
            )
    trained = {(learner.name, data) for learner in study.learner for data in learner.data}
    if not study.block and any(data == "blocked" for _, data in trained):
        raise MfsymError("blocked digits need a square: block = 3")
    for each in study.range:
        known = (each.learner, each.data) in trained or (each.learner in BASELINES and each.measure == "psnr")
        if not known or (each.measure == "psnr_swap" and each.data != "blocked"):
            raise MfsymError(
                f"no {each.measure} of {each.learner[:60]!r} on {each.data} digits is measured; correct the [[range]]"
            )
    return study
