"""Plot style of the schemes in figures and reports: a name, a colour and a marker each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mfsym.errors import MfsymError

_HEXADECIMAL = re.compile(r"#[0-9A-Fa-f]{6}")


class Mark(NamedTuple):
    """Plot style of one curve or cloud: its name in the legend, its colour #RRGGBB and its marker."""

    label: str
    colour: str
    marker: str

    def tint(self, amount: float = 0.65) -> tuple[float, float, float]:
        """The colour mixed with white: 0 the colour itself, 1 white. MfsymError if the colour is not #RRGGBB."""
        if not _HEXADECIMAL.fullmatch(self.colour):
            raise MfsymError(f"the colour of a mark must be #RRGGBB, got {self.colour[:40]!r}")
        red, green, blue = (amount + (1.0 - amount) * (int(self.colour[k : k + 2], 16) / 255.0) for k in range(1, 7, 2))
        return red, green, blue


OTHERS = (("#E69F00", "P"), ("#F0E442", "X"), ("#999999", "*"), ("#882255", "p"), ("#44AA99", "h"))
"""Colours and markers for schemes that define no mark; they differ from those of the package's schemes."""


def marks_for(names: Iterable[str], known: Mapping[str, Mark]) -> dict[str, Mark]:
    """A mark for each name: the known one, or else the next of OTHERS, cyclically.

    >>> marks_for(["mine"], {})["mine"].colour
    '#E69F00'
    """
    found: dict[str, Mark] = {}
    for name in names:
        colour, marker = OTHERS[sum(other not in known for other in found) % len(OTHERS)]
        found[name] = known.get(name, Mark(name, colour, marker))
    return found
