// SPDX-License-Identifier: MIT
#include "tool/terminal.h"

#include <csignal>
#include <cstdio>
#include <poll.h>
#include <unistd.h>

namespace fastalloc::tool
{
namespace
{

volatile std::sig_atomic_t end_wanted = 0;
volatile std::sig_atomic_t stop_wanted = 0;

extern "C" void note_end(int)
{
    end_wanted = 1;
}

extern "C" void note_stop(int)
{
    stop_wanted = 1;
}

extern "C" void note_nothing(int) // but it ends a wait
{
}

void handle(int signal, void (*handler)(int))
{
    struct sigaction action = {};
    action.sa_handler = handler;
    sigaction(signal, &action, nullptr);
}

} // namespace

Terminal::Terminal()
{
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT})
        handle(signal, note_end);
    handle(SIGTSTP, note_stop);
    handle(SIGWINCH, note_nothing);
    has_keys_ = tcgetattr(STDIN_FILENO, &before_) == 0;
    take();
}

Terminal::~Terminal()
{
    give_back();
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH})
        handle(signal, SIG_DFL);
}

// xterm's control sequences: the other screen, the cursor hidden.
void Terminal::take()
{
    if (has_keys_)
    {
        termios raw = before_;
        raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    }
    fputs("\033[?1049h\033[?25l", stdout);
    fflush(stdout);
}

void Terminal::give_back()
{
    fputs("\033[?25h\033[?1049l", stdout);
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

char Terminal::wait(int milliseconds)
{
    pollfd keys = {has_keys_ ? STDIN_FILENO : -1, POLLIN, 0};
    const int ready = is_to_end() ? 0 : poll(&keys, 1, milliseconds);
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
