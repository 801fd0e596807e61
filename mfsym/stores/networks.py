"""Load named arrays of a trained model from .safetensors, .npz or a folder of .npy. Loading never runs code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.arguments import suggestions
from mfsym.errors import MfsymError
from mfsym.stores.npy import MAX_BYTES, UNREADABLE, Npz, read_npy, type_fault

FORMATS = (".safetensors", ".npz")

_LISTED = 12


def load_arrays(source: str, names: Sequence[str]) -> list[NDArray[np.float64]]:
    """The named arrays of a model, float64, in the requested order.

    source : a .safetensors file (needs the package safetensors), an .npz archive, or a folder that holds NAME.npy.
    Raises MfsymError naming the file if it is of another format or damaged, or if an array is missing or not numeric.
    Files that are pickles (.pt, .pth, .ckpt) are refused: loading one runs code.
    """
    path = Path(source)
    try:
        if path.is_dir():
            found = [_from_folder(path, name) for name in names]
        elif path.suffix.lower() == ".npz":
            found = _from_npz(path, names)
        elif path.suffix.lower() == ".safetensors":
            found = _from_safetensors(path, names)
        else:
            raise MfsymError(
                f"{path}: arrays are read from {', '.join(FORMATS)} or a folder of .npy, got "
                f"{path.suffix or 'no suffix'!r}; save a torch model by safetensors.torch.save_file"
            )
    except OSError as error:
        raise MfsymError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UNREADABLE as error:
        raise MfsymError(f"{path}: not a file of arrays: {' '.join(str(error).split())[:300]}") from error
    for name, values in zip(names, found, strict=True):
        if fault := type_fault(values.dtype):
            raise MfsymError(f"{path}: {name} {fault}")
        if values.dtype.kind not in "iuf":
            raise MfsymError(f"{path}: {name} must hold numbers, got {values.dtype}")
    return [values.astype(np.float64) for values in found]


def _from_folder(path: Path, name: str) -> NDArray[Any]:
    held = sorted(file.stem for file in path.glob("*.npy"))
    file = path / f"{name.removesuffix('.npy')}.npy"
    if not file.is_file():
        raise MfsymError(_missing(path, name, held))
    with file.open("rb") as stream:
        return read_npy(stream, file.stat().st_size)


def _from_npz(path: Path, names: Sequence[str]) -> list[NDArray[Any]]:
    with path.open("rb") as stream:
        archive = Npz(stream, path.stat().st_size)
        for name in names:
            if name not in archive.names:
                raise MfsymError(_missing(path, name, archive.names))
        return [archive.read(name) for name in names]


def _from_safetensors(path: Path, names: Sequence[str]) -> list[NDArray[Any]]:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise MfsymError(f"{path}: reading it needs safetensors: pip install 'mfsym[safetensors]'") from None
    if path.stat().st_size > MAX_BYTES:
        raise MfsymError(f"{path}: larger than {MAX_BYTES} bytes")
    try:
        with safe_open(str(path), framework="numpy") as model:
            held = list(model.keys())
            for name in names:
                if name not in held:
                    raise MfsymError(_missing(path, name, held))
            return [model.get_tensor(name) for name in names]
    except (SafetensorError, TypeError) as error:
        raise MfsymError(
            f"{path}: cannot be read as arrays of numbers: {' '.join(str(error).split())[:200]}; save float32"
        ) from error


def _missing(path: Path, name: str, held: Sequence[str]) -> str:
    return f"{path}: has no array {name[:60]!r}{suggestions(name, held[:_LISTED])}"
