// SPDX-License-Identifier: MIT
//
// Claims about heap/density.h.
#include "heap/density.h"

#include "layers.h"

using namespace fastalloc_test;

namespace
{

void it_is_low_until_samples_say_otherwise(void **)
{
    Density density;
    assert_false(density.is_high());
    unsigned samples = 0;
    for (; !density.is_high() && samples < 100; samples++)
        density.sample(512, 512);
    assert_in_range(samples, 2, 8);
}

void memory_nobody_uses_yet_says_nothing(void **)
{
    Density density;
    for (unsigned sample = 0; sample < 20; sample++)
        density.sample(512, 512);
    for (unsigned sample = 0; sample < 100; sample++)
        density.sample(0, 512);
    assert_true(density.is_high());
}

void a_few_sparse_samples_end_it(void **)
{
    Density density;
    for (unsigned sample = 0; sample < 100; sample++)
        density.sample(512, 512);
    density.sample(128, 512);
    density.sample(128, 512);
    assert_false(density.is_high());
}

void what_classes_round_up_does_not_count(void **)
{
    Density density;
    for (unsigned sample = 0; sample < 100; sample++)
        density.sample(448, 512); // 7 pages of 8
    assert_true(density.is_high());
    for (unsigned sample = 0; sample < 100; sample++)
        density.sample(384, 512);
    assert_false(density.is_high());
}

void one_chunk_of_sixteen_is_a_probe(void **)
{
    Density density;
    unsigned probes = 0;
    for (unsigned chunk = 0; chunk < 1600; chunk++)
        probes += density.is_probe();
    assert_int_equal(probes, 100);
}

// Of so many chunks, how many are samples that have `resident` pages of 512.
unsigned samples_of(Density &density, unsigned chunks, unsigned resident)
{
    unsigned samples = 0;
    for (unsigned chunk = 0; chunk < chunks; chunk++)
        if (density.wants_sample())
        {
            density.sample(resident, 512);
            samples++;
        }
    return samples;
}

void samples_of_hardly_used_memory_become_rare(void **)
{
    for (const unsigned resident : {0, 1, 300})
    {
        Density density;
        assert_in_range(samples_of(density, 3200, resident), 90, 110);
        // The first dense one makes all of them count again.
        assert_in_range(samples_of(density, 32 + 8, 512), 9, 40);
        assert_true(density.is_high());
    }
}

void while_it_is_high_each_sample_counts(void **)
{
    Density density;
    assert_int_equal(samples_of(density, 100, 512), 100);
    assert_int_equal(samples_of(density, 100, 0), 100);
    samples_of(density, 2, 128);
    assert_false(density.is_high());
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(it_is_low_until_samples_say_otherwise),
        cmocka_unit_test(memory_nobody_uses_yet_says_nothing),
        cmocka_unit_test(a_few_sparse_samples_end_it),
        cmocka_unit_test(what_classes_round_up_does_not_count),
        cmocka_unit_test(one_chunk_of_sixteen_is_a_probe),
        cmocka_unit_test(samples_of_hardly_used_memory_become_rare),
        cmocka_unit_test(while_it_is_high_each_sample_counts),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
