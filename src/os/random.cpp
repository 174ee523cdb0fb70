// SPDX-License-Identifier: MIT
#include "os/random.h"

#include <cstring>
#include <sys/auxv.h>

namespace fastalloc
{

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every input bit changes half the output bits.
uint64_t mix(uint64_t value)
{
    value += 0x9e3779b97f4a7c15;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
}

uint64_t process_secret(Purpose purpose)
{
    uint64_t words[2] = {reinterpret_cast<uintptr_t>(&words), 0};
    if (const unsigned long bytes = getauxval(AT_RANDOM))
        memcpy(words, reinterpret_cast<const void *>(bytes), sizeof words);
    // libc uses both words as they are for its own guards: only a mixture of them leaves this function.
    return mix(mix(words[0] ^ static_cast<uint64_t>(purpose)) ^ words[1]);
}

} // namespace fastalloc
