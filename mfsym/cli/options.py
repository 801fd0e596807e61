"""Options shared by several commands, with checks that click does not provide."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mfsym.arguments import as_choice, as_whole
from mfsym.configurations.parameters import PARAMETERS, Key, Kind, OneOf, RealRange, WholeRange, named
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
    """One of several names; the error for an unknown name suggests the nearest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name; otherwise a usage error that lists all names."""
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


def _type_of(kind: Kind) -> click.ParamType | None:
    """The click type for one value of a kind; None for arbitrary text."""
    if isinstance(kind, WholeRange):
        return Whole(kind.least, kind.most)
    if isinstance(kind, RealRange):
        return Number(0.0, open_low=kind.positive)
    return Name(kind.names) if isinstance(kind, OneOf) else None


def _shown(key: Key) -> str:
    """The default of a key as users write it; "" if it has none."""
    value = key.default[0] if isinstance(key.default, list) else key.default
    return f"{value:g}" if isinstance(value, float) else str(value)


def parameter_option(name: str, *, default: str | None = None, doc: str = "") -> Callable[[Command], Command]:
    """The option of a declared parameter or its file key, with its type and help text.

    The option has no default: a missing value comes from MFSYM_* or the declared defaults.
    default : shown in the help instead of the declared one.  doc : help text instead of the declared one.
    """
    parameter = PARAMETERS[name]
    key = parameter.key
    text, stated = doc or key.doc, _shown(key) if default is None else default
    about = text[0].upper() + text[1:] + "." + (f"  [default: {stated}]" if stated else "")
    metavar = "FILE" if name == "problem" else None
    return click.option(parameter.flag, key.name, type=_type_of(key.kind), metavar=metavar, help=about)


problem_option = parameter_option("problem")

problem_options = with_options(problem_option, *(parameter_option(name) for name in named(option=True)))
"""Parameters of one training; missing values come from MFSYM_* or the defaults."""


def _quiet(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
    """With -q, also silence compilation messages while the command runs."""
    if value:
        ctx.with_resource(hushed())
    return value


def quiet_option(text: str) -> Callable[[Command], Command]:
    """The option ``-q`` with this help text."""
    return click.option("-q", "--quiet", is_flag=True, callback=_quiet, help=text)


verbosity_options = with_options(
    quiet_option("No progress."),
    click.option("-v", "--verbose", is_flag=True, help="One line per cell."),
)

jobs_option = click.option("-j", "--jobs", type=COUNT, default=1, show_default=True, help="Worker processes.")
large_option = click.option("--allow-large", is_flag=True, help="Run even if the size check would refuse.")


def format_option(*names: str) -> Callable[[Command], Command]:
    """The option ``--format`` with these choices; the first is the default."""
    return click.option(
        "--format", "form", type=Name(names), default=names[0], show_default=True, help="Output format."
    )


def verbosity(quiet: bool, verbose: bool) -> int:
    """-1 for -q, 1 for -v, 0 otherwise."""
    return -1 if quiet else int(verbose)


def output_file(text: str | None, suffix: str = ".nc") -> Path | None:
    """The path of the result to write, checked before any work starts.

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
    """Write a Dataset if a path is given; print the text even if writing fails."""
    from mfsym.stores.datasets import save

    try:
        if path is not None:
            save(dataset, path)
    finally:
        click.echo(text)
