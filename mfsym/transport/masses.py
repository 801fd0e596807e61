"""Preparation of clouds for the solver: coordinates of order 1, duplicates merged, masses as integers.

Coordinates are scaled by a power of two. Clouds far from the origin or from each other are translated along the axes
where this rounds no coordinate; it changes W2^2 by a known amount. Both steps are exact. Unequal weights are rounded to
multiples of 2^-62 of the total mass; the certificate accounts for that.
"""

from __future__ import annotations

from math import frexp, lcm
from typing import NamedTuple

import numpy as np

from mfsym.transport.atoms import PointCloud
from mfsym.transport.results import FloatArray, IntArray, Plan

UNITS = 2**62
"""Total mass in units, for unequal weights."""

FAR = 4.0
"""Distance from the origin or from the other cloud, relative to the spread, above which a cloud is translated."""


class MergedCloud(NamedTuple):
    """Distinct atoms (N', p) of a cloud and their masses in units (N',).

    inverse : (N,) index of the distinct atom of each original one, None if all are distinct.
    representatives : (N',) index of an original atom for each distinct one.
    """

    atoms: FloatArray
    units: IntArray
    inverse: IntArray | None
    representatives: IntArray


class Normalisation(NamedTuple):
    """Coordinates in which a problem is solved: z / scale - shift, with one shift for each cloud."""

    scale: float
    shift_a: FloatArray
    shift_b: FloatArray

    def potentials(self, u: FloatArray, a: FloatArray, v: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Potentials in the original coordinates, from those at the normalised atoms a and b."""
        gap = self.shift_a - self.shift_b
        square = self.scale**2
        return square * (u + 2.0 * (a @ gap) + gap @ gap), square * (v - 2.0 * (b @ gap))


def normalisation_of(a: FloatArray, b: FloatArray, movable: bool) -> Normalisation:
    """Coordinates of spread about 1; clouds are translated only if that is exact."""
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    spread = float(np.sqrt(max(np.square(a - mean_a).sum(axis=1).mean(), np.square(b - mean_b).sum(axis=1).mean())))
    size = max(spread, float(np.abs(mean_a - mean_b).max()), float(np.abs(a).max()) * 1e-12)
    scale = 2.0 ** frexp(size)[1] if size > 0.0 else 1.0
    zero = np.zeros(a.shape[1])
    if not movable:
        return Normalisation(scale, zero, zero)
    far_apart = float(np.linalg.norm(mean_a - mean_b)) > FAR * spread
    far_out = float(np.linalg.norm(mean_a)) > FAR * spread
    if far_apart:
        return Normalisation(scale, _shift(mean_a, a) / scale, _shift(mean_b, b) / scale)
    if not far_out:
        return Normalisation(scale, zero, zero)
    shift = _shift(mean_a, a, b) / scale
    return Normalisation(scale, shift, shift)


def _shift(mean: FloatArray, *clouds: FloatArray) -> FloatArray:
    """The mean along the axes where all atoms lie between half and twice the mean, 0 along the others.

    There the differences are exact (Sterbenz 1974, Floating-Point Computation).
    """
    sign, size = np.sign(mean), np.abs(mean)
    ends = [(sign * cloud.min(axis=0), sign * cloud.max(axis=0)) for cloud in clouds]
    inside = np.ones(mean.size, dtype=bool)
    for one, other in ends:
        inside &= (2.0 * np.minimum(one, other) >= size) & (np.maximum(one, other) <= 2.0 * size)
    shift: FloatArray = np.where(inside, mean, 0.0)
    return shift


def masses_in_units(a: PointCloud, b: PointCloud) -> tuple[IntArray, IntArray]:
    """Integer masses of both clouds in common units, with equal totals."""
    n, m = a.z.shape[0], b.z.shape[0]
    if a.weights is None and b.weights is None:
        common = lcm(n, m)
        return np.full(n, common // n), np.full(m, common // m)
    return _rounded(a.mass()), _rounded(b.mass())


def _rounded(mass: FloatArray) -> IntArray:
    """Integer masses, at least 1 each, that sum to UNITS."""
    units = np.maximum(np.rint(mass * UNITS).astype(np.int64), 1)
    units[np.argmax(units)] += UNITS - units.sum()
    return units


def merged(atoms: FloatArray, units: IntArray) -> MergedCloud:
    """The cloud with equal atoms merged."""
    weights = np.sqrt(np.arange(2.0, atoms.shape[1] + 2.0))
    keys = np.zeros(atoms.shape[0])
    for axis, weight in enumerate(weights):
        keys += weight * atoms[:, axis]
    representatives = np.arange(atoms.shape[0])
    order = np.argsort(keys, kind="stable")
    fresh = np.append(True, np.diff(keys[order]) > 0.0)
    if fresh.all():
        return MergedCloud(atoms, units, None, representatives)
    sorted_atoms = atoms[order]
    if (sorted_atoms[1:] == sorted_atoms[:-1])[~fresh[1:]].all():
        representatives, inverse = order[fresh], np.empty(order.size, dtype=np.int64)
        inverse[order] = np.cumsum(fresh) - 1
    else:
        representatives, inverse = np.unique(atoms + 0.0, axis=0, return_index=True, return_inverse=True)[1:]
        inverse = inverse.reshape(-1)
    if representatives.size == atoms.shape[0]:
        return MergedCloud(atoms, units, None, np.arange(atoms.shape[0]))
    summed = np.zeros(representatives.size, dtype=np.int64)
    np.add.at(summed, inverse, units)
    return MergedCloud(atoms[representatives], summed, inverse, representatives)


def expanded(
    plan: tuple[IntArray, IntArray, IntArray], units: tuple[IntArray, IntArray], sides: list[MergedCloud]
) -> Plan:
    """The plan between the original atoms, from one between merged atoms (rows, columns, flow)."""
    rows, columns, flow = plan
    if sides[0].inverse is not None:
        rows, kept = _split(rows, flow, units[0], sides[0].inverse)
        columns, flow = columns[kept[0]], kept[1]
    if sides[1].inverse is not None:
        columns, kept = _split(columns, flow, units[1], sides[1].inverse)
        rows, flow = rows[kept[0]], kept[1]
    return Plan(rows.astype(np.int64), columns.astype(np.int64), flow / units[0].sum())


def _split(
    cells: IntArray, flow: IntArray, units: IntArray, inverse: IntArray
) -> tuple[IntArray, tuple[IntArray, IntArray]]:
    """Distribute the flows of each merged atom over its originals, in order: atoms, (cell, flow) of every part."""
    by_cell, by_atom = np.argsort(cells, kind="stable"), np.argsort(inverse, kind="stable")
    ends_cell, ends_atom = np.cumsum(flow[by_cell]), np.cumsum(units[by_atom])
    ends = np.union1d(ends_cell, ends_atom)
    cell = by_cell[np.searchsorted(ends_cell, ends, side="left")]
    atom = by_atom[np.searchsorted(ends_atom, ends, side="left")]
    return atom, (cell, np.diff(ends, prepend=0))
