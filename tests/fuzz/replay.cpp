// SPDX-License-Identifier: MIT
//
// replay.cpp - makes the calls of kept inputs again: `replay FILE|FOLDER...`. Needs no fuzzer. Writes TAP; the first
// input that fails ends the process.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int count, char **arguments)
{
    std::vector<std::filesystem::path> files;
    for (const std::filesystem::path path : std::vector<std::string>(arguments + 1, arguments + count))
    {
        if (std::filesystem::is_directory(path))
            std::copy(std::filesystem::directory_iterator(path), {}, std::back_inserter(files));
        else
            files.push_back(path);
    }
    std::sort(files.begin(), files.end());

    setvbuf(stdout, nullptr, _IOLBF, 0);
    printf("1..%zu\n", files.size());
    unsigned number = 0;
    for (const std::filesystem::path &path : files)
    {
        printf("# %s\n", path.c_str());
        std::ifstream file(path, std::ios::binary);
        const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
        LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size());
        printf("%sok %u - %s\n", file.is_open() ? "" : "not ", ++number, path.filename().c_str());
    }
    return files.empty() ? 1 : 0;
}
