// SPDX-License-Identifier: MIT
//
// Page: figures for people: where the memory is, in bars, and which sizes, nodes and pages have it.
#pragma once

#include "tool/figures.h"
#include "tool/screen.h"

#include <string>
#include <vector>

namespace fastalloc::tool
{

// Its lines. Of sizes at most `most_classes`, those with the most live bytes, and the rest in one line.
std::vector<std::string> page_of(const Heap &heap, const Figures &figures, const Screen &screen, unsigned most_classes);

} // namespace fastalloc::tool
