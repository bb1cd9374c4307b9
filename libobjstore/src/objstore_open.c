/* SPDX-License-Identifier: MIT */
/*
 * objstore_open.c -- attaching to a store and leaving it.
 *
 * Every user of a file holds byte 0 of it locked, shared (lease.c). Only an ephemeral store can be
 * retired: who holds that byte alone may set header.retired, for good, and take the name away.
 * The last to close does; if the last died instead, the next to open does, and makes a new
 * one. Who meets a file that is retired, or about to be, looks the name up again.
 */
#define _GNU_SOURCE
#include "attach.h"
#include "durable.h"
#include "file.h"
#include "fork.h"
#include "futex.h"
#include "lease.h"
#include "reap.h"
#include "spill.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CAPACITY_DEFAULT (1ull << 30)
#define FLAGS_ALL                                                                     \
    (OBJSTORE_CREATE | OBJSTORE_EXCLUSIVE | OBJSTORE_READ_ONLY | OBJSTORE_EPHEMERAL | \
     OBJSTORE_PREFAULT | OBJSTORE_HUGE_PAGES | OBJSTORE_CACHE | OBJSTORE_COMPRESS)
#define OPEN_TRIES 1000

/* ---- mapping ------------------------------------------------------------------------------- */

static int map_file(struct objstore *s, bool read_only)
{
    size_t size = s->geo.file_bytes;
    void *at = file_map(s->fd, 0, size, PROT_READ);

    if (!at)
        return -errno;
    s->view = at;
    if (!read_only) {
        at = file_map(s->fd, 0, size, PROT_READ | PROT_WRITE);
        if (!at)
            return -errno;
        s->rw = at;
        s->view_from_rw = s->view - s->rw;
    }
    return 0;
}

static void find_regions(struct objstore *s)
{
    const struct geometry *g = &s->geo;
    unsigned char *base = s->rw ? s->rw : (unsigned char *)(uintptr_t)s->view;

    s->header = (void *)base;
    s->leases = (void *)(base + g->leases_at);
    s->slot_hints = (void *)(base + g->slot_hints_at);
    s->class_hints = (void *)(base + g->class_hints_at);
    s->meta_bits = (void *)(base + g->meta_bits_at);
    s->buckets = (void *)(base + g->buckets_at);
    s->block_words = (void *)(base + g->block_words_at);
    s->page_owners = (void *)(base + g->page_owners_at);
    s->cell_owners = (void *)(base + g->cell_owners_at);
    s->slots = (void *)(base + g->slots_at);
}

static void prefault(struct objstore *s)
{
#ifdef MADV_POPULATE_WRITE
    if (!madvise(s->rw, s->geo.control_bytes, MADV_POPULATE_WRITE) &&
        !madvise(s->rw + s->geo.data_at, s->geo.capacity_bytes, MADV_POPULATE_WRITE) &&
        !madvise((void *)(uintptr_t)(s->view + s->geo.data_at), s->geo.capacity_bytes,
                 MADV_POPULATE_READ))
        return;
#endif
    for (uint64_t at = s->geo.data_at; at < s->geo.file_bytes; at += PAGE_BYTES)
        __atomic_fetch_or(s->rw + at, 0, __ATOMIC_RELAXED); /* a write that changes nothing */
}

/* ---- attaching ----------------------------------------------------------------------------- */

static void detach(struct objstore *s)
{
    spill_detach(s);
    if (s->rw)
        munmap(s->rw, s->geo.file_bytes);
    if (s->view)
        munmap((void *)(uintptr_t)s->view, s->geo.file_bytes);
    if (s->link)
        fork_unguard(s);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    if (s->fd >= 0)
        close(s->fd);
    free(s->lost);
    munmap(s, sizeof *s);
}

/* Not for any other use: what attach() answers of a store that must be recovered first. */
#define OF_EARLIER_BOOT (-EREMCHG)

/* An ephemeral store that nobody uses is a leftover: retire it. -ESTALE: it was, or is being. */
static int check_leftover(struct objstore *s, bool is_new)
{
    if (!is_new && s->header->fixed.flags & HEADER_EPHEMERAL && lease_is_last_user(s)) {
        au32_store_release(&s->header->retired, 1); /* R1: pairs with the load below */
        return -ESTALE;
    }
    int err = lease_share_file(s);
    if (err)
        return err == -EAGAIN ? -ESTALE : err;
    return au32_load_acquire(&s->header->retired) ? -ESTALE : 0; /* R1 */
}

/*
 * Was it last used before the machine's start? Not if somebody uses it now: that is how it looks
 * from a container with a boot of its own. Who recovers is not counted as a user meanwhile, so
 * several who come first do not take each other for one.
 */
static bool is_to_recover(const struct objstore *s)
{
    return !(s->header->fixed.flags & HEADER_EPHEMERAL) && durable_is_of_earlier_boot(s->header) &&
           !lease_is_file_used(s);
}

static int join(struct objstore *s)
{
    int err = lease_join(s);

    if (err == -EUSERS) { /* full, perhaps of the dead */
        err = lease_join_kept(s);
        bool is_inherited = err == -EUSERS && !(err = lease_inherit(s));
        if (err)
            return err;
        cache_init(s);
        if (is_inherited)
            reap_inherited(s);
        reap_dead(s);
        lease_leave(s);
        err = lease_join(s);
    }
    if (err)
        return err;
    cache_init(s);
    reap_at_open(s);
    return 0;
}

/* Attach to the store in `fd`, which becomes the handle's, or is closed. */
static int attach(int fd, uint32_t flags, bool is_new, struct objstore **out,
                  struct objstore_diag *diag)
{
    bool read_only = flags & OBJSTORE_READ_ONLY;
    /* Zeroed pages: the caches are large, and most are never used. */
    struct objstore *s =
        mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct header_fixed fixed;
    int err;

    if (s == MAP_FAILED) {
        err = -errno;
        if (is_new)
            file_unlink_hidden(fd);
        close(fd);
        return err;
    }
    s->fd = fd;
    s->lock_fd = -1;
    err = file_check(fd, &fixed, &s->geo, diag);
    if (!err) {
        fork_guard(s, read_only ? MAY_READ : MAY_WRITE);
        err = map_file(s, read_only);
    }
    if (err)
        goto detach;
    find_regions(s);
    err = spill_attach(s);
    if (err)
        goto detach;
    if (!read_only) {
        err = lease_open_locks(s);
        if (!err && !is_new && is_to_recover(s))
            err = OF_EARLIER_BOOT;
        if (!err)
            err = check_leftover(s, is_new);
        if (err == -ESTALE && !is_new) {
            file_unlink_name(fd);
            spill_end_of_store(s);
        }
        if (!err)
            err = join(s);
        if (err)
            goto detach;
        if (flags & OBJSTORE_PREFAULT && is_new)
            prefault(s);
    }
    *out = s;
    return 0;
detach:
    if (is_new)
        file_unlink_hidden(fd);
    detach(s);
    return err;
}

int attach_new(int fd, struct objstore **out, struct objstore_diag *diag)
{
    return attach(fd, 0, true, out, diag);
}

/* ---- open ---------------------------------------------------------------------------------- */

static int read_options(const struct objstore_options *given, struct objstore_options *o)
{
    static const struct objstore_options defaults = OBJSTORE_OPTIONS_INIT;

    *o = defaults;
    if (given) {
        const unsigned char *bytes = (const unsigned char *)given;
        size_t size = given->struct_size;

        if (size < sizeof given->struct_size + sizeof given->flags)
            return -EINVAL;
        for (size_t i = sizeof *o; i < size; i++)
            if (bytes[i])
                return -E2BIG; /* an option that this library does not know */
        memcpy(o, given, size < sizeof *o ? size : sizeof *o);
    }
    if (o->flags & ~(uint32_t)FLAGS_ALL || o->mode & ~0777u || o->reserved)
        return -EINVAL;
    if ((o->flags &
             (OBJSTORE_EXCLUSIVE | OBJSTORE_EPHEMERAL | OBJSTORE_PREFAULT | OBJSTORE_HUGE_PAGES) &&
         !(o->flags & OBJSTORE_CREATE)) ||
        (o->flags & OBJSTORE_CREATE && o->flags & OBJSTORE_READ_ONLY))
        return -EINVAL;
    if ((o->flags & (OBJSTORE_CACHE | OBJSTORE_COMPRESS) && !(o->flags & OBJSTORE_CREATE)) ||
        (o->flags & OBJSTORE_CACHE && o->spill_dir) ||
        (o->flags & OBJSTORE_COMPRESS && !o->spill_dir))
        return -EINVAL;
    if (!o->capacity_bytes)
        o->capacity_bytes = CAPACITY_DEFAULT;
    if (!o->mode)
        o->mode = 0600;
    return 0;
}

/* A file that is new, and the caller's: attach to it, give it its name. */
static int attach_and_publish(int fd, const struct file_name *name,
                              const struct objstore_options *o, struct objstore **out,
                              struct objstore_diag *diag)
{
    struct objstore *s;
    int err = attach(fd, o->flags, true, &s, diag);

    if (err)
        return err;
    err = name ? file_publish(s->fd, name) : 0;
    if (err) {
        lease_leave(s);
        detach(s);
        return err;
    }
    *out = s;
    return 0;
}

static int make_store(const struct file_name *name, const struct geometry *g,
                      const struct objstore_options *o, struct objstore **out,
                      struct objstore_diag *diag)
{
    uint32_t flags = (name && o->flags & OBJSTORE_EPHEMERAL ? HEADER_EPHEMERAL : 0) |
                     (o->flags & OBJSTORE_HUGE_PAGES ? HEADER_HUGE_PAGES : 0);
    int fd = file_make(name ? name->dir : NULL, g, o->mode, flags, diag);
    struct spill_new made;

    if (fd < 0)
        return fd;
    int err = spill_format(fd, g, o, name, &made, diag);
    if (err) {
        file_unlink_hidden(fd);
        close(fd);
        return err;
    }
    err = attach_and_publish(fd, name, o, out, diag);
    spill_new_end(&made, err != 0);
    return err;
}

static int open_existing(const struct file_name *name, const struct objstore_options *o,
                         struct objstore **out, struct objstore_diag *diag)
{
    int mode = o->flags & OBJSTORE_READ_ONLY ? O_RDONLY : O_RDWR;
    int fd = open(name->path, mode | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 && errno == EISDIR)
        return -EPROTO;
    if (fd < 0)
        return -errno;
    return attach(fd, o->flags, false, out, diag);
}

static int open_new(const struct file_name *name, const struct objstore_options *o,
                    struct objstore **out, struct objstore_diag *diag)
{
    struct geometry g;
    int err = 0;

    if (!geometry_of(o->capacity_bytes, &g)) {
        diag_set(diag, "a capacity is between %u bytes and %llu GiB", CAPACITY_MIN,
                 (unsigned long long)(CAPACITY_MAX >> 30));
        return -EINVAL;
    }
    if (name && strlen(strrchr(name->path, '/') + 1) > NAME_MAX - DURABLE_NAME_BYTES) {
        diag_set(diag, "a file's name has up to %d bytes here", NAME_MAX - DURABLE_NAME_BYTES);
        return -ENAMETOOLONG;
    }
    if (name)
        err = file_make_dir(name);
    if (err) {
        diag_set(diag, "%s: cannot be used as the directory of this user's stores", name->dir);
        return err;
    }
    err = make_store(name, &g, o, out, diag);
    if (err && name && name->is_ours)
        file_tidy_dir(name->path); /* it may be new, too */
    return err;
}

/* The file there is of an earlier boot: put what was synced in its place. */
static int recover(const struct file_name *name, struct lost **lost, struct objstore_diag *diag)
{
    int fd = open(name->path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return -errno;
    free(*lost);
    *lost = NULL;
    int err = durable_recover(fd, name, lost, diag);
    close(fd);
    return err;
}

/* Somebody retires the file this moment; it takes as long as an unlink(). */
static void pause_between_tries(int tries)
{
    struct timespec t = { 0, tries < 10 ? 10000 : 1000000 };

    nanosleep(&t, NULL);
}

static int open_named(const struct file_name *name, const struct objstore_options *o,
                      struct objstore **out, struct objstore_diag *diag)
{
    struct lost *lost = NULL;
    int err = -EAGAIN;

    for (int tries = 0; tries < OPEN_TRIES; tries++) {
        err = open_existing(name, o, out, diag);
        if (err == OF_EARLIER_BOOT) {
            err = recover(name, &lost, diag);
            if (err && err != -ENOENT)
                break;
            continue;
        }
        if (err == -ESTALE) {
            pause_between_tries(tries);
            continue;
        }
        if (err != -ENOENT && o->flags & OBJSTORE_EXCLUSIVE) {
            if (!err)
                objstore_close(*out);
            if (err == -EPROTO)
                diag_set(diag, "something that is no store has this name");
            err = err && err != -EPROTO && err != -EBADMSG ? err : -EEXIST;
            break;
        }
        if (err != -ENOENT || !(o->flags & OBJSTORE_CREATE))
            break;
        err = open_new(name, o, out, diag);
        if (err != -EEXIST && !(err == -ENOENT && name->is_ours))
            break;
        err = -EAGAIN; /* somebody was faster, or took the empty directory away */
    }
    if (err)
        free(lost);
    else
        (*out)->lost = lost;
    return err;
}

int objstore_open(const char *where, const struct objstore_options *opts, struct objstore **out,
                  struct objstore_diag *diag)
{
    struct objstore_options o;
    struct file_name name;
    struct objstore *s = NULL;
    struct objstore_diag said = { "" };
    int err = out ? read_options(opts, &o) : -EINVAL;

    if (!err && where && (err = file_resolve(where, &name)))
        diag_set(&said,
                 "a name has 1 to %d bytes, no '/', no '.' in front; a path ends in a file's name",
                 FILE_NAME_MAX);
    if (!err && !where && o.flags & OBJSTORE_READ_ONLY)
        err = -EINVAL;
    if (!err)
        err = where ? open_named(&name, &o, &s, &said) : open_new(NULL, &o, &s, &said);
    if (!err)
        *out = s;
    else if (diag)
        diag_set(diag, "%s%s%s", objstore_strerror(err), said.text[0] ? ": " : "", said.text);
    return err;
}

int objstore_open_fd(int fd, const struct objstore_options *opts, struct objstore **out,
                     struct objstore_diag *diag)
{
    struct objstore_options o;
    struct objstore *s = NULL;
    struct objstore_diag said = { "" };
    int err = out ? read_options(opts, &o) : -EINVAL;

    if (!err && o.flags & (OBJSTORE_EXCLUSIVE | OBJSTORE_EPHEMERAL | OBJSTORE_PREFAULT |
                           OBJSTORE_HUGE_PAGES))
        err = -EINVAL;
    if (!err) {
        int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);

        err = own < 0 ? -errno : attach(own, o.flags, false, &s, &said);
        if (err == -ESTALE)
            err = -ENOENT; /* it is gone, and a descriptor has no other to offer */
        else if (err == OF_EARLIER_BOOT)
            err = -ESTALE;
    }
    if (!err)
        *out = s;
    else if (diag)
        diag_set(diag, "%s%s%s", objstore_strerror(err), said.text[0] ? ": " : "", said.text);
    return err;
}

int objstore_fd(const struct objstore *s)
{
    return s ? s->fd : -EINVAL;
}

void objstore_close(struct objstore *s)
{
    if (!s)
        return;
    if (s->rw && handle_check(s) == 0) {
        reap_self(s);
        lease_leave(s);
        if (s->header->fixed.flags & HEADER_EPHEMERAL && lease_is_last_user(s)) {
            au32_store_release(&s->header->retired, 1); /* R1 */
            POINT("open: retired, still named");
            file_unlink_name(s->fd);
        }
        spill_end_of_store(s);
    }
    detach(s);
}

int objstore_destroy(const char *where)
{
    struct header_fixed fixed = { 0 };
    struct file_name name;
    int err = where ? file_resolve(where, &name) : -EINVAL;

    if (err)
        return err;
    int fd = open(name.path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        fd = open(name.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    /* A damaged store can be destroyed, something else cannot. */
    ssize_t n = pread(fd, &fixed, sizeof fixed, 0);
    if (n < 0 && errno != EISDIR)
        err = -errno;
    else if (n < 8 || fixed.magic != LAYOUT_MAGIC)
        err = -EPROTO;
    if (!err && unlink(name.path))
        err = -errno;
    if (!err) {
        durable_forget(name.path);
        spill_end_of_file(fd);
        file_tidy_dir(name.path);
    }
    close(fd);
    return err;
}
