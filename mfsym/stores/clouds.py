"""Clouds of particles from files: .npy, .npz, .csv, or a run file and a time. Loading never runs code."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError
from mfsym.stores.archives import MAX_ARCHIVE_BYTES, META_MEMBER, parse_npy, unzip
from mfsym.stores.datasets import open_result

FORMATS = (".npy", ".npz", ".csv", ".nc")


def load_cloud(source: str, time: float | None = None) -> NDArray[np.float64]:
    """The particles (N, p) in a file, float64 and finite.

    source : a path, or RUN.nc@TIME.  time : for a run file without @TIME; None stands for its last time.
    Raises MfsymError naming the file if it is of another format, damaged, not two-dimensional, empty or not finite.
    """
    path, time = _split(source, time)
    if path.suffix not in FORMATS:
        raise MfsymError(f"{path}: a cloud must be {', '.join(FORMATS)}, got {path.suffix or 'no suffix'!r}")
    try:
        if path.stat().st_size > MAX_ARCHIVE_BYTES:
            raise MfsymError(f"{path}: larger than {MAX_ARCHIVE_BYTES} bytes")
        values = np.asarray(_read(path, time))
    except OSError as error:
        raise MfsymError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, SyntaxError, zipfile.BadZipFile, RuntimeError, csv.Error, EOFError) as error:
        raise MfsymError(f"{path}: not a cloud: {' '.join(str(error).split())[:160]}") from error
    if values.dtype.kind not in "iuf" or values.ndim != 2 or not values.size:
        raise MfsymError(f"{path}: a cloud must be numbers of shape (N, p), got {values.dtype} of shape {values.shape}")
    cloud = values.astype(np.float64)
    if not np.isfinite(cloud).all():
        raise MfsymError(f"{path}: a cloud must be finite; row {int(np.argmin(np.isfinite(cloud).all(axis=1)))} is not")
    return cloud


def _split(source: str, time: float | None) -> tuple[Path, float | None]:
    name, at, tail = source.rpartition("@")
    if not at or not name.endswith(".nc"):
        return Path(source), time
    try:
        return Path(name), float(tail)
    except ValueError:
        raise MfsymError(f"{source}: after @ must come a time, got {tail[:40]!r}") from None


def _read(path: Path, time: float | None) -> NDArray[Any]:
    if path.suffix == ".npy":
        return parse_npy(path.read_bytes())
    if path.suffix == ".npz":
        return _one_array(path)
    if path.suffix == ".csv":
        return _csv(path)
    return _run(path, time)


def _one_array(path: Path) -> NDArray[Any]:
    """The only two-dimensional array of an archive, or the one called particles or z."""
    members = unzip(path.read_bytes())
    arrays = {name.removesuffix(".npy"): content for name, content in members.items() if name != META_MEMBER}
    for name in ("particles", "z"):
        if name in arrays:
            return parse_npy(arrays[name])
    if len(arrays) != 1:
        raise ValueError(f"holds {len(arrays)} arrays; name one of them particles")
    return parse_npy(next(iter(arrays.values())))


def _csv(path: Path) -> NDArray[Any]:
    """Rows of numbers; a first line that holds none is a header."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row]
    if rows and not _is_number(rows[0][0]):
        rows = rows[1:]
    if len({len(row) for row in rows}) > 1:
        raise ValueError("rows of different lengths")
    return np.array([[float(text) for text in row] for row in rows])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _run(path: Path, time: float | None) -> NDArray[Any]:
    """The particles of a run file at the time nearest to ``time``; the time must be one of the run's."""
    dataset = open_result(path)
    if "particles" not in dataset or dataset["particles"].dims != ("time", "particle", "param"):
        raise MfsymError(f"{path}: holds no particles over time; use a file of mfsym simulate")
    times = dataset["time"].values
    if time is None:
        return dataset["particles"].values[-1]
    nearest = int(np.abs(times - time).argmin())
    if abs(times[nearest] - time) > 1e-6 * max(1.0, abs(time)):
        raise MfsymError(f"{path}: has no time {time:g}; the nearest is {times[nearest]:g}, of {times.size} kept")
    return dataset["particles"].values[nearest]
