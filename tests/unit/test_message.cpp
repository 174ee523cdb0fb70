// SPDX-License-Identifier: MIT
//
// Claims about os/message.h: what the line looks like, that one write carries it, and that a standard error
// that is closed, full or without a reader does no harm. What ends the process runs in a child.
#include "os/message.h"

#include "captured_stderr.h"

#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {
#include <cmocka.h>
}

using namespace fastalloc;
using fastalloc_test::capture;
using fastalloc_test::Captured;
using fastalloc_test::with_standard_error;

namespace
{

char expected_line[1024];

// "fastalloc: NAME[PID]: rest\n"
const char *line_of(const char *name, const char *rest)
{
    snprintf(expected_line, sizeof(expected_line), "fastalloc: %s[%d]: %s\n", name, getpid(), rest);
    return expected_line;
}

void a_line_names_the_library_the_program_and_the_process(void **)
{
    const Captured captured = capture(
        [] { Message().text("block ").pointer(reinterpret_cast<void *>(0x7f10)).text(" of ").decimal(32).warn(); });
    assert_string_equal(captured.text, line_of(program_invocation_short_name, "block 0x7f10 of 32"));
}

void every_word_of_text_is_a_word_of_message(void **)
{
    const Captured captured = capture([] {
        Message message;
        message.text("a").text("bcd", 2).text(" ").decimal(7).text(" ").hexadecimal(255).text(" ").bytes(1);
        message.warn();
    });
    assert_string_equal(captured.text, line_of(program_invocation_short_name, "abc 7 0xff 1 byte"));
}

void a_program_without_a_name_is_a_question_mark(void **)
{
    char *const name = program_invocation_short_name;
    char empty[] = "";
    program_invocation_short_name = nullptr;
    const Captured unset = capture([] { Message().text("x").warn(); });
    program_invocation_short_name = empty;
    const Captured unnamed = capture([] { Message().text("x").warn(); });
    program_invocation_short_name = name;
    assert_string_equal(unset.text, line_of("?", "x"));
    assert_string_equal(unnamed.text, line_of("?", "x"));
}

void a_long_program_name_leaves_room_for_the_message(void **)
{
    char *const name = program_invocation_short_name;
    static char endless[500];
    memset(endless, 'n', sizeof(endless) - 1);
    program_invocation_short_name = endless;
    const Captured captured = capture([] { Message().text("the reason").warn(); });
    program_invocation_short_name = name;
    assert_true(captured.has("nnn["));
    assert_true(captured.has("]: the reason\n"));
}

void a_long_line_is_cut_and_still_ends_with_one_newline(void **)
{
    const Captured captured = capture([] {
        Message message;
        for (unsigned i = 0; i < 200; i++)
        {
            message.text("word ");
        }
        message.warn();
    });
    assert_int_equal(captured.length, line_capacity - 1);
    assert_int_equal(captured.lines(), 1);
    assert_string_equal(captured.text + captured.length - 4, "...\n");
}

void a_line_leaves_in_one_write(void **)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    with_standard_error(ends[1], [] { Message().text("one ").decimal(1).text(" two ").decimal(2).warn(); });
    char packet[512] = {};
    assert_true(recv(ends[0], packet, sizeof(packet) - 1, MSG_DONTWAIT) > 0);
    assert_string_equal(packet, line_of(program_invocation_short_name, "one 1 two 2"));
    assert_int_equal(recv(ends[0], packet, sizeof(packet), MSG_DONTWAIT), -1);
    close(ends[0]);
    close(ends[1]);
}

void a_line_for_another_file_goes_there_alone(void **)
{
    const int file = memfd_create("lines", 0);
    const Captured captured = capture([file] { Message().text("here").write(file); });
    assert_int_equal(captured.length, 0);
    char bytes[100] = "";
    assert_true(pread(file, bytes, sizeof(bytes) - 1, 0) > 0);
    assert_non_null(strstr(bytes, "]: here\n"));
    close(file);
}

void errno_is_kept_when_the_line_is_written(void **)
{
    int after = 0;
    capture([&after] {
        errno = ERANGE;
        Message().text("x").warn();
        after = errno;
    });
    assert_int_equal(after, ERANGE);
}

void a_closed_standard_error_is_silence(void **)
{
    const int before = dup(STDERR_FILENO);
    close(STDERR_FILENO);
    errno = ERANGE;
    Message().text("nobody reads this").warn();
    const int after = errno;
    dup2(before, STDERR_FILENO);
    close(before);
    assert_int_equal(after, ERANGE);
}

void a_standard_error_that_fails_to_write_is_silence(void **)
{
    const int full = open("/dev/full", O_WRONLY);
    assert_true(full >= 0);
    int after = 0;
    with_standard_error(full, [&after] {
        errno = ERANGE;
        Message().text("no space").warn();
        after = errno;
    });
    close(full);
    assert_int_equal(after, ERANGE);
}

void a_full_pipe_that_does_not_block_is_given_up(void **)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    char block[4096] = {};
    while (write(ends[1], block, sizeof(block)) > 0)
    {
    }
    with_standard_error(ends[1], [] { Message().text("does not fit").warn(); });
    close(ends[0]);
    close(ends[1]);
}

// SIGPIPE's default action would end this program.
void a_pipe_without_reader_raises_no_signal(void **)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    signal(SIGPIPE, SIG_DFL);
    with_standard_error(ends[1], [] { Message().text("nobody reads this").warn(); });
    close(ends[1]);

    sigset_t pending;
    sigset_t blocked;
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    assert_int_equal(sigismember(&pending, SIGPIPE), 0);
    assert_int_equal(sigismember(&blocked, SIGPIPE), 0);
}

void a_broken_pipe_signal_that_was_pending_stays_pending(void **)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    sigset_t broken_pipe;
    sigset_t pending;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
    raise(SIGPIPE);
    with_standard_error(ends[1], [] { Message().text("nobody reads this").warn(); });
    close(ends[1]);
    sigpending(&pending);
    const int still_pending = sigismember(&pending, SIGPIPE);
    signal(SIGPIPE, SIG_IGN); // discards it
    pthread_sigmask(SIG_UNBLOCK, &broken_pipe, nullptr);
    signal(SIGPIPE, SIG_DFL);
    assert_int_equal(still_pending, 1);
}

// Cancels itself, which takes effect at the next cancellation point, and passes none but perhaps the message.
void *warn_with_a_cancel_pending(void *survived)
{
    pthread_cancel(pthread_self());
    Message().text("still here").warn();
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
    *static_cast<bool *>(survived) = true;
    return nullptr;
}

void a_message_is_no_cancellation_point(void **)
{
    bool survived = false;
    const Captured captured = capture([&survived] {
        pthread_t thread;
        pthread_create(&thread, nullptr, warn_with_a_cancel_pending, &survived);
        pthread_join(thread, nullptr);
    });
    assert_true(survived);
    assert_true(captured.has("still here\n"));
}

// What a child that dies leaves behind, in memory shared with it.
struct Death
{
    Captured captured;
    int status;
    char line[line_capacity]; // fatal_line() as the child saw it in its SIGABRT handler
};

char *line_seen = nullptr;

Death die(void (*how)())
{
    Death death = {};
    void *const shared = mmap(nullptr, line_capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    line_seen = static_cast<char *>(shared);
    death.captured = capture([&death, how] {
        const pid_t child = fork();
        if (child == 0)
        {
            signal(SIGABRT, [](int) { memcpy(line_seen, fatal_line(), line_capacity); });
            how();
            _exit(0);
        }
        waitpid(child, &death.status, 0);
    });
    memcpy(death.line, shared, line_capacity);
    munmap(shared, line_capacity);
    return death;
}

void a_living_process_has_no_fatal_line(void **)
{
    assert_string_equal(fatal_line(), "");
}

void a_fatal_message_is_written_kept_and_ends_the_process_with_sigabrt(void **)
{
    const Death death = die([] { Message().text("free of 0x10: no block begins there").fatal(); });
    assert_true(WIFSIGNALED(death.status));
    assert_int_equal(WTERMSIG(death.status), SIGABRT);
    assert_int_equal(death.captured.lines(), 1);
    assert_true(death.captured.has("]: free of 0x10: no block begins there\n"));
    assert_memory_equal(death.captured.text, death.line, strlen(death.line));
    assert_int_equal(strlen(death.line), death.captured.length - 1);
    assert_string_equal(fatal_line(), "");
}

void a_fatal_line_that_is_too_long_is_kept_as_it_was_cut(void **)
{
    const Death death = die([] {
        Message message;
        for (unsigned i = 0; i < 200; i++)
        {
            message.text("word ");
        }
        message.fatal();
    });
    assert_int_equal(WTERMSIG(death.status), SIGABRT);
    assert_int_equal(strlen(death.line), line_capacity - 2);
    assert_string_equal(death.line + strlen(death.line) - 3, "...");
}

void a_fatal_message_without_standard_error_still_aborts(void **)
{
    const Death death = die([] {
        close(STDERR_FILENO);
        Message().text("unheard").fatal();
    });
    assert_int_equal(WTERMSIG(death.status), SIGABRT);
    assert_non_null(strstr(death.line, "]: unheard"));
    assert_int_equal(death.captured.length, 0);
}

sigjmp_buf out_of_the_first_death;

// The child jumps out of its first death's handler and dies again for another reason.
void the_first_fatal_line_is_the_one_that_is_kept(void **)
{
    const Death death = die([] {
        if (sigsetjmp(out_of_the_first_death, 1) == 0)
        {
            signal(SIGABRT, [](int) { siglongjmp(out_of_the_first_death, 1); });
            Message().text("first").fatal();
        }
        signal(SIGABRT, [](int) { memcpy(line_seen, fatal_line(), line_capacity); });
        Message().text("second").fatal();
    });
    assert_int_equal(WTERMSIG(death.status), SIGABRT);
    assert_true(death.captured.has("first\n"));
    assert_true(death.captured.has("second\n"));
    assert_non_null(strstr(death.line, "]: first"));
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_line_names_the_library_the_program_and_the_process),
        cmocka_unit_test(every_word_of_text_is_a_word_of_message),
        cmocka_unit_test(a_program_without_a_name_is_a_question_mark),
        cmocka_unit_test(a_long_program_name_leaves_room_for_the_message),
        cmocka_unit_test(a_long_line_is_cut_and_still_ends_with_one_newline),
        cmocka_unit_test(a_line_leaves_in_one_write),
        cmocka_unit_test(a_line_for_another_file_goes_there_alone),
        cmocka_unit_test(errno_is_kept_when_the_line_is_written),
        cmocka_unit_test(a_closed_standard_error_is_silence),
        cmocka_unit_test(a_standard_error_that_fails_to_write_is_silence),
        cmocka_unit_test(a_full_pipe_that_does_not_block_is_given_up),
        cmocka_unit_test(a_pipe_without_reader_raises_no_signal),
        cmocka_unit_test(a_broken_pipe_signal_that_was_pending_stays_pending),
        cmocka_unit_test(a_message_is_no_cancellation_point),
        cmocka_unit_test(a_living_process_has_no_fatal_line),
        cmocka_unit_test(a_fatal_message_is_written_kept_and_ends_the_process_with_sigabrt),
        cmocka_unit_test(a_fatal_line_that_is_too_long_is_kept_as_it_was_cut),
        cmocka_unit_test(a_fatal_message_without_standard_error_still_aborts),
        cmocka_unit_test(the_first_fatal_line_is_the_one_that_is_kept),
    };
    return cmocka_run_group_tests_name("message", tests, nullptr, nullptr);
}
