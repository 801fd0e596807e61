"""Files of the study of read-outs: seeds, models of upright digits and words, the student of half a domain, ranges."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mfsym.configurations.fields import Count, Positive, Seed
from mfsym.configurations.layers import read_toml
from mfsym.configurations.values import checked
from mfsym.errors import MfsymError

HALF = "half domain"
"""The name of the student of half a domain, beside the models of digits and words."""

Backbone = Literal["prototypes", "perceptron", "overconfident", "words:cyclic(4)", "words:cyclic(2)"]
"""Three models of upright digits, and a recogniser of printed words under quarter and under half turns."""


class RangeTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[[range]]: where the mean over seeds of one number must be.

    model : a backbone, or "half domain".  readout : as in the Dataset.  between : both ends.
    relative : divide the error of the student by a quarter of that of the bare one.
    """

    model: str
    readout: str
    between: Annotated[list[float], Meta(min_length=2, max_length=2)]
    relative: bool = False


class SymmetrisersFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole file.

    seeds : from ``seed`` on.  backbones : models of upright digits and words.  words : number of words a seed.
    student : whether the student of half a domain is in.  n, horizon : its particles and mean-field time.
    range : see ``RangeTable``.
    """

    seeds: Count = 5
    seed: Seed = 0
    backbones: Annotated[list[Backbone], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: ["prototypes", "perceptron", "overconfident"]
    )
    words: Count = 40
    student: bool = True
    n: Count = 200
    horizon: Positive = 200.0
    range: list[RangeTable] = msgspec.field(default_factory=list)
    description: str = ""


def read_symmetrisers(path: Path) -> SymmetrisersFile:
    """The study that a file states; MfsymError of one line, naming the file, for anything that is not one."""
    data = read_toml(path, "a file of a study of read-outs")
    for key in ("seeds", "seed", "words", "n", "horizon"):
        if key in data:
            data[key] = checked(key, data[key], SymmetrisersFile, f" ({path})")
    try:
        found = msgspec.convert(data, SymmetrisersFile)
    except (msgspec.ValidationError, OverflowError, RecursionError) as error:
        reason = " ".join(str(error).split()).replace("`$.", "`")
        raise MfsymError(f"{path}: {reason[:200]}") from error
    if len(set(found.backbones)) < len(found.backbones):
        raise MfsymError(f"{path}: backbones must name each model once")
    return found
