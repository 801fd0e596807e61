"""Scrambled Sobol points: randomised quasi-Monte Carlo on the cube, almost surely off any fixed hyperplane.

Every repetition is an independent random linear scramble of the Sobol sequence with a digital shift (Matousek 1998, J.
Complexity 14, 527; Owen 2003, ACM TOMACS 13, 363), so each point is uniform and the spread over repetitions estimates
the error of their mean. A pure function of (dimension, repetition, index).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mfsym.streams import bits, stream_key

REPETITIONS = 16
"""Independent scrambles; their standard error has Student's t law with 15 degrees of freedom."""

_WORD = 32


def net_points(d: int, first: int, last: int, repetitions: int = REPETITIONS) -> NDArray[np.float64]:
    """Points first .. last - 1 of every scramble, on the open cube (0, 1)^d: (repetitions, last - first, d).

    The first 2^m points of each scramble are a digital net. Increasing ``repetitions`` does not change the first ones.
    """
    from scipy.stats.qmc import Sobol

    sobol = Sobol(d, scramble=False)
    if first:
        sobol.fast_forward(first)
        words = sobol.random(last - first)
    else:
        words = sobol.random_base2((last - 1).bit_length())[:last]
    digits = np.rint(words * 2.0**_WORD).astype(np.uint32)
    depth = max(1, (last - 1).bit_length())
    result = np.empty((repetitions, last - first, d))
    for repetition in range(repetitions):
        draws = bits(stream_key(0, "nodes"), repetition, _WORD + 1, d)
        result[repetition] = (_scrambled(digits, draws, depth) + 0.5) * 2.0**-_WORD
    return result


def _scrambled(digits: NDArray[np.uint32], draws: NDArray[np.uint32], depth: int) -> NDArray[np.uint32]:
    """Binary words (n, d) times a random unit lower triangular matrix over GF(2), plus a random word.

    draws : (33, d), the columns of the matrix from the first binary digit on, then the shift. Only the first ``depth``
    digits of the words are nonzero.
    """
    result = np.repeat(draws[_WORD][None], len(digits), axis=0)
    for place in range(depth):
        top = np.uint32(1 << (_WORD - 1 - place))
        column = top | (draws[place] & (top - np.uint32(1)))
        result ^= np.where(digits & top, column, np.uint32(0))
    return result
