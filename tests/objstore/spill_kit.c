/* SPDX-License-Identifier: MIT */
#include "spill_kit.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

char kit_dir[64];

void kit_make_dir(void)
{
    snprintf(kit_dir, sizeof kit_dir, "/var/tmp/objstore-test-XXXXXX");
    REQUIRE(mkdtemp(kit_dir) != NULL);
}

unsigned kit_files(char path[400])
{
    DIR *d = opendir(kit_dir);
    unsigned n = 0;

    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.') {
            n++;
            if (path)
                snprintf(path, 400, "%s/%s", kit_dir, e->d_name);
        }
    if (d)
        closedir(d);
    return n;
}

struct objstore *kit_make(uint64_t capacity, uint32_t flags)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore_diag diag = { "" };
    struct objstore *s = NULL;

    o.capacity_bytes = capacity;
    o.flags = flags | OBJSTORE_CREATE;
    o.spill_dir = flags & OBJSTORE_CACHE ? NULL : kit_dir;
    int err = objstore_open(NULL, &o, &s, &diag);
    if (err)
        fprintf(stderr, "%s\n", diag.text);
    REQUIRE_OK(err);
    return s;
}

struct objstore_stats kit_stats(struct objstore *s)
{
    struct objstore_stats stats = { 0 };

    CHECK_EQ(objstore_stats(s, &stats), 0);
    return stats;
}

int kit_put(struct objstore *s, uint64_t number, size_t size)
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

bool kit_get(struct objstore *s, uint64_t number, size_t size)
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

void kit_end(struct objstore *s)
{
    CHECK(help_is_sound(s));
    objstore_close(s);
    CHECK_EQ(kit_files(NULL), 0);
    CHECK_EQ(rmdir(kit_dir), 0);
}
