"""The roofline: ``roofline.c``, compiled for this machine, with the block size that suits each N best."""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import BATCH, SCALE, SCHEMES, TAU, Array, Case, OneStep, lift, start, teacher_particles
from benchmarks.contract import Contender, seconds_per_step
from mfsym.streams import stream_key

SOURCE = Path(__file__).with_name("roofline.c")
FLAGS = ("-O3", "-march=native", "-ffast-math")
WIDTHS = ((), ("-mprefer-vector-width=512",))
LANES = (128, 256, 512, 1024)
CHUNK = 256
GROUP = 128


class Problem(ctypes.Structure):
    """The struct of roofline.c."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("n", "lanes", "blocks", "batch", "scheme", "kept")),
        *((name, ctypes.c_float) for name in ("rate", "penalty", "amplitude")),
        ("key", ctypes.c_uint32 * 2),
    )


def compiler() -> str | None:
    """A C compiler that takes gcc's options."""
    return shutil.which("gcc")


@functools.cache
def library(extra: tuple[str, ...] = ()) -> Any:
    """roofline.c compiled and loaded; its functions take pointers and 64-bit integers."""
    path = Path(tempfile.mkdtemp(prefix="mfsym-roofline-")) / "roofline.so"
    program, compiled = compiler() or "gcc", str(path.with_suffix(".o"))
    try:
        subprocess.run([program, *FLAGS, *extra, "-fPIC", "-c", str(SOURCE), "-o", compiled], check=True)
        # linked without -ffast-math, which would make the whole process flush small numbers to zero
        subprocess.run([program, "-shared", compiled, "-o", str(path), "-lm"], check=True)
        loaded = ctypes.CDLL(str(path))
    finally:
        shutil.rmtree(path.parent)
    loaded.scratch_size.restype = ctypes.c_int64
    return loaded


def call(function: Any, *arguments: Any) -> Any:
    """Call a C function on arrays, integers (int64) and floats (float)."""
    converted: list[Any] = []
    for argument in arguments:
        if isinstance(argument, np.ndarray):
            converted.append(ctypes.c_void_p(argument.ctypes.data))
        elif isinstance(argument, float):
            converted.append(ctypes.c_float(argument))
        elif isinstance(argument, int):
            converted.append(ctypes.c_int64(argument))
        else:
            converted.append(ctypes.byref(argument))
    return function(*converted)


def draws(key: Array, step: int, rows: int, coordinates: int) -> Array:
    """Normals (rows, coordinates) of the C generator: the draws of ``mfsym.streams.normals``."""
    padded = -(-rows // GROUP) * GROUP
    pairs = -(-coordinates // 2)
    out = np.empty((2 * pairs, padded), np.float32)
    call(library().fill_normals, key, step, 0, pairs, padded, out)
    return out[:coordinates, :rows].T


class Roofline(Contender):
    """One core, float32. Replicates one after the other; all go on from one state, which is the same work."""

    def one_step(self, case: Case, given: OneStep) -> Array:
        self._settle(case, (), 64, kept=True, amplitude=0.0)
        self._place(case, given.z)
        x, y = given.x[None].astype(np.float32), given.y[None].astype(np.float32)
        self._advance(x, y, given.swaps[None])
        return self.z.reshape(-1, 4, self.problem.lanes).transpose(0, 2, 1).reshape(-1, 4)[: case.n]

    def prepare(self, case: Case) -> str:
        forms = []
        for width in WIDTHS:
            for lanes in sorted({min(lanes, -(-case.n // 16) * 16) for lanes in LANES}):
                for kept in (True, False):
                    self._settle(case, width, lanes, kept, case.amplitude)
                    self._place(case, start(case))
                    forms.append((seconds_per_step(self, 0.005), width, lanes, kept))
        _, width, lanes, kept = min(forms)
        self._settle(case, width, lanes, kept, case.amplitude)
        self._place(case, start(case))
        return f"{lanes} lanes, {'kept' if kept else 'recomputed'} {' '.join(width)}".strip()

    def run(self, steps: int) -> int:
        done, wanted = 0, steps * self.case.replicates
        while done < wanted:
            taken = min(CHUNK, wanted - done)
            self._advance(*self._draw(taken))
            done += taken
        return steps

    def _settle(self, case: Case, width: tuple[str, ...], lanes: int, kept: bool, amplitude: float) -> None:
        self.case, self.library, self.step = case, library(width), 0
        key = (ctypes.c_uint32 * 2)(*(int(word) for word in stream_key(0, "noise")))
        code = SCHEMES.index(case.scheme)
        self.problem = Problem(
            case.n, lanes, -(-case.n // lanes), BATCH, code, kept, case.rate, 2.0 * TAU, amplitude, key
        )
        self.scratch = np.zeros(call(self.library.scratch_size, self.problem, case.samples), np.float32)
        count = -(-CHUNK * BATCH // GROUP) * GROUP
        self.teacher = teacher_particles().astype(np.float32)
        self.samples = (
            np.empty((4, count), np.float32),
            np.empty((count, 2), np.float32),
            np.empty((count, 2), np.float32),
        )
        self.haar = np.random.Generator(np.random.SFC64(0))

    def _place(self, case: Case, z: Array) -> None:
        lanes, blocks = self.problem.lanes, self.problem.blocks
        padded = np.zeros((blocks * lanes, 4), np.float32)
        padded[: case.n] = z
        self.z = np.ascontiguousarray(padded.reshape(blocks, lanes, 4).transpose(0, 2, 1)).reshape(-1)

    def _draw(self, steps: int) -> tuple[Array, Array, Array]:
        scratch, x, y = self.samples
        count = -(-steps * BATCH // GROUP) * GROUP
        key = stream_key(0, "data")
        call(self.library.draw_data, key, self.step, count, SCALE, self.teacher, len(self.teacher), scratch, x, y)
        swaps = np.zeros((steps, BATCH), bool)
        if self.case.scheme == "da-sampled":
            swaps = self.haar.integers(0, 2, (steps, BATCH), dtype=np.uint8).astype(bool)
        taken = steps * BATCH
        return x[:taken].reshape(steps, BATCH, 2), y[:taken].reshape(steps, BATCH, 2), swaps

    def _advance(self, x: Array, y: Array, swaps: Array) -> None:
        lifted, targets = lift(self.case.scheme, x, y, swaps)
        if self.case.scheme == "fa":
            lifted = lifted.reshape(len(x), 2, BATCH, 2).swapaxes(1, 2).reshape(len(x), 2 * BATCH, 2)
        lifted, targets = np.ascontiguousarray(lifted), np.ascontiguousarray(targets)
        samples, steps = self.case.samples, len(x)
        call(self.library.advance, self.problem, samples, steps, self.step, lifted, targets, self.z, self.scratch)
        self.step += steps
