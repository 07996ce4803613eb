"""C text that does not depend on the actor: types, and functions that its layers call."""

from __future__ import annotations

DOT_TYPES = """\
/* Inputs of dense dot products, in the type from which each compiler makes the best vector code. */
#ifdef __clang__
typedef int16_t dot_unsigned;
#else
typedef uint8_t dot_unsigned;
#endif
typedef int16_t dot_signed;

"""

SEPARATE = """\
/* Inlined into straight-line code, this would keep its results in vector registers and take them
   apart one by one. */
#ifdef __GNUC__
__attribute__((noinline))
#endif
"""

DYNAMIC_QUANTISE = (
    SEPARATE
    + """\
static void quantize(const float *x, int n, float inverse, float *q)
{
    int i;
    for (i = 0; i < n; i++) q[i] = (float)quantized(x[i] * inverse);
}

"""
)

STATIC_QUANTISE = (
    SEPARATE
    + """\
static void quantize(const float *x, int n, float inverse, float *q)
{
    int i;
    for (i = 0; i < n; i++) q[i] = (float)nearest(clipped(x[i] * inverse));
}

"""
)

FUNCTIONS = {
    "largest_magnitude": """\
/* The largest magnitude of n floats; magnitudes of floats order like their bits. */
static float largest_magnitude(const float *x, int n)
{
    uint32_t largest = 0, bits;
    float result;
    int i;
    for (i = 0; i < n; i++) {
        memcpy(&bits, x + i, sizeof bits);
        bits &= 0x7fffffffu;
        largest = bits > largest ? bits : largest;
    }
    memcpy(&result, &largest, sizeof result);
    return result;
}

""",
    "bounded": """\
static int32_t bounded(int32_t x)
{
    x = x > 127 ? 127 : x;
    return x < -127 ? -127 : x;
}

""",
    "positive": """\
/* The same after a ReLU. */
static int32_t positive(int32_t x)
{
    x = x > 127 ? 127 : x;
    return x < 0 ? 0 : x;
}

""",
    "nearest": """\
/* round_half_even(x) for |x| < 2^22: adding 1.5 * 2^23 leaves the rounded integer in the low bits.
   Clipping integers behind it, not floats before, lets compilers vectorize. */
static int32_t nearest(float x)
{
    uint32_t bits;
    x += 12582912.0f;
    memcpy(&bits, &x, sizeof bits);
    return (int32_t)(bits - 0x4b400000u);
}

""",
    "quantized": """\
static int32_t quantized(float x)
{
    return bounded(nearest(x));
}

""",
    "clipped": """\
/* x, with a magnitude of at most 127; magnitudes of floats order like their bits. */
static float clipped(float x)
{
    int32_t bits, magnitude;
    memcpy(&bits, &x, sizeof bits);
    magnitude = bits & 0x7fffffff;
    magnitude = magnitude > 0x42fe0000 ? 0x42fe0000 : magnitude;
    bits = (bits & ~0x7fffffff) | magnitude;
    memcpy(&x, &bits, sizeof bits);
    return x;
}

""",
    "shifted": """\
/* C99 leaves the right shift of a negative number to the compiler: insist on the arithmetic one. */
typedef char srl_needs_arithmetic_shift[((-1) >> 1) == -1 ? 1 : -1];

/* round_half_even(x / 2^shift) */
static int32_t shifted(int32_t x, int shift)
{
    return (x + ((1 << (shift - 1)) - 1) + ((x >> shift) & 1)) >> shift;
}

""",
    "two_sums": """\
#if defined(__ARM_FEATURE_SIMD32) && !defined(__ARM_BIG_ENDIAN)
#include <arm_acle.h>
#endif

/* Sums of n products for the rows at w and v, n a multiple of four. Of every four weights the
   second and the third have changed places: for processors that multiply two halves at once. */
static void two_sums(const int16_t *q, const int8_t *w, const int8_t *v, int n, int32_t *sum)
{
    int32_t first = 0, second = 0;
    int k;
    for (k = 0; k < n; k += 4) {
#if defined(__ARM_FEATURE_SIMD32) && !defined(__ARM_BIG_ENDIAN)
        uint32_t a, b, c, d;
        memcpy(&a, q + k, 4);
        memcpy(&b, q + k + 2, 4);
        memcpy(&c, w + k, 4);
        memcpy(&d, v + k, 4);
        first = __smlad((int16x2_t)a, __sxtb16((int8x4_t)c), first);
        first = __smlad((int16x2_t)b, __sxtb16((int8x4_t)(c >> 8)), first);
        second = __smlad((int16x2_t)a, __sxtb16((int8x4_t)d), second);
        second = __smlad((int16x2_t)b, __sxtb16((int8x4_t)(d >> 8)), second);
#else
        first += q[k] * w[k] + q[k + 1] * w[k + 2] + q[k + 2] * w[k + 1] + q[k + 3] * w[k + 3];
        second += q[k] * v[k] + q[k + 1] * v[k + 2] + q[k + 2] * v[k + 1] + q[k + 3] * v[k + 3];
#endif
    }
    sum[0] = first;
    sum[1] = second;
}

""",
    "scale_of": """\
/* The largest magnitude over 127, of 1 where it is 0. Nan where it is not finite, so that no sum
   makes a number of that again. */
static float scale_of(float largest)
{
    return (largest == 0.0f ? 1.0f : largest) * 0.00787401572f + (largest - largest);
}

""",
    "inverse_of": """\
/* One over a scale, or one where that is not finite. */
static float inverse_of(float scale)
{
    const float inverse = 1.0f / scale;
    return inverse > FLT_MAX ? 1.0f : inverse;
}

""",
}
"""What layers call, by name, in the order in which C needs it."""


def functions_called_in(code: str) -> str:
    """Those of the common functions whose names are called, also by each other."""
    found: list[str] = []
    for name in reversed(list(FUNCTIONS)):
        if f"{name}(" in code + "".join(found):
            found.insert(0, FUNCTIONS[name])
    return "".join(found)
