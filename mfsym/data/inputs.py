"""Laws of inputs on R^d: random draws of x, and quadratures for expectations over x.

Every draw is a function of the normals of its sample, so all laws share one random sequence (``mfsym.streams``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc, gammaincc, gammaincinv, gammaln, ndtr, ndtri, roots_hermitenorm

from mfsym.arguments import as_floats, as_number, as_whole
from mfsym.arguments.callables import check_rows
from mfsym.data.nets import REPETITIONS, net_points
from mfsym.errors import MfsymError
from mfsym.kernels.noise import sequence_normals
from mfsym.streams import stream_key
from mfsym.typing import Floats

QUADRATURE_ORDER = 60
"""Gauss nodes per input dimension: 60 give the reference risks to all digits shown."""

MAX_NODES = 1 << 16
"""Largest number of nodes of a product rule.

Above it, rules use fewer nodes per dimension for d <= 3, and quasi-Monte Carlo for larger d."""

NET_POINTS = 512
"""Points of each scrambled Sobol net in the quasi-Monte Carlo rule."""

SIGNED_PERMUTATION = 1e-9
"""Largest distance of an entry from -1, 0 or 1 in a matrix that counts as a signed permutation."""

UNIT_MASS = 1e-9
"""Largest deviation of the sum of a rule's weights from 1."""

_PRODUCT_DIMENSIONS = 3
_PLAIN_HERMITE = 256

_PROBED_ORDER = 4


@dataclass(frozen=True)
class QuadratureRule:
    """E f(x) ~ sum_q weights_q f(x_q). Unpacks as (x, weights).

    x : (Q, d).
    weights : (Q,), summing to 1.
    method : a description in words.
    shifts : number of independent randomisations that make up the nodes, in order; 1 for a deterministic rule.
    order : nodes per dimension of a product rule; 0 for quasi-Monte Carlo.
    """

    x: Floats
    weights: Floats
    method: str
    shifts: int = 1
    order: int = 0

    def __iter__(self) -> Iterator[Floats]:
        return iter((self.x, self.weights))

    def mean(self, values: ArrayLike) -> float:
        """The expectation of a scalar function from its values (Q,)."""
        return float(self.weights @ as_floats(values, "values"))

    def standard_error(self, values: ArrayLike) -> float:
        """Standard error of ``mean``, from the spread over the shifts; 0 for a deterministic rule."""
        if self.shifts == 1:
            return 0.0
        weighted = (self.weights * as_floats(values, "values")).reshape(self.shifts, -1)
        return float((self.shifts * weighted.sum(axis=1)).std(ddof=1) / np.sqrt(self.shifts))


@dataclass(frozen=True)
class InputLaw(ABC):
    """A law on R^d for every d. scale > 0 : its scale, defined by each law."""

    name: ClassVar[str]
    scale: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", as_number(self.scale, "the input scale", above=0.0))

    def invariant_under(self, matrices: Floats) -> bool | None:
        """Whether the law is invariant under orthogonal matrices (K, d, d); None if unknown."""
        return None

    def draw(self, key: NDArray[np.uint32], first: int, count: int, d: int) -> Floats:
        """Samples first .. first + count - 1 of the endless sequence: (count, d)."""
        return self.transform(sequence_normals(key, first, count, d))

    def rule(self, d: int, order: int = QUADRATURE_ORDER) -> QuadratureRule:
        """The product rule with ``order`` nodes per dimension, if it has at most MAX_NODES nodes (see MAX_NODES).

        ``method`` and ``order`` of the result state the rule used, including any reduction of the number of nodes.
        """
        return _rule(self, as_whole(d, "d", 1), as_whole(order, "order", 1))

    def has_products(self, d: int) -> bool:
        """Whether a product rule of useful order is affordable on R^d: true up to three dimensions."""
        return d <= _PRODUCT_DIMENSIONS

    @property
    def is_product(self) -> bool:
        """Whether the coordinates are independent, so that product rules exist in every dimension."""
        return True

    def atom(self, d: int) -> float:
        """Mass of the origin on R^d, which sampled rules integrate exactly: 0 by default."""
        return 0.0

    def of_uniforms(self, u: Floats) -> Floats:
        """Draws (n, d) from this law without its atom, from points (n, d) of the open unit cube."""
        return self.transform(ndtri(u))

    def net(self, d: int, first: int, last: int) -> Floats:
        """Points first .. last - 1 of every scrambled Sobol net, as draws without the atom: (R, last - first, d)."""
        return _net(self, d, first, last)

    @abstractmethod
    def transform(self, normals: Floats) -> Floats:
        """Draws (n, d) of this law from standard normals (n, d)."""

    @abstractmethod
    def product_rule(self, d: int, order: int) -> tuple[Floats, Floats]:
        """Nodes and weights of a deterministic rule."""


@dataclass(frozen=True)
class Gaussian(InputLaw):
    """x = scale Z, Z ~ N(0, I_d); with a cutoff, x = scale Z where |scale Z| <= cutoff and 0 elsewhere.

    cutoff = 1 and scale = 1 is the law of Maass Martínez & Fontbona 2024, proposition 4.
    """

    name = "gaussian"
    cutoff: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cutoff is not None:
            object.__setattr__(self, "cutoff", as_number(self.cutoff, "the cutoff", above=0.0))

    def invariant_under(self, matrices: Floats) -> bool:
        """They do: the law is isotropic."""
        return True

    @property
    def is_product(self) -> bool:
        return self.cutoff is None

    def atom(self, d: int) -> float:
        """P(|scale Z| > cutoff)."""
        return 0.0 if self.cutoff is None else float(gammaincc(d / 2.0, (self.cutoff / self.scale) ** 2 / 2.0))

    def of_uniforms(self, u: Floats) -> Floats:
        """With a cutoff, map |Z|^2 through its distribution function and the inverse of the truncated one."""
        normals, d = ndtri(u), u.shape[1]
        if self.cutoff is None:
            return self.transform(normals)
        squares = np.einsum("nd,nd->n", normals, normals)
        inside = gammaincinv(d / 2.0, (1.0 - self.atom(d)) * gammainc(d / 2.0, squares / 2.0))
        return np.asarray(self.scale * normals * np.sqrt(2.0 * inside / squares)[:, None])

    def transform(self, normals: Floats) -> Floats:
        x = self.scale * normals
        if self.cutoff is not None:
            x = np.where(np.linalg.norm(x, axis=1, keepdims=True) <= self.cutoff, x, 0.0)
        return x

    def product_rule(self, d: int, order: int) -> tuple[Floats, Floats]:
        """Gauss-Hermite, exact to degree 2 order - 1 in each coordinate; with a cutoff, radial rule times sphere
        rule."""
        if self.cutoff is None:
            nodes, weights = _gauss_hermite(order)
            return _power(self.scale * nodes, weights / weights.sum(), d)
        radii, lengths = np.polynomial.legendre.leggauss(order)
        radii = 0.5 * self.cutoff / self.scale * (radii + 1.0)
        log_density = (d - 1) * np.log(radii) - radii**2 / 2.0 - (d / 2.0 - 1.0) * np.log(2.0) - gammaln(d / 2.0)
        masses = 0.5 * self.cutoff / self.scale * lengths * np.exp(log_density)
        directions, weights = sphere_rule(d, order)
        x = (self.scale * radii[:, None, None] * directions).reshape(-1, d)
        w = np.outer(masses, weights).ravel()
        return np.vstack([np.zeros((1, d)), x]), np.concatenate([[1.0 - w.sum()], w])


@dataclass(frozen=True)
class Uniform(InputLaw):
    """x uniform on the cube [-scale, scale]^d: among orthogonal matrices, only signed permutations preserve it."""

    name = "uniform"

    def invariant_under(self, matrices: Floats) -> bool:
        """True exactly for signed permutations."""
        sizes = np.abs(matrices)
        return bool(np.abs(sizes - np.rint(sizes)).max(initial=0.0) <= SIGNED_PERMUTATION)

    def transform(self, normals: Floats) -> Floats:
        return np.asarray(self.scale * (2.0 * ndtr(normals) - 1.0))

    def product_rule(self, d: int, order: int) -> tuple[Floats, Floats]:
        """Gauss-Legendre, exact to degree 2 order - 1 in each coordinate."""
        nodes, weights = np.polynomial.legendre.leggauss(order)
        return _power(self.scale * nodes, weights / 2.0, d)


@dataclass(frozen=True)
class Sphere(InputLaw):
    """x uniform on the sphere of radius ``scale``."""

    name = "sphere"

    @property
    def is_product(self) -> bool:
        return False

    def invariant_under(self, matrices: Floats) -> bool:
        """They do: the law is isotropic."""
        return True

    def transform(self, normals: Floats) -> Floats:
        return self.scale * normals / np.linalg.norm(normals, axis=1, keepdims=True)

    def product_rule(self, d: int, order: int) -> tuple[Floats, Floats]:
        """See ``sphere_rule``."""
        directions, weights = sphere_rule(d, order)
        return self.scale * directions, weights


INPUT_LAWS: Mapping[str, Callable[..., InputLaw]] = MappingProxyType(
    {law.name: law for law in (Gaussian, Uniform, Sphere)}
)
"""Input laws by name."""


def check_law(law: InputLaw, d: int) -> None:
    """MfsymError unless the law's draws are finite rows (n, d), each a function of its normals, and its rule is
    valid."""
    if not isinstance(law, InputLaw):
        raise MfsymError(f"inputs must be an input law such as Gaussian(1.0), got {law!r:.60} ({type(law).__name__})")
    if type(law) in INPUT_LAWS.values():
        return
    what = f"the draws of the input law {type(law).__name__}"
    check_rows(law.transform, sequence_normals(stream_key(0, "data"), 0, d + 2, d), d, what)
    if d <= _PRODUCT_DIMENSIONS:
        x, weights = law.product_rule(d, _PROBED_ORDER)
        nodes, masses = as_floats(x, f"the nodes of {type(law).__name__}"), as_floats(weights, "their weights")
        if nodes.ndim != 2 or masses.shape != nodes.shape[:1] or nodes.shape[1] != d:
            raise MfsymError(
                f"product_rule of {type(law).__name__} must give nodes (Q, {d}) and weights (Q,), "
                f"got shapes {nodes.shape} and {masses.shape}"
            )
        if not (np.isfinite(nodes).all() and abs(masses.sum() - 1.0) <= UNIT_MASS):
            raise MfsymError(
                f"product_rule of {type(law).__name__} must give finite nodes and weights that sum to 1, "
                f"got a sum of {masses.sum():.12g}"
            )


def sphere_rule(d: int, order: int) -> tuple[Floats, Floats]:
    """Nodes (Q, d) on the unit sphere and weights, exact to degree ``order`` - 1; d = 1, 2, 3.

    Two points; ``order`` equispaced angles; Gauss-Legendre heights times equispaced angles.
    """
    if d == 1:
        return np.array([[1.0], [-1.0]]), np.full(2, 0.5)
    if d == 2:
        angles = 2.0 * np.pi * (np.arange(order) + 0.5) / order
        return np.stack([np.cos(angles), np.sin(angles)], axis=1), np.full(order, 1.0 / order)
    if d != _PRODUCT_DIMENSIONS:
        raise MfsymError(f"a product rule on the sphere needs d = 1, 2 or 3, got {d}")
    heights, weights = np.polynomial.legendre.leggauss(-(-order // 2))
    circle, around = sphere_rule(2, order)
    radii = np.sqrt(1.0 - heights**2)
    flat = radii[:, None, None] * circle
    tall = np.broadcast_to(heights[:, None, None], (len(heights), order, 1))
    return np.concatenate([flat, tall], axis=2).reshape(-1, 3), np.outer(weights / 2.0, around).ravel()


@lru_cache(maxsize=16)
def _rule(law: InputLaw, d: int, order: int) -> QuadratureRule:
    requested = order
    if order**d > MAX_NODES or not (law.is_product or law.has_products(d)):
        if d > _PRODUCT_DIMENSIONS:
            origin, atom = np.zeros((REPETITIONS, 1, d)), law.atom(d)
            x = np.concatenate([origin, law.net(d, 0, NET_POINTS)], axis=1).reshape(-1, d)
            one = np.concatenate([[atom], np.full(NET_POINTS, (1.0 - atom) / NET_POINTS)])
            method = f"quasi-Monte Carlo, {REPETITIONS} scrambled nets of {NET_POINTS} points"
            return QuadratureRule(x, np.tile(one / REPETITIONS, REPETITIONS), method, REPETITIONS)
        order = int(MAX_NODES ** (1.0 / d) + 0.5)
    x, weights = law.product_rule(d, order)
    for array in (x, weights):
        array.setflags(write=False)
    capped = "" if order == requested else f" ({requested} asked for, at most {MAX_NODES} nodes)"
    method = f"product rule, {order} nodes per dimension{capped}, {len(x)} in all"
    return QuadratureRule(x, weights, method, order=order)


@lru_cache(maxsize=16)
def _net(law: InputLaw, d: int, first: int, last: int) -> Floats:
    """Randomised quasi-Monte Carlo (Owen 2013, Monte Carlo theory, methods and examples, ch. 17)."""
    points = law.of_uniforms(net_points(d, first, last).reshape(-1, d))
    points = points.reshape(REPETITIONS, last - first, d)
    points.setflags(write=False)
    return points


def _gauss_hermite(order: int) -> tuple[Floats, Floats]:
    """Nodes and weights for exp(-x^2 / 2), from asymptotic formulas for orders at which the standard ones overflow."""
    if order <= _PLAIN_HERMITE:
        nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    else:
        nodes, weights = roots_hermitenorm(order)
    return nodes, weights


def _power(nodes: Floats, weights: Floats, d: int) -> tuple[Floats, Floats]:
    """The tensor power of a rule on the line: (Q^d, d) and (Q^d,)."""
    x = np.stack(np.meshgrid(*[nodes] * d, indexing="ij"), axis=-1).reshape(-1, d)
    w = np.prod(np.stack(np.meshgrid(*[weights] * d, indexing="ij"), axis=-1).reshape(-1, d), axis=1)
    return x, w
