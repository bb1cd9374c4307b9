/* SPDX-License-Identifier: MIT */
/* objstore_pass.c -- handing a view over to another process: pass.c. */
#include "objects.h"
#include "pass.h"
#include "pin.h"
#include "reap.h"

int objstore_give(struct objstore *s, const struct objstore_view *view, int keep_ms,
                  struct objstore_pass *out)
{
    struct objstore_pass pass;
    int err = handle_check(s);

    if (err)
        return err;
    if (!view || !out || keep_ms <= 0)
        return -EINVAL;
    if (!s->rw)
        return -EROFS;
    /* Only who holds it may give it (I1 of pass.c). */
    if (!pin_is_held(s, view->pin[0], view->pin[1]))
        return -EINVAL;
    err = passes_open(s, pin_slot(view->pin[1]), keep_ms, pass.words);
    if (!err)
        *out = pass;
    return err;
}

/* Whoever closed a pass may have been the last holder. */
static void look_at_slot(struct objstore *s, uint32_t slot)
{
    uint64_t word = au64_load_seq_cst(&slot_at(s, slot)->word); /* E2 */

    reclaim_if_unpinned(s, slot, word, RECLAIM_FRESH);
}

int objstore_take(struct objstore *s, const struct objstore_pass *pass, struct objstore_view *view)
{
    struct pinned held;
    uint64_t word;
    uint32_t slot;
    int err = handle_check(s);

    if (err)
        return err;
    if (!pass || !view)
        return -EINVAL;
    if (!s->rw)
        return -EROFS;
    if (!passes_slot(s, pass->words, &slot))
        return -ENOENT;
    word = au64_load_seq_cst(&slot_at(s, slot)->word); /* I1: as long as the pass is open */
    word = word_with(word, SLOT_SEALED, 0);
    err = pin_note(s, slot, word, &held); /* N1, before Q4 */
    if (err)
        return err;
    POINT("pass: pinned, not counted");
    passes_taking(s); /* Q3 */
    POINT("pass: counted, not closed");
    err = passes_close(s, pass->words) ? view_open(s, slot, held, view) : -ENOENT;
    if (err) {
        unpin(s, held.ref, held.key);
        look_at_slot(s, slot);
    }
    return err;
}

int objstore_give_cancel(struct objstore *s, const struct objstore_pass *pass)
{
    int err = handle_check(s);

    if (err || !pass)
        return err ? err : -EINVAL;
    if (!s->rw)
        return -EROFS;
    if (!passes_close(s, pass->words))
        return -ENOENT;
    look_at_slot(s, (uint32_t)pass->words[1]);
    return 0;
}
