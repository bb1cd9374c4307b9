/* SPDX-License-Identifier: MIT */
/* errors_spill.c -- the errors of stores that spill. */
#define _GNU_SOURCE
#include "errors.h"
#include "faults.h"
#include "spill.h"

#include <dirent.h>

static struct objstore_view view;
static char spill_dir[64];

static struct objstore *spilling_store(void)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore *full = NULL;
    static const char bytes[5000];

    snprintf(spill_dir, sizeof spill_dir, "/var/tmp/objstore-test-XXXXXX");
    REQUIRE(mkdtemp(spill_dir) != NULL);
    o.flags = OBJSTORE_CREATE;
    o.capacity_bytes = CAPACITY;
    o.spill_dir = spill_dir;
    REQUIRE_OK(objstore_open(NULL, &o, &full, NULL));
    REQUIRE_OK(objstore_put(full, &given.sealed, bytes, sizeof bytes, NULL));
    return full;
}

static void end_spilling(struct objstore *full)
{
    objstore_close(full);
    CHECK_EQ(rmdir(spill_dir), 0);
}

/* Cut every spill file to nothing. */
static void cut_files(void)
{
    DIR *d = opendir(spill_dir);

    for (struct dirent *e; d && (e = readdir(d));) {
        int fd = e->d_name[0] == '.' ? -1 : openat(dirfd(d), e->d_name, O_WRONLY | O_TRUNC);

        if (fd >= 0)
            close(fd);
    }
    closedir(d);
}

static int get_cut(void)
{
    struct objstore *full = spilling_store();

    CHECK(objstore_spill(full, CAPACITY) > 0);
    cut_files();
    int err = objstore_get(full, &given.sealed, 0, &view);
    CHECK(objstore_contains(full, &given.sealed));
    REQUIRE_OK(objstore_delete(full, &given.sealed));
    end_spilling(full);
    return err;
}

static int verify_cut(void)
{
    struct objstore *full = spilling_store();
    struct objstore_diag diag = { "" };
    char text[OBJSTORE_ID_TEXT];

    CHECK(objstore_spill(full, CAPACITY) > 0);
    CHECK_EQ(objstore_verify_spilled(full, &diag), 0);
    cut_files();
    int err = objstore_verify_spilled(full, &diag);
    objstore_id_format(&given.sealed, text);
    CHECK(strstr(diag.text, text) != NULL);
    end_spilling(full);
    return err;
}

static int spill_full_disk(void)
{
    struct objstore *full = spilling_store();
    const char *failed = "";
    int64_t err = 0;

    for (uint64_t n = 1; failed && strcmp(failed, "fallocate"); n++) {
        fault_arm(n, ENOSPC, false);
        err = objstore_spill(full, CAPACITY);
        failed = fault_disarm();
    }
    CHECK_EQ(objstore_get(full, &given.sealed, 0, &view), 0);
    objstore_release(full, &view);
    CHECK_EQ(objstore_verify(full, NULL), 0);
    end_spilling(full);
    return (int)err;
}

static int open_no_spill_dir(void)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore *none;

    o.flags = OBJSTORE_CREATE;
    o.spill_dir = "/var/tmp/objstore-no-such-directory";
    return objstore_open(NULL, &o, &none, NULL);
}

static int spill_read_only(void)
{
    return (int)objstore_spill(given.read_only, 1);
}

static int spill_nowhere(void)
{
    return (int)objstore_spill(given.store, CAPACITY);
}

static int orphans_nowhere(void)
{
    return objstore_spill_orphans(NULL, true, NULL);
}

static int dir_of_none(void)
{
    char path[8] = "as it is";
    int err = objstore_spill_dir(given.store, path, sizeof path);

    CHECK_EQ(memcmp(path, "as it is", sizeof path), 0);
    return err;
}

static int dir_in_too_few_bytes(void)
{
    struct objstore *full = spilling_store();
    char path[sizeof spill_dir] = "";

    CHECK_EQ(objstore_spill_dir(full, path, strlen(spill_dir) + 1), 0);
    CHECK_EQ(strcmp(path, spill_dir), 0);
    int err = objstore_spill_dir(full, path, strlen(spill_dir));
    end_spilling(full);
    return err;
}

static int dir_overwritten(void)
{
    struct objstore *full = spilling_store();
    char path[4096];

    struct spill_fixed *fixed = &full->spill->page->fixed;
    const struct spill_fixed was = *fixed;
    memset(fixed->dir, 'x', sizeof fixed->dir);
    int err = objstore_spill_dir(full, path, sizeof path);
    *fixed = was;
    end_spilling(full);
    return err;
}

static int dir_nowhere(void)
{
    return objstore_spill_dir(given.store, NULL, 8);
}

const struct error_row errors_spill[] = {
    { "objstore_get", EBADMSG, get_cut },
    { "objstore_open", ENOTDIR, open_no_spill_dir },
    { "objstore_spill", ENOSPC, spill_full_disk },
    { "objstore_spill", EROFS, spill_read_only },
    { "objstore_spill", EOPNOTSUPP, spill_nowhere },
    { "objstore_spill_dir", ENOENT, dir_of_none },
    { "objstore_spill_dir", ERANGE, dir_in_too_few_bytes },
    { "objstore_spill_dir", EBADMSG, dir_overwritten },
    { "objstore_spill_dir", EINVAL, dir_nowhere },
    { "objstore_verify_spilled", EBADMSG, verify_cut },
    { "objstore_spill_orphans", EINVAL, orphans_nowhere },
    { NULL, 0, NULL },
};
