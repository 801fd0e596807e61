"""Training losses of denoisers of shapes, cloud by cloud: four losses of one prediction.

denoised, target, x : clouds D, x_1, x_t, all (N, p), or (N, n, d) where the quotient takes them. Each loss is (N,), in
units of |x|^2. ``conventional`` = ``horizontal`` + ``vertical`` for every cloud: Pythagoras. So the quotient loss is
blind to vertical fields, and its minimum is reached by the posterior mean plus any of them. GeoDiff's and AlphaFold 3's
losses have smaller minima because they move the target; that says nothing about the samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfsym.arguments import as_choice, as_floats
from mfsym.quotients.orbits import Quotient

Floats = NDArray[np.float64]


def _size(difference: Floats) -> Floats:
    """|difference|^2 of every cloud, (N,)."""
    return np.asarray((difference.reshape(len(difference), -1) ** 2).sum(axis=1))


def _residual(denoised: ArrayLike, target: ArrayLike) -> Floats:
    return np.asarray(as_floats(denoised, "denoised") - as_floats(target, "target"))


def conventional(denoised: ArrayLike, target: ArrayLike, x: ArrayLike, quotient: Quotient) -> Floats:
    """|D - x_1|^2. Its minimiser is the posterior mean E[x_1 | x_t = x]."""
    return _size(_residual(denoised, target))


def horizontal(denoised: ArrayLike, target: ArrayLike, x: ArrayLike, quotient: Quotient) -> Floats:
    """|P_x (D - x_1)|^2, the quotient loss: what moves x along its orbit costs nothing. Xu et al. 2026."""
    return _size(quotient.project(x, _residual(denoised, target)))


def vertical(denoised: ArrayLike, target: ArrayLike, x: ArrayLike, quotient: Quotient) -> Floats:
    """|(1 - P_x)(D - x_1)|^2, what the quotient loss leaves out; with ``centred`` motions of the centre too."""
    residual = _residual(denoised, target)
    return _size(residual - quotient.project(x, residual))


def geodiff(denoised: ArrayLike, target: ArrayLike, x: ArrayLike, quotient: Quotient) -> Floats:
    """|D - a(x_1)|^2, a(x_1) the target aligned to x. Its minimiser leaves I1 / I0 out of the posterior mean.

    Xu et al., GeoDiff, ICLR 2022, arXiv:2203.02923.
    """
    return _size(_residual(denoised, quotient.align(target, x)))


def af3(denoised: ArrayLike, target: ArrayLike, x: ArrayLike, quotient: Quotient) -> Floats:
    """|D - a(x_1)|^2, a(x_1) the target aligned to the prediction D.

    Abramson et al., AlphaFold 3, Nature 630 (2024) 493, supplementary algorithm 28.
    """
    return _size(_residual(denoised, quotient.align(target, denoised)))


LOSSES = {"conventional": conventional, "quotient": horizontal, "geodiff": geodiff, "af3": af3}
"""Name of a loss that denoisers are trained by to its function."""


def loss_of(name: str) -> str:
    """The name if it is one of LOSSES; MfsymError with all of them otherwise."""
    return as_choice(name, "loss", LOSSES)
