/* SPDX-License-Identifier: MIT */
/* cmd_dump.c -- objects as a stream that `load` reads: dumpfile.h has the format. */
#define _GNU_SOURCE /* getrandom */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "describe.h"
#include "dumpfile.h"
#include "objects.h"
#include "outfile.h"
#include "store.h"
#include "tool.h"

#define WORDS_MAX 4096

struct dump {
    const char *where;
    struct objstore *store;
    struct outfile out;
    struct dump_head head;
    uint64_t objects, bytes;
};

/* Returns an exit code; what cannot be read is complained of and left out. */
static int dump_object(struct dump *d, const struct objstore_info *info)
{
    struct dump_entry entry = {
        .kind = DUMP_OBJECT,
        .stream = d->head.stream,
        .number = d->objects,
        .size = info->size,
        .created_ns = info->created_ns,
        .id = info->id,
        .meta = info->meta,
    };
    void *data;
    int code = store_copy(d->store, d->where, info, &data);
    if (code)
        return code;
    objstore_id_from_content(data, info->size, &entry.content);
    dump_entry_make(&entry);
    fwrite(&entry, sizeof entry, 1, d->out.stream);
    if (info->size)
        fwrite(data, 1, info->size, d->out.stream);
    store_copy_free(data, info->size);
    d->objects++;
    d->bytes += info->size;
    return EXIT_OK;
}

static void write_end(struct dump *d)
{
    struct dump_entry end = {
        .kind = DUMP_END, .stream = d->head.stream, .number = d->objects, .size = d->bytes
    };
    dump_entry_make(&end);
    fwrite(&end, sizeof end, 1, d->out.stream);
}

static int dump_named(struct dump *d, const char *const *words, int count)
{
    int code = EXIT_OK;
    for (int i = 0; i < count && !ferror(d->out.stream); i++) {
        struct objstore_info info;
        int one = store_find(d->store, d->where, words[i], &info);
        if (!one && info.state == OBJSTORE_UNSEALED) {
            complain(d->where, "'%s' is not sealed yet (process %d writes it)", words[i],
                     (int)info.owner_pid);
            one = EXIT_ANSWER_NO;
        }
        if (!one)
            one = dump_object(d, &info);
        code = one > code ? one : code;
    }
    return code;
}

static int dump_list(struct dump *d, struct objects *list)
{
    int code = EXIT_OK;
    int err = objects_read(list, d->store, OBJECTS_OLDEST_FIRST);
    if (err)
        return store_cannot(d->where, "cannot list the objects", err);
    for (size_t i = 0; i < list->count && !ferror(d->out.stream); i++) {
        int one = dump_object(d, &list->infos[i]);
        code = one > code ? one : code;
    }
    objects_free(list);
    return code;
}

static int dump(struct dump *d, const char *path, struct objects *list, const char *const *words,
                int count)
{
    struct diag diag = { "" };
    struct timespec now;
    uint64_t stream;
    if (getrandom(&stream, sizeof stream, 0) != (ssize_t)sizeof stream)
        return store_cannot(d->where, "cannot draw a number", -errno);
    int code = store_open(d->where, OBJSTORE_READ_ONLY, &d->store);
    if (code)
        return code;
    int err = outfile_open(&d->out, path, &diag);
    if (!err) {
        clock_gettime(CLOCK_REALTIME, &now);
        dump_head_make(&d->head, stream, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
        fwrite(&d->head, sizeof d->head, 1, d->out.stream);
        code = count ? dump_named(d, words, count) : dump_list(d, list);
        write_end(d);
        err = outfile_commit(&d->out, &diag);
    }
    objstore_close(d->store);
    if (err) {
        complain(outfile_name(path), "%s", diag.text);
        return EXIT_CANNOT;
    }
    return code;
}

int cmd_dump(int argc, char **argv)
{
    static const char *words[WORDS_MAX];
    const char *path = NULL;
    struct objects list = { .filter = { .states = 1u << OBJSTORE_SEALED } };
    struct dump d = { 0 };
    const struct arg_option table[] = {
        OPT_TEXT("output", 'o', &path, "FILE", "where to (-: standard output, the default)"),
        OPT_TEXT("name", 'n', &list.name_glob, "GLOB", "only objects with such a name: 'x*'"),
        OPT_TEXT("tag", 't', &list.filter.tag, "TEXT", "only objects with this tag"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] STORE [OBJECT...]",
        .text = "Write sealed objects with their ids and descriptions, all or those named, as a\n"
                "stream that 'objstore load' reads.\n",
        .options = table,
        .words = words,
        .words_min = 1,
        .words_max = WORDS_MAX,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    if (command.word_count > 1 && (list.name_glob || list.filter.tag))
        return args_complain("--name and --tag choose among all: name no objects then");
    if (!path && isatty(STDOUT_FILENO) == 1)
        return args_complain("standard output is a terminal: -o FILE");
    d.where = words[0];
    return dump(&d, path ? path : "-", &list, words + 1, command.word_count - 1);
}
