"""Latent files: how a group acts on latents, pairs of inputs of one orbit, and the training of encoder and decoder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import Meta

from mfsym.arguments import suggestions
from mfsym.configurations.fields import Batch, Count, NonNegative, Positive, Seed
from mfsym.configurations.layers import read_toml
from mfsym.configurations.values import checked
from mfsym.errors import MfsymError

Text = Annotated[str, Meta(min_length=1, max_length=2000)]
Angles = Annotated[int, Meta(ge=2, le=3600)]
Side = Annotated[int, Meta(ge=0, le=8)]
Share = Annotated[float, Meta(gt=0.0, lt=1.0)]
Few = Annotated[int, Meta(ge=2, le=10**4)]


class LatentFileTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of a latent file."""

    def to_dict(self) -> dict[str, Any]:
        """The values as plain JSON types."""
        return msgspec.structs.asdict(self)

    def replaced(self, **values: Any) -> Self:
        """A copy with some values replaced, each checked as in a file; None keeps a value."""
        found = {key: checked(key, value, type(self)) for key, value in values.items() if value is not None}
        return msgspec.structs.replace(self, **found)


class LatentTable(LatentFileTable, frozen=True):
    """[latent]: the representation by which the group turns latents, as in a problem file, and their number if stated.

    representation : not needed by a discovery.
    """

    representation: Text | None = None
    group: Text = "so(2)"
    dimension: Count | None = None


class PairsTable(LatentFileTable, frozen=True):
    """[pairs]: "digits", or an .npz file with the arrays x1, x2 and g, relative to the latent file.

    angles, block : of digits: equally spaced angles, and the side of a white square that does not turn, 0 for none.
    turn : of digits in a discovery: the angle in degrees that is to be found.  test : share held out of an .npz file.
    """

    source: Text
    angles: Angles = 36
    block: Side = 0
    turn: float = 25.0
    test: Share = 0.25


RATES = {"network": 1e-3, "ensembles": 1.0 / 12.0}
"""Trainers, and the rate of each unless the file states one."""


class TrainingTable(LatentFileTable, frozen=True):
    """[training]: ``rate`` on batches of ``batch_size`` pairs; weights of the optional terms of the loss.

    trainer : "network" trains a dense network by Adam; "ensembles" trains two mean-field ensembles by plain SGD.
    particles : N of each ensemble.  rate : of Adam, 0.001 by default; of ensembles alpha / N, 1/12 by default.
    """

    trainer: Literal["network", "ensembles"] = "network"
    particles: Count = 512
    steps: Count = 4000
    batch_size: Batch = 128
    rate: Positive | None = None
    consistency: NonNegative = 0.0
    cycle: NonNegative = 0.0
    seed: Seed = 0

    @property
    def usual_rate(self) -> float:
        """The rate stated, or the usual one of the trainer."""
        return RATES[self.trainer] if self.rate is None else self.rate


class DiscoveryTable(LatentFileTable, frozen=True):
    """[discovery]: principal components, the largest charge looked for, and the angle in degrees if it is known."""

    latents: Few = 25
    most: Annotated[int, Meta(ge=1, le=100)] = 8
    angle: Positive | None = None


class LatentFile(LatentFileTable, frozen=True):
    """A whole latent file."""

    pairs: PairsTable
    latent: LatentTable = msgspec.field(default_factory=LatentTable)
    training: TrainingTable = msgspec.field(default_factory=TrainingTable)
    discovery: DiscoveryTable = msgspec.field(default_factory=DiscoveryTable)
    name: Text | None = None
    description: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The values as plain JSON types, table by table."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    def overridden(self, name: str, **keys: Any) -> LatentFile:
        """A copy of this name with values of [training] or [discovery] replaced, each checked as in a file."""
        tables: dict[str, LatentFileTable] = {"training": self.training, "discovery": self.discovery}
        for key, value in keys.items():
            owner = next((table for table, values in tables.items() if key in values.__struct_fields__), None)
            if owner is None:
                known = [field for values in tables.values() for field in values.__struct_fields__]
                raise MfsymError(f"unknown argument {key[:80]!r}{suggestions(key, known)}")
            tables[owner] = tables[owner].replaced(**{key: value})
        return msgspec.structs.replace(self, name=name, **tables)


TABLES: dict[str, type[LatentFileTable]] = {
    "latent": LatentTable,
    "pairs": PairsTable,
    "training": TrainingTable,
    "discovery": DiscoveryTable,
}


def read_latent(path: Path) -> LatentFile:
    """Read a latent file; a one-line MfsymError, which names the file, if it is invalid. ``source`` becomes a path."""
    data = read_toml(path, "a latent file")
    _refuse_unknown(data, LatentFile, f"{path}: unknown key or table", "")
    for name, struct in TABLES.items():
        table = data.get(name, {})
        if not isinstance(table, dict):
            raise MfsymError(f"{path}: {name} must be a table [{name}]")
        _refuse_unknown(table, struct, f"{path}: unknown key", f" in [{name}]")
        for key in table:
            table[key] = checked(key, table[key], struct, f" in [{name}] of {path}")
    if "source" not in data.get("pairs", {}):
        raise MfsymError(f'{path}: needs a table [pairs] with source = "digits" or an .npz file')
    try:
        found = msgspec.convert(data, LatentFile)
    except (msgspec.ValidationError, OverflowError, RecursionError) as error:
        reason = " ".join(str(error).split()).replace("`$.", "`")
        raise MfsymError(f"{path}: {reason[:200]}") from error
    if found.pairs.source == "digits":
        return found
    if Path(found.pairs.source).suffix != ".npz":
        raise MfsymError(f'{path}: source in [pairs] must be "digits" or end in .npz, got {found.pairs.source[:80]!r}')
    place = str((path.parent / found.pairs.source).absolute())
    return msgspec.structs.replace(found, pairs=msgspec.structs.replace(found.pairs, source=place))


def _refuse_unknown(data: dict[str, Any], struct: type[msgspec.Struct], what: str, where: str) -> None:
    for key in data:
        if key not in struct.__struct_fields__:
            raise MfsymError(f"{what} {key[:80]!r}{where}{suggestions(key, struct.__struct_fields__)}")
