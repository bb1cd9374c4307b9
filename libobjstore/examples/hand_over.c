/* SPDX-License-Identifier: MIT */
/*
 * hand_over.c -- a view goes from one process to another through a pipe. The giver is gone, and
 * the object deleted, before the taker looks: the bytes are there all the same.
 */
#include <objstore.h>

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int give(int fd, int to)
{
    struct objstore *store;
    struct objstore_view view;
    struct objstore_pass pass;
    struct objstore_id id;
    int err = objstore_open_fd(fd, NULL, &store, NULL);

    objstore_id_from_name("letter", &id);
    if (!err)
        err = objstore_put(store, &id, "dear reader", 11, NULL);
    if (!err)
        err = objstore_get(store, &id, 0, &view);
    if (!err)
        err = objstore_give(store, &view, 60000, &pass); /* for a minute at most */
    if (!err)
        err = objstore_delete(store, &id); /* nobody else shall find it */
    if (!err && write(to, &pass, sizeof pass) != (ssize_t)sizeof pass)
        err = -1;
    return err; /* the end of the process releases its view */
}

int main(void)
{
    struct objstore_options options = OBJSTORE_OPTIONS_INIT;
    struct objstore *store;
    struct objstore_view view;
    struct objstore_pass pass;
    int status = 1, ends[2], wrong = 1;

    options.capacity_bytes = 1 << 20;
    if (pipe(ends) || objstore_open(NULL, &options, &store, NULL))
        return 1;
    pid_t child = fork();
    if (child == 0)
        _exit(give(objstore_fd(store), ends[1]) ? 1 : 0);
    if (child > 0)
        waitpid(child, &status, 0);
    if (status == 0 && read(ends[0], &pass, sizeof pass) == (ssize_t)sizeof pass) {
        int err = objstore_take(store, &pass, &view);

        if (err) {
            fprintf(stderr, "hand_over: %s\n", objstore_strerror(err));
        } else {
            wrong = view.size != 11 || memcmp(view.data, "dear reader", 11) != 0;
            printf("taken: %.*s\n", (int)view.size, (const char *)view.data);
            objstore_release(store, &view);
        }
    }
    objstore_close(store);
    return wrong;
}
