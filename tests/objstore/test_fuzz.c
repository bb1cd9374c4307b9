/* SPDX-License-Identifier: MIT */
/*
 * Hostile bytes: a store's file is damaged with noise and with well-formed lies, before it is
 * opened, while it is used, and by another process that never stops. Every call may fail; none
 * may crash, run for ever or touch memory outside the store.
 *
 * Each round is a child of its own, so that its end is seen whatever it is; a budget of CPU
 * time, not of wall-clock time, tells a loop. A round is repeated by SEED=<its seed> FUZZ=1.
 * FUZZ=n makes it n rounds of each kind; FUZZ_SECONDS=n goes on for n seconds of CPU time.
 */
#define _GNU_SOURCE
#include "extent.h"
#include "blocks.h"
#include "help.h"
#include "lease.h"
#include "store.h"
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { IDS = 48, VIEWS = 24, CPU_BUDGET_S = 20, SLEEP_BUDGET_S = 120 };

static unsigned char bytes[20000];

static size_t size_of(uint64_t n)
{
    return n % 3 == 0 ? n : n % 3 == 1 ? n * 30 : n * 200;
}

static struct objstore_id any_id(uint64_t *random)
{
    static const struct objstore_id zero;
    uint64_t n = test_random(random) % (IDS + 1);

    return n ? help_id(n) : zero; /* no object has it, but damage may say so */
}

/* A store with objects of every kind; some ids free, some slots used before, a second lease. */
static struct objstore *filled_store(uint64_t *random)
{
    static const uint64_t capacities[] = { 4096, 64 << 10, 256 << 10, 4 << 20 };
    struct objstore *s = help_store(capacities[test_random(random) % 4]);
    const struct objstore_meta meta = { .ndim = 1, .dims = { 7 }, .name = "damaged" };
    void *data;

    for (uint64_t n = 1; n <= IDS; n++) {
        struct objstore_id id = help_id(n);

        (void)!objstore_put(s, &id, bytes, size_of(n), n % 4 ? NULL : &meta);
    }
    for (uint64_t n = 1; n <= IDS; n += 5) {
        struct objstore_id id = help_id(n);

        (void)!objstore_delete(s, &id);
        if (n % 2)
            (void)!objstore_create(s, &id, size_of(n), NULL, &data);
    }
    return s;
}

/* ---- every call there is, whatever it answers -------------------------------------------------
 */

static volatile unsigned char sum;

static void read_all(const void *data, size_t size)
{
    const unsigned char *b = data;

    for (size_t i = 0; i < size; i += 64)
        sum = (unsigned char)(sum + b[i]);
    if (size)
        sum = (unsigned char)(sum + b[size - 1]);
}

static int visit_object(const struct objstore_info *info, void *ctx)
{
    (void)ctx;
    return memchr(info->meta.name, 0, sizeof info->meta.name) &&
                   info->meta.ndim <= OBJSTORE_DIMS_MAX
               ? 0
               : 1;
}

static int visit_lease(const struct objstore_lease *lease, void *ctx)
{
    *(int *)ctx += lease->alive;
    return 0;
}

static int visit_holder(const struct objstore_holder *holder, void *ctx)
{
    *(int *)ctx += holder->alive;
    return 0;
}

static void look_around(struct objstore *s, uint64_t *random)
{
    struct objstore_filter filter = OBJSTORE_FILTER_INIT;
    struct objstore_space space;
    struct objstore_stats stats;
    struct objstore_diag diag;
    int alive = 0;

    switch (test_random(random) % 8) {
    case 0:
        CHILD_CHECK(objstore_list(s, visit_object, NULL) != 1);
        break;
    case 4:
        filter.name_prefix = "dam";
        CHILD_CHECK(objstore_list_where(s, &filter, visit_object, NULL) != 1);
        break;
    case 5:
        (void)!objstore_space(s, &space);
        break;
    case 1:
        (void)!objstore_leases(s, visit_lease, &alive);
        break;
    case 2:
        (void)!objstore_stats(s, &stats);
        break;
    case 3:
        (void)!objstore_reap(s);
        break;
    default:
        (void)!objstore_verify(s, &diag);
    }
}

static void write_something(struct objstore *s, uint64_t *random)
{
    struct objstore_id id = any_id(random);
    size_t size = size_of(test_random(random) % IDS);
    const struct objstore_meta meta = { .name = "sealed" };
    void *data;

    switch (test_random(random) % 6) {
    case 5:
        (void)!objstore_seal_size(s, &id, size, size % 2 ? &meta : NULL);
        break;
    case 0:
        (void)!objstore_put(s, &id, bytes, size, NULL);
        break;
    case 1:
        if (!objstore_create(s, &id, size, NULL, &data) && size)
            memset(data, 1, size);
        break;
    case 2:
        (void)!objstore_seal(s, &id);
        break;
    case 3:
        (void)!objstore_abort(s, &id);
        break;
    default:
        (void)!objstore_delete(s, &id);
    }
}

static void read_something(struct objstore *s, struct objstore_view *view, uint64_t *random)
{
    struct objstore_id id = any_id(random), ids[8];
    struct objstore_info info;
    struct objstore_view views[8] = { { 0 } };
    bool ready[8];
    size_t size;
    int alive = 0;

    switch (test_random(random) % 7) {
    case 4:
        for (int i = 0; i < 8; i++)
            ids[i] = any_id(random);
        if (objstore_get_many(s, ids, 1 + test_random(random) % 8, 0, views))
            break;
        read_all(views[0].data, views[0].size);
        objstore_release_many(s, views, 8);
        break;
    case 0:
        (void)!objstore_read(s, &id, bytes, sizeof bytes, &size);
        break;
    case 1:
        if (!objstore_stat(s, &id, &info))
            (void)!objstore_holders(s, &info, visit_holder, &alive);
        break;
    case 2:
        (void)objstore_contains(s, &id);
        break;
    case 3:
        for (int i = 0; i < 8; i++)
            ids[i] = any_id(random);
        (void)!objstore_wait(s, ids, 8, test_random(random) % 9, test_random(random) % 64 == 0,
                             ready);
        break;
    default:
        objstore_release(s, view);
        if (!objstore_get(s, &id, test_random(random) % 64 == 0, view))
            read_all(view->data, view->size);
    }
}

static void hand_over(struct objstore *s, const struct objstore_view *view, uint64_t *random)
{
    struct objstore_view taken;
    struct objstore_pass pass;
    uint64_t r = test_random(random);

    if (objstore_give(s, view, (int)(1 + r % 1000), &pass))
        return;
    if (r >> 32 & 1)
        pass.words[r >> 33 & 1] = test_random(random);
    if (r >> 34 & 1)
        (void)!objstore_give_cancel(s, &pass);
    if (!objstore_take(s, &pass, &taken)) {
        read_all(taken.data, taken.size);
        objstore_release(s, &taken);
    }
}

static void use(struct objstore *s, uint64_t *random, int calls)
{
    static struct objstore_view views[VIEWS];
    struct objstore_events *events = NULL;
    struct objstore_event event[8];

    if (test_random(random) % 2)
        (void)!objstore_events_open(s, &events);
    for (int i = 0; i < calls; i++) {
        if (i % 8 == 4)
            hand_over(s, &views[test_random(random) % VIEWS], random);
        if (events && i % 8 == 0)
            (void)!objstore_events_next(events, event, 8, test_random(random) % 64 == 0);
        switch (test_random(random) % 8) {
        case 0:
            look_around(s, random);
            break;
        case 1:
        case 2:
        case 3:
            write_something(s, random);
            break;
        default:
            read_something(s, &views[test_random(random) % VIEWS], random);
        }
    }
    objstore_events_close(events);
    for (int i = 0; i < VIEWS; i++)
        objstore_release(s, &views[i]);
}

/* Many objects read at once, so that pin tables have to be added. */
static void use_widely(struct objstore *s, uint64_t *random)
{
    enum { MANY = 700 };
    static struct objstore_view views[MANY];
    int err = 0;

    /* "Full" is slow where damage looks like somebody who is just giving pages back. */
    for (uint64_t n = 0; n < MANY && err != -ENOSPC; n++) {
        struct objstore_id id = help_id(10000 + n);

        (void)!objstore_put(s, &id, "wide", 4, NULL);
        err = objstore_get(s, &id, 0, &views[n]);
        if (!err)
            read_all(views[n].data, views[n].size);
    }
    look_around(s, random);
    for (int n = 0; n < MANY; n++)
        objstore_release(s, &views[n]);
}

/* ---- ways to damage -----------------------------------------------------------------------------
 */

struct victim {
    unsigned char *file;
    const struct geometry *geo;
    uint64_t slots; /* that lies are about */
};

/* A place in the file that is used: the header, control words, used slots, a little of the data. */
static uint64_t any_place(const struct victim *v, uint64_t *random)
{
    const struct geometry *g = v->geo;
    const struct {
        uint64_t at, size;
    } regions[] = {
        { 0, 704 },
        { g->events_at, 1024 },
        { g->passes_at, 256 },
        { g->leases_at, 8 * sizeof(struct lease) },
        { g->waits_at, 4096 },
        { g->slot_hints_at, g->meta_bits_at - g->slot_hints_at + 64 },
        { g->buckets_at, g->buckets * 8 },
        { g->page_owners_at, g->pages * 4 },
        { g->block_words_at, g->blocks * 8 },
        { g->cell_owners_at, g->blocks * BLOCK_CELLS * 4 },
        { g->pins_at, 2 * PIN_TABLE_BYTES },
        { g->slots_at, v->slots * sizeof(struct slot) },
        { g->slots_at, v->slots * sizeof(struct slot) },
        { g->metas_at, v->slots * sizeof(struct meta) },
        { g->data_at, g->capacity_bytes },
    };
    size_t r = test_random(random) % (sizeof regions / sizeof *regions);

    return regions[r].at + (regions[r].size ? test_random(random) % regions[r].size : 0);
}

static void set64(struct au64 *word, uint64_t to)
{
    au64_store_relaxed(word, to);
}

static void noise(const struct victim *v, uint64_t *random)
{
    uint64_t at = any_place(v, random), word = test_random(random);

    switch (test_random(random) % 4) {
    case 0: /* one bit */
        v->file[at] ^= (unsigned char)(1u << test_random(random) % 8);
        break;
    case 1: /* a word, aligned as the words are */
        memcpy(v->file + (at & ~7ull), &word, 8);
        break;
    case 2: /* a word from elsewhere */
        memcpy(&word, v->file + (any_place(v, random) & ~7ull), 8);
        memcpy(v->file + (at & ~7ull), &word, 8);
        break;
    default: /* zeros or ones */
        memset(v->file + (at & ~63ull), word % 2 ? 0xff : 0, 64);
    }
}

/* A lie about a slot that has the right form: it gets past the first checks. */
static void lie_about_slot(const struct victim *v, uint64_t *random)
{
    const struct geometry *g = v->geo;
    struct slot *slots = (void *)(v->file + g->slots_at);
    struct slot *slot = &slots[test_random(random) % v->slots];
    uint64_t r = test_random(random), other = test_random(random) % (v->slots + 2);
    static const uint64_t sizes[] = { 0, 1, 64, 65, 4096, 1 << 20, UINT64_MAX };
    struct extent e = { (uint32_t)(r % 4), r >> 8 & 1, (uint32_t)(r >> 9 & 31),
                        (uint32_t)((r >> 16) % (g->pages + 1)),
                        (uint32_t)((r >> 32) % (g->pages + 2)) };

    switch (test_random(random) % 7) {
    case 0: /* a state, and who owns it */
        set64(&slot->word, word_make(word_generation(au64_load_relaxed(&slot->word)) + r % 2,
                                     (enum slot_state)(r >> 8 & 7), (uint32_t)(r >> 16) % 6));
        break;
    case 1: /* a chain that leads elsewhere, in a circle, or is marked */
        set64(&slot->next, other << 32 | (r & 3) << 30 | (r >> 40));
        break;
    case 2:
        set64((struct au64 *)(void *)(v->file + g->buckets_at) + (r % 2 ? 0 : r % g->buckets),
              other << 32 | (r >> 20 & 3) << 30); /* the first is where the list begins */
        break;
    case 3:
        set64(&slot->extent, extent_pack(e));
        break;
    case 4:
        set64(&slot->size, sizes[r % 7]);
        break;
    case 5:
        set64(&slot->id[0], r % 4 ? (r >> 8) % (IDS + 1) : 0);
        set64(&slot->id[1], (r >> 32) % 2 ? 0 : au64_load_relaxed(&slots[other % v->slots].id[1]));
        break;
    default:
        set64(&slot->pinners, r % 2 ? UINT64_MAX : 0);
    }
}

/* Leases of the dead, of the living, of nobody; pin tables where none are. */
static void lie_about_leases(const struct victim *v, uint64_t *random)
{
    struct lease *leases = (void *)(v->file + v->geo->leases_at);
    struct header *header = (void *)v->file;
    uint64_t r = test_random(random), n = test_random(random) % 12;

    switch (test_random(random) % 4) {
    case 0:
        set64(&leases[n].word, (r >> 32) % 4 << 32 | r % 4);
        break;
    case 1: /* a massacre: more than one sweep takes at once */
        for (uint64_t i = 0; i < 600; i++)
            set64(&leases[8 + i].word, 1ull << 32 | (1 + r % 2));
        set64(&header->leases_used, 608);
        break;
    case 2:
        set64(&leases[n].tables[r % PIN_LEVELS],
              r % 2 ? v->geo->data_at : v->geo->file_bytes - 4096);
        break;
    default:
        set64(&header->leases_used, r % 3 ? r % (2ull * LEASES_MAX) : r);
    }
}

static void lie_about_units(const struct victim *v, uint64_t *random)
{
    const struct geometry *g = v->geo;
    struct au32 *pages = (void *)(v->file + g->page_owners_at);
    struct au64 *blocks = (void *)(v->file + g->block_words_at);
    struct au64 *ring = (void *)(v->file + g->events_at);
    struct au32 *cells = (void *)(v->file + g->cell_owners_at);
    struct header *header = (void *)v->file;
    uint64_t r = test_random(random), owner = (r >> 32) % (v->slots + 3);

    switch (test_random(random) % 6) {
    case 4: /* hints of the first lap, told or not, by anybody, for any slot */
        set64(&ring[r % 64],
              (r >> 8) % 3 << 48 | (r >> 16) % 4 << 46 | (r >> 20) % 5 << 32 | owner);
        break;
    case 5:
        set64(r % 3 == 0   ? &header->events_on
              : r % 3 == 1 ? &header->events_head
                           : &header->events_lost,
              (r >> 8) % 3 ? (r >> 16) % 16 : r);
        break;
    case 0:
        au32_store_relaxed(&pages[r % g->pages], (uint32_t)owner);
        break;
    case 1:
        if (g->blocks)
            set64(&blocks[r % g->blocks],
                  r << 40 | (r >> 8 & 7) << 37 | (r >> 12 & 31) << 32 | owner);
        break;
    case 2:
        if (g->blocks)
            au32_store_relaxed(&cells[r % (g->blocks * BLOCK_CELLS)], (uint32_t)owner);
        break;
    default:
        set64(r % 2 ? &header->slots_fresh : &header->slots_ready,
              (r >> 8) % 3 ? (r >> 16) % (g->slots + 100) : r);
    }
}

static void damage(const struct victim *v, uint64_t *random)
{
    switch (test_random(random) % 8) {
    case 0:
    case 1:
        noise(v, random);
        break;
    case 2:
        lie_about_leases(v, random);
        break;
    case 3:
        lie_about_units(v, random);
        break;
    default:
        lie_about_slot(v, random);
    }
}

/* ---- rounds
 * --------------------------------------------------------------------------------------- */

static struct victim map_victim(const struct objstore *s)
{
    struct victim v = { .geo = &s->geo, .slots = 64 };
    void *at = mmap(NULL, s->geo.file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, objstore_fd(s), 0);

    CHILD_CHECK(at != MAP_FAILED);
    v.file = at;
    return v;
}

static struct objstore *attach(const struct objstore *s, uint32_t flags)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore *own = NULL;
    struct objstore_diag diag = { "" };

    o.flags = flags;
    int err = objstore_open_fd(objstore_fd(s), &o, &own, &diag);
    CHILD_CHECK(!err || diag.text[0]);
    return err ? NULL : own;
}

static void before_open(uint64_t random)
{
    struct objstore *s = filled_store(&random), *own;
    struct victim v = map_victim(s);

    for (uint64_t i = 0, n = 1 + test_random(&random) % 40; i < n; i++)
        damage(&v, &random);
    if ((own = attach(s, OBJSTORE_READ_ONLY))) {
        use(own, &random, 60);
        objstore_close(own);
    }
    if ((own = attach(s, 0))) {
        use(own, &random, 200);
        if (test_random(&random) % 8 == 0)
            use_widely(own, &random);
        objstore_close(own);
    }
    objstore_close(s); /* it had views, unsealed objects and hints */
}

static void while_used(uint64_t random)
{
    struct objstore *s = filled_store(&random), *own = attach(s, 0);
    struct victim v = map_victim(s);

    for (int i = 0; i < 30; i++) {
        use(own, &random, 10);
        for (uint64_t n = test_random(&random) % 4; n-- > 0;)
            damage(&v, &random);
    }
    use_widely(own, &random);
    objstore_close(own);
    objstore_close(s);
}

/* Another process that scribbles all the time, also between two loads of one call. */
static void scribbled(uint64_t random)
{
    struct objstore *s = filled_store(&random), *own = attach(s, 0), *reader;
    struct victim v = map_victim(s);
    pid_t scribbler = fork();

    CHILD_CHECK(scribbler >= 0);
    if (scribbler == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            damage(&v, &random);
    }
    for (int i = 0; i < 4; i++) {
        use(own, &random, 100);
        if ((reader = attach(s, OBJSTORE_READ_ONLY))) {
            use(reader, &random, 50);
            objstore_close(reader);
        }
    }
    objstore_close(own);
    kill(scribbler, SIGKILL);
    CHILD_CHECK(help_wait(scribbler) == 128 + SIGKILL);
    use(s, &random, 100);
    objstore_close(s);
}

/* A header whose checksum is right and whose contents are not; files that are shorter or longer. */
static void headers(uint64_t random)
{
    struct objstore *s = filled_store(&random), *own = NULL;
    int fd = memfd_create("header", MFD_CLOEXEC);
    struct header_fixed fixed;
    static char page[8192];

    CHILD_CHECK(fd >= 0);
    for (int i = 0; i < 50; i++) {
        uint64_t words[sizeof fixed / 8];
        CHILD_CHECK(pread(objstore_fd(s), page, sizeof page, 0) == sizeof page);
        memcpy(words, page, sizeof words);
        for (uint64_t n = test_random(&random) % 3; n-- > 0;) {
            uint64_t *word = &words[test_random(&random) % 6];
            *word = test_random(&random) % 2 ? *word ^ 1ull << test_random(&random) % 64
                                             : test_random(&random) >> test_random(&random) % 64;
        }
        memcpy(&fixed, words, sizeof fixed);
        if (test_random(&random) % 8)
            fixed.check = header_check(&fixed);
        memcpy(page, &fixed, sizeof fixed);
        uint64_t size = test_random(&random) % 2 ? fixed.file_bytes : test_random(&random) % 99999;
        if (size > s->geo.file_bytes * 4)
            size = s->geo.file_bytes;
        CHILD_CHECK(ftruncate(fd, 0) == 0);
        CHILD_CHECK(pwrite(fd, page, sizeof page, 0) == sizeof page);
        CHILD_CHECK(ftruncate(fd, (off_t)size) == 0);
        if (objstore_open_fd(fd, NULL, &own, NULL) == 0) {
            use(own, &random, 20);
            objstore_close(own);
        }
    }
    objstore_close(s);
}

/* ---- a child each
 * ----------------------------------------------------------------------------------- */

static void in_child(void (*run)(uint64_t random), uint64_t seed)
{
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        struct rlimit limit = { CPU_BUDGET_S, CPU_BUDGET_S };

        setrlimit(RLIMIT_CPU, &limit);
        limit = (struct rlimit){ 0, 0 };
        setrlimit(RLIMIT_CORE, &limit);
        alarm(SLEEP_BUDGET_S); /* it sleeps for ever */
        run(seed);
        _exit(0);
    }
    int status = help_wait(child);
    if (status)
        fprintf(stderr, "seed %llu: %s, status %d\n", (unsigned long long)seed,
                status == 128 + SIGKILL || status == 128 + SIGXCPU ? "runs for ever"
                : status == 128 + SIGALRM                          ? "sleeps for ever"
                                                                   : "crashes",
                status);
    CHECK_EQ(status, 0);
}

static double cpu_seconds(void)
{
    struct rusage r;

    getrusage(RUSAGE_CHILDREN, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void rounds(void (*run)(uint64_t random), uint64_t otherwise)
{
    const char *count = getenv("FUZZ"), *seconds = getenv("FUZZ_SECONDS");
    uint64_t n = count ? strtoull(count, NULL, 0) : otherwise, i;
    double end = cpu_seconds() + (seconds ? strtod(seconds, NULL) : 0);

    for (i = 0; seconds ? cpu_seconds() < end : i < n; i++)
        in_child(run, test_seed + i);
    printf("    %llu rounds from seed %llu\n", (unsigned long long)i,
           (unsigned long long)test_seed);
}

static void fuzz_before_open(void)
{
    rounds(before_open, 200);
}
static void fuzz_while_used(void)
{
    rounds(while_used, 60);
}
static void fuzz_scribbled(void)
{
    rounds(scribbled, 15);
}
static void fuzz_headers(void)
{
    rounds(headers, 40);
}

TESTS("fuzz", { "a store damaged before it is opened", fuzz_before_open },
      { "a store damaged while it is used", fuzz_while_used },
      { "another process scribbles on it all the time", fuzz_scribbled },
      { "headers that lie", fuzz_headers })
