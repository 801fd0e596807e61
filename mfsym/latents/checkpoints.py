"""Checkpoints of a training: weights, state of the optimiser and losses after some hundreds of steps, in one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError
from mfsym.stores.archives import encode, load
from mfsym.stores.publishing import make_folder, publish, require_writable

EVERY = 10
"""Hundreds of steps between two checkpoints."""

Leaves = list[NDArray[Any]]


class LatentCheckpoint:
    """The file of one training, or none at all where ``path`` is None.

    identity : what determines the training, as plain JSON types; a file of another one is refused.
    """

    def __init__(self, path: Path | str | None, identity: dict[str, Any]) -> None:
        self.path = None if path is None else Path(path)
        self.identity = identity
        if self.path is not None:
            make_folder(self.path.parent)
            require_writable(self.path)

    def read(self) -> tuple[Leaves, list[float]] | None:
        """Arrays in their order and losses of the hundreds done, or None if there is no file.

        MfsymError for the file of another training, StoreError for a damaged one.
        """
        if self.path is None or not self.path.exists():
            return None
        found = load(self.path)
        if found.meta.get("identity") != self.identity:
            raise MfsymError(f"{self.path}: a checkpoint of another training; name another file, or remove it")
        count = len(found.arrays) - 1
        return [found.arrays[f"leaf.{k}"] for k in range(count)], found.arrays["history"].tolist()

    def write(self, leaves: Sequence[Any], history: Sequence[float], *, last: bool = False) -> None:
        """Keep the state after every EVERY hundreds of steps, and after the last."""
        if self.path is None or (len(history) % EVERY and not last):
            return
        arrays = {f"leaf.{k}": np.asarray(leaf) for k, leaf in enumerate(leaves)}
        arrays["history"] = np.asarray(history, dtype=np.float64)
        publish(self.path, encode(arrays, {"identity": self.identity}))
