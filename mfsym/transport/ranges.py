"""Range of coordinates whose squares neither overflow nor underflow in float64."""

from __future__ import annotations

from mfsym.errors import TransportFailed
from mfsym.transport.results import FloatArray

LARGEST = 2.0**510
"""Largest diameter of both clouds and the origin for which sums of squares are finite."""

SMALLEST = 2.0**-450
"""If the largest coordinate is below this, squared differences lose digits to underflow."""


def check_range(a: FloatArray, b: FloatArray) -> None:
    """Raise TransportFailed if squared distances of clouds (N, p) and (M, p) overflow or underflow. O((N + M) p).

    Clouds of zeros pass.
    """
    largest = max(float(a.max()), -float(a.min()), float(b.max()), -float(b.min()))
    if not 2.0 * largest * a.shape[1] ** 0.5 <= LARGEST:
        raise TransportFailed(
            f"squared distances must be finite; scale the clouds down (largest coordinate {largest:.3g})"
        )
    if 0.0 < largest < SMALLEST:
        raise TransportFailed(
            f"squared distances must not underflow; scale the clouds up (largest coordinate {largest:.3g})"
        )
