// SPDX-License-Identifier: MIT
#include "os/thread_table.h"

#include "os/keep_errno.h"
#include "os/lock.h"

#include <cstdint>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace fastalloc
{
namespace
{

// An entry of the table, as glibc has it since 2.2. The table begins with one that says how many modules it has room
// for, then one with its generation, to which the control block points, then one for each module.
struct Entry
{
    uintptr_t variables; // of the module, all ones if there are none yet
    uintptr_t allocated; // 0 if they lie beside the control block
};

#if defined(__x86_64__)
constexpr size_t table_in_control_block = sizeof(uintptr_t);
#else
constexpr size_t table_in_control_block = 0;
#endif

// The first modules are those of the program and of libraries that it is linked with.
constexpr size_t modules_max = 8;
constexpr uintptr_t none_yet = ~uintptr_t{0};

const Entry *table_of(uintptr_t control_block)
{
    return *reinterpret_cast<const Entry *const *>(control_block + table_in_control_block);
}

// The distance is that of the calling thread's variables.
uintptr_t control_block_beside(uintptr_t variables, uintptr_t own_variables)
{
    return variables - own_variables + thread_identity();
}

// The address may be anything: the system reads it.
bool is_control_block_of(uintptr_t address, const Entry *table)
{
    const KeepErrno keep_errno;
    uintptr_t named = 0;
    iovec to{&named, sizeof named};
    iovec from{reinterpret_cast<void *>(address + table_in_control_block), sizeof named};
    return syscall(SYS_process_vm_readv, getpid(), &to, 1ul, &from, 1ul, 0ul) == sizeof named &&
           named == reinterpret_cast<uintptr_t>(table);
}

} // namespace

bool is_thread_table(const void *block, size_t bytes)
{
    const auto *const table = static_cast<const Entry *>(block) + 1;
    const Entry *const own = table_of(thread_identity());
    const uintptr_t room = bytes >= 3 * sizeof(Entry) ? table[-1].variables : 0;
    if (room == 0 || (room + 2) * sizeof(Entry) > bytes || table[-1].allocated != 0)
        return false;
    const size_t modules = room < modules_max ? room : modules_max;
    for (size_t module = 1; module <= modules && module <= own[-1].variables; ++module)
    {
        const bool beside =
            own[module].allocated == 0 && own[module].variables != none_yet && own[module].variables != 0;
        if (!beside || table[module].allocated != 0 || table[module].variables == none_yet)
            continue;
        return is_control_block_of(control_block_beside(table[module].variables, own[module].variables), table);
    }
    return false;
}

} // namespace fastalloc
