"""Residuals of trainings off a subspace: cross moments, their null level under sampling noise, angles of subspaces."""

from __future__ import annotations

import itertools

import numpy as np

from mfsym.representations import Subspace
from mfsym.typing import Floats


def cross_moment(moments: Floats, signs: Floats) -> Floats:
    """Mean over pairs a != b of signs_a signs_b moments[a, b]: (p, p) from moments (R, R, p, p), signs (R,)."""
    count = len(signs)
    total = np.einsum("a,b,abpq->pq", signs, signs, moments) - np.einsum("aapq->pq", moments)
    return np.asarray(total / (count * (count - 1)))


def sampling_null(moments: Floats) -> float:
    """Largest top eigenvalue of ``cross_moment`` over sign changes of the centred trainings; moments (R, R, p, p)."""
    count = len(moments)
    centre = np.eye(count) - 1.0 / count
    centred = np.einsum("ac,cdpq,db->abpq", centre, moments, centre, optimize=True) * count / (count - 1)
    changes = itertools.islice(itertools.product((1.0, -1.0), repeat=count - 1), 512)
    tables = [cross_moment(centred, np.array([1.0, *signs])) for signs in changes]
    return float(np.linalg.eigvalsh(np.stack([(table + table.T) / 2.0 for table in tables]))[:, -1].max())


def direction_error(moments: Floats, added: Floats) -> float:
    """Estimated angle by which sampling noise rotates the directions (p, m) found from moments (R, R, p, p).

    Square root of the noise off these directions in the mean over trainings, divided by the smallest second moment
    along them.
    """
    if not added.shape[1]:
        return 0.0
    count = len(moments)
    off = np.eye(len(added)) - added @ added.T
    spread = np.einsum("aapq->pq", moments) / count - cross_moment(moments, np.ones(count))
    noise = float(np.linalg.eigvalsh(off @ (spread + spread.T) @ off / 2.0)[-1]) / count
    signal = float(np.linalg.eigvalsh(added.T @ cross_moment(moments, np.ones(count)) @ added)[0])
    return float(np.sqrt(max(noise, 0.0) / signal))


def containment_angle(inner: Subspace, outer: Subspace) -> float:
    """Largest angle between a vector of ``inner`` and ``outer``, in [0, pi / 2]; 0 iff inner lies in outer."""
    if inner.dimension == 0:
        return 0.0
    off = inner.basis - outer.project(inner.basis.T).T
    return float(np.arcsin(min(1.0, float(np.linalg.norm(off, 2)))))


def angle_between(a: Subspace, b: Subspace) -> float:
    """Largest principal angle between two subspaces, in [0, pi / 2]; pi / 2 if their dimensions differ."""
    return max(containment_angle(a, b), containment_angle(b, a))
