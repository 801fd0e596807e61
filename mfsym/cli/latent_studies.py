"""The command latents: every way to turn latents over seeds, beside the baselines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from mfsym.cli.files import SIM
from mfsym.cli.options import (
    COUNT,
    SEED,
    format_option,
    jobs_option,
    keep_and_print,
    output_file,
    verbosity,
    verbosity_options,
)
from mfsym.errors import MfsymError


@click.command()
@click.argument("study", metavar="STUDY", type=SIM)
@click.option("-o", "--out", help="Also write the Dataset, .nc.")
@click.option("--seeds", type=COUNT, help="How many seeds.  [default: the file's]")
@click.option("--seed", type=SEED, help="First seed.  [default: the file's]")
@click.option("--steps", type=COUNT, help="Steps of learners that state none.  [default: the file's]")
@click.option("--check", is_flag=True, help="Exit with 1 where a number leaves a range that STUDY states.")
@jobs_option
@format_option("table", "json")
@verbosity_options
def latents(
    study: Path, out: str | None, check: bool, jobs: int, form: str, quiet: bool, verbose: bool, **given: Any
) -> None:
    """Train every learner of STUDY, a .toml, over seeds: PSNR, SSIM, latent error, swap test, least to largest.

    Trainings that are done are kept beside the output and not run again.

    \b
    Example:
      mfsym latents latents-study --check -j 2 -o latents-study.nc
    """
    path = output_file(out)
    from mfsym.configurations.latent_studies import read_latent_study
    from mfsym.experiments.latent_studies import latent_records, latent_rows, outside_latents, study_latents
    from mfsym.sweeps.tables import aligned

    file = read_latent_study(study)
    kept = None if path is None else path.with_suffix(".cells")
    stated = {key: value for key, value in given.items() if value is not None}
    dataset = study_latents(file, kept, jobs=jobs, verbosity=verbosity(quiet, verbose), **stated)
    wrong = outside_latents(dataset, file)
    records = {"latents": latent_records(dataset), "outside": wrong}
    keep_and_print(dataset, path, json.dumps(records) if form == "json" else aligned(latent_rows(dataset)))
    if check and wrong:
        raise LatentOutsideRange("; ".join(wrong))


class LatentOutsideRange(MfsymError):
    """A study of latents with a seed outside a range that its file states."""

    exit_code = 1
