"""The command init: copy a sim or a problem to edit."""

from __future__ import annotations

import click

from mfsym.arguments import as_choice
from mfsym.cli.options import output_file
from mfsym.configurations import shipped
from mfsym.errors import MfsymError


@click.command(name="init")
@click.argument("out", metavar="OUT.toml")
@click.option("--sim", metavar="NAME", help="A sim that comes with mfsym.  [default: demo]")
@click.option("--problem", metavar="NAME", help="A problem that comes with mfsym, instead of a sim.")
def init_command(out: str, sim: str | None, problem: str | None) -> None:
    """Copy a sim or a problem that comes with mfsym to OUT.toml, to edit; never over a file that is there.

    \b
    Example:
      mfsym init --problem d4-plane mine.toml
      mfsym check mine.toml
    """
    if sim is not None and problem is not None:
        raise MfsymError("--sim and --problem: one of the two")
    path = output_file(out, ".toml")
    assert path is not None
    if path.exists():
        raise MfsymError(f"{out}: is there already; choose another name")
    if problem is None:
        source = shipped.sims()[as_choice(sim or "demo", "--sim", shipped.sims())]
    else:
        source = shipped.problems()[as_choice(problem, "--problem", shipped.problems())]
    with path.open("x", encoding="utf-8") as file:
        file.write(shipped.copied(source))
    click.echo(f"{path}: a copy of {source.stem}")
