"""Commands on the mean-field limit of a training: flow, phase."""

from __future__ import annotations

import math
from typing import Any

import click

from mfsym.arguments import as_whole
from mfsym.cli.options import (
    COUNT,
    Name,
    Number,
    Whole,
    output_file,
    problem_options,
    verbosity,
    verbosity_options,
    with_options,
)
from mfsym.cli.owning import OwnInputs, own_options
from mfsym.configurations.names import INTEGRATORS, SCHEMES
from mfsym.configurations.values import parse_number
from mfsym.errors import MfsymError

ORDER = Whole(2, 1000)
ACCURACY = ("order", "force_tolerance", "method", "rtol", "time_tolerance", "halvings")

accuracy_options = with_options(
    click.option("--order", type=ORDER, help="Quadrature nodes per input dimension.  [default: refined]"),
    click.option(
        "--force-tolerance",
        type=Number(0.0, open_low=True),
        default=1e-6,
        show_default=True,
        help="Refine the quadrature until the gradient changes by less.",
    ),
    click.option(
        "--method", type=Name(INTEGRATORS), help="Time integrator.  [default: DOP853 without noise, RK45 with noise]"
    ),
    click.option(
        "--rtol",
        type=Number(0.0, open_low=True),
        default=1e-8,
        show_default=True,
        help="Relative tolerance of the time integrator.",
    ),
    click.option(
        "--time-tolerance",
        type=Number(0.0, open_low=True),
        default=1e-2,
        show_default=True,
        help="With noise: halve the step until E|z|^2 and F change by less.",
    ),
    click.option(
        "--halvings",
        type=Whole(0, 16),
        default=6,
        show_default=True,
        help="Maximum number of halvings of the noisy step.",
    ),
)
"""Options for the accuracy with which a limit is computed."""


def accuracy_of(given: dict[str, Any]) -> Any:
    """Pop the values of ``accuracy_options`` from the given options; return them as an Accuracy."""
    from mfsym.flows import Accuracy

    return Accuracy(**{name: given.pop(name) for name in ACCURACY})


def say_shortfall(attrs: dict[str, Any]) -> None:
    """Warn on stderr if the time integration of a limit missed its tolerance."""
    reached, wanted = float(attrs.get("time_error", 0.0)), float(attrs.get("time_tolerance", 1.0))
    if reached > wanted:
        click.echo(
            f"the time step changes E|z|^2 or F by {reached:.1e} of its size, not by {wanted:g}: allow more --halvings",
            err=True,
        )


def moments_of(text: str, option: str, *, zero: bool = False) -> list[float]:
    """'1,2,5' as increasing positive numbers, 0 allowed where ``zero``; MfsymError otherwise."""
    values = [float(value) for value in _numbers(text, option)]
    if any(not (0 < value < 1e12 or (zero and value == 0)) for value in values) or sorted(set(values)) != values:
        sign = "at least 0" if zero else "positive"
        raise MfsymError(f"{option} must be {sign}, increasing and without repeats, got {text[:60]!r}")
    return values


def sizes_of(text: str, option: str) -> list[int]:
    """'50,200' as increasing whole numbers >= 1; MfsymError for anything else and for repeats."""
    values = sorted(as_whole(value, option, 1, 10**12) for value in _numbers(text, option))
    if len(set(values)) < len(values):
        raise MfsymError(f"{option} must be without repeats, got {text[:60]!r}")
    return values


def _numbers(text: str, option: str) -> list[int | float]:
    values = [parse_number(part) for part in text.split(",")]
    numbers = [value for value in values if value is not None and math.isfinite(value)]
    if len(numbers) < len(values):
        raise MfsymError(f"{option} must be numbers separated by commas, got {text[:60]!r}")
    return numbers


@click.command()
@own_options
@problem_options
@click.option("--scheme", type=Name(SCHEMES), default="vanilla", show_default=True, help="Training scheme.")
@click.option("--snapshots", type=COUNT, default=21, show_default=True, help="Times kept, from 0 to the horizon.")
@click.option(
    "--tolerance", type=Number(0.0, open_low=True), help="Double N until the law's relative W2 error is this."
)
@accuracy_options
@click.option("-o", "--out", required=True, help="The Dataset to write, .nc.")
@verbosity_options
def flow(
    out: str, scheme: str, snapshots: int, tolerance: float | None, quiet: bool, verbose: bool, **given: Any
) -> None:
    """Compute the limit N -> infinity of one scheme: no samples, no batch; -n particles stand for the law.

    Writes what simulate writes, and an estimate of every error.

    \b
    Example:
      mfsym flow --teacher wi --init si --scheme vanilla -n 256 --beta 0 -o limit.nc
    """
    from mfsym.configurations.loading import single_cell

    path = output_file(out)
    accuracy, own = accuracy_of(given), OwnInputs.taken(given)
    cell = own.sized(single_cell(given, schemes=(scheme,))[0])
    from mfsym.experiments.limits import flow_setup
    from mfsym.stores.datasets import save

    dataset = flow_setup(
        own.setup(cell),
        snapshots=snapshots,
        accuracy=accuracy,
        tolerance=tolerance,
        verbosity=verbosity(quiet, verbose),
    )
    assert path is not None
    save(dataset, path)
    if not quiet:
        last = dataset.isel(time=-1)
        checked = "energy_defect" if cell.beta == 0 else "error_time"
        errors = ("error_w2", "error_risk", "error_force", checked)
        names = ("risk", "risk_error", "rmd2_si", "rmd2_symmetrised", *errors)
        click.echo(f"{path}: t = {float(last['time']):g}, {', '.join(f'{n} {float(last[n]):.3e}' for n in names)}")
    say_shortfall(dataset.attrs)


@click.command()
@own_options
@problem_options
@click.option("--scheme", type=Name(SCHEMES), default="vanilla", show_default=True, help="Training scheme.")
@click.option(
    "--times", metavar="T,T,...", help="Times of the portraits.  [default: 0, 1/20, 1/4 and all of the horizon]"
)
@click.option("--grid", type=Whole(2, 1000), default=25, show_default=True, help="Grid points per side.")
@accuracy_options
@click.option("-o", "--out", required=True, help="The Dataset to write, .nc.")
def phase(out: str, scheme: str, times: str | None, grid: int, **given: Any) -> None:
    """Compute the velocity field of the limit inside E^G, where E^G is a plane: what figures/phase.py draws.

    \b
    Example:
      mfsym phase --teacher wi --init si -n 256 --beta 0 -o phase.nc
    """
    from mfsym.configurations.loading import single_cell

    path = output_file(out)
    accuracy, own = accuracy_of(given), OwnInputs.taken(given)
    cell = own.sized(single_cell(given, schemes=(scheme,))[0])
    moments = None if times is None else moments_of(times, "--times", zero=True)
    from mfsym.experiments.limits import portrait_setup
    from mfsym.stores.datasets import save

    dataset = portrait_setup(own.setup(cell), moments, grid=grid, accuracy=accuracy)
    assert path is not None
    save(dataset, path)
    click.echo(f"{path}: {dataset.sizes['time']} time(s), {grid} x {grid} points of E^G")
    say_shortfall(dataset.attrs)
