/* SPDX-License-Identifier: MIT */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "args.h"
#include "human.h"
#include "store.h"
#include "tool.h"

/* "0660" -> its bits. No execute bits: a store is no program. */
static int parse_mode(const char *text, uint32_t *mode)
{
    char *end;
    unsigned long bits = strtoul(text, &end, 8);
    if (*end || end - text < 3 || end - text > 4 || text[0] == '+' || text[0] == '-' ||
        bits & ~0666ul || (bits & 0600) != 0600)
        return args_complain("--mode: '%s' is not a mode such as 0660", text);
    *mode = (uint32_t)bits;
    return ARGS_RUN;
}

/* No room: how much there is, and how much it takes. */
static int complain_of_room(const char *where, uint64_t capacity)
{
    char folder[STORE_PATH_MAX], path[STORE_PATH_MAX], need[HUMAN_TEXT], have[HUMAN_TEXT];
    struct statvfs fs;
    bool has_slash = strchr(where, '/') != NULL;
    snprintf(folder, sizeof folder, "%s", has_slash ? store_path(where, path) : "/dev/shm");
    if (has_slash)
        strrchr(folder, '/')[folder[0] == '/' && strrchr(folder, '/') == folder] = 0;
    if (statvfs(folder, &fs)) {
        complain(where, "no room for a store of %s", human_size(capacity, need));
        return EXIT_CANNOT;
    }
    complain(where,
             "no room for a store of %s (%s has %s free); choose a smaller --capacity, or "
             "a path on another file system",
             human_size(capacity, need), folder,
             human_size((uint64_t)fs.f_bavail * fs.f_frsize, have));
    return EXIT_CANNOT;
}

int cmd_create(int argc, char **argv)
{
    struct objstore_options options = OBJSTORE_OPTIONS_INIT;
    struct objstore_diag diag = { "" };
    const char *where = NULL, *mode = NULL;
    bool prefault = false, huge = false, cache = false, compress = false;
    options.capacity_bytes = UINT64_C(1) << 30;
    const struct arg_option table[] = {
        { "capacity", 'c', ARG_SIZE, &options.capacity_bytes, "SIZE",
          "bytes for objects' data; reserved now (default: 1GiB)", .min = 4096,
          .max = UINT64_C(1) << 40 },
        OPT_TEXT("mode", 'm', &mode, "MODE", "permissions of the file (default: 0600)"),
        OPT_FLAG("prefault", 'p', &prefault, "touch every page now, not on first use"),
        OPT_FLAG("huge-pages", 'H', &huge, "all the pages of 2 MiB that the kernel can find"),
        OPT_TEXT("spill", 's', &options.spill_dir, "DIR",
                 "when it is full, objects make room by moving to files in DIR"),
        OPT_FLAG("compress", 'z', &compress, "with --spill: what LZ4 makes smaller, smaller"),
        OPT_FLAG("cache", 'k', &cache, "when it is full, the coldest objects are removed"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] STORE",
        .text = "Make a store and print the path of its file. STORE is a name, for a file in\n"
                "/dev/shm/objstore-<uid>, or a path with a '/' in it.\n",
        .options = table,
        .words = &where,
        .words_min = 1,
        .words_max = 1,
    };
    int code = args_parse(argc, argv, &command);
    if (code == ARGS_RUN && mode)
        code = parse_mode(mode, &options.mode);
    if (code != ARGS_RUN)
        return code;
    if ((cache && options.spill_dir) || (compress && !options.spill_dir))
        return args_complain(cache ? "--cache and --spill exclude each other"
                                   : "--compress needs --spill");
    options.flags = OBJSTORE_CREATE | OBJSTORE_EXCLUSIVE | (prefault ? OBJSTORE_PREFAULT : 0) |
                    (huge ? OBJSTORE_HUGE_PAGES : 0) | (cache ? OBJSTORE_CACHE : 0) |
                    (compress ? OBJSTORE_COMPRESS : 0);
    struct objstore *store;
    int err = objstore_open(where, &options, &store, &diag);
    if (err == -ENOSPC)
        return complain_of_room(where, options.capacity_bytes);
    if (err == -EEXIST && !strcmp(store_detail(err, &diag), objstore_strerror(err))) {
        complain(where, "there is one already; 'objstore destroy %s' removes it", where);
        return EXIT_CANNOT;
    }
    if (err) {
        complain(where, "cannot make the store (%s)", store_detail(err, &diag));
        return EXIT_CANNOT;
    }
    char path[STORE_PATH_MAX];
    puts(store_path(where, path));
    objstore_close(store);
    return EXIT_OK;
}
