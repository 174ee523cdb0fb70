// SPDX-License-Identifier: MIT
#include "api/reports.h"

#include "os/options.h"
#include "watch/statistics_report.h"

#include <csignal>
#include <unistd.h>

namespace fastalloc
{
namespace
{

void print_on_signal(int)
{
    (void)write_statistics_as_text(STDERR_FILENO);
}

} // namespace

void prepare_reports()
{
    if (options().stats_signal == StatsSignal::off)
        return;
    const int number = options().stats_signal == StatsSignal::usr1 ? SIGUSR1 : SIGUSR2;
    struct sigaction present;
    if (sigaction(number, nullptr, &present) != 0 || (present.sa_flags & SA_SIGINFO) != 0 ||
        present.sa_handler != SIG_DFL)
        return;
    struct sigaction ours = {};
    ours.sa_handler = print_on_signal;
    ours.sa_flags = SA_RESTART;
    (void)sigaction(number, &ours, nullptr);
}

} // namespace fastalloc

__attribute__((destructor)) static void print_at_exit()
{
    using namespace fastalloc;
    if (options().stats_print == StatsPrint::exit)
        (void)write_statistics_as_text(STDERR_FILENO);
}
