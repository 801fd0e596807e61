"""Study files: discoveries of E^G from several seeds, one table [[case]] for each problem and rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from mfsym.arguments import suggestions
from mfsym.configurations.fields import Batch, Count, EngineName, NonNegative, Positive, RuleName, Seed
from mfsym.configurations.loading import training_layer
from mfsym.configurations.shipped import problem_file
from mfsym.configurations.texts import read_toml
from mfsym.configurations.values import checked
from mfsym.errors import MfsymError

SEARCHED = ("n", "horizon", "alpha", "tau", "beta", "batch_size", "engine")
"""Keys of [training] of a problem file that serve as defaults of a search."""


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table [[case]]: a problem, a rule, the first seed, and the parameters of the search.

    problem : a problem file, relative to the study; "" for the reference problem.
    A value of None is taken from [training] of the problem, then from the defaults of ``mfsym.discovery.Search``.
    """

    name: str
    rule: RuleName = "robust"
    problem: str = ""
    seed: Seed = 0
    n: Count | None = None
    horizon: Positive | None = None
    alpha: Positive | None = None
    tau: NonNegative | None = None
    beta: NonNegative | None = None
    batch_size: Batch | None = None
    delta: NonNegative | None = None
    trainings: Count | None = None
    snapshots: Count | None = None
    replicates: Count | None = None
    engine: EngineName | None = None

    def search(self) -> dict[str, Any]:
        """The keyword arguments of ``Search`` set by the case or its problem."""
        keys = (*SEARCHED, "delta", "trainings", "snapshots", "replicates", "seed")
        stated = {key: value for key in keys if (value := getattr(self, key)) is not None}
        return preferred(self.problem) | stated

    def to_dict(self) -> dict[str, Any]:
        """The values as plain JSON types, with those from the problem filled in."""
        return {**msgspec.structs.asdict(self), **self.search()}


def preferred(problem: str) -> dict[str, Any]:
    """The search parameters in [training] of a problem file; empty without a problem."""
    values = training_layer(Path(problem)) if problem else {}
    return {key: value for key, value in values.items() if key in SEARCHED}


class DiscoveryStudy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A study file: its cases, each run from ``seeds`` consecutive seeds from its first one."""

    case: list[Case]
    seeds: Count = 20


def read_study(path: Path) -> DiscoveryStudy:
    """Read a study file; MfsymError, which names the file, if it is invalid."""
    data = read_toml(path, "a study file")
    if "seeds" in data:
        data["seeds"] = checked("seeds", data["seeds"], DiscoveryStudy, f" ({path})")
    if isinstance(data.get("case"), list):
        data["case"] = [_checked(case, f" (case {k} of {path})") for k, case in enumerate(data["case"], start=1)]
    try:
        study = msgspec.convert(data, DiscoveryStudy)
    except msgspec.ValidationError as error:
        raise MfsymError(f"{path}: {error}") from None
    names = [case.name for case in study.case]
    if not names or len(set(names)) < len(names):
        raise MfsymError(f"{path}: needs one [[case]] at least, each with a name of its own")
    found = [
        msgspec.structs.replace(case, problem=_place(case.problem, path.parent) if case.problem else "")
        for case in study.case
    ]
    return msgspec.structs.replace(study, case=found)


def _checked(case: Any, place: str) -> Any:
    """A table [[case]] with its values checked; anything but a table is returned unchanged."""
    if not isinstance(case, dict):
        return case
    for key in case:
        if key not in Case.__struct_fields__:
            raise MfsymError(f"unknown key {key[:80]!r}{place}{suggestions(key, Case.__struct_fields__)}")
    return {key: checked(key, value, Case, place) for key, value in case.items()}


def _place(problem: str, folder: Path) -> str:
    """The absolute path of a problem named in a file of this folder."""
    return str(problem_file(problem, folder).absolute())
