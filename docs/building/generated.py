"""Parts of pages that are made from the package and from measured numbers.

Markdown, put in place of lines ``% generated: NAME`` and ``% table: FILE: HEADING: COLUMNS``.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import click

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
PLACE = re.compile(r"^% generated: ([a-z-]+)$", re.MULTILINE)
TABLE = re.compile(r"^% table: ([^:\n]+): ([^:\n]+)(?:: (.+))?$", re.MULTILINE)

PAGES = {
    "Begin": ("start", "mathematics"),
    "Use": ("own", "networks", "problems", "files", "sweeps", "trust", "errors", "precision", "engines", "machines"),
    "Systems": ("discovery", "symmetrisers", "quotients", "latents", "limit", "transport"),
    "Tutorials": ("tutorials/training", "tutorials/symmetrisers", "tutorials/quotients", "tutorials/latents"),
    "Look up": ("gallery", "papers", "glossary", "commands", "api", "faq"),
    "The project": ("contributing", "changes", "cite"),
}
"""The pages in their order, by heading; one that is not written yet is left out."""

ROOMS = {
    "Groups": ("groups",),
    "Representations": ("representations",),
    "Units": ("units",),
    "Data": ("data", "problems"),
    "Ensembles and randomness": ("ensembles", "streams"),
    "Schemes and read-outs": ("schemes",),
    "Dynamics": ("dynamics",),
    "The limit": ("flows",),
    "Distances and risks": ("transport", "metrics"),
    "Discovery": ("discovery",),
    "Quotients": ("quotients",),
    "Latents": ("latents",),
    "Studies": ("experiments", "sweeps"),
    "Errors": ("errors",),
}
"""Headings of the reference and the folders whose public names stand under them."""


def contents() -> Iterator[str]:
    """The tables of contents of the first page."""
    for heading, names in PAGES.items():
        written = [name for name in names if (DOCS / f"{name}.md").exists()]
        if written:
            yield from ("```{toctree}", f":caption: {heading}", ":maxdepth: 1", "", *written, "```", "")


def variables() -> Iterator[str]:
    """The result dictionary, an entry of a glossary for each variable."""
    from mfsym.variables import VARIABLES

    yield "```{glossary}"
    for name, entry in VARIABLES.items():
        meaning = entry.attrs()["long_name"]
        about = [{"int": "whole number", "float": "real", "number": "number"}.get(entry.kind, entry.kind)]
        about += [f"in units of {entry.attrs()['units']}"] if entry.units not in ("1", "") else []
        about += [f"last dimensions ({', '.join(entry.dims)})"] if entry.dims else []
        yield from (name, f"  {_text(meaning)}. *{_text('; '.join(about))}.*", "")
    yield "```"


def _text(text: str) -> str:
    """Text with what Markdown would read as markup escaped."""
    return re.sub(r"([\\*_|`$<>\[\]])", r"\\\1", text)


def parameters() -> Iterator[str]:
    """The parameters of a training: option, key, default, meaning."""
    from mfsym.configurations.parameters import PARAMETERS

    yield from ("| parameter | option | default | meaning |", "|---|---|---|---|")
    for name, each in PARAMETERS.items():
        if name == "problem_digest":
            continue
        option = f"`{each.flag}`" if each.option else ""
        default = ", ".join(each.default) if isinstance(each.default, tuple) else str(each.default)
        yield f"| `{each.key.name}` | {option} | {_text(default)} | {_text(each.more or each.doc)} |"


def commands() -> Iterator[str]:
    """Every command under its heading, with its help."""
    from mfsym.cli import GROUPS, cli

    for heading, found in GROUPS.items():
        yield from (f"## {heading}", "")
        for name in found:
            command = cli.get_command(click.Context(cli), name)
            context = click.Context(command, info_name=f"mfsym {name}", terminal_width=100, max_content_width=100)
            yield from (f"### mfsym {name}", "", "```text", *command.get_help(context).splitlines(), "```", "")


def api() -> Iterator[str]:
    """Every public name with its docstring, by folder."""
    import mfsym

    for heading, rooms in ROOMS.items():
        names = sorted((n for n, at in mfsym._EXPORTS.items() if at.split(".")[0] in rooms), key=str.lower)
        if not names:
            continue
        yield from (f"## {heading}", "", "```{eval-rst}")
        for name in names:
            yield from _entry(name, getattr(mfsym, name))
        yield from ("```", "")


def _entry(name: str, value: object) -> Iterator[str]:
    if isinstance(value, type):
        yield from (f".. autoclass:: mfsym.{name}", "   :members:", "")
    elif callable(value):
        yield from (f".. autofunction:: mfsym.{name}", "")
    else:
        yield from (f".. autodata:: mfsym.{name}", "   :no-value:", "")


def figures() -> Iterator[str]:
    """Every figure: what it shows, what it reads, the commands that make it, its script, its picture if it is kept."""
    from mfsym.figures import FIGURES, SIZES

    for name, entry in FIGURES.items():
        yield from (f"## {name}", "", f"{entry.shows[0].upper()}{entry.shows[1:]}. Reads {entry.needs}.", "")
        if (ROOT / "figures" / "gallery" / f"{name}.png").exists():
            yield from (f"![{entry.shows}](../figures/gallery/{name}.png)", "")
        for size, made in entry.made.items():
            results = " ".join(command.partition(" -o ")[2].split()[0] for command in made)
            drawn = f"mfsym figure {name} {results} -o figures/out/{name}{SIZES[size]}.pdf"
            yield from (f"At size *{size}*:", "", "```sh", *made, drawn, "```", "")
        yield from (f"Script: `figures/{name}.py`; code: `mfsym/figures/{entry.module or name}.py`.", "")


def theory() -> Iterator[str]:
    """The table from theory to code; every name is imported and every test is found, or the build fails."""
    from building.theory import ROWS

    yield from ("| in the theory | in mfsym | checked by |", "|---|---|---|")
    for statement, names, test in ROWS:
        for name in names:
            resolved(name)
        if not (ROOT / "tests" / test).is_file():
            raise FileNotFoundError(f"the table from theory to code names tests/{test}, which is not there")
        yield f"| {statement} | {', '.join(map(_code, names))} | `tests/{test}` |"


def _code(name: str) -> str:
    """A dotted name as code, and as a link if it is public."""
    import mfsym

    first = name.split(".")[1]
    return f"{{py:obj}}`{name.replace('mfsym.', 'mf.')} <{name}>`" if first in mfsym._EXPORTS else f"`{name}`"


def resolved(name: str) -> object:
    """The object with this dotted name; AttributeError or ModuleNotFoundError if there is none."""
    parts, value = name.split("."), importlib.import_module("mfsym")
    for place, part in enumerate(parts[1:], start=2):
        try:
            value = getattr(value, part)
        except AttributeError:
            value = importlib.import_module(".".join(parts[:place]))
    return value


def citations() -> Iterator[str]:
    """What to cite, as BibTeX."""
    from mfsym.runtime.references import bibtex

    yield from ("```bibtex", *bibtex().splitlines(), "```")


PARTS: dict[str, Callable[[], Iterator[str]]] = {
    "contents": contents,
    "variables": variables,
    "parameters": parameters,
    "commands": commands,
    "api": api,
    "figures": figures,
    "theory": theory,
    "citations": citations,
}
"""The generated parts by name."""


def table(file: str, key: str, columns: str = "") -> str:
    """One table of a file of ``benchmarks/results``, the first under the heading ``key`` or with it as first column.

    columns : the columns to keep, separated by semicolons; all if empty. Raises if there is no such table or column.
    """
    blocks = (ROOT / "benchmarks" / "results" / file).read_text(encoding="utf-8").split("\n\n")
    heading, found = "", {}
    for block in blocks:
        if block.startswith("#"):
            heading = block.lstrip("# ").splitlines()[0]
        elif block.startswith("|"):
            for name in (heading, block.split("|")[1].strip()):
                found.setdefault(name, block)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in found[key].strip().splitlines()]
    kept = [rows[0].index(name.strip()) for name in columns.split(";")] if columns else range(len(rows[0]))
    return "\n".join("| " + " | ".join(row[place] for place in kept) + " |" for row in rows)


def completed(source: str) -> str:
    """A page with its generated parts and the tables of measured numbers; raises for an unknown name."""
    made = PLACE.sub(lambda found: "\n".join(PARTS[found[1]]()), source)
    return TABLE.sub(lambda found: table(found[1], found[2], found[3] or ""), made)
