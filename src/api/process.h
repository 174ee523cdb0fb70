// SPDX-License-Identifier: MIT
//
// What happens once per process: the settings, the question whose malloc the program uses, the fork handlers. The
// allocator works without any of it having run: other libraries' constructors may come first.
#pragma once

namespace fastalloc
{

// The constructor. Nobody calls it; malloc.cpp names it so that a static link takes it along with malloc.
extern "C" void fastalloc_process_starts();

} // namespace fastalloc
