// SPDX-License-Identifier: MIT
//
// made_up_machine.h - a machine for tests of os/topology.h: its nodes, its policy, what the kernel shows of it, and what
// was asked of the kernel. Include it instead of layers.h.
#pragma once

#include "os/topology.h"

#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <linux/mempolicy.h>
#include <string>

#include "layers.h"

namespace fastalloc_test
{

inline unsigned node_of_cpu = 0;
inline topology::Injected machine;

struct Asked
{
    unsigned times;
    int policy;
    NodeSet nodes;
};
inline Asked asked;
inline bool refuses = false;

inline NodeSet set_of(std::initializer_list<unsigned> nodes)
{
    NodeSet set{};
    for (const unsigned node : nodes)
        set.add(node);
    return set;
}

inline NodeSet first_nodes(unsigned count)
{
    NodeSet set{};
    for (unsigned node = 0; node < count; node++)
        set.add(node);
    return set;
}

inline bool note(uintptr_t, size_t, int policy, const NodeSet &nodes)
{
    asked = {asked.times + 1, policy, nodes};
    return !refuses;
}

// Of every test: nothing of the one before, and the settings.
inline void begin_with(const NodeSet &memory, const char *settings = nullptr)
{
    options_load({.variable = settings});
    asked = {};
    refuses = false;
    machine = {};
    machine.memory = memory;
    machine.node_of_thread = [] { return node_of_cpu; };
    machine.bind = note;
    topology::inject_for_tests(&machine);
}

inline Node place_on_cpu_of(unsigned node)
{
    node_of_cpu = node;
    return topology::place_of_thread();
}

inline bool place_pages(Node place)
{
    return topology::place_pages(chunk_bytes, chunk_bytes, place);
}

inline int back_to_the_real_machine(void **)
{
    topology::inject_for_tests(nullptr);
    options_load({});
    return 0;
}

// What the kernel shows of nodes: "online", and a line of distances of each. Gone with the object.
class Folder
{
public:
    Folder(const char *online, std::initializer_list<std::pair<unsigned, const char *>> distances)
    {
        char name[] = "/tmp/nodes.XXXXXX";
        path_ = mkdtemp(name);
        std::ofstream(path_ + "/online") << online << '\n';
        for (const auto &[node, line] : distances)
        {
            const std::string folder = path_ + "/node" + std::to_string(node);
            std::filesystem::create_directory(folder);
            std::ofstream(folder + "/distance") << line << '\n';
        }
        machine.folder = path_.c_str();
    }

    ~Folder()
    {
        std::filesystem::remove_all(path_);
    }

    Folder(const Folder &) = delete;
    Folder &operator=(const Folder &) = delete;

    const std::string &path() const
    {
        return path_;
    }

private:
    std::string path_;
};

} // namespace fastalloc_test
