"""One training from the command line, the environment or Python, without a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mfsym.arguments import as_choice, as_plain, shown
from mfsym.configurations.cells import Cell, expand, extra_axes
from mfsym.configurations.fields import SCHEMES
from mfsym.configurations.layers import ARGUMENTS, COMMAND_LINE, at, environment_layer
from mfsym.configurations.problems import resolve_stated
from mfsym.errors import MfsymError


def single_cell(
    options: Mapping[str, Any], schemes: Sequence[str] | None = None, environment: Mapping[str, str] | None = None
) -> tuple[Cell, int]:
    """The cell of replicate 0 and the number of replicates: options > environment MFSYM_* > problem > default.

    Raises MfsymError for a value out of range, or a list where one value is needed.
    """
    return _cell((COMMAND_LINE, options), ("environment", environment_layer(environment)), schemes=schemes)


def stated_cell(arguments: Mapping[str, Any], schemes: Sequence[str] | None = None) -> Cell:
    """The cell of replicate 0 from the arguments of a Python function; the environment has no say.

    Raises MfsymError as ``single_cell``, and speaks of no command line.
    """
    return _cell((ARGUMENTS, arguments), schemes=schemes)[0]


def _cell(*layers: tuple[str, Mapping[str, Any]], schemes: Sequence[str] | None) -> tuple[Cell, int]:
    """The cell and the number of replicates of layers, the first winning."""
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
    return cell, values["replicates"]


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
    """'vanilla,fa' to names; MfsymError for an unknown or repeated one."""
    if text is None:
        return None
    try:
        return as_schemes([name.strip() for name in text.split(",") if name.strip()])
    except MfsymError as error:
        raise MfsymError(f"--{error}") from None
