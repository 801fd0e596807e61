"""Values of keys: parse them from text and TOML, and check them against the type of each key.

Options, ``--set`` and ``MFSYM_*`` share one grammar of numbers: that of TOML, plus ``.5``, ``5.`` and ``05``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from mfsym.arguments import as_choice, as_number, as_plain, as_whole, shown
from mfsym.errors import MfsymError

NUMBER = re.compile(r"[+-]?(\d[\d_]*\.?|(\d[\d_]*)?\.\d[\d_]*)([eE][+-]?\d+)?", re.ASCII)
"""A number as users write it; TOML requires digits on both sides of the point."""

BARE = re.compile(r"(?<![\w.+-])([+-]?)(?:(\.\d[\d_]*)|(\d[\d_]*\.)(?![\d_]))([eE][+-]?\d+)?", re.ASCII)
"""A number in a TOML line with digits on only one side of its point."""

LONGEST = 1000
"""Longest text parsed as a number, in characters."""


def parse_number(text: str) -> int | float | None:
    """Parse a number, or return None; an int if the text has neither point nor exponent.

    >>> parse_number("1_000"), parse_number(".5"), parse_number("5."), parse_number("x")
    (1000, 0.5, 5.0, None)
    """
    text = text.strip()
    try:
        value = tomllib.loads(f"value = {text}")["value"] if len(text) < LONGEST and "\n" not in text else None
    except (ValueError, KeyError, RecursionError):
        value = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if len(text) >= LONGEST or not NUMBER.fullmatch(text):
        return None
    try:
        return float(text) if set(text) & set(".eE") else int(text)
    except ValueError:
        return None


def parse_value(text: str) -> Any:
    """Parse a TOML value, numbers as in ``parse_number``; a bare word is text, and a, b, c without brackets a list."""
    if "\n" in text or "\r" in text:
        raise MfsymError(f"a value must be on one line, got {text[:40]!r}")
    number = parse_number(text)
    if number is not None:
        return number
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError, KeyError):
        pass
    bare = text.strip()
    if bare.startswith("[") and bare.endswith("]"):
        bare = bare[1:-1]
    elif "," not in bare:
        return bare
    if bare.startswith(("[", "{", '"', "'")):
        return text.strip()
    return [parse_value(part.strip()) for part in bare.split(",") if part.strip()]


def parse_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML text, with or without a byte order mark; a one-line MfsymError if it is invalid."""
    text = text.removeprefix("\ufeff")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise MfsymError("is nested too deeply") from None
    except ValueError as error:
        raise MfsymError(f"is not valid TOML: {' '.join(str(error).split())[:200]}{_hint(text, str(error))}") from None


def _hint(text: str, reason: str) -> str:
    """A suggested correction if the failing line holds a number without digits on one side of its point."""
    place = re.search(r"at line (\d+)", reason)
    line = text.splitlines()[int(place[1]) - 1] if place and int(place[1]) <= len(text.splitlines()) else ""
    found = BARE.search(line.partition("#")[0])
    if found is None:
        return ""
    sign, fraction, whole, exponent = (part or "" for part in found.groups())
    instead = f"{sign}0{fraction}{exponent}" if fraction else f"{sign}{whole}0{exponent}"
    return f"; in TOML a point has digits on both sides: write {instead} for {found[0]}"


@cache
def types_of(struct: type[msgspec.Struct]) -> dict[str, inspect.Type]:
    """The declared type of every key of a structure."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return {field.name: field.type for field in info.fields}


def check_names(data: Mapping[str, Any], struct: type[msgspec.Struct], what: str) -> None:
    """Raise MfsymError if a key that takes one of several names has another value; the error lists the names.

    what : the owner of the keys, at the start of the error message.
    """
    for key, kind in types_of(struct).items():
        if key in data and isinstance(kind, inspect.LiteralType):
            as_choice(data[key], f"{what}{key}", map(str, kind.values))


def checked(key: str, value: Any, struct: type[msgspec.Struct], place: str = "") -> Any:
    """The value of a key, converted to the type declared in the structure.

    value : also NumPy's numbers and arrays, ranges, tuples, pandas columns.  place : its location, for errors.
    Raises a one-line MfsymError that states what the key takes; lists must be nonempty without repeats.
    """
    declared = types_of(struct)[key]
    name, value = f"{key}{place}", as_plain(value)
    kinds = declared.types if isinstance(declared, inspect.UnionType) else (declared,)
    lists = [kind for kind in kinds if isinstance(kind, inspect.ListType)]
    singles = [kind for kind in kinds if not isinstance(kind, inspect.ListType | inspect.NoneType)]
    if not singles and not isinstance(value, list):
        value = [value]
    if not isinstance(value, list):
        return _single(value, name, singles[0])
    if not lists:
        raise MfsymError(f"{name} must be one value, got {shown(value)}")
    found = [_single(item, name, lists[0].item_type) for item in value]
    if not found:
        raise MfsymError(f"{name} must hold at least one value, got an empty list")
    if len(set(found)) != len(found):
        raise MfsymError(f"{name} must not repeat a value, got {str(found)[:60]}")
    return found


def _single(value: Any, name: str, kind: inspect.Type) -> Any:
    """One value of a declared type."""
    if isinstance(kind, inspect.IntType):
        return as_whole(value, name, kind.ge, kind.le)
    if isinstance(kind, inspect.FloatType):
        found = as_number(value, name, least=kind.ge, above=kind.gt)
        if kind.le is not None and found > kind.le:
            raise MfsymError(f"{name} must be a number <= {kind.le:g}, got {found:g}")
        return found
    if isinstance(kind, inspect.LiteralType):
        return as_choice(value, name, map(str, kind.values))
    if not isinstance(value, str):
        raise MfsymError(f"{name} must be text, got {shown(value)}")
    return value
