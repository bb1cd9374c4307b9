/* SPDX-License-Identifier: MIT */
#include "describe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
    const char *name;
    char kind; /* as in npy.h; 0: not in .npy */
    uint32_t size;
} types[] = {
    [OBJSTORE_BYTES] = { "bytes", 0, 1 },       [OBJSTORE_INT8] = { "int8", 'i', 1 },
    [OBJSTORE_UINT8] = { "uint8", 'u', 1 },     [OBJSTORE_INT16] = { "int16", 'i', 2 },
    [OBJSTORE_UINT16] = { "uint16", 'u', 2 },   [OBJSTORE_INT32] = { "int32", 'i', 4 },
    [OBJSTORE_UINT32] = { "uint32", 'u', 4 },   [OBJSTORE_INT64] = { "int64", 'i', 8 },
    [OBJSTORE_UINT64] = { "uint64", 'u', 8 },   [OBJSTORE_FLOAT32] = { "float32", 'f', 4 },
    [OBJSTORE_FLOAT64] = { "float64", 'f', 8 },
};
#define TYPE_COUNT (sizeof types / sizeof *types)

const char *const describe_dtypes[] = { "bytes",  "int8",  "uint8",  "int16",   "uint16",  "int32",
                                        "uint32", "int64", "uint64", "float32", "float64", NULL };
const char *const describe_states[] = { "unsealed", "sealed", "deleted", "spilled", NULL };

const char *describe_state(uint32_t state)
{
    return state >= OBJSTORE_UNSEALED && state <= OBJSTORE_SPILLED
               ? describe_states[state - OBJSTORE_UNSEALED]
               : "unknown";
}

const char *describe_dtype(uint32_t dtype)
{
    return dtype < TYPE_COUNT ? types[dtype].name : NULL;
}

const char *describe_type(const struct objstore_meta *meta, char text[DESCRIBE_TEXT])
{
    uint32_t ndim = meta->ndim <= OBJSTORE_DIMS_MAX ? meta->ndim : OBJSTORE_DIMS_MAX;
    const char *name = describe_dtype(meta->dtype);
    size_t used =
        (size_t)snprintf(text, DESCRIBE_TEXT, "%s%s", name ? name : "unknown", ndim ? "[" : "");
    for (uint32_t i = 0; i < ndim; i++)
        used += (size_t)snprintf(text + used, DESCRIBE_TEXT - used, "%" PRIu64 "%s", meta->dims[i],
                                 i + 1 < ndim ? ", " : "]");
    return text;
}

double describe_age(const struct objstore_info *info)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec - (double)(info->created_ns / 1000000000) +
           ((double)now.tv_nsec - (double)(info->created_ns % 1000000000)) * 1e-9;
}

void describe_emit(struct emit *e, const struct objstore_info *info)
{
    char type[DESCRIBE_TEXT];
    const struct objstore_meta *meta = &info->meta;
    uint32_t ndim = meta->ndim <= OBJSTORE_DIMS_MAX ? meta->ndim : OBJSTORE_DIMS_MAX;
    const char *dtype = describe_dtype(meta->dtype);
    emit_string(e, "name", "name", meta->name);
    emit_string(e, NULL, "type", describe_type(meta, type));
    emit_string(e, "dtype", NULL, dtype ? dtype : "unknown");
    emit_uints(e, "shape", NULL, meta->dims, ndim);
    emit_size(e, "size_bytes", "size", info->size);
    emit_string(e, "state", "state", describe_state(info->state));
    emit_uint(e, "pins", "pins", info->pins);
    emit_string(e, "tag", NULL, meta->tag);
    emit_uint(e, "created_ns", NULL, info->created_ns);
    emit_duration(e, "age_seconds", "age", describe_age(info));
}

#define HOLDERS_SHOWN 16 /* in a table; JSON has all */

struct holders {
    uint64_t *pids;
    size_t count, capacity;
    bool has_dead;
};

static int note_holder(const struct objstore_holder *holder, void *ctx)
{
    struct holders *list = ctx;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 8;
        uint64_t *pids = realloc(list->pids, capacity * sizeof *pids);
        if (!pids)
            return -ENOMEM;
        list->pids = pids;
        list->capacity = capacity;
    }
    list->pids[list->count++] = (uint64_t)(uint32_t)holder->pid;
    list->has_dead |= !holder->alive;
    return 0;
}

void describe_holders(struct emit *e, struct objstore *store, const struct objstore_info *info)
{
    struct holders list = { NULL, 0, 0, false };
    char text[HOLDERS_SHOWN * 12 + 32] = "";
    size_t used = 0;
    /* Gone meanwhile, or no memory: what there is will do. */
    if (info->pins || info->state == OBJSTORE_UNSEALED)
        (void)!objstore_holders(store, info, note_holder, &list);
    for (size_t i = 0; i < list.count && i < HOLDERS_SHOWN; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%" PRIu64, i ? "," : "",
                                 list.pids[i]);
    if (list.count > HOLDERS_SHOWN)
        used += (size_t)snprintf(text + used, sizeof text - used, ",...");
    if (list.has_dead)
        snprintf(text + used, sizeof text - used, list.count > 1 ? " (some dead)" : " (dead)");
    emit_uints(e, "held_by", NULL, list.pids, list.count);
    emit_string(e, NULL, "held by", list.count ? text : "-");
    free(list.pids);
}

int describe_to_npy(const struct objstore_info *info, struct npy_info *npy, struct diag *diag)
{
    const struct objstore_meta *meta = &info->meta;
    char text[DESCRIBE_TEXT];
    if (meta->dtype >= TYPE_COUNT || meta->ndim > OBJSTORE_DIMS_MAX || !types[meta->dtype].kind)
        return diag_set(diag, -EINVAL,
                        "it is %s, which .npy has no type for; --raw writes the bytes",
                        describe_type(meta, text));
    *npy = (struct npy_info){ .kind = types[meta->dtype].kind,
                              .itemsize = types[meta->dtype].size,
                              .ndim = meta->ndim };
    uint64_t size = npy->itemsize;
    bool is_huge = false;
    for (uint32_t i = 0; i < meta->ndim; i++) {
        npy->dims[i] = meta->dims[i];
        is_huge |= __builtin_mul_overflow(size, meta->dims[i], &size);
    }
    if (is_huge || size != info->size)
        return diag_set(diag, -EINVAL,
                        "its description says %s, but it has %" PRIu64
                        " bytes; --raw writes them as they are",
                        describe_type(meta, text), info->size);
    npy->data_size = info->size;
    return 0;
}

int describe_from_npy(const struct npy_info *npy, struct objstore_meta *meta, struct diag *diag)
{
    if (npy->ndim > OBJSTORE_DIMS_MAX)
        return diag_set(diag, -EINVAL,
                        "an array of %u dimensions, and a description holds %d; --raw stores the "
                        "file as it is",
                        npy->ndim, OBJSTORE_DIMS_MAX);
    for (uint32_t i = 0; i < TYPE_COUNT; i++) {
        if (types[i].kind != npy->kind || types[i].size != npy->itemsize)
            continue;
        meta->dtype = i;
        meta->ndim = npy->ndim;
        memcpy(meta->dims, npy->dims, npy->ndim * sizeof *meta->dims);
        return 0;
    }
    return diag_set(diag, -EINVAL,
                    "a type that objects cannot be described with; --raw stores the "
                    "file as it is");
}
