// SPDX-License-Identifier: MIT
//
// Terminal: the whole of it, for as long as the object lives: a page that is drawn over and over, keys without Return.
//
// Whoever ends the program by a signal that can be caught ends a wait instead: then is_to_end() says so, and the terminal
// is as it was when the object is gone; a second time it ends at once. Signals that were ignored stay so. Stopped by ^Z it
// is given back, too, and taken again afterwards. There is one at a time, of one thread.
#pragma once

#include <csignal>
#include <string>
#include <termios.h>
#include <vector>

namespace fastalloc::tool
{

class Terminal
{
public:
    Terminal();
    ~Terminal();
    Terminal(const Terminal &) = delete;
    Terminal &operator=(const Terminal &) = delete;

    // As many of the lines as there is room for, and of each as much.
    void draw(const std::vector<std::string> &lines, unsigned height);

    // Until a key is pressed, the window changes, or time is over: the key, 0 without one.
    char wait(int milliseconds);

    static bool is_to_end();

    static constexpr unsigned signals = 6; // that it heeds

private:
    void take();
    void give_back();

    sigset_t heeded_;
    struct sigaction actions_before_[signals];
    termios before_ = {};
    bool has_keys_ = false;
};

} // namespace fastalloc::tool
