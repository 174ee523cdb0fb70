// SPDX-License-Identifier: MIT
//
// Foreign blocks: pointers that libc's malloc gave out and that reach our free all the same.
//
// That happens where the program's malloc is not ours (a plugin links us, the program does not) or where a library is
// bound to libc by RTLD_DEEPBIND. Then, or with the setting foreign=libc, such a pointer goes to libc; else it ends the
// process. `program_malloc_is_ours` is asked for once, by the library's constructor, and only read afterwards.
#pragma once

#include "arena/call.h"

#include <cstddef>

namespace fastalloc
{

extern bool program_malloc_is_ours;

// Each ends the process, naming `call`, unless foreign pointers go to libc.
void foreign_release(Call call, void *block);
void *foreign_reallocate(void *block, size_t size);
size_t foreign_usable(void *block);

} // namespace fastalloc
