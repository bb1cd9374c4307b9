/* SPDX-License-Identifier: MIT */
/* objstore_id.c -- ids: random, from names, from bytes, and as text. */
#define _GNU_SOURCE
#include "hash.h"
#include "objstore.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define NAME_SEED 0x6f626a6e616d6531u /* names and contents are different worlds */

static void id_from_hash(XXH128_hash_t hash, struct objstore_id *out)
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, hash);
    memcpy(out->bytes, canonical.digest, sizeof out->bytes);
    if (hash.low64 == 0 && hash.high64 == 0) /* all zero is no id */
        out->bytes[15] = 1;
}

int objstore_id_random(struct objstore_id *out)
{
    struct objstore_id id;

    do {
        ssize_t n = getrandom(&id, sizeof id, 0);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n != (ssize_t)sizeof id)
            memset(&id, 0, sizeof id);
    } while (!memcmp(&id, &(struct objstore_id){ { 0 } }, sizeof id));
    *out = id;
    return 0;
}

void objstore_id_from_name(const char *name, struct objstore_id *out)
{
    id_from_hash(XXH3_128bits_withSeed(name, strlen(name), NAME_SEED), out);
}

void objstore_id_from_content(const void *data, size_t size, struct objstore_id *out)
{
    struct hash128 hash = hash128(data, size);

    id_from_hash((XXH128_hash_t){ hash.low, hash.high }, out);
}

void objstore_id_format(const struct objstore_id *id, char text[OBJSTORE_ID_TEXT])
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < 16; i++) {
        text[2 * i] = digits[id->bytes[i] >> 4];
        text[2 * i + 1] = digits[id->bytes[i] & 15];
    }
    text[32] = 0;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int objstore_id_parse(const char *text, struct objstore_id *out)
{
    struct objstore_id id;

    if (!text || !out)
        return -EINVAL;
    for (int i = 0; i < 16; i++) {
        int high = digit_value(text[2 * i]);
        int low = high < 0 ? -1 : digit_value(text[2 * i + 1]);

        if (low < 0)
            return -EINVAL;
        id.bytes[i] = (uint8_t)(high << 4 | low);
    }
    if (text[32] || !memcmp(&id, &(struct objstore_id){ { 0 } }, sizeof id))
        return -EINVAL;
    *out = id;
    return 0;
}
