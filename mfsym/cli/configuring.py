"""Commands on configurations: config show."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mfsym.cli.options import format_option
from mfsym.cli.sweeping import override_options


@click.group()
def config() -> None:
    """Show the resolved configuration and where each value comes from.

    \b
    Example:
      mfsym config show sims/demo.toml --set alpha=5
    """


@config.command()
@click.argument("sim", required=False, type=click.Path(path_type=Path, dir_okay=False))
@override_options
@format_option("text", "json")
def show(sim: Path | None, assignments: tuple[str, ...], form: str, **given: int | str | None) -> None:
    """Print every key, its value and its origin: command line > --set > environment > file > default.

    \b
    Example:
      MFSYM_ALPHA=5 mfsym config show sims/demo.toml
    """
    from mfsym.configurations.fields import TABLES
    from mfsym.configurations.loading import load

    resolved = load(sim, assignments=assignments, options=given)
    if form == "json":
        click.echo(json.dumps({"values": resolved.tables(), "origins": resolved.origins}))
        return
    for table in TABLES:
        click.echo(f"[{table}]")
        for key, value in resolved.tables()[table].items():
            click.echo(f"{key + ' = ' + json.dumps(value):60s} # {resolved.origins[key]}")
