"""Duplicate atoms are merged."""

from __future__ import annotations

import numpy as np

from mfsym.streams import normals, stream_key
from mfsym.transport.masses import merged
from tests.sizes import sized

KEY = stream_key(23, "teacher")

N = sized(400, 24)


def test_equal_atoms_are_merged_also_where_others_have_the_same_key():
    """Twin: unique rows. sqrt(2) x + sqrt(3) y is the same for the two atoms of the last pair, up to rounding."""
    atoms = np.round(normals(KEY, 13, N, 2))
    atoms = np.vstack([atoms, -0.0 * atoms[:1], [[np.sqrt(3.0), 0.0], [0.0, np.sqrt(2.0)]]])
    units = np.arange(1, len(atoms) + 1)
    found = merged(atoms, units)
    expected, group = np.unique(atoms + 0.0, axis=0, return_inverse=True)
    assert found.inverse is not None
    assert np.array_equal(found.atoms[found.inverse], atoms)
    assert sorted(map(tuple, found.atoms + 0.0)) == sorted(map(tuple, expected))
    assert sorted(found.units) == sorted(np.bincount(group.reshape(-1), units))
