/* SPDX-License-Identifier: MIT */
/* lmdb.c -- LMDB in its fastest safe-from-crashes-of-processes setting: WRITEMAP, NOSYNC. */
#include <lmdb.h>

#include "../ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[64];
static uint64_t map_bytes;

struct lmdb {
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *reader;
};

static bool start(uint64_t capacity)
{
    snprintf(path, sizeof path, "/dev/shm/bench-lmdb-%d", (int)getpid());
    map_bytes = capacity * 8; /* address space: old pages, new ones, and free ones between */
    return true;
}

static void stop(void)
{
    char lock[80];

    snprintf(lock, sizeof lock, "%s-lock", path);
    unlink(path);
    unlink(lock);
}

static void *attach_to(const char *file)
{
    struct lmdb *l = calloc(1, sizeof *l);
    MDB_txn *txn;

    if (!l || mdb_env_create(&l->env) || mdb_env_set_mapsize(l->env, map_bytes) ||
        mdb_env_open(l->env, file, MDB_NOSUBDIR | MDB_WRITEMAP | MDB_NOSYNC | MDB_NOTLS, 0600) ||
        mdb_txn_begin(l->env, NULL, 0, &txn) || mdb_dbi_open(txn, NULL, 0, &l->dbi) ||
        mdb_txn_commit(txn) || mdb_txn_begin(l->env, NULL, MDB_RDONLY, &l->reader))
        return NULL;
    mdb_txn_reset(l->reader);
    return l;
}

static void *attach(void)
{
    return attach_to(path);
}

/* On disk, and no name is left of it: it goes with the process. */
static void *open_over(uint64_t capacity)
{
    char file[64], lock[80];

    (void)capacity; /* the system's page cache is its memory */
    snprintf(file, sizeof file, "/var/tmp/bench-lmdb-%d", (int)getpid());
    snprintf(lock, sizeof lock, "%s-lock", file);
    void *h = attach_to(file);
    unlink(file);
    unlink(lock);
    return h;
}

static void detach(void *h)
{
    struct lmdb *l = h;

    mdb_txn_abort(l->reader);
    mdb_env_close(l->env);
    free(l);
}

static MDB_val key(const struct id *id)
{
    return (MDB_val){ sizeof *id, (void *)(uintptr_t)id };
}

static int put(void *h, const struct id *id, const void *data, size_t size)
{
    struct lmdb *l = h;
    MDB_val k = key(id), v = { size, (void *)(uintptr_t)data };
    MDB_txn *txn;
    int err = mdb_txn_begin(l->env, NULL, 0, &txn);

    if (err)
        return err;
    err = mdb_put(txn, l->dbi, &k, &v, MDB_NOOVERWRITE);
    if (!err)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return err;
}

static int get(void *h, const struct id *id, const void **data, size_t *size)
{
    struct lmdb *l = h;
    MDB_val k = key(id), v;
    int err = mdb_txn_renew(l->reader);

    if (!err)
        err = mdb_get(l->reader, l->dbi, &k, &v);
    if (err) {
        mdb_txn_reset(l->reader);
        return err;
    }
    *data = v.mv_data;
    *size = v.mv_size;
    return 0;
}

static void done(void *h)
{
    struct lmdb *l = h;

    mdb_txn_reset(l->reader);
}

static int del(void *h, const struct id *id)
{
    struct lmdb *l = h;
    MDB_val k = key(id);
    MDB_txn *txn;
    int err = mdb_txn_begin(l->env, NULL, 0, &txn);

    if (err)
        return err;
    err = mdb_del(txn, l->dbi, &k, NULL);
    if (!err)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return err;
}

const struct ops ops = { .name = "LMDB",
                         .start = start,
                         .stop = stop,
                         .attach = attach,
                         .detach = detach,
                         .put = put,
                         .get = get,
                         .done = done,
                         .del = del,
                         .open_over = open_over };
