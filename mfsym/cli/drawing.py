"""The command figure: draw a result."""

from __future__ import annotations

from pathlib import Path

import click

from mfsym.cli.options import Name, Number, output_file
from mfsym.errors import MfsymError
from mfsym.figures import FIGURES

SUFFIXES = (".pdf", ".png", ".svg")


@click.command()
@click.argument("name", type=Name(tuple(FIGURES)), metavar="NAME")
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("-o", "--out", required=True, help="The figure to write, .pdf, .png or .svg.")
@click.option("--width", type=Number(0.0, open_low=True), help="Width in inches.  [default: the figure's own]")
@click.option("--teachers", metavar="A,B,...", help="Teachers to show.  [default: all]")
@click.option("--palette", type=click.Path(path_type=Path, dir_okay=False), help="Colours and markers, .toml.")
def figure(
    name: str, results: tuple[Path, ...], out: str, width: float | None, teachers: str | None, palette: Path | None
) -> None:
    """Draw figure NAME from one or more RESULTs; equal results give equal bytes. `mfsym list figures` names them.

    \b
    Example:
      mfsym sweep demo -o demo.nc
      mfsym figure fig3 demo.nc -o fig3.svg --width 3.4 --teachers wi
    """
    suffix = Path(out).suffix
    if suffix not in SUFFIXES:
        raise MfsymError(f"{out}: a figure must end in {', '.join(SUFFIXES)}")
    path = output_file(out, suffix)
    assert path is not None
    from mfsym.figures import figure as drawing
    from mfsym.figures.drawing import draw_figure
    from mfsym.figures.looks import Look

    chosen = tuple(each.strip() for each in (teachers or "").split(",") if each.strip())
    draw_figure(drawing(name), results, [path], Look(width, chosen), palette)
    click.echo(str(path))
