"""The streams in JAX: the words of ``mfsym.streams`` bit for bit, and its normals to rounding.

Blocks of Philox4x32-10 serve two rows, LANES apart. *Half* h of the rows holds those whose number has
(row // LANES) % 2 = h, so that counter q belongs to row 2 LANES (q // LANES) + LANES h + q % LANES, the q-th of its
half: both halves are arrays as long as the counters, and no word is drawn twice or moved.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

Value = Any

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_QUARTER = 0x20000000

_LOG32 = (
    0.137483091395326,
    -0.153942717531491,
    0.140558126531333,
    -0.164145204078812,
    0.200072339849172,
    -0.250079317123341,
    0.333332726197199,
    -0.499999334372826,
    1.0,
)
"""log(1 + f) / f on |f| <= 1/3, to 3.5e-8; highest power first, as all tables here."""

_LOG64 = (
    0.074048551803276384,
    0.076562640741820955,
    0.090918158401146644,
    0.11111098528363023,
    0.14285714380320840,
    0.19999999999651169,
    0.33333333333333823,
    1.0,
)
"""atanh(w) / w in w^2 for (1 + w) / (1 - w) in [sqrt(1/2), sqrt(2)), to 1.2e-18."""

_SINE32 = (-0.00019503904250840799, 0.0083320357855973083, -0.16666650673996773, 0.99999999691770356)
_COSINE32 = (-0.0013585779264842408, 0.041655014924883755, -0.49999856419182183, 0.99999997232849431)
_SINE64 = (
    1.5894736651849095e-10,
    -2.5050716974102746e-8,
    2.7557313376400129e-6,
    -0.00019841269828650300,
    0.0083333333333203625,
    -0.16666666666666617,
    1.0,
)
_COSINE64 = (
    2.0630454379662293e-9,
    -2.7555233884847419e-7,
    2.4801578538562986e-5,
    -0.0013888888869978659,
    0.041666666666472306,
    -0.49999999999999251,
    1.0,
)
"""sin(t) / t and cos(t) in t^2 on |t| <= pi / 4, in single and in double precision."""


def block_words(counters: Value, pair: Value, step: tuple[Value, Value], key: Value) -> tuple[Value, ...]:
    """The four words, each as ``counters``, of the blocks at (counter, pair, step low, step high); all uint32.

    key : (2,) uint32.  64-bit integers must be enabled: products of 32 bits are made in them.
    """
    c0, c1, c2, c3 = (jnp.broadcast_to(jnp.uint32(c), counters.shape) for c in (counters, pair, *step))
    k0, k1 = key[0], key[1]
    for _ in range(_ROUNDS):
        low, high = (c.astype(jnp.uint64) * jnp.uint64(m) for c, m in zip((c0, c2), _MULTIPLIERS, strict=True))
        c0, c1 = _upper(high) ^ c1 ^ k0, high.astype(jnp.uint32)
        c2, c3 = _upper(low) ^ c3 ^ k1, low.astype(jnp.uint32)
        k0, k1 = k0 + jnp.uint32(_WEYL[0]), k1 + jnp.uint32(_WEYL[1])
    return c0, c1, c2, c3


def _upper(product: Value) -> Value:
    return (product >> jnp.uint64(32)).astype(jnp.uint32)


def normal_pair(a: Value, b: Value, dtype: Any) -> tuple[Value, Value]:
    """Two arrays of standard normals of a precision from two arrays of words, as ``kernels.noise.normal_pair``.

    In single precision the largest words give u = 1 after rounding, whose logarithm is 0.
    """
    radius = jnp.sqrt(-2.0 * (_log32(a) if dtype == np.float32 else _log64(a)))
    turned = b + jnp.uint32(_QUARTER)
    scale = np.float32(3.6572951981e-10) if dtype == np.float32 else 3.657295198167899e-10
    t = lax.bitcast_convert_type(b << jnp.uint32(2), jnp.int32).astype(dtype) * scale
    sines, cosines = (_SINE32, _COSINE32) if dtype == np.float32 else (_SINE64, _COSINE64)
    sine, cosine = _polynomial(sines, t * t) * t, _polynomial(cosines, t * t)
    odd = (turned & jnp.uint32(1 << 30)) != 0
    first, second = radius * jnp.where(odd, sine, cosine), radius * jnp.where(odd, cosine, sine)
    left = ((turned + jnp.uint32(1 << 30)) & jnp.uint32(1 << 31)) != 0
    below = (turned & jnp.uint32(1 << 31)) != 0
    return jnp.where(left, -first, first), jnp.where(below, -second, second)


def _polynomial(coefficients: tuple[float, ...], x: Value) -> Value:
    q = jnp.asarray(coefficients[0], x.dtype)
    for coefficient in coefficients[1:]:
        q = q * x + jnp.asarray(coefficient, x.dtype)
    return q


def _log32(a: Value) -> Value:
    """log((a + 1/2) / 2^32) in single precision."""
    u = a.astype(jnp.float32) * jnp.float32(2.0**-32) + jnp.float32(2.0**-33)
    bits = lax.bitcast_convert_type(u, jnp.int32)
    shift = (bits - jnp.int32(0x3F2AAAAB)) >> jnp.int32(23)
    f = lax.bitcast_convert_type(bits - (shift << jnp.int32(23)), jnp.float32) - jnp.float32(1.0)
    return shift.astype(jnp.float32) * jnp.float32(0.693147180559945) + _polynomial(_LOG32, f) * f


def _log64(a: Value) -> Value:
    """log((a + 1/2) / 2^32) in double precision."""
    bits = lax.bitcast_convert_type((a.astype(jnp.float64) + 0.5) * 2.0**-32, jnp.int64)
    shift = (bits - jnp.int64(0x3FE6A09E667F3BCD)) >> jnp.int64(52)
    m = lax.bitcast_convert_type(bits - (shift << jnp.int64(52)), jnp.float64)
    w = (m - 1.0) / (m + 1.0)
    return shift.astype(jnp.float64) * 0.69314718055994531 + 2.0 * w * _polynomial(_LOG64, w * w)
