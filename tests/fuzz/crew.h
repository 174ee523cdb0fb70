// SPDX-License-Identifier: MIT
//
// crew.h - a few threads that do one thing after another, never two at a time: whoever asks waits. So blocks are freed
// by other threads than those that allocated them, threads end and others come, and the same input makes the same calls
// in the same order.
#pragma once

#include <functional>
#include <optional>
#include <semaphore>
#include <thread>

namespace fuzz
{

class Crew
{
public:
    static constexpr unsigned size = 4; // the calling thread is number 0

    ~Crew()
    {
        for (unsigned number = 1; number < size; number++)
            end(number);
    }

    // Has the thread do it, which is started if there is none of this number.
    void run(unsigned number, const std::function<void()> &work)
    {
        if (number == 0)
            return work();
        std::optional<Member> &member = members_[number - 1];
        if (!member)
            member.emplace();
        member->run(&work);
    }

    // Ends the thread, if it runs.
    void end(unsigned number)
    {
        if (number != 0)
            members_[number - 1].reset();
    }

private:
    class Member
    {
    public:
        Member() : thread_([this] { serve(); })
        {
        }

        ~Member()
        {
            run(nullptr);
            thread_.join();
        }

        void run(const std::function<void()> *work)
        {
            work_ = work;
            asked_.release();
            done_.acquire();
        }

    private:
        void serve()
        {
            for (bool more = true; more;)
            {
                asked_.acquire();
                more = work_ != nullptr;
                if (more)
                    (*work_)();
                done_.release();
            }
        }

        std::binary_semaphore asked_{0};
        std::binary_semaphore done_{0};
        const std::function<void()> *work_ = nullptr; // null ends the thread
        std::thread thread_;
    };

    std::optional<Member> members_[size - 1];
};

} // namespace fuzz
