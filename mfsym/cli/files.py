"""Arguments that name a file, or a sim or problem that comes with mfsym."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from mfsym.configurations import shipped
from mfsym.errors import MfsymError


class Shipped(click.ParamType):
    """A path, or the bare name of a file that comes with mfsym; an existing path takes precedence.

    find : maps text to a path; MfsymError for an unknown bare name.  known : the names that come with mfsym.
    """

    name = "file"

    def __init__(self, find: Callable[[str], Path], known: Callable[[], dict[str, Path]]) -> None:
        self.find, self.known = find, known

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path; a usage error for a folder or an unknown bare name."""
        try:
            path = value if isinstance(value, Path) else self.find(value)
        except MfsymError as error:
            self.fail(str(error), param, ctx)
        if path.is_dir():
            self.fail(f"{path}: must be a file, got a folder", param, ctx)
        return path

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Completions: first the names with this prefix, then files."""
        names = [CompletionItem(name) for name in self.known() if name.startswith(incomplete)]
        return [*names, CompletionItem(incomplete, type="file")]


SIM = Shipped(shipped.sim_file, shipped.sims)
PROBLEM = Shipped(shipped.problem_file, shipped.problems)
