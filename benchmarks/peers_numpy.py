"""The training in NumPy: einsum's contractions as matrix products, every large array made once and reused."""

from __future__ import annotations

import numpy as np

from benchmarks.cases import BATCH, SCALE, Array, Case, OneStep, lift, start, teacher_particles
from benchmarks.contract import Contender


class NumPy(Contender):
    """z (2, 2 N): column j N + i holds row j of particle i. Noise by SFC64, the fastest of NumPy's generators."""

    def one_step(self, case: Case, given: OneStep) -> Array:
        self._settle(case, given.z)
        x, y = lift(case.scheme, given.x, given.y, given.swaps)
        self._move(x.astype(case.dtype), y.astype(case.dtype), np.empty(0))
        return self.z.reshape(2, 2, -1).transpose(2, 1, 0).reshape(-1, 4)

    def prepare(self, case: Case) -> str:
        self._settle(case, start(case))
        self.run(1)
        return "matrix products in place"

    def run(self, steps: int) -> int:
        case, dtype = self.case, self.z.dtype
        x = (SCALE * self.random.standard_normal((steps, BATCH, 2), dtype)).astype(dtype)
        values = 1.0 / (1.0 + np.exp(-(x @ self.teacher.T)))
        y = values.reshape(steps, BATCH, -1, 2).mean(axis=2)
        swaps = self.random.integers(0, 2, (steps, BATCH), dtype=np.uint8).astype(bool)
        x, y = lift(case.scheme, x, y, swaps)
        for s in range(steps):
            self._move(x[s], y[s], self.random.standard_normal(out=self.eta, dtype=dtype))
        return steps

    def _settle(self, case: Case, z: Array) -> None:
        dtype = np.dtype(case.dtype)
        self.case = case
        self.random = np.random.Generator(np.random.SFC64(0))
        self.teacher = teacher_particles().astype(dtype).reshape(-1, 2)
        self.z = np.ascontiguousarray(z.reshape(-1, 2, 2).transpose(2, 1, 0)).reshape(2, -1).astype(dtype)
        self.eta = np.empty((2, case.n) if case.scheme == "ea" else self.z.shape, dtype)
        self.values, self.slopes = (np.empty((case.samples, 2 * case.n), dtype) for _ in range(2))

    def _move(self, x: Array, y: Array, eta: Array) -> None:
        case, s, t = self.case, self.values, self.slopes
        np.matmul(-x, self.z, out=s)
        np.exp(s, out=s)
        s += 1.0
        np.reciprocal(s, out=s)
        phi = s.reshape(len(x), 2, -1).mean(axis=2)
        if case.scheme == "fa":
            error = (phi[:BATCH] + phi[BATCH:, ::-1]) / 2 - y
            r = np.concatenate([error, error[:, ::-1]]) / BATCH
        else:
            r = (2 / len(x)) * (phi - y)
        np.multiply(s, s, out=t)
        np.subtract(s, t, out=t)
        t.reshape(len(x), 2, -1)[...] *= r[:, :, None].astype(t.dtype)
        force = x.T @ t
        if case.scheme == "ea":
            force += force.reshape(2, 2, -1)[::-1, ::-1].reshape(force.shape)
            force *= 0.5
        force *= -case.rate
        self.z *= case.keep
        self.z += force
        if not eta.size:
            return
        if case.scheme == "ea":
            eta *= case.amplitude * np.sqrt(0.5)
            blocks = self.z.reshape(2, 2, -1)
            blocks[0] += eta
            blocks[1] += eta[::-1]
        else:
            eta *= case.amplitude
            self.z += eta
