// SPDX-License-Identifier: MIT
//
// crew.h - threads that begin together and are timed together
//
// Each thread prepares, waits until all have, works, waits until all have worked, and tidies up. Timed is the work
// alone: from the moment all may begin to the moment the last one has ended. Creating the threads is not in the time.
#ifndef CREW_H
#define CREW_H

#include "bench.h"

#include <pthread.h>
#include <sched.h>

// ---- processors ----

static inline cpu_set_t crew_allowed(void)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        bench_fail("sched_getaffinity: %s", strerror(errno));
    return allowed;
}

static inline size_t crew_processors(void)
{
    const cpu_set_t allowed = crew_allowed();
    return (size_t)CPU_COUNT(&allowed);
}

// Binds the calling thread to the `which`th of the processors it may use, counted round and round. A thread inherits
// the processors of the one that creates it, so whoever creates others binds itself after them.
static inline void crew_bind(size_t which)
{
    const cpu_set_t allowed = crew_allowed();
    size_t processor = 0;
    for (size_t left = which % (size_t)CPU_COUNT(&allowed); !CPU_ISSET(processor, &allowed) || left-- != 0;)
        ++processor;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        bench_fail("sched_setaffinity: %s", strerror(errno));
}

// ---- the crew ----

// What each thread does; `member` counts from 0. A part may be NULL.
struct crew
{
    void (*prepare)(size_t member);
    void (*work)(size_t member);
    void (*tidy)(size_t member);
};

struct crew_member
{
    const struct crew *crew;
    pthread_barrier_t *gate;
    size_t number;
    pthread_t thread;
};

static inline void *crew_live(void *argument)
{
    const struct crew_member *self = argument;
    if (self->crew->prepare != NULL)
        self->crew->prepare(self->number);
    pthread_barrier_wait(self->gate);
    pthread_barrier_wait(self->gate);
    self->crew->work(self->number);
    pthread_barrier_wait(self->gate);
    if (self->crew->tidy != NULL)
        self->crew->tidy(self->number);
    return NULL;
}

static inline struct bench_time crew_run(const struct crew *crew, size_t threads)
{
    pthread_barrier_t gate;
    struct crew_member *members = bench_array(threads, sizeof(struct crew_member));
    if (pthread_barrier_init(&gate, NULL, (unsigned)threads + 1) != 0)
        bench_fail("cannot prepare %zu threads", threads);
    for (size_t i = 0; i < threads; ++i)
    {
        members[i] = (struct crew_member){.crew = crew, .gate = &gate, .number = i};
        const int error = pthread_create(&members[i].thread, NULL, crew_live, &members[i]);
        if (error != 0)
            bench_fail("pthread_create: %s", strerror(error));
    }
    // All have prepared; all may begin, timed from before they do; all have worked.
    pthread_barrier_wait(&gate);
    const struct bench_time start = bench_start();
    pthread_barrier_wait(&gate);
    pthread_barrier_wait(&gate);
    const struct bench_time elapsed = bench_stop(start);
    for (size_t i = 0; i < threads; ++i)
        pthread_join(members[i].thread, NULL);
    pthread_barrier_destroy(&gate);
    munmap(members, threads * sizeof(struct crew_member));
    return elapsed;
}

#endif
