"""Commands of diffusion on shapes: sample, samplers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mfsym.cli.files import SIM
from mfsym.cli.options import (
    COUNT,
    SEED,
    Name,
    Number,
    Whole,
    format_option,
    keep_and_print,
    output_file,
    verbosity,
    verbosity_options,
)
from mfsym.configurations.shapes import DENOISERS, INTEGRATORS, METHODS
from mfsym.errors import MfsymError

if TYPE_CHECKING:
    import xarray as xr

LOSSES = ("conventional", "quotient", "geodiff", "af3")


@click.command()
@click.argument("shapes", type=SIM)
@click.option("-o", "--out", required=True, help="The Dataset to write, .nc.")
@click.option("-n", "n", type=COUNT, default=1000, show_default=True, help="Number of samples.")
@click.option("--method", type=Name(METHODS), default="ode", show_default=True, help="Probability flow or SDE.")
@click.option("--integrator", type=Name(INTEGRATORS), default="aligned", show_default=True, help="Kind of step.")
@click.option(
    "--curvature-sign",
    type=Whole(-1, 1),
    default=1,
    show_default=True,
    help="Sign of the curvature drift; 1 is correct.",
)
@click.option(
    "--denoiser", type=Name(DENOISERS), default="mean", show_default=True, help="Kind of denoiser; mean is exact."
)
@click.option("--loss", type=Name(LOSSES), default="quotient", show_default=True, help="Loss of --denoiser learned.")
@click.option("--twist", type=Number(), default=0.0, show_default=True, help="Vertical field added to the denoiser.")
@click.option("--steps", type=COUNT, help="Steps from noise to data.  [default: 50 of ode, 100 of sde]")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of every random stream.")
@click.option("--first", type=Whole(0, 2**31), default=0, show_default=True, help="Number of the first sample.")
@click.option(
    "--paths", type=Whole(0), default=0, show_default=True, help="Number of samples whose whole paths are kept."
)
@verbosity_options
def sample(shapes: Path, out: str, n: int, quiet: bool, verbose: bool, **given: Any) -> None:
    """Sample the templates or the molecule of SHAPES by diffusion modulo rotations and translations.

    SHAPES is a .toml, or a name of `mfsym list sims`.

    \b
    Examples:
      mfsym sample shapes-plane -n 4000 --method sde -o clouds.nc
      mfsym sample shapes-pentane -o clouds.nc
      mfsym sample shapes-pentane -n 500 --first 1000 -o more.nc
    """
    path = output_file(out)
    from mfsym.experiments.diffusions import sample_shapes
    from mfsym.stores.datasets import save

    dataset = sample_shapes(shapes, n, **{key: value for key, value in given.items() if value is not None})
    assert path is not None
    save(dataset, path)
    if not quiet:
        values = ("total_variation", "total_variation_expected", "rmsd", "w2_quotient", "coverage")
        numbers = ", ".join(f"{name} {float(dataset[name]):.4g}" for name in values)
        click.echo(f"{path}: {n} samples, {numbers}")
    singular = int((dataset["singular_step"].values >= 0).sum())
    if singular:
        click.echo(f"warning: {singular} sample(s) ended where the orbit lost dimension; see singular_step", err=True)


@click.command()
@click.argument("shapes", type=SIM)
@click.option("-o", "--out", help="Also write the Dataset, .nc.")
@click.option("--samples", type=COUNT, help="Samples of each run.  [default: the file's]")
@click.option("--replicates", type=Whole(1, 10**4), help="Seeds.  [default: the file's]")
@click.option("--seed", type=SEED, help="First seed.  [default: the file's]")
@click.option("--check", is_flag=True, help="Exit with 1 where a total variation leaves the range that SHAPES states.")
@format_option("table", "json")
@verbosity_options
def samplers(shapes: Path, out: str | None, check: bool, form: str, quiet: bool, verbose: bool, **given: Any) -> int:
    """Compare the samplers of SHAPES: total variation of the recovered populations, and what coverage says of them.

    \b
    Example:
      mfsym samplers shapes-plane --replicates 2 -o samplers.nc
    """
    path = output_file(out)
    from mfsym.experiments.diffusions import compare_samplers, outside

    dataset = compare_samplers(shapes, verbosity=verbosity(quiet, verbose), **given)
    records = _records(dataset)
    keep_and_print(dataset, path, json.dumps(records) if form == "json" else _table(records))
    wrong = outside(dataset) if check else []
    if wrong:
        raise OutOfRange("; ".join(wrong))
    return 0


class OutOfRange(MfsymError):
    """The total variation of a sampler lies outside the range stated in its file."""

    exit_code = 1


def _records(dataset: xr.Dataset) -> list[dict[str, Any]]:
    """One record per sampler: its total variations, and the means of the other numbers over replicates."""
    records = []
    for name in dataset["sampler"].values:
        one = dataset.sel(sampler=name)
        low, high = float(one["range_lower"]), float(one["range_upper"])
        means = {key: float(one[key].mean()) for key in ("rmsd", "w2_quotient", "coverage")}
        variations = [float(value) for value in one["total_variation"].values]
        stated = None if low != low else [low, high]
        records.append({"sampler": str(name), "total_variation": variations, "range": stated, **means})
    return records


def _table(records: list[dict[str, Any]]) -> str:
    wide = max(len(record["sampler"]) for record in records)
    head = f"{'sampler':{wide}s} {'total variation':>17s} {'range':>15s} {'rmsd':>8s} {'W2':>7s} {'coverage':>8s}"
    lines = [head]
    for record in records:
        values = record["total_variation"]
        seen = f"{min(values):.4f} - {max(values):.4f}"
        stated = "" if record["range"] is None else f"{record['range'][0]:g} - {record['range'][1]:g}"
        numbers = f"{record['rmsd']:8.4f} {record['w2_quotient']:7.3f} {record['coverage']:8.3f}"
        lines.append(f"{record['sampler']:{wide}s} {seen:>17s} {stated:>15s} {numbers}")
    return "\n".join(lines)
