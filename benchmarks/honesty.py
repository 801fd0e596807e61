"""Are stated errors honest? Random problems against plain Monte Carlo: the table of docs/errors.md.

    python -m benchmarks.honesty [SAMPLES]

Every problem is a pure function of its number: an input dimension, a law of inputs, a target that is smooth, kinked or
jumps, a group (finite or infinite), a unit, a scheme and particles, every other time fitted to the target.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfsym.data.expectations import Integrands
from mfsym.data.inputs import Gaussian, InputLaw, Sphere, Uniform
from mfsym.data.teachers import FunctionData
from mfsym.groups import cyclic, so
from mfsym.metrics import evaluate, integrands
from mfsym.representations import Representation
from mfsym.schemes import Scheme, get_scheme
from mfsym.streams import normals, stream_key, uniforms
from mfsym.units import Unit, UVUnit

Floats = NDArray[np.float64]

PROBLEMS, SAMPLES = 77, 10_000_000
KINDS = ("smooth", "kinked", "jumping")
SCHEMES = ("vanilla", "fa", "da", "ea")
NAMES = ("risk", "risk_bare", "l2_symmetrisation", "equivariance_error", "l2_symmetrised_target")
SHARE_WITHIN, SHARE_BELOW, BELOW = 0.97, 0.90, 0.01
"""What is asked: of the truths within three stated errors, of the stated errors below BELOW of the value."""

_CHUNK = 1 << 16
_ZERO = 1e-24


@dataclass(frozen=True)
class Trial:
    """A problem to judge: its data, scheme and particles."""

    number: int
    kind: str
    law: str
    group: str
    data: FunctionData
    scheme: Scheme
    z: Floats


@dataclass(frozen=True)
class Row:
    """One number of one trial: as stated, and by Monte Carlo with its standard error."""

    trial: Trial
    name: str
    value: float
    error: float
    truth: float
    spread: float
    method: str

    @property
    def score(self) -> float:
        """Distance from the truth in stated errors, that of the truth added in squares."""
        return abs(self.value - self.truth) / max(float(np.hypot(self.error, self.spread)), 1e-300)


def trial(number: int) -> Trial:
    """The problem of this number."""
    d, kind = number // 9 % 8 + 1 if number < 72 else number - 68, KINDS[number % 3]
    u = uniforms(stream_key(number, "teacher"), 0, 1, 8)[0]
    law = _law(number // 3 % 3 if number < 72 and (d > 3 or number % 2) else 3, 0.5 + 1.5 * float(u[0]), d)
    rho = _action(d, number)
    unit = UVUnit(("tanh", "softplus", "relu")[int(3 * u[1])], rho, rho.group.trivial(1))
    data = FunctionData(law, _target(kind, d, number), d, 1, f"trial {number}")
    scheme = get_scheme(SCHEMES[int(4 * u[2])] if rho.group.order is not None else "vanilla", unit)
    z = normals(stream_key(number, "init"), 0, 12, unit.p)
    z[:, :d] *= 2.0 * np.sqrt(d) / law.scale
    if number % 2:
        z = _fitted(unit, data, z)
    name = type(law).__name__.lower() + (", cut off" if isinstance(law, Gaussian) and law.cutoff else "")
    return Trial(number, kind, name, rho.group.name, data, scheme, z)


def _law(which: int, scale: float, d: int) -> InputLaw:
    return (Gaussian(scale), Uniform(scale), Sphere(scale), Gaussian(scale, (1.0 + d / 4.0) * scale))[which]


def _action(d: int, number: int) -> Representation:
    """A group on R^d: cyclic shifts of the coordinates, or rotations where the dimension has some."""
    if number % 4 == 0 and d in (2, 3):
        return so(d).vector()
    if number % 4 == 0 and d in (4, 6):
        rho = so(2).vector()
        for _ in range(d // 2 - 1):
            rho = rho + so(2).vector()
        return rho
    return cyclic(d).permutation()


def _target(kind: str, d: int, number: int):  # type: ignore[no-untyped-def]
    """f: (Q, d) -> (Q, 1) of one kind, in one of three forms."""
    a, b = normals(stream_key(number, "teacher"), 1, 2, d) / np.sqrt(d)
    form = number // 3 % 3
    smooth = (
        lambda x: np.tanh(x @ a) + 0.5 * np.cos(x @ b),
        lambda x: np.exp(-0.5 * np.sum(x**2, axis=1) / d) + x @ a,
        lambda x: (x @ a) ** 2 - 0.3 * x @ b,
    )
    kinked = (
        lambda x: np.abs(x @ a - 0.3) + 0.2 * x @ b,
        lambda x: x.min(axis=1) + x.max(axis=1) ** 2 / 2.0,
        lambda x: np.linalg.norm(x - 0.2, axis=1) + np.sqrt(np.abs(x @ b)),
    )
    jumping = (
        lambda x: np.sign(x @ a - 0.4) + np.tanh(x @ b),
        lambda x: np.sign(x[:, 0] - x[:, -1]) + 0.5 * np.sign(x[:, 0] - 0.2),
        lambda x: np.where(np.linalg.norm(x - 0.3, axis=1) > 0.8 * np.sqrt(d), 1.0, -1.0) * np.cos(x @ b),
    )
    chosen = {"smooth": smooth, "kinked": kinked, "jumping": jumping}[kind][form]
    return lambda x: chosen(x)[:, None]


def _fitted(unit: Unit, data: FunctionData, z: Floats) -> Floats:
    """Output weights by least squares on 2,000 samples: a student that has learnt what it can."""
    x, y = data.draw(stream_key(0, "data"), 0, 2000)
    ones = z.copy()
    ones[:, -1] = 1.0
    features = unit.sigma(x, ones)[:, :, 0] / len(z)
    ones[:, -1] = np.linalg.lstsq(features, y[:, 0], rcond=1e-6)[0]
    return ones


def monte_carlo(one: Trial, functions: Integrands, samples: int) -> tuple[Floats, Floats]:
    """Means of the integrands over draws of the data, and their standard errors."""
    key, total, square = stream_key(one.number + 1000, "data"), 0.0, 0.0
    for first in range(0, samples, _CHUNK):
        x, y = one.data.draw(key, first, min(_CHUNK, samples - first))
        values = functions(x, y).values
        total, square = total + values.sum(axis=0), square + (values**2).sum(axis=0)
    mean = np.asarray(total / samples)
    return mean, np.sqrt(np.maximum(square / samples - mean**2, 0.0) / samples)


def judge(one: Trial, samples: int = SAMPLES) -> Iterator[Row]:
    """Every number of one trial, risks by ``samples`` draws and those that average over orbits by a fiftieth of them.

    Numbers that vanish by symmetry are left out.
    """
    found = evaluate(one.scheme, one.data, one.z)
    losses, symmetries = integrands(one.scheme, one.data, one.z)
    own, own_spread = monte_carlo(one, losses, samples)
    rest, rest_spread = monte_carlo(one, symmetries, samples // 50)
    means = dict(zip(NAMES, (*own[:2], *rest[:3]), strict=True))
    spreads = dict(zip(NAMES, (*own_spread[:2], *rest_spread[:3]), strict=True))
    for name in NAMES:
        truth, spread = float(means[name]), float(spreads[name])
        if truth < _ZERO:
            continue
        if not name.startswith("risk"):
            truth, spread = truth**0.5, spread / (2.0 * truth**0.5)
        error = getattr(found, f"{name}_error")
        yield Row(one, name, getattr(found, name), error, truth, spread, found.method if name == "risk" else "")


def summary(rows: list[Row]) -> str:
    """How many truths lie within three stated errors, and how many errors are small."""
    lines = [
        "| numbers | of | within 3 stated errors | stated error below 1 % | largest score |",
        "|---|---|---|---|---|",
    ]
    groups = [("all", rows), ("risk", [row for row in rows if row.name == "risk"])]
    groups += [(kind, [row for row in rows if row.trial.kind == kind]) for kind in KINDS]
    sharp = [row for row in rows if row.error >= row.spread]
    groups.append(("stated error larger than that of Monte Carlo", sharp))
    for label, part in groups:
        within, below = shares(part)
        worst = max(row.score for row in part)
        lines.append(f"| {label} | {len(part)} | {within:.1%} | {below:.1%} | {worst:.2f} |")
    return "\n".join(lines)


def shares(rows: list[Row]) -> tuple[float, float]:
    """Share of truths within three stated errors, and of stated errors below BELOW of the value."""
    within = float(np.mean([row.score <= 3.0 for row in rows]))
    return within, float(np.mean([row.error < BELOW * abs(row.value) for row in rows]))


def table(rows: list[Row]) -> str:
    """One line per problem: its risk."""
    lines = [
        "| d | law | target | group | scheme | risk | stated error | Monte Carlo | its s.e. | score | rule |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if row.name == "risk":
            one = row.trial
            rule = "Gauss" if row.method.startswith("product") else "nets"
            lines.append(
                f"| {one.data.d} | {one.law} | {one.kind} | {one.group} | {one.scheme.name} | {row.value:.6g} | "
                f"{row.error:.1e} | {row.truth:.6g} | {row.spread:.1e} | {row.score:.2f} | {rule} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Print both tables as Markdown."""
    samples = int(float(sys.argv[1])) if len(sys.argv) > 1 else SAMPLES
    rows: list[Row] = []
    for number in range(PROBLEMS):
        begun = time.perf_counter()
        rows += judge(trial(number), samples)
        print(f"{number + 1}/{PROBLEMS}, {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    print(f"{summary(rows)}\n\n{table(rows)}")


if __name__ == "__main__":
    main()
