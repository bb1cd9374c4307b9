/* SPDX-License-Identifier: MIT */
#include "cmd.h"

#include <errno.h>

#include "args.h"
#include "store.h"
#include "tool.h"

#define WORDS_MAX 4096

static int remove_object(struct objstore *store, const char *where, const char *word)
{
    struct objstore_info info;
    int code = store_find(store, where, word, &info);
    if (code)
        return code;
    int err = info.state == OBJSTORE_UNSEALED ? -EBUSY : objstore_delete(store, &info.id);
    if (err == -EBUSY) {
        complain(where, "'%s' is not sealed: process %d writes it", word, (int)info.owner_pid);
        return EXIT_ANSWER_NO;
    }
    if (err == -ENOENT) { /* somebody else was faster */
        complain(where, "no object '%s'", word);
        return EXIT_ANSWER_NO;
    }
    return err ? store_cannot(where, "cannot remove the object", err) : EXIT_OK;
}

int cmd_rm(int argc, char **argv)
{
    static const char *words[WORDS_MAX];
    const struct arg_option table[] = { { .kind = ARG_END } };
    struct arg_command command = {
        .usage = "STORE OBJECT...",
        .text = "Remove objects. Each is hidden at once; its bytes are freed with its last view.\n",
        .options = table,
        .words = words,
        .words_min = 2,
        .words_max = WORDS_MAX,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    struct objstore *store;
    code = store_open(words[0], 0, &store);
    if (code)
        return code;
    /* One that is missing does not save the others. */
    for (int i = 1; i < command.word_count; i++) {
        int one = remove_object(store, words[0], words[i]);
        code = one > code ? one : code;
    }
    objstore_close(store);
    return code;
}
