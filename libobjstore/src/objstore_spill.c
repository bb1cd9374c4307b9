/* SPDX-License-Identifier: MIT */
/* objstore_spill.c -- stores that make room: making them, the calls, the statistics, the end. */
#define _GNU_SOURCE
#include "evict.h"
#include "file.h"
#include "lease.h"
#include "spill.h"
#include "spill_owner.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

int spill_format(int fd, const struct geometry *g, const struct objstore_options *o,
                 const struct file_name *name, struct spill_new *made, struct objstore_diag *diag)
{
    char dir[PATH_MAX], path[PATH_MAX] = "";
    struct spill_fixed *fixed = &made->fixed;

    *made = (struct spill_new){ .owner_fd = -1 };

    if (!o->spill_dir && !(o->flags & OBJSTORE_CACHE))
        return 0;
    fixed->mode = o->spill_dir ? SPILL_TO_FILES : SPILL_EVICT;
    fixed->flags = o->flags & OBJSTORE_COMPRESS ? SPILL_COMPRESS : 0;
    if (o->spill_dir) {
        struct stat st;

        if (!realpath(o->spill_dir, dir) || stat(dir, &st) ||
            (!S_ISDIR(st.st_mode) && (errno = ENOTDIR)) || access(dir, W_OK | X_OK)) {
            int err = errno == ENOENT ? -ENOTDIR : -errno; /* not the store */
            diag_set(diag, "the directory to spill to cannot be used: %.180s", o->spill_dir);
            return err;
        }
        if (strlen(dir) >= sizeof fixed->dir)
            return -ENAMETOOLONG;
        memcpy(fixed->dir, dir, strlen(dir) + 1);
    }
    if (getrandom(fixed->name, sizeof fixed->name, 0) != (ssize_t)sizeof fixed->name)
        return -EIO;
    fixed->check = spill_fixed_check(fixed);
    if (pwrite(fd, fixed, sizeof *fixed, (off_t)g->spill_at) != (ssize_t)sizeof *fixed)
        return -EIO;
    if (!o->spill_dir)
        return 0;
    int err = name ? file_absolute(name, path) : 0;
    if (!err)
        err = spill_owner_make(fixed, path, o->mode, &made->owner_fd);
    if (!err) /* what cannot be swept now is no reason to do without a store */
        (void)!spill_owner_sweep(dir, true, true, NULL);
    return err;
}

void spill_new_end(struct spill_new *made, bool failed)
{
    if (made->owner_fd < 0)
        return;
    if (failed)
        (void)spill_owner_remove_files(&made->fixed);
    close(made->owner_fd);
}

/* Nobody can open it again if it was retired, or has no name. */
void spill_end_of_store(struct objstore *s)
{
    struct stat st;

    if (!s->spill || s->spill->mode != SPILL_TO_FILES || fstat(s->fd, &st) || st.st_nlink > 0 ||
        !lease_is_last_user(s))
        return;
    POINT("spill: the store ends, its files are there");
    (void)spill_owner_remove_files(&s->spill->page->fixed);
}

void spill_end_of_file(int fd)
{
    struct flock users = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };
    struct header_fixed header;
    struct spill_fixed *fixed = malloc(sizeof *fixed);
    struct geometry g;
    struct stat st;

    if (fixed && !fstat(fd, &st) && st.st_nlink == 0 && !file_check(fd, &header, &g, NULL) &&
        pread(fd, fixed, sizeof *fixed, (off_t)g.spill_at) == (ssize_t)sizeof *fixed &&
        fixed->mode == SPILL_TO_FILES && !fcntl(fd, F_OFD_SETLK, &users)) /* lease.c: no users */
        (void)spill_owner_remove_files(fixed);
    free(fixed);
}

void spill_stats(const struct objstore *s, struct objstore_stats *out)
{
    const struct spill_page *page = s->spill ? s->spill->page : NULL;

    if (!page)
        return;
    out->is_cache = s->spill->mode == SPILL_EVICT;
    out->can_spill = s->spill->mode == SPILL_TO_FILES;
    out->uses_io_uring = au32_load_acquire(&s->spill->io_kind) == IO_URING;
    out->spills = au64_load_relaxed(&page->spilled); /* relaxed, all: statistics */
    out->spills_bytes = au64_load_relaxed(&page->spilled_bytes);
    out->restores = au64_load_relaxed(&page->restored);
    out->restores_bytes = au64_load_relaxed(&page->restored_bytes);
    out->evictions = au64_load_relaxed(&page->evicted);
    out->evictions_bytes = au64_load_relaxed(&page->evicted_bytes);
}

int64_t objstore_spill(struct objstore *s, uint64_t free_bytes)
{
    int64_t all = 0;
    int err = handle_check(s);

    if (err)
        return err;
    if (!s->rw)
        return -EROFS;
    if (!s->spill)
        return -EOPNOTSUPP;
    for (uint64_t there = 0;;) {
        struct objstore_stats stats;

        err = objstore_stats(s, &stats);
        if (err)
            return err;
        uint64_t room = stats.capacity_bytes - stats.used_bytes;
        there = there ? there : stats.used_bytes; /* who writes meanwhile is not run after */
        if (room >= free_bytes || room >= stats.capacity_bytes || (uint64_t)all / 2 >= there)
            return all;
        uint64_t missing = free_bytes - room;
        int64_t freed = evict_make_room(s, missing < stats.used_bytes ? missing : stats.used_bytes);
        if (freed <= 0)
            return freed && !all ? freed : all;
        all += freed;
    }
}

int objstore_spill_dir(struct objstore *s, char *path, size_t size)
{
    char dir[SPILL_DIR_MAX];
    int err = handle_check(s);

    if (err || !path)
        return err ? err : -EINVAL;
    if (!s->spill || s->spill->mode != SPILL_TO_FILES)
        return -ENOENT;
    memcpy(dir, s->spill->page->fixed.dir, sizeof dir); /* others may write to that page */
    size_t length = strnlen(dir, sizeof dir);
    if (length == sizeof dir)
        return -EBADMSG;
    if (length >= size)
        return -ERANGE;
    memcpy(path, dir, length + 1);
    return 0;
}

int objstore_spill_orphans(const char *dir, bool remove, struct objstore_orphans *out)
{
    return dir ? spill_owner_sweep(dir, false, remove, out) : -EINVAL;
}

/* 0, also if it went elsewhere meanwhile; else what is wrong with it. */
static int verify_one(struct objstore *s, uint32_t slot, uint64_t word)
{
    size_t size;
    char byte;
    int err = spill_copy_out(s, slot, word, &byte, 1, &size);

    return err == -EAGAIN ? 0 : err;
}

int objstore_verify_spilled(struct objstore *s, struct objstore_diag *diag)
{
    int err = handle_check(s);

    if (err)
        return err;
    if (s->spill)
        reader_doubt(&s->spill->reader); /* what the files hold is asked for */
    uint32_t slots = slots_in_use(s);
    for (uint32_t i = 0; !err && i < slots; i++) {
        struct slot *slot = slot_at(s, i);
        uint64_t word = au64_load_acquire(&slot->word), id[2]; /* M5 */
        struct objstore_id name;
        char text[OBJSTORE_ID_TEXT];

        if (word_state(word) != SLOT_SPILLED)
            continue;
        id[0] = au64_load_relaxed(&slot->id[0]); /* relaxed: for people */
        id[1] = au64_load_relaxed(&slot->id[1]);
        err = verify_one(s, i, word);
        if (!err)
            continue;
        memcpy(name.bytes, id, sizeof name.bytes);
        objstore_id_format(&name, text);
        diag_set(diag, "object %s: its spilled bytes cannot be read back (%s)", text,
                 objstore_strerror(err));
    }
    return err;
}
