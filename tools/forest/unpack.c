/* SPDX-License-Identifier: MIT */
#define ZLIB_CONST
#include "unpack.h"

#include <errno.h>
#include <limits.h>
#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define ALIGNMENT 64
#define START (1u << 20)

/* What has been unpacked; the memory doubles. */
struct output {
    char *data;
    size_t size, capacity;
};

static int make_room(struct output *out)
{
    size_t wanted = out->capacity ? 2 * out->capacity : START;

    if (out->size < out->capacity)
        return 0;
    char *data = wanted > out->capacity ? aligned_alloc(ALIGNMENT, wanted) : NULL;
    if (!data)
        return -ENOMEM;
    if (out->size)
        memcpy(data, out->data, out->size);
    free(out->data);
    out->data = data;
    out->capacity = wanted;
    return 0;
}

static int inflate_all(z_stream *z, const struct filemap *map, struct output *out)
{
    size_t left = map->size;

    z->next_in = (const Bytef *)map->data;
    for (;;) {
        int err = make_room(out);
        if (err)
            return err;
        uInt in = left < UINT_MAX ? (uInt)left : UINT_MAX;
        size_t room = out->capacity - out->size;
        uInt given = room < UINT_MAX ? (uInt)room : UINT_MAX;
        z->avail_in = in;
        z->avail_out = given;
        z->next_out = (Bytef *)out->data + out->size;
        int state = inflate(z, Z_NO_FLUSH);
        left -= in - z->avail_in;
        out->size += given - z->avail_out;
        if (state == Z_STREAM_END) {
            if (left == 0)
                return 0;
            if (inflateReset(z) != Z_OK) /* several files, one after the other, are one */
                return -EINVAL;
        } else if (state != Z_OK) {
            return state == Z_MEM_ERROR ? -ENOMEM : -EINVAL;
        }
    }
}

static int unpack_gzip(const struct filemap *map, struct output *out)
{
    z_stream z = { .next_in = NULL };

    if (inflateInit2(&z, 15 + 16) != Z_OK) /* 16: gzip's header */
        return -ENOMEM;
    int err = inflate_all(&z, map, out);
    inflateEnd(&z);
    return err;
}

static int unpack_lz4(const struct filemap *map, struct output *out)
{
    LZ4F_dctx *context;
    size_t at = 0, hint = 1;
    int err = 0;

    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
        return -ENOMEM;
    while (!err && (hint || at < map->size)) {
        size_t in = map->size - at;
        err = make_room(out);
        size_t room = out->capacity - out->size;
        if (!err)
            hint =
                LZ4F_decompress(context, out->data + out->size, &room, map->data + at, &in, NULL);
        if (!err && (LZ4F_isError(hint) || (hint && in == 0 && room == 0)))
            err = -EINVAL;
        if (!err) {
            at += in;
            out->size += room;
        }
    }
    LZ4F_freeDecompressionContext(context);
    return err;
}

int unpack_open(struct filemap *map, const char *path, struct diag *diag)
{
    struct output out = { .data = NULL };
    int err = filemap_open(map, path, diag);

    if (err)
        return err;
    bool is_gzip = map->size > 2 && !memcmp(map->data, "\x1f\x8b", 2);
    bool is_lz4 = map->size > 4 && !memcmp(map->data, "\x04\x22\x4d\x18", 4);
    if (!is_gzip && !is_lz4)
        return 0;
    err = is_gzip ? unpack_gzip(map, &out) : unpack_lz4(map, &out);
    filemap_close(map);
    if (err) {
        free(out.data);
        return diag_set(diag, err,
                        err == -ENOMEM ? "not enough memory to unpack it"
                                       : "the compressed file is damaged or cut off");
    }
    *map = (struct filemap){ out.data, out.size, false };
    return 0;
}
