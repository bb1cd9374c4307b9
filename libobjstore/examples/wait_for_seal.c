/* SPDX-License-Identifier: MIT */
/* wait_for_seal.c -- a child makes an object; the parent sleeps until it is sealed. */
#include <objstore.h>

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int make_object(int fd, const struct objstore_id *id)
{
    struct objstore *store;
    void *data;

    /* A handle is not inherited; its descriptor is. */
    int err = objstore_open_fd(fd, NULL, &store, NULL);
    if (err)
        return err;
    err = objstore_create(store, id, 100, NULL, &data);
    if (!err) {
        memset(data, 'x', 100);
        err = objstore_seal(store, id);
    }
    objstore_close(store);
    return err;
}

int main(void)
{
    struct objstore_options options = OBJSTORE_OPTIONS_INIT;
    struct objstore *store;
    struct objstore_view view;
    struct objstore_id id;
    int status = 1;

    options.capacity_bytes = 1 << 20;
    objstore_id_from_name("result", &id);
    int err = objstore_open(NULL, &options, &store, NULL);
    if (err) {
        fprintf(stderr, "wait_for_seal: %s\n", objstore_strerror(err));
        return 1;
    }
    pid_t child = fork();
    if (child == 0)
        _exit(make_object(objstore_fd(store), &id) ? 1 : 0);
    err = child < 0 ? -1 : objstore_get(store, &id, 10000, &view);
    if (!err) {
        printf("sealed: %zu bytes, the first is '%c'\n", view.size, *(const char *)view.data);
        objstore_release(store, &view);
    }
    if (child > 0)
        waitpid(child, &status, 0);
    objstore_close(store);
    return err || status ? 1 : 0;
}
