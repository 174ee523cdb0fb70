// SPDX-License-Identifier: MIT
//
// queue.h - a queue of parcels of limited length, for several writers and several readers. Include after parcel.h.
#ifndef TESTS_STRESS_QUEUE_H
#define TESTS_STRESS_QUEUE_H

enum
{
    queue_length = 256
};

struct queue
{
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct parcel *parcels[queue_length];
    unsigned head, count;
    unsigned writers; // that may still put
};

static inline void open_queue(struct queue *queue, unsigned writers)
{
    memset(queue, 0, sizeof *queue);
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_cond_init(&queue->changed, NULL);
    queue->writers = writers;
}

static inline void put(struct queue *queue, struct parcel *parcel)
{
    pthread_mutex_lock(&queue->mutex);
    while (queue->count == queue_length)
        pthread_cond_wait(&queue->changed, &queue->mutex);
    queue->parcels[(queue->head + queue->count++) % queue_length] = parcel;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}

static inline void put_no_more(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->writers--;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}

// The next parcel, first in first out; NULL when there will be none.
static inline struct parcel *take(struct queue *queue)
{
    struct parcel *parcel = NULL;
    pthread_mutex_lock(&queue->mutex);
    while (queue->count == 0 && queue->writers > 0)
        pthread_cond_wait(&queue->changed, &queue->mutex);
    if (queue->count > 0)
    {
        parcel = queue->parcels[queue->head];
        queue->head = (queue->head + 1) % queue_length;
        queue->count--;
        pthread_cond_broadcast(&queue->changed);
    }
    pthread_mutex_unlock(&queue->mutex);
    return parcel;
}

#endif // TESTS_STRESS_QUEUE_H
