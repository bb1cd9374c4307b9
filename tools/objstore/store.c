/* SPDX-License-Identifier: MIT */
#include "store.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tool.h"

#define PREFIX_MIN 4

const char *store_folder(char path[STORE_PATH_MAX])
{
    snprintf(path, STORE_PATH_MAX, "/dev/shm/objstore-%u", (unsigned)geteuid());
    return path;
}

const char *store_path(const char *where, char path[STORE_PATH_MAX])
{
    char folder[STORE_PATH_MAX];
    if (strchr(where, '/'))
        snprintf(path, STORE_PATH_MAX, "%s", where);
    else if (snprintf(path, STORE_PATH_MAX, "%s/%s", store_folder(folder), where) >= STORE_PATH_MAX)
        path[0] = 0;
    return path;
}

const char *store_detail(int error, const struct objstore_diag *diag)
{
    const char *words = objstore_strerror(error);
    size_t length = strlen(words);
    if (!strncmp(diag->text, words, length) && !strncmp(diag->text + length, ": ", 2))
        return diag->text + length + 2;
    return diag->text[0] ? diag->text : words;
}

int store_complain(const char *where, int error, const struct objstore_diag *diag)
{
    char path[STORE_PATH_MAX];
    if (error == -ENOENT && !strchr(where, '/')) {
        bool is_file = access(where, F_OK) == 0;
        complain(where, "no such store (there is no %s); %s%s", store_path(where, path),
                 is_file ? "for the file in this directory write ./" : "'objstore ls' lists yours",
                 is_file ? where : "");
    } else if (error == -ENOENT) {
        complain(where, "no such store");
    } else if (error == -EPROTO) {
        complain(where, "%s", store_detail(error, diag));
    } else if (error == -EBADMSG) {
        complain(where, "damaged (%s)", store_detail(error, diag));
    } else {
        complain(where, "cannot open it (%s)", store_detail(error, diag));
    }
    return EXIT_CANNOT;
}

int store_cannot(const char *where, const char *what, int error)
{
    complain(where, "%s (%s)", what, objstore_strerror(error));
    return EXIT_CANNOT;
}

static int pass_over(const struct objstore_id *id, uint32_t why, void *ctx)
{
    (void)id, (void)why, (void)ctx;
    return 0;
}

int store_try(const char *where, uint32_t flags, struct objstore **out, struct objstore_diag *diag)
{
    struct objstore_options options = OBJSTORE_OPTIONS_INIT;
    options.flags = flags;
    int err = objstore_open(where, &options, out, diag);
    int lost = err ? 0 : objstore_losses(*out, pass_over, NULL);
    if (lost > 0)
        complain(where, "recovered after the machine's restart; %d objects were lost", lost);
    return err;
}

int store_open(const char *where, uint32_t flags, struct objstore **out)
{
    struct objstore_diag diag = { "" };
    int err = store_try(where, flags, out, &diag);
    return err ? store_complain(where, err, &diag) : EXIT_OK;
}

/* ---- finding an object -------------------------------------------------------------- */

struct search {
    const char *word;
    size_t length;
    bool is_prefix; /* the word could be the start of an id */
    size_t names, prefixes;
    struct objstore_info by_name, by_prefix;
};

static int consider(const struct objstore_info *info, void *ctx)
{
    struct search *s = ctx;
    char text[OBJSTORE_ID_TEXT];
    if (info->state == OBJSTORE_DELETED)
        return 0;
    if (s->length <= OBJSTORE_NAME_MAX &&
        !strncmp(info->meta.name, s->word, sizeof info->meta.name)) {
        s->by_name = *info;
        s->names++;
    }
    objstore_id_format(&info->id, text);
    if (s->is_prefix && !strncasecmp(text, s->word, s->length)) {
        s->by_prefix = *info;
        s->prefixes++;
    }
    return 0;
}

static int search(struct objstore *store, const char *word, struct objstore_info *out)
{
    struct search s = { .word = word, .length = strlen(word) };
    s.is_prefix = s.length >= PREFIX_MIN && strspn(word, "0123456789abcdefABCDEF") == s.length;
    int err = objstore_list(store, consider, &s);
    if (err)
        return err;
    size_t found = s.names ? s.names : s.prefixes;
    if (found != 1)
        return found ? -ENOTUNIQ : -ENOENT;
    *out = s.names ? s.by_name : s.by_prefix;
    return 0;
}

int store_lookup(struct objstore *store, const char *word, struct objstore_info *out)
{
    struct objstore_id id;
    struct objstore_info info;
    if (!word[0])
        return -ENOENT;
    bool is_id = objstore_id_parse(word, &id) == 0;
    if (!is_id)
        objstore_id_from_name(word, &id);
    int err = objstore_stat(store, &id, &info);
    if (!err && info.state == OBJSTORE_DELETED)
        err = -ENOENT;
    if (err == -ENOENT && !is_id)
        err = search(store, word, &info);
    if (!err)
        *out = info;
    return err;
}

int store_find(struct objstore *store, const char *where, const char *word,
               struct objstore_info *out)
{
    int err = store_lookup(store, word, out);
    if (!err)
        return EXIT_OK;
    if (err != -ENOENT && err != -ENOTUNIQ)
        return store_cannot(where, "cannot look for the object", err);
    complain(where, err == -ENOENT ? "no object '%s'" : "'%s' fits several objects; give the id",
             word);
    return EXIT_ANSWER_NO;
}

/* ---- copying one out ---------------------------------------------------------------- */

int store_copy(struct objstore *store, const char *where, const struct objstore_info *info,
               void **out)
{
    size_t size;
    *out = NULL;
    if (info->size == 0)
        return EXIT_OK;
    void *data = info->size > SIZE_MAX / 2 ? MAP_FAILED
                                           : mmap(NULL, info->size, PROT_READ | PROT_WRITE,
                                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return store_cannot(where, "cannot copy the object", -ENOMEM);
    int err = objstore_read(store, &info->id, data, info->size, &size);
    if (!err && size == info->size) {
        *out = data;
        return EXIT_OK;
    }
    munmap(data, info->size);
    if (err && err != -ENOENT && err != -EAGAIN)
        return store_cannot(where, "cannot read the object", err);
    complain(where, "the object was removed while it was read");
    return EXIT_ANSWER_NO;
}

void store_copy_free(void *data, uint64_t size)
{
    if (data)
        munmap(data, size);
}
