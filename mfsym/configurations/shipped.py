"""The sims and problems that come with mfsym, by name: in the installed package, or in ``sims/`` of a clone."""

from __future__ import annotations

import re
from pathlib import Path

from mfsym.arguments import nearest
from mfsym.errors import MfsymError

PACKAGE = Path(__file__).resolve().parents[1]


def folder() -> Path:
    """The folder of the sims; problems are in its subfolder ``problems``."""
    packed = PACKAGE / "sims"
    return packed if packed.is_dir() else PACKAGE.parent / "sims"


def sims() -> dict[str, Path]:
    """Maps the name of every sim to its file: grids for sweeps and convergence, cases for discoveries."""
    return {path.stem: path for path in sorted(folder().glob("*.toml"))}


def problems() -> dict[str, Path]:
    """Maps the name of every problem to its file."""
    return {path.stem: path for path in sorted((folder() / "problems").glob("*.toml"))}


def sim_file(name: str | Path) -> Path:
    """The file of a sim: the path itself or, for a bare name without such a file, the sim that comes with mfsym.

    Raises MfsymError for an unknown bare name.
    """
    return _file(name, Path(), sims(), "sim")


def problem_file(name: str | Path, beside: Path = Path()) -> Path:
    """As ``sim_file``, for problems; ``beside`` : the folder to which a path is relative."""
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
    """The description in the first line of a file, without its command."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ").partition(": mfsym")[0].rstrip(":.")


def copied(path: Path) -> str:
    """The text of a sim or problem for a copy elsewhere; paths of shipped problems are replaced by their names."""
    return re.sub(r'"problems/([\w-]+)\.toml"', r'"\1"', path.read_text(encoding="utf-8"))
