/* tanh in float32, computed in double: 1 - 2 / (exp(2 x) + 1), and rounded once at the end. */
#include <math.h>
#include <stdint.h>
#include <string.h>

/* exp(x) for 0 <= x <= 40: 2^n exp(r) with |r| <= log(2) / 2, where twelve terms of the series
   leave a relative error below 1e-14. */
static double exponential(double x)
{
    const double log_2_high = 0.69314718036912382, log_2_low = 1.9082149292705877e-10;
    const int32_t n = (int32_t)(x * 1.4426950408889634 + 0.5);
    const double r = (x - n * log_2_high) - n * log_2_low;
    double sum = 1.0, power;
    uint64_t bits = (uint64_t)(1023 + n) << 52;
    int k;
    for (k = 12; k > 0; k--) sum = 1.0 + sum * r / k;
    memcpy(&power, &bits, sizeof power);
    return power * sum;
}

float tanhf(float x)
{
    const double magnitude = x < 0.0f ? -(double)x : (double)x;
    double result;
    if (x != x) return x;
    if (magnitude < 1e-3) { /* the difference below would cancel */
        result = magnitude - magnitude * magnitude * magnitude / 3.0;
    } else if (magnitude < 20.0) {
        result = 1.0 - 2.0 / (exponential(2.0 * magnitude) + 1.0);
    } else {
        result = 1.0;
    }
    return x < 0.0f ? (float)-result : (float)result;
}
