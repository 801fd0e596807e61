"""User-supplied inputs on the command line: start particles and a teacher from files, and a step schedule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from mfsym.errors import MfsymError

if TYPE_CHECKING:
    from mfsym.configurations.cells import Cell
    from mfsym.experiments.setups import Setup

Command = TypeVar("Command", bound=Callable[..., Any])

FILES = ("teacher", "init")
"""Options that take a name or a file of particles."""


def is_file(value: Any) -> bool:
    """Whether the value of an option is a file of particles."""
    from mfsym.stores.clouds import is_cloud_file

    return is_cloud_file(value)


class NameOrFile(click.ParamType):
    """A name accepted by another type, or a file of particles: .npy, .npz, .csv, or RUN.nc@TIME."""

    name = "name or file"

    def __init__(self, names: click.ParamType) -> None:
        self.names = names

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        """The metavar: the names, then FILE."""
        names = self.names.get_metavar(param, ctx)
        return names and f"{names.removesuffix(']')}|FILE]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The name or the path of the file; a usage error for anything else."""
        return value if is_file(value) else self.names.convert(value, param, ctx)


def own_options(command: Command) -> Command:
    """Let --teacher and --init, declared by decorators below, also take files; add --schedule."""
    for param in getattr(command, "__click_params__", ()):
        if param.name in FILES:
            param.type = NameOrFile(param.type)
    text = 'Factors of the step size, a formula in the mean-field time t: "1/(1+t)".  [default: 1]'
    return click.option("--schedule", metavar="FORMULA", help=text)(command)


class OwnInputs(NamedTuple):
    """Files of particles and the formula of a schedule; None to use the cell's.  n : the value of -n."""

    teacher: str | None
    init: str | None
    schedule: str | None
    n: int | None

    @classmethod
    def taken(cls, given: dict[str, Any]) -> OwnInputs:
        """Pop these inputs from the values of the options."""
        files = {name: given.pop(name) if is_file(given.get(name)) else None for name in FILES}
        if files["teacher"] is not None and given.get("problem") is not None:
            raise MfsymError(f"teacher is stated by the problem {given['problem']}; leave it out")
        return cls(**files, schedule=given.pop("schedule"), n=given.get("n"))

    def sized(self, cell: Cell) -> Cell:
        """The cell with n set to the number of start particles; MfsymError if a different -n was given."""
        if self.init is None:
            return cell
        from mfsym.stores.clouds import load_cloud

        count = len(load_cloud(self.init))
        if self.n not in (None, count):
            raise MfsymError(f"n must be the number of particles of {self.init}, {count}, got {self.n}; leave it out")
        return replace(cell, n=count)

    def setup(self, cell: Cell) -> Setup:
        """The setup of a cell with these inputs."""
        from mfsym.experiments.setups import setup_from_files

        return setup_from_files(cell, self.teacher, self.init, self.schedule)
