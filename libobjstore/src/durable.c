/* SPDX-License-Identifier: MIT */
/*
 * durable.c -- stores that outlive the machine's being switched off.
 *
 * When power goes, each page of the file is left as it was at the last sync or at any later
 * moment, so nothing in the control area can be believed afterwards. What can is a list in a file
 * of its own, `.NAME.sync-GENERATION` beside the store's: every sealed object's id, description,
 * place, size and checksum, and a checksum of the list.
 *
 *   D1  durable_sync()     takes a generation, then looks at all slots and hashes what is sealed
 *   D2  fdatasync          all those bytes are on the disk
 *   D3  the list is written, fsync, link, fsync of the directory
 *   D4  lists of lower generations are removed
 *
 * Of several lists the one with the highest generation that is whole counts: it was begun last, so
 * it has all that any earlier sync promised. Syncs need no lock: one that is overtaken does
 * no harm.
 *
 * header.boot says in which boot of the machine the store was made or recovered. Who opens one
 * of an earlier boot does not mend it but makes another, in a file of its own:
 *
 *   U1  a new store; every listed object whose bytes still have their checksum is copied into it
 *   U2  the new store is synced, as above, and gets a name: `.NAME.new-IDENTITY`
 *   U3  old header.successor 0 -> that identity   the first of several who do this wins
 *   U4  rename the successor to NAME              by everybody who finds the old file there
 *
 * Invariants
 *   I1  The old file's bytes are only read, but for its successor. Until U4 it stands at NAME, and
 *       a recovery that dies, or a power cut, leaves everything as it was, and files with names
 *       that the next recovery removes.
 *   I2  What is put into the new store has the checksum that it had at the sync. An object that was
 *       deleted, and its place used again, since the last sync is lost; one whose place was
 *       not is there again. What was sealed since the last sync is lost.
 *
 * Why a copy: repairing words in place while another process, or another power cut, may come at
 * every step takes a log; and the copy comes out without holes.
 */
#define _GNU_SOURCE /* O_TMPFILE */
#include "durable.h"
#include "alloc.h"
#include "attach.h"
#include "futex.h"
#include "hash.h"
#include "index.h"
#include "objects.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define LIST_MAGIC 0x636e797374736c6fu
#define LIST_VERSION 1u
#define GENERATIONS (1ull << 63) /* no sync comes so far: a file with a higher number is not a list */

struct list_head {
    uint64_t magic;
    uint32_t version;
    uint32_t entry_bytes;
    uint64_t store; /* header_fixed.check of the file whose list it is */
    uint64_t generation;
    uint64_t count;
    uint64_t reserved;
    uint64_t entries_check;
    uint64_t check; /* of all of the above */
};

struct list_entry {
    struct objstore_id id;
    uint64_t at, size, created;
    uint64_t content[2]; /* XXH3-128 of the bytes */
    struct objstore_meta meta;
    uint64_t reserved;
};
_Static_assert(sizeof(struct list_head) == 64, "the list's format");
_Static_assert(sizeof(struct list_entry) == 160, "the list's format");

struct list {
    struct list_head head;
    struct list_entry *entries;
    size_t room;
};

/* ---- names --------------------------------------------------------------------------------- */

/* "DIR/.BASE.<kind>-<number>" */
static int name_beside(const char *path, const char *kind, uint64_t number, char out[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    int n = snprintf(out, PATH_MAX, "%.*s.%s.%s-%016llx", (int)(base - path), path, base, kind,
                     (unsigned long long)number);

    return n > 0 && n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int dir_of(const char *path, char out[PATH_MAX])
{
    int n = snprintf(out, PATH_MAX, "%s", path);

    if (n <= 0 || n >= PATH_MAX)
        return -ENAMETOOLONG;
    char *slash = strrchr(out, '/');
    if (!slash)
        memcpy(out, ".", 2);
    else
        slash[slash == out] = 0;
    return 0;
}

static int sync_dir(const char *path)
{
    char dir[PATH_MAX];
    int err = dir_of(path, dir);

    if (err)
        return err;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    err = fsync(fd) ? -errno : 0;
    close(fd);
    return err;
}

/* Call `visit` for each file beside `path` of this kind, with its number. */
static void for_each_beside(const char *path, const char *kind,
                            void (*visit)(const char *file, uint64_t number, void *ctx), void *ctx)
{
    const char *slash = strrchr(path, '/');
    char dir[PATH_MAX], start[PATH_MAX], file[PATH_MAX];
    int n = snprintf(start, sizeof start, ".%s.%s-", slash ? slash + 1 : path, kind);
    DIR *d = n > 0 && n < PATH_MAX && !dir_of(path, dir) ? opendir(dir) : NULL;

    for (struct dirent *e; d && (e = readdir(d));) {
        char *end;

        if (strncmp(e->d_name, start, (size_t)n) || strlen(e->d_name) != (size_t)n + 16)
            continue;
        uint64_t number = strtoull(e->d_name + n, &end, 16);
        if (!*end && !name_beside(path, kind, number, file))
            visit(file, number, ctx);
    }
    if (d)
        closedir(d);
}

/* ---- writing a list ------------------------------------------------------------------------ */

static struct list_entry *add_entry(struct list *l)
{
    if (l->head.count == l->room) {
        size_t room = l->room ? 2 * l->room : 256;
        struct list_entry *more = realloc(l->entries, room * sizeof *more);

        if (!more)
            return NULL;
        l->entries = more;
        l->room = room;
    }
    return &l->entries[l->head.count];
}

/* One slot, if an object is sealed in it; what changes meanwhile was deleted, and needs no entry.
 */
static int list_slot(struct objstore *s, uint32_t index, struct list *l)
{
    struct slot *slot = slot_at(s, index);
    uint64_t word = au64_load_acquire(&slot->word); /* E1 of slot.c */

    if (word_state(word) != SLOT_SEALED)
        return 0;
    struct list_entry *e = add_entry(l);
    if (!e)
        return -ENOMEM;
    memset(e, 0, sizeof *e);
    if (object_describe(s, index, e->id.bytes, &e->at, &e->size, &e->created, &e->meta)) {
        struct hash128 hash = hash128(s->view + e->at, e->size);

        e->content[0] = hash.low;
        e->content[1] = hash.high;
        atomic_thread_fence(memory_order_acquire);  /* the bytes before the word */
        if (au64_load_relaxed(&slot->word) == word) /* relaxed: the fence orders it */
            l->head.count++;
    }
    return 0;
}

static int write_all(int fd, const void *data, size_t size)
{
    const char *p = data;

    while (size > 0) {
        ssize_t n = write(fd, p, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

static int write_list(struct list *l, const char *path)
{
    char file[PATH_MAX], dir[PATH_MAX];
    size_t bytes = l->head.count * sizeof *l->entries;
    int err = name_beside(path, "sync", l->head.generation, file);

    l->head.entries_check = hash64(l->entries, bytes);
    l->head.check = XXH3_64bits(&l->head, offsetof(struct list_head, check));
    if (!err)
        err = dir_of(path, dir);
    int fd = err ? err : file_nameless(dir);
    if (fd < 0)
        return fd;
    err = write_all(fd, &l->head, sizeof l->head);
    if (!err)
        err = write_all(fd, l->entries, bytes);
    if (!err && fsync(fd))
        err = -errno;
    POINT("durable: list written, no name");
    if (!err)
        err = file_link(fd, file);
    file_unlink_hidden(fd);
    close(fd);
    return err ? err : sync_dir(path);
}

static void remove_older(const char *file, uint64_t number, void *ctx)
{
    if (number < *(const uint64_t *)ctx)
        unlink(file);
}

/* D1 to D4, for the store whose file is, or will be, at `path`. */
static int sync_as(struct objstore *s, const char *path, uint64_t generation, uint64_t *objects)
{
    struct list l = { .head = { .magic = LIST_MAGIC,
                                .version = LIST_VERSION,
                                .entry_bytes = sizeof(struct list_entry),
                                .store = s->header->fixed.check,
                                .generation = generation } };
    uint32_t slots = slots_in_use(s);
    int err = 0;

    for (uint32_t i = 0; i < slots && !err; i++)
        err = list_slot(s, i, &l);
    POINT("durable: listed, nothing on the disk");
    if (!err && fdatasync(s->fd))
        err = -errno;
    POINT("durable: data on the disk");
    if (!err)
        err = write_list(&l, path);
    if (!err)
        *objects = l.head.count;
    free(l.entries);
    return err;
}

static void find_highest(const char *file, uint64_t number, void *ctx)
{
    uint64_t *highest = ctx;

    (void)file;
    *highest = number > *highest && number < GENERATIONS ? number : *highest;
}

/* A store of the same name, removed by hand, left lists: begin above them. */
static void rise_above(struct objstore *s, const char *path)
{
    struct au64 *at = &s->header->sync_generation;
    uint64_t highest = 0, seen = au64_load_acquire(at);

    for_each_beside(path, "sync", find_highest, &highest);
    while (seen < highest && !au64_cas_acq_rel(at, &seen, highest))
        ;
}

int durable_sync(struct objstore *s, uint64_t *objects)
{
    char path[PATH_MAX];
    uint64_t generation;
    int err = file_path(s->fd, path);

    if (err || !file_is(path, s->fd) || s->spill) /* a list does not tell of spill files */
        return err ? err : -EOPNOTSUPP;
    do { /* EEXIST: of another store's list */
        rise_above(s, path);
        generation = au64_add_acq_rel(&s->header->sync_generation, 1) + 1; /* D1 */
        err = sync_as(s, path, generation, objects);
    } while (err == -EEXIST);
    if (!err)
        for_each_beside(path, "sync", remove_older, &generation); /* D4 */
    return err;
}

/* ---- reading a list ------------------------------------------------------------------------ */

/* NULL if the file is not a whole list of this store. */
static struct list *read_list(const char *file, uint64_t store)
{
    struct list *l = calloc(1, sizeof *l);
    struct stat st;
    int fd = l ? open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
    bool is_whole = false;

    if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) &&
        pread(fd, &l->head, sizeof l->head, 0) == (ssize_t)sizeof l->head &&
        l->head.magic == LIST_MAGIC && l->head.version == LIST_VERSION &&
        l->head.entry_bytes == sizeof *l->entries && l->head.store == store &&
        l->head.check == XXH3_64bits(&l->head, offsetof(struct list_head, check)) &&
        l->head.count == ((uint64_t)st.st_size - sizeof l->head) / sizeof *l->entries) {
        size_t bytes = l->head.count * sizeof *l->entries;

        l->entries = malloc(bytes ? bytes : 1);
        is_whole = l->entries && pread(fd, l->entries, bytes, sizeof l->head) == (ssize_t)bytes &&
                   hash64(l->entries, bytes) == l->head.entries_check;
    }
    if (fd >= 0)
        close(fd);
    if (is_whole)
        return l;
    if (l)
        free(l->entries);
    free(l);
    return NULL;
}

struct best {
    uint64_t store, highest; /* the highest number that any file has */
    struct list *list;
};

static void try_list(const char *file, uint64_t number, void *ctx)
{
    struct best *best = ctx;

    if (number >= GENERATIONS)
        return;
    if (number > best->highest)
        best->highest = number;
    if (best->list && number <= best->list->head.generation)
        return;
    struct list *l = read_list(file, best->store);
    if (!l || l->head.generation != number) {
        if (l)
            free(l->entries);
        free(l);
        return;
    }
    if (best->list)
        free(best->list->entries);
    free(best->list);
    best->list = l;
}

/* ---- recovering ---------------------------------------------------------------------------- */

uint64_t durable_boot(void)
{
    char text[64];
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);

    if (fd >= 0)
        close(fd);
    return n > 0 ? XXH3_64bits(text, (size_t)n) | 1 : 0;
}

bool durable_is_of_earlier_boot(const struct header *header)
{
    uint64_t then = au64_load_relaxed(&header->boot), now = durable_boot(); /* relaxed: it stays */

    return then && now && then != now;
}

static int note_loss(struct lost **lost, const struct objstore_id *id, uint32_t why)
{
    struct lost *l = *lost;

    if (!l || l->count == l->room) {
        size_t room = l ? 2 * l->room : 64;
        struct lost *more = realloc(l, sizeof *l + room * sizeof l->of[0]);

        if (!more)
            return -ENOMEM;
        if (!l)
            more->count = 0;
        more->room = room;
        *lost = l = more;
    }
    l->of[l->count].id = *id;
    l->of[l->count++].why = why;
    return 0;
}

static int by_size(const void *pa, const void *pb)
{
    const struct list_entry *a = pa, *b = pb;

    return a->size != b->size ? (a->size < b->size ? 1 : -1) : memcmp(&a->id, &b->id, 16);
}

static int by_id(const void *pa, const void *pb)
{
    const struct list_entry *a = pa, *b = pb;

    return memcmp(&a->id, &b->id, sizeof a->id);
}

/* U1, one object. 1: its bytes are not those of the sync. */
static int copy_object(struct objstore *new, const unsigned char *old, const struct geometry *g,
                       const struct list_entry *e)
{
    void *data;

    if (e->at < g->slots_at || e->at > g->file_bytes || e->size > g->file_bytes - e->at)
        return 1;
    struct hash128 hash = hash128(old + e->at, e->size);
    if (hash.low != e->content[0] || hash.high != e->content[1])
        return 1;
    int err = objstore_create(new, &e->id, e->size, &e->meta, &data);
    if (err)
        return err;
    if (e->size)
        memcpy(data, old + e->at, e->size);
    object_set_created(new, &e->id, e->created);
    return objstore_seal(new, &e->id);
}

/* What the old slots say was sealed, and no list has. */
static int note_unsynced(const unsigned char *old, const struct geometry *g, const struct list *l,
                         struct lost **lost)
{
    const struct header *header = (const struct header *)(const void *)old;
    uint64_t slots = au64_load_relaxed(&header->slots_fresh); /* relaxed: nobody writes it */

    slots = slots < g->slots ? slots : g->slots;
    for (uint64_t i = 0; i < slots; i++) {
        const struct slot *slot =
            (const struct slot *)(const void *)(old + g->slots_at + i * sizeof(struct slot));
        struct list_entry key;
        uint64_t id[2] = { au64_load_relaxed(&slot->id[0]), au64_load_relaxed(&slot->id[1]) };

        /* relaxed, all: likewise */
        if (word_state(au64_load_relaxed(&slot->word)) != SLOT_SEALED || !(id[0] || id[1]))
            continue;
        memcpy(&key.id, id, sizeof id);
        if (l && bsearch(&key, l->entries, l->head.count, sizeof key, by_id))
            continue;
        int err = note_loss(lost, &key.id, OBJSTORE_LOST_UNSYNCED);
        if (err)
            return err;
    }
    return 0;
}

static int copy_all(struct objstore *new, const unsigned char *old, const struct geometry *g,
                    struct list *l, struct lost **lost)
{
    int err = 0;

    if (l) /* the largest first: whatever had room has room again */
        qsort(l->entries, l->head.count, sizeof *l->entries, by_size);
    for (uint64_t i = 0; l && !err && i < l->head.count; i++) {
        err = copy_object(new, old, g, &l->entries[i]);
        POINT("durable: an object copied");
        if (err == 1 || err == -EEXIST || err == -EINVAL)
            err = note_loss(lost, &l->entries[i].id, OBJSTORE_LOST_DAMAGED);
        else if (err == -ENOSPC)
            err = note_loss(lost, &l->entries[i].id, OBJSTORE_LOST_NO_ROOM);
    }
    if (l)
        qsort(l->entries, l->head.count, sizeof *l->entries, by_id);
    return err ? err : note_unsynced(old, g, l, lost);
}

static void remove_file(const char *file, uint64_t number, void *ctx)
{
    if (number != *(const uint64_t *)ctx)
        unlink(file);
}

/* U4. 0: something else than the old file stands at the path now. -EAGAIN: no successor is there.
 */
static int take_place(int fd, const char *path, struct header *old)
{
    uint64_t successor = au64_load_acquire(&old->successor); /* U3 */
    char file[PATH_MAX];
    int err = name_beside(path, "new", successor, file);

    if (err)
        return err;
    if (successor && !rename(file, path)) {
        err = sync_dir(path);
        for_each_beside(path, "new", remove_file, &successor);
        return err;
    }
    if (!file_is(path, fd))
        return 0;
    /* The successor's name was lost, with the power or by hand: begin anew. */
    au64_cas_acq_rel(&old->successor, &successor, 0);
    return -EAGAIN;
}

static int make_successor(int fd, const struct file_name *name, const struct geometry *g,
                          struct header *old, struct lost **lost, struct objstore_diag *diag)
{
    struct best best = { old->fixed.check, 0, NULL };
    struct objstore *new = NULL;
    struct stat st;
    char file[PATH_MAX];
    uint64_t objects, seen = 0;

    if (fstat(fd, &st))
        return -errno;
    for_each_beside(name->path, "sync", try_list, &best);
    int made = file_make(name->dir, g, st.st_mode & 0777, old->fixed.flags, diag);
    int err = made < 0 ? made : attach_new(made, &new, diag);
    if (!err)
        err = copy_all(new, (const unsigned char *)old, g, best.list, lost);
    while (!err) { /* U2 */
        au64_store_release(&new->header->sync_generation, ++best.highest);
        err = sync_as(new, name->path, best.highest, &objects);
        if (err != -EEXIST)
            break;
        err = 0; /* another recovery is at work, and took the same number */
    }
    if (!err)
        err = name_beside(name->path, "new", new->header->fixed.check, file);
    if (!err)
        err = file_link(new->fd, file);
    if (!err)
        err = sync_dir(name->path);
    POINT("durable: the successor has a name");
    if (!err)
        au64_cas_acq_rel(&old->successor, &seen, new->header->fixed.check); /* U3 */
    POINT("durable: the successor is chosen");
    if (new)
        objstore_close(new);
    if (best.list)
        free(best.list->entries);
    free(best.list);
    return err;
}

int durable_recover(int fd, const struct file_name *name, struct lost **out,
                    struct objstore_diag *diag)
{
    struct header_fixed fixed;
    struct geometry g;
    struct lost *lost = NULL;
    int err = file_check(fd, &fixed, &g, diag);

    if (err)
        return err;
    void *map = mmap(NULL, g.file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    /* Somebody may have put the new one there since the caller looked. */
    err = durable_is_of_earlier_boot(map) ? take_place(fd, name->path, map) : 0;
    for (int tries = 0; err == -EAGAIN && tries < 10; tries++) {
        free(lost);
        lost = NULL;
        err = make_successor(fd, name, &g, map, &lost, diag);
        if (!err)
            err = take_place(fd, name->path, map);
    }
    munmap(map, g.file_bytes);
    if (err) {
        free(lost);
        return err;
    }
    *out = lost;
    return 0;
}

static void remove_any(const char *file, uint64_t number, void *ctx)
{
    (void)number, (void)ctx;
    unlink(file);
}

void durable_forget(const char *path)
{
    for_each_beside(path, "sync", remove_any, NULL);
    for_each_beside(path, "new", remove_any, NULL);
}
