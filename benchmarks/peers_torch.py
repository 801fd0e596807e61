"""The training in PyTorch: the best of eager (in place, two layouts) and ``torch.compile``.

Data of a run are drawn at once; noise by ``Tensor.normal_``, many steps at once where particles are few. The form is
chosen on the vanilla scheme at each N; compiled forms unroll a few steps where particles are few.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.cases import BATCH, SCALE, Array, Case, OneStep, start, teacher_particles
from benchmarks.contract import CORES, Contender, seconds_per_step

Tensor = torch.Tensor
FORMS = ("eager rows", "eager products", "compiled rows")
UNROLLED = 4
"""Steps of a compiled call where particles are few."""

NOISE_AHEAD = 1 << 12
"""Particles times steps whose noise is drawn at once, where particles are few."""


def lift(scheme: str, x: Tensor, y: Tensor, swaps: Tensor) -> tuple[Tensor, Tensor]:
    """As ``cases.lift``."""
    if scheme == "da":
        return torch.cat([x, x.flip(-1)], -2), torch.cat([y, y.flip(-1)], -2)
    if scheme == "fa":
        return torch.cat([x, x.flip(-1)], -2), y
    if scheme == "da-sampled":
        chosen = swaps[..., None]
        return torch.where(chosen, x.flip(-1), x), torch.where(chosen, y.flip(-1), y)
    return x, y


def cotangent(case: Case, phi: Tensor, y: Tensor) -> Tensor:
    """r (M, 2) times the rate, from predictions (M, 2)."""
    if case.scheme == "fa":
        error = (phi[:BATCH] + phi[BATCH:].flip(-1)).mul(0.5).sub(y).mul(case.rate / BATCH)
        return torch.cat([error, error.flip(-1)])
    return (phi - y) * (2 * case.rate / phi.shape[0])


def written_out(case: Case) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """One step of z (2, 2, N) as a pure function, for the compiler; eta is already scaled."""

    def step(z: Tensor, x: Tensor, y: Tensor, eta: Tensor) -> Tensor:
        s = torch.sigmoid(x[:, 0, None, None] * z[0] + x[:, 1, None, None] * z[1])
        t = (s - s * s) * cotangent(case, s.mean(-1), y)[:, :, None]
        force = torch.stack([(t * x[:, 0, None, None]).sum(0), (t * x[:, 1, None, None]).sum(0)])
        if case.scheme == "ea":
            force = (force + force.flip(0, 1)) * 0.5
            eta = torch.stack([eta, eta.flip(0)])
        return z * case.keep - force + eta

    return step


class Torch(Contender):
    """All cores. z (2, 2, N): z[k, j] is column k of row j."""

    def __init__(self) -> None:
        torch.set_num_threads(CORES)
        self.chosen: dict[int, str] = {}
        self.z = self.eta = torch.empty(0)

    def one_step(self, case: Case, given: OneStep) -> Array:
        dtype = getattr(torch, case.dtype)
        x, y, swaps = (torch.as_tensor(part) for part in (given.x, given.y, given.swaps))
        x, y = lift(case.scheme, x.to(dtype), y.to(dtype), swaps)
        results = []
        for form in ("eager rows", "eager products", "written out"):
            self._place(case, given.z)
            if form == "written out":
                self.z = written_out(case)(self.z, x, y, self.eta[0])
            else:
                self._eager(form, x, y, self.eta[0])
            results.append(self.z.permute(2, 1, 0).reshape(-1, 4).numpy())
        spread = max(float(abs(result - results[0]).max()) for result in results)
        if not spread <= 100 * torch.finfo(dtype).eps * max(1.0, case.rate):
            raise RuntimeError(f"the forms must agree, they differ by {spread:.1e}")
        return results[0]

    def prepare(self, case: Case) -> str:
        if case.n not in self.chosen:
            times = []
            for form in FORMS:
                self._settle(Case(case.n, "vanilla", case.dtype), form)
                times.append((seconds_per_step(self), form))
            self.chosen[case.n] = min(times)[1]
        self._settle(case, self.chosen[case.n])
        return self.chosen[case.n]

    def run(self, steps: int) -> int:
        made = -(-steps // self.unrolled) * self.unrolled
        with torch.inference_mode():
            x = SCALE * torch.randn(made, BATCH, 2, dtype=self.z.dtype)
            y = torch.sigmoid(x @ self.teacher.T).unflatten(-1, (-1, 2)).mean(2)
            x, y = lift(self.case.scheme, x, y, torch.rand(made, BATCH) < 0.5)
            for s in range(0, made, self.unrolled):
                turn = s % len(self.eta)
                if turn == 0:
                    self.eta.normal_(0.0, self.size)
                part = slice(s, s + self.unrolled)
                if self.compiled is None:
                    self._eager(self.form, x[s], y[s], self.eta[turn])
                else:
                    self.z = self.compiled(self.z, x[part], y[part], self.eta[turn : turn + self.unrolled])
        return made

    def _place(self, case: Case, z: Array) -> None:
        self.case, dtype = case, getattr(torch, case.dtype)
        self.z = torch.as_tensor(z).reshape(-1, 2, 2).permute(2, 1, 0).to(dtype).contiguous()
        self.teacher = torch.as_tensor(teacher_particles()).to(dtype).reshape(-1, 2)
        shape = (2, case.n) if case.scheme == "ea" else (2, 2, case.n)
        self.size = case.amplitude * (0.5**0.5 if case.scheme == "ea" else 1.0)
        self.eta = torch.zeros(UNROLLED * max(1, NOISE_AHEAD // (UNROLLED * case.n)), *shape, dtype=dtype)
        self.buffers: tuple[Tensor, ...] = tuple(torch.empty(case.samples, 2, case.n, dtype=dtype) for _ in range(2))

    def _settle(self, case: Case, form: str) -> None:
        self._place(case, start(case))
        self.form, self.unrolled, self.compiled = form, 1, None
        if form.startswith("compiled"):
            torch._dynamo.reset()
            self.unrolled = UNROLLED if case.n <= 100 else 1
            self.compiled = torch.compile(self._unrolled(written_out(case), self.unrolled), dynamic=False)
        self.run(2 * self.unrolled)

    @staticmethod
    def _unrolled(step: Callable[..., Tensor], count: int) -> Callable[..., Any]:
        def steps(z: Tensor, x: Tensor, y: Tensor, eta: Tensor) -> Tensor:
            for s in range(count):
                z = step(z, x[s], y[s], eta[s])
            return z

        return steps

    def _eager(self, form: str, x: Tensor, y: Tensor, eta: Tensor) -> None:
        case, (s, t), n = self.case, self.buffers, self.case.n
        if form == "eager rows":
            torch.mul(x[:, 0, None, None], self.z[0], out=s)
            s.addcmul_(x[:, 1, None, None], self.z[1])
        else:
            torch.mm(x, self.z.view(2, 2 * n), out=s.view(-1, 2 * n))
        s.sigmoid_()
        r = cotangent(case, s.mean(-1), y)
        torch.addcmul(s, s, s, value=-1, out=t)
        t.mul_(r[:, :, None])
        if case.scheme == "ea":
            force = torch.mm(x.T, t.view(-1, 2 * n)).view(2, 2, n)
            self.z.mul_(case.keep).sub_(force.add(force.flip(0, 1)), alpha=0.5)
            self.z[0].add_(eta)
            self.z[1].add_(eta.flip(0))
        else:
            self.z.view(2, 2 * n).addmm_(x.T, t.view(-1, 2 * n), beta=case.keep, alpha=-1)
            self.z.add_(eta)
