"""The sims and problems that come with mfsym, by name: beside the modules once installed, in ``sims/`` of a clone."""

from __future__ import annotations

import re
from pathlib import Path

from mfsym.arguments import nearest
from mfsym.errors import MfsymError

PACKAGE = Path(__file__).resolve().parents[1]


def folder() -> Path:
    """The folder of the sims; its folder ``problems`` holds the problems."""
    packed = PACKAGE / "sims"
    return packed if packed.is_dir() else PACKAGE.parent / "sims"


def sims() -> dict[str, Path]:
    """Name to file of every sim: grids for sweeps and convergence, cases for discoveries."""
    return {path.stem: path for path in sorted(folder().glob("*.toml"))}


def problems() -> dict[str, Path]:
    """Name to file of every problem."""
    return {path.stem: path for path in sorted((folder() / "problems").glob("*.toml"))}


def sim_file(name: str | Path) -> Path:
    """The file of a sim: the path as it is, or, of a bare name that is no file here, the sim that comes with mfsym.

    Raises MfsymError for a bare name that is neither.
    """
    return _file(name, Path(), sims(), "sim")


def problem_file(name: str | Path, beside: Path = Path()) -> Path:
    """As ``sim_file``, for problems; ``beside`` : the folder that a path is relative to."""
    return _file(name, beside, problems(), "problem")


def _file(name: str | Path, beside: Path, known: dict[str, Path], kind: str) -> Path:
    path = beside / name
    if path.exists() or not re.fullmatch(r"[\w-]+", str(name)):
        return path
    if str(name) in known:
        return known[str(name)]
    raise MfsymError(
        f"{str(name)[:80]}: no such file, and no {kind} of this name comes with mfsym"
        f"{nearest(str(name), known)}; mfsym list {kind}s names them"
    )


def description(path: Path) -> str:
    """What the first line of a file says, its command left out."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ").partition(": mfsym")[0].rstrip(":.")


def copied(path: Path) -> str:
    """The text of a sim or a problem for a copy elsewhere: problems beside it are named, not searched beside it."""
    return re.sub(r'"problems/([\w-]+)\.toml"', r'"\1"', path.read_text(encoding="utf-8"))
