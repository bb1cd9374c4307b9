/* SPDX-License-Identifier: MIT */
/* objstore_sync.c -- the calls of stores that outlive the machine's being switched off: durable.c.
 */
#include "durable.h"

int objstore_sync(struct objstore *s, uint64_t *objects)
{
    uint64_t count;
    int err = handle_check(s);

    if (!err && !s->rw)
        err = -EROFS;
    if (!err)
        err = durable_sync(s, &count);
    if (!err && objects)
        *objects = count;
    return err;
}

int objstore_losses(struct objstore *s,
                    int (*visit)(const struct objstore_id *id, uint32_t why, void *ctx), void *ctx)
{
    int err = handle_check(s);

    if (err || !visit)
        return err ? err : -EINVAL;
    if (!s->lost)
        return 0;
    for (size_t i = 0; i < s->lost->count; i++) {
        err = visit(&s->lost->of[i].id, s->lost->of[i].why, ctx);
        if (err)
            return err;
    }
    return s->lost->count < INT32_MAX ? (int)s->lost->count : INT32_MAX;
}
