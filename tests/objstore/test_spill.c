/* SPDX-License-Identifier: MIT */
/* Stores that make room by themselves: by spilling to files, or by evicting. */
#include "help.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char dir[64];

static void make_dir(void)
{
    snprintf(dir, sizeof dir, "/var/tmp/objstore-test-XXXXXX");
    REQUIRE(mkdtemp(dir) != NULL);
}

/* How many files are in it; *path: one of them. */
static unsigned files_in_dir(char path[400])
{
    DIR *d = opendir(dir);
    unsigned n = 0;

    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.') {
            n++;
            if (path)
                snprintf(path, 400, "%s/%s", dir, e->d_name);
        }
    if (d)
        closedir(d);
    return n;
}

static struct objstore *make(uint64_t capacity, uint32_t flags)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore_diag diag = { "" };
    struct objstore *s = NULL;

    o.capacity_bytes = capacity;
    o.flags = flags | OBJSTORE_CREATE;
    o.spill_dir = flags & OBJSTORE_CACHE ? NULL : dir;
    int err = objstore_open(NULL, &o, &s, &diag);
    if (err)
        fprintf(stderr, "%s\n", diag.text);
    REQUIRE_OK(err);
    return s;
}

static struct objstore_stats stats_of(struct objstore *s)
{
    struct objstore_stats stats = { 0 };

    CHECK_EQ(objstore_stats(s, &stats), 0);
    return stats;
}

static size_t size_of(uint64_t number, size_t largest)
{
    uint64_t random = number;
    uint64_t r = test_random(&random);

    return r % 8 < 5 ? 65 + r / 8 % 3000 : 65 + r / 8 % largest;
}

static int put_one(struct objstore *s, uint64_t number, size_t size)
{
    struct objstore_id id = help_id(number);
    const struct objstore_meta meta = { .dtype = OBJSTORE_UINT8, .ndim = 1, .dims = { size } };
    void *data;
    int err = objstore_create(s, &id, size, number % 2 ? &meta : NULL, &data);

    if (err)
        return err;
    help_fill(data, size, number);
    return objstore_seal(s, &id);
}

static bool get_one(struct objstore *s, uint64_t number, size_t size)
{
    struct objstore_id id = help_id(number);
    struct objstore_view view;
    int err = objstore_get(s, &id, 0, &view);

    if (err) {
        fprintf(stderr, "get %llu: %s\n", (unsigned long long)number, objstore_strerror(err));
        return false;
    }
    bool is_right = view.size == size && help_is_filled(view.data, size, number);
    objstore_release(s, &view);
    return is_right;
}

static void end(struct objstore *s)
{
    CHECK(help_is_sound(s));
    objstore_close(s);
    CHECK_EQ(files_in_dir(NULL), 0);
    CHECK_EQ(rmdir(dir), 0);
}

/* ---- spilling ------------------------------------------------------------------------------ */

static void far_more_than_fits(uint32_t flags)
{
    make_dir();
    struct objstore *s = make(1 << 20, flags);
    enum { COUNT = 600 };
    uint64_t all = 0;

    for (uint64_t i = 0; i < COUNT; i++) {
        all += size_of(i, 100000);
        CHECK_EQ(put_one(s, i, size_of(i, 100000)), 0);
    }
    CHECK(all > 8u << 20);
    struct objstore_stats st = stats_of(s);
    CHECK_EQ(st.objects_sealed + st.objects_spilled, COUNT);
    CHECK(st.objects_spilled > COUNT / 2);
    CHECK(st.spills >= st.objects_spilled && st.spill_file_bytes > 0 && st.can_spill);
    CHECK_EQ(objstore_verify_spilled(s, NULL), 0);
    CHECK(help_is_sound(s));
    for (uint64_t i = 0; i < COUNT; i++) {
        struct objstore_id id = help_id(i);
        struct objstore_info info;

        CHECK(objstore_contains(s, &id));
        CHECK_EQ(objstore_stat(s, &id, &info), 0);
        CHECK(info.size == size_of(i, 100000) && info.meta.ndim == i % 2);
    }
    uint64_t random = test_seed;
    for (uint64_t i = 0; i < 2 * COUNT; i++) {
        uint64_t n = test_random(&random) % COUNT;

        CHECK(get_one(s, n, size_of(n, 100000)));
    }
    st = stats_of(s);
    CHECK(st.restores > 0 && st.restores_bytes > 0);
    CHECK_EQ(st.objects_sealed + st.objects_spilled, COUNT);
    for (uint64_t i = 0; i < COUNT; i++) {
        struct objstore_id id = help_id(i);

        CHECK_EQ(objstore_delete(s, &id), 0);
        CHECK(!objstore_contains(s, &id));
    }
    st = stats_of(s);
    CHECK(st.used_bytes == 0 && st.objects_spilled == 0 && st.spill_file_bytes == 0);
    CHECK_EQ(files_in_dir(NULL), 0);
    end(s);
}

static void more_than_fits(void)
{
    far_more_than_fits(0);
}

static void more_than_fits_compressed(void)
{
    far_more_than_fits(OBJSTORE_COMPRESS);
}

TESTS("spill", { "a store takes many times its capacity and gives it back", more_than_fits },
      { "also compressed", more_than_fits_compressed })
