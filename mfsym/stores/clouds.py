"""Load clouds of particles from .npy, .npz or .csv files, or from a run file at a time. Loading never runs code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError
from mfsym.stores.datasets import not_a_result, open_result
from mfsym.stores.npy import MAX_BYTES, UNREADABLE, Npz, read_npy, type_fault
from mfsym.stores.numerals import is_number
from mfsym.stores.tables import read_table

FORMATS = (".npy", ".npz", ".csv", ".nc")

NAMES = ("particles", "z")
"""Names that identify the cloud in an archive of several arrays."""


def is_cloud_file(value: Any) -> bool:
    """Whether a value names a file of particles: a Path, or a text with a suffix in FORMATS and perhaps @TIME."""
    if isinstance(value, Path):
        return True
    return isinstance(value, str) and Path(value.rpartition("@")[0] or value).suffix.lower() in FORMATS


def load_cloud(source: str, time: float | None = None) -> NDArray[np.float64]:
    """The particles (N, p) in a file, float64 and finite.

    source : a path, or RUN.nc@TIME.
    time : for a run file without @TIME; None for its last time.
    docs/files.md specifies the formats. Raises MfsymError naming the file if it is of another format, damaged, not
    two-dimensional, empty or not finite; StoreError if a run file of mfsym is damaged.
    """
    path, time = _split(source, time)
    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise MfsymError(f"{path}: a cloud must be {', '.join(FORMATS)}, got {path.suffix or 'no suffix'!r}")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise MfsymError(f"{path}: larger than {MAX_BYTES} bytes")
        values = _run(path, time) if kind == ".nc" else _READERS[kind](path)
    except OSError as error:
        raise MfsymError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UNREADABLE as error:
        raise MfsymError(f"{path}: not a cloud: {' '.join(str(error).split())[:300]}") from error
    if fault := type_fault(values.dtype):
        raise MfsymError(f"{path}: not a cloud: {fault}")
    if values.dtype.kind not in "iuf" or values.ndim != 2 or not values.size:
        raise MfsymError(f"{path}: a cloud must be numbers of shape (N, p), got {values.dtype} of shape {values.shape}")
    cloud = values.astype(np.float64)
    if not np.isfinite(cloud).all():
        raise MfsymError(f"{path}: a cloud must be finite; row {int(np.argmin(np.isfinite(cloud).all(axis=1)))} is not")
    return cloud


def _split(source: str, time: float | None) -> tuple[Path, float | None]:
    name, at, tail = source.rpartition("@")
    if not at or not name.lower().endswith(".nc"):
        return Path(source), time
    if not is_number(tail):
        raise MfsymError(f"{source}: a time must follow @, got {tail[:40]!r}")
    return Path(name), float(tail)


def _npy(path: Path) -> NDArray[Any]:
    with path.open("rb") as stream:
        return read_npy(stream, path.stat().st_size)


def _npz(path: Path) -> NDArray[Any]:
    """The only array of an archive, or the one called particles or z."""
    with path.open("rb") as stream:
        archive = Npz(stream, path.stat().st_size)
        named = [name for name in NAMES if name in archive.names] or list(archive.names)
        if len(archive.names) > 1 and named == list(archive.names):
            held = ", ".join(name[:40] for name in archive.names[:10])
            raise ValueError(
                f"holds {len(named)} arrays ({held}); "
                "save one of shape (N, p) as particles or z; mf.cloud_from_layers converts the weights of two layers"
            )
        if not named:
            raise ValueError("holds no arrays; save one of shape (N, p), named particles or z")
        return archive.read(named[0])


def _csv(path: Path) -> NDArray[Any]:
    return read_table(path).values


_READERS = {".npy": _npy, ".npz": _npz, ".csv": _csv}


def _run(path: Path, time: float | None) -> NDArray[Any]:
    """The particles of a run file at ``time``, which must be one of the times of the run up to rounding."""
    if fault := not_a_result(path):
        raise MfsymError(f"{path}: {fault}; a cloud in .nc must be a run of mfsym simulate; save others as .npy")
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
