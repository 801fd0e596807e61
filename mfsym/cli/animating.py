"""The command animate: an animation of a run."""

from __future__ import annotations

from pathlib import Path

import click

from mfsym.cli.options import Number, output_file
from mfsym.errors import MfsymError

SUFFIXES = (".gif", ".mp4")


@click.command()
@click.argument("run", type=click.Path(path_type=Path, dir_okay=False))
@click.option("-o", "--out", required=True, help="The picture to write, .gif or .mp4 (needs ffmpeg).")
@click.option("--seconds", type=Number(0.0, open_low=True), default=8.0, show_default=True, help="Duration.")
def animate(run: Path, out: str, seconds: float) -> None:
    """Show the cloud of RUN moving in mean-field time, in space and along E^G; RUN is of simulate or flow.

    \b
    Example:
      mfsym simulate --teacher arbitrary -n 200 --snapshots 100 -o run.nc
      mfsym animate run.nc -o cloud.gif
    """
    suffix = Path(out).suffix
    if suffix not in SUFFIXES:
        raise MfsymError(f"{out}: an animation is a .gif or an .mp4")
    path = output_file(out, suffix)
    from mfsym.stores.datasets import open_result

    dataset = open_result(run)
    from mfsym.experiments.movies import movie_of
    from mfsym.plotting import animate as write

    movie = movie_of(dataset)
    assert path is not None
    write(movie, path, seconds=seconds)
    click.echo(f"{path}: {len(movie.times)} times of {movie.particles.shape[1]} particles")
