"""What is told of a device that has no memory left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax

from mfsym.errors import MfsymError

EXHAUSTED = "RESOURCE_EXHAUSTED"
"""The status of XLA's errors about memory."""


@contextmanager
def explained(device: Any, what: str, item: int) -> Iterator[None]:
    """A context in which an error about memory, XLA's or NumPy's, becomes MfsymError of one line; other errors pass.

    what : the sizes that matter, such as "N = 100 particles of 4 numbers".  item : bytes per number.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if EXHAUSTED not in str(error):
            raise
        place = f"the device {device.device_kind}{_size(device)}"
    except MemoryError:
        place = "this machine"
    else:
        return
    cheaper = "float32, " if item > 4 else ""
    raise MfsymError(
        f"{what}, {item} bytes each, must fit in the memory of {place}: "
        f"use fewer particles, {cheaper}more devices, or engine='numba' on the processor"
    )


def _size(device: Any) -> str:
    """', 79.1 GB' for a device that tells its size; "" for others."""
    limit = (device.memory_stats() or {}).get("bytes_limit")
    return "" if limit is None else f", {limit / 1e9:.1f} GB"
