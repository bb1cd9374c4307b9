/* SPDX-License-Identifier: MIT */
/*
 * cmd_put.c -- a file becomes an object.
 *
 * A file whose size is known is read straight into the store. Of a pipe nobody knows the size, so
 * it is read into memory first, but never more than the store has, or can make, room for. The elements of a
 * .npy file are copied from its mapping, in C order whatever order the file has.
 *
 * Killed at any moment, put leaves an unsealed object of a dead process, which whoever comes next
 * to the store frees.
 */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "args.h"
#include "describe.h"
#include "filemap.h"
#include "human.h"
#include "npy.h"
#include "store.h"
#include "tool.h"

#define FIRST_CHUNK (1 << 16)

struct put {
    const char *where, *path, *id_text, *name, *tag;
    bool npy, raw;
    struct objstore *store;
    struct objstore_id id;
    struct objstore_meta meta;
};

/* Read until `size` bytes are there or the input ends; returns how many, or a negative errno. */
static ssize_t read_full(int fd, void *data, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = read(fd, (char *)data + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static bool is_stdin(const struct put *p)
{
    return !strcmp(p->path, "-");
}

static const char *input(const struct put *p)
{
    return is_stdin(p) ? "standard input" : p->path;
}

static int complain_of_room(const struct put *p, uint64_t size, bool is_at_least)
{
    struct objstore_stats s = { 0 };
    char need[HUMAN_TEXT], have[HUMAN_TEXT], all[HUMAN_TEXT];
    if (objstore_stats(p->store, &s))
        return store_cannot(p->where, "no room", -ENOSPC);
    complain(p->where, "no room for %s%s of %s (largest free piece %s, capacity %s)",
             is_at_least ? "more than " : "", human_size(size, need), input(p),
             human_size(s.largest_free_bytes, have), human_size(s.capacity_bytes, all));
    return EXIT_CANNOT;
}

/* objstore_create(), or the exit code after having complained. */
static int create(const struct put *p, size_t size, void **data)
{
    char text[OBJSTORE_ID_TEXT];
    int err = objstore_create(p->store, &p->id, size, &p->meta, data);
    if (!err)
        return EXIT_OK;
    if (err == -ENOSPC)
        return complain_of_room(p, size, false);
    objstore_id_format(&p->id, text);
    if (err != -EEXIST)
        return store_cannot(p->where, "cannot make the object", err);
    complain(p->where, "there is an object %s already; 'objstore rm %s %s' removes it",
             p->name ? p->name : text, p->where, p->name ? p->name : text);
    return EXIT_CANNOT;
}

static int give_up(const struct put *p)
{
    int err = objstore_abort(p->store, &p->id);
    return err ? store_cannot(p->where, "cannot undo the object", err) : EXIT_CANNOT;
}

static int seal(const struct put *p)
{
    int err = objstore_seal(p->store, &p->id);
    return err ? store_cannot(p->where, "cannot seal the object", err) : EXIT_OK;
}

/* A regular file, from where it stands, straight into the object. */
static int put_file(const struct put *p, int fd, size_t size)
{
    void *data;
    char extra;
    int code = create(p, size, &data);
    if (code)
        return code;
    ssize_t n = read_full(fd, data, size);
    ssize_t more = n == (ssize_t)size ? read_full(fd, &extra, 1) : 0;
    if (n == (ssize_t)size && more == 0)
        return seal(p);
    if (n < 0 || more < 0)
        complain(input(p), "cannot read it (%s)", strerror((int)-(n < 0 ? n : more)));
    else
        complain(input(p), "it changed its size while it was read");
    return give_up(p);
}

static int put_bytes(const struct put *p, const void *bytes, size_t size)
{
    void *data;
    int code = create(p, size, &data);
    if (code)
        return code;
    if (size)
        memcpy(data, bytes, size);
    return seal(p);
}

static int put_npy(struct put *p, const void *file, size_t size)
{
    struct npy_info npy;
    struct diag diag = { "" };
    void *data;
    if (npy_parse(file, size, &npy, &diag) || describe_from_npy(&npy, &p->meta, &diag)) {
        complain(input(p), "%s", diag.text);
        return EXIT_CANNOT;
    }
    int code = create(p, npy.data_size, &data);
    if (code)
        return code;
    if (npy.data_size)
        npy_copy(file, &npy, data);
    return seal(p);
}

/* All of a pipe in memory: `limit` bytes at most. malloc()ed; -EFBIG: there is more. */
static int read_pipe(int fd, size_t limit, char **out, size_t *size)
{
    size_t capacity = 0, used = 0;
    char *data = NULL;
    for (;;) {
        capacity = capacity ? 2 * capacity : FIRST_CHUNK;
        if (capacity > limit)
            capacity = limit + 1;
        char *bigger = realloc(data, capacity);
        ssize_t n = bigger ? read_full(fd, bigger + used, capacity - used) : -ENOMEM;
        data = bigger ? bigger : data;
        used += n > 0 ? (size_t)n : 0;
        if (n < 0 || used > limit) {
            free(data);
            return n < 0 ? (int)n : -EFBIG;
        }
        if (used < capacity) {
            *out = data;
            *size = used;
            return 0;
        }
    }
}

static int put_pipe(struct put *p, int fd)
{
    struct objstore_stats s;
    char *data = NULL;
    size_t size = 0;
    int err = objstore_stats(p->store, &s);
    if (err)
        return store_cannot(p->where, "cannot tell how much room there is", err);
    bool makes_room = s.can_spill || s.is_cache;
    size_t limit = (size_t)(makes_room ? s.capacity_bytes : s.largest_free_bytes);
    limit += p->npy ? FIRST_CHUNK : 0;
    err = read_pipe(fd, limit, &data, &size);
    if (err == -EFBIG)
        return complain_of_room(p, limit, true);
    if (err) {
        complain(input(p), "cannot read it (%s)", strerror(-err));
        return EXIT_CANNOT;
    }
    int code = p->npy ? put_npy(p, data, size) : put_bytes(p, data, size);
    free(data);
    return code;
}

static int put_opened(struct put *p, int fd)
{
    struct stat s;
    struct diag diag = { "" };
    struct filemap map;
    if (fstat(fd, &s) || S_ISDIR(s.st_mode)) {
        complain(input(p), "cannot read it (%s)", strerror(S_ISDIR(s.st_mode) ? EISDIR : errno));
        return EXIT_CANNOT;
    }
    off_t at = lseek(fd, 0, SEEK_CUR);
    /* A file that says 0 bytes may be one of /proc, which only tells when it is read. */
    if (!S_ISREG(s.st_mode) || at < 0 || s.st_size <= at)
        return put_pipe(p, fd);
    if (!p->npy)
        return put_file(p, fd, (size_t)(s.st_size - at));
    if (is_stdin(p))
        return put_pipe(p, fd); /* the reader before us may have left it anywhere */
    if (filemap_open(&map, p->path, &diag)) {
        complain(p->path, "%s", diag.text);
        return EXIT_CANNOT;
    }
    int code = put_npy(p, map.data, map.size);
    filemap_close(&map);
    return code;
}

/* The id and the description, from the options. ARGS_RUN, or an exit code. */
static int name_object(struct put *p)
{
    if (p->npy && p->raw)
        return args_complain("--npy and --raw exclude each other");
    if (p->name && (!p->name[0] || strlen(p->name) > OBJSTORE_NAME_MAX))
        return args_complain("--name: 1 to %d bytes", OBJSTORE_NAME_MAX);
    if (p->name && !objstore_id_parse(p->name, &p->id))
        return args_complain("--name: 32 hex digits are an id, not a name");
    if (p->tag && strlen(p->tag) >= sizeof p->meta.tag)
        return args_complain("--tag: %zu bytes at most", sizeof p->meta.tag - 1);
    if (p->id_text && objstore_id_parse(p->id_text, &p->id))
        return args_complain("--id: '%s' is not 32 hex digits, or all zero", p->id_text);
    if (p->name && !p->id_text)
        objstore_id_from_name(p->name, &p->id);
    if (!p->name && !p->id_text) {
        int err = objstore_id_random(&p->id);
        if (err)
            return store_cannot(p->where, "cannot make an id", err);
    }
    snprintf(p->meta.name, sizeof p->meta.name, "%s", p->name ? p->name : "");
    snprintf(p->meta.tag, sizeof p->meta.tag, "%s", p->tag ? p->tag : "");
    if (!p->raw && npy_is_named(p->path))
        p->npy = true;
    return ARGS_RUN;
}

static int put(struct put *p)
{
    int fd = is_stdin(p) ? STDIN_FILENO : open(p->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        complain(p->path, "cannot open this file (%s); it was to be put into the store %s",
                 strerror(errno), p->where);
        return EXIT_CANNOT;
    }
    int code = store_open(p->where, 0, &p->store);
    if (!code) {
        code = put_opened(p, fd);
        objstore_close(p->store);
    }
    if (!is_stdin(p))
        close(fd);
    return code;
}

int cmd_put(int argc, char **argv)
{
    struct put p = { 0 };
    const char *words[2];
    const struct arg_option table[] = {
        OPT_TEXT("name", 'n', &p.name, "NAME", "its name; makes the id too, without --id"),
        OPT_TEXT("id", 0, &p.id_text, "HEX", "its id, 32 hex digits (default: random)"),
        OPT_TEXT("tag", 't', &p.tag, "TEXT", "a word of yours in its description"),
        OPT_FLAG("npy", 0, &p.npy, "FILE is .npy: store the array (by itself for *.npy)"),
        OPT_FLAG("raw", 0, &p.raw, "store the bytes of the file, also of *.npy"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] STORE FILE",
        .text = "Store a file (-: standard input) as an object, and print the object's id.\n",
        .options = table,
        .words = words,
        .words_min = 2,
        .words_max = 2,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    p.where = words[0];
    p.path = words[1];
    code = name_object(&p);
    if (code == ARGS_RUN)
        code = put(&p);
    if (code)
        return code;
    char text[OBJSTORE_ID_TEXT];
    objstore_id_format(&p.id, text);
    puts(text);
    return EXIT_OK;
}
