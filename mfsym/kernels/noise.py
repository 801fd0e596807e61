"""Counter-based normal draws that vectorise: the compiled twin of ``mfsym.streams``.

Philox4x32-10 on LANES counters at a time, then a branch-free Box-Muller transform whose quadrant comes from the top
bits of the second word. Every draw is a function of (key, step, row, coordinate) alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mfsym.accelerate import by_type, inner, is_single, kernel
from mfsym.streams import LANES as _LANES
from mfsym.streams import SEQUENCE_ROWS

F32, I32, I64, U32, U64 = np.float32, np.int32, np.int64, np.uint32, np.uint64
LANES = _LANES
WORD = U64(0xFFFFFFFF)
GROUP = 2 * LANES
"""Rows that LANES counters serve."""

AT_ONCE = 8 * GROUP
"""Rows that ``fill_normals`` draws at once: their words stay in the first-level cache."""


@inner
def _philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Philox4x32-10 on 32-bit words held in uint64: one lane width throughout is what vectorises."""
    for _ in range(10):
        low, high = c0 * U64(0xD2511F53), c2 * U64(0xCD9E8D57)
        c0, c1 = (high >> U64(32)) ^ c1 ^ k0, high & WORD
        c2, c3 = (low >> U64(32)) ^ c3 ^ k1, low & WORD
        k0, k1 = (k0 + U64(0x9E3779B9)) & WORD, (k1 + U64(0xBB67AE85)) & WORD
    return c0, c1, c2, c3


def _pair_single(a: Any, b: Any, out: Any) -> Any:
    u = F32(F32(a) * F32(2.0**-32) + F32(2.0**-33))
    # log u = k log 2 + log m with m in [2/3, 4/3)
    shift = I32(I32(I32(u.view(I32)) - I32(0x3F2AAAAB)) >> I32(23))
    m = I32(I32(u.view(I32)) - I32(shift << I32(23))).view(F32)
    f = F32(m - F32(1.0))
    # log(1 + f) / f on |f| <= 1/3, 3.5e-8
    q = F32(0.137483091395326)
    q = q * f + F32(-0.153942717531491)
    q = q * f + F32(0.140558126531333)
    q = q * f + F32(-0.164145204078812)
    q = q * f + F32(0.200072339849172)
    q = q * f + F32(-0.250079317123341)
    q = q * f + F32(0.333332726197199)
    q = q * f + F32(-0.499999334372826)
    q = q * f + F32(1.0)
    log_u = F32(F32(shift) * F32(0.693147180559945) + q * f)
    radius = F32(np.sqrt(F32(-2.0) * log_u))
    # the angle 2 pi b / 2^32 = (pi / 2) quadrant + t with |t| <= pi / 4, the quadrant in the top bits of this
    turned = U32(U64(b) + U64(0x20000000))
    t = F32(F32(U32(U32(b) << U32(2)).view(I32)) * F32(3.6572951981e-10))
    t2 = F32(t * t)
    sine = F32(-0.00019503904250840799)
    sine = sine * t2 + F32(0.0083320357855973083)
    sine = sine * t2 + F32(-0.16666650673996773)
    sine = F32((sine * t2 + F32(0.99999999691770356)) * t)
    cosine = F32(-0.0013585779264842408)
    cosine = cosine * t2 + F32(0.041655014924883755)
    cosine = cosine * t2 + F32(-0.49999856419182183)
    cosine = F32(cosine * t2 + F32(0.99999997232849431))
    odd = U32(turned << U32(1)).view(I32) < I32(0)
    first, second = (sine, cosine) if odd else (cosine, sine)
    sign = U32(U32(U64(turned) + U64(0x40000000)) & U32(0x80000000)).view(I32)
    first = I32(F32(radius * first).view(I32) ^ sign).view(F32)
    second = I32(F32(radius * second).view(I32) ^ U32(turned & U32(0x80000000)).view(I32)).view(F32)
    return first, second


def _pair_double(a: Any, b: Any, out: Any) -> Any:
    u = (np.float64(a) + 0.5) * 2.0**-32
    bits = np.float64(u).view(I64)
    shift = I64(I64(bits - I64(0x3FE6A09E667F3BCD)) >> I64(52))
    m = I64(bits - I64(shift << I64(52))).view(np.float64)
    w = (m - 1.0) / (m + 1.0)
    w2 = w * w
    # atanh(w) / w for m in [sqrt(1/2), sqrt(2)), 1.2e-18
    q = 0.074048551803276384
    q = q * w2 + 0.076562640741820955
    q = q * w2 + 0.090918158401146644
    q = q * w2 + 0.11111098528363023
    q = q * w2 + 0.14285714380320840
    q = q * w2 + 0.19999999999651169
    q = q * w2 + 0.33333333333333823
    q = q * w2 + 1.0
    radius = np.sqrt(-2.0 * (np.float64(shift) * 0.69314718055994531 + 2.0 * w * q))
    quadrant = U32(U32(U64(b) + U64(0x20000000)) >> U32(30))
    t = np.float64(U32(U32(b) << U32(2)).view(I32)) * 3.657295198167899e-10
    t2 = t * t
    sine = 1.5894736651849095e-10
    sine = sine * t2 + -2.5050716974102746e-8
    sine = sine * t2 + 2.7557313376400129e-6
    sine = sine * t2 + -0.00019841269828650300
    sine = sine * t2 + 0.0083333333333203625
    sine = sine * t2 + -0.16666666666666617
    sine = (sine * t2 + 1.0) * t
    cosine = 2.0630454379662293e-9
    cosine = cosine * t2 + -2.7555233884847419e-7
    cosine = cosine * t2 + 2.4801578538562986e-5
    cosine = cosine * t2 + -0.0013888888869978659
    cosine = cosine * t2 + 0.041666666666472306
    cosine = cosine * t2 + -0.49999999999999251
    cosine = cosine * t2 + 1.0
    first = sine if (quadrant & U32(1)) else cosine
    second = cosine if (quadrant & U32(1)) else sine
    first = -first if ((quadrant + U32(1)) & U32(2)) else first
    second = -second if (quadrant & U32(2)) else second
    return radius * first, radius * second


@by_type(lambda a, b, out: _pair_single if is_single(out.dtype) else _pair_double)
def normal_pair(a: Any, b: Any, out: Any) -> Any:
    """Two standard normals from two 32-bit words, in the precision of the array ``out`` (which is not written)."""
    return _pair_single(a, b, out) if out.dtype == F32 else _pair_double(a, b, out)


@kernel
def normal_rows(key: Any, step: Any, group: Any, pair: Any, words: Any, out: Any, stride: Any, rows: Any) -> None:
    """Draw coordinates 2 pair and 2 pair + 1 of the ``rows`` rows from row GROUP group on.

    words : (2, rows up to a multiple of GROUP) uint32 scratch.  out : flat; coordinate c of these rows goes to
    out[c stride :][:rows].
    """
    k0, k1 = U64(key[0]), U64(key[1])
    c2, c3 = U64(step) & WORD, U64(step) >> U64(32)
    for begin in range(0, rows, GROUP):
        first, second = np.uintp(begin), np.uintp(begin + LANES)
        counter = U64(group * LANES + begin // 2)
        for lane in range(min(rows - begin, LANES)):
            i = np.uintp(lane)
            w0, w1, w2, w3 = _philox(counter + U64(lane), U64(pair), c2, c3, k0, k1)
            words[0, first + i], words[1, first + i] = U32(w0), U32(w1)
            words[0, second + i], words[1, second + i] = U32(w2), U32(w3)
    o, s = np.uintp(2 * pair * stride), np.uintp(stride)
    for lane in range(rows):
        i = np.uintp(lane)
        x, y = normal_pair(words[0, i], words[1, i], out)
        out[o + i] = x
        out[o + s + i] = y


@kernel
def fill_normals(key: Any, step: Any, first_group: Any, words: Any, out: Any, rows: Any) -> None:
    """Fill out, flat: at c rows + i, coordinate c of row GROUP first_group + i at this step, for an even number of c.

    words : (2, AT_ONCE) uint32 scratch.
    """
    for o in range(0, rows, AT_ONCE):
        for pair in range(out.shape[0] // (2 * rows)):
            normal_rows(key, step, first_group + o // GROUP, pair, words, out[o:], rows, min(rows - o, AT_ONCE))


def draw_normals(key: np.ndarray, step: int, first_group: int, out: np.ndarray) -> None:
    """Fill out (2 pairs, whole GROUPs): [c, i] is coordinate c of row GROUP first_group + i at this step."""
    fill_normals(key, step, first_group, np.empty((2, AT_ONCE), np.uint32), out.reshape(-1), out.shape[1])


def sequence_normals(key: np.ndarray, first: int, count: int, m: int) -> np.ndarray:
    """Standard normals (count, m), float64, of the samples first, first + 1, ...: see ``streams.sequence_normals``."""
    result = np.empty((count, m))
    done = 0
    while done < count:
        step, row = divmod(first + done, SEQUENCE_ROWS)
        taken = min(count - done, SEQUENCE_ROWS - row)
        groups = (row + taken - 1) // GROUP - row // GROUP + 1
        drawn = np.empty((2 * ((m + 1) // 2), groups * GROUP))
        draw_normals(key, step, row // GROUP, drawn)
        result[done : done + taken] = drawn[:m, row % GROUP : row % GROUP + taken].T
        done += taken
    return result
