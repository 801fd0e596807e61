"""Problem files as a layer of configuration: the training values they prefer, and the digest of all they hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mfsym.arguments import suggestions
from mfsym.configurations.fields import Training
from mfsym.configurations.layers import Resolved, at, read_toml, resolve
from mfsym.errors import MfsymError
from mfsym.stores.shipped import problem_file

STATED = ("teacher", "unit", "activation")
"""Keys that a problem states itself: refused beside one."""

PREFERRED = (*(key for key in Training.__struct_fields__ if key not in STATED), "init", "n")
"""Keys of the table [training] of a problem file: defaults for trainings on it."""

FILE_SUFFIXES = (".npy", ".npz", ".csv", ".nc")


def read_problem_tables(path: Path) -> dict[str, Any]:
    """The tables of a problem file as TOML gives them; MfsymError if it cannot be read."""
    return read_toml(path, "a problem file")


def digest_of(path: Path) -> str:
    """32 hexadecimal digits of what a problem file says and of every file it names, not of comments and layout."""
    tables = read_problem_tables(path)
    tables = {key: value for key, value in tables.items() if key not in ("name", "description", "training")}
    digest = hashlib.blake2b(json.dumps(tables, sort_keys=True, default=str).encode(), digest_size=16)
    for name in sorted(set(_file_names(tables))):
        try:
            digest.update((path.parent / _file_of(name)).read_bytes())
        except OSError as error:
            raise MfsymError(f"{path}: {name} cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()


def _file_names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _file_names(item)
    elif isinstance(value, str) and Path(_file_of(value)).suffix.lower() in FILE_SUFFIXES:
        yield value


def _file_of(source: str) -> str:
    """The file that a source names: RUN.nc@TIME is a time of a run."""
    name, at, _ = source.rpartition("@")
    return name if at and name.lower().endswith(".nc") else source


def resolve_stated(*layers: tuple[str, Mapping[str, Any]]) -> Resolved:
    """As ``resolve``; where a layer names a problem, its [training] comes before the defaults and its digest is kept.

    MfsymError if a layer also sets what the problem states, or if a recorded digest is not the file's.
    """
    given = [(origin, {key: value for key, value in layer.items() if value is not None}) for origin, layer in layers]
    name = next((layer["problem"] for _, layer in given if "problem" in layer), "")
    if not name or not isinstance(name, str):
        return resolve(*layers)
    path = problem_file(name).absolute()
    for origin, layer in given:
        for key in STATED:
            if key in layer:
                raise MfsymError(f"{key}{at(origin)} is stated by the problem {name}; leave it out")
    stated = {"problem": str(path), "problem_digest": digest_of(path)}
    return resolve(("problem", stated), *given, (f"problem {name}", training_layer(path)))


def training_layer(path: Path) -> dict[str, Any]:
    """The values of the table [training] of a problem file."""
    values = read_problem_tables(path).get("training", {})
    if not isinstance(values, dict):
        raise MfsymError(f"{path}: training must be a table [training], got {type(values).__name__}")
    for key in values:
        if key not in PREFERRED:
            raise MfsymError(f"{path}: unknown key {key[:80]!r} in [training]{suggestions(key, PREFERRED)}")
    return values
