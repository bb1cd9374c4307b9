/* SPDX-License-Identifier: MIT */
/*
 * boost.cc -- Boost.Interprocess: a managed segment, an unordered_map in it, its interprocess
 * mutex. Bytes are copied outside the lock; a view counts in the entry, and ends without the lock.
 * So an object that is viewed cannot be deleted.
 *
 * With DEFERRED (boost_deferred.cc) it can, as in ours: its id is free at once, its bytes are freed
 * with the last view. For that a view ends under the lock, too.
 */
#include <boost/interprocess/allocators/allocator.hpp>
#include <boost/interprocess/managed_shared_memory.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#include <boost/unordered_map.hpp>

#include <atomic>
#include <cstring>
#include <string>
#include <unistd.h>

#include "../ops.h"

namespace bip = boost::interprocess;

struct entry {
    bip::offset_ptr<char> data;
    size_t size;
    std::atomic<uint64_t> views{ 0 };
    entry() : data(nullptr), size(0) {}
    entry(const entry &o) : data(o.data), size(o.size), views(o.views.load()) {}
};
struct hasher {
    size_t operator()(const id &k) const { return k.word[0] ^ k.word[1] * 0x9e3779b97f4a7c15u; }
};
struct same {
    bool operator()(const id &a, const id &b) const
    {
        return a.word[0] == b.word[0] && a.word[1] == b.word[1];
    }
};
using pairs = bip::allocator<std::pair<const id, entry>, bip::managed_shared_memory::segment_manager>;
using map = boost::unordered_map<id, entry, hasher, same, pairs>;

struct handle {
    bip::managed_shared_memory segment;
    map *objects;
    bip::interprocess_mutex *mutex;
    entry *held;       /* what is viewed */
    struct head *head; /* DEFERRED: likewise */
};

/* DEFERRED: a line in front of the bytes. */
struct head {
    uint64_t views;
    bool doomed;
};
static const size_t HEAD = 64;

static std::string name;

static bool start(uint64_t capacity)
{
    name = "bench-boost-" + std::to_string(getpid());
    bip::shared_memory_object::remove(name.c_str());
    try {
        bip::managed_shared_memory segment(bip::create_only, name.c_str(),
                                           capacity + capacity / 8 + (64u << 20));
        segment.construct<map>("objects")(1024u, hasher(), same(),
                                          pairs(segment.get_segment_manager()));
        segment.construct<bip::interprocess_mutex>("mutex")();
    } catch (...) {
        return false;
    }
    return true;
}

static void stop(void)
{
    bip::shared_memory_object::remove(name.c_str());
}

static void *attach(void)
{
    try {
        handle *h = new handle();
        h->segment = bip::managed_shared_memory(bip::open_only, name.c_str());
        h->objects = h->segment.find<map>("objects").first;
        h->mutex = h->segment.find<bip::interprocess_mutex>("mutex").first;
        return h;
    } catch (...) {
        return nullptr;
    }
}

static void detach(void *at)
{
    delete static_cast<handle *>(at);
}

static int put(void *at, const struct id *key, const void *data, size_t size)
{
    handle *h = static_cast<handle *>(at);
    try {
#ifdef DEFERRED
        char *block = static_cast<char *>(h->segment.allocate_aligned(HEAD + size, 64));
        new (block) head{ 0, false };
        char *bytes = block + HEAD;
#else
        char *bytes = static_cast<char *>(h->segment.allocate_aligned(size, 64));
#endif
        memcpy(bytes, data, size);
        bip::scoped_lock<bip::interprocess_mutex> lock(*h->mutex);
        entry &e = (*h->objects)[*key];
        e.data = bytes;
        e.size = size;
    } catch (...) {
        return -1;
    }
    return 0;
}

static int get(void *at, const struct id *key, const void **data, size_t *size)
{
    handle *h = static_cast<handle *>(at);
    bip::scoped_lock<bip::interprocess_mutex> lock(*h->mutex);
    auto found = h->objects->find(*key);
    if (found == h->objects->end())
        return -1;
#ifdef DEFERRED
    h->head = reinterpret_cast<head *>(found->second.data.get() - HEAD);
    h->head->views++;
#else
    h->held = &found->second;
    h->held->views.fetch_add(1, std::memory_order_relaxed);
#endif
    *data = found->second.data.get();
    *size = found->second.size;
    return 0;
}

#ifdef DEFERRED
static void done(void *at)
{
    handle *h = static_cast<handle *>(at);
    bool is_last;
    {
        bip::scoped_lock<bip::interprocess_mutex> lock(*h->mutex);
        is_last = --h->head->views == 0 && h->head->doomed;
    }
    if (is_last)
        h->segment.deallocate(h->head);
}

static int del(void *at, const struct id *key)
{
    handle *h = static_cast<handle *>(at);
    head *object;
    {
        bip::scoped_lock<bip::interprocess_mutex> lock(*h->mutex);
        auto found = h->objects->find(*key);
        if (found == h->objects->end())
            return -1;
        object = reinterpret_cast<head *>(found->second.data.get() - HEAD);
        object->doomed = true;
        h->objects->erase(found);
        if (object->views)
            return 0;
    }
    h->segment.deallocate(object);
    return 0;
}
#else
static void done(void *at)
{
    static_cast<handle *>(at)->held->views.fetch_sub(1, std::memory_order_release);
}

static int del(void *at, const struct id *key)
{
    handle *h = static_cast<handle *>(at);
    char *bytes;
    {
        bip::scoped_lock<bip::interprocess_mutex> lock(*h->mutex);
        auto found = h->objects->find(*key);
        if (found == h->objects->end() || found->second.views.load(std::memory_order_acquire))
            return -1;
        bytes = found->second.data.get();
        h->objects->erase(found);
    }
    h->segment.deallocate(bytes);
    return 0;
}
#endif

#ifdef DEFERRED
#define NAME "Boost, deferred delete"
#else
#define NAME "Boost.Interprocess"
#endif
extern "C" const struct ops ops = { NAME, start, stop,    attach,  detach, put, get,
                                    done, del,   nullptr, nullptr, nullptr, 0, nullptr };
