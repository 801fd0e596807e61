"""What is changed while Sphinx reads: generated parts, docstrings, and cells that a shell runs."""

from __future__ import annotations

from typing import Any

from docutils import nodes

from building.docstrings import converted
from building.generated import completed
from building.shells import as_python, as_shell


def _source(app: Any, name: str, source: list[str]) -> None:
    source[0] = as_python(completed(source[0]))


def _docstring(app: Any, kind: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    import mfsym

    lines[:] = converted(lines, set(mfsym.__all__))


def _cells(app: Any, doctree: nodes.document) -> None:
    for block in doctree.findall(nodes.literal_block):
        commands = as_shell(block.astext())
        if commands is not None:
            block.children = [nodes.Text(commands)]
            block.rawsource, block["language"] = commands, "sh"


def install(app: Any) -> None:
    """Connect the conversions to Sphinx."""
    app.connect("source-read", _source)
    app.connect("autodoc-process-docstring", _docstring)
    app.connect("doctree-read", _cells)
