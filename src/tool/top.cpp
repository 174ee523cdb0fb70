// SPDX-License-Identifier: MIT
//
// fastalloc top: the page of figures again and again, with what changed in between. Without a terminal, a line each time.
#include "tool/page.h"
#include "tool/terminal.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <thread>
#include <unistd.h>

namespace fastalloc::tool
{
namespace
{

using Clock = std::chrono::steady_clock;

// A figure's change, as so much a second.
class Rates
{
public:
    // Of two looks, of which the first may not have been.
    Rates(const std::optional<fastalloc_stats> &before, const fastalloc_stats &now, double seconds)
        : before_(before), now_(now), seconds_(seconds)
    {
    }

    std::string bytes(uint64_t fastalloc_stats::*member) const
    {
        const double rate = of(member);
        const std::string amount = Screen::bytes(static_cast<uint64_t>(std::fabs(rate)));
        return (rate < 0 ? "-" : "+") + amount + "/s";
    }

    std::string count(uint64_t fastalloc_stats::*member) const
    {
        return std::to_string(std::lround(std::max(of(member), 0.0))) + "/s";
    }

private:
    double of(uint64_t fastalloc_stats::*member) const
    {
        if (!before_ || seconds_ <= 0)
            return 0;
        return (static_cast<double>(now_.*member) - static_cast<double>((*before_).*member)) / seconds_;
    }

    const std::optional<fastalloc_stats> &before_;
    const fastalloc_stats &now_;
    double seconds_;
};

class Top
{
public:
    Top(const char *word, double interval_seconds)
        : word_(word), interval_ms_(static_cast<int>(interval_seconds * 1000))
    {
    }

    int run();

private:
    void look();
    std::vector<std::string> page(const Screen &screen) const;
    void print_line() const;
    void show_on_terminal();
    void print_lines();

    const char *word_;
    int interval_ms_;
    std::unique_ptr<Target> first_; // as it was when it was first looked at: it tells when the process ends
    std::unique_ptr<Target> target_;
    std::unique_ptr<Heap> heap_;
    Figures figures_;
    std::optional<fastalloc_stats> before_;
    Clock::time_point looked_at_;
    double seconds_ = 0; // between the last two looks
};

// What is mapped where changes, too, so all is looked up anew.
void Top::look()
{
    if (heap_ != nullptr)
        before_ = figures_.totals;
    const Clock::time_point now = Clock::now();
    seconds_ = std::chrono::duration<double>(now - looked_at_).count();
    looked_at_ = now;
    std::unique_ptr<Target> target = open_target(word_);
    auto heap = std::make_unique<Heap>(*target);
    heap->require_window();
    figures_ = gather_figures(*heap);
    heap_ = std::move(heap);
    target_ = std::move(target);
}

std::vector<std::string> Top::page(const Screen &screen) const
{
    // What the page has beside the lines of sizes.
    constexpr unsigned other_lines = 28;
    const unsigned room = screen.height() > other_lines ? screen.height() - other_lines : 3;
    std::vector<std::string> lines = page_of(*heap_, figures_, screen, std::min(room, 20u));
    const Rates rates(before_, figures_.totals, seconds_);
    const std::string of_bytes = "live " + rates.bytes(&fastalloc_stats::live_bytes) + "  mapped " +
                                 rates.bytes(&fastalloc_stats::mapped_bytes) + "  given back " +
                                 rates.bytes(&fastalloc_stats::returned_bytes);
    const std::string of_calls = "refills " + rates.count(&fastalloc_stats::refills) + "  handed over " +
                                 rates.count(&fastalloc_stats::remote_batches);
    lines.insert(lines.begin() + 1, {of_bytes, of_calls, ""});
    return lines;
}

void Top::print_line() const
{
    const fastalloc_stats &totals = figures_.totals;
    const Rates rates(before_, totals, seconds_);
    const std::time_t now = std::time(nullptr);
    char clock[16];
    std::strftime(clock, sizeof clock, "%H:%M:%S", std::localtime(&now));
    printf("%s  live %s (%s)  waiting %s  mapped %s  resident %s  refills %s\n", clock,
           Screen::bytes(totals.live_bytes).c_str(), rates.bytes(&fastalloc_stats::live_bytes).c_str(),
           Screen::bytes(totals.cached_bytes + totals.inbox_bytes).c_str(), Screen::bytes(totals.mapped_bytes).c_str(),
           Screen::bytes(totals.resident_bytes).c_str(), rates.count(&fastalloc_stats::refills).c_str());
    fflush(stdout);
}

void Top::show_on_terminal()
{
    Terminal terminal;
    bool is_due = false; // the first look was before the terminal was taken
    while (!Terminal::is_to_end() && !first_->has_ended() && ferror(stdout) == 0)
    {
        if (is_due)
            look();
        const Screen screen(STDOUT_FILENO);
        terminal.draw(page(screen), screen.height());
        const int left_ms =
            interval_ms_ -
            static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - looked_at_).count());
        const char key = terminal.wait(std::max(left_ms, 0));
        if (key == 'q')
            return;
        is_due = Clock::now() - looked_at_ >= std::chrono::milliseconds(interval_ms_);
    }
}

void Top::print_lines()
{
    while (!first_->has_ended() && ferror(stdout) == 0)
    {
        print_line();
        std::this_thread::sleep_for(std::chrono::milliseconds(interval_ms_));
        if (!first_->has_ended())
            look();
    }
}

int Top::run()
{
    first_ = open_target(word_);
    if (!first_->is_running())
        throw UsageFailure("a core file does not change: `fastalloc stat` shows it");
    look();
    try
    {
        if (isatty(STDOUT_FILENO) != 0)
            show_on_terminal();
        else
            print_lines();
    }
    catch (const Failure &)
    {
        if (!first_->has_ended())
            throw;
    }
    if (first_->has_ended())
        fprintf(stderr, "fastalloc: %s has ended\n", first_->description().c_str());
    return exit_ok;
}

double parse_seconds(const char *word)
{
    char *end;
    const double seconds = strtod(word, &end);
    constexpr double least = 0.1;
    constexpr double most = 86400;
    if (*word == 0 || *end != 0 || !(seconds >= least && seconds <= most))
        throw UsageFailure(std::string(word) + " is no interval: seconds from 0.1 to 86400");
    return seconds;
}

} // namespace

int top(Words words)
{
    double interval_seconds = 1;
    WordReader reader(words, Operands::anywhere);
    while (reader.next())
        if (reader.is("--interval"))
            interval_seconds = parse_seconds(reader.value());
        else
            reader.refuse();
    return Top(operands_of(reader, {"a process"})[0], interval_seconds).run();
}

} // namespace fastalloc::tool
