/* SPDX-License-Identifier: MIT */
/* redis.c -- Redis over a unix socket, nothing written to disk, one command at a time. */
#define _GNU_SOURCE
#include <hiredis/hiredis.h>

#include "server.h"

static bool start(uint64_t capacity)
{
    const char *argv[] = { "redis-server", "--port",      "0",  "--unixsocket",
                           server_path(),  "--save",      "",   "--appendonly",
                           "no",           "--daemonize", "no", "--loglevel",
                           "warning",      NULL };

    (void)capacity;
    return server_start(argv);
}

static void *attach(void)
{
    redisContext *c = redisConnectUnix(server_path());

    if (c && c->err) {
        redisFree(c);
        c = NULL;
    }
    return c;
}

static void detach(void *h)
{
    redisFree(h);
}

static int put(void *h, const struct id *id, const void *data, size_t size)
{
    redisReply *r = redisCommand(h, "SET %b %b", id, sizeof *id, data, size);
    int err = !r || r->type != REDIS_REPLY_STATUS;

    if (r)
        freeReplyObject(r);
    return err;
}

static redisReply *held;

static int get(void *h, const struct id *id, const void **data, size_t *size)
{
    held = redisCommand(h, "GET %b", id, sizeof *id);
    if (held && held->type == REDIS_REPLY_STRING) {
        *data = held->str;
        *size = held->len;
        return 0;
    }
    if (held)
        freeReplyObject(held);
    return -1;
}

static void done(void *h)
{
    (void)h;
    freeReplyObject(held);
}

static int del(void *h, const struct id *id)
{
    redisReply *r = redisCommand(h, "DEL %b", id, sizeof *id);
    int err = !r || r->type != REDIS_REPLY_INTEGER || r->integer != 1;

    if (r)
        freeReplyObject(r);
    return err;
}

const struct ops ops = { .name = "Redis",
                         .start = start,
                         .stop = server_stop,
                         .attach = attach,
                         .detach = detach,
                         .put = put,
                         .get = get,
                         .done = done,
                         .del = del,
                         .size_max = 512u << 20 };
