// SPDX-License-Identifier: MIT
//
// Claims about bench/latency.h: what is counted in a histogram comes out of it, to 3 %.
#define _GNU_SOURCE
#include "../../bench/latency.h"

#include "../support.h"

static struct latency_histogram *new_histogram(void)
{
    return bench_array(1, sizeof(struct latency_histogram));
}

static void every_value_has_a_bucket_that_ends_at_most_3_percent_above_it(void **state)
{
    (void)state;
    size_t last = 0;
    for (uint64_t value = 0; value < UINT64_MAX / 2; value += 1 + value / 100)
    {
        const size_t bucket = latency_bucket(value);
        assert_true(bucket >= last && bucket < LATENCY_BUCKETS);
        assert_true(latency_bucket_end(bucket) >= value);
        assert_true(latency_bucket_end(bucket) - value <= value / 32);
        assert_true(latency_bucket(latency_bucket_end(bucket)) == bucket);
        assert_true(latency_bucket(latency_bucket_end(bucket) + 1) == bucket + 1);
        last = bucket;
    }
    assert_true(latency_bucket(UINT64_MAX) == LATENCY_BUCKETS - 1);
}

static void percentiles_of_1_to_a_million_are_their_own_numbers(void **state)
{
    (void)state;
    struct latency_histogram *histogram = new_histogram();
    for (uint64_t value = 1000000; value > 0; --value)
        latency_record(histogram, value);
    const uint64_t wanted[] = {100, 2500, 5000, 9900, 9990, 9999};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; ++i)
    {
        const uint64_t found = latency_percentile(histogram, wanted[i]);
        assert_in_range(found, wanted[i] * 100, wanted[i] * 100 * 33 / 32);
    }
    assert_int_equal(latency_percentile(histogram, 10000), 1000000);
    assert_int_equal(histogram->largest, 1000000);
    assert_int_equal(histogram->count, 1000000);
}

static void one_slow_call_in_a_thousand_is_the_percentile_99_95_and_no_lower_one(void **state)
{
    (void)state;
    struct latency_histogram *histogram = new_histogram();
    for (int i = 0; i < 99900; ++i)
        latency_record(histogram, 20);
    for (int i = 0; i < 100; ++i)
        latency_record(histogram, 50000);
    assert_int_equal(latency_percentile(histogram, 5000), 20);
    assert_int_equal(latency_percentile(histogram, 9990), 20);
    assert_in_range(latency_percentile(histogram, 9995), 50000, 50000 * 33 / 32);
    assert_int_equal(latency_percentile(histogram, 10000), 50000);
}

static void a_histogram_of_one_value_has_no_other(void **state)
{
    (void)state;
    struct latency_histogram *histogram = new_histogram();
    latency_record(histogram, 12345);
    assert_int_equal(latency_percentile(histogram, 1), 12345);
    assert_int_equal(latency_percentile(histogram, 5000), 12345);
    assert_int_equal(latency_percentile(histogram, 10000), 12345);
}

static void an_empty_histogram_has_percentile_0(void **state)
{
    (void)state;
    assert_int_equal(latency_percentile(new_histogram(), 5000), 0);
}

static void histograms_add_up(void **state)
{
    (void)state;
    struct latency_histogram *sum = new_histogram();
    struct latency_histogram *other = new_histogram();
    for (int i = 0; i < 10; ++i)
    {
        latency_record(sum, 5);
        latency_record(other, 700);
    }
    latency_add(sum, other);
    assert_int_equal(sum->count, 20);
    assert_int_equal(sum->largest, 700);
    assert_int_equal(latency_percentile(sum, 5000), 5);
    assert_in_range(latency_percentile(sum, 5100), 700, 722);
}

static void the_counter_goes_on_and_its_rate_is_known(void **state)
{
    (void)state;
    const uint64_t begin = latency_now();
    const double rate = latency_ticks_per_ns();
    assert_true(latency_now() > begin);
    assert_true(rate > 0.0005 && rate < 50); // 500 kHz to 50 GHz
    assert_true((double)latency_overhead() / rate < 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_has_a_bucket_that_ends_at_most_3_percent_above_it),
        cmocka_unit_test(percentiles_of_1_to_a_million_are_their_own_numbers),
        cmocka_unit_test(one_slow_call_in_a_thousand_is_the_percentile_99_95_and_no_lower_one),
        cmocka_unit_test(a_histogram_of_one_value_has_no_other),
        cmocka_unit_test(an_empty_histogram_has_percentile_0),
        cmocka_unit_test(histograms_add_up),
        cmocka_unit_test(the_counter_goes_on_and_its_rate_is_known),
    };
    return cmocka_run_group_tests_name("latency", tests, NULL, NULL);
}
