// SPDX-License-Identifier: MIT
//
// e^x and ln x by their series, for the library needs no libm.
#include "watch/sampling.h"

namespace fastalloc::sampling
{
namespace
{

// 1 - e^-x for x below 1/16, to the last bits.
double series(double x)
{
    return x * (1 - x / 2 * (1 - x / 3 * (1 - x / 4 * (1 - x / 5 * (1 - x / 6 * (1 - x / 7))))));
}

uint64_t saturated(double bytes)
{
    return bytes >= 0x1p64 ? UINT64_MAX : static_cast<uint64_t>(bytes);
}

constexpr double ln_2 = 0.6931471805599453;

// Of u in [1, 2), by the series of artanh z, z = (u - 1) / (u + 1) below 1/3.
double ln_of(double u)
{
    const double z = (u - 1) / (u + 1);
    const double square = z * z;
    double sum = 0;
    for (int power = 27; power >= 1; power -= 2)
        sum = sum * square + 1.0 / power;
    return 2 * z * sum;
}

} // namespace

// With y = 1 - e^-x it is y(2 - y) for 2x.
double probability(uint64_t bytes, uint64_t interval)
{
    double x = static_cast<double>(bytes) / static_cast<double>(interval);
    if (x > 64)
        return 1;
    int doublings = 0;
    for (; x >= 1.0 / 16; x /= 2)
        ++doublings;
    double y = series(x);
    for (; doublings != 0; --doublings)
        y *= 2 - y;
    return y;
}

uint64_t stands_for(uint64_t bytes, uint64_t interval)
{
    return bytes == 0 ? 0 : saturated(static_cast<double>(bytes) / probability(bytes, interval));
}

// -ln u times the interval, u = (random + 1) / 2^64.
uint64_t bytes_to_next(uint64_t interval, uint64_t random)
{
    if (random == UINT64_MAX)
        return 0;
    const uint64_t number = random + 1;
    const int zeros = __builtin_clzll(number);
    const double mantissa =
        static_cast<double>(number << zeros) / 0x1p63; // in [1, 2], number = mantissa x 2^(63 - zeros)
    const double minus_ln = (zeros + 1) * ln_2 - ln_of(mantissa);
    return minus_ln <= 0 ? 0 : saturated(minus_ln * static_cast<double>(interval));
}

double fraction(uint64_t random)
{
    return static_cast<double>(random >> 11) * 0x1p-53;
}

} // namespace fastalloc::sampling
