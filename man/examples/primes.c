/* SPDX-License-Identifier: MIT
 *
 * primes.c - a list that grows
 *
 *     cc primes.c -o primes $(pkg-config --cflags --libs fastalloc)
 */
#include <fastalloc.h>
#include <stdio.h>

/* The primes below `limit`; the caller frees them. NULL if there is
 * no memory. */
static unsigned *primes_below(unsigned limit, size_t *count)
{
    unsigned *primes = NULL;
    size_t room = 0;

    *count = 0;
    for (unsigned number = 2; number < limit; number++)
    {
        size_t i = 0;
        while (i < *count && number % primes[i] != 0)
            i++;
        if (i < *count)
            continue;
        if (*count == room)
        {
            size_t wanted = room == 0 ? 16 : 2 * room;
            unsigned *grown = fastalloc_reallocarray(
                primes, wanted, sizeof *primes);
            if (grown == NULL)
            {
                fastalloc_free(primes);
                return NULL;
            }
            primes = grown;
            room = wanted;
        }
        primes[(*count)++] = number;
    }
    return primes;
}

int main(void)
{
    size_t count;
    unsigned *primes = primes_below(1000, &count);

    if (primes == NULL)
    {
        perror("primes");
        return 1;
    }
    printf("%zu primes, the last is %u, in a block of %zu bytes\n",
           count, primes[count - 1],
           fastalloc_malloc_usable_size(primes));
    fastalloc_free(primes);
    return 0;
}
