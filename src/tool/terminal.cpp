// SPDX-License-Identifier: MIT
#include "tool/terminal.h"

#include <cstdio>
#include <cstring>
#include <poll.h>
#include <tuple>
#include <unistd.h>

namespace fastalloc::tool
{
namespace
{

volatile std::sig_atomic_t end_wanted = 0;
volatile std::sig_atomic_t stop_wanted = 0;
volatile std::sig_atomic_t window_changed = 0;
const termios *keys_before = nullptr; // null without keys

// xterm's control sequences: the other screen, the cursor hidden, and what is wider than the screen is cut off.
constexpr char take_sequence[] = "\033[?1049h\033[?25l\033[?7l";
constexpr char back_sequence[] = "\033[?7h\033[?25h\033[?1049l";

// Once it is asked to end twice something holds it up, maybe a terminal that takes no output: it gives back what it can
// without waiting, and ends as if nobody caught the signal.
extern "C" void note_end(int signal)
{
    if (end_wanted != 0)
    {
        if (keys_before != nullptr)
            tcsetattr(STDIN_FILENO, TCSANOW, keys_before);
        pollfd output = {STDOUT_FILENO, POLLOUT, 0};
        if (poll(&output, 1, 0) == 1)
            std::ignore = write(STDOUT_FILENO, back_sequence, strlen(back_sequence));
        ::signal(signal, SIG_DFL);
        raise(signal);
    }
    end_wanted = 1;
}

extern "C" void note_stop(int)
{
    stop_wanted = 1;
}

extern "C" void note_window(int)
{
    window_changed = 1;
}

struct Heeded
{
    int signal;
    void (*handler)(int);
};

constexpr Heeded heeded[Terminal::signals] = {
    {SIGINT, note_end},  {SIGTERM, note_end},  {SIGHUP, note_end},
    {SIGQUIT, note_end}, {SIGTSTP, note_stop}, {SIGWINCH, note_window},
};

} // namespace

// What is written goes on behind a handler; a wait does not. A signal that is ignored, as nohup(1) has SIGHUP, stays so.
Terminal::Terminal()
{
    sigemptyset(&heeded_);
    for (unsigned index = 0; index < signals; ++index)
    {
        const Heeded &one = heeded[index];
        sigaddset(&heeded_, one.signal);
        sigaction(one.signal, nullptr, &actions_before_[index]);
        struct sigaction action = {};
        action.sa_handler = one.handler;
        action.sa_flags = SA_RESTART;
        if (actions_before_[index].sa_handler != SIG_IGN)
            sigaction(one.signal, &action, nullptr);
    }
    has_keys_ = tcgetattr(STDIN_FILENO, &before_) == 0;
    keys_before = has_keys_ ? &before_ : nullptr;
    take();
}

Terminal::~Terminal()
{
    give_back();
    for (unsigned index = 0; index < signals; ++index)
        sigaction(heeded[index].signal, &actions_before_[index], nullptr);
    keys_before = nullptr;
}

void Terminal::take()
{
    if (has_keys_)
    {
        termios raw = before_;
        raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    }
    fputs(take_sequence, stdout);
    fflush(stdout);
}

void Terminal::give_back()
{
    fputs(back_sequence, stdout);
    fflush(stdout);
    if (has_keys_)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
}

void Terminal::draw(const std::vector<std::string> &lines, unsigned height)
{
    fputs("\033[H", stdout);
    for (size_t index = 0; index < lines.size() && index < height; ++index)
        printf("%s\033[K%s", lines[index].c_str(), index + 1 < height ? "\r\n" : "");
    fputs("\033[J", stdout);
    fflush(stdout);
}

bool Terminal::is_to_end()
{
    return end_wanted != 0;
}

// A signal that arrives between the look at its note and the wait is not lost: it comes through in the wait alone.
char Terminal::wait(int milliseconds)
{
    sigset_t before;
    sigprocmask(SIG_BLOCK, &heeded_, &before);
    pollfd keys = {has_keys_ ? STDIN_FILENO : -1, POLLIN, 0};
    const timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    const bool is_noted = end_wanted != 0 || stop_wanted != 0 || window_changed != 0;
    const int ready = is_noted ? 0 : ppoll(&keys, 1, &time, &before);
    sigprocmask(SIG_SETMASK, &before, nullptr);
    window_changed = 0;
    if (stop_wanted != 0)
    {
        stop_wanted = 0;
        give_back();
        raise(SIGSTOP);
        take();
    }
    char key = 0;
    if (ready == 1 && read(STDIN_FILENO, &key, 1) != 1)
        end_wanted = 1; // nobody is there any more
    return key;
}

} // namespace fastalloc::tool
