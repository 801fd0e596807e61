"""The distance between two batches of clouds modulo rotations, for ``mfsym distance --quotient``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mfsym.errors import MfsymError

if TYPE_CHECKING:
    from mfsym.quotients import Quotient

QUOTIENTS = ("so(2)", "so(3)", "se(2)", "se(3)")
"""Groups of rotations and rigid motions; se(d) centres the clouds and then rotates them."""

WITHOUT = ("to", "along", "at", "method", "plan", "null", "unit", "problem")
"""Options that cannot be combined with ``--quotient``."""

OPTIONS = {"at": "time"}


def modulo(cloud: str, other: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """Squared W2 between the laws of two files of clouds, each cloud an atom, with the bounds that prove it.

    MfsymError for an unsupported group, an option of WITHOUT, or clouds on which the group does not act.
    """
    name = "".join(given["quotient"].lower().split())
    if name not in QUOTIENTS:
        raise MfsymError(f"--quotient must be one of {', '.join(QUOTIENTS)}, got {given['quotient'][:40]!r}")
    for option in WITHOUT:
        if given[option] is not None:
            raise MfsymError(f"--quotient and --{OPTIONS.get(option, option)} exclude each other; leave one out")
    if other is None:
        raise MfsymError("--quotient needs two files of clouds")
    from mfsym.quotients import orbit_w2

    d = int(re.sub(r"\D", "", name))
    a, b = _clouds(cloud, d), _clouds(other, d)
    if a.shape[1:] != b.shape[1:]:
        raise MfsymError(f"clouds must be of one size, got {a.shape[1:]} in {cloud} and {b.shape[1:]} in {other}")
    result = orbit_w2(a, b, _quotient(a.shape[1], d, name.startswith("se")))
    return {
        "w2_squared": result.w2_squared,
        "rmsd": float(np.sqrt(max(result.w2_squared, 0.0) / a.shape[1])),
        "lower_bound": result.lower_bound,
        "relative_gap": result.relative_gap if np.isfinite(result.relative_gap) else None,
        "method": result.method,
        "seconds": result.seconds,
    }


def _quotient(points: int, d: int, centred: bool) -> Quotient:
    from mfsym.groups import so
    from mfsym.quotients import Quotient

    return Quotient(points * so(d).vector(), centred=centred)


def _clouds(source: str, d: int) -> NDArray[np.float64]:
    """Clouds (N, n, d) from a result of ``mfsym sample``, or from rows (N, n d) of another file."""
    if Path(source).suffix.lower() == ".nc":
        from mfsym.stores import open_result

        dataset = open_result(source)
        if "clouds" in dataset:
            clouds = np.asarray(dataset["clouds"].values, dtype=np.float64)
            if clouds.shape[2] != d:
                raise MfsymError(f"{source}: has clouds in R^{clouds.shape[2]}, the group acts on R^{d}")
            return clouds
    from mfsym.stores.clouds import load_cloud

    rows = load_cloud(source)
    if rows.shape[1] % d:
        raise MfsymError(f"{source}: rows of {rows.shape[1]} numbers are no clouds of points in R^{d}")
    return rows.reshape(len(rows), -1, d)
