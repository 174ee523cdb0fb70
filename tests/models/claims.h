// SPDX-License-Identifier: MIT
//
// claims.h - what the models' tests say of a model. Include it last: it ends with cmocka.h.
#pragma once

#include "explorer.h"

#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>

extern "C" {
#include <cmocka.h>
}

namespace fastalloc_test
{

// No state breaks a property, and at least `least_states` were looked at: a model that lost its steps proves nothing.
template <typename Model>
void assert_holds(const char *name, const Model &model, size_t least_states)
{
    const Findings findings = explore(model);
    print_message("# %s: %zu states, %zu ends\n", name, findings.states, findings.ends);
    if (findings.broken != nullptr)
    {
        fprintf(stderr, "%s: %s:\n%s", name, findings.broken, findings.steps.c_str());
        fail_msg("%s: %s", name, findings.broken);
    }
    assert_true(findings.states >= least_states);
    assert_true(findings.ends > 0);
}

// The model, changed in one place, breaks this property.
template <typename Model>
void assert_breaks(const char *name, const Model &model, const char *property)
{
    const Findings findings = explore(model);
    print_message("# %s: %s, after %zu states\n", name, findings.broken ? findings.broken : "nothing is broken",
                  findings.states);
    assert_non_null(findings.broken);
    assert_string_equal(findings.broken, property);
}

} // namespace fastalloc_test
