/* SPDX-License-Identifier: MIT */
/* memcached.c -- memcached over a unix socket, in its text protocol. */
#define _GNU_SOURCE
#include "server.h"

#include <stdlib.h>
#include <sys/uio.h>

#define ITEM_MAX (512u << 20)

struct connection {
    int fd;
    char *buffer; /* the last value, and what its answer says around it */
    size_t room;
};

static bool start(uint64_t capacity)
{
    const char *argv[] = { "memcached", "-s", server_path(), "-u", "root", "-m",
                           "2048",      "-I", "512m",        "-t", "2",    NULL };

    (void)capacity; /* -I takes at most half of -m; neither is reserved */
    return server_start(argv);
}

static void *attach(void)
{
    struct connection *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->fd = server_connect();
    c->room = 4096;
    c->buffer = malloc(c->room);
    return c->fd >= 0 && c->buffer ? c : NULL;
}

static void detach(void *h)
{
    struct connection *c = h;

    close(c->fd);
    free(c->buffer);
    free(c);
}

static int send_all(int fd, struct iovec *iov, int n)
{
    while (n > 0) {
        ssize_t sent = writev(fd, iov, n);

        if (sent < 0)
            return -1;
        while (n > 0 && (size_t)sent >= iov->iov_len) {
            sent -= (ssize_t)iov->iov_len;
            iov++;
            n--;
        }
        if (n > 0) {
            iov->iov_base = (char *)iov->iov_base + sent;
            iov->iov_len -= (size_t)sent;
        }
    }
    return 0;
}

/* Read until `have` bytes hold a line, or `want` bytes. Returns how many there are, or 0. */
static size_t receive(struct connection *c, size_t have, size_t want)
{
    while (want ? have < want : !memchr(c->buffer, '\n', have)) {
        if (have + 1 >= c->room || want >= c->room) {
            size_t room = want > 2 * c->room ? want + 4096 : 2 * c->room;
            char *grown = realloc(c->buffer, room);

            if (!grown)
                return 0;
            c->buffer = grown;
            c->room = room;
        }
        ssize_t got = read(c->fd, c->buffer + have, c->room - have - 1);
        if (got <= 0)
            return 0;
        have += (size_t)got;
    }
    c->buffer[have] = 0;
    return have;
}

static int command(struct connection *c, struct iovec *iov, int n, const char *expected)
{
    return send_all(c->fd, iov, n) || !receive(c, 0, 0) ||
           strncmp(c->buffer, expected, strlen(expected));
}

static int put(void *h, const struct id *id, const void *data, size_t size)
{
    char head[96];
    int len = snprintf(head, sizeof head, "set %016llx%016llx 0 0 %zu\r\n",
                       (unsigned long long)id->word[0], (unsigned long long)id->word[1], size);
    char line_end[] = "\r\n";
    struct iovec iov[3] = { { head, (size_t)len },
                            { (void *)(uintptr_t)data, size },
                            { line_end, 2 } };

    return command(h, iov, 3, "STORED");
}

static int get(void *h, const struct id *id, const void **data, size_t *size)
{
    struct connection *c = h;
    char head[96];
    int len = snprintf(head, sizeof head, "get %016llx%016llx\r\n", (unsigned long long)id->word[0],
                       (unsigned long long)id->word[1]);
    struct iovec iov[1] = { { head, (size_t)len } };
    size_t have;

    if (send_all(c->fd, iov, 1) || !(have = receive(c, 0, 0)) || strncmp(c->buffer, "VALUE ", 6))
        return -1;
    char *end = memchr(c->buffer, '\n', have),
         *space = memrchr(c->buffer, ' ', (size_t)(end - c->buffer));
    size_t before = (size_t)(end + 1 - c->buffer);
    *size = strtoull(space, NULL, 10);
    if (!receive(c, have, before + *size + 7)) /* the value, and "\r\nEND\r\n" */
        return -1;
    *data = c->buffer + before;
    return 0;
}

static void done(void *h)
{
    (void)h;
}

static int del(void *h, const struct id *id)
{
    char head[96];
    int len = snprintf(head, sizeof head, "delete %016llx%016llx\r\n",
                       (unsigned long long)id->word[0], (unsigned long long)id->word[1]);
    struct iovec iov[1] = { { head, (size_t)len } };

    return command(h, iov, 1, "DELETED");
}

const struct ops ops = { .name = "memcached",
                         .start = start,
                         .stop = server_stop,
                         .attach = attach,
                         .detach = detach,
                         .put = put,
                         .get = get,
                         .done = done,
                         .del = del,
                         .size_max = ITEM_MAX - 4096 };
