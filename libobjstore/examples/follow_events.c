/* SPDX-License-Identifier: MIT */
/*
 * follow_events.c -- know what is in a store at any time, without looking at it again.
 *
 * Subscribe, list, then follow. A child seals and deletes; when it has sealed the last object, what
 * we know is what is there.
 */
#include <objstore.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OBJECTS = 500, LAST = OBJECTS };

static bool is_known[OBJECTS + 1];

static struct objstore_id id_of(int number)
{
    struct objstore_id id = { { 1 } };

    memcpy(&id.bytes[4], &number, sizeof number);
    return id;
}

static int number_of(const struct objstore_id *id)
{
    int number;

    memcpy(&number, &id->bytes[4], sizeof number);
    return number;
}

static int note(const struct objstore_info *info, void *ctx)
{
    (void)ctx;
    is_known[number_of(&info->id)] = true;
    return 0;
}

static int list(struct objstore *store)
{
    struct objstore_filter sealed = OBJSTORE_FILTER_INIT;

    sealed.states = 1u << OBJSTORE_SEALED;
    memset(is_known, 0, sizeof is_known);
    return objstore_list_where(store, &sealed, note, NULL);
}

static int make_and_delete(int fd)
{
    struct objstore *store;
    int err = objstore_open_fd(fd, NULL, &store, NULL);

    for (int i = 0; i <= OBJECTS && !err; i++) {
        struct objstore_id id = id_of(i), other = id_of(i / 2);

        err = objstore_put(store, &id, "something", 9, NULL);
        if (!err && i % 3 == 0 && i < OBJECTS)
            err = objstore_delete(store, &other);
        if (err == -ENOENT)
            err = 0; /* it was deleted before */
    }
    objstore_close(store);
    return err;
}

int main(void)
{
    struct objstore_options options = OBJSTORE_OPTIONS_INIT;
    struct objstore_events *events = NULL;
    struct objstore *store;
    int status = 1, wrong = 0;

    options.capacity_bytes = 1 << 20;
    int err = objstore_open(NULL, &options, &store, NULL);
    if (!err)
        err = objstore_events_open(store, &events);
    if (!err)
        err = list(store);
    pid_t child = err ? -1 : fork();
    if (child == 0)
        _exit(make_and_delete(objstore_fd(store)) ? 1 : 0);
    while (!err && child > 0 && !is_known[LAST]) {
        struct objstore_event event[8];
        int n = objstore_events_next(events, event, 8, 10000);

        for (int i = 0; i < n; i++)
            is_known[number_of(&event[i].id)] = event[i].kind == OBJSTORE_EVENT_SEALED;
        if (n == -EOVERFLOW) /* we were too slow, or somebody died */
            err = list(store);
        else if (n < 0)
            err = n;
    }
    if (child > 0)
        waitpid(child, &status, 0);
    for (int i = 0; i <= OBJECTS && !err; i++) {
        struct objstore_id id = id_of(i);

        wrong += objstore_contains(store, &id) != is_known[i];
    }
    objstore_events_close(events);
    objstore_close(store);
    if (err)
        fprintf(stderr, "follow_events: %s\n", objstore_strerror(err));
    else
        printf("%d things known wrongly\n", wrong);
    return err || wrong || status ? 1 : 0;
}
