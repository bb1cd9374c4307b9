/* SPDX-License-Identifier: MIT */
#include "share.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "human.h"
#include "tool.h"

#define PAGE 4096u
#define STORE_SLACK (64u << 10)

/* Of what goes with its run: then comes the driver's pid, which tells whose it was. */
#define TAG_PREFIX "forest "
#define TAG_SHARED_TREE "forest tree"

static const char *const names[ARRAYS] = { "x_train", "x_test", "y_train", "y_test", "prepared" };

static void describe(struct share *s)
{
    const uint64_t rows[] = { s->train_rows, s->test_rows };
    for (int i = 0; i < PREPARED; i++) {
        bool is_x = i == X_TRAIN || i == X_TEST, is_test = i == X_TEST || i == Y_TEST;
        s->meta[i].dtype = is_x ? OBJSTORE_FLOAT32 : OBJSTORE_FLOAT64;
        s->meta[i].ndim = is_x ? 2 : 1;
        s->meta[i].dims[0] = rows[is_test];
        s->meta[i].dims[1] = is_x ? s->features : 0;
    }
    for (int i = 0; i < ARRAYS; i++) {
        char name[OBJSTORE_ID_TEXT + 16];
        snprintf(name, sizeof name, "%s/%s", s->run, names[i]);
        objstore_id_from_name(name, &s->id[i]);
        snprintf(s->meta[i].name, sizeof s->meta[i].name, "%s", names[i]);
        snprintf(s->meta[i].tag, sizeof s->meta[i].tag, TAG_PREFIX "%d", getpid());
    }
}

/* ---- what a killed run left in a store that others keep ------------------------------------- */

struct leftover {
    struct objstore_id id;
    int32_t driver;
};

struct leftovers {
    struct leftover *item;
    size_t count;
};

static int collect_tagged(const struct objstore_info *info, void *ctx)
{
    struct leftovers *l = ctx;
    struct leftover one = { .id = info->id };
    if ((info->state != OBJSTORE_SEALED && info->state != OBJSTORE_SPILLED) ||
        sscanf(info->meta.tag, TAG_PREFIX "%d", &one.driver) != 1)
        return 0;
    if ((l->count & (l->count - 1)) == 0) {
        struct leftover *more = realloc(l->item, (l->count ? l->count * 2 : 1) * sizeof *more);
        if (!more)
            return -ENOMEM;
        l->item = more;
    }
    l->item[l->count++] = one;
    return 0;
}

/* Keep what belongs to a driver that is attached. */
static int spare_attached(const struct objstore_lease *lease, void *ctx)
{
    struct leftovers *l = ctx;
    for (size_t i = 0; lease->alive && i < l->count; i++)
        if (l->item[i].driver == lease->pid)
            l->item[i].driver = 0;
    return 0;
}

/*
 * A driver is attached before it puts anything, and whoever is not attached now will not come
 * back: so first look at the objects, then at who is there. If it fails, nothing is lost but room.
 */
static void remove_leftovers(struct share *s)
{
    struct leftovers l = { NULL, 0 };
    if (!objstore_list(s->store, collect_tagged, &l) && l.count > 0 &&
        !objstore_leases(s->store, spare_attached, &l))
        for (size_t i = 0; i < l.count; i++)
            if (l.item[i].driver)
                (void)!objstore_delete(s->store, &l.item[i].id);
    free(l.item);
}

static uint64_t array_size(const struct share *s, enum array a)
{
    const struct objstore_meta *m = &s->meta[a];
    uint64_t n = m->dtype == OBJSTORE_FLOAT32 ? 4 : 8;
    for (uint32_t i = 0; i < m->ndim; i++)
        n *= m->dims[i];
    return n;
}

static int create(struct share *s, enum array a, size_t size, void **out)
{
    int err = objstore_create(s->store, &s->id[a], size, &s->meta[a], out);
    if (!err)
        s->present |= 1u << a;
    return err;
}

/* Seal an array and look at it through a view: from here on nobody can write it, not even we. */
static int publish(struct share *s, enum array a)
{
    int err = objstore_seal(s->store, &s->id[a]);
    return err ? err : objstore_get(s->store, &s->id[a], 0, &s->view[a]);
}

static int put_arrays(struct share *s, const struct dataset *data, const uint32_t *order,
                      uint64_t test_count)
{
    void *out;
    int err = 0;
    for (int a = 0; a < PREPARED && !err; a++) {
        bool is_test = a == X_TEST || a == Y_TEST;
        if (is_test && !test_count)
            continue;
        const uint32_t *rows = order && !is_test ? order + test_count : order;
        uint64_t count = is_test ? test_count : s->train_rows;
        err = create(s, (enum array)a, array_size(s, (enum array)a), &out);
        if (err)
            break;
        if (a == X_TRAIN || a == X_TEST)
            dataset_features(data, rows, count, out);
        else
            dataset_targets(data, rows, count, out);
        err = publish(s, (enum array)a);
    }
    return err;
}

static int put_prepared(struct share *s, size_t size)
{
    struct forest_matrix x = share_train_matrix(s);
    void *block;
    s->meta[PREPARED].dtype = OBJSTORE_BYTES;
    int err = create(s, PREPARED, size, &block);
    if (!err)
        err = s->mode == FOREST_HISTOGRAM ? forest_bin(&x, block, size)
                                          : forest_prepare(&x, block, size);
    return err ? err : publish(s, PREPARED);
}

/*
 * Room for the arrays, each from a page on, and what the caller wants besides. Every process maps
 * all of it, and each small page it touches costs a fault: large ones are taken where there are any.
 */
static int open_store(struct share *s, uint64_t extra_bytes, size_t prepared_size)
{
    struct objstore_options options = OBJSTORE_OPTIONS_INIT;
    struct objstore_diag why = { "" };
    uint64_t bytes = prepared_size + PAGE;
    for (int a = 0; a < PREPARED; a++)
        bytes += array_size(s, (enum array)a) + PAGE;
    options.flags = OBJSTORE_CREATE | OBJSTORE_EPHEMERAL | OBJSTORE_HUGE_PAGES;
    options.capacity_bytes = bytes + bytes / 64 + extra_bytes + STORE_SLACK;
    int err = objstore_open(s->where, &options, &s->store, &why);
    if (err) {
        char size[HUMAN_TEXT];
        complain(s->where ? s->where : "shared memory", "cannot make a store of %s (%s)",
                 human_size(options.capacity_bytes, size),
                 why.text[0] ? why.text : objstore_strerror(err));
    }
    return err;
}

int share_open(struct share *s, const char *where, uint64_t extra_bytes, const struct dataset *data,
               uint32_t mode, const uint32_t *order, uint64_t test_count)
{
    struct objstore_id run;
    size_t prepared_size = 0;
    memset(s, 0, sizeof *s);
    s->where = where;
    s->train_rows = data->rows - test_count;
    s->test_rows = test_count;
    s->features = data->features;
    s->mode = mode;
    int err = objstore_id_random(&run);
    if (err) {
        complain(NULL, "no random numbers (%s)", strerror(-err));
        return err;
    }
    objstore_id_format(&run, s->run);
    describe(s);
    struct forest_matrix shape =
        forest_matrix_rows(data->csv.values, s->train_rows, s->features, FOREST_FLOAT32);
    err = mode == FOREST_HISTOGRAM ? forest_bin_size(&shape, &prepared_size)
                                   : forest_prepared_size(&shape, &prepared_size);
    if (err) {
        complain(NULL, "cannot train on %llu rows of %u features (%s)",
                 (unsigned long long)s->train_rows, s->features, forest_strerror(err));
        return err;
    }
    err = open_store(s, extra_bytes, prepared_size);
    if (err)
        return err;
    s->fd = objstore_fd(s->store);
    remove_leftovers(s);
    err = put_arrays(s, data, order, test_count);
    if (!err)
        err = put_prepared(s, prepared_size);
    if (err) {
        complain(where ? where : "shared memory", "cannot put the data into the store (%s)",
                 objstore_strerror(err));
        share_close(s);
    }
    return err;
}

int share_attach(struct share *s)
{
    struct objstore *inherited = s->store, *own;
    int err = objstore_open_fd(s->fd, NULL, &own, NULL);
    if (err)
        return err;
    objstore_close(inherited);
    s->store = own;
    for (int a = 0; a < ARRAYS && !err; a++)
        if (s->present >> a & 1)
            err = objstore_get(own, &s->id[a], 0, &s->view[a]);
    return err;
}

void share_detach(struct share *s)
{
    objstore_close(s->store); /* ends the views */
    s->store = NULL;
}

void share_close(struct share *s)
{
    for (int a = 0; a < ARRAYS; a++) {
        if (!(s->present >> a & 1))
            continue;
        if (s->view[a].data)
            objstore_release(s->store, &s->view[a]);
        /* One that was not sealed goes with the handle. */
        (void)!objstore_delete(s->store, &s->id[a]);
    }
    share_detach(s);
}

struct forest_matrix share_train_matrix(const struct share *s)
{
    return forest_matrix_rows(s->view[X_TRAIN].data, s->train_rows, s->features, FOREST_FLOAT32);
}

struct forest_matrix share_test_matrix(const struct share *s)
{
    return forest_matrix_rows(s->view[X_TEST].data, s->test_rows, s->features, FOREST_FLOAT32);
}

void share_tree_id(const struct share *s, uint32_t n_estimators, uint32_t tree,
                   struct objstore_id *id)
{
    char name[OBJSTORE_ID_TEXT + 32];
    if (s->tree_key[0])
        snprintf(name, sizeof name, "%s/tree/%u", s->tree_key, tree);
    else
        snprintf(name, sizeof name, "%s/%u/%u", s->run, n_estimators, tree);
    objstore_id_from_name(name, id);
}

const char *share_tree_tag(const struct share *s)
{
    return s->tree_key[0] ? TAG_SHARED_TREE : s->meta[0].tag;
}

void share_reuse_trees(struct share *s, const struct forest_params *params)
{
    struct {
        struct objstore_id x, y;
        uint64_t rows, features, version; /* another library may grow other trees */
        struct forest_params params;
    } of;
    struct objstore_id key;
    memset(&of, 0, sizeof of);
    objstore_id_from_content(s->view[X_TRAIN].data, s->view[X_TRAIN].size, &of.x);
    objstore_id_from_content(s->view[Y_TRAIN].data, s->view[Y_TRAIN].size, &of.y);
    of.rows = s->train_rows;
    of.features = s->features;
    of.version = (uint64_t)forest_version();
    of.params = *params;
    of.params.n_estimators = 0;
    objstore_id_from_content(&of, sizeof of, &key);
    objstore_id_format(&key, s->tree_key);
}
