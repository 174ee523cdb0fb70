# SPDX-License-Identifier: MIT
"""Generated programs for compilers and linkers."""

CPP_START = """\
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <regex>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

template <int N> struct Tag { static constexpr int value = N + Tag<N - 1>::value; };
template <> struct Tag<0> { static constexpr int value = 0; };
template <typename... Parts> auto fold(Parts... parts) { return (parts + ... + 0); }
"""

CPP_PART = """
namespace part{0} {{
struct Entry {{ std::string name; std::vector<int> values; std::variant<int, double, std::string> extra; }};
template <typename Key> int count(const std::vector<Entry> &entries, Key key)
{{
    std::unordered_map<std::string, std::map<int, std::tuple<Key, int>>> found;
    for (const Entry &entry : entries)
        for (int value : entry.values)
            found[entry.name + "{0}"].emplace(value * {0} + 1, std::make_tuple(key, Tag<{1}>::value));
    int sum = fold({0}, 1, 2, 3);
    for (const auto &[name, inner] : found)
        sum += std::accumulate(inner.begin(), inner.end(), int(name.size()),
                               [](int so_far, const auto &pair) {{ return so_far + std::get<1>(pair.second); }});
    return sum;
}}
int run{0}(int n)
{{
    std::vector<Entry> entries;
    for (int i = 0; i < n; i++)
        entries.push_back({{std::to_string(i), std::vector<int>(size_t(i % 7), i), double(i)}});
    std::sort(entries.begin(), entries.end(), [](const Entry &a, const Entry &b) {{ return a.name < b.name; }});
    std::function<int()> later = [&] {{ return count(entries, {0}L) + count(entries, std::string("{0}")); }};
    auto shared = std::make_shared<std::vector<Entry>>(entries);
    return later() + int(shared->size());
}}
}}
"""

C_PART = """
static const char *const text_{0}_{1} = "text {0} {1}";
struct shape_{0}_{1} {{ int number; struct shape_{0}_{1} *next; const char *text; long list[{2}]; }};
int function_{0}_{1}(int number)
{{
    struct shape_{0}_{1} shape = {{number, 0, text_{0}_{1}, {{{2}}}}};
    for (int i = 0; i < {2}; i++) {{ shape.list[i] = number * i;
        shape.number ^= (int)shape.list[i] + shape.text[i % 5]; }}
    return shape.number;
}}
"""


def cpp(parts):
    """One large C++ source."""
    calls = " + ".join(f"part{number}::run{number}(argc)" for number in range(parts))
    return (CPP_START + "".join(CPP_PART.format(number, 100 + number) for number in range(parts))
            + f"int main(int argc, char **) {{ return ({calls}) & 1; }}\n")


def c_units(units, functions):
    """C sources with many symbols: the first has main, which calls into the others and prints."""
    sources = ["".join(C_PART.format(unit, number, 1 + (unit + number) % 9) for number in range(functions))
               for unit in range(units)]
    used = [(unit, number) for unit in range(units) for number in range(0, functions, 3)]
    sources[0] += "#include <stdio.h>\n" + "".join(f"int function_{unit}_{number}(int);\n" for unit, number in used)
    sources[0] += "int main(void)\n{\n    long sum = 0;\n"
    sources[0] += "".join(f"    sum += function_{unit}_{number}({number});\n" for unit, number in used)
    sources[0] += '    printf("%ld\\n", sum);\n    return 0;\n}\n'
    return sources
