"""Where a value comes from: command line > --set > environment MFSYM_* > file > default."""

from __future__ import annotations

import difflib
import math
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mfsym.configurations.fields import LISTS, TABLES, WHOLE, defaults, key_tables
from mfsym.errors import MfsymError

MAX_FILE_BYTES = 1_000_000
ENVIRONMENT_PREFIX = "MFSYM_"
OTHER_ENVIRONMENT = ("CACHE_DIR", "DEMO_SIZE", "LOG", "THREADS")
"""Variables MFSYM_* that are no keys of a configuration."""


@dataclass(frozen=True)
class Resolved:
    """A complete, checked configuration: value of every key, and where it came from."""

    values: dict[str, Any]
    origins: dict[str, str]

    def tables(self) -> dict[str, dict[str, Any]]:
        """The values by table, as they travel in every result."""
        tables: dict[str, dict[str, Any]] = {table: {} for table in TABLES}
        for key, table in key_tables().items():
            tables[table][key] = self.values[key]
        return tables

    def to_json(self) -> str:
        """The tables as JSON with sorted keys: one text per configuration."""
        return msgspec.json.encode(self.tables(), order="sorted").decode()


def nearest(name: str, known: Iterable[str]) -> str:
    """' (did you mean X?)' for the known name closest to ``name``, or nothing."""
    close = difflib.get_close_matches(name[:80], list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else f"; known: {', '.join(sorted(known))}"


def parse_value(text: str) -> Any:
    """A value as in TOML; a bare word is text, and a, b, c without brackets is a list."""
    if "\n" in text or "\r" in text:
        raise MfsymError(f"a value must be on one line, got {text[:40]!r}")
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError, ValueError, KeyError):
        pass
    if "," in text and not text.lstrip().startswith(("[", "{", '"', "'")):
        return [parse_value(part.strip()) for part in text.split(",") if part.strip()]
    return text.strip()


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The content of a TOML file; MfsymError, naming the file, for anything that is not one.

    what : the kind of file, for the error of one that is too large.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise MfsymError(f"{path}: {what} must be under {MAX_FILE_BYTES} bytes, got {size}")
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise MfsymError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise MfsymError(f"{path}: must be UTF-8 text (byte {error.start} is not)") from error
    except RecursionError as error:
        raise MfsymError(f"{path}: is nested too deeply") from error
    except ValueError as error:
        raise MfsymError(f"{path}: is not valid TOML: {_one_line(error)}") from error


def file_layer(path: Path) -> dict[str, Any]:
    """Keys and values of a sweep file; MfsymError for anything that is not one. A problem lies relative to the file."""
    values = _flatten(read_toml(path, "a sweep file"), path)
    if isinstance(values.get("problem"), str) and values["problem"]:
        values["problem"] = str(path.parent / values["problem"])
    return values


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _flatten(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """Keys of the known tables; unknown tables and keys are refused with the nearest name."""
    values: dict[str, Any] = {}
    for table, content in data.items():
        if table not in TABLES:
            raise MfsymError(f"{path}: unknown table [{table[:80]}]{nearest(table, TABLES)}")
        if not isinstance(content, dict):
            raise MfsymError(f"{path}: {table} must be a table [{table}], got {type(content).__name__}")
        for key, value in content.items():
            if key not in TABLES[table].__struct_fields__:
                raise MfsymError(
                    f"{path}: unknown key {key[:80]!r} in [{table}]{nearest(key, TABLES[table].__struct_fields__)}"
                )
            values[key] = value
    return values


def set_layer(assignments: Iterable[str]) -> dict[str, Any]:
    """Values of ``--set key=value`` (or ``table.key=value``)."""
    values: dict[str, Any] = {}
    tables = key_tables()
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        name = name.strip()
        if not equals:
            raise MfsymError(f"--set must be key=value, got {assignment[:80]!r}")
        table, dot, key = name.rpartition(".")
        if key not in tables or (dot and tables[key] != table):
            raise MfsymError(f"--set: unknown key {name[:80]!r}{nearest(key, tables)}")
        values[key] = parse_value(text)
    return values


def environment_layer(environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Values of MFSYM_ALPHA, MFSYM_N, ...; an unknown MFSYM_* variable is refused."""
    values: dict[str, Any] = {}
    tables = key_tables()
    for name, text in sorted((os.environ if environment is None else environment).items()):
        if not name.startswith(ENVIRONMENT_PREFIX) or name[len(ENVIRONMENT_PREFIX) :] in OTHER_ENVIRONMENT:
            continue
        key = name[len(ENVIRONMENT_PREFIX) :].lower()
        if key not in tables:
            raise MfsymError(f"environment: unknown variable {name[:80]}{nearest(key, tables)}; unset it")
        values[key] = parse_value(text)
    return values


def _check_finite(key: str, value: Any, origin: str) -> None:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, float) and not math.isfinite(item):
            raise MfsymError(f"{key} ({origin}) must be finite, got {item}")


def _whole(value: Any) -> Any:
    """1e9 counts as a whole number; 5.5 is left for the type check to refuse."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _convert(key: str, value: Any, origin: str) -> Any:
    """The value with its declared type; lists without repeats and not empty."""
    if key in LISTS and not isinstance(value, list):
        value = [value]
    _check_finite(key, value, origin)
    if key in WHOLE:
        value = [_whole(item) for item in value] if isinstance(value, list) else _whole(value)
    struct = TABLES[key_tables()[key]]
    try:
        converted = getattr(msgspec.convert({key: value}, struct), key)
    except (msgspec.ValidationError, OverflowError, RecursionError) as error:
        reason = re.sub(r" - at `[^`]*`", "", _one_line(error))
        raise MfsymError(f"{key} ({origin}): {reason}, got {str(value)[:60]}") from error
    if isinstance(converted, list):
        if not converted:
            raise MfsymError(f"{key} ({origin}) must hold at least one value, got an empty list")
        if len(set(converted)) != len(converted):
            raise MfsymError(f"{key} ({origin}) must not repeat a value, got {str(converted)[:60]}")
    return converted


def resolve(*layers: tuple[str, Mapping[str, Any]]) -> Resolved:
    """Resolve (origin, values) layers, the first given winning over the later ones and all over the defaults.

    Raises MfsymError for a value of the wrong type, out of range or not finite, naming its key and origin.
    """
    values, origins = defaults(), dict.fromkeys(key_tables(), "default")
    for origin, layer in reversed(layers):
        for key, value in layer.items():
            if value is None:
                continue
            values[key] = _convert(key, value, origin)
            origins[key] = origin
    return Resolved(values, origins)


def load(
    path: Path | None = None,
    *,
    assignments: Iterable[str] = (),
    options: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Resolved:
    """The configuration of a file with every layer over it.

    path : a sweep file (TOML), or None.  assignments : texts key=value (``--set``).
    options : values given on the command line; None stands for not given.
    environment : instead of os.environ.  Raises MfsymError (exit code 2) for anything unknown or out of range.
    """
    from mfsym.configurations.problems import resolve_stated

    return resolve_stated(
        ("command line", options or {}),
        ("--set", set_layer(assignments)),
        ("environment", environment_layer(environment)),
        (f"file {path}" if path else "file", file_layer(path) if path else {}),
    )
