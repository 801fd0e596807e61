"""The command list: names of groups, units, schemes, problems, sims and figures."""

from __future__ import annotations

import json
from collections.abc import Callable

import click

from mfsym.cli.options import Name, format_option


@click.command(name="list")
@click.argument("what", type=Name(("groups", "units", "schemes", "problems", "sims", "figures")))
@format_option("text", "json")
def list_command(what: str, form: str) -> None:
    """List groups and representations, units, schemes, or the problems, sims and figures that come with mfsym.

    \b
    Example:
      mfsym list problems
    """
    rows = LISTS[what]()
    if form == "json":
        click.echo(json.dumps(rows))
        return
    width = max(map(len, rows))
    for name, meaning in rows.items():
        click.echo(f"{name:{width}s}  {meaning}")


def _groups() -> dict[str, str]:
    from mfsym.problems import FAMILIES, REPRESENTATIONS

    sized = {f"{name}(n)": f"{family.meaning}; n <= {family.largest}" for name, family in FAMILIES.items()}
    special = {"trivial": "the group of one element", "product(a, b, ...)": "the direct product"}
    return sized | special | {f"  {name}": meaning for name, meaning in REPRESENTATIONS.items()}


def _units() -> dict[str, str]:
    from mfsym.units import UNITS

    return {name: first_sentence(unit) for name, unit in UNITS.items()}


def _schemes() -> dict[str, str]:
    from mfsym.schemes import SCHEMES

    return {name: first_sentence(scheme) for name, scheme in SCHEMES.items()}


def _problems() -> dict[str, str]:
    from mfsym.configurations.shipped import problems
    from mfsym.configurations.texts import read_toml

    files = problems().items()
    return {name: str(read_toml(path, "a problem file").get("description", "")) for name, path in files}


def _sims() -> dict[str, str]:
    from mfsym.configurations.shipped import description, sims

    return {name: description(path) for name, path in sims().items()}


def _figures() -> dict[str, str]:
    from mfsym.figures import FIGURES

    return {name: f"{entry.shows}; from {entry.needs}" for name, entry in FIGURES.items()}


LISTS: dict[str, Callable[[], dict[str, str]]] = {
    "groups": _groups,
    "units": _units,
    "schemes": _schemes,
    "problems": _problems,
    "sims": _sims,
    "figures": _figures,
}


def first_sentence(thing: type) -> str:
    """The first sentence of a class's docstring; the rest concerns its code."""
    return (thing.__doc__ or "").strip().splitlines()[0].partition(". ")[0].rstrip(".")
