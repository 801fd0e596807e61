"""Modified Bessel functions and averages over rotations, compiled: what exact denoisers are made of.

Bessel functions come scaled, e^-x I(x), so that nothing overflows. The series are Chebyshev interpolations, computed in
40 digits; ``tests/unit/quotients/test_kernel_templates.py`` measures the error of what is computed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mfsym.accelerate import inner, kernel

SMALL_I0 = np.array(
    [
        0.33839763720473803,
        -0.3046826723431984,
        0.17162090152220877,
        -0.09490109704804764,
        0.04930528423967071,
        -0.02373741480589947,
        0.010546460394594998,
        -0.004324309995050576,
        0.0016394756169413357,
        -0.0005763755745385824,
        0.00018850288509584165,
        -5.754195010082104e-05,
        1.6448448070728896e-05,
        -4.4167383584587505e-06,
        1.1173875391201037e-06,
        -2.670793853940612e-07,
        6.046995022541919e-08,
        -1.300025009986248e-08,
        2.6598237246823866e-09,
        -5.189795601635263e-10,
        9.675809035373237e-11,
        -1.726826291441556e-11,
        2.95505266312964e-12,
        -4.856446783111929e-13,
        7.676185498604936e-14,
        -1.1685332877993451e-14,
        1.715391285555133e-15,
        -2.431279846547955e-16,
        3.3307945188222384e-17,
    ]
)
LARGE_I0 = np.array(
    [
        0.4022452055070544,
        0.0033691164782556943,
        6.889758346916825e-05,
        2.8913705208347567e-06,
        2.0489185894690638e-07,
        2.266668990498178e-08,
        3.3962320257083865e-09,
        4.94060238822497e-10,
        1.1889147107846439e-11,
        -3.1499165279632416e-11,
        -1.3215811840447713e-11,
        -1.7941785315068062e-12,
        7.180124451383666e-13,
        3.8527783827421426e-13,
        1.54008621752141e-14,
        -4.150569347287222e-14,
        -9.554846698828307e-15,
        3.8116806693526224e-15,
        1.7725601330565263e-15,
        -3.425485619677219e-16,
        -2.8276239805165836e-16,
        3.461222867697461e-17,
        4.4656214202967604e-17,
    ]
)
SMALL_I1 = np.array(
    [
        0.12629359322181682,
        -0.17641651835783406,
        0.1026436586898471,
        -0.05294598120809499,
        0.024726449030626516,
        -0.010564084894626197,
        0.004156422944312888,
        -0.0015135724506312532,
        0.0005122859561685758,
        -0.00016176081582589674,
        4.781565107550054e-05,
        -1.3273163656039436e-05,
        3.4702513081376785e-06,
        -8.568720264695455e-07,
        2.0032947535521353e-07,
        -4.445059128796328e-08,
        9.381537386495773e-09,
        -1.8872497517228294e-09,
        3.625590281552117e-10,
        -6.663489723502027e-11,
        1.1736186298890901e-11,
        -1.9839743977649436e-12,
        3.223793365945575e-13,
        -5.042185504727912e-14,
        7.600684294735408e-15,
        -1.1055969477353862e-15,
        1.5536319577362005e-16,
        -2.111421214358166e-17,
    ]
)
LARGE_I1 = np.array(
    [
        0.38928811750914005,
        -0.009761097491361469,
        -0.00011058893876262371,
        -3.882564808877691e-06,
        -2.512236237870209e-07,
        -2.6314688468895196e-08,
        -3.835380385964237e-09,
        -5.589743462196584e-10,
        -1.8974958123505413e-11,
        3.2526035830154884e-11,
        1.4125807436613782e-11,
        2.0356285441470896e-12,
        -7.198551776245908e-13,
        -4.0835511110921974e-13,
        -2.1015418427726643e-14,
        4.272440016711951e-14,
        1.0420276984128802e-14,
        -3.8144030724370075e-15,
        -1.8803547755107825e-15,
        3.3082023109209285e-16,
        2.96262899764595e-16,
        -3.209525921993424e-17,
        -4.6503053684893586e-17,
    ]
)

"""Chebyshev coefficients of e^-x I0(x) and e^-x I1(x) / x in x / 4 - 1 for x <= 8, of sqrt(x) e^-x I(x) in 16 / x - 1
beyond."""

SPLIT = 8.0
"""Where one series ends and the other begins."""

NODES, WEIGHTS = (np.array(part) for part in np.polynomial.legendre.leggauss(12))
"""Gauss nodes and weights of one panel, on [-1, 1]."""

FIRST, GROWTH = 8.0, 2.5
"""Length of the first panel in units of the shortest scale, and how many times farther the next one ends."""

FORGOTTEN = 45.0
"""Where a weight e^-s is below this s, its nodes change no digit."""


@inner
def _series(coefficients: Any, u: Any) -> Any:
    """A Chebyshev series at u in [-1, 1] by Clenshaw's recurrence."""
    first, second = 0.0, 0.0
    for k in range(coefficients.shape[0] - 1, 0, -1):
        first, second = 2.0 * u * first - second + coefficients[k], first
    return u * first - second + coefficients[0]


@inner
def i0e(x: Any) -> Any:
    """e^-x I0(x) for x >= 0."""
    if x <= SPLIT:
        return _series(SMALL_I0, 0.25 * x - 1.0)
    return _series(LARGE_I0, 16.0 / x - 1.0) / np.sqrt(x)


@inner
def i1e(x: Any) -> Any:
    """e^-x I1(x) for x >= 0."""
    if x <= SPLIT:
        return x * _series(SMALL_I1, 0.25 * x - 1.0)
    return _series(LARGE_I1, 16.0 / x - 1.0) / np.sqrt(x)


@kernel
def bessel_table(x: Any, out: Any) -> None:
    """out[0] = e^-x I0(x) and out[1] = e^-x I1(x) for every entry of x >= 0."""
    for k in range(x.shape[0]):
        out[0, k], out[1, k] = i0e(x[k]), i1e(x[k])


@kernel
def _add_panel(begin: Any, end: Any, difference: Any, total: Any, decay: Any, sums: Any) -> None:
    """Add one panel's part of the integrals of ``rotation_averages`` to sums: mass, and those of m times the mass."""
    half = 0.5 * (end - begin)
    for q in range(NODES.shape[0]):
        v = begin + half * (1.0 + NODES[q])
        a, b = difference * v, total * (1.0 - v)
        weight = half * WEIGHTS[q] * np.exp(-decay * v)
        a0, b0 = i0e(a), i0e(b)
        first, second = weight * v * i1e(a) * b0, weight * (1.0 - v) * a0 * i1e(b)
        weight *= a0 * b0
        sums[0] += weight
        sums[1] += weight * (1.0 - 2.0 * v)
        sums[2] += first + second
        sums[3] += second - first


@kernel
def rotation_averages(s: Any, m: Any, sums: Any) -> Any:
    """log of the mean of e^(tr(diag(s) R)) over rotations R of space, less s_1 + s_2 + s_3; its gradient goes to m.

    s : (3,) proper singular values, s_1 >= s_2 >= |s_3|.  m : (3,), m_k = E R_kk under that density, |m_k| <= 1.
    sums : (4,) scratch.
    The mean is the integral over v in [0, 1] of I0((s_2 - s_3) v) I0((s_2 + s_3)(1 - v)) e^(s_1 (1 - 2 v)): Lee 2018,
    theorem 1. Panels grow from 0, where the scales of the integrand are shortest, to 1/2; one more ends at 1.
    """
    difference, total, decay = s[1] - s[2], s[1] + s[2], 2.0 * max(s[0] + s[2], 0.0)
    sums[0], sums[1], sums[2], sums[3] = 0.0, 0.0, 0.0, 0.0
    begin, end = 0.0, FIRST / max(decay + difference, FIRST)
    while begin < 0.5 and decay * begin < FORGOTTEN:
        end = min(end, 0.5)
        _add_panel(begin, end, difference, total, decay, sums)
        begin, end = end, GROWTH * end
    if decay * begin < FORGOTTEN:
        _add_panel(begin, 1.0, difference, total, decay, sums)
    m[0], m[1], m[2] = sums[1] / sums[0], sums[2] / sums[0], sums[3] / sums[0]
    return np.log(sums[0])
