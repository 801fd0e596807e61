"""Pairs of clouds that the transport benchmark measures: synthetic families, and what training really produces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mfsym.streams import normals, stream_key, uniforms

Floats = NDArray[np.float64]
Clouds = tuple[Floats, Floats]

DIMENSION = 4
CLUSTERS = 5
KEY = stream_key(41, "data")
HORIZON = 20.0
TRAINED_SCHEMES = ("vanilla", "da", "da-sampled", "fa", "ea")


def _independent(n: int) -> Clouds:
    return normals(KEY, 1, n, DIMENSION), normals(KEY, 2, n, DIMENSION)


def _near(n: int) -> Clouds:
    a = normals(KEY, 3, n, DIMENSION)
    return a, 0.9 * a + 0.3 * normals(KEY, 4, n, DIMENSION)


def _concentrated(n: int) -> Clouds:
    """Both near one 2-plane, in the same five narrow clusters."""
    centres = normals(KEY, 5, CLUSTERS, 2)
    frame = np.linalg.qr(normals(KEY, 6, DIMENSION, DIMENSION))[0]
    clouds = []
    for step in (7, 9):
        cluster = (uniforms(KEY, step, n, 1)[:, 0] * CLUSTERS).astype(np.int64)
        noise = normals(KEY, step + 1, n, DIMENSION) * [0.05, 0.05, 0.001, 0.001]
        noise[:, :2] += centres[cluster]
        clouds.append(noise @ frame)
    return clouds[0], clouds[1]


def _grid(n: int) -> Clouds:
    """Integer coordinates: ties in the costs everywhere, and equal points."""
    return np.round(2.0 * normals(KEY, 11, n, DIMENSION)), np.round(2.0 * normals(KEY, 12, n, DIMENSION))


def _anisotropic(n: int) -> Clouds:
    a, b = normals(KEY, 13, n, DIMENSION), normals(KEY, 14, n, DIMENSION)
    return a * [1.0, 0.3, 0.1, 0.01], b * [0.01, 1.0, 0.1, 0.3]


def _shifted(n: int) -> Clouds:
    return normals(KEY, 15, n, DIMENSION), normals(KEY, 16, n, DIMENSION) + 3.0


FAMILIES: dict[str, Callable[[int], Clouds]] = {
    "independent": _independent,
    "near": _near,
    "concentrated": _concentrated,
    "grid": _grid,
    "anisotropic": _anisotropic,
    "shifted": _shifted,
}
"""Name to two clouds of n atoms in R^4."""

TRAINED = {
    "trained: vanilla and fa, arbitrary, SI": ("arbitrary", "si", "vanilla", "fa"),
    "trained: vanilla and ea, arbitrary, SI": ("arbitrary", "si", "vanilla", "ea"),
    "trained: vanilla and da, WI, WI start": ("wi", "wi", "vanilla", "da"),
    "trained: vanilla and ea, WI, WI start": ("wi", "wi", "vanilla", "ea"),
    "trained: da-sampled and fa, WI, SI": ("wi", "si", "da-sampled", "fa"),
}
"""Name to teacher, start and the two schemes whose final clouds are compared."""


def trained(teacher: str, init: str, n: int, folder: Path) -> Floats:
    """Final clouds (scheme, N, p) of every scheme on the reference experiment; kept in a folder once trained."""
    path = folder / f"trained_{teacher}_{init}_{n}.npy"
    if not path.exists():
        from mfsym.experiments import Cell, run_cell

        found = run_cell(Cell(teacher=teacher, init=init, n=n, horizon=HORIZON, schemes=TRAINED_SCHEMES))
        folder.mkdir(parents=True, exist_ok=True)
        np.save(path, np.asarray(found.arrays["particles"], dtype=np.float64))
    clouds: Floats = np.load(path)
    return clouds


def clouds(family: str, n: int, folder: Path) -> Clouds:
    """The two clouds of a family, synthetic or trained."""
    if family in FAMILIES:
        return FAMILIES[family](n)
    teacher, init, first, second = TRAINED[family]
    found = trained(teacher, init, n, folder)
    return found[TRAINED_SCHEMES.index(first)], found[TRAINED_SCHEMES.index(second)]
