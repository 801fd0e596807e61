"""User settings of a figure: its width, the teachers it shows, the marks of its schemes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.colors import is_color_like, to_hex
from matplotlib.lines import Line2D

from mfsym.arguments import as_number, shown, suggestions
from mfsym.configurations.texts import read_toml
from mfsym.errors import MfsymError
from mfsym.plotting import SCHEMES, Mark

WIDTH = 6.75
"""Inches across the page."""

NARROWEST, WIDEST = 2.0, 40.0
"""Inches between which a figure's width must lie."""

NARROWEST_COLUMN = 1.1
"""Inches that a column of panels needs for its ticks to be read."""

PAIRS = {
    ("vanilla", "da"): Mark("vanilla–DA", "#E69F00", "<"),
    ("vanilla", "fa"): Mark("vanilla–FA", "#444444", ">"),
    ("da", "fa"): Mark("DA–FA", "#999999", "X"),
}
"""Colour and marker of each pair of schemes: none that a scheme has."""

SPARE = (("#332288", "P"), ("#882255", "*"), ("#117733", "h"), ("#AA4499", "p"), ("#661100", "8"))
"""Colours and markers of schemes that have none, in their order."""

FIELDS = ("colour", "marker", "label")


def _names_of_pairs() -> dict[str, Mark]:
    return {"-".join(pair): mark for pair, mark in PAIRS.items()}


@dataclass(frozen=True)
class Look:
    """User settings common to all figures.

    width : inches across, 2 to 40; None for the figure's own.
    teachers : names of the teachers to show, in the order of the figure; none for all.
    palette : a mark for each scheme and pair of schemes ("da-fa") that is not to look as usual.
    """

    width: float | None = None
    teachers: tuple[str, ...] = ()
    palette: Mapping[str, Mark] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.width is not None:
            object.__setattr__(self, "width", as_number(self.width, "width"))
            if not NARROWEST <= self.width <= WIDEST:
                raise MfsymError(f"width must be {NARROWEST:g} to {WIDEST:g} inches, got {self.width:g}")

    def across(self, own: float = WIDTH) -> float:
        """Width in inches: the one requested, or the figure's default."""
        return own if self.width is None else self.width

    def per_row(self, count: int, least: float, margin: float = 0.0) -> int:
        """How many of ``count`` panels stand side by side, each at least ``least`` inches wide; 1 at least."""
        return max(1, min(count, int((self.across() - margin) / least)))

    def schemes(self, present: Iterable[str]) -> dict[str, Mark]:
        """The mark of each scheme, in the order of the legend: mfsym's own first, then the others as they come."""
        names = [str(name) for name in present]
        others = [name for name in names if name not in SCHEMES]
        spare = {name: Mark(name, *SPARE[k % len(SPARE)]) for k, name in enumerate(others)}
        ordered = {name: mark for name, mark in SCHEMES.items() if name in names} | spare
        return {name: self.palette.get(name, mark) for name, mark in ordered.items()}

    def pairs(self, present: Iterable[str]) -> dict[tuple[str, str], Mark]:
        """The mark of each pair of vanilla, DA and FA that is present."""
        names = set(present)
        return {pair: self.palette.get("-".join(pair), mark) for pair, mark in PAIRS.items() if names.issuperset(pair)}

    def select(self, dataset: Any) -> Any:
        """The part of a Dataset with the teachers to show; MfsymError where it has none of them."""
        if not self.teachers:
            return dataset
        if "teacher" not in dataset.dims:
            raise MfsymError("teachers can be chosen in a sweep only; this result has no dimension teacher")
        known = [str(name) for name in dataset["teacher"].values]
        for name in self.teachers:
            if name not in known:
                raise MfsymError(f"the result has no teacher {name!r}; it has {', '.join(known)}")
        return dataset.sel(teacher=[name for name in known if name in self.teachers])


USUAL = Look()
"""The look of the figures in the papers."""


def legend_columns(labels: Iterable[str], width: float) -> int:
    """Columns of a legend of these labels that fit in ``width`` inches."""
    names = list(labels)
    entry = 0.34 + 0.052 * max((len(name) for name in names), default=1)
    return max(1, min(len(names), int(width / entry)))


def require_columns(count: int, width: float) -> None:
    """MfsymError unless ``count`` columns of panels can be read in ``width`` inches."""
    least = NARROWEST_COLUMN * count
    if width < least - 1e-9:
        raise MfsymError(
            f"{count} columns of panels need a width of {least:g} inches, got {width:g}; show fewer teachers"
        )


def read_palette(path: Path, schemes: Iterable[str] = ()) -> dict[str, Mark]:
    """The marks of a palette file (TOML): a colour, or colour, marker and label, for each name.

    A name is a scheme of mfsym or of ``schemes``, or a pair of schemes::

        fa = "#009E73"
        ea = { colour = "purple", marker = "*", label = "equivariant" }
        da-fa = "0.6"

    Omitted settings keep their defaults. Colours and markers are those of matplotlib. Raises MfsymError for anything
    else.
    """
    usual = Look().schemes([*SCHEMES, *(name for name in schemes if name not in SCHEMES)]) | _names_of_pairs()
    palette = {}
    for name, value in read_toml(path, "a palette file").items():
        if name not in usual:
            raise MfsymError(f"{path}: unknown name {name[:80]!r}{suggestions(name, tuple(usual))}")
        stated = value if isinstance(value, dict) else {"colour": value}
        for key in stated:
            if key not in FIELDS:
                raise MfsymError(f"{path}: {name}: unknown key {key[:80]!r}{suggestions(key, FIELDS)}")
        palette[name] = _checked(usual[name]._replace(**stated), f"{path}: {name}")
    return palette


def _checked(mark: Mark, where: str) -> Mark:
    if not isinstance(mark.colour, str) or not is_color_like(mark.colour):
        raise MfsymError(f"{where}: colour must be one of matplotlib's, such as '#009E73', got {shown(mark.colour)}")
    if not isinstance(mark.marker, str) or mark.marker not in Line2D.markers:
        raise MfsymError(f"{where}: marker must be one of matplotlib's, such as 'o' or '^', got {shown(mark.marker)}")
    if not isinstance(mark.label, str) or not mark.label.strip():
        raise MfsymError(f"{where}: label must be a text, got {shown(mark.label)}")
    return mark._replace(colour=to_hex(mark.colour).upper())
