"""Shapes files: templates or a molecule, and one table [[sampler]] for each sampler to compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import Meta

from mfsym.arguments import suggestions
from mfsym.configurations.fields import Count, NonNegative, Positive, Seed
from mfsym.configurations.layers import read_toml
from mfsym.configurations.values import checked
from mfsym.errors import MfsymError

DenoiserName = Literal["mean", "aligned", "procrustes", "learned"]
LossName = Literal["conventional", "quotient", "geodiff", "af3"]

DENOISERS: tuple[str, ...] = ("mean", "aligned", "procrustes", "learned")
METHODS: tuple[str, ...] = ("ode", "sde")
INTEGRATORS: tuple[str, ...] = ("aligned", "drift", "plain")

Text = Annotated[str, Meta(min_length=1, max_length=2000)]
Range = Annotated[list[float], Meta(min_length=2, max_length=2)]
Few = Annotated[int, Meta(ge=1, le=10**4)]


class ShapesTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of a shapes file."""

    def to_dict(self) -> dict[str, Any]:
        """The values as plain JSON types."""
        return msgspec.structs.asdict(self)

    def replaced(self, **values: Any) -> Self:
        """A copy with some values replaced, each checked as in a file; None keeps a value."""
        found = {key: checked(key, value, type(self)) for key, value in values.items() if value is not None}
        return msgspec.structs.replace(self, **found)


class TemplateTable(ShapesTable, frozen=True):
    """[[template]]: a shape as ``points`` or in an .xyz ``file``, relative to the shapes file, and its ``weight``."""

    name: Text | None = None
    points: list[list[float]] | None = None
    file: Text | None = None
    weight: NonNegative | None = None


class SamplerTable(ShapesTable, frozen=True):
    """[[sampler]]: a denoiser and a sampling method.

    denoiser : of the templates, or "learned" by ``loss``.  twist : amplitude of a vertical field added to the denoiser.
    between : required range of the total variation of the recovered populations; [] for none.
    """

    name: Text
    denoiser: DenoiserName = "mean"
    loss: LossName = "quotient"
    twist: float = 0.0
    method: Literal["ode", "sde"] = "ode"
    integrator: Literal["aligned", "drift", "plain"] = "aligned"
    curvature_sign: Annotated[int, Meta(ge=-1, le=1)] = 1
    steps: Count | None = None
    between: Range | None = None


class ShapesFile(ShapesTable, frozen=True):
    """A shapes file. ``smiles`` replaces templates; see ``mfsym.quotients.molecules`` for the keys of a molecule.

    samples, replicates, seed : of a comparison of samplers; replicate r has the seed ``seed`` + r.
    paths : number of samples whose every step is kept.  training_steps, batch : of learned denoisers.
    radius : RMSD within which a template counts as covered.
    """

    name: Text | None = None
    description: str = ""
    template: list[TemplateTable] = msgspec.field(default_factory=list)
    centred: bool = True
    smiles: Text | None = None
    embeddings: Few = 200
    separation: Positive = 0.3
    temperature: Positive = 298.15
    sampler: list[SamplerTable] = msgspec.field(default_factory=list)
    eta: NonNegative = 1.0
    samples: Count = 1000
    replicates: Few = 1
    seed: Seed = 0
    paths: Annotated[int, Meta(ge=0, le=10**6)] = 0
    training_steps: Count = 8000
    batch: Few = 256
    radius: Positive = 0.1


_LISTS: dict[str, type[ShapesTable]] = {"template": TemplateTable, "sampler": SamplerTable}
_PLAIN = ("samples", "replicates", "seed", "paths", "eta", "embeddings", "separation", "temperature", "radius", "batch")


def read_shapes(path: Path) -> ShapesFile:
    """Read a shapes file; a one-line MfsymError, which names the file, if it is invalid."""
    data = read_toml(path, "a shapes file")
    _refuse_unknown(data, ShapesFile, f"{path}: unknown key or table", "")
    for key in _PLAIN:
        if key in data:
            data[key] = checked(key, data[key], ShapesFile, f" ({path})")
    for key, struct in _LISTS.items():
        for k, table in enumerate(data.get(key, []) if isinstance(data.get(key), list) else [], start=1):
            if isinstance(table, dict):
                _refuse_unknown(table, struct, f"{path}: unknown key", f" in [[{key}]] {k}")
    try:
        found = msgspec.convert(data, ShapesFile)
    except (msgspec.ValidationError, OverflowError, RecursionError) as error:
        reason = " ".join(str(error).split()).replace("`$.", "`")
        raise MfsymError(f"{path}: {reason[:200]}") from error
    if (found.smiles is None) == (not found.template):
        raise MfsymError(f"{path}: needs either smiles or one [[template]] at least")
    names = [each.name for each in found.sampler]
    if len(set(names)) < len(names):
        raise MfsymError(f"{path}: every [[sampler]] needs a name of its own")
    return found


def _refuse_unknown(data: dict[str, Any], struct: type[msgspec.Struct], what: str, where: str) -> None:
    for key in data:
        if key not in struct.__struct_fields__:
            raise MfsymError(f"{what} {key[:80]!r}{where}{suggestions(key, struct.__struct_fields__)}")
