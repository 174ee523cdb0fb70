// SPDX-License-Identifier: MIT
//
// words_protocol.h - what the model of the words is about: what may break, what the code does, line by line, and the
// names of what it has (words.h).
#pragma once

#include "memory.h"

namespace fastalloc_test::words_model
{

constexpr const char *gone = "the words of a thread that is gone are written";
constexpr const char *not_own = "a word names an arena that is not its thread's";
constexpr const char *shared = "two threads have one arena";
constexpr const char *unseen = "a call does not see the mode";
constexpr const char *still_seen = "a call sees the mode after it was taken away";
constexpr const char *not_flushed = "a thread does not flush when it was asked to";
constexpr const char *came_back = "a thread attaches again after its end";

// What the code does. A mutation changes one line.
struct Protocol
{
    bool attach_writes_under_the_lock = true;
    bool attach_reads_mode_under_the_lock = true;
    bool restore_writes_under_the_lock = true;
    bool move_writes_under_the_lock = true;
    bool move_leaves_the_registry = true; // arena->words = nullptr, of the arena that was left
    bool move_hands_over_under_the_lock = true;
    bool detach_writes_under_the_lock = true;
    bool detach_leaves_the_registry = true; // arena->words = nullptr
    bool detach_ends_the_words = true;
    bool detach_lists_it_last = true;
    bool installer_takes_the_lock = true;
    bool installer_passes_over_who_was_asked = true;
    bool unheard_end_detaches = true; // pthread_setspecific failed: nobody would tell when the thread ends
};

constexpr unsigned users = 2; // threads 0 and 1
constexpr unsigned installer = users;
constexpr unsigned arenas = 3;
constexpr uint8_t call_that_moves = 2; // of thread 0
constexpr uint8_t calls = 3;           // of a thread
constexpr uint8_t nobody = 0xff;

// What a word names.
constexpr int8_t empty_arena = 0;
constexpr int8_t ending_arena = 1;
constexpr int8_t watched_arena = 2;
constexpr int8_t first_arena = 3; // and the next

// Atomic variables.
constexpr unsigned words = 0; // of thread 0; 1 follows
constexpr unsigned lock = words + users;
constexpr unsigned told = lock + 1; // how many acts of the installer have returned
constexpr unsigned variables = told + 1;

// The installer's acts, in order.
constexpr uint8_t purge = 0;
constexpr uint8_t install = 1;
constexpr uint8_t remove_mode = 2;
constexpr uint8_t acts = 3;

} // namespace fastalloc_test::words_model
