"""From results to the file of a figure: open, choose, draw, save, so that equal results give equal bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from mfsym.errors import MfsymError
from mfsym.figures.looks import USUAL, Look, read_palette
from mfsym.plotting import RC
from mfsym.stores.datasets import open_result
from mfsym.stores.publishing import make_folder, publish

PAD = 0.03
"""Inches around what is drawn."""

SETTINGS = {**RC, "svg.hashsalt": "mfsym"}
"""Settings of matplotlib; the salt takes the place of the random names in an SVG."""

UNDATED: dict[str, dict[str, str | None]] = {
    ".pdf": {"CreationDate": None},
    ".png": {"Software": None},
    ".svg": {"Date": None},
}
"""Suffixes of figures, and what each leaves out so that equal figures are equal bytes."""


def draw_figure(
    draw: Callable[..., Figure],
    results: Sequence[Path],
    outs: Sequence[Path],
    look: Look = USUAL,
    palette: Path | None = None,
) -> None:
    """Draw result files and write the figure to every path of ``outs``.

    draw : the function of a figure.  outs : .pdf, .png or .svg.  palette : a file as ``read_palette`` takes it.
    Raises MfsymError if a result does not hold what the figure shows, StoreError if one cannot be read.
    """
    for out in outs:
        if out.suffix not in UNDATED:
            raise MfsymError(f"{out}: a figure must end in {', '.join(UNDATED)}")
    datasets = [look.select(open_result(path)) for path in results]
    if palette is not None:
        schemes = [str(name) for dataset in datasets if "scheme" in dataset.dims for name in dataset["scheme"].values]
        look = Look(look.width, look.teachers, read_palette(palette, dict.fromkeys(schemes)))
    render(draw, datasets, outs, look)


def render(draw: Callable[..., Figure], datasets: Sequence[Any], outs: Sequence[Path], look: Look = USUAL) -> None:
    """Draw Datasets in the common style and save the figure to every path of ``outs``; no half-written file is left."""
    with matplotlib.rc_context(SETTINGS):
        figure = draw(*datasets, look=look)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        for out in outs:
            make_folder(out.parent)
            publish(out, _encoded(figure, out, look.width))


def _encoded(figure: Figure, out: Path, width: float | None) -> bytes:
    """The bytes of a figure in the format of a path."""
    metadata = dict(UNDATED[out.suffix])
    if out.suffix != ".png":
        metadata["Title"] = out.stem
    buffer = io.BytesIO()
    figure.savefig(buffer, format=out.suffix[1:], metadata=metadata, bbox_inches=_extent(figure, width), pad_inches=PAD)
    return buffer.getvalue()


def _extent(figure: Figure, width: float | None) -> Bbox | str:
    """The saved region of a figure: all that is drawn, and at least the requested width if there is one."""
    if width is None:
        return "tight"
    drawn = figure.get_tightbbox().padded(PAD)
    return Bbox([[min(0.0, drawn.x0), drawn.y0], [max(width, drawn.x1), drawn.y1]])
