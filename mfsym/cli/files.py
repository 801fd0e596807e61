"""Arguments that are a file or the bare name of a sim or a problem that comes with mfsym."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from mfsym.configurations import shipped
from mfsym.errors import MfsymError


class Shipped(click.ParamType):
    """A path; where no file is there and the text is a bare name, the file of that name that comes with mfsym.

    find : text to path, MfsymError for a bare name that is neither.  known : the names that come with mfsym.
    """

    name = "file"

    def __init__(self, find: Callable[[str], Path], known: Callable[[], dict[str, Path]]) -> None:
        self.find, self.known = find, known

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path; a usage error for a folder and for a bare name of nothing."""
        try:
            path = value if isinstance(value, Path) else self.find(value)
        except MfsymError as error:
            self.fail(str(error), param, ctx)
        if path.is_dir():
            self.fail(f"{path}: must be a file, got a folder", param, ctx)
        return path

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The names that begin so, then the files."""
        names = [CompletionItem(name) for name in self.known() if name.startswith(incomplete)]
        return [*names, CompletionItem(incomplete, type="file")]


SIM = Shipped(shipped.sim_file, shipped.sims)
PROBLEM = Shipped(shipped.problem_file, shipped.problems)
