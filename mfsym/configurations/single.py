"""One training from the command line or the environment, without a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mfsym.configurations.cells import Cell, expand, extra_axes
from mfsym.configurations.fields import SCHEMES
from mfsym.configurations.layers import environment_layer, nearest
from mfsym.configurations.problems import resolve_stated
from mfsym.errors import MfsymError


def single_cell(
    options: Mapping[str, Any], schemes: Sequence[str] | None = None, environment: Mapping[str, str] | None = None
) -> tuple[Cell, int]:
    """The cell of replicate 0 and the number of replicates: options > environment MFSYM_* > problem > default.

    Raises MfsymError for a value out of range, or a list where one value is needed.
    """
    given = dict(options) | ({"scheme": list(schemes)} if schemes is not None else {})
    resolved = resolve_stated(("command line", given), ("environment", environment_layer(environment)))
    values = resolved.values
    several = [key for key in ("teacher", "init", "n") if len(values[key]) > 1] + list(extra_axes(resolved))
    if several:
        raise MfsymError(
            f"{several[0]} ({resolved.origins[several[0]]}) must be one value here; use mfsym sweep for lists"
        )
    _, cell = next(expand(resolved))
    return cell, values["replicates"]


def parse_schemes(text: str | None) -> tuple[str, ...] | None:
    """'vanilla,fa' to names; MfsymError for an unknown or repeated one."""
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in SCHEMES:
            raise MfsymError(f"--schemes: unknown scheme {name[:80]!r}{nearest(name, SCHEMES)}")
    if not names or len(set(names)) < len(names):
        raise MfsymError(f"--schemes must name each scheme once and at least one, got {text[:80]!r}")
    return names
