"""The command distance: clouds in files at one end, numbers at the other."""

from __future__ import annotations

import json

import click

from mfsym.cli.options import Number, format_option, problem_option
from mfsym.configurations.fields import UNITS
from mfsym.errors import MfsymError


@click.command()
@click.argument("cloud")
@click.argument("other", required=False)
@click.option("--to", type=click.Choice(("si", "symmetrised", "wi")), help="Distance of one cloud to these laws.")
@click.option("--time", "at", type=Number(0.0), help="Time of a run file.  [default: its last]")
@click.option("--unit", type=click.Choice(UNITS), help="Reference unit whose group acts.  [default: matrix]")
@problem_option
@format_option("text", "json")
def distance(
    cloud: str, other: str | None, to: str | None, at: float | None, unit: str | None, problem: str | None, form: str
) -> None:
    """Squared W2 and RMD between two clouds (.npy, .npz, .csv, or a run file .nc, also as run.nc@TIME).

    \b
    Examples:
      mfsym distance a.npy b.npy
      mfsym distance run.nc@0 run.nc@20 --format json
      mfsym distance run.nc --to si
    """
    if (other is None) == (to is None):
        raise MfsymError("distance needs two clouds, or one cloud and --to si|symmetrised|wi")
    if unit is not None and problem is not None:
        raise MfsymError("--unit is stated by the problem; leave it out")
    from mfsym.stores.clouds import load_cloud

    a = load_cloud(cloud, at)
    b = load_cloud(other, at) if other is not None else None
    from mfsym.experiments import distance_between, distance_to

    if b is not None:
        record = distance_between(a, b)
    else:
        from mfsym.problems import load_problem

        record = distance_to(a, str(to), load_problem(problem).unit if problem is not None else unit or "matrix")
    if form == "json":
        click.echo(json.dumps(record))
        return
    for name, value in record.items():
        click.echo(f"{name:13s} {value:.10g}" if isinstance(value, float) else f"{name:13s} {value}")
