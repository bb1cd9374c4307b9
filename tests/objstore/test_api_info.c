/* SPDX-License-Identifier: MIT */
/* Looking at a store: filtered lists, who holds what, how the free room is cut up. */
#include "help.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

/* ---- lists ----------------------------------------------------------------------------------- */

struct names {
    char text[1000];
    int count;
};

static int note_name(const struct objstore_info *info, void *ctx)
{
    struct names *n = ctx;

    strcat(n->text, info->meta.name);
    strcat(n->text, info->state == OBJSTORE_UNSEALED ? "? " : " ");
    n->count++;
    return 0;
}

static void add(struct objstore *s, uint64_t n, uint32_t dtype, const char *name, const char *tag)
{
    struct objstore_meta meta = { .dtype = dtype };
    struct objstore_id id = help_id(n);

    snprintf(meta.name, sizeof meta.name, "%s", name);
    snprintf(meta.tag, sizeof meta.tag, "%s", tag);
    REQUIRE_OK(objstore_put(s, &id, "x", 1, &meta));
}

static bool lists(struct objstore *s, const struct objstore_filter *f, const char *expected)
{
    struct names names = { "", 0 };
    int err = objstore_list_where(s, f, note_name, &names);

    if (err || strcmp(names.text, expected))
        fprintf(stderr, "%s: '%s', not '%s'\n", objstore_strerror(err), names.text, expected);
    return !err && !strcmp(names.text, expected);
}

static void filters(void)
{
    struct objstore *s = help_store(1 << 20);
    struct objstore_filter f = OBJSTORE_FILTER_INIT;
    struct objstore_meta meta = { .dtype = OBJSTORE_INT8, .name = "model-9" };
    struct objstore_id id = help_id(6), gone = help_id(1);
    struct objstore_view view;
    void *data;

    add(s, 1, OBJSTORE_FLOAT32, "model-1", "old");
    add(s, 2, OBJSTORE_FLOAT64, "model-2", "new");
    add(s, 3, OBJSTORE_BYTES, "data", "new");
    add(s, 4, OBJSTORE_BYTES, "", "");
    add(s, 5, OBJSTORE_FLOAT32, "mod", "newer");
    REQUIRE_OK(objstore_create(s, &id, 10, &meta, &data));
    CHECK(lists(s, NULL, "model-1 model-2 data  mod model-9? "));
    CHECK(lists(s, &f, "model-1 model-2 data  mod model-9? "));
    f.name_prefix = "model-";
    CHECK(lists(s, &f, "model-1 model-2 model-9? "));
    f.states = 1u << OBJSTORE_SEALED;
    CHECK(lists(s, &f, "model-1 model-2 "));
    f.tag = "new";
    CHECK(lists(s, &f, "model-2 "));
    f.tag = NULL;
    f.dtypes = 1u << OBJSTORE_FLOAT32;
    CHECK(lists(s, &f, "model-1 "));
    f.name_prefix = NULL;
    CHECK(lists(s, &f, "model-1 mod "));
    f.dtypes |= 1u << OBJSTORE_BYTES;
    CHECK(lists(s, &f, "model-1 data  mod "));
    f.tag = "";
    CHECK(lists(s, &f, " "));
    f = (struct objstore_filter)OBJSTORE_FILTER_INIT;
    f.name_prefix = "";
    f.tag = "";
    CHECK(lists(s, &f, " model-9? "));
    REQUIRE_OK(objstore_get(s, &gone, 0, &view));
    CHECK_EQ(objstore_delete(s, &gone), 0);
    f = (struct objstore_filter)OBJSTORE_FILTER_INIT;
    f.states = 1u << OBJSTORE_DELETED;
    CHECK(lists(s, &f, "model-1 "));
    f.states |= 1u << OBJSTORE_UNSEALED;
    CHECK(lists(s, &f, "model-1 model-9? "));
    objstore_release(s, &view);
    CHECK(lists(s, &f, "model-9? "));
    objstore_close(s);
}

static int stop(const struct objstore_info *info, void *ctx)
{
    *(int *)ctx += 1;
    return info->state == OBJSTORE_SEALED ? 42 : 0;
}

static void filter_errors(void)
{
    struct objstore *s = help_store(1 << 20);
    struct {
        struct objstore_filter f;
        uint64_t later;
    } long_one = { OBJSTORE_FILTER_INIT, 0 };
    struct objstore_filter f = OBJSTORE_FILTER_INIT;
    int calls = 0;

    add(s, 1, 0, "a", "");
    add(s, 2, 0, "b", "");
    CHECK_EQ(objstore_list_where(s, &f, NULL, NULL), -EINVAL);
    CHECK_EQ(objstore_list_where(NULL, &f, stop, &calls), -EINVAL);
    f.states = 1;
    CHECK_EQ(objstore_list_where(s, &f, stop, &calls), -EINVAL);
    f.states = 1u << (OBJSTORE_SPILLED + 1);
    CHECK_EQ(objstore_list_where(s, &f, stop, &calls), -EINVAL);
    f.states = 0;
    f.dtypes = 1u << (OBJSTORE_FLOAT64 + 1);
    CHECK_EQ(objstore_list_where(s, &f, stop, &calls), -EINVAL);
    f.dtypes = 0;
    f.struct_size = 4;
    CHECK_EQ(objstore_list_where(s, &f, stop, &calls), -EINVAL);
    f.struct_size = 8; /* an early caller's: states only */
    f.states = 1u << OBJSTORE_UNSEALED;
    CHECK_EQ(objstore_list_where(s, &f, stop, &calls), 0);
    long_one.f.struct_size = sizeof long_one;
    CHECK_EQ(objstore_list_where(s, &long_one.f, stop, &calls), 42);
    long_one.later = 1;
    CHECK_EQ(objstore_list_where(s, &long_one.f, stop, &calls), -E2BIG);
    CHECK_EQ(calls, 1);
    objstore_close(s);
}

enum { KEPT = 200 };

struct churn {
    struct objstore *s;
    uint64_t seed;
    int stop;
};

static void *churn(void *ctx)
{
    struct churn *c = ctx;

    while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
        struct objstore_id id = help_id(KEPT + 1 + test_random(&c->seed) % 300);
        const struct objstore_meta meta = { .name = "comes and goes" };

        if (objstore_put(c->s, &id, "12345678", 8, &meta))
            (void)!objstore_delete(c->s, &id);
    }
    return NULL;
}

struct tally {
    int kept[KEPT + 1], others;
};

static int count_kept(const struct objstore_info *info, void *ctx)
{
    struct tally *t = ctx;
    uint64_t n;

    memcpy(&n, info->id.bytes, sizeof n);
    if (n <= KEPT)
        t->kept[n]++;
    else
        t->others++;
    return 0;
}

/* Whatever comes and goes meanwhile, what stays is listed exactly once. */
static void stable_under_change(void)
{
    struct objstore *s = help_store(1 << 20);
    struct churn churns[2] = { { s, test_seed, 0 }, { s, test_seed + 1, 0 } };
    struct objstore_filter f = OBJSTORE_FILTER_INIT;
    pthread_t threads[2];

    for (uint64_t n = 1; n <= KEPT; n++)
        add(s, n, 0, "kept", "");
    for (int i = 0; i < 2; i++)
        REQUIRE(pthread_create(&threads[i], NULL, churn, &churns[i]) == 0);
    f.name_prefix = "kept";
    for (int i = 0; i < 200; i++) {
        struct tally all = { { 0 }, 0 }, some = { { 0 }, 0 };

        CHECK_EQ(objstore_list(s, count_kept, &all), 0);
        CHECK_EQ(objstore_list_where(s, &f, count_kept, &some), 0);
        for (int n = 1; n <= KEPT; n++)
            CHECK(all.kept[n] == 1 && some.kept[n] == 1);
        CHECK_EQ(some.others, 0);
    }
    for (int i = 0; i < 2; i++) {
        __atomic_store_n(&churns[i].stop, 1, __ATOMIC_RELAXED);
        pthread_join(threads[i], NULL);
    }
    CHECK(help_is_sound(s));
    objstore_close(s);
}

/* ---- holders --------------------------------------------------------------------------------- */

struct seen {
    int count, writers, dead;
    uint32_t views;
    int32_t pid; /* the last */
};

static int see(const struct objstore_holder *h, void *ctx)
{
    struct seen *seen = ctx;

    seen->count++;
    seen->writers += h->is_writer;
    seen->dead += !h->alive;
    seen->views += h->views;
    seen->pid = h->pid;
    return 0;
}

static int first_only(const struct objstore_holder *h, void *ctx)
{
    (void)h;
    *(int *)ctx += 1;
    return 7;
}

static int find(const struct objstore_info *info, void *ctx)
{
    *(struct objstore_info *)ctx = *info;
    return 1;
}

static void holders(void)
{
    struct objstore *s = help_store(1 << 20), *other = help_attach(s);
    struct objstore_filter deleted = OBJSTORE_FILTER_INIT;
    struct objstore_id id = help_id(1), mine = help_id(2);
    struct objstore_view a, b, c;
    struct objstore_info info, gone;
    struct seen seen = { 0 };
    int calls = 0;
    void *data;

    REQUIRE_OK(objstore_put(s, &id, "x", 1, NULL));
    REQUIRE_OK(objstore_stat(s, &id, &info));
    CHECK_EQ(objstore_holders(s, &info, see, &seen), 0);
    CHECK_EQ(seen.count, 0);
    REQUIRE_OK(objstore_get(s, &id, 0, &a));
    REQUIRE_OK(objstore_get(other, &id, 0, &b));
    REQUIRE_OK(objstore_get(other, &id, 0, &c));
    CHECK_EQ(objstore_holders(s, &info, see, &seen), 0);
    CHECK(seen.count == 2 && seen.views == 3 && !seen.writers && !seen.dead);
    CHECK_EQ(seen.pid, getpid());
    CHECK_EQ(objstore_holders(s, &info, first_only, &calls), 7);
    CHECK_EQ(calls, 1);

    /* Deleted, and its id in use again: each has its own holders. */
    REQUIRE_OK(objstore_delete(s, &id));
    REQUIRE_OK(objstore_put(s, &id, "y", 1, NULL));
    objstore_release(other, &c);
    deleted.states = 1u << OBJSTORE_DELETED;
    REQUIRE(objstore_list_where(s, &deleted, find, &gone) == 1);
    seen = (struct seen){ 0 };
    CHECK_EQ(objstore_holders(s, &gone, see, &seen), 0);
    CHECK(seen.count == 2 && seen.views == 2);
    REQUIRE_OK(objstore_stat(s, &id, &info));
    seen = (struct seen){ 0 };
    CHECK_EQ(objstore_holders(s, &info, see, &seen), 0);
    CHECK_EQ(seen.count, 0);
    objstore_release(s, &a);
    objstore_release(other, &b);
    CHECK_EQ(objstore_holders(s, &gone, see, &seen), -ENOENT);

    REQUIRE_OK(objstore_create(other, &mine, 9, NULL, &data));
    REQUIRE_OK(objstore_stat(s, &mine, &info));
    seen = (struct seen){ 0 };
    CHECK_EQ(objstore_holders(s, &info, see, &seen), 0);
    CHECK(seen.count == 1 && seen.writers == 1 && seen.views == 0);
    CHECK_EQ(objstore_holders(s, NULL, see, &seen), -EINVAL);
    CHECK_EQ(objstore_holders(s, &info, NULL, &seen), -EINVAL);
    info.place = 0;
    CHECK_EQ(objstore_holders(s, &info, see, &seen), -ENOENT);
    info.place = UINT32_MAX;
    CHECK_EQ(objstore_holders(s, &info, see, &seen), -ENOENT);
    objstore_close(other);
    objstore_close(s);
}

/* Who died with a view in hand is told as dead, until somebody cleans up. */
static void dead_holder(void)
{
    struct objstore *s = help_store(1 << 20), *looker;
    struct objstore_options ro = OBJSTORE_OPTIONS_INIT;
    struct objstore_id id = help_id(1);
    struct objstore_info info;
    struct seen seen = { 0 };

    ro.flags = OBJSTORE_READ_ONLY;
    REQUIRE_OK(objstore_put(s, &id, "x", 1, NULL));
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        struct objstore *own = help_attach(s);
        struct objstore_view view;

        CHILD_CHECK(objstore_get(own, &id, 0, &view) == 0);
        raise(SIGKILL);
    }
    CHECK_EQ(help_wait(child), 128 + SIGKILL);
    REQUIRE_OK(objstore_open_fd(objstore_fd(s), &ro, &looker, NULL));
    REQUIRE_OK(objstore_stat(looker, &id, &info));
    CHECK_EQ(objstore_holders(looker, &info, see, &seen), 0);
    CHECK(seen.count == 1 && seen.dead == 1 && seen.views == 1);
    CHECK_EQ(seen.pid, child);
    CHECK_EQ(objstore_reap(s), 1);
    seen = (struct seen){ 0 };
    CHECK_EQ(objstore_holders(looker, &info, see, &seen), 0);
    CHECK_EQ(seen.count, 0);
    objstore_close(looker);
    objstore_close(s);
}

/* ---- space ----------------------------------------------------------------------------------- */

static void free_runs(void)
{
    enum { PAGES = 256 };
    struct objstore *s = help_store(PAGES * 4096);
    struct objstore_space space;
    struct objstore_stats stats;
    static unsigned char bytes[4096];
    uint64_t sum = 0;

    REQUIRE_OK(objstore_space(s, &space));
    CHECK(space.runs == 1 && space.classes[8] == 1);
    CHECK(space.free_bytes == PAGES * 4096 && space.largest_bytes == PAGES * 4096);
    for (uint64_t n = 1; n <= PAGES; n++) {
        struct objstore_id id = help_id(n);
        REQUIRE_OK(objstore_put(s, &id, bytes, sizeof bytes, NULL));
    }
    REQUIRE_OK(objstore_space(s, &space));
    CHECK(space.runs == 0 && space.free_bytes == 0 && space.largest_bytes == 0);
    for (uint64_t n = 1; n <= PAGES; n += 2) { /* every other page */
        struct objstore_id id = help_id(n);
        REQUIRE_OK(objstore_delete(s, &id));
    }
    REQUIRE_OK(objstore_space(s, &space));
    CHECK_EQ(space.free_bytes, PAGES / 2 * 4096);
    CHECK_EQ(space.runs, PAGES / 2);
    CHECK_EQ(space.classes[0], PAGES / 2);
    CHECK_EQ(space.largest_bytes, 4096);
    for (uint64_t n = 2; n <= PAGES; n += 4) { /* now runs of three */
        struct objstore_id id = help_id(n);
        REQUIRE_OK(objstore_delete(s, &id));
    }
    REQUIRE_OK(objstore_space(s, &space));
    REQUIRE_OK(objstore_stats(s, &stats));
    CHECK_EQ(space.largest_bytes, stats.largest_free_bytes);
    CHECK_EQ(space.free_bytes + stats.used_bytes, stats.capacity_bytes);
    /* The objects may begin anywhere: one run of three may be cut in two by the store's end. */
    CHECK(space.classes[1] >= PAGES / 4 - 1 && space.classes[0] + space.classes[1] == space.runs);
    for (int i = 0; i < OBJSTORE_RUN_CLASSES; i++)
        sum += space.classes[i];
    CHECK_EQ(sum, space.runs);
    /* Small objects go into a block; what is left beside them is told apart. */
    for (uint64_t n = 4; n <= PAGES; n += 4) {
        struct objstore_id id = help_id(n);
        REQUIRE_OK(objstore_delete(s, &id));
    }
    struct objstore_id id = help_id(1000);
    REQUIRE_OK(objstore_put(s, &id, bytes, 1000, NULL));
    REQUIRE_OK(objstore_space(s, &space));
    CHECK_EQ(space.cell_free_bytes, 16384 - 1024);
    CHECK_EQ(space.free_bytes, (PAGES - 4) * 4096);
    CHECK_EQ(objstore_space(s, NULL), -EINVAL);
    CHECK_EQ(objstore_space(NULL, &space), -EINVAL);
    objstore_close(s);
}

/* Filled by several, with objects of all sizes, some cut shorter; emptied in any order. */
static void emptied_in_any_order(void)
{
    enum { HANDLES = 3, MOST = 40000 };
    static uint64_t order[MOST];
    const size_t capacity = 2 << 20;
    uint64_t random = test_seed;

    for (int round = 0; round < 12; round++) {
        struct objstore *h[HANDLES] = { help_store(capacity) };
        struct objstore_id all = help_id(UINT64_MAX);
        struct objstore_space space;
        uint64_t n = 0, largest = 1ull << (6 + test_random(&random) % 14);
        void *data;

        for (int i = 1; i < HANDLES; i++)
            h[i] = help_attach(h[0]);
        for (; n < MOST; n++) {
            struct objstore *s = h[test_random(&random) % HANDLES];
            struct objstore_id id = help_id(n + 1);
            size_t size = 1 + test_random(&random) % largest;

            if (objstore_create(s, &id, size, NULL, &data))
                break;
            if (test_random(&random) % 4)
                REQUIRE_OK(objstore_seal(s, &id));
            else
                REQUIRE_OK(objstore_seal_size(s, &id, test_random(&random) % (size + 1), NULL));
            order[n] = n + 1;
        }
        for (uint64_t i = n; i-- > 1;) {
            uint64_t j = test_random(&random) % (i + 1), swap = order[i];

            order[i] = order[j];
            order[j] = swap;
        }
        for (uint64_t i = 0; i < n; i++) {
            struct objstore_id id = help_id(order[i]);

            if (objstore_delete(h[test_random(&random) % HANDLES], &id))
                CHECK(!"an object is gone");
        }
        REQUIRE_OK(objstore_space(h[0], &space));
        CHECK(space.runs == 1 && space.largest_bytes == capacity);
        for (int i = 0; i < HANDLES; i++) {
            CHECK_EQ(objstore_create(h[i], &all, capacity, NULL, &data), 0);
            CHECK_EQ(objstore_abort(h[i], &all), 0);
        }
        CHECK(help_is_sound(h[0]));
        for (int i = 0; i < HANDLES; i++)
            objstore_close(h[i]);
    }
}

TESTS("looking", { "a list of what fits a filter", filters },
      { "errors of filters, and later ones", filter_errors },
      { "what stays is listed once, whatever comes and goes", stable_under_change },
      { "who views and who writes an object", holders },
      { "a dead holder is told as dead", dead_holder },
      { "free runs are counted by size", free_runs },
      { "filled and emptied in any order, a store takes an object of its size",
        emptied_in_any_order })
