// SPDX-License-Identifier: MIT
//
// Refusal: who keeps us from reading a process, who could allow it, and what the kernel says of its memory anyway.
#pragma once

#include <string>

namespace fastalloc::tool
{

// As it follows a colon.
std::string reason_of_refusal(int process);

// A line for each sum the kernel gives of the memory, behind the failure's; nothing where that may not be read either.
std::string sums_of(int process);

} // namespace fastalloc::tool
