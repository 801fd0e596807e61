"""Which charges latents carry, when all pairs are turned by one unknown element: Procrustes between latents.

The baseline beside a learned action: a linear autoencoder (principal components) and the orthogonal matrix W nearest to
z1 -> z2. If the group acts on the latents by planes of charges m, the eigenvalues of W are exp(+-i m angle).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import schur

from mfsym.arguments import as_floats, as_number, as_whole
from mfsym.errors import MfsymError
from mfsym.typing import Floats

MOST_CHARGE = 8
"""Largest charge that a plane may carry."""

LEAST_ANGLE = np.deg2rad(2.0)
"""Smallest angle that is looked for: below it, too many charges fit every plane."""

BLUR = 0.01
"""Angle in radians by which a plane may miss charge x angle beyond its own error, when hypotheses are compared."""

RIVAL = 3.0
"""Description length, in nats, by which the angle must beat another for the other not to be named a rival."""

_GRID = 3600
_WHOLE = 1e-12


@dataclass(frozen=True)
class Charges:
    """What ``discover_charges`` finds; J planes and single axes, by increasing |turn|.

    matrix : (dim, dim), W orthogonal with z2 ~ W z1 after centring.  basis : (dim, dim), the axes of the planes.
    turns : (J,) angle by which each plane turns, in [0, pi]; 0 or pi on a single axis.  turn_errors : (J,) their
    standard errors.  single : (J,) whether it is a single axis.
    charges : (J,) turns / angle, with the multiple of 2 pi that fits best.  whole : (J,) nearest whole numbers.
    charge_errors : (J,) standard errors of ``charges``, with that of the angle.
    angle : in radians, in (0, pi].  angle_error : its standard error; 0 if it was given. It leaves
    out bias, such as that of interpolated pixels.
    rivals : other angles whose description length is within RIVAL of the least. The pairs determine the group that the
    angle generates and no more: 40 degrees, 1/9 of a turn, fits as well as 80 and 160 with other charges. Nor do they
    determine the sign of the angle, or a common factor of the charges: the smallest that fit are taken.
    """

    matrix: Floats
    basis: Floats
    turns: Floats
    turn_errors: Floats
    single: NDArray[np.bool_]
    charges: Floats
    whole: NDArray[np.int64]
    charge_errors: Floats
    angle: float
    angle_error: float
    rivals: Floats


def discover_charges(z1: ArrayLike, z2: ArrayLike, *, angle: float | None = None, most: int = MOST_CHARGE) -> Charges:
    """The charges by which latents turn, from pairs (z1, z2), (n, dim) each, that are all turned by one angle.

    angle : in radians, if it is known; otherwise the angle and the charges are the pair of smallest description length,
    sum_j (turn_j - m_j angle)^2 / (2 (error_j^2 + BLUR^2)) + log(1 + m_j), so the smallest charges that fit are
    preferred.  most : the largest charge.  MfsymError if nothing turns, or there are fewer pairs than latents.
    """
    first, second = (as_floats(z, name) for z, name in ((z1, "z1"), (z2, "z2")))
    if first.shape != second.shape or first.ndim != 2 or len(first) <= first.shape[1]:
        raise MfsymError(
            f"z1 and z2 must be arrays of one shape (n, dim), n > dim, got shapes {first.shape} and {second.shape}"
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise MfsymError("z1 and z2 must be finite; drop the pairs with NaN or infinity")
    largest = as_whole(most, "most", 1, 1000)
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    matrix = procrustes(first, second)
    basis, groups = _axes(matrix)
    measured = [_turn(first @ basis[:, k], second @ basis[:, k]) for k in groups]
    turns, errors = (np.array([each[i] for each in measured]) for i in (0, 1))
    single = np.array([len(k) == 1 for k in groups])
    known = None if angle is None else as_number(angle, "angle", above=0.0)
    found, error, rivals = (known, 0.0, np.zeros(0)) if known else _angle(turns, errors, single, largest)
    charges, _ = _charges(turns, found, largest, errors)
    values = _unwound(turns, charges, found) / found
    spread = np.hypot(errors, charges * error) / found
    return Charges(matrix, basis, turns, errors, single, values, charges, spread, found, error, rivals)


def procrustes(first: Floats, second: Floats) -> Floats:
    """The orthogonal W (dim, dim) with the least sum |W z1 - z2|^2 over rows. Schönemann 1966."""
    left, _, right = np.linalg.svd(second.T @ first)
    return np.asarray(left @ right)


def _axes(matrix: Floats) -> tuple[Floats, list[list[int]]]:
    """Axes of the planes of an orthogonal matrix, and the numbers of the one or two axes of each: real Schur form.

    Two single axes that are both reversed are a plane that turns by pi.
    """
    form, basis = schur(matrix, output="real")
    groups, k = [], 0
    while k < len(form):
        paired = k + 1 < len(form) and abs(form[k + 1, k]) > _WHOLE
        groups.append([k, k + 1] if paired else [k])
        k += len(groups[-1])
    reversed_ = [k for (k, *more) in groups if not more and form[k, k] < 0.0]
    halves = [list(two) for two in zip(reversed_[::2], reversed_[1::2], strict=False)]
    paired_up = {k for two in halves for k in two}
    return np.asarray(basis), [each for each in groups if each[0] not in paired_up] + halves


def _turn(first: Floats, second: Floats) -> tuple[float, float]:
    """The angle in [0, pi] by which a plane (n, 2) turns, by least squares, and its standard error; 0 or pi of an axis.

    The angle is that of sum z2 conj(z1); its error that of the sum of the tangential products.
    """
    if first.shape[1] == 1:
        return (0.0 if float((first * second).sum()) >= 0.0 else float(np.pi)), _axis_error(first, second)
    products = (second[:, 0] + 1j * second[:, 1]) * (first[:, 0] - 1j * first[:, 1])
    total = products.sum()
    tangential = (products * np.exp(-1j * np.angle(total))).imag
    return float(abs(np.angle(total))), float(np.sqrt((tangential**2).sum()) / abs(total))


def _axis_error(first: Floats, second: Floats) -> float:
    """The relative error of a single axis, as an angle."""
    missed = np.abs(second) - np.abs(first)
    return float(np.sqrt((missed**2).sum() / max(float((first**2).sum()), np.finfo(float).tiny) / len(first)))


def _angle(turns: Floats, errors: Floats, single: NDArray[np.bool_], most: int) -> tuple[float, float, Floats]:
    """The angle of smallest description length, refined by weighted least squares, its standard error, and rivals."""
    moving = (turns > 4.0 * np.hypot(errors, BLUR)) & ~single
    if not moving.any():
        raise MfsymError(
            f"no plane of the latents turns by more than {np.rad2deg(4.0 * BLUR):.1f} degrees and its own error: "
            "the pairs may be equal, or turned by a multiple of 360 degrees"
        )
    candidates = np.concatenate([np.linspace(LEAST_ANGLE, np.pi, _GRID), *(turns[moving] / m for m in (1, 2, 3))])
    candidates = np.sort(candidates[candidates >= LEAST_ANGLE])
    lengths = np.array([_charges(turns[moving], angle, most, errors[moving])[1] for angle in candidates])
    best = float(candidates[int(np.argmin(lengths))])
    angle, error = _refined(turns[moving], errors[moving], best, most)
    near = candidates[lengths < lengths.min() + RIVAL]
    firsts = near[np.concatenate([[True], np.diff(near) > 4.0 * BLUR])]
    refined = np.array([_refined(turns[moving], errors[moving], each, most)[0] for each in firsts])
    return angle, error, refined[np.abs(refined - angle) > 4.0 * BLUR]


def _refined(turns: Floats, errors: Floats, angle: float, most: int) -> tuple[float, float]:
    """The angle by least squares, weighted by the errors, with the charges nearest to it; and its standard error."""
    precision = 1.0 / np.maximum(errors, _WHOLE) ** 2
    for _ in range(3):
        charges, _ = _charges(turns, angle, most, errors)
        targets = _unwound(turns, charges, angle)
        normal = float((precision * charges**2).sum())
        angle = float((precision * charges * targets).sum()) / normal
    misfit = (precision * (targets - charges * angle) ** 2)[charges > 0]
    inflation = max(1.0, float(misfit.sum()) / max(1, misfit.size - 1))
    return angle, float(np.sqrt(inflation / normal))


def _charges(turns: Floats, angle: float, most: int, errors: Floats) -> tuple[NDArray[np.int64], float]:
    """The charge of each plane, and the description length of all of them."""
    charges = np.arange(most + 1)
    phases = charges * angle
    folded = np.abs(np.remainder(phases + np.pi, 2.0 * np.pi) - np.pi)
    misses = (turns[:, None] - folded) / np.hypot(errors, BLUR)[:, None]
    lengths = 0.5 * misses**2 + np.log1p(charges)
    best = np.argmin(lengths, axis=1)
    return best.astype(np.int64), float(lengths[np.arange(len(turns)), best].sum())


def _unwound(turns: Floats, charges: NDArray[np.int64], angle: float) -> Floats:
    """The representatives +-turn + 2 pi k nearest to charge x angle."""
    phases = charges * angle
    either = np.stack([turns, -turns])
    candidates = either + 2.0 * np.pi * np.rint((phases - either) / (2.0 * np.pi))
    best = np.argmin(np.abs(candidates - phases), axis=0)
    return np.asarray(np.take_along_axis(candidates, best[None], axis=0)[0])
