"""The command discover: E^G from data."""

from __future__ import annotations

import json
from typing import Any

import click

from mfsym.cli.options import COUNT, SEED, Number, format_option, output_file, problem_option
from mfsym.configurations.fields import ACTIVATIONS, TEACHERS, UNITS


@click.command()
@problem_option
@click.option("--teacher", type=click.Choice(TEACHERS), help="Target law.  [default: wi]")
@click.option("--unit", type=click.Choice(UNITS), help="Kind of unit.  [default: matrix]")
@click.option("--activation", type=click.Choice(ACTIVATIONS), help="Activation.  [default: sigmoid]")
@click.option(
    "--rule",
    type=click.Choice(("paper", "robust", "oracle", "paper-oracle")),
    default="robust",
    show_default=True,
    help="Who decides: the mean residual, agreeing principal directions, or the population without samples.",
)
@click.option("-n", "n", type=COUNT, default=1000, show_default=True, help="Number N of particles.")
@click.option("--horizon", type=Number(0.0, open_low=True), default=20.0, show_default=True, help="Time of each step.")
@click.option("--alpha", type=Number(0.0, open_low=True), default=20.0, show_default=True, help="Step size.")
@click.option("--tau", type=Number(0.0), default=1e-4, show_default=True, help="Weight of the penalty |z|^2.")
@click.option("--beta", type=Number(0.0), default=1e-6, show_default=True, help="Temperature of the noise.")
@click.option("--batch-size", type=COUNT, default=20, show_default=True, help="Samples B per step.")
@click.option("--delta", type=Number(0.0), default=1e-2, show_default=True, help="Threshold of the paper's rule.")
@click.option("--replicates", type=click.IntRange(min=4), default=8, show_default=True, help="Of the robust rule.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of every random stream.")
@click.option("-o", "--out", help="Also write the Dataset, .nc.")
@format_option("table", "json")
def discover(rule: str, out: str | None, form: str, problem: str | None, **given: Any) -> None:
    """Find the fixed subspace E^G from data, without using the group; prints the trace of every step.

    \b
    Example:
      mfsym discover --teacher wi --rule robust -n 200 --batch-size 100 --format json
    """
    from mfsym.configurations.problems import STATED
    from mfsym.configurations.single import single_cell

    path = output_file(out)
    stated = {key: value for key in STATED if (value := given.pop(key)) is not None}
    cell, _ = single_cell({**stated, "problem": problem})
    from mfsym.discovery import Search
    from mfsym.experiments import problem_of
    from mfsym.stores.datasets import save
    from mfsym.traces import trace, trace_record, trace_table

    found = problem_of(cell).quadratic("discover")
    dataset = trace(found.unit, found.data, rule, Search(**given))
    if path is not None:
        save(dataset, path)
    click.echo(json.dumps(trace_record(dataset)) if form == "json" else trace_table(dataset))
