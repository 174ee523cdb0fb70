// SPDX-License-Identifier: MIT
#include "tool/library.h"

#include "tool/command.h"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace fastalloc::tool
{
namespace
{

namespace fs = std::filesystem;

constexpr char soname[] = "libfastalloc.so.1";
constexpr char soname_stem[] = "libfastalloc.so";
// ld.so(8): what separates the names in LD_PRELOAD. It knows no way to quote them.
constexpr char separators[] = " :";
// Where ld.so looks without being told: these, and in each the folder that Debian has for an architecture.
constexpr const char *searched[] = {"/lib", "/lib64", "/usr/lib", "/usr/lib64"};
#if defined(__x86_64__)
constexpr char multiarch[] = "x86_64-linux-gnu";
#else
constexpr char multiarch[] = "aarch64-linux-gnu";
#endif

// Where the library lies if it belongs to a command in this folder. FASTALLOC_LIBRARY_FOLDER is libdir, seen from bindir.
fs::path beside(const fs::path &folder)
{
    std::error_code absent;
    if (folder.parent_path().filename() == "src" && folder.filename() == "tool") // of a build
        if (fs::path built = folder.parent_path() / soname; fs::exists(built, absent))
            return built;
    fs::path installed = (folder / FASTALLOC_LIBRARY_FOLDER / soname).lexically_normal();
    return fs::exists(installed, absent) ? installed : fs::path();
}

// /lib, /usr/lib64, /usr/lib/x86_64-linux-gnu.
bool is_searched_by_linker(const fs::path &folder)
{
    const fs::path parent = folder.filename() == multiarch ? folder.parent_path() : folder;
    return std::ranges::any_of(searched, [&](const char *one) { return parent == one; });
}

} // namespace

PreloadedLibrary find_library()
{
    std::error_code unknown;
    const fs::path command = fs::read_symlink("/proc/self/exe", unknown);
    const fs::path path = unknown ? fs::path() : beside(command.parent_path());
    if (path.empty() || is_searched_by_linker(path.parent_path()))
        return {soname, path};
    if (path.native().find_first_of(separators) != std::string::npos)
        throw Failure("cannot preload " + path.native() + ": LD_PRELOAD takes no name with a blank or a colon in it");
    return {path, path};
}

std::string merge_preload(const char *before, const std::string &name)
{
    const std::string_view names = before == nullptr ? "" : before;
    for (size_t begin = 0; begin < names.size();)
    {
        const size_t end = std::min(names.find_first_of(separators, begin), names.size());
        const std::string_view one = names.substr(begin, end - begin);
        if (one.substr(one.rfind('/') + 1).starts_with(soname_stem))
            return std::string(names);
        begin = end + 1;
    }
    return names.empty() ? name : name + ":" + std::string(names);
}

} // namespace fastalloc::tool
