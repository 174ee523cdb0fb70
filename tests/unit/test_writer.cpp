// SPDX-License-Identifier: MIT
//
// Claims about os/writer.h and os/quiet_write.h: texts of any length arrive whole, whatever interrupts the writing, and
// who writes to nobody is told so and not killed.
#include "os/writer.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <pthread.h>
#include <string>
#include <sys/mman.h>
#include <sys/time.h>
#include <thread>
#include <unistd.h>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

struct Pipe
{
    int ends[2];

    Pipe()
    {
        require(pipe(ends) == 0);
    }

    std::string read_all() const
    {
        std::string all;
        char bytes[300];
        ssize_t count;
        while ((count = read(ends[0], bytes, sizeof bytes)) != 0)
            if (count > 0)
                all.append(bytes, static_cast<size_t>(count));
            else
                require(errno == EINTR);
        return all;
    }
};

// What `write` puts into a writer.
template <typename Write>
std::string written(Write write)
{
    const int file = memfd_create("written", MFD_CLOEXEC);
    Writer out(file);
    write(out);
    require(out.finish() == 0);
    std::string text(static_cast<size_t>(lseek(file, 0, SEEK_END)), '\0');
    require(pread(file, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    close(file);
    return text;
}

void words_and_numbers_come_in_order(void **)
{
    const std::string text =
        written([](Writer &out) { out.text("a\n\"b\" ").decimal(0).text(" ").decimal(UINT64_MAX); });
    assert_string_equal(text.c_str(), "a\n\"b\" 0 18446744073709551615");
    assert_string_equal(written([](Writer &) {}).c_str(), "");
}

void columns_are_filled_up_and_never_cut(void **)
{
    const std::string text = written([](Writer &out) {
        char bytes[20];
        Text cell(bytes, sizeof bytes);
        cell.text("1234");
        out.text("|").right(6, cell).text("|").left(6, cell).text("|").right(3, cell).text("|").left(0, cell).text("|");
    });
    assert_string_equal(text.c_str(), "|  1234|1234  |1234|1234|");
}

void texts_of_every_length_arrive_whole(void **)
{
    for (unsigned length = 0; length < 1600; length++)
    {
        const std::string text = written([=](Writer &out) {
            for (unsigned number = 0; number < length; number++)
                out.text(number % 10 == 0 ? "x" : "y");
        });
        assert_int_equal(text.size(), length);
        for (unsigned number = 0; number < length; number++)
            assert_int_equal(text[number], number % 10 == 0 ? 'x' : 'y');
    }
}

// The pipe is full most of the time, and a timer interrupts: writes are interrupted and come out short.
void what_is_interrupted_goes_on(void **)
{
    assert_alone([] {
        static volatile sig_atomic_t interruptions;
        struct sigaction action = {};
        action.sa_handler = [](int) { interruptions = interruptions + 1; };
        require(sigaction(SIGALRM, &action, nullptr) == 0);
        Pipe pipe;
        fcntl(pipe.ends[1], F_SETPIPE_SZ, 4096);
        sigset_t alarm;
        sigemptyset(&alarm);
        sigaddset(&alarm, SIGALRM);
        pthread_sigmask(SIG_BLOCK, &alarm, nullptr);
        std::string all;
        std::thread reader([&] { all = pipe.read_all(); }); // with the signal blocked
        pthread_sigmask(SIG_UNBLOCK, &alarm, nullptr);
        const itimerval often = {{0, 100}, {0, 100}};
        require(setitimer(ITIMER_REAL, &often, nullptr) == 0);
        std::string expected;
        Writer out(pipe.ends[1]);
        unsigned number = 0;
        for (; number < 20'000 || interruptions < 100; number++)
            out.decimal(number).text(",");
        require(out.finish() == 0);
        const itimerval never = {};
        setitimer(ITIMER_REAL, &never, nullptr);
        close(pipe.ends[1]);
        reader.join();
        for (unsigned count = 0; count < number; count++)
            expected += std::to_string(count) + ",";
        require(all == expected);
    });
}

void a_reader_that_is_gone_is_an_error_and_no_signal(void **)
{
    assert_alone([] {
        Pipe pipe;
        close(pipe.ends[0]);
        Writer out(pipe.ends[1]);
        errno = 1234;
        for (unsigned number = 0; number < 1000; number++)
            out.decimal(number);
        require(out.finish() == EPIPE && out.finish() == EPIPE && errno == 1234);
        sigset_t pending;
        require(sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 0);
    });
}

void a_signal_of_somebody_elses_broken_pipe_stays_pending(void **)
{
    assert_alone([] {
        sigset_t broken_pipe;
        sigemptyset(&broken_pipe);
        sigaddset(&broken_pipe, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
        raise(SIGPIPE);
        Pipe pipe;
        close(pipe.ends[0]);
        Writer out(pipe.ends[1]);
        require(out.text("text").finish() == EPIPE);
        sigset_t pending;
        require(sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1);
    });
}

void after_an_error_nothing_more_is_written(void **)
{
    assert_alone([] {
        Pipe pipe;
        fcntl(pipe.ends[1], F_SETPIPE_SZ, 4096);
        fcntl(pipe.ends[1], F_SETFL, O_NONBLOCK);
        Writer out(pipe.ends[1]);
        for (unsigned number = 0; number < 10'000; number++)
            out.text("x");
        require(out.finish() == EAGAIN);
        char bytes[8192];
        require(read(pipe.ends[0], bytes, sizeof bytes) > 0);
        out.text("there is room now");
        require(out.finish() == EAGAIN);
        close(pipe.ends[1]);
        require(pipe.read_all().empty());
        require(Writer(-1).text("x").finish() == EBADF);
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(words_and_numbers_come_in_order),
        cmocka_unit_test(columns_are_filled_up_and_never_cut),
        cmocka_unit_test(texts_of_every_length_arrive_whole),
        cmocka_unit_test(what_is_interrupted_goes_on),
        cmocka_unit_test(a_reader_that_is_gone_is_an_error_and_no_signal),
        cmocka_unit_test(a_signal_of_somebody_elses_broken_pipe_stays_pending),
        cmocka_unit_test(after_an_error_nothing_more_is_written),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
