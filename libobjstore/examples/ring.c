/* SPDX-License-Identifier: MIT */
/*
 * ring.c -- producers and consumers: items are objects whose ids are made of their numbers.
 *
 * Consumer c takes items c, c + CONSUMERS, ... in turn, sleeping until each is there, and deletes
 * them. Producer p makes items p, p + PRODUCERS, ..., and none before the one that was PLACES
 * earlier is gone: so the ring has room for all, and no producer can fill it with what nobody takes
 * yet. Nobody coordinates them but the store.
 */
#include <objstore.h>

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PRODUCERS = 2, CONSUMERS = 3, ITEMS = 3000, WORDS = 4096 };
enum { PLACES = 20 * PRODUCERS }; /* an earlier item of the same producer is that much earlier */

static struct objstore_id id_of(uint64_t item)
{
    struct objstore_id id;

    objstore_id_from_content(&item, sizeof item, &id);
    return id;
}

static int produce(struct objstore *store, uint64_t first)
{
    for (uint64_t item = first; item < ITEMS; item += PRODUCERS) {
        struct objstore_id id = id_of(item), before = id_of(item - PLACES);
        uint64_t *words;
        void *data;

        while (item >= PLACES && objstore_contains(store, &before))
            nanosleep(&(struct timespec){ 0, 100000 }, NULL);
        /* Reserve for the largest; how long it is becomes clear on the way. */
        int err = objstore_create(store, &id, WORDS * sizeof *words, NULL, &data);
        if (err)
            return err;
        uint64_t count = 1 + item * 7919 % WORDS;
        words = data;
        for (uint64_t i = 0; i < count; i++)
            words[i] = item;
        err = objstore_seal_size(store, &id, count * sizeof *words, NULL);
        if (err)
            return err;
    }
    return 0;
}

static int consume(struct objstore *store, uint64_t first)
{
    for (uint64_t item = first; item < ITEMS; item += CONSUMERS) {
        struct objstore_id id = id_of(item);
        struct objstore_view view;
        int err = objstore_get(store, &id, -1, &view);

        if (err)
            return err;
        const uint64_t *words = view.data;
        size_t count = view.size / sizeof *words;
        bool is_right = count == 1 + item * 7919 % WORDS;
        for (size_t i = 0; i < count; i++)
            is_right = is_right && words[i] == item;
        objstore_release(store, &view);
        err = objstore_delete(store, &id);
        if (err || !is_right)
            return err ? err : -EBADMSG;
    }
    return 0;
}

static int run(int fd, int (*part)(struct objstore *store, uint64_t first), uint64_t first)
{
    struct objstore *store;
    int err = objstore_open_fd(fd, NULL, &store, NULL);

    if (!err) {
        err = part(store, first);
        objstore_close(store);
    }
    if (err)
        fprintf(stderr, "ring: %s\n", objstore_strerror(err));
    return err ? 1 : 0;
}

int main(void)
{
    struct objstore_options options = OBJSTORE_OPTIONS_INIT;
    struct objstore_stats stats;
    struct objstore *store;
    pid_t children[PRODUCERS + CONSUMERS];
    int status, failures = 0;

    /* Three times what the places hold: an object that is just being deleted still takes room, and
     * free room may be in pieces. */
    options.capacity_bytes = 3 * PLACES * WORDS * sizeof(uint64_t);
    int err = objstore_open(NULL, &options, &store, NULL);
    if (err) {
        fprintf(stderr, "ring: %s\n", objstore_strerror(err));
        return 1;
    }
    for (uint64_t i = 0; i < PRODUCERS + CONSUMERS; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(i < PRODUCERS ? run(objstore_fd(store), produce, i)
                                : run(objstore_fd(store), consume, i - PRODUCERS));
        if (children[i] < 0)
            return 1;
    }
    for (pid_t ended; (ended = wait(&status)) > 0;) {
        failures += status != 0;
        for (int i = 0; i < PRODUCERS + CONSUMERS; i++)
            if (children[i] == ended)
                children[i] = 0;
            else if (status && children[i])
                kill(children[i], SIGKILL); /* what it waits for will not come */
    }
    err = objstore_stats(store, &stats);
    objstore_close(store);
    if (err || failures || stats.used_bytes != 0)
        return 1;
    printf("%d items went round\n", ITEMS);
    return 0;
}
