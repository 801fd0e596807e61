"""Options that several commands share, with the checks that click leaves out."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mfsym.configurations.fields import ACTIVATIONS, DTYPES, INITS, TEACHERS, UNITS
from mfsym.errors import MfsymError

Command = TypeVar("Command", bound=Callable[..., Any])


class Number(click.ParamType):
    """A finite number, not below ``low`` (above it if ``open_low``)."""

    name = "number"

    def __init__(self, low: float = -math.inf, *, open_low: bool = False) -> None:
        self.low, self.open_low = low, open_low

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; a usage error if it is not one, not finite or out of range."""
        try:
            number = float(value)
        except (TypeError, ValueError):
            self.fail(f"must be a number, got {str(value)[:40]!r}", param, ctx)
        if not math.isfinite(number):
            self.fail(f"must be finite, got {value}", param, ctx)
        if number < self.low or (self.open_low and number == self.low):
            self.fail(f"must be {'>' if self.open_low else '>='} {self.low:g}, got {value}", param, ctx)
        return number


COUNT = click.IntRange(min=1)
SEED = click.IntRange(min=0, max=2**63 - 1)


def with_options(*decorators: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Apply option decorators in the order given."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


problem_option = click.option(
    "--problem",
    metavar="FILE",
    help="A problem file, .toml, instead of --teacher, --unit and --activation.",
)

problem_options = with_options(
    problem_option,
    click.option("--teacher", type=click.Choice(TEACHERS), help="Target law.  [default: wi]"),
    click.option(
        "--init", type=click.Choice(INITS), help="Start law; from si, noise is projected on E^G.  [default: si]"
    ),
    click.option("-n", "n", type=COUNT, help="Number N of particles.  [default: 100]"),
    click.option("--horizon", type=Number(0.0), help="Mean-field time T at the end.  [default: 20]"),
    click.option("--alpha", type=Number(0.0, open_low=True), help="Step size.  [default: 50]"),
    click.option("--tau", type=Number(0.0), help="Weight of the penalty |z|^2.  [default: 1e-4]"),
    click.option("--beta", type=Number(0.0), help="Temperature of the noise.  [default: 1e-6]"),
    click.option("--batch-size", type=COUNT, help="Samples B per step.  [default: 20]"),
    click.option("--unit", type=click.Choice(UNITS), help="Kind of unit.  [default: matrix]"),
    click.option("--activation", type=click.Choice(ACTIVATIONS), help="Activation.  [default: sigmoid]"),
    click.option("--dtype", type=click.Choice(DTYPES), help="Arithmetic of the training.  [default: float32]"),
    click.option("--seed", type=SEED, help="Seed of every random stream.  [default: 0]"),
)
"""One training's parameters; what is not given comes from MFSYM_* or the defaults."""

verbosity_options = with_options(
    click.option("-q", "--quiet", is_flag=True, help="No progress."),
    click.option("-v", "--verbose", is_flag=True, help="One line per cell."),
)

jobs_option = click.option("-j", "--jobs", type=COUNT, default=1, show_default=True, help="Worker processes.")
large_option = click.option("--allow-large", is_flag=True, help="Run what the size check would refuse.")


def format_option(*names: str) -> Callable[[Command], Command]:
    """``--format`` with these names, the first the default."""
    return click.option(
        "--format", "form", type=click.Choice(names), default=names[0], show_default=True, help="How to print."
    )


def verbosity(quiet: bool, verbose: bool) -> int:
    """-1 for -q, 1 for -v, 0 otherwise."""
    return -1 if quiet else int(verbose)


def output_file(text: str | None, suffix: str = ".nc") -> Path | None:
    """The path of a result to write; MfsymError if it has another suffix, is a folder, or its folder is missing."""
    if text is None:
        return None
    path = Path(text)
    if path.suffix != suffix:
        raise MfsymError(f"{text}: the output must end in {suffix}")
    if path.is_dir():
        raise MfsymError(f"{text}: must be a file to write, got a folder")
    if not path.absolute().parent.is_dir():
        raise MfsymError(f"{text}: the folder {path.parent} does not exist; make it first")
    return path
