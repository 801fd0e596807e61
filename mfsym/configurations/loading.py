"""Load a complete configuration for a sweep or one training, with the defaults set by a problem file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mfsym.arguments import as_choice, as_plain, shown, suggestions
from mfsym.configurations.cells import Cell, expand, extra_axes
from mfsym.configurations.fields import TRAINING_KEYS
from mfsym.configurations.layers import (
    ARGUMENTS,
    COMMAND_LINE,
    Resolved,
    at,
    environment_layer,
    file_layer,
    resolve,
    set_layer,
)
from mfsym.configurations.names import SCHEMES
from mfsym.configurations.parameters import named
from mfsym.configurations.shipped import problem_file
from mfsym.configurations.texts import read_toml
from mfsym.errors import MfsymError

STATED = named(stated=True)
"""Keys a problem file fixes; giving one together with a problem is an error."""

PREFERRED = (*(key for key in TRAINING_KEYS if key not in STATED), "init", "n")
"""Keys of the table [training] of a problem file: defaults for trainings on it."""

FILE_SUFFIXES = (".npy", ".npz", ".csv", ".nc")


def read_problem_tables(path: Path) -> dict[str, Any]:
    """The raw TOML tables of a problem file; MfsymError if it cannot be read."""
    return read_toml(path, "a problem file")


def digest_of(path: Path) -> str:
    """Digest (32 hex digits) of the values in a problem file and of all files it names; ignores comments and layout."""
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
    """The file part of a source: RUN.nc@TIME refers to the file RUN.nc."""
    name, at, _ = source.rpartition("@")
    return name if at and name.lower().endswith(".nc") else source


def resolve_stated(*layers: tuple[str, Mapping[str, Any]]) -> Resolved:
    """As ``resolve``; if a layer names a problem, its [training] overrides the defaults and its digest is recorded.

    MfsymError if a layer also sets a key that the problem fixes, or if a recorded digest differs from the file's.
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


def load(
    path: Path | None = None,
    *,
    assignments: Iterable[str] = (),
    options: Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Resolved:
    """The configuration of a sweep file, with all layers applied.

    path : a sweep file (TOML), or None.  assignments : texts key=value (``--set``).
    options : values given on the command line; arguments : to a Python function. None means not given.
    environment : instead of os.environ.  Raises MfsymError (exit code 2) for anything unknown or out of range.
    """
    return resolve_stated(
        (COMMAND_LINE, options or {}),
        (ARGUMENTS, arguments or {}),
        ("--set", set_layer(assignments)),
        ("environment", environment_layer(environment)),
        (f"file {path}" if path else "file", file_layer(path) if path else {}),
    )


def single_cell(
    options: Mapping[str, Any], schemes: Sequence[str] | None = None, environment: Mapping[str, str] | None = None
) -> tuple[Cell, int]:
    """The cell of replicate 0 and the number of replicates: options > environment MFSYM_* > problem > default.

    Raises MfsymError for a value out of range, or a list where one value is needed.
    """
    return _cell((COMMAND_LINE, options), ("environment", environment_layer(environment)), schemes=schemes)


def stated_cell(arguments: Mapping[str, Any], schemes: Sequence[str] | None = None) -> Cell:
    """The cell of replicate 0 from the arguments of a Python function; ignores the environment.

    Raises MfsymError as ``single_cell`` does; its messages never mention the command line.
    """
    return _cell((ARGUMENTS, arguments), schemes=schemes)[0]


def _cell(*layers: tuple[str, Mapping[str, Any]], schemes: Sequence[str] | None) -> tuple[Cell, int]:
    """The cell and the number of replicates from layers; earlier layers override later ones."""
    (origin, first), *others = layers
    given = {**first} | ({"scheme": list(schemes)} if schemes is not None else {})
    resolved = resolve_stated((origin, given), *others)
    values = resolved.values
    several = [key for key in ("teacher", "init", "n") if len(values[key]) > 1] + list(extra_axes(resolved))
    if several:
        key = several[0]
        command = "mf.sweep" if origin == ARGUMENTS else "mfsym sweep"
        raise MfsymError(f"{key}{at(resolved.origins[key])} must be one value here; use {command} for lists")
    _, cell = next(expand(resolved))
    return replace(cell, schemes=tuple(values["scheme"])), values["replicates"]


def as_schemes(schemes: Any) -> tuple[str, ...] | None:
    """Names of schemes, or one name, as a tuple; None stays None. MfsymError for an unknown or repeated one."""
    if schemes is None:
        return None
    given = as_plain(schemes)
    names = tuple(as_choice(name, "schemes", SCHEMES) for name in (given if isinstance(given, list) else [given]))
    if not names or len(set(names)) < len(names):
        raise MfsymError(f"schemes must name each scheme once and at least one, got {shown(schemes)}")
    return names


def parse_schemes(text: str | None) -> tuple[str, ...] | None:
    """Parse 'vanilla,fa' to names; MfsymError for an unknown or repeated one."""
    if text is None:
        return None
    try:
        return as_schemes([name.strip() for name in text.split(",") if name.strip()])
    except MfsymError as error:
        raise MfsymError(f"--{error}") from None
