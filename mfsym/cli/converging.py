"""The command converge: convergence of noisy SGD to its mean-field limit as N grows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mfsym.cli.files import SIM
from mfsym.cli.flowing import accuracy_of, accuracy_options, moments_of, say_shortfall, sizes_of
from mfsym.cli.options import (
    COUNT,
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
from mfsym.errors import MfsymError

if TYPE_CHECKING:
    from mfsym.configurations import Cell, Resolved


@click.command()
@click.argument("sim", required=False, type=SIM)
@own_options
@problem_options
@click.option("--sizes", metavar="N,N,...", help="Numbers of particles, instead of -n.")
@parameter_option("replicate", default="20", doc="replicates of every N")
@parameter_option("schemes", default="vanilla", doc="training scheme")
@click.option(
    "--times", default="1,2,5", show_default=True, metavar="T,T,...", help="Times at which the laws are compared."
)
@click.option(
    "--limit-n", type=COUNT, default=1000, show_default=True, help="Particles of the limit; multiples of N are fastest."
)
@accuracy_options
@click.option("-o", "--out", required=True, help="The Dataset to write, .nc.")
@jobs_option
@format_option("table", "json")
@large_option
@verbosity_options
def converge(
    sim: Path | None,
    sizes: str | None,
    scheme: str | None,
    times: str,
    limit_n: int,
    out: str,
    jobs: int,
    form: str,
    allow_large: bool,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Train over several N with replicates, compare with the limit at fixed times, and fit the rates.

    SIM.toml gives what a sweep file gives, one teacher, start and scheme of it; options win over it.

    \b
    Example:
      mfsym converge --sizes 50,200,1000 --replicates 20 -j 2 -o converge.nc
    """
    from mfsym.configurations.loading import load
    from mfsym.configurations.preflight import check_cell
    from mfsym.sweeps.plans import parameters_of

    path = output_file(out)
    accuracy, moments, own = accuracy_of(given), moments_of(times, "--times"), OwnInputs.taken(given)
    if sizes is not None:
        given["n"] = sizes_of(sizes, "--sizes")
    given["scheme"] = [scheme] if scheme is not None else (None if sim is not None else ["vanilla"])
    given["horizon"] = moments[-1]
    resolved = load(sim, options=given)
    values = resolved.values
    cell = _one_point(resolved)
    replicates = values["replicates"] if values["replicates"] > 1 else 20
    p = parameters_of(cell.problem, cell.problem_digest)
    width = min(jobs, replicates * len(values["n"]))
    check_cell(cell, parameters=p, replicates=replicates, jobs=width, allow_large=allow_large)
    from mfsym.experiments.convergence import Study, converge_setup, slope_records, slope_table

    dataset = converge_setup(
        own.setup(cell),
        Study(tuple(sorted(values["n"])), replicates, tuple(moments), limit_n),
        accuracy=accuracy,
        jobs=jobs,
        verbosity=verbosity(quiet, verbose),
    )
    keep_and_print(dataset, path, json.dumps(slope_records(dataset)) if form == "json" else slope_table(dataset))
    say_shortfall(dataset.attrs)


def _one_point(resolved: Resolved) -> Cell:
    """The cell of the largest N and the first scheme; MfsymError if there are several teachers or starts."""
    from mfsym.configurations.cells import expand

    values = resolved.values
    for key in ("teacher", "init"):
        if len(values[key]) > 1:
            raise MfsymError(f"{key} must be one value here, got {', '.join(values[key])}; pass --{key}")
    return replace(next(expand(resolved))[1], n=max(values["n"]), schemes=(values["scheme"][0],))
