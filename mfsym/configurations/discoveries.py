"""Study files: discoveries of E^G from several seeds, one table [[case]] for each problem and rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from mfsym.arguments import suggestions
from mfsym.configurations.fields import Batch, Count, NonNegative, Positive, RuleName, Seed
from mfsym.configurations.loading import training_layer
from mfsym.configurations.texts import read_toml
from mfsym.configurations.values import checked
from mfsym.errors import MfsymError

SEARCHED = ("n", "horizon", "alpha", "tau", "beta", "batch_size")
"""Keys of [training] of a problem file that a search takes where nothing else is said."""


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table [[case]]: a problem, a rule, the first seed, and what the search is run with.

    problem : a problem file, relative to the study; "" for the reference problem.
    What is None comes from [training] of the problem, then from the defaults of ``mfsym.discovery.Search``.
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

    def search(self) -> dict[str, Any]:
        """The keyword arguments of ``Search`` that the case or its problem states."""
        keys = (*SEARCHED, "delta", "trainings", "snapshots", "replicates", "seed")
        stated = {key: value for key in keys if (value := getattr(self, key)) is not None}
        return preferred(self.problem) | stated

    def to_dict(self) -> dict[str, Any]:
        """The values, as JSON holds them, with what the problem states in its place."""
        return {**msgspec.structs.asdict(self), **self.search()}


def preferred(problem: str) -> dict[str, Any]:
    """What the table [training] of a problem file says of a search; nothing without a problem."""
    values = training_layer(Path(problem)) if problem else {}
    return {key: value for key, value in values.items() if key in SEARCHED}


class DiscoveryStudy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole file: its cases, each run from this many seeds, one after the other from its first."""

    case: list[Case]
    seeds: Count = 20


def read_study(path: Path) -> DiscoveryStudy:
    """The study that a file states; MfsymError, naming the file, for anything that is not one."""
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
        msgspec.structs.replace(case, problem=str((path.parent / case.problem).absolute()) if case.problem else "")
        for case in study.case
    ]
    return msgspec.structs.replace(study, case=found)


def _checked(case: Any, place: str) -> Any:
    """A table [[case]] with its values checked; what is no table is left as it is."""
    if not isinstance(case, dict):
        return case
    for key in case:
        if key not in Case.__struct_fields__:
            raise MfsymError(f"unknown key {key[:80]!r}{place}{suggestions(key, Case.__struct_fields__)}")
    return {key: checked(key, value, Case, place) for key, value in case.items()}
