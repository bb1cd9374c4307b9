/* SPDX-License-Identifier: MIT */
/* What objstore.h promises of objects, one handle or several in one process. */
#include "help.h"
#include "test.h"

#include <errno.h>

static void put_get_release(void)
{
    static const size_t sizes[] = { 0,    1,    64,   65,   128,  129,   1000,
                                    3584, 3585, 4095, 4096, 4097, 100000 };
    struct objstore *s = help_store(1 << 20);
    unsigned char bytes[100000];

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct objstore_id id = help_id(i + 1);
        struct objstore_view view;

        help_fill(bytes, sizes[i], i);
        REQUIRE_OK(objstore_put(s, &id, bytes, sizes[i], NULL));
        REQUIRE_OK(objstore_get(s, &id, 0, &view));
        CHECK_EQ(view.size, sizes[i]);
        CHECK(sizes[i] ? view.data != NULL : view.data == NULL);
        CHECK_EQ((uintptr_t)view.data % 64, 0);
        if (sizes[i] >= 4096)
            CHECK_EQ((uintptr_t)view.data % 4096, 0);
        CHECK(help_is_filled(view.data, view.size, i));
        objstore_release(s, &view);
        CHECK(view.data == NULL);
    }
    CHECK(help_is_sound(s));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct objstore_id id = help_id(i + 1);

        CHECK_EQ(objstore_delete(s, &id), 0);
    }
    CHECK_EQ(help_used(s), 0);
    CHECK(help_is_sound(s));
    objstore_close(s);
}

static void create_seal_abort(void)
{
    struct objstore *s = help_store(1 << 20);
    struct objstore_id id = help_id(1);
    struct objstore_view view;
    void *data = NULL;

    REQUIRE_OK(objstore_create(s, &id, 5000, NULL, &data));
    CHECK(data != NULL);
    CHECK_EQ(objstore_get(s, &id, 0, &view), -ENOENT);
    CHECK(!objstore_contains(s, &id));
    CHECK_EQ(objstore_delete(s, &id), -ENOENT); /* not there for anybody but its creator */
    CHECK_EQ(objstore_put(s, &id, "x", 1, NULL), -EEXIST);
    help_fill(data, 5000, 7);
    CHECK_EQ(objstore_seal(s, &id), 0);
    CHECK_EQ(objstore_seal(s, &id), -ENOENT);
    CHECK_EQ(objstore_abort(s, &id), -ENOENT);
    CHECK(objstore_contains(s, &id));
    CHECK_EQ(objstore_put(s, &id, "x", 1, NULL), -EEXIST);
    REQUIRE_OK(objstore_get(s, &id, 0, &view));
    CHECK(help_is_filled(view.data, view.size, 7));
    objstore_release(s, &view);
    CHECK_EQ(objstore_delete(s, &id), 0);

    REQUIRE_OK(objstore_create(s, &id, 5000, NULL, &data));
    CHECK_EQ(objstore_abort(s, &id), 0);
    CHECK_EQ(objstore_abort(s, &id), -ENOENT);
    CHECK_EQ(help_used(s), 0);
    CHECK(help_is_sound(s));
    objstore_close(s);
}

/* Reserve much, publish less: what is published is right, and all the rest can be used again. */
static void sealed_shorter(void)
{
    static const size_t created[] = { 0, 1, 64, 65, 3000, 4096, 4097, 12288, 100000, 1 << 20 };
    struct objstore *s = help_store(1 << 20);
    const struct objstore_meta first = { .dtype = OBJSTORE_UINT8, .name = "first" },
                               later = { .dtype = OBJSTORE_INT8, .name = "later" }, none = { 0 };
    const struct objstore_meta *metas[] = { NULL, &later, &none };
    uint64_t random = test_seed;

    for (int i = 0; i < 400; i++) {
        struct objstore_id id = help_id(1);
        size_t size = created[i % 10], kept = size ? test_random(&random) % (size + 1) : 0;
        const struct objstore_meta *meta = metas[i % 3];
        struct objstore_info info;
        struct objstore_view view;
        void *data;

        kept = i < 10 ? size : i < 20 ? 0 : i < 30 && size > 60 ? 60 : kept;
        REQUIRE_OK(objstore_create(s, &id, size, i % 2 ? &first : NULL, &data));
        help_fill(data, size, (uint64_t)i);
        REQUIRE_OK(objstore_seal_size(s, &id, kept, meta));
        CHECK_EQ(objstore_seal(s, &id), -ENOENT);
        REQUIRE_OK(objstore_stat(s, &id, &info));
        CHECK_EQ(info.size, kept);
        CHECK(!strcmp(info.meta.name, meta ? meta->name : i % 2 ? "first" : ""));
        REQUIRE_OK(objstore_get(s, &id, 0, &view));
        CHECK_EQ(view.size, kept);
        CHECK((kept == 0) == (view.data == NULL));
        CHECK_EQ((uintptr_t)view.data % (kept >= 4096 ? 4096 : 64), 0);
        CHECK(help_is_filled(view.data, kept, (uint64_t)i));
        /* Everything else is free, page by page (a cell keeps its block of four). */
        size_t taken = kept <= 64 ? 0 : size <= 2048 ? 16384 : (kept + 4095) / 4096 * 4096;
        CHECK_EQ(help_pages(s), ((1 << 20) - taken) / 4096);
        CHECK(help_is_filled(view.data, kept, (uint64_t)i));
        CHECK(help_is_sound(s));
        objstore_release(s, &view);
        CHECK_EQ(objstore_delete(s, &id), 0);
        CHECK_EQ(help_used(s), 0);
    }
    objstore_close(s);
}

static void sealed_shorter_errors(void)
{
    struct objstore *s = help_store(1 << 20), *other = help_attach(s);
    struct objstore_id id = help_id(1), zero = { { 0 } };
    struct objstore_meta bad = { .ndim = OBJSTORE_DIMS_MAX + 1 };
    struct objstore_info info;
    void *data;

    CHECK_EQ(objstore_seal_size(s, &id, 0, NULL), -ENOENT);
    CHECK_EQ(objstore_seal_size(s, &zero, 0, NULL), -EINVAL);
    REQUIRE_OK(objstore_create(s, &id, 9000, NULL, &data));
    CHECK_EQ(objstore_seal_size(other, &id, 10, NULL), -ENOENT);
    CHECK_EQ(objstore_seal_size(s, &id, 9001, NULL), -EINVAL);
    CHECK_EQ(objstore_seal_size(s, &id, SIZE_MAX, NULL), -EINVAL);
    CHECK_EQ(objstore_seal_size(s, &id, 10, &bad), -EINVAL);
    REQUIRE_OK(objstore_stat(s, &id, &info));
    CHECK_EQ(info.state, OBJSTORE_UNSEALED);
    CHECK_EQ(info.size, 9000);
    help_fill(data, 9000, 1); /* all of it is still there to be written */
    CHECK(help_is_sound(s));
    CHECK_EQ(objstore_abort(s, &id), 0);
    CHECK_EQ(help_used(s), 0);
    objstore_close(other);
    objstore_close(s);
}

static void deleted_while_read(void)
{
    struct objstore *s = help_store(1 << 20);
    struct objstore_id id = help_id(1);
    struct objstore_view a, b, c;
    char bytes[9000];

    help_fill(bytes, sizeof bytes, 1);
    REQUIRE_OK(objstore_put(s, &id, bytes, sizeof bytes, NULL));
    REQUIRE_OK(objstore_get(s, &id, 0, &a));
    REQUIRE_OK(objstore_get(s, &id, 0, &b));
    CHECK_EQ(objstore_delete(s, &id), 0);
    CHECK_EQ(objstore_delete(s, &id), -ENOENT);
    CHECK(!objstore_contains(s, &id));
    CHECK_EQ(objstore_get(s, &id, 0, &c), -ENOENT);
    /* The id can be used again at once; the old bytes stay for those who look at them. */
    help_fill(bytes, sizeof bytes, 2);
    REQUIRE_OK(objstore_put(s, &id, bytes, sizeof bytes, NULL));
    CHECK(help_is_filled(a.data, a.size, 1));
    objstore_release(s, &a);
    CHECK(help_is_filled(b.data, b.size, 1));
    uint64_t before = help_used(s);
    objstore_release(s, &b);
    CHECK(help_used(s) < before);
    REQUIRE_OK(objstore_get(s, &id, 0, &c));
    CHECK(help_is_filled(c.data, c.size, 2));
    objstore_release(s, &c);
    CHECK(help_is_sound(s));
    objstore_close(s);
}

static void errors(void)
{
    struct objstore *s = help_store(1 << 20), *other = help_attach(s);
    struct objstore_id id = help_id(1), zero = { { 0 } };
    struct objstore_view view = { &id, 77, { 1, 2 } };
    struct objstore_meta meta = { .ndim = OBJSTORE_DIMS_MAX + 1 };
    void *data = &id;
    size_t size = 5;

    CHECK_EQ(objstore_create(s, &zero, 1, NULL, &data), -EINVAL);
    CHECK_EQ(objstore_create(s, &id, 1, &meta, &data), -EINVAL);
    meta.ndim = 0;
    meta.dtype = 99;
    CHECK_EQ(objstore_create(s, &id, 1, &meta, &data), -EINVAL);
    meta.dtype = 0;
    memset(meta.name, 'x', sizeof meta.name);
    CHECK_EQ(objstore_create(s, &id, 1, &meta, &data), -EINVAL);
    CHECK_EQ(objstore_create(s, &id, SIZE_MAX, NULL, &data), -EINVAL);
    CHECK_EQ(objstore_create(s, &id, (1 << 20) + 1, NULL, &data), -ENOSPC);
    CHECK_EQ(objstore_put(s, &id, NULL, 1, NULL), -EINVAL);
    CHECK(data == &id);
    CHECK_EQ(objstore_get(s, &id, 0, &view), -ENOENT);
    CHECK_EQ(objstore_get(s, &id, 20, &view), -ETIMEDOUT);
    CHECK_EQ(objstore_get(s, &zero, 0, &view), -EINVAL);
    CHECK_EQ(objstore_get(s, &id, -2, &view), -EINVAL);
    CHECK(view.data == &id && view.size == 77);
    CHECK_EQ(objstore_read(s, &id, NULL, 0, &size), -ENOENT);
    CHECK_EQ(size, 5);
    CHECK_EQ(objstore_delete(s, &id), -ENOENT);
    CHECK_EQ(objstore_seal(s, &id), -ENOENT);
    CHECK_EQ(objstore_wait(s, &id, 1, 2, 0, NULL), -EINVAL);
    CHECK_EQ(objstore_wait(s, &id, 1, 1, 0, NULL), -ETIMEDOUT);
    CHECK_EQ(objstore_wait(s, &id, 1, 0, 0, NULL), 0);
    /* Another handle's object is not ours to seal or abort. */
    REQUIRE_OK(objstore_create(other, &id, 10, NULL, &data));
    CHECK_EQ(objstore_seal(s, &id), -ENOENT);
    CHECK_EQ(objstore_abort(s, &id), -ENOENT);
    CHECK_EQ(objstore_get(s, &id, 20, &view), -ETIMEDOUT);
    objstore_close(other); /* aborts it */
    CHECK_EQ(objstore_put(s, &id, "x", 1, NULL), 0);
    CHECK(help_is_sound(s));
    objstore_close(s);
    objstore_close(NULL);
}

static void metadata(void)
{
    struct objstore *s = help_store(1 << 20);
    struct objstore_id id = help_id(1), none = help_id(2);
    const struct objstore_meta meta = { OBJSTORE_FLOAT32, 2, { 16512, 8 }, "X_train", "demo" };
    struct objstore_info info;
    struct objstore_view view;

    REQUIRE_OK(objstore_put(s, &id, "12345678", 8, &meta));
    REQUIRE_OK(objstore_put(s, &none, "1", 1, NULL));
    REQUIRE_OK(objstore_stat(s, &id, &info));
    CHECK(!memcmp(&info.meta, &meta, sizeof meta));
    CHECK(!memcmp(&info.id, &id, sizeof id));
    CHECK_EQ(info.size, 8);
    CHECK_EQ(info.state, OBJSTORE_SEALED);
    CHECK_EQ(info.pins, 0);
    CHECK_EQ(info.owner_pid, 0);
    CHECK(info.created_ns > 1000000000ull * 1600000000);
    for (int i = 1; i <= 40; i++) {
        REQUIRE_OK(objstore_get(s, &id, 0, &view));
        REQUIRE_OK(objstore_stat(s, &id, &info));
        CHECK_EQ(info.pins, i);
    }
    REQUIRE_OK(objstore_stat(s, &none, &info));
    CHECK_EQ(info.meta.ndim, 0);
    CHECK_EQ(info.meta.name[0], 0);
    CHECK_EQ(objstore_delete(s, &none), 0);
    CHECK_EQ(objstore_stat(s, &none, &info), -ENOENT);
    objstore_close(s);
}

static int count(const struct objstore_info *info, void *ctx)
{
    int *counts = ctx;

    counts[info->state]++;
    return 0;
}

static int stop(const struct objstore_info *info, void *ctx)
{
    (void)info, (void)ctx;
    return 42;
}

static void list_and_stats(void)
{
    struct objstore *s = help_store(1 << 20);
    int counts[4] = { 0 };
    struct objstore_stats stats;
    struct objstore_view view;
    void *data;

    for (uint64_t i = 1; i <= 100; i++) {
        struct objstore_id id = help_id(i);

        REQUIRE_OK(objstore_put(s, &id, &i, 8, NULL));
    }
    struct objstore_id unsealed = help_id(101), doomed = help_id(5);
    REQUIRE_OK(objstore_create(s, &unsealed, 100, NULL, &data));
    REQUIRE_OK(objstore_get(s, &doomed, 0, &view));
    REQUIRE_OK(objstore_delete(s, &doomed));
    REQUIRE_OK(objstore_list(s, count, counts));
    CHECK_EQ(counts[OBJSTORE_SEALED], 99);
    CHECK_EQ(counts[OBJSTORE_UNSEALED], 1);
    CHECK_EQ(counts[OBJSTORE_DELETED], 1);
    CHECK_EQ(objstore_list(s, stop, NULL), 42);
    REQUIRE_OK(objstore_stats(s, &stats));
    CHECK_EQ(stats.objects_sealed, 99);
    CHECK_EQ(stats.objects_unsealed, 1);
    CHECK_EQ(stats.objects_deleted, 1);
    CHECK_EQ(stats.processes, 1);
    CHECK_EQ(stats.deaths, 0);
    CHECK_EQ(stats.capacity_bytes, 1 << 20);
    CHECK_EQ(stats.used_bytes, 100 * 64 + 128);
    CHECK(stats.reserved_bytes >= stats.capacity_bytes);
    CHECK(stats.largest_free_bytes >= (1 << 20) - (1 << 16));
    objstore_close(s);
}

static int see_lease(const struct objstore_lease *lease, void *ctx)
{
    struct objstore_lease *all = ctx;

    all[all[0].pid ? 1 : 0] = *lease;
    return 0;
}

static void leases(void)
{
    struct objstore *s = help_store(1 << 20), *other = help_attach(s);
    struct objstore_lease all[2] = { { 0 } };
    struct objstore_id id = help_id(1);
    struct objstore_view view;
    void *data;

    REQUIRE_OK(objstore_put(s, &id, "x", 1, NULL));
    REQUIRE_OK(objstore_get(s, &id, 0, &view));
    id = help_id(2);
    REQUIRE_OK(objstore_create(other, &id, 1, NULL, &data));
    REQUIRE_OK(objstore_leases(s, see_lease, all));
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(all[i].pid, getpid());
        CHECK(all[i].alive);
        CHECK(all[i].start_time > 0);
    }
    CHECK_EQ(all[0].pins + all[1].pins, 1);
    CHECK_EQ(all[0].unsealed + all[1].unsealed, 1);
    CHECK_EQ(objstore_reap(s), 0);
    objstore_close(other);
    objstore_close(s);
}

static void read_out(void)
{
    struct objstore *s = help_store(1 << 20);
    struct objstore_options ro = OBJSTORE_OPTIONS_INIT;
    struct objstore *looker;
    struct objstore_id id = help_id(1);
    struct objstore_view view;
    char in[1000], out[1000] = { 0 };
    size_t size = 0;
    void *data;

    ro.flags = OBJSTORE_READ_ONLY;
    REQUIRE_OK(objstore_open_fd(objstore_fd(s), &ro, &looker, NULL));
    help_fill(in, sizeof in, 3);
    REQUIRE_OK(objstore_put(s, &id, in, sizeof in, NULL));
    for (int i = 0; i < 2; i++) {
        struct objstore *h = i ? looker : s;

        memset(out, 0, sizeof out);
        REQUIRE_OK(objstore_read(h, &id, out, 10, &size));
        CHECK_EQ(size, 1000);
        CHECK(help_is_filled(out, 10, 3) && !out[10]);
        REQUIRE_OK(objstore_read(h, &id, out, sizeof out, &size));
        CHECK(help_is_filled(out, 1000, 3));
        REQUIRE_OK(objstore_read(h, &id, NULL, 0, &size));
        CHECK(objstore_contains(h, &id));
        CHECK_EQ(objstore_wait(h, &id, 1, 1, 0, NULL), 1);
        CHECK(help_is_sound(h));
    }
    CHECK_EQ(objstore_get(looker, &id, 0, &view), -EROFS);
    CHECK_EQ(objstore_delete(looker, &id), -EROFS);
    CHECK_EQ(objstore_put(looker, &id, "x", 1, NULL), -EROFS);
    CHECK_EQ(objstore_create(looker, &id, 1, NULL, &data), -EROFS);
    CHECK_EQ(objstore_seal(looker, &id), -EROFS);
    CHECK_EQ(objstore_abort(looker, &id), -EROFS);
    CHECK_EQ(objstore_reap(looker), -EROFS);
    struct objstore_stats stats;
    REQUIRE_OK(objstore_stats(looker, &stats));
    CHECK_EQ(stats.processes, 1); /* it holds no lease */
    objstore_close(looker);
    objstore_close(s);
}

/* S4: as large as the capacity, and again after the store was filled with anything. */
static void as_large_as_the_capacity(void)
{
    const size_t capacity = 4 << 20;
    struct objstore *s = help_store(capacity);
    uint64_t random = test_seed;
    struct objstore_id all = help_id(UINT64_MAX);
    void *data;

    for (int round = 0; round < 6; round++) {
        REQUIRE_OK(objstore_create(s, &all, capacity, NULL, &data));
        struct objstore_id one = help_id(1);
        CHECK_EQ(objstore_put(s, &one, data, 65, NULL), -ENOSPC);
        CHECK_EQ(objstore_put(s, &one, data, 5000, NULL), -ENOSPC);
        CHECK_EQ(objstore_put(s, &one, data, 64, NULL),
                 0); /* tiny ones have a place of their own */
        CHECK_EQ(objstore_delete(s, &one), 0);
        REQUIRE_OK(objstore_abort(s, &all));

        static const size_t largest[] = { 200, 64, 5000, 100000, 3000, 1000000 };
        uint64_t n = 0;
        for (;; n++) {
            struct objstore_id id = help_id(n + 1);
            int err =
                objstore_create(s, &id, 1 + test_random(&random) % largest[round], NULL, &data);

            if (err) {
                CHECK_EQ(err, -ENOSPC);
                break;
            }
            REQUIRE_OK(objstore_seal(s, &id));
        }
        CHECK(n > 4);
        CHECK(help_is_sound(s));
        /* Delete in another order: every third, then the rest from the end. */
        for (uint64_t i = 0; i < n; i += 3) {
            struct objstore_id id = help_id(i + 1);
            CHECK_EQ(objstore_delete(s, &id), 0);
        }
        for (uint64_t i = n; i-- > 0;) {
            struct objstore_id id = help_id(i + 1);
            CHECK_EQ(objstore_delete(s, &id), i % 3 ? 0 : -ENOENT);
        }
        CHECK_EQ(help_used(s), 0);
    }
    CHECK(help_is_sound(s));
    objstore_close(s);
}

static void many_views(void)
{
    enum { OBJECTS = 3000, NESTED = 3 };
    struct objstore *s = help_store(4 << 20), *other = help_attach(s);
    static struct objstore_view views[OBJECTS][NESTED];

    for (uint64_t i = 0; i < OBJECTS; i++) {
        struct objstore_id id = help_id(i + 1);

        REQUIRE_OK(objstore_put(s, &id, &i, 8, NULL));
        for (int j = 0; j < NESTED; j++)
            REQUIRE_OK(objstore_get(other, &id, 0, &views[i][j]));
    }
    CHECK(help_is_sound(s));
    for (uint64_t i = 0; i < OBJECTS; i++) {
        struct objstore_id id = help_id(i + 1);

        CHECK_EQ(objstore_delete(s, &id), 0);
        for (int j = 0; j < NESTED; j++) {
            CHECK(!memcmp(views[i][j].data, &i, 8));
            if (i % 2)
                objstore_release(other, &views[i][j]);
        }
    }
    struct objstore_stats stats;
    REQUIRE_OK(objstore_stats(s, &stats));
    CHECK_EQ(stats.objects_deleted, OBJECTS / 2);
    objstore_close(other); /* ends the other half */
    REQUIRE_OK(objstore_stats(s, &stats));
    CHECK_EQ(stats.objects_deleted, 0);
    CHECK_EQ(stats.used_bytes, 0);
    CHECK(help_is_sound(s));
    objstore_close(s);
}

static void get_many(void)
{
    enum { N = 20000 };
    struct objstore *s = help_store(16 << 20), *other = help_attach(s);
    struct objstore_id *ids = calloc(N, sizeof *ids);
    struct objstore_view *views = malloc(N * sizeof *views);
    struct objstore_stats stats;

    REQUIRE(ids && views);
    for (uint64_t i = 0; i < N; i++) {
        ids[i] = help_id(i + 1);
        REQUIRE_OK(objstore_put(s, &ids[i], &i, 8, NULL));
    }
    ids[N - 1] = ids[0]; /* one of them twice */
    REQUIRE_OK(objstore_get_many(other, ids, N, 0, views));
    for (uint64_t i = 0; i < N; i++) {
        uint64_t expected = i == N - 1 ? 0 : i;

        if (views[i].size != 8 || memcmp(views[i].data, &expected, 8))
            CHECK(!"a view of another object");
    }
    for (uint64_t i = 0; i < N; i += 2)
        CHECK_EQ(objstore_delete(s, &ids[i]), 0);
    CHECK(help_is_sound(s));
    objstore_release_many(other, views, N);
    CHECK(!views[0].data && !views[N - 1].data);
    REQUIRE_OK(objstore_stats(s, &stats));
    CHECK_EQ(stats.objects_deleted, 0);
    CHECK_EQ(stats.objects_sealed, N / 2);
    /* One is missing: none is held. */
    CHECK_EQ(objstore_get_many(other, ids + 1, 3, 0, views), -ENOENT);
    CHECK_EQ(objstore_get_many(other, ids + 1, 3, 5, views), -ETIMEDOUT);
    CHECK(!views[0].data && !views[0].size && !views[0].pin[0] && !views[0].pin[1]);
    struct objstore_info info;
    REQUIRE_OK(objstore_stat(s, &ids[1], &info));
    CHECK_EQ(info.pins, 0);
    objstore_release_many(other, views, 3); /* nothing to release */
    CHECK(help_is_sound(s));
    free(ids);
    free(views);
    objstore_close(other);
    objstore_close(s);
}

static void get_many_errors(void)
{
    struct objstore *s = help_store(1 << 20), *looker;
    struct objstore_options ro = OBJSTORE_OPTIONS_INIT;
    struct objstore_id ids[2] = { help_id(1), { { 0 } } };
    struct objstore_view views[2];

    REQUIRE_OK(objstore_put(s, &ids[0], "x", 1, NULL));
    CHECK_EQ(objstore_get_many(s, NULL, 0, 0, NULL), 0);
    CHECK_EQ(objstore_get_many(s, NULL, 1, 0, views), -EINVAL);
    CHECK_EQ(objstore_get_many(s, ids, 1, 0, NULL), -EINVAL);
    CHECK_EQ(objstore_get_many(s, ids, 2, 0, views), -EINVAL);
    CHECK_EQ(objstore_get_many(s, ids, 1, -2, views), -EINVAL);
    CHECK_EQ(objstore_get_many(s, ids, (size_t)INT32_MAX + 1, 0, views), -EINVAL);
    CHECK_EQ(objstore_get_many(NULL, ids, 1, 0, views), -EINVAL);
    CHECK_EQ(objstore_wait(s, ids, 2, 2, 0, NULL), -EINVAL);
    ro.flags = OBJSTORE_READ_ONLY;
    REQUIRE_OK(objstore_open_fd(objstore_fd(s), &ro, &looker, NULL));
    CHECK_EQ(objstore_get_many(looker, ids, 1, 0, views), -EROFS);
    objstore_close(looker);
    /* No room for the notes of that many views: none is held. */
    struct objstore *full = help_store(4096);
    struct objstore_view many[200];
    struct objstore_id same[200];
    void *data;
    REQUIRE_OK(objstore_put(full, &ids[0], "x", 1, NULL));
    struct objstore_id all = help_id(9);
    REQUIRE_OK(objstore_create(full, &all, 4096, NULL, &data));
    for (int i = 0; i < 200; i++)
        same[i] = ids[0];
    CHECK_EQ(objstore_get_many(full, same, 200, 0, many), 0); /* of one object it takes none */
    objstore_release_many(full, many, 200);
    struct objstore_stats stats;
    int err = 0;
    static struct objstore_id apart[64];
    static struct objstore_view held[64];
    for (uint64_t i = 0; i < 64; i++) {
        apart[i] = help_id(100 + i);
        REQUIRE_OK(objstore_put(full, &apart[i], "x", 1, NULL));
    }
    static struct objstore_view filler[64 * 64];
    int fillers = 0;
    while (!err && fillers < 64 * 64) { /* fill the pin table */
        struct objstore_id id = help_id(1000 + (uint64_t)fillers);

        err = objstore_put(full, &id, "x", 1, NULL);
        if (!err)
            err = objstore_get(full, &id, 0, &filler[fillers]);
        fillers += !err;
    }
    CHECK_EQ(err, -ENOSPC);
    err = objstore_get_many(full, apart, 64, 0, held);
    CHECK_EQ(err, -ENOSPC);
    REQUIRE_OK(objstore_stats(full, &stats));
    struct objstore_info info;
    REQUIRE_OK(objstore_stat(full, &apart[0], &info));
    CHECK_EQ(info.pins, 0);
    objstore_release_many(full, filler, (size_t)fillers);
    CHECK_EQ(objstore_get_many(full, apart, 64, 0, held), 0);
    objstore_close(full);
    objstore_close(s);
}

static void ids(void)
{
    struct objstore_id a, b;
    char text[OBJSTORE_ID_TEXT];

    REQUIRE_OK(objstore_id_random(&a));
    REQUIRE_OK(objstore_id_random(&b));
    CHECK(memcmp(&a, &b, sizeof a) != 0);
    objstore_id_format(&a, text);
    CHECK_EQ(strlen(text), 32);
    CHECK_EQ(objstore_id_parse(text, &b), 0);
    CHECK(!memcmp(&a, &b, sizeof a));
    b = a;
    CHECK_EQ(objstore_id_parse("00000000000000000000000000000000", &b), -EINVAL);
    CHECK_EQ(objstore_id_parse("0123456789abcdef", &b), -EINVAL);
    CHECK_EQ(objstore_id_parse("0123456789abcdef0123456789abcdef0", &b), -EINVAL);
    CHECK_EQ(objstore_id_parse("0123456789abcdefg123456789abcdef", &b), -EINVAL);
    CHECK(!memcmp(&a, &b, sizeof a));
    /* XXH3-128 as `xxhsum -H2` prints it. */
    objstore_id_from_content("abc", 3, &a);
    objstore_id_format(&a, text);
    CHECK(!strcmp(text, "06b05ab6733a618578af5f94892f3950"));
    objstore_id_from_name("abc", &b);
    CHECK(memcmp(&a, &b, sizeof a) != 0);
    objstore_id_from_name("abc", &a);
    CHECK(!memcmp(&a, &b, sizeof a));
}

static void words_for_errors(void)
{
    CHECK(strstr(objstore_strerror(-EBADMSG), "damaged") != NULL);
    CHECK(!strcmp(objstore_strerror(0), "no error"));
    CHECK(objstore_strerror(-100000) != NULL && objstore_strerror(INT32_MIN) != NULL);
    CHECK_EQ(objstore_version(), OBJSTORE_VERSION_MAJOR * 10000 + OBJSTORE_VERSION_MINOR * 100 +
                                     OBJSTORE_VERSION_PATCH);
}

TESTS("objects", { "what is put is got, of every size, aligned", put_get_release },
      { "an object is its creator's until sealed, nobody's after abort", create_seal_abort },
      { "a reservation sealed shorter gives the rest back", sealed_shorter },
      { "and if that fails it is as it was", sealed_shorter_errors },
      { "a deleted object stays for its readers; its id is free", deleted_while_read },
      { "every documented error, and nothing changed by it", errors },
      { "metadata and pins are shown as they are", metadata },
      { "list and stats count every state", list_and_stats },
      { "leases show who is attached", leases },
      { "read copies out, also through a read-only handle", read_out },
      { "an object as large as the capacity, again and again", as_large_as_the_capacity },
      { "thousands of views, nested, closed with the handle", many_views },
      { "views of thousands at once, all or none", get_many },
      { "errors of that, and nothing held after one", get_many_errors },
      { "ids: random, text, content, name", ids }, { "every error has words", words_for_errors })
