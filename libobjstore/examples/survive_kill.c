/* SPDX-License-Identifier: MIT */
/* survive_kill.c -- a child is killed half-way through an object; nothing of it remains. */
#include <objstore.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void write_half(int fd, const struct objstore_id *id)
{
    struct objstore *store;
    void *data;

    if (objstore_open_fd(fd, NULL, &store, NULL) || objstore_create(store, id, 1000, NULL, &data))
        _exit(1);
    memset(data, 'x', 500);
    raise(SIGKILL);
}

int main(void)
{
    struct objstore_options options = OBJSTORE_OPTIONS_INIT;
    struct objstore_stats stats;
    struct objstore *store;
    struct objstore_id id;
    int status;

    options.capacity_bytes = 1 << 20;
    objstore_id_from_name("half", &id);
    int err = objstore_open(NULL, &options, &store, NULL);
    if (err) {
        fprintf(stderr, "survive_kill: %s\n", objstore_strerror(err));
        return 1;
    }
    pid_t child = fork();
    if (child == 0)
        write_half(objstore_fd(store), &id);
    waitpid(child, &status, 0);

    /* The id is free again: whoever wants it cleans up after the dead on the way. */
    err = objstore_put(store, &id, "whole", 5, NULL);
    if (!err)
        err = objstore_delete(store, &id);
    if (!err)
        err = objstore_stats(store, &stats);
    if (!err)
        printf("deaths: %llu, bytes in use: %llu\n", (unsigned long long)stats.deaths,
               (unsigned long long)stats.used_bytes);
    objstore_close(store);
    return err || stats.deaths != 1 || stats.used_bytes != 0;
}
