"""Sizes of coordinates whose squares fit into float64."""

from __future__ import annotations

from mfsym.errors import TransportFailed
from mfsym.transport.results import FloatArray

LARGEST = 2.0**510
"""Length of the box around both clouds and the origin up to which sums of squares stay finite."""

SMALLEST = 2.0**-450
"""Largest coordinate below which the digits of squares of differences would be lost."""


def check_range(a: FloatArray, b: FloatArray) -> None:
    """Refuse clouds (N, p) and (M, p) whose squared distances overflow, or vanish by underflow. O((N + M) p).

    Raises TransportFailed. Clouds of zeros only pass.
    """
    largest = max(float(a.max()), -float(a.min()), float(b.max()), -float(b.min()))
    if not 2.0 * largest * a.shape[1] ** 0.5 <= LARGEST:
        raise TransportFailed(
            "the cost matrix must be finite; scale the clouds down, their squares overflow "
            f"(largest coordinate {largest:.3g})"
        )
    if 0.0 < largest < SMALLEST:
        raise TransportFailed(
            "the cost matrix must keep its digits; scale the clouds up, their squares underflow "
            f"(largest coordinate {largest:.3g})"
        )
