"""The quotient distance against W2 between the symmetrised clouds it equals, for groups of eight elements.

Every case is a process of its own, ``python -m benchmarks.quotients GROUP CLOUD N``; both solves take turns.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contract import THREADS
from benchmarks.report import Bound, _number, _table

Row = dict[str, Any]

GROUPS = (
    "D4 on a vector",
    "D4 on two vectors",
    "D4 on a matrix",
    "C8 on a vector",
    "C8 on two vectors",
    "three signs on R^4",
)
"""Groups of eight elements. On a matrix, A -> g A g^T, -1 acts as 1: four matrices, every atom twice."""

TIMES = 4.0
"""Times faster that a quotient distance by a group of eight has to be, however many matrices it acts by."""

CLOUDS = ("centred", "shifted")
LEAST, ATOMS = 3, 9000
"""Rounds at least, and atoms that the rounds of a case have together if that makes more rounds."""

ONE_THREAD = dict.fromkeys(THREADS, "1")
"""The environment of every process that is timed."""


def matrices_of(group: str) -> np.ndarray:
    """The eight matrices (8, p, p)."""
    from mfsym.groups import cyclic, dihedral

    if group == "three signs on R^4":
        signs = np.array(np.meshgrid(*[(1.0, -1.0)] * 3, [1.0])).reshape(4, -1).T
        return np.eye(4) * signs[:, :, None]
    vector = (dihedral(4) if group.startswith("D4") else cyclic(8)).vector()
    acting = {"a vector": vector, "two vectors": vector + vector, "a matrix": vector * vector}
    return np.asarray(acting[group.partition(" on ")[2]].matrices)


def pair_of(cloud: str, n: int, p: int) -> tuple[np.ndarray, np.ndarray]:
    """Two independent Gaussian clouds, the second one narrower and elsewhere where they are to be shifted."""
    rng = np.random.default_rng([n, p])
    a, b = rng.standard_normal((n, p)), rng.standard_normal((n, p))
    return a, b if cloud == "centred" else 0.7 * b + np.eye(p)[0]


def compare(group: str, cloud: str, n: int, rounds: int) -> Row:
    """Seconds of both solves, and their relative difference, in this process."""
    from mfsym.transport import quotient_w2, symmetrised_atoms, w2

    matrices = matrices_of(group)
    a, b = pair_of(cloud, n, matrices.shape[1])
    orbits = symmetrised_atoms(a, matrices), symmetrised_atoms(b, matrices)
    solves: dict[str, Callable[[], Any]] = {
        "quotient": lambda: quotient_w2(a, b, matrices),
        "symmetrised": lambda: w2(*orbits),
    }
    seconds: dict[str, list[float]] = {name: [] for name in solves}
    values = {name: solve().w2_squared for name, solve in solves.items()}
    for _ in range(rounds):
        for name, solve in solves.items():
            started = time.perf_counter()
            solve()
            seconds[name].append(time.perf_counter() - started)
    difference = abs(values["quotient"] / values["symmetrised"] - 1.0)
    acting = len(np.unique(np.round(matrices, 9), axis=0))
    return {"group": group, "acting": acting, "cloud": cloud, "n": n, "difference": difference, **seconds}


def run(sizes: Sequence[int], groups: Sequence[str] = GROUPS, say: Callable[[str], None] = print) -> list[Row]:
    """Every case, each in a process of its own on one thread."""
    rows: list[Row] = []
    for group in groups:
        for cloud in CLOUDS:
            for n in sizes:
                command = [sys.executable, "-m", "benchmarks.quotients", group, cloud, str(n)]
                environment, place = {**os.environ, **ONE_THREAD}, Path(__file__).parent.parent
                done = subprocess.run(
                    command, stdout=subprocess.PIPE, text=True, env=environment, cwd=place, check=True
                )
                rows.append(json.loads(done.stdout.splitlines()[-1]))
                say(f"quotient by {group}, {cloud}, N = {n}: {_times(rows[-1]):.1f} times faster")
    return rows


def _times(row: Row) -> float:
    return statistics.median(row["symmetrised"]) / statistics.median(row["quotient"])


def bounds(rows: list[Row]) -> list[Bound]:
    """What quotient distances are held to."""
    found = [
        Bound(
            f"quotient, order 8 acting by {acting} matrices: times faster than the symmetrised clouds",
            min(_times(row) for row in rows if row["acting"] == acting),
            TIMES,
            True,
        )
        for acting in sorted({row["acting"] for row in rows}, reverse=True)
    ]
    difference = max((row["difference"] for row in rows), default=None)
    return [
        *found,
        Bound("quotient: largest relative difference from the symmetrised clouds", difference, 1e-12, False),
    ]


def table(rows: list[Row]) -> list[str]:
    """Lines of the report."""
    cells = []
    for row in rows:
        quotient, whole = (statistics.median(row[name]) for name in ("quotient", "symmetrised"))
        figures = [_number(quotient), f"{_number(whole)} ({_number(whole / quotient)}×)", f"{row['difference']:.0e}"]
        cells.append([row["group"], row["cloud"], f"{row['n']:,}", *figures])
    return _table(["group", "clouds", "N", "quotient", "symmetrised clouds", "difference"], cells)


if __name__ == "__main__":
    atoms = int(sys.argv[3])
    print(json.dumps(compare(sys.argv[1], sys.argv[2], atoms, rounds=max(LEAST, ATOMS // atoms))))
