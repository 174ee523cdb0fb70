// SPDX-License-Identifier: MIT
//
// The leak report at the end of the process, if leak_check=exit asks for one.
//
// It is to come after all that the program and its libraries still free: exit() runs what was registered in the opposite
// order, so it is registered when the library starts. In a dynamic program that is before libc registers the destructors
// of libraries; in a static one a destructor comes last by its priority.
#pragma once

namespace fastalloc
{

// Called once, when the process starts and the settings are known.
void leak_check_begins();

} // namespace fastalloc
