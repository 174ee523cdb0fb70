// SPDX-License-Identifier: MIT
#include "watch/sampling.h"

#include "base/config.h"
#include "os/random.h"

#include <cmath>

#include "layers.h"

namespace
{

using namespace fastalloc;

void the_probability_is_what_libm_says(void **)
{
    for (const uint64_t interval : {uint64_t{1}, uint64_t{1000}, 512 * kibibyte, gibibyte})
        for (uint64_t bytes = 1; bytes < 64 * gibibyte; bytes += bytes / 3 + 1)
        {
            const double exact = -std::expm1(-static_cast<double>(bytes) / static_cast<double>(interval));
            assert_true(std::fabs(sampling::probability(bytes, interval) - exact) <= 1e-11 * exact);
        }
    assert_true(sampling::probability(0, 1000) == 0);
}

void a_block_stands_for_itself_at_least(void **)
{
    assert_int_equal(sampling::stands_for(64, 1), 64);
    assert_int_equal(sampling::stands_for(0, 1000), 0);
    for (uint64_t bytes = 1; bytes < gibibyte; bytes *= 3)
        assert_true(sampling::stands_for(bytes, 4096) >= bytes);
    assert_true(sampling::stands_for(64, UINT64_MAX) == UINT64_MAX);
    assert_true(sampling::bytes_to_next(UINT64_MAX, 0) == UINT64_MAX);
    // A small block stands for the interval and half of itself.
    assert_int_equal(sampling::stands_for(64, 512 * kibibyte), 512 * kibibyte + 32);
}

void the_way_to_the_next_sample_is_what_libm_says(void **)
{
    for (uint64_t number = 0; number < 100'000; ++number)
    {
        const uint64_t random = mix(number);
        const double exact = -std::log((static_cast<double>(random) + 1) / 0x1p64) * 1e6;
        const auto drawn = static_cast<double>(sampling::bytes_to_next(1'000'000, random));
        assert_true(drawn <= exact + 1e-6 && drawn > exact - 1 - 1e-6);
    }
    assert_int_equal(sampling::bytes_to_next(1'000'000, UINT64_MAX), 0);
    assert_int_equal(sampling::bytes_to_next(1'000'000, 0), 44361419);
}

void fractions_are_below_one(void **)
{
    assert_true(sampling::fraction(0) == 0);
    assert_true(sampling::fraction(UINT64_MAX) < 1 && sampling::fraction(UINT64_MAX) > 0.999999);
    assert_true(sampling::fraction(uint64_t{1} << 63) == 0.5);
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(the_probability_is_what_libm_says),
        cmocka_unit_test(a_block_stands_for_itself_at_least),
        cmocka_unit_test(the_way_to_the_next_sample_is_what_libm_says),
        cmocka_unit_test(fractions_are_below_one),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
