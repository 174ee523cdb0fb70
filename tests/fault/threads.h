// SPDX-License-Identifier: MIT
//
// threads.h - threads that do one thing at a time, each when it is asked to: `other` and `third`, which live until the
// run goes on, and `ending`, a thread that is asked once and does it in the last round of destructors, when the
// library has let go of it.
#ifndef TESTS_FAULT_THREADS_H
#define TESTS_FAULT_THREADS_H

#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

struct worker
{
    pthread_t thread;
    sem_t asked;
    sem_t done;
    void (*job)(void); // null: end
};

static struct worker other, third, ending;

static void *work(void *argument)
{
    struct worker *self = argument;
    for (;;)
    {
        sem_wait(&self->asked);
        if (!self->job)
            return NULL;
        self->job();
        sem_post(&self->done);
    }
}

// The key is younger than the library's own, so its turn comes later in a round.
static pthread_key_t ending_key;
static int ending_round;

static void end_slowly(void *argument)
{
    struct worker *self = argument;
    if (++ending_round < PTHREAD_DESTRUCTOR_ITERATIONS)
    {
        pthread_setspecific(ending_key, self);
        return;
    }
    if (self->job)
        self->job();
    sem_post(&self->done);
}

static void *work_when_ending(void *argument)
{
    struct worker *self = argument;
    free(malloc(1));
    pthread_setspecific(ending_key, self);
    sem_post(&self->done); // has its arena
    sem_wait(&self->asked);
    return NULL;
}

static void start_worker(struct worker *worker)
{
    sem_init(&worker->asked, 0, 0);
    sem_init(&worker->done, 0, 0);
    pthread_create(&worker->thread, NULL, worker == &ending ? work_when_ending : work, worker);
}

static void start_workers(void)
{
    free(malloc(1)); // makes the library's key
    pthread_key_create(&ending_key, end_slowly);
    start_worker(&other);
    start_worker(&third);
    start_worker(&ending);
    sem_wait(&ending.done);
}

static void end_worker(struct worker *worker)
{
    worker->job = NULL;
    sem_post(&worker->asked);
    pthread_join(worker->thread, NULL);
}

static void end_workers(void)
{
    end_worker(&other);
    end_worker(&third);
    end_worker(&ending);
}

// `who`: null is the thread the blocks belong to.
static void let(struct worker *who, void (*job)(void))
{
    if (!who)
        return job();
    who->job = job;
    sem_post(&who->asked);
    sem_wait(&who->done);
}

static struct worker *who_is(const char *name)
{
    return strcmp(name, "other") == 0    ? &other
           : strcmp(name, "third") == 0  ? &third
           : strcmp(name, "ending") == 0 ? &ending
                                         : NULL;
}

#endif // TESTS_FAULT_THREADS_H
