"""The reference problem of the paper in plain NumPy: its unit, teacher and group, and what laws and models measure.

Slow formulas from the definitions, against which results are held: no line of the package is behind them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache

import numpy as np

Floats = np.ndarray

SWAP = np.array([[0.0, 1.0], [1.0, 0.0]])
MOVE = np.kron(SWAP, SWAP)
"""The swap on parameters, M z = P z P row by row."""

FIXED = (np.eye(4) + MOVE) / 2.0
"""The projector on E^G of the reference unit."""

ARBITRARY = 0.5 * np.array(
    [[-1, 0, 0, 0.5], [0.5, 1, 0, 1], [-0.5, 0.3, 1, 0], [0, -1, -0.5, 1], [0.7, -0.7, 0.5, 0.7]]
)


def sigma(x: Floats, z: Floats) -> Floats:
    """(Q, N, 2): s(z x) with the sigmoid, z as 2 x 2 matrices row by row."""
    return 1.0 / (1.0 + np.exp(-np.einsum("njk,qk->qnj", z.reshape(-1, 2, 2), x)))


def phi(x: Floats, z: Floats) -> Floats:
    """(Q, 2): the bare prediction."""
    return sigma(x, z).mean(axis=1)


def model(scheme: str, z: Floats) -> Callable[[Floats], Floats]:
    """The model of a scheme on the reference problem."""
    if scheme == "ea":
        return lambda x: phi(x, z @ FIXED)
    if scheme == "fa":
        return lambda x: averaged(lambda points: phi(points, z))(x)
    return lambda x: phi(x, z)


def averaged(f: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
    """Q_G f."""
    return lambda x: 0.5 * (f(x) + f(x @ SWAP) @ SWAP)


@cache
def gauss(order: int = 60) -> tuple[Floats, Floats]:
    """Nodes and weights of N(0, 16 I) on R^2."""
    points, weights = np.polynomial.hermite_e.hermegauss(order)
    x = 4.0 * np.array(list(itertools.product(points, points)))
    return x, np.outer(weights, weights).ravel() / weights.sum() ** 2


def mean(values: Floats, order: int = 60) -> float:
    """E of a function of x from its values at the nodes."""
    return float(gauss(order)[1] @ values)


def norm(f: Floats) -> float:
    """L2 norm of a function (Q, 2)."""
    return mean((f**2).sum(axis=1)) ** 0.5


def risk_of(f: Callable[[Floats], Floats]) -> float:
    """E|f(x) - f_*(x)|^2 against the arbitrary teacher."""
    x, _ = gauss()
    return norm(f(x) - phi(x, ARBITRARY)) ** 2


def moment(z: Floats) -> float:
    """E|z|^2."""
    return float((z**2).sum(axis=1).mean())


def w2_squared(a: Floats, b: Floats) -> float:
    """Squared W2 between clouds of equal weights, by linear programming over repeated atoms."""
    from scipy.optimize import linear_sum_assignment

    size = int(np.lcm(len(a), len(b)))
    a, b = np.repeat(a, size // len(a), axis=0), np.repeat(b, size // len(b), axis=0)
    cost = ((a[:, None] - b[None]) ** 2).sum(axis=2)
    return float(cost[linear_sum_assignment(cost)].mean())


def rmd2_of(a: Floats, b: Floats) -> float:
    """W2^2 / (2 E|z|^2 + 2 E|z'|^2)."""
    return w2_squared(a, b) / (2.0 * moment(a) + 2.0 * moment(b))


def orbit(z: Floats) -> Floats:
    """The symmetrised law."""
    return np.concatenate([z, z @ MOVE])


def presented(z: Floats, order: int) -> tuple[float, Floats]:
    """Risk on all images of the data (data augmentation), and its gradient (N, 4) times N, arbitrary teacher."""
    x, weights = gauss(order)
    total, slope = 0.0, np.zeros_like(z)
    for move in (np.eye(2), SWAP):
        points, y = x @ move, phi(x, ARBITRARY) @ move
        s = sigma(points, z)
        error = s.mean(axis=1) - y
        total += 0.5 * float(weights @ (error**2).sum(axis=1))
        slope += np.einsum("q,qj,qnj,qk->njk", weights, error, s * (1.0 - s), points).reshape(z.shape)
    return total, slope


def largest_angle(a: Floats, b: Floats) -> float:
    """Largest angle between a vector of the span of a and the span of b, orthonormal columns both."""
    if not a.shape[1]:
        return 0.0
    return float(np.arcsin(min(1.0, np.linalg.svd(a - b @ (b.T @ a), compute_uv=False)[0])))


def columns(basis: Floats) -> Floats:
    """The columns that are no padding."""
    return basis[:, np.isfinite(basis).all(axis=0)]
