/* SPDX-License-Identifier: MIT */
#include "cmd.h"

#include <errno.h>
#include <limits.h>

#include "args.h"
#include "store.h"
#include "tool.h"

#define WORDS_MAX 4096

/* An object that is there, else the id it will have. */
static int id_of(struct objstore *store, const char *where, const char *word,
                 struct objstore_id *id)
{
    struct objstore_info info;
    int err = store_lookup(store, word, &info);
    if (err == -ENOTUNIQ) {
        complain(where, "'%s' fits several objects; give the id", word);
        return EXIT_ANSWER_NO;
    }
    if (err && err != -ENOENT)
        return store_cannot(where, "cannot look for the object", err);
    if (!err)
        *id = info.id;
    else if (objstore_id_parse(word, id))
        objstore_id_from_name(word, id);
    return EXIT_OK;
}

static int wait_for(struct objstore *store, const char **words, int count, uint32_t need,
                    int timeout_ms)
{
    static struct objstore_id ids[WORDS_MAX];
    static bool ready[WORDS_MAX];
    const char *where = words[0];
    for (int i = 0; i < count; i++) {
        int code = id_of(store, where, words[1 + i], &ids[i]);
        if (code)
            return code;
    }
    int n = objstore_wait(store, ids, (size_t)count, need, timeout_ms, ready);
    if (n >= 0)
        return EXIT_OK;
    if (n != -ETIMEDOUT)
        return store_cannot(where, "cannot wait", n);
    int sealed = 0, first = -1;
    for (int i = 0; i < count; i++) {
        sealed += ready[i];
        first = first < 0 && !ready[i] ? i : first;
    }
    complain(where, "timed out with %d of %d sealed; '%s' is not", sealed, count,
             words[1 + (first < 0 ? 0 : first)]);
    return EXIT_ANSWER_NO;
}

int cmd_wait(int argc, char **argv)
{
    static const char *words[WORDS_MAX + 1];
    double timeout = -1;
    uint32_t need = 0;
    const struct arg_option table[] = {
        { "timeout", 't', ARG_DOUBLE, &timeout, "SECONDS", "how long at most (default: for ever)",
          .required = false },
        { "need", 'n', ARG_U32, &need, "N", "how many are enough (default: all)", .min = 1 },
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] STORE OBJECT...",
        .text = "Wait until objects are sealed. A name of which there is no object yet means the\n"
                "one that 'objstore put --name' makes.\n",
        .options = table,
        .words = words,
        .words_min = 2,
        .words_max = WORDS_MAX + 1,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    int count = command.word_count - 1;
    if (need > (uint32_t)count)
        return args_complain("--need: %u of %d objects cannot be", need, count);
    if (timeout < 0 && timeout != -1)
        return args_complain("--timeout: %g s is in the past", timeout);
    int timeout_ms = timeout < 0 ? -1 : timeout >= INT_MAX / 1000 ? INT_MAX : (int)(timeout * 1e3);
    struct objstore *store;
    code = store_open(words[0], 0, &store); /* who waits must say so in the store */
    if (code)
        return code;
    code = wait_for(store, words, count, need ? need : (uint32_t)count, timeout_ms);
    objstore_close(store);
    return code;
}
