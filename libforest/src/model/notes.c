/* SPDX-License-Identifier: MIT */
/* notes.c -- bytes that a caller keeps with a model; what they mean is not our business. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "frame.h"
#include "model.h"

static size_t padded(size_t bytes)
{
    return (bytes + LAYOUT_ALIGN - 1) & ~(size_t)(LAYOUT_ALIGN - 1);
}

const void *forest_notes(const struct forest *model, size_t *bytes)
{
    const struct model_header *header = model->header;

    *bytes = header->notes_bytes;
    if (!*bytes) /* also of trees that lie apart, without a block around them */
        return header;
    return (const char *)header + header->prologue.bytes - padded(header->notes_bytes);
}

int forest_add_notes(const void *block, size_t bytes, const void *notes, size_t notes_bytes,
                     void **out, size_t *out_bytes)
{
    struct forest *model;

    if (!out || !out_bytes || (!notes && notes_bytes) || notes_bytes > SIZE_MAX / 2)
        return -EINVAL;
    int err = forest_open(block, bytes, &model, NULL);
    if (err)
        return err;
    size_t start = bytes - padded(model->header->notes_bytes), all = start + padded(notes_bytes);
    forest_close(model);
    struct model_header *header =
        all > start || !notes_bytes ? aligned_alloc(LAYOUT_ALIGN, all) : NULL;
    if (!header)
        return -ENOMEM;
    memcpy(header, block, start);
    char *to = (char *)header + start;
    memset(to, 0, all - start);
    if (notes_bytes)
        memcpy(to, notes, notes_bytes);
    header->notes_bytes = notes_bytes;
    header->notes_check = notes_bytes ? checksum(to, all - start) : 0;
    header->check = model_checksum(header);
    prologue_write(&header->prologue, MODEL_MAGIC, all);
    *out = header;
    *out_bytes = all;
    return 0;
}
