"""The docstrings of mfsym as reStructuredText.

The package writes "name : meaning.  other : meaning." in running text, formulas with bars and carets, and code between
double backticks. Here each name becomes a term of a definition list, a formula stays as it is, and code that names
something public links to it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

NAME = r"\*{0,2}[A-Za-z_][A-Za-z_0-9.]*"
ITEM = re.compile(rf"({NAME}(?:, {NAME})*) : ")
BREAK = re.compile(
    rf"(?<=[.;:)])  (?=\S)|\n(?={NAME}(?:, {NAME})* : |(?:Returns|Raises|Yields|Source|MfsymError|NotEquivariant)\b)"
)
SPECIAL = re.compile(r"([\\*|`_])")


def escaped(text: str, public: Collection[str] = ()) -> str:
    """Running text with everything that reStructuredText would read as markup escaped; ``code`` stays code.

    public : names that code may link to.
    """
    parts = text.split("``")
    for place, part in enumerate(parts):
        if place % 2 == 0:
            parts[place] = SPECIAL.sub(r"\\\1", part)
        elif part.removeprefix("mf.") in public:
            parts[place] = f":py:obj:`{part} <mfsym.{part.removeprefix('mf.')}>`"
        else:
            parts[place] = f"``{part}``"
    return "".join(parts)


def paragraphs(lines: list[str]) -> Iterator[list[str]]:
    """Runs of lines between empty ones."""
    block: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            block.append(line.rstrip())
        elif block:
            yield block
            block = []


def sentences(block: list[str], public: Collection[str]) -> Iterator[str]:
    """A paragraph of text as lines: what names a parameter becomes an entry of a definition list."""
    text: list[str] = []
    for part in BREAK.split("\n".join(block)):
        found = ITEM.match(part)
        if found is None:
            text.append(part)
            continue
        if text:
            yield from (*escaped(" ".join(text), public).splitlines(), "")
            text = []
        meaning = " ".join(part[found.end() :].split())
        yield from (f"``{found[1]}``", f"    {escaped(meaning, public)}", "")
    if text:
        yield from (*escaped(" ".join(text), public).splitlines(), "")


def converted(lines: list[str], public: Collection[str] = ()) -> list[str]:
    """A docstring, cleaned of its indentation, as lines of reStructuredText."""
    made: list[str] = []
    for block in paragraphs(lines):
        if block[0].lstrip().startswith(">>> "):
            made += [*block, ""]
        elif all(line.startswith("    ") for line in block):
            made += ["::", "", *block, ""]
        else:
            made += [*sentences(block, public)]
    return made
