"""The command discover: E^G from data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from mfsym.cli.files import SIM
from mfsym.cli.options import (
    COUNT,
    Name,
    Number,
    Whole,
    format_option,
    jobs_option,
    keep_and_print,
    output_file,
    parameter_option,
    problem_option,
    verbosity,
    verbosity_options,
    with_options,
)
from mfsym.configurations.names import RULES
from mfsym.configurations.parameters import named
from mfsym.errors import MfsymError
from mfsym.runtime.origins import problem_text

search_options = with_options(
    problem_option,
    *(parameter_option(name) for name in named(stated=True)),
    click.option(
        "--rule",
        type=Name(RULES),
        help="Decision rule: mean residual, principal directions, or population gradient.  [default: robust]",
    ),
    parameter_option("n", default="1000"),
    click.option("--horizon", type=Number(0.0, open_low=True), help="Time of each step.  [default: 20]"),
    parameter_option("alpha", default="20"),
    *(parameter_option(name) for name in ("tau", "beta", "batch_size", "engine")),
    click.option("--delta", type=Number(0.0), help="Threshold of the paper's rule.  [default: 0.01]"),
    click.option("--trainings", type=COUNT, help="Trainings that the paper's rule averages over.  [default: 1]"),
    click.option(
        "--snapshots", type=COUNT, help="Snapshots of each training that the rule averages over.  [default: 1]"
    ),
    click.option("--replicates", type=Whole(4), help="Replicates of the robust rule.  [default: 8]"),
    parameter_option("seed"),
)
"""Parameters of one discovery; [training] of a problem file overrides the defaults."""


@click.command()
@click.argument("sim", required=False, type=SIM)
@search_options
@click.option("-o", "--out", help="Also write the Dataset, .nc.")
@jobs_option
@format_option("table", "json")
@verbosity_options
def discover(sim: Path | None, out: str | None, jobs: int, form: str, quiet: bool, verbose: bool, **given: Any) -> None:
    """Find the fixed subspace E^G from data, without using the group; prints the trace of every step.

    SIM.toml states cases instead, each run from several seeds: prints how often each finds E^G. Cases that are done
    are kept beside the output and not run again.

    \b
    Example:
      mfsym discover --teacher wi --rule robust -n 200 --batch-size 100 --format json
      mfsym discover discover -o discover.nc -j 2
    """
    path = output_file(out)
    stated = {key: value for key, value in given.items() if value is not None}
    if sim is not None:
        if stated:
            raise MfsymError(f"--{next(iter(stated)).replace('_', '-')} is stated by {sim}; leave it out")
        _study(sim, path, jobs, form, verbosity(quiet, verbose))
        return
    from mfsym.configurations.discoveries import preferred
    from mfsym.configurations.loading import STATED, single_cell

    rule, file = stated.pop("rule", "robust"), stated.pop("problem", None)
    cell, _ = single_cell({**{key: stated.pop(key) for key in STATED if key in stated}, "problem": file})
    from mfsym.discovery import Search
    from mfsym.discovery.traces import symmetric_as_stated, trace, trace_record, trace_table
    from mfsym.experiments import problem_of

    found = problem_of(cell).quadratic("discover")
    search = Search(**{**preferred(cell.problem), **stated})
    dataset = trace(found.unit, found.data, rule, search, known=symmetric_as_stated(found.data))
    dataset.attrs["problem_text"] = problem_text(cell.to_dict())
    keep_and_print(dataset, path, json.dumps(trace_record(dataset)) if form == "json" else trace_table(dataset))


def _study(sim: Path, path: Path | None, jobs: int, form: str, loudness: int) -> None:
    """Run the cases of a study file and tabulate them."""
    from mfsym.configurations.discoveries import read_study
    from mfsym.discovery.frequencies import run_study, study_records, study_table

    study = read_study(sim)
    kept = None if path is None else path.with_suffix(".cases")
    dataset = run_study(study, kept, jobs=jobs, verbosity=loudness)
    keep_and_print(dataset, path, json.dumps(study_records(dataset)) if form == "json" else study_table(dataset))
