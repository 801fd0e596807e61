"""What every figure shares: names of teachers and starts, numbers as print shows them, captions from attributes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from numpy.typing import NDArray

from mfsym.errors import MfsymError
from mfsym.plotting import TEXT_SIZE

TEACHERS = {"arbitrary": "arbitrary teacher", "wi": "WI teacher", "si": "SI teacher"}

DRAWN = ("ok", "drifted")
"""Statuses of trainings that have numbers."""

NO_BREAK = "\u00a0"

WORDS = re.compile(r"(?:\$[^$]*\$|[^ $])+")
"""Pieces of a caption that a line break never splits: a formula stays whole."""

STARTS = {"si": "SI start", "wi": "WI start"}

SYMBOLS = {
    "alpha": "α",
    "tau": "τ",
    "beta": "β",
    "batch_size": "B",
    "horizon": "T",
}
"""Training parameters as captions write them."""


def power_of_ten(exponent: int) -> str:
    """10 to an integer power, as mathtext."""
    return f"$10^{{{exponent}}}$"


def number(value: float) -> str:
    """A number as print shows it: 50, 0.25, or a mantissa and a power of ten as mathtext."""
    if value == 0 or 1e-2 <= abs(value) < 1e5:
        return f"{value:g}"
    mantissa, exponent = f"{value:.3e}".split("e")
    power = power_of_ten(int(exponent))
    return power if float(mantissa) == 1.0 else f"{float(mantissa):g}·{power}"


def parameters(dataset: Any) -> dict[str, Any]:
    """The resolved configuration of a Dataset, flat; empty if it has none."""
    config = json.loads(dataset.attrs.get("config", "{}"))
    flat = {key: value for key, value in config.items() if not isinstance(value, dict)}
    for table in config.values():
        if isinstance(table, dict):
            flat |= table
    return flat


def needed(dataset: Any, *names: str) -> list[NDArray[np.float64]]:
    """The values of variables that a figure cannot do without; MfsymError naming the one that is absent."""
    for name in names:
        if name not in dataset:
            raise MfsymError(f"the figure needs the variable {name!r}; the result has {', '.join(map(str, dataset))}")
    return [np.asarray(dataset[name].values, dtype=np.float64) for name in names]


def teacher_of(dataset: Any) -> str:
    """The teacher of the reference problem in words; of another problem its name alone; empty if none is stated."""
    known = parameters(dataset)
    name = _listed(known.get("teacher", ""))
    return name if known.get("problem") else TEACHERS.get(name, name)


def teachers_of(dataset: Any) -> dict[str, str]:
    """Title of each teacher of a sweep: those of the reference problem in the order of the paper, then the others."""
    names = [str(name) for name in dataset["teacher"].values]
    return {name: title for name, title in TEACHERS.items() if name in names} | {
        name: name for name in names if name not in TEACHERS
    }


def columns_of(basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """The columns of a basis (p, r) without those that are padding, all NaN."""
    return basis[:, np.isfinite(basis).all(axis=0)]


def _listed(value: Any) -> str:
    values = value if isinstance(value, list) else [value]
    return ", ".join(number(each) if isinstance(each, int | float) else str(each) for each in values)


def training_sentence(dataset: Any) -> str:
    """One sentence that states the training parameters, as far as the Dataset's attributes give them."""
    known = parameters(dataset)
    parts = [f"{symbol} = {_listed(known[key])}" for key, symbol in SYMBOLS.items() if key in known]
    if known.get("problem"):
        parts.append(f"problem {Path(str(known['problem'])).stem}")
    elif "unit" in known:
        parts.append(f"{_listed(known['unit'])} unit with {_listed(known.get('activation', 'sigmoid'))}")
    if "dtype" in known:
        parts.append(_listed(known["dtype"]))
    count = dataset.sizes.get("replicate", 0)
    if count:
        parts.append(f"{count} replicate{'s' if count > 1 else ''}")
    if "seed" in known:
        parts.append(f"seed {known['seed']}")
    return ", ".join(part.replace(" ", NO_BREAK) for part in parts) + "." if parts else ""


def left_out_sentence(*datasets: Any) -> str:
    """How many trainings are not drawn, by status, and how many are that rounding took off E^G; empty if none."""
    known = [np.asarray(dataset["status"].values).astype(str).ravel() for dataset in datasets if "status" in dataset]
    statuses = np.concatenate(known) if known else np.array([], dtype=str)
    counts = {status: int(np.sum(statuses == status)) for status in ("diverged", "failed", "missing")}
    parts = [f"{count} {status}" for status, count in counts.items() if count]
    sentences = [f"Left out of {statuses.size} trainings: {', '.join(parts)}."] if parts else []
    if drifted := int(np.sum(statuses == "drifted")):
        sentences.append(f"Of {statuses.size} trainings {drifted} left $E^G$ by rounding (drawn as they are).")
    return " ".join(sentences)


def write_caption(figure: Figure, *sentences: str, size: float = TEXT_SIZE - 1) -> None:
    """Put the sentences under the figure, wrapped to its width as it is measured."""
    lines: list[str] = []
    for word in WORDS.findall(" ".join(sentences)):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _points_across(longer, size) <= 0.96 * 72.0 * figure.get_figwidth():
            lines[-1] = longer
        else:
            lines.append(word)
    figure.text(0.01, -0.01, "\n".join(lines), ha="left", va="top", size=size, linespacing=1.25)


def _points_across(text: str, size: float) -> float:
    """The width of a line of print as no resolution rounds it."""
    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size), ismath="$" in text)
    return float(width)


def letter(axes: Any, index: int) -> None:
    """Name a panel (a), (b), ... above its left corner."""
    axes.set_title(f"({chr(ord('a') + index)})", loc="left", fontweight="bold", size=TEXT_SIZE)
