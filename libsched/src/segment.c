/* SPDX-License-Identifier: MIT */
/*
 * segment.c -- the shared memory of a pool: how big its parts are and where.
 *
 * A memfd: it has no name, so that nothing is left behind whatever dies. Its size is sealed, so
 * that nobody can take pages away under the others (SIGBUS). A pool with a name is a file (name.c),
 * which cannot be sealed; only its owner can write to it.
 */
#define _GNU_SOURCE /* memfd_create */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity.h"
#include "pool.h"

#define GUESTS_DEFAULT 16u
#define ACTORS_DEFAULT 16u
#define STREAMS_DEFAULT 16u
#define RING_BYTES_MAX (64ull << 20)
#define FIRST_BYTES (64u << 10)
#define STOCK_MAX 256u /* of free slots that a worker or a guest keeps at hand */

static uint64_t take(uint64_t *at, uint64_t bytes)
{
    uint64_t here = *at;

    *at += (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    return here;
}

static uint32_t power_of_two(uint32_t least)
{
    uint32_t n = 64;

    while (n < least)
        n *= 2;
    return n;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* In a pool of some size every process keeps free slots at hand; they come on top of what the
 * caller asked for. */
static void size_tasks(struct wsched *p, uint32_t capacity)
{
    uint32_t most = capacity < 256 ? 0 : capacity / 4;

    p->free_max = most; /* the driver's; workers and guests take theirs when they come */
    p->worker_free_max = smaller(most / p->workers, STOCK_MAX);
    p->guest_free_max = smaller(most / p->guests, STOCK_MAX);
    p->task_count = capacity + most + p->workers * p->worker_free_max +
                    p->guests * p->guest_free_max +
                    p->actors_max * smaller(p->worker_free_max, ACTOR_STOCK);
    if (p->task_count > TASKS_MAX)
        p->task_count = TASKS_MAX;
    p->bytes_stride = (p->payload_max + 7) / 8 * 8 + p->result_max;
    p->bytes_stride = (p->bytes_stride + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    p->block_count = p->task_count < BLOCKS_MIN / 8 ? BLOCKS_MIN : p->task_count * 8;
}

static uint32_t cell_stride(const struct wsched *p) /* its size, then the item */
{
    return (uint32_t)sizeof(struct au64) + (p->result_max + 7) / 8 * 8;
}

struct places {
    uint64_t boards, streams, rings;
    uint64_t free_map, names, seats, deaths, tasks, details, call_map, terms, levels, bytes, blocks,
        deques, queues, events, labels, actors, mailboxes, payloads, end;
};

static struct places places_of(struct wsched *p)
{
    struct places at;
    uint64_t end = 0;

    p->level_capacity = power_of_two(p->task_count);
    take(&end, sizeof(struct header));
    at.free_map = take(&end, (p->task_count + 63) / 64 * sizeof(struct au64));
    at.names = take(&end, (uint64_t)p->kernel_count * NAME_BYTES);
    at.seats = take(&end, p->seat_count * sizeof(struct seat));
    at.deaths = take(&end, DEATHS_KEPT * sizeof(struct death));
    at.tasks = take(&end, p->task_count * sizeof(struct task));
    at.details = take(&end, p->task_count * sizeof(struct detail));
    at.call_map = take(&end, (p->task_count + 63) / 64 * sizeof(struct au64));
    at.terms = take(&end, p->task_count * sizeof(struct terms));
    at.levels = take(&end, 2ull * p->level_capacity * sizeof(struct au64));
    at.bytes = take(&end, (uint64_t)p->task_count * p->bytes_stride);
    at.blocks = take(&end, p->block_count * sizeof(struct block));
    at.deques = take(&end, (uint64_t)(p->seat_count - 2) * DEQUE_CAPACITY * sizeof(struct au64));
    at.queues = take(&end, (uint64_t)(2 + p->guests) * p->queue_capacity * sizeof(struct au64));
    at.boards = take(&end, (uint64_t)(p->seat_count - 2) * sizeof(struct board));
    at.events = take(&end, (uint64_t)p->seat_count * p->event_places * sizeof(struct event_record));
    at.labels = take(&end, (uint64_t)p->seat_count * p->event_places * sizeof(struct event_label));
    at.actors = take(&end, p->actors_max * sizeof(struct actor));
    at.mailboxes = take(&end, (uint64_t)p->actors_max * MAILBOX_SLOTS * sizeof(struct au64));
    at.payloads = take(&end, (uint64_t)p->actors_max * actor_payload_stride(p));
    at.streams = take(&end, p->streams * sizeof(struct stream_record));
    at.rings = take(&end, (uint64_t)p->streams * p->stream_items * p->cell_stride);
    at.end = end;
    return at;
}

static void place(struct wsched *p, const struct places *at)
{
    p->header = (struct header *)(void *)p->base;
    p->free_map = (struct au64 *)(void *)(p->base + at->free_map);
    p->call_map = (struct au64 *)(void *)(p->base + at->call_map);
    p->kernel_names = (char *)p->base + at->names;
    p->seats = (struct seat *)(void *)(p->base + at->seats);
    p->deaths = (struct death *)(void *)(p->base + at->deaths);
    p->tasks = (struct task *)(void *)(p->base + at->tasks);
    p->details = (struct detail *)(void *)(p->base + at->details);
    p->terms = (struct terms *)(void *)(p->base + at->terms);
    p->level_cells = (struct au64 *)(void *)(p->base + at->levels);
    p->bytes_of_tasks = p->base + at->bytes;
    p->blocks = (struct block *)(void *)(p->base + at->blocks);
    p->deques = (struct au64 *)(void *)(p->base + at->deques);
    p->queues = (struct au64 *)(void *)(p->base + at->queues);
    p->boards = (struct board *)(void *)(p->base + at->boards);
    p->events = (struct event_record *)(void *)(p->base + at->events);
    p->event_labels = (struct event_label *)(void *)(p->base + at->labels);
    p->actors = (struct actor *)(void *)(p->base + at->actors);
    p->mailboxes = (struct au64 *)(void *)(p->base + at->mailboxes);
    p->actor_payloads = p->base + at->payloads;
    p->stream_records = (struct stream_record *)(void *)(p->base + at->streams);
    p->rings = p->base + at->rings;
}

/*
 * Who begins needs most of the first pages: one call maps them (and makes them, the first time) in
 * less time than two faults take. The seats of a few workers are among them; those of many are not
 * everybody's business.
 */
void segment_touch(const struct wsched *p)
{
#ifdef MADV_POPULATE_WRITE /* Linux 5.14 */
    (void)madvise(p->base, p->bytes < FIRST_BYTES ? p->bytes : FIRST_BYTES, MADV_POPULATE_WRITE);
#else
    (void)p;
#endif
}

static int make_memory(struct wsched *p)
{
    if (p->options.name)
        return name_create(p->options.name, &p->fd);
    p->fd = memfd_create(MEMORY_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return p->fd < 0 ? -errno : name_lock(p->fd);
}

static int map_segment(struct wsched *p)
{
    int err = make_memory(p);

    if (!err && (ftruncate(p->fd, (off_t)p->bytes) ||
                 (!p->options.name &&
                  fcntl(p->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))))
        err = -errno;
    void *base =
        err ? MAP_FAILED : mmap(NULL, p->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, p->fd, 0);
    if (!err && base == MAP_FAILED)
        err = -errno;
    if (err) {
        if (p->fd >= 0)
            close(p->fd);
        p->fd = -1;
        return err;
    }
    p->base = base;
    return 0;
}

int segment_make(struct wsched *p, const struct wsched_options *o,
                 const struct wsched_kernel *kernels, size_t kernel_count)
{
    p->workers = o->workers ? o->workers : wsched_cpus();
    if (p->workers > WORKERS_MAX)
        p->workers = WORKERS_MAX;
    p->guests = o->guests ? o->guests : GUESTS_DEFAULT;
    p->actors_max = o->actors ? o->actors : ACTORS_DEFAULT;
    p->seat_count = actor_seat(p, p->actors_max);
    p->payload_max = o->payload_max ? o->payload_max : 64;
    p->result_max = o->result_max ? o->result_max : 64;
    p->event_capacity = o->event_capacity ? o->event_capacity : 65536;
    p->event_places = p->event_capacity + 1;
    p->kernel_count = (uint32_t)kernel_count;
    p->streams = o->streams ? o->streams : STREAMS_DEFAULT;
    p->cell_stride = cell_stride(p);
    p->stream_items = smaller(STREAM_ITEMS_MAX, (uint32_t)(RING_BYTES_MAX / p->cell_stride));
    size_tasks(p, o->task_capacity ? o->task_capacity : 65536);
    p->queue_capacity = power_of_two(p->task_count);
    struct places at = places_of(p);
    p->bytes = at.end;
    int err = map_segment(p);
    if (err)
        return err;
    place(p, &at);
    segment_touch(p);
    p->header->layout_version = LAYOUT_VERSION;
    p->header->workers = p->workers;
    p->header->memory_max = o->worker_memory_max;
    p->header->geometry = (struct geometry){ .bytes = p->bytes,
                                             .task_count = p->task_count,
                                             .bytes_stride = p->bytes_stride,
                                             .block_count = p->block_count,
                                             .payload_max = p->payload_max,
                                             .result_max = p->result_max,
                                             .kernel_count = p->kernel_count,
                                             .event_capacity = p->event_capacity,
                                             .queue_capacity = p->queue_capacity,
                                             .guests = p->guests,
                                             .guest_stock = p->guest_free_max,
                                             .actors = p->actors_max,
                                             .streams = p->streams,
                                             .stream_items = p->stream_items };
    p->header->pid_namespace = pid_namespace();
    for (size_t i = 0; i < kernel_count; i++)
        memcpy(p->kernel_names + i * NAME_BYTES, kernels[i].name, strlen(kernels[i].name) + 1);
    memcpy(p->header->resources[0].name, "cpu", sizeof "cpu");
    p->header->resources[0].total = p->workers;
    for (uint32_t i = 0; i < o->resource_count; i++) {
        struct resource *r = &p->header->resources[i + 1];
        memcpy(r->name, o->resources[i].name, strlen(o->resources[i].name));
        r->total = o->resources[i].count;
    }
    ticks_begin(p);
    p->header->magic = LAYOUT_MAGIC;
    return 0;
}

/* ---- looking at another's ------------------------------------------------------------------ */

static bool is_power_of_two(uint32_t n)
{
    return n && !(n & (n - 1));
}

/* Could segment_make() have made it? Then all places are inside the file. */
static bool is_sane(const struct header *h, uint64_t file_bytes)
{
    const struct geometry *g = &h->geometry;

    return h->workers > 0 && h->workers <= WORKERS_MAX && g->bytes <= file_bytes &&
           g->task_count > 0 && g->task_count <= TASKS_MAX && g->payload_max <= BYTES_MAX &&
           g->result_max <= BYTES_MAX && g->bytes_stride % CACHE_LINE == 0 &&
           g->bytes_stride >= (g->payload_max + 7) / 8 * 8 + g->result_max &&
           g->bytes_stride <= 2 * BYTES_MAX + 2 * CACHE_LINE && g->block_count > 0 &&
           g->block_count <= 8 * (TASKS_MAX + 1) && g->kernel_count > 0 &&
           g->kernel_count <= KERNELS_MAX && g->event_capacity > 0 &&
           g->event_capacity <= EVENTS_MAX && is_power_of_two(g->queue_capacity) &&
           g->queue_capacity <= 2 * TASKS_MAX && g->guests <= GUESTS_MAX &&
           g->guest_stock <= STOCK_MAX && g->actors <= ACTORS_MAX && g->streams > 0 &&
           g->streams <= STREAMS_MAX && g->stream_items > 0 && g->stream_items <= STREAM_ITEMS_MAX;
}

int segment_look(struct wsched *p, bool writable)
{
    struct header h; /* a copy: it may change under us */
    struct stat st;

    if (fstat(p->fd, &st))
        return -errno;
    ssize_t n = S_ISREG(st.st_mode) ? pread(p->fd, &h, sizeof h, 0) : 0;
    if (n < 0)
        return -errno;
    if ((size_t)n < offsetof(struct header, clock_ticks) || h.magic != LAYOUT_MAGIC ||
        h.layout_version != LAYOUT_VERSION)
        return -EPROTO;
    if (n != sizeof h || !is_sane(&h, (uint64_t)st.st_size))
        return -EBADMSG;
    const struct geometry *g = &h.geometry;
    p->workers = h.workers;
    p->guests = g->guests;
    p->actors_max = g->actors;
    p->seat_count = actor_seat(p, p->actors_max);
    p->task_count = g->task_count;
    p->bytes_stride = g->bytes_stride;
    p->block_count = g->block_count;
    p->payload_max = g->payload_max;
    p->result_max = g->result_max;
    p->kernel_count = g->kernel_count;
    p->event_capacity = g->event_capacity;
    p->event_places = p->event_capacity + 1;
    p->queue_capacity = g->queue_capacity;
    p->guest_free_max = g->guest_stock;
    p->streams = g->streams;
    p->stream_items = g->stream_items;
    p->cell_stride = cell_stride(p);
    struct places at = places_of(p);
    if (at.end != g->bytes)
        return -EBADMSG;
    void *base = mmap(NULL, at.end, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, p->fd, 0);
    if (base == MAP_FAILED)
        return -errno;
    p->base = base;
    p->bytes = at.end;
    place(p, &at);
    ticks_look(p, h.clock_ticks, h.clock_ns);
    return 0;
}

void segment_free(struct wsched *p)
{
    if (p->base)
        munmap(p->base, p->bytes);
    if (p->fd >= 0)
        close(p->fd);
    p->base = NULL;
    p->fd = -1;
}
