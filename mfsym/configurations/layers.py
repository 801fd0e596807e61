"""Layers of a configuration, in order of precedence: command line > --set > environment MFSYM_* > file > default."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mfsym.arguments import shown, suggestions
from mfsym.configurations.fields import TABLES, defaults, key_tables
from mfsym.configurations.shipped import problem_file
from mfsym.configurations.texts import read_toml
from mfsym.configurations.values import checked, parse_value
from mfsym.errors import MfsymError

ENVIRONMENT_PREFIX = "MFSYM_"
OTHER_ENVIRONMENT = ("CACHE_DIR", "DEMO_SIZE", "LOG", "THREADS")
"""Variables MFSYM_* that are not configuration keys."""

COMMAND_LINE, ARGUMENTS = "command line", "arguments"
"""Origins of values from options and from the arguments of a Python function; errors mention only the first."""


@dataclass(frozen=True)
class Resolved:
    """A complete, checked configuration: the value of every key, and its origin."""

    values: dict[str, Any]
    origins: dict[str, str]

    def tables(self) -> dict[str, dict[str, Any]]:
        """The values by table, as stored in every result."""
        tables: dict[str, dict[str, Any]] = {table: {} for table in TABLES}
        for key, table in key_tables().items():
            tables[table][key] = self.values[key]
        return tables

    def to_json(self) -> str:
        """The tables as JSON with sorted keys: one text per configuration."""
        return msgspec.json.encode(self.tables(), order="sorted").decode()


def file_layer(path: Path) -> dict[str, Any]:
    """Keys and values of a sweep file; MfsymError if it is invalid. A problem path is relative to the file."""
    values = _flatten(read_toml(path, "a sweep file"), path)
    if isinstance(values.get("problem"), str) and values["problem"]:
        values["problem"] = str(problem_file(values["problem"], path.parent))
    return values


def _flatten(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """Keys and values of all tables; the error for an unknown table or key suggests the nearest name."""
    values: dict[str, Any] = {}
    for table, content in data.items():
        if table not in TABLES:
            hint = _belongs(table) or suggestions(table, TABLES)
            raise MfsymError(f"{path}: unknown table [{table[:80]}]{hint}")
        if not isinstance(content, dict):
            raise MfsymError(f"{path}: {table} must be a table [{table}], got {type(content).__name__}")
        for key, value in content.items():
            if key not in TABLES[table].__struct_fields__:
                hint = _belongs(key) or suggestions(key, TABLES[table].__struct_fields__)
                raise MfsymError(f"{path}: unknown key {key[:80]!r} in [{table}]{hint}")
            values[key] = value
    return values


def _belongs(key: str) -> str:
    """A hint that names the table of a misplaced key; "" if it is not a key."""
    table = key_tables().get(key)
    return f": {key} belongs in [{table}]" if table else ""


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
            raise MfsymError(f"--set: unknown key {name[:80]!r}{_belongs(key) or suggestions(key, tables)}")
        values[key] = parse_value(text)
    return values


def environment_layer(environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Values of MFSYM_ALPHA, MFSYM_N, ...; MfsymError for an unknown MFSYM_* variable."""
    values: dict[str, Any] = {}
    tables = key_tables()
    for name, text in sorted((os.environ if environment is None else environment).items()):
        if not name.startswith(ENVIRONMENT_PREFIX) or name[len(ENVIRONMENT_PREFIX) :] in OTHER_ENVIRONMENT:
            continue
        key = name[len(ENVIRONMENT_PREFIX) :].lower()
        if key not in tables:
            raise MfsymError(f"environment: unknown variable {name[:80]}{suggestions(key, tables)}; unset it")
        values[key] = parse_value(text)
    return values


def resolve(*layers: tuple[str, Mapping[str, Any]]) -> Resolved:
    """Resolve (origin, values) layers: earlier layers override later ones, and all override the defaults.

    Raises MfsymError for an unknown key, and for a value of the wrong type, out of range or not finite. The error names
    the key and, unless it is a function argument, its origin.
    """
    tables = key_tables()
    values, origins = defaults(), dict.fromkeys(tables, "default")
    for origin, layer in reversed(layers):
        for key, value in layer.items():
            if value is None:
                continue
            if key not in tables:
                what = f"{key[:80]!r}{suggestions(key, tables)}" if isinstance(key, str) else shown(key)
                raise MfsymError(f"unknown parameter{at(origin)} {what}")
            values[key] = checked(key, value, TABLES[tables[key]], at(origin))
            origins[key] = origin
    return Resolved(values, origins)


def at(origin: str) -> str:
    """' (origin)' for an error about a value; "" for function arguments."""
    return "" if origin == ARGUMENTS else f" ({origin})"
