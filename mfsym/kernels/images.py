"""Samples moved by group elements. What becomes of a sample does not depend on the samples beside it."""

from __future__ import annotations

from typing import Any

from mfsym.accelerate import exact, kernel


@exact
def images_of(nodes: Any, x: Any, out: Any) -> None:
    """out[n, k] = nodes[k] x[n]: the images of samples x (n, q) under K matrices (K, q, q); out (n, K, q)."""
    K, q = nodes.shape[:2]
    for n in range(x.shape[0]):
        for k in range(K):
            for i in range(q):
                total = nodes[k, i, 0] * x[n, 0]
                for j in range(1, q):
                    total += nodes[k, i, j] * x[n, j]
                out[n, k, i] = total


@kernel
def image_of_each(matrices: Any, x: Any, out: Any) -> None:
    """out[n] = matrices[n] x[n]: each sample x (n, q) moved by a matrix (n, q, q) of its own; out (n, q)."""
    q = x.shape[1]
    for n in range(x.shape[0]):
        for i in range(q):
            total = matrices[n, i, 0] * x[n, 0]
            for j in range(1, q):
                total += matrices[n, i, j] * x[n, j]
            out[n, i] = total


@exact
def pick_columns(places: Any, x: Any, out: Any) -> None:
    """out[n, j] = x[n, places[j]]: rows x (n, d) by index moves (m,) within range; out (n, m)."""
    for n in range(x.shape[0]):
        for j in range(places.shape[0]):
            out[n, j] = x[n, places[j]]
