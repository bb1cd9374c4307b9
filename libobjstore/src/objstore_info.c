/* SPDX-License-Identifier: MIT */
/*
 * objstore_info.c -- looking at a store: stat, list, holders, stats, leases, reap.
 *
 * All of it works on a read-only handle. What is read together is believed only if the slot's
 * word is the same before and after.
 */
#include "alloc.h"
#include "index.h"
#include "lease.h"
#include "objects.h"
#include "pass.h"
#include "pin.h"
#include "reap.h"
#include "spill.h"
#include "space.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool meta_is_reserved(const struct objstore *s, uint32_t index)
{
    uint64_t piece = index / META_PIECE;

    return au64_load_acquire(&s->meta_bits[piece / 64]) >> piece % 64 & 1; /* S3 */
}

static void read_meta(const struct objstore *s, uint32_t index, struct objstore_meta *out)
{
    uint64_t words[META_WORDS];

    for (uint32_t i = 0; i < META_WORDS; i++)
        words[i] =
            au64_load_relaxed(&meta_at(s, index)->words[i]); /* relaxed: the word is read again */
    memcpy(out, words, sizeof *out);
    /* Another process's bytes: make them fit what the type promises. */
    out->name[sizeof out->name - 1] = 0;
    out->tag[sizeof out->tag - 1] = 0;
    if (out->ndim > OBJSTORE_DIMS_MAX)
        out->ndim = 0;
    if (out->dtype > OBJSTORE_FLOAT64)
        out->dtype = OBJSTORE_BYTES;
}

bool object_describe(const struct objstore *s, uint32_t index, unsigned char id[16], uint64_t *at,
                     uint64_t *size, uint64_t *created, struct objstore_meta *meta)
{
    const struct slot *slot = slot_at(s, index);
    uint64_t words[2] = { au64_load_relaxed(&slot->id[0]), au64_load_relaxed(&slot->id[1]) };

    /* relaxed, all: the caller reads the word again */
    memcpy(id, words, sizeof words);
    *size = au64_load_relaxed(&slot->size);
    *created = au64_load_relaxed(&slot->created);
    memset(meta, 0, sizeof *meta);
    if (*created & 1 && meta_is_reserved(s, index))
        read_meta(s, index, meta);
    return (words[0] || words[1]) && object_place(s, index, *size, at);
}

static int32_t pid_of(const struct objstore *s, uint32_t lease)
{
    return lease < LEASES_MAX ? (int32_t)au64_load_relaxed(&s->leases[lease].pid) : 0; /* display */
}

/* What a listing is about; all of it is checked by filter_read(). */
struct wanted {
    uint32_t states, dtypes;
    const char *name, *tag;
    size_t name_length;
};

static bool is_wanted(const struct wanted *w, const struct objstore_info *info)
{
    return (!w->states || w->states >> info->state & 1) &&
           (!w->dtypes || w->dtypes >> info->meta.dtype & 1) &&
           (!w->name || !strncmp(info->meta.name, w->name, w->name_length)) &&
           (!w->tag || !strcmp(info->meta.tag, w->tag));
}

enum found { FOUND_NOTHING, FOUND_OTHER, FOUND };

/*
 * FOUND_NOTHING: it is no object (any more), or one that has no id: a pin table. FOUND_OTHER: one
 * that does not fit `wanted`, which may be NULL.
 */
static enum found read_info(const struct objstore *s, uint32_t index, const struct wanted *wanted,
                            struct objstore_info *out)
{
    const struct slot *slot = slot_at(s, index);
    uint64_t word = au64_load_acquire(&slot->word), id[2], created; /* E1 */
    enum slot_state state = word_state(word);

    if (state != SLOT_WRITING && state != SLOT_SEALED && state != SLOT_DOOMED &&
        state != SLOT_SPILLED && state != SLOT_REPLACED)
        return FOUND_NOTHING;
    memset(out, 0, sizeof *out);
    id[0] = au64_load_relaxed(&slot->id[0]); /* relaxed, all: the word is read again */
    id[1] = au64_load_relaxed(&slot->id[1]);
    memcpy(out->id.bytes, id, sizeof id);
    out->size = au64_load_relaxed(&slot->size);
    created = au64_load_relaxed(&slot->created);
    out->created_ns = created & ~CREATED_FLAGS;
    out->place = index + 1;
    if (created & 1 && meta_is_reserved(s, index))
        read_meta(s, index, &out->meta);
    out->state = state == SLOT_WRITING ? OBJSTORE_UNSEALED
                 : extent_is_spilled(au64_load_relaxed(&slot->extent)) && state != SLOT_DOOMED
                     ? OBJSTORE_SPILLED /* relaxed: the word is read again */
                 : state == SLOT_SEALED || state == SLOT_REPLACED ? OBJSTORE_SEALED
                                                                  : OBJSTORE_DELETED;
    bool is_fit = !wanted || is_wanted(wanted, out);
    if (is_fit && state == SLOT_WRITING)
        out->owner_pid = pid_of(s, word_lease(word));
    else if (is_fit)
        out->pins = pins_count(s, index, word) + passes_of(s, index);
    atomic_thread_fence(memory_order_acquire); /* all of these before the word */
    if (au64_load_relaxed(&slot->word) != word || !(id[0] || id[1])) /* relaxed: the fence */
        return FOUND_NOTHING;
    return is_fit ? FOUND : FOUND_OTHER;
}

int objstore_stat(struct objstore *s, const struct objstore_id *id, struct objstore_info *out)
{
    int err = handle_check(s);
    struct objstore_info info;
    uint32_t index;
    uint64_t word;

    /* A slot without an id is no object: damage may lead to one, which would never be believed. */
    if (!err && (!id || !out || !memcmp(id, &(struct objstore_id){ { 0 } }, sizeof *id)))
        err = -EINVAL;
    if (err)
        return err;
    for (;;) {
        err = index_find(s, key_of(id), &index, &word);
        if (err)
            return err;
        if (read_info(s, index, NULL, &info) == FOUND && !memcmp(&info.id, id, sizeof *id)) {
            *out = info;
            return 0;
        }
    }
}

static int filter_read(const struct objstore_filter *given, struct wanted *out)
{
    static const struct objstore_filter all = OBJSTORE_FILTER_INIT;
    struct objstore_filter f = all;

    if (given) {
        const unsigned char *bytes = (const unsigned char *)given;
        size_t size = given->struct_size;

        if (size < offsetof(struct objstore_filter, dtypes))
            return -EINVAL;
        for (size_t i = sizeof f; i < size; i++)
            if (bytes[i])
                return -E2BIG; /* a condition that this library does not know */
        memcpy(&f, given, size < sizeof f ? size : sizeof f);
    }
    if (f.states & ~(uint32_t)(1u << OBJSTORE_UNSEALED | 1u << OBJSTORE_SEALED |
                               1u << OBJSTORE_DELETED | 1u << OBJSTORE_SPILLED) ||
        f.dtypes >> (OBJSTORE_FLOAT64 + 1) || f.reserved)
        return -EINVAL;
    if (f.states & 1u << OBJSTORE_SEALED) /* wherever their bytes are */
        f.states |= 1u << OBJSTORE_SPILLED;
    *out = (struct wanted){ f.states, f.dtypes, f.name_prefix, f.tag, 0 };
    out->name_length = f.name_prefix ? strlen(f.name_prefix) : 0;
    return 0;
}

/*
 * An object that changes slots (replace.c) while slots are looked at one after the other may be met
 * twice, or in neither. So in a store where that happens those that were told of are
 * remembered, and after a move in the meantime (M3 counts them; a slot that stood by may have
 * become one's place since) all slots are looked at again.
 */
#define PASSES_MAX 16 /* under one move after the other */

struct told {
    bool is_needed;
    struct key *ids; /* a hash table; all zero: no id */
    uint64_t room, count;
};

static bool told_grow(struct told *t)
{
    struct told larger = { true, NULL, t->room ? 2 * t->room : 1024, t->count };

    larger.ids = calloc(larger.room, sizeof *larger.ids);
    if (!larger.ids)
        return false;
    for (uint64_t i = 0; i < t->room; i++) {
        uint64_t at = t->ids[i].id[0] * 0x9e3779b97f4a7c15u >> 32;

        if (!t->ids[i].id[0] && !t->ids[i].id[1])
            continue;
        while (larger.ids[at & (larger.room - 1)].id[0] || larger.ids[at & (larger.room - 1)].id[1])
            at++;
        larger.ids[at & (larger.room - 1)] = t->ids[i];
    }
    free(t->ids);
    *t = larger;
    return true;
}

/* 1: new; 0: told before; -ENOMEM. */
static int told_add(struct told *t, const struct objstore_id *id)
{
    struct key key = key_of(id);

    if (!t->is_needed)
        return 1;
    if (2 * t->count >= t->room && !told_grow(t))
        return -ENOMEM;
    uint64_t at = key.id[0] * 0x9e3779b97f4a7c15u >> 32;
    for (;; at++) {
        struct key *there = &t->ids[at & (t->room - 1)];

        if (there->id[0] == key.id[0] && there->id[1] == key.id[1])
            return 0;
        if (!there->id[0] && !there->id[1]) {
            *there = key;
            t->count++;
            return 1;
        }
    }
}

static int list_pass(struct objstore *s, const struct wanted *wanted, int pass, struct told *told,
                     int (*visit)(const struct objstore_info *info, void *ctx), void *ctx,
                     bool *is_moving)
{
    uint32_t slots = slots_in_use(s);
    int err = 0;

    for (uint32_t i = 0; i < slots && !err; i++) {
        struct objstore_info info;

        /* One that changes while we look is looked at again: it may only have been sealed. */
        for (int tries = 0; tries < 8; tries++) {
            uint64_t before = au64_load_acquire(&slot_at(s, i)->word); /* E1 */
            enum found found = read_info(s, i, wanted, &info);

            *is_moving |= word_state(before) == SLOT_STANDBY;
            if (found == FOUND_NOTHING &&
                au64_load_acquire(&slot_at(s, i)->word) != before) /* E1 */
                continue;
            if (found == FOUND && info.state == OBJSTORE_DELETED)
                err = pass == 0 ? visit(&info, ctx) : 0;
            else if (found == FOUND && (err = told_add(told, &info.id)) == 1)
                err = visit(&info, ctx);
            break;
        }
    }
    return err;
}

int objstore_list_where(struct objstore *s, const struct objstore_filter *filter,
                        int (*visit)(const struct objstore_info *info, void *ctx), void *ctx)
{
    struct wanted wanted;
    int err = handle_check(s);

    if (!err && !visit)
        err = -EINVAL;
    if (!err)
        err = filter_read(filter, &wanted);
    if (err)
        return err;
    reap_left(s);
    struct told told = { .is_needed = s->spill && s->spill->mode == SPILL_TO_FILES };
    for (int pass = 0; pass < PASSES_MAX && !err; pass++) {
        uint64_t moves = told.is_needed ? au64_load_acquire(&s->spill->page->moves) : 0; /* M3 */
        bool is_moving = false;

        err = list_pass(s, &wanted, pass, &told, visit, ctx, &is_moving);
        if (!told.is_needed ||
            (!is_moving && au64_load_acquire(&s->spill->page->moves) == moves)) /* M3 */
            break;
    }
    free(told.ids);
    return err;
}

int objstore_list(struct objstore *s, int (*visit)(const struct objstore_info *info, void *ctx),
                  void *ctx)
{
    return objstore_list_where(s, NULL, visit, ctx);
}

/* ---- who holds an object ------------------------------------------------------------------- */

int objstore_holders(struct objstore *s, const struct objstore_info *info,
                     int (*visit)(const struct objstore_holder *holder, void *ctx), void *ctx)
{
    struct objstore_info now;
    int err = handle_check(s);

    if (err || !info || !visit)
        return err ? err : -EINVAL;
    uint32_t index = info->place - 1, used = leases_in_use(s);
    if (index >= slots_in_use(s))
        return -ENOENT;
    uint64_t word = au64_load_acquire(&slot_at(s, index)->word); /* E1 */
    if (read_info(s, index, NULL, &now) != FOUND || memcmp(&now.id, &info->id, sizeof now.id) ||
        now.created_ns != info->created_ns)
        return -ENOENT;
    for (uint32_t i = 0; i < used; i++) {
        uint64_t lease = au64_load_acquire(&s->leases[i].word); /* A1 */
        struct objstore_holder holder = {
            .pid = pid_of(s, i),
            .start_time = au64_load_relaxed(&s->leases[i].start_time), /* relaxed: A1 */
            .is_writer = word_state(word) == SLOT_WRITING && word_lease(word) == i,
        };

        if (!holder.is_writer && word_state(word) != SLOT_WRITING)
            holder.views = pins_held_by(s, i, index, word);
        if (!holder.is_writer && !holder.views)
            continue;
        holder.alive = !lease_has_died(s, i, lease);
        if (au64_load_acquire(&s->leases[i].word) != lease) /* A2: gone meanwhile */
            continue;
        err = visit(&holder, ctx);
        if (err)
            return err;
    }
    struct objstore_holder nobody = { .alive = true, .views = passes_of(s, index) };
    return nobody.views && word_state(word) != SLOT_WRITING ? visit(&nobody, ctx) : 0;
}

/* ---- statistics ---------------------------------------------------------------------------- */

static void count_slots(const struct objstore *s, struct objstore_stats *out)
{
    uint32_t slots = slots_in_use(s);

    for (uint32_t i = 0; i < slots; i++) {
        const struct slot *slot = slot_at(s, i);
        uint64_t size;

        switch (word_state(au64_load_relaxed(&slot->word))) { /* relaxed: statistics */
        case SLOT_WRITING:
            if (!au64_load_relaxed(&slot->id[0]) && !au64_load_relaxed(&slot->id[1]))
                continue; /* a pin table: its bytes count, it does not */
            out->objects_unsealed++;
            break;
        case SLOT_SEALED:
            out->objects_sealed++;
            break;
        case SLOT_SPILLED:
            out->objects_spilled++;
            out->spilled_bytes += au64_load_relaxed(&slot->size);
            continue;
        case SLOT_FILE:
            out->spill_file_bytes += spill_file_is_first(s, i) ? spill_file_bytes(s, i) : 0;
            continue;
        case SLOT_STANDBY:
        case SLOT_REPLACED:
        case SLOT_DOOMED:
            out->objects_deleted++;
            break;
        case SLOT_FREE:
        case SLOT_RECLAIM:
        default:
            continue;
        }
        size = au64_load_relaxed(&slot->size);
        if (size > 0 && size <= INLINE_MAX)
            out->used_bytes += INLINE_MAX;
    }
}

int objstore_stats(struct objstore *s, struct objstore_stats *out)
{
    struct objstore_stats stats = { 0 };
    struct stat st;
    int err = handle_check(s);

    if (err || !out)
        return err ? err : -EINVAL;
    if (fstat(s->fd, &st))
        return -errno;
    reap_left(s);
    stats.capacity_bytes = s->geo.capacity_bytes;
    stats.reserved_bytes = (uint64_t)st.st_blocks * 512;
    count_slots(s, &stats);
    struct space space;
    space_measure(s, &space);
    stats.used_bytes += space.used_bytes;
    stats.largest_free_bytes =
        space.free.largest_bytes ? space.free.largest_bytes : space.largest_cell_bytes;
    if (stats.used_bytes > stats.capacity_bytes) /* tiny objects have room of their own */
        stats.used_bytes = stats.capacity_bytes;
    uint32_t used = leases_in_use(s);
    for (uint32_t i = 0; i < used; i++) {
        uint64_t word = au64_load_acquire(&s->leases[i].word); /* A1 */

        stats.processes += lease_word_is_live(word) && !lease_has_died(s, i, word);
    }
    stats.deaths = au64_load_relaxed(&s->header->deaths); /* relaxed: a statistic */
    stats.is_ephemeral = s->header->fixed.flags & HEADER_EPHEMERAL;
    spill_stats(s, &stats);
    *out = stats;
    return 0;
}

/* ---- leases -------------------------------------------------------------------------------- */

static uint64_t count_unsealed(const struct objstore *s, uint32_t lease)
{
    uint32_t slots = slots_in_use(s);
    uint64_t count = 0;

    for (uint32_t i = 0; i < slots; i++) {
        const struct slot *slot = slot_at(s, i);
        uint64_t word = au64_load_relaxed(&slot->word); /* relaxed: statistics */

        count += word_state(word) == SLOT_WRITING && word_lease(word) == lease &&
                 (au64_load_relaxed(&slot->id[0]) || au64_load_relaxed(&slot->id[1]));
    }
    return count;
}

int objstore_leases(struct objstore *s, int (*visit)(const struct objstore_lease *lease, void *ctx),
                    void *ctx)
{
    int err = handle_check(s);

    if (err || !visit)
        return err ? err : -EINVAL;
    uint32_t used = leases_in_use(s);
    for (uint32_t i = 0; i < used; i++) {
        uint64_t word = au64_load_acquire(&s->leases[i].word); /* A1 */

        if (lease_word_state(word) == LEASE_FREE)
            continue;
        struct objstore_lease lease = {
            .pid = pid_of(s, i),
            .alive = !lease_has_died(s, i, word),
            .start_time = au64_load_relaxed(&s->leases[i].start_time), /* relaxed: A1 */
            .pins = pins_of_lease(s, i),
            .unsealed = count_unsealed(s, i),
        };
        if (au64_load_acquire(&s->leases[i].word) != word) /* A2: gone meanwhile */
            continue;
        err = visit(&lease, ctx);
        if (err)
            return err;
    }
    return 0;
}

int objstore_reap(struct objstore *s)
{
    int err = handle_check(s);

    if (err)
        return err;
    return s->rw ? (int)reap_dead(s) : -EROFS;
}
