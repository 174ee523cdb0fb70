// SPDX-License-Identifier: MIT
//
// Claims about who writes the words of a thread: words.h.
#include "words.h"

#include "claims.h"

using namespace fastalloc_test;
using namespace fastalloc_test::words_model;

namespace
{

void words_name_their_threads_arena_or_the_mode_in_force(void **)
{
    assert_holds("words", Words{}, 10'000);
}

void each_line_about_words_is_needed(void **)
{
    assert_breaks("attach writes outside the lock", Words{{.attach_writes_under_the_lock = false}}, not_flushed);
    assert_breaks("attach reads the mode first", Words{{.attach_reads_mode_under_the_lock = false}}, unseen);
    assert_breaks("restore without the lock", Words{{.restore_writes_under_the_lock = false}}, unseen);
    assert_breaks("move writes outside the lock", Words{{.move_writes_under_the_lock = false}}, not_own);
    assert_breaks("move stays in the registry", Words{{.move_leaves_the_registry = false}}, gone);
    assert_breaks("move hands over too early", Words{{.move_hands_over_under_the_lock = false}}, not_flushed);
    assert_breaks("detach writes before the lock", Words{{.detach_writes_under_the_lock = false}}, came_back);
    assert_breaks("detach stays in the registry", Words{{.detach_leaves_the_registry = false}}, gone);
    assert_breaks("detach leaves the words", Words{{.detach_ends_the_words = false}}, not_own);
    assert_breaks("detach lists the arena first", Words{{.detach_lists_it_last = false}}, shared);
    assert_breaks("installer without the lock", Words{{.installer_takes_the_lock = false}}, unseen);
    assert_breaks("installer forgets a purge", Words{{.installer_passes_over_who_was_asked = false}}, not_flushed);
    assert_breaks("nobody hears of the end", Words{{.unheard_end_detaches = false}}, gone);
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(words_name_their_threads_arena_or_the_mode_in_force),
        cmocka_unit_test(each_line_about_words_is_needed),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
