"""Commands that train: simulate, compare."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from mfsym.cli.estimates import dry_run_option, print_estimate
from mfsym.cli.options import (
    COUNT,
    Name,
    format_option,
    jobs_option,
    keep_and_print,
    large_option,
    output_file,
    parameter_option,
    problem_options,
    verbosity,
    verbosity_options,
)
from mfsym.cli.owning import OwnInputs, own_options
from mfsym.configurations.names import SCHEMES
from mfsym.errors import Diverged, SweepIncomplete

if TYPE_CHECKING:
    from mfsym.configurations.cells import Cell


@click.command()
@own_options
@problem_options
@click.option("--scheme", type=Name(SCHEMES), default="vanilla", show_default=True, help="Training scheme.")
@click.option("--snapshots", type=COUNT, default=21, show_default=True, help="Times kept, from 0 to the horizon.")
@click.option("-o", "--out", required=True, help="The Dataset to write, .nc.")
@dry_run_option
@large_option
@verbosity_options
def simulate(
    out: str, scheme: str, snapshots: int, dry_run: bool, allow_large: bool, quiet: bool, verbose: bool, **given: Any
) -> None:
    """Train one scheme and keep its particles, risks and distances at several times.

    \b
    Example:
      mfsym simulate --teacher wi --init si --scheme fa -n 500 -o run.nc
    """
    from mfsym.configurations.loading import single_cell
    from mfsym.configurations.preflight import check_cell
    from mfsym.sweeps.plans import parameters_of

    path = output_file(out)
    own = OwnInputs.taken(given)
    cell = own.sized(single_cell(given, schemes=(scheme,))[0])
    needs = check_cell(
        cell, parameters=parameters_of(cell.problem, cell.problem_digest), snapshots=snapshots, allow_large=allow_large
    )
    if dry_run:
        print_estimate(needs, 1)
        return
    from mfsym.experiments.simulations import simulate_setup
    from mfsym.stores.datasets import save

    dataset = simulate_setup(own.setup(cell), snapshots=snapshots, verbosity=verbosity(quiet, verbose))
    assert path is not None
    save(dataset, path)
    last = dataset.isel(time=-1)
    if not quiet:
        names = ("risk", "risk_error", "rmd2_si", "rmd2_symmetrised")
        numbers = ", ".join(f"{name} {float(last[name]):.3e}" for name in names)
        if dataset.attrs["loss"] != "quadratic":
            numbers += f" ({dataset.attrs['loss']} loss)"
        click.echo(f"{path}: t = {float(last['time']):g}, {numbers}")
    if dataset.attrs["status"] == "drifted":
        say_drifted(f"from t = {int(dataset.attrs['drifted_step']) / cell.n:g} on the run is")
    if dataset.attrs["status"] == "singular":
        say_singular(f"from t = {int(dataset.attrs['singular_step']) / cell.n:g} on the run had")
    if dataset.attrs["status"] == "diverged":
        step = int(dataset.attrs["diverged_step"])
        raise Diverged(
            f"the run diverged at step {step}; {path} holds it up to there; try a smaller --alpha", step=step
        )


@click.command()
@own_options
@problem_options
@parameter_option("replicate")
@parameter_option("null")
@click.option("--schemes", metavar="A,B,...", help="Which schemes.  [default: all five]")
@click.option(
    "--readouts", metavar="A,B,...", help="Also read every model by equitune, lambda, equizero or equizero:PROXY."
)
@click.option("-o", "--out", help="Also write the Dataset, .nc.")
@jobs_option
@format_option("table", "json", "csv")
@dry_run_option
@large_option
@verbosity_options
def compare(
    schemes: str | None,
    readouts: str | None,
    out: str | None,
    jobs: int,
    form: str,
    dry_run: bool,
    allow_large: bool,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Train every scheme from one start, on one stream of data and noise, and tabulate what they reach.

    \b
    Example:
      mfsym compare --teacher arbitrary --init si -n 100 --replicates 10 --format json
      mfsym compare --teacher wi --readouts equitune,equizero,lambda
    """
    from mfsym.configurations.loading import parse_schemes, single_cell
    from mfsym.configurations.preflight import check_cell
    from mfsym.sweeps.plans import parameters_of

    path = output_file(out)
    from mfsym.experiments.readings import as_readings

    readings = as_readings(readouts)
    own = OwnInputs.taken(given)
    cell, replicates = single_cell(given, schemes=parse_schemes(schemes))
    cell = own.sized(cell)
    needs = check_cell(
        cell,
        parameters=parameters_of(cell.problem, cell.problem_digest),
        replicates=replicates,
        jobs=min(jobs, replicates),
        allow_large=allow_large,
    )
    if dry_run:
        read, seconds = costs_of_reading(own, cell, readings) if readings else ({}, 0.0)
        needs = replace(needs, seconds=needs.seconds + replicates * seconds)
        print_estimate(needs, len(cell.schemes), form, read)
        return
    from mfsym.experiments.comparisons import compare_setup
    from mfsym.sweeps.tables import comparison_csv, comparison_records, comparison_table

    dataset = compare_setup(
        own.setup(cell), replicates=replicates, jobs=jobs, verbosity=verbosity(quiet, verbose), readouts=readings
    )
    if form == "json":
        text = json.dumps(comparison_records(dataset))
    else:
        text = comparison_table(dataset) if form == "table" else comparison_csv(dataset)
    keep_and_print(dataset, path, text)
    statuses = dataset["status"].transpose("replicate", "scheme").values
    bad = statuses == "diverged"
    _say_statuses(statuses)
    if bad.any():
        missing = tuple(replace(cell, replicate=r).label for r in range(replicates) if bad[r].any())
        raise SweepIncomplete(f"{int(bad.sum())} training(s) diverged; try a smaller --alpha", missing=missing)


def costs_of_reading(own: OwnInputs, cell: Cell, readings: tuple[str, ...]) -> tuple[dict[str, dict[str, int]], float]:
    """Scheme to read-out to forward passes for one input, and the seconds of one core that one replicate's take."""
    from mfsym.configurations.preflight import seconds_of_passes
    from mfsym.experiments.readings import NONE, SECONDS_PER_FIT, check_readings, fits, passes_of, passes_to_judge

    setup = own.setup(cell)
    check_readings(readings, setup.problem)
    schemes = {name: setup.dynamics(name).scheme for name in cell.schemes}
    passes = {
        name: {each: passes_of(each, scheme, setup.problem) for each in (NONE, *readings)}
        for name, scheme in schemes.items()
    }
    judged = passes_to_judge(readings, list(schemes.values()), setup.problem)
    fitting = SECONDS_PER_FIT * fits(readings, setup.problem) * len(schemes)
    return passes, fitting + seconds_of_passes(judged, cell.n, setup.unit.p)


def _say_statuses(statuses: Any) -> None:
    """Warn of the trainings of a comparison that drifted off E^G or met singular orbits."""
    drifted, singular = (int((statuses == status).sum()) for status in ("drifted", "singular"))
    if drifted:
        say_drifted(f"{drifted} training(s) ended")
    if singular:
        say_singular(f"{singular} training(s) had")


def say_drifted(who: str) -> None:
    """Warn on standard error that rounding errors drove a run off E^G."""
    click.echo(f"warning: {who} off E^G by rounding, though the scheme preserves it; try --dtype auto", err=True)


def say_singular(who: str) -> None:
    """Warn on standard error that horizontal noise acted on particles of singular orbits."""
    click.echo(
        f"warning: {who} particles whose orbits had lost a dimension, where horizontal noise is less projected",
        err=True,
    )
