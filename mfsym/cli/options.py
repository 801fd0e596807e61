"""Options that several commands share, with the checks that click leaves out."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mfsym.arguments import as_choice, as_whole
from mfsym.configurations.fields import ACTIVATIONS, DTYPES, INITS, TEACHERS, UNITS
from mfsym.configurations.values import parse_number
from mfsym.errors import MfsymError
from mfsym.runtime.notices import hushed

if TYPE_CHECKING:
    import xarray as xr

Command = TypeVar("Command", bound=Callable[..., Any])


class Number(click.ParamType):
    """A finite number, not below ``low`` (above it if ``open_low``)."""

    name = "number"

    def __init__(self, low: float = -math.inf, *, open_low: bool = False) -> None:
        self.low, self.open_low = low, open_low

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; a usage error if it is not one, not finite or out of range."""
        number = parse_number(value) if isinstance(value, str) else value
        if not isinstance(number, int | float):
            self.fail(f"must be a number, got {str(value)[:40]!r}", param, ctx)
        try:
            number = float(number)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.fail(f"must be finite, got {value}", param, ctx)
        if number < self.low or (self.open_low and number == self.low):
            self.fail(f"must be {'>' if self.open_low else '>='} {self.low:g}, got {value}", param, ctx)
        return number


class Whole(click.ParamType):
    """A whole number from ``low`` to ``high``, ends included; 1e3 counts as 1000."""

    name = "integer"

    def __init__(self, low: int, high: int | None = None) -> None:
        self.low, self.high = low, high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; a usage error if it is not one or out of range."""
        number = parse_number(value) if isinstance(value, str) else value
        try:
            return as_whole(value if number is None else number, "it", self.low, self.high)
        except MfsymError as error:
            self.fail(str(error).removeprefix("it "), param, ctx)


class Name(click.Choice[str]):
    """One of several names; the nearest is named where a text is none of them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name; a usage error with all of them otherwise."""
        try:
            return as_choice(value, "it", self.choices)
        except MfsymError as error:
            self.fail(str(error).removeprefix("it "), param, ctx)


COUNT = Whole(1)
SEED = Whole(0, 2**63 - 1)


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
    click.option("--teacher", type=Name(TEACHERS), help="Target law.  [default: wi]"),
    click.option("--init", type=Name(INITS), help="Start law; from si, noise is projected on E^G.  [default: si]"),
    click.option("-n", "n", type=COUNT, help="Number N of particles.  [default: 100]"),
    click.option("--horizon", type=Number(0.0), help="Mean-field time T at the end.  [default: 20]"),
    click.option("--alpha", type=Number(0.0, open_low=True), help="Step size.  [default: 50]"),
    click.option("--tau", type=Number(0.0), help="Weight of the penalty |z|^2.  [default: 1e-4]"),
    click.option("--beta", type=Number(0.0), help="Temperature of the noise.  [default: 1e-6]"),
    click.option("--batch-size", type=COUNT, help="Samples B per step.  [default: 20]"),
    click.option("--unit", type=Name(UNITS), help="Kind of unit.  [default: matrix]"),
    click.option("--activation", type=Name(ACTIVATIONS), help="Activation.  [default: sigmoid]"),
    click.option("--dtype", type=Name(DTYPES), help="Arithmetic; auto: float64 where needed.  [default: float32]"),
    click.option("--seed", type=SEED, help="Seed of every random stream.  [default: 0]"),
)
"""One training's parameters; what is not given comes from MFSYM_* or the defaults."""


def _quiet(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
    """With -q nothing is said of compiling either, for as long as the command runs."""
    if value:
        ctx.with_resource(hushed())
    return value


def quiet_option(text: str) -> Callable[[Command], Command]:
    """``-q``, with its line of help."""
    return click.option("-q", "--quiet", is_flag=True, callback=_quiet, help=text)


verbosity_options = with_options(
    quiet_option("No progress."),
    click.option("-v", "--verbose", is_flag=True, help="One line per cell."),
)

jobs_option = click.option("-j", "--jobs", type=COUNT, default=1, show_default=True, help="Worker processes.")
large_option = click.option("--allow-large", is_flag=True, help="Run what the size check would refuse.")


def format_option(*names: str) -> Callable[[Command], Command]:
    """``--format`` with these names, the first the default."""
    return click.option("--format", "form", type=Name(names), default=names[0], show_default=True, help="How to print.")


def verbosity(quiet: bool, verbose: bool) -> int:
    """-1 for -q, 1 for -v, 0 otherwise."""
    return -1 if quiet else int(verbose)


def output_file(text: str | None, suffix: str = ".nc") -> Path | None:
    """The path of a result to write, found out before any work.

    MfsymError if it has another suffix, is a folder, or its folder is missing; StoreError if it cannot be written.
    """
    if text is None:
        return None
    path = Path(text)
    if path.suffix != suffix:
        raise MfsymError(f"{text}: the output must end in {suffix}")
    if path.is_dir():
        raise MfsymError(f"{text}: must be a file to write, got a folder")
    if not path.absolute().parent.is_dir():
        raise MfsymError(f"{text}: the folder {path.parent} does not exist; make it first")
    from mfsym.stores.publishing import require_writable

    require_writable(path)
    return path


def keep_and_print(dataset: xr.Dataset, path: Path | None, text: str) -> None:
    """Publish a Dataset where there is a path, and print the text, also where that fails."""
    from mfsym.stores.datasets import save

    try:
        if path is not None:
            save(dataset, path)
    finally:
        click.echo(text)
