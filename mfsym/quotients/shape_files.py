"""Shapes from files: inline templates, .xyz files, or a molecule by its SMILES."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mfsym.configurations.shapes import ShapesFile, TemplateTable, read_shapes
from mfsym.configurations.shipped import sim_file
from mfsym.errors import MfsymError
from mfsym.quotients.molecules import conformers_of
from mfsym.quotients.templates import Templates

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

MOST_XYZ_BYTES = 10_000_000
"""An .xyz file that is larger is refused."""


@dataclass(frozen=True)
class Shapes:
    """A mixture of shapes with names.

    templates : J of them; of a molecule every labelled image of every conformer.  names : (C,) of the shapes.
    shape : (J,) the shape that a template is of.  file : what the shapes file states.
    """

    name: str
    templates: Templates
    names: tuple[str, ...]
    shape: Numbers
    file: ShapesFile

    @property
    def weights(self) -> Floats:
        """(C,) of the shapes, sum 1."""
        return np.asarray(np.bincount(self.shape, weights=self.templates.weights), dtype=np.float64)


def load_shapes(path: Path | str) -> Shapes:
    """The shapes that a TOML file states, or those of a sim that comes with mfsym, by its name.

    Raises MfsymError of one line that names the file for anything unknown, out of range or inconsistent, and where a
    molecule is asked for without RDKit.
    """
    place = sim_file(path)
    file = read_shapes(place)
    name = file.name or place.stem
    try:
        if file.smiles is not None:
            return _molecule(file, name)
        return _inline(file, name, place.parent)
    except MfsymError as error:
        raise MfsymError(f"{place}: {error}") from None


def _molecule(file: ShapesFile, name: str) -> Shapes:
    found = conformers_of(
        file.smiles or "",
        embeddings=file.embeddings,
        separation=file.separation,
        temperature=file.temperature,
        seed=file.seed,
    )
    names = tuple(f"conformer {k}" for k in range(len(found.energies)))
    return Shapes(name, Templates(found.clouds, found.weights), names, found.conformer, file)


def _inline(file: ShapesFile, name: str, folder: Path) -> Shapes:
    stated = [each.weight for each in file.template]
    missing = sum(weight is None for weight in stated)
    if 0 < missing < len(stated):
        raise MfsymError(f"every [[template]] needs a weight, or none: {missing} of {len(stated)} have none")
    names = tuple(each.name or f"template {k}" for k, each in enumerate(file.template))
    if len(set(names)) < len(names):
        raise MfsymError("every [[template]] needs a name of its own")
    clouds, elements = zip(*(_cloud(each, k, folder) for k, each in enumerate(file.template)), strict=True)
    known = {each for each in elements if each}
    if len(known) > 1:
        raise MfsymError("all .xyz files must list the same elements in the same order")
    templates = Templates(list(clouds), None if missing else [weight or 0.0 for weight in stated], centred=file.centred)
    return Shapes(name, templates, names, np.arange(len(names)), file)


def _cloud(table: TemplateTable, number: int, folder: Path) -> tuple[Floats, tuple[str, ...]]:
    """Points (n, d) of one template, and the elements of an .xyz file."""
    if (table.points is None) == (table.file is None):
        raise MfsymError(f"[[template]] {number + 1} needs either points or file")
    if table.file is not None:
        return read_xyz(folder / table.file)
    points = table.points or []
    if len({len(point) for point in points}) > 1:
        raise MfsymError(f"[[template]] {number + 1}: all points must have as many coordinates")
    return np.array(points, dtype=np.float64), ()


def read_xyz(path: Path) -> tuple[Floats, tuple[str, ...]]:
    """Heavy atoms (n, 3) of an .xyz file of one frame, in its units, and their elements.

    Raises MfsymError, naming the file and the line, for anything else.
    """
    try:
        if path.stat().st_size > MOST_XYZ_BYTES:
            raise MfsymError(f"{path}: must be under {MOST_XYZ_BYTES} bytes")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MfsymError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    count = lines[0].strip() if lines else ""
    if not count.isascii() or not count.isdigit():
        raise MfsymError(f"{path}: an .xyz file starts with its number of atoms, got {count[:40]!r}")
    rows = [line.split() for line in lines[2:]]
    while rows and not rows[-1]:
        rows.pop()
    if len(rows) != int(count):
        raise MfsymError(f"{path}: states {count} atoms and lists {len(rows)}; one frame a file")
    atoms = [_atom(row, number, path) for number, row in enumerate(rows, start=3)]
    heavy = [(element, place) for element, place in atoms if element not in ("H", "D", "T")]
    if not heavy:
        raise MfsymError(f"{path}: has no heavy atoms")
    return np.array([place for _, place in heavy]), tuple(element for element, _ in heavy)


def _atom(row: list[str], number: int, path: Path) -> tuple[str, list[float]]:
    try:
        element, x, y, z = row[:4]
        return element.capitalize(), [float(x), float(y), float(z)]
    except ValueError:
        raise MfsymError(
            f"{path}: line {number} must be an element and three numbers, got {' '.join(row)[:60]!r}"
        ) from None
