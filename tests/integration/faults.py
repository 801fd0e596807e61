"""Faults on purpose: cells that cost nothing, and a file system that kills, refuses or lies at a chosen call.

Run as a program it enumerates the write points of a sweep, kills a process at each, resumes, and prints JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

from mfsym.configurations import Cell
from mfsym.streams import normals, stream_key

WATCHED = ("open", "write", "fsync", "close", "replace")
SWEEP = {"n": [3, 5], "scheme": ["vanilla", "fa"], "replicates": 2}


class CheapResult:
    """As ``experiments.CellResult``."""

    loss = "quadratic"

    def __init__(self, cell: Cell, arrays: dict[str, np.ndarray]) -> None:
        self.cell, self.arrays = cell, arrays


def cheap_cell(cell: Cell) -> CheapResult:
    """Arrays of the right names and shapes, a pure function of the cell, without any training."""
    schemes = len(cell.schemes)
    draws = normals(stream_key(cell.seed, "init", cell.replicate), 0, schemes * cell.n, 4)
    particles = draws.reshape(schemes, cell.n, 4).astype(np.float32)
    arrays = {
        "status": np.full(schemes, "ok", dtype="<U8"),
        "diverged_step": np.full(schemes, -1),
        "risk": particles.mean(axis=(1, 2)).astype(float),
        "rmd2_si": particles.var(axis=(1, 2)).astype(float),
        "rmd2_pair": np.zeros((schemes, schemes)),
        "particles": particles,
        "seconds": np.array(0.0),
    }
    return CheapResult(cell, arrays)


class FaultyOS:
    """Stands for the module os inside ``stores.publishing``: counts the calls that write, and acts at one of them."""

    def __init__(self, at: int | None = None, fault: str = "kill", code: int = 0) -> None:
        self.at, self.fault, self.code = at, fault, code
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        original = getattr(os, name)
        if name not in WATCHED:
            return original

        def watched(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls - 1 == self.at:
                self.act(name, arguments)
            return original(*arguments, **options)

        return watched

    def act(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Half a write, then death; or a refusal."""
        if self.fault == "kill":
            if name == "write":
                os.write(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(self.code, os.strerror(self.code))


def use_cheap_cells() -> None:
    """Replace the experiments of this process by cheap ones, without importing the engine."""
    module = types.ModuleType("mfsym.experiments")
    module.run_cell = cheap_cell  # type: ignore[attr-defined]
    module.make_ready = lambda cell: None  # type: ignore[attr-defined]
    sys.modules["mfsym.experiments"] = module


def sweep_once(out: Path) -> str:
    """Run or resume the small sweep in this process; the digest of its values."""
    from mfsym.stores import content_digest
    from mfsym.sweeps import sweep

    return content_digest(sweep(SWEEP, out))


def killed_at(out: Path, at: int | None) -> int:
    """Run the sweep in a child that dies at one call; -9, or 0 if there are fewer calls."""
    import mfsym.stores.publishing as publishing

    child = os.fork()
    if not child:
        publishing.os = FaultyOS(at)  # type: ignore[assignment]
        sweep_once(out)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def torn_files(out: Path) -> list[str]:
    """Published files that do not read back whole."""
    from mfsym.errors import StoreError
    from mfsym.stores import folder_of, load, open_result
    from mfsym.stores.folders import read_config

    folder = folder_of(out)
    readers: list[tuple[Path, Any]] = [(path, load) for path in folder.cells.glob("*.npz")]
    readers += [(out, open_result)] if out.exists() else []
    readers += [(folder.config, lambda _: read_config(folder))] if folder.config.exists() else []
    torn = []
    for path, read in readers:
        try:
            read(path)
        except StoreError as error:
            torn.append(str(error))
    return torn


def enumerate_kills(folder: Path, stride: int) -> dict[str, Any]:
    """Kill at every ``stride``-th write point, resume, compare."""
    use_cheap_cells()
    straight = sweep_once(folder / "straight.nc")
    points, torn, wrong = 0, [], 0
    for at in range(0, 10_000, stride):
        out = folder / f"{at}.nc"
        code = killed_at(out, at)
        if code == 0:
            break
        assert code == -signal.SIGKILL, code
        points += 1
        torn += torn_files(out)
        wrong += sweep_once(out) != straight
    return {"points": points, "torn": torn, "wrong": wrong}


if __name__ == "__main__":
    print(json.dumps(enumerate_kills(Path(sys.argv[1]), int(sys.argv[2]))))
