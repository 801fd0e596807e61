"""Is a data law symmetric? Checked directly if the target is a known function, by a statistical test for samples.

The law of (x, f(x)) is symmetric iff the law of x is invariant under rho_x and f(rho_g x) = rho_hat_g f(x) for all g,
for almost all x. For a known function f, both are checked directly, at random inputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfsym.data.teachers import Data, FunctionData
from mfsym.groups.rotations import exponentials
from mfsym.problems.building import Problem
from mfsym.streams import stream_key
from mfsym.units import Unit

Floats = NDArray[np.float64]

INPUTS = 256
"""Random inputs at which f(rho_g x) is compared with rho_hat_g f(x)."""

ALL = 64
"""Finite groups up to this order are checked at every element, others at generators and this many Haar draws."""

EXACT = 1e-9
"""f counts as equivariant up to this relative deviation, or up to ten times its rounding error if that is larger."""

_ROUNDINGS = 10.0


@dataclass(frozen=True)
class Deviation:
    """Equivariance defect of a target f at INPUTS random inputs.

    largest : max |f(rho_g x) - rho_hat_g f(x)| over elements and inputs, relative to the root mean square of f.
    element : name of the group element that attains it.  elements : number of elements tried.
    rounding : change of f when x is perturbed by its rounding error, in the same units.
    inputs_invariant : whether the law of x is invariant under rho_x; None if unknown.
    """

    largest: float
    element: str
    elements: int
    rounding: float
    inputs_invariant: bool | None

    @property
    def equivariant(self) -> bool:
        """Whether the deviation is within rounding error."""
        return self.largest <= max(EXACT, _ROUNDINGS * self.rounding)


def deviation(problem: Problem, seed: int = 0) -> Deviation:
    """The Deviation of a problem whose target is a function; see ``has_function``."""
    unit, data = problem.unit, problem.data
    x, _ = data.draw(stream_key(seed, "data"), 0, INPUTS)
    values = data.target(x)
    size = float(np.sqrt(np.mean(np.sum(values**2, axis=1))))
    largest, element, rounding, count, invariant = 0.0, "", 0.0, 0, []
    for name, rho_x, rho_y in elements_of(unit, seed):
        moved = x @ rho_x.T
        images = data.target(moved)
        size = max(size, float(np.sqrt(np.mean(np.sum(images**2, axis=1)))))
        off = float(np.linalg.norm(images - values @ rho_y.T, axis=1).max())
        back = float(np.linalg.norm(data.target(moved @ rho_x) - values, axis=1).max())
        if off > largest or not element:
            largest, element = off, name
        rounding, count = max(rounding, back), count + 1
        invariant.append(data.inputs.invariant_under(rho_x[None]) if isinstance(data, FunctionData) else None)
    scale = size if size > 0.0 else 1.0
    known = None if None in invariant else all(invariant)
    return Deviation(largest / scale, element, count, rounding / scale, False if False in invariant else known)


def has_function(data: Data) -> bool:
    """Whether y is a known function of x: a formula, a Python function or a teacher."""
    return isinstance(data, FunctionData)


def elements_of(unit: Unit, seed: int) -> Iterator[tuple[str, Floats, Floats]]:
    """Yield (name, rho_x, rho_hat): every element of a small finite group; else generators, exp(A), Haar draws."""
    group, acts = unit.rho_x.group, (unit.rho_x, unit.rho_y)
    whole = group.order is not None and group.order <= ALL
    if not whole:
        for k, name in enumerate(group.generator_names):
            yield name, acts[0].generator_matrices[k], acts[1].generator_matrices[k]
        for k in range(group.dimension):
            turn_x, turn_y = (exponentials(rep.algebra_matrices[k : k + 1])[0] for rep in acts)
            yield f"exp(A{k + 1})", turn_x, turn_y
    draws = group.quadrature().elements if whole else group.haar(stream_key(seed, "haar"), 0, ALL)
    for k in range(len(draws)):
        yield group.element_name(draws[k]), acts[0](draws[k]), acts[1](draws[k])
