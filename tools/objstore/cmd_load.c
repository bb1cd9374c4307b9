/* SPDX-License-Identifier: MIT */
/*
 * cmd_load.c -- take in what `dump` wrote.
 *
 * A file is looked through to its end before the first object is made, so a damaged one changes
 * nothing. A pipe can be read only once: each object is sealed when its bytes proved right, and
 * those before the damage stay.
 */
#include "cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "args.h"
#include "dumpfile.h"
#include "filemap.h"
#include "store.h"
#include "tool.h"

struct load {
    const char *where, *path;
    struct objstore *store;
    bool skip;
    /* Where the bytes come from: a file's, or a stream. */
    struct filemap map;
    size_t at;
    FILE *stream;
    struct dump_head head;
    uint64_t objects, bytes, skipped;
};

static int bad_input(const struct load *l, const char *fault)
{
    if (l->stream && l->store)
        complain(l->path, "%s; %" PRIu64 " objects before it were loaded", fault,
                 l->objects - l->skipped);
    else
        complain(l->path, "%s; nothing was loaded", fault);
    return EXIT_CANNOT;
}

/* The next bytes; -1: there are not so many. `out` may be NULL: pass over them. */
static int read_bytes(struct load *l, void *out, uint64_t size)
{
    if (!l->stream) {
        if (size > l->map.size - l->at)
            return -1;
        if (out && size)
            memcpy(out, l->map.data + l->at, size);
        l->at += size;
        return 0;
    }
    char scrap[16384];
    while (size > 0) {
        size_t part = out || size < sizeof scrap ? size : sizeof scrap;
        if (fread(out ? out : scrap, 1, part, l->stream) != part)
            return -1;
        size -= part;
        out = out ? (char *)out + part : NULL;
    }
    return 0;
}

static const char *why_cut(const struct load *l)
{
    return l->stream && ferror(l->stream) ? "cannot be read" : "cut off: the end is missing";
}

/* ---- looking through a file ----------------------------------------------------------- */

static int check_content(struct load *l, const struct dump_entry *entry)
{
    if (entry->size > l->map.size - l->at)
        return bad_input(l, why_cut(l));
    if (!dump_content_is(entry, l->map.data + l->at))
        return bad_input(l, "damaged: an object's bytes are not what was dumped");
    l->at += entry->size;
    return EXIT_OK;
}

/* ---- making the objects --------------------------------------------------------------- */

static int load_failed(const struct load *l, const struct dump_entry *entry, int err)
{
    char id[OBJSTORE_ID_TEXT];
    objstore_id_format(&entry->id, id);
    if (err == -EEXIST)
        complain(l->where,
                 "object %s is there already (--skip leaves such alone); %" PRIu64
                 " objects before it were loaded",
                 id, l->objects - l->skipped);
    else
        complain(l->where, "cannot make object %s of %" PRIu64 " bytes (%s)", id, entry->size,
                 objstore_strerror(err));
    return EXIT_CANNOT;
}

static int load_content(struct load *l, const struct dump_entry *entry)
{
    void *data;
    int err = objstore_create(l->store, &entry->id, entry->size, &entry->meta, &data);
    if (err == -EEXIST && l->skip) {
        l->skipped++;
        return read_bytes(l, NULL, entry->size) ? bad_input(l, why_cut(l)) : EXIT_OK;
    }
    if (err)
        return load_failed(l, entry, err);
    const char *fault = NULL;
    if (read_bytes(l, data, entry->size))
        fault = why_cut(l);
    else if (!dump_content_is(entry, data))
        fault = "damaged: an object's bytes are not what was dumped";
    if (fault) {
        (void)!objstore_abort(l->store, &entry->id);
        return bad_input(l, fault);
    }
    err = objstore_seal(l->store, &entry->id);
    return err ? load_failed(l, entry, err) : EXIT_OK;
}

/* All of the stream; without a store it is only looked through. */
static int read_all(struct load *l)
{
    l->objects = l->bytes = l->skipped = 0;
    l->at = 0;
    if (read_bytes(l, &l->head, sizeof l->head))
        return bad_input(l, "not a dump of objstore");
    const char *fault = dump_head_fault(&l->head);
    if (fault)
        return bad_input(l, fault);
    for (;;) {
        struct dump_entry entry;
        if (read_bytes(l, &entry, sizeof entry))
            return bad_input(l, why_cut(l));
        fault = dump_entry_fault(&entry, &l->head, l->objects, l->bytes);
        if (fault)
            return bad_input(l, fault);
        if (entry.kind == DUMP_END)
            return EXIT_OK;
        int code = l->store ? load_content(l, &entry) : check_content(l, &entry);
        if (code)
            return code;
        l->objects++;
        l->bytes += entry.size;
    }
}

static int load(struct load *l)
{
    struct diag diag = { "" };
    struct stat st;
    int code = EXIT_OK;
    bool is_stdin = !strcmp(l->path, "-");
    if (is_stdin || stat(l->path, &st) || !S_ISREG(st.st_mode)) {
        l->stream = is_stdin ? stdin : fopen(l->path, "re");
        if (!l->stream) {
            complain(l->path, "cannot open it (%s)", strerror(errno));
            return EXIT_CANNOT;
        }
        l->path = is_stdin ? "standard input" : l->path;
    } else {
        if (filemap_open(&l->map, l->path, &diag)) {
            complain(l->path, "%s", diag.text);
            return EXIT_CANNOT;
        }
        code = read_all(l);
    }
    if (!code)
        code = store_open(l->where, 0, &l->store);
    if (!code) {
        code = read_all(l);
        objstore_close(l->store);
    }
    if (l->stream && l->stream != stdin)
        fclose(l->stream);
    if (!l->stream)
        filemap_close(&l->map);
    return code;
}

int cmd_load(int argc, char **argv)
{
    const char *words[2] = { NULL, "-" };
    struct load l = { 0 };
    bool quiet = false;
    const struct arg_option table[] = {
        OPT_FLAG("skip", 's', &l.skip, "leave objects alone that are there already"),
        OPT_FLAG("quiet", 'q', &quiet, "do not say how many"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] STORE [FILE]",
        .text = "Make the objects that 'objstore dump' wrote, from FILE or standard input.\n"
                "A damaged file is refused before anything is made; from a pipe, the objects\n"
                "before the damage stay.\n",
        .options = table,
        .words = words,
        .words_min = 1,
        .words_max = 2,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    l.where = words[0];
    l.path = words[1];
    code = load(&l);
    if (!code && !quiet)
        printf("%" PRIu64 " objects loaded, %" PRIu64 " skipped\n", l.objects - l.skipped,
               l.skipped);
    return code;
}
