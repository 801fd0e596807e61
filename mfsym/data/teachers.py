"""Data laws and teachers: random draws for training, and a quadrature for expectations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_choice, as_floats, as_whole
from mfsym.arguments.callables import check_rows, own_rows
from mfsym.configurations.names import TEACHERS
from mfsym.data.inputs import QUADRATURE_ORDER, Gaussian, InputLaw, QuadratureRule, check_law
from mfsym.errors import MfsymError
from mfsym.groups import cyclic
from mfsym.streams import stream_key
from mfsym.typing import Floats
from mfsym.units import UNITS, AnyActivation, Unit

INPUT_SCALE = 4.0
"""Standard deviation of the reference inputs: x ~ N(0, 16 I), Maass Martínez & Fontbona 2024, appendix F."""

_ARBITRARY = 0.5 * np.array(
    [[-1, 0, 0, 0.5], [0.5, 1, 0, 1], [-0.5, 0.3, 1, 0], [0, -1, -0.5, 1], [0.7, -0.7, 0.5, 0.7]]
)
_SI_COORDINATES = 0.5 * np.array([[1, 0], [0.5, 1], [-0.5, 0.3], [0, -1], [0.7, 0.7]])


class Data(ABC):
    """A law pi of (x, y) on R^d x R^c.

    has_target : whether E[y | x] is known as a function; for a finite sample, y is known only at its inputs.
    classes : number of classes if y is a class label, else None.
    inputs : the law of x if known, else None; error estimates of expectations need it.
    """

    inputs: InputLaw | None = None
    name: str
    d: int
    c: int
    has_target: ClassVar[bool] = True
    classes: int | None = None

    @abstractmethod
    def draw(self, key: NDArray[np.uint32], first: int, count: int) -> tuple[Floats, Floats]:
        """Samples first .. first + count - 1 of the endless training sequence: x (count, d), y (count, c)."""

    @abstractmethod
    def target(self, x: ArrayLike) -> Floats:
        """f_*(x) = E[y | x]: (Q, c) from x (Q, d)."""

    @abstractmethod
    def quadrature(self, order: int = QUADRATURE_ORDER) -> Iterable[Floats]:
        """Nodes (Q, d) and weights (Q,), summing to 1, for expectations over x."""

    def evaluation(self, order: int = QUADRATURE_ORDER) -> tuple[Floats, Floats, Floats]:
        """x (Q, d), y (Q, c) and weights (Q,) that represent pi when a model is evaluated."""
        x, weights = self.quadrature(order)
        return x, self.target(x), weights


class FunctionData(Data):
    """x from an input law on R^d, y = function(x): a noiseless target.

    inputs : an InputLaw; a user-defined one implements ``transform`` and ``product_rule``.
    function : (Q, d) -> (Q, c), finite; each output row depends on its input row only. It may overwrite its argument.
    Both are checked at construction: MfsymError for wrong shapes, or if rows depend on each other.
    """

    inputs: InputLaw

    def __init__(
        self, inputs: InputLaw, function: Callable[[Floats], Floats], d: int, c: int, name: str = "function"
    ) -> None:
        self._state(inputs, function, as_whole(d, "d", 1), as_whole(c, "c", 1), name)
        check_law(inputs, self.d)
        key = stream_key(0, "data")
        check_rows(function, inputs.draw(key, 0, max(self.d, self.c) + 2, self.d), self.c, f"the target of {name}")

    def __repr__(self) -> str:
        law = type(self.inputs).__name__
        return f"<{type(self).__name__} {self.name!r}, R^{self.d} -> R^{self.c}, {law} inputs>"

    def _state(self, inputs: InputLaw, function: Callable[[Floats], Floats], d: int, c: int, name: str) -> None:
        """Set the attributes, without checks."""
        self.inputs, self.function, self.name = inputs, function, name
        self.d, self.c = as_whole(d, "d", 1), as_whole(c, "c", 1)

    def draw(self, key: NDArray[np.uint32], first: int, count: int) -> tuple[Floats, Floats]:
        x = self.inputs.draw(key, first, count, self.d)
        return x, self.target(x)

    def target(self, x: ArrayLike) -> Floats:
        return own_rows(self.function, as_floats(x, "x"), self.c, f"the target of {self.name}")

    def quadrature(self, order: int = QUADRATURE_ORDER) -> QuadratureRule:
        """The rule of the input law: see ``InputLaw.rule``."""
        return self.inputs.rule(self.d, order)


class Teacher(FunctionData):
    """x from an input law, N(0, scale^2 I_d) by default, and y = f_*(x) = Phi_teacher(x) of a fixed ensemble.

    unit : the Unit of the teacher (and of its students).  particles : (n, p).  scale > 0.
    inputs : an input law that replaces the Gaussian of this scale.
    """

    def __init__(
        self,
        unit: Unit,
        particles: ArrayLike,
        scale: float = INPUT_SCALE,
        name: str = "teacher",
        inputs: InputLaw | None = None,
    ) -> None:
        z = as_floats(particles, "teacher particles")
        if z.ndim != 2 or z.shape[1] != unit.p or not np.isfinite(z).all():
            raise MfsymError(f"teacher particles must be a finite array (n, {unit.p}), got shape {z.shape}")
        self.unit = unit
        self.particles = z
        law = Gaussian(scale) if inputs is None else inputs
        check_law(law, unit.d)
        self._state(law, self._predict, unit.d, unit.c, name)

    def __repr__(self) -> str:
        return f"<Teacher {self.name!r}, {len(self.particles)} particles of {self.unit!r}>"

    @property
    def scale(self) -> float:
        """Scale of the inputs."""
        return self.inputs.scale

    def target(self, x: ArrayLike) -> Floats:
        """f_*(x): (Q, c) from x (Q, d). The unit's prediction does not modify x, so no copy is needed."""
        return self.function(as_floats(x, "x"))

    def _predict(self, x: Floats) -> Floats:
        return self.unit.predict(x, self.particles)


@lru_cache(maxsize=16)
def reference_unit(kind: str = "matrix", activation: AnyActivation = "sigmoid") -> Unit:
    """The unit of the reference experiment: X = Y = R^2, C_2 acts by the swap of coordinates on both."""
    as_choice(kind, "unit", UNITS)
    swap = cyclic(2).permutation()
    return UNITS[kind](activation, swap, swap)


def reference_teacher(name: str, kind: str = "matrix", activation: AnyActivation = "sigmoid") -> Teacher:
    """The reference teachers (Maass Martínez & Fontbona 2024, appendix F) with any unit on R^2 x R^2, p = 4.

    "arbitrary" : 5 particles without symmetry.  "wi" : the same particles and their images under the group (10).
    "si" : 5 particles of E^G, given in its orthonormal basis.
    """
    as_choice(name, "teacher", TEACHERS)
    unit = reference_unit(kind, activation)
    if name == "si":
        return Teacher(unit, _SI_COORDINATES @ unit.fixed_subspace.basis.T, name=name)
    particles = _ARBITRARY
    if name == "wi":
        particles = np.vstack([_ARBITRARY @ matrix.T for matrix in unit.action.matrices])
    return Teacher(unit, particles, name=name)
