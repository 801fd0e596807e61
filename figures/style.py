"""What every figure shares: size, captions from a Dataset's attributes, the command line, files with the same bytes.

Every script is run as ``python figures/NAME.py RESULT... OUT.pdf``; it reads results, never simulates, and writes
OUT.pdf (vector) and OUT.png (200 dpi). The same results give the same bytes.
"""

from __future__ import annotations

import argparse
import io
import json
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mfsym.errors import MfsymError
from mfsym.plotting import RC, TEXT_SIZE
from mfsym.stores.datasets import open_result
from mfsym.stores.publishing import make_folder, publish

WIDTH = 6.75
"""Inches across the page."""

TEACHERS = {"arbitrary": "arbitrary teacher", "wi": "WI teacher", "si": "SI teacher"}

DRAWN = ("ok", "drifted")
"""Statuses of trainings that have numbers."""

NO_BREAK = "\u00a0"

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
    """Put the sentences under the figure, wrapped to its width."""
    letters = int(figure.get_figwidth() * 72.0 / (0.385 * size))
    text = " ".join(sentence for sentence in sentences if sentence)
    lines = textwrap.wrap(text, letters, break_on_hyphens=False, break_long_words=False)
    figure.text(0.01, -0.01, "\n".join(lines), ha="left", va="top", size=size, linespacing=1.25)


def letter(axes: Any, index: int) -> None:
    """Name a panel (a), (b), ... above its left corner."""
    axes.set_title(f"({chr(ord('a') + index)})", loc="left", fontweight="bold", size=TEXT_SIZE)


def save(figure: Figure, out: Path) -> tuple[Path, Path]:
    """Write OUT.pdf and OUT.png whole or not at all, without dates, so that equal figures are equal bytes."""
    make_folder(out.parent)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    written = []
    for suffix, metadata in ((".png", {"Software": None}), (".pdf", {"CreationDate": None, "Title": out.stem})):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix[1:], metadata=metadata, bbox_inches="tight", pad_inches=0.03)
        path = out.with_suffix(suffix)
        publish(path, buffer.getvalue())
        written.append(path)
    return written[1], written[0]


def render(draw: Callable[..., Figure], datasets: Sequence[Any], out: Path) -> tuple[Path, Path]:
    """Draw the Datasets in the common style and save the figure."""
    with matplotlib.rc_context(RC):
        return save(draw(*datasets), out)


def main(draw: Callable[..., Figure], argv: Sequence[str] | None = None) -> None:
    """The command line of a script: ``RESULT... OUT.pdf``. Exit code 2 or 3 and one line when a result is unusable."""
    parser = argparse.ArgumentParser(description=f"Draw {draw.__doc__}")
    parser.add_argument("results", nargs="+", type=Path, metavar="RESULT", help="a result of mfsym, NetCDF")
    parser.add_argument("out", type=Path, metavar="OUT.pdf", help="the figure; the PNG is written beside it")
    given = parser.parse_args(argv)
    if given.out.suffix not in (".pdf", ".png"):
        parser.error(f"the last argument is the figure to write, NAME.pdf; got {given.out}")
    try:
        render(draw, [open_result(path) for path in given.results], given.out)
    except MfsymError as error:
        parser.exit(getattr(error, "exit_code", 2), f"error: {error}\n")
