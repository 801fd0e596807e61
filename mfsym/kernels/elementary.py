"""Elementary functions that LLVM vectorises: branch-free, one polynomial each, in single and double precision.

NaN propagates and infinities saturate. The polynomials are Chebyshev fits on the interval named beside them, with the
largest error of the fit; ``tests/unit/kernels/test_activations.py`` measures the error of what is computed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mfsym.accelerate import JIT_DISABLED, by_type, cgutils, intrinsic, ir, is_single

F32, I32, F64, I64 = np.float32, np.int32, np.float64, np.int64

LOG2_E = 1.4426950408889634


def _like_single(x: Any, value: Any) -> Any:
    return F32(value)


def _like_double(x: Any, value: Any) -> Any:
    return F64(value)


@by_type(lambda x, value: _like_single if is_single(x) else _like_double)
def like(x: Any, value: Any) -> Any:
    """``value`` in the precision of x, so that constants do not promote single precision."""
    return F32(value) if isinstance(x, F32) else F64(value)


if not JIT_DISABLED:

    @intrinsic
    def _limit(typing_context: Any, t: Any, bound: Any) -> Any:
        """One instruction a side, where compilers make three of a comparison and a choice that keep NaN."""

        def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kind = values[0].type
            suffix = "f32" if isinstance(kind, ir.FloatType) else "f64"
            function = ir.FunctionType(kind, [kind, kind])
            least, largest = (
                cgutils.get_or_insert_function(builder.module, function, f"llvm.{name}.{suffix}")
                for name in ("minimum", "maximum")
            )
            return builder.call(largest, [builder.call(least, values), builder.fneg(values[1])])

        return t(t, t), emit


def _clamp_compiled(t: Any, bound: Any) -> Any:
    return _limit(t, bound)


@by_type(lambda t, bound: _clamp_compiled)
def clamp(t: Any, bound: Any) -> Any:
    """t in [-bound, bound]; NaN if t is."""
    return -bound if t < -bound else (bound if t > bound else t)


def _largest_single(t: Any) -> Any:
    return F32(126.0)


def _largest_double(t: Any) -> Any:
    return F64(1010.0)


@by_type(lambda t: _largest_single if is_single(t) else _largest_double)
def largest_power(t: Any) -> Any:
    """126 (1010): the largest t, in its precision, for which 2^t and 2^-t are made here."""
    return _largest_single(t) if isinstance(t, F32) else _largest_double(t)


def _magnitude_single(t: Any) -> Any:
    return I32(F32(abs(t)).view(I32))


def _magnitude_double(t: Any) -> Any:
    return I64(F64(abs(t)).view(I64))


@by_type(lambda t: _magnitude_single if is_single(t) else _magnitude_double)
def magnitude(t: Any) -> Any:
    """The bits of |t| as an integer: ordered as |t| is, with NaN above infinity."""
    return _magnitude_single(t) if isinstance(t, F32) else _magnitude_double(t)


def _exponent_single(k: Any) -> Any:
    return I32(I32(F32(k + F32(1.5 * 2.0**23)).view(I32)) << I32(23))


def _exponent_double(k: Any) -> Any:
    return I64(I64(F64(k + 1.5 * 2.0**52).view(I64)) << I64(52))


@by_type(lambda k: _exponent_single if is_single(k) else _exponent_double)
def exponent(k: Any) -> Any:
    """The integer that multiplies a number by 2^k when it is added to the number's bits; k whole, |k| <= 126 (1010).

    Adding 1.5 * 2^23 (2^52) brings k to the low bits: double precision has no vector conversion to integers without
    AVX-512. Of NaN, bits without meaning.
    """
    return _exponent_single(k) if isinstance(k, F32) else _exponent_double(k)


def _exp2_parts_single(t: Any) -> Any:
    t = clamp(t, largest_power(t))
    k = F32(np.rint(t))
    f = F32(t - k)
    # (2^f - 1) / f on |f| <= 1/2, 9.8e-8 in 2^f
    q = F32(0.0013386745704337955)
    q = q * f + F32(0.009671869687736034)
    q = q * f + F32(0.05550369620323181)
    q = q * f + F32(0.24022234976291656)
    q = q * f + F32(0.6931471824645996)
    return I32(exponent(k) + I32(0x3F800000)).view(F32), F32(q * f)


def _exp2_parts_double(t: Any) -> Any:
    t = clamp(t, largest_power(t))
    k = np.rint(t)
    f = t - k
    # (2^f - 1) / f on |f| <= 1/2, 4.2e-16 in 2^f
    q = 7.0741945626131047707e-9
    q = q * f + 1.021147625809514562e-7
    q = q * f + 1.3215433539637458187e-6
    q = q * f + 1.5252641589521347767e-5
    q = q * f + 1.5403530458701168532e-4
    q = q * f + 1.3333558259546660396e-3
    q = q * f + 9.6181291075951075981e-3
    q = q * f + 5.5504108664243687819e-2
    q = q * f + 0.24022650695910120308
    q = q * f + 0.69314718055995380822
    return I64(exponent(k) + I64(0x3FF0000000000000)).view(F64), q * f


@by_type(lambda t: _exp2_parts_single if is_single(t) else _exp2_parts_double)
def exp2_parts(t: Any) -> Any:
    """The pair (u, g) with 2^t = u (1 + g), u a power of two and |g| < 0.42; t is clamped to +-126 (+-1010)."""
    return _exp2_parts_single(t) if isinstance(t, F32) else _exp2_parts_double(t)


def _logistic2_single(t: Any) -> Any:
    k = F32(np.rint(t))
    f = F32(t - k)
    # f coth(f log(2) / 2) on |f| <= 1/2, 3.1e-10 in 2^f
    f2 = F32(f * f)
    q = F32(-0.00092045379)
    q = q * f2 + F32(0.11552395347)
    q = F32(q * f2 + F32(2.8853900998))
    lower = F32(q - f)
    upper = I32(F32(q + f).view(I32) + exponent(k)).view(F32)
    return F32(lower / F32(lower + upper))


def _logistic2_double(t: Any) -> Any:
    k = np.rint(t)
    f = t - k
    # f coth(f log(2) / 2) on |f| <= 1/2, 1.8e-16 in 2^f
    f2 = f * f
    q = -1.260511818110554e-7
    q = q * f2 + 1.0581925618285368561e-5
    q = q * f2 + -9.2506844894712216271e-4
    q = q * f2 + 0.1155245300920381389
    q = q * f2 + 2.885390081777942903
    lower = q - f
    upper = I64(F64(q + f).view(I64) + exponent(k)).view(F64)
    return lower / (lower + upper)


@by_type(lambda t: _logistic2_single if is_single(t) else _logistic2_double)
def logistic2(t: Any) -> Any:
    """1 / (1 + 2^t) for |t| <= 126 (1010), or NaN.

    2^f = (q + f) / (q - f) with q = f coth(f log(2) / 2), even in f: half the products of a polynomial for 2^f.
    """
    return _logistic2_single(t) if isinstance(t, F32) else _logistic2_double(t)


def _exp_parts(y: Any) -> Any:
    return exp2_parts(y * like(y, LOG2_E))


@by_type(lambda y: _exp_parts)
def exp_parts(y: Any) -> Any:
    """The pair (u, g) with e^y = u (1 + g); y is clamped to +-87 (+-700)."""
    return _exp_parts(y)


def _log1p_unit_single(u: Any) -> Any:
    w = F32(u / (F32(2.0) + u))
    w2 = F32(w * w)
    # atanh(w) / w on w^2 <= 1/9, 4.2e-9
    q = F32(0.1407888918155454)
    q = q * w2 + F32(0.13982578872598634)
    q = q * w2 + F32(0.20012297615351874)
    q = q * w2 + F32(0.33333160820688887)
    q = q * w2 + F32(1.0000000038408794)
    return F32(F32(2.0) * w * q)


def _log1p_unit_double(u: Any) -> Any:
    w = u / (2.0 + u)
    w2 = w * w
    # atanh(w) / w on w^2 <= 1/9, 4.9e-17
    q = 0.088903819130566514
    q = q * w2 + 0.049403945243823931
    q = q * w2 + 0.067956527427899469
    q = q * w2 + 0.076818381244458171
    q = q * w2 + 0.090914299002369555
    q = q * w2 + 0.11111095430673142
    q = q * w2 + 0.14285714555828580
    q = q * w2 + 0.19999999997643800
    q = q * w2 + 0.33333333333341287
    q = q * w2 + 0.99999999999999996
    return 2.0 * w * q


@by_type(lambda u: _log1p_unit_single if is_single(u) else _log1p_unit_double)
def log1p_unit(u: Any) -> Any:
    """log(1 + u) for 0 <= u <= 1."""
    return _log1p_unit_single(u) if isinstance(u, F32) else _log1p_unit_double(u)


def _erf_single(x: Any, e: Any) -> Any:
    x2 = F32(x * x)
    # erf(x) / x on 0 <= x <= 1, 1.2e-9
    p = F32(7.87587506268548834e-5)
    p = p * x2 + F32(-0.00080168642871658695)
    p = p * x2 + F32(0.00518908742343397)
    p = p * x2 + F32(-0.0268542120106264)
    p = p * x2 + F32(0.112835947151602)
    p = p * x2 + F32(-0.376126266667203)
    p = p * x2 + F32(1.12837916584835)
    t = F32(F32(1.0) / (F32(1.0) + F32(0.375) * x))
    # erfcx on 0 <= x <= 4.2, 3.9e-9
    q = F32(0.090094587273943512)
    q = q * t + F32(-0.58363921682029677)
    q = q * t + F32(1.3458085164573112)
    q = q * t + F32(-1.2758105341499876)
    q = q * t + F32(1.1242421383235207)
    q = q * t + F32(-0.22149378686507848)
    q = q * t + F32(0.32586376940640783)
    q = q * t + F32(0.19371535245205032)
    q = q * t + F32(0.0012191723225893004)
    return x * p if x < F32(1.0) else F32(1.0) - e * q


def _erf_double(x: Any, e: Any) -> Any:
    t = 1.0 / (1.0 + 0.375 * x)
    # erfcx on 0 <= x <= 6.2, 9.9e-17
    q = -0.0060296901174994006
    q = q * t + 0.072737746403795920
    q = q * t + -0.40265770063408341
    q = q * t + 1.3477831865144106
    q = q * t + -3.0266833818593886
    q = q * t + 4.7969135730827970
    q = q * t + -5.5429105222856142
    q = q * t + 4.8395757387686159
    q = q * t + -3.3236820201349887
    q = q * t + 1.7736960302702465
    q = q * t + -0.71574018707495838
    q = q * t + 0.32852440793439901
    q = q * t + 0.060520953775748465
    q = q * t + 0.17981845279660020
    q = q * t + 0.19481134459427552
    q = q * t + 0.21176272136247526
    q = q * t + 0.21155898913332993
    q = q * t + 3.5746983842094742e-7
    return 1.0 - e * q


@by_type(lambda x, e: _erf_single if is_single(x) else _erf_double)
def erf_positive(x: Any, e: Any) -> Any:
    """erf(x) for x >= 0, given e = e^{-x^2}: 1 - e erfcx(x), and an odd polynomial near 0 in single precision."""
    return _erf_single(x, e) if isinstance(x, F32) else _erf_double(x, e)
