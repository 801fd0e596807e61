"""W2 along a run: many similar problems, each started from the potentials of the one before."""

from __future__ import annotations

from collections.abc import Iterator

from numpy.typing import ArrayLike

from mfsym.arguments import as_floats
from mfsym.errors import MfsymError
from mfsym.transport.atoms import as_atoms
from mfsym.transport.distances import w2
from mfsym.transport.results import FloatArray, W2Result


def w2_along(snapshots: ArrayLike, reference: ArrayLike | None = None) -> Iterator[W2Result]:
    """Squared W2 from every snapshot to a reference, or without one from every snapshot to the next.

    snapshots : (T, N, p).  reference : (M, p) or None.  Yields T results, or T - 1, each with its own certificate.
    """
    clouds = as_floats(snapshots, "snapshots")
    if clouds.ndim != 3:
        raise MfsymError(f"snapshots must have axes (time, particle, param), got shape {clouds.shape}")
    start: FloatArray | None = None
    fixed = None if reference is None else as_atoms(reference, "the reference")
    for step in range(clouds.shape[0] if fixed is not None else clouds.shape[0] - 1):
        result = w2(clouds[step], clouds[step + 1] if fixed is None else fixed, start=start)
        start = result.potentials[1] if result.potentials is not None and result.method == "auction" else None
        yield result
