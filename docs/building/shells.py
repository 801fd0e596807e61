"""Cells that a shell runs: ``{code-cell} sh`` in a page."""

from __future__ import annotations

import re
import subprocess

CELL = re.compile(r"^```\{code-cell\} sh\n((?::[^\n]*\n)*)(.*?)^```$", re.MULTILINE | re.DOTALL)
CALL = re.compile(r'^from building.shells import run\n\nrun\(r"""\n(.*)"""\)$', re.DOTALL)


def run(commands: str) -> None:
    """Run commands and print what they print, both streams in order; RuntimeError at the first that fails."""
    done = subprocess.run(
        ["bash", "-e", "-c", commands], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    print(done.stdout, end="")
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}")


def as_python(source: str) -> str:
    """A page whose cells for the shell are cells for Python, which a kernel can run."""

    def cell(found: re.Match[str]) -> str:
        call = f'from building.shells import run\n\nrun(r"""\n{found[2]}""")'
        return f"```{{code-cell}} ipython3\n{found[1]}{call}\n```"

    return CELL.sub(cell, source)


def as_shell(cell: str) -> str | None:
    """The commands of a cell that ``as_python`` made; None for any other cell."""
    found = CALL.match(cell)
    return found[1].rstrip("\n") if found else None
