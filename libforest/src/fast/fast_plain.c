/* SPDX-License-Identifier: MIT */
/* fast_plain.c -- the inner loops of the fast mode in plain C. */
#include <string.h>

#include "fast_grower.h"

/* Ranks count the values that have rows here, so that they are as many as slots at most. */
void fast_fill_list_plain(const struct prep *prep, uint32_t feature, const uint32_t *slot_of,
                          uint32_t *list)
{
    const uint32_t *order = prep_order(prep, feature);
    uint32_t count = 0, rank = UINT32_MAX, fresh = 0;
    for (uint32_t i = 0; i < prep->rows; i++) {
        uint32_t slot = slot_of[order[i] & PREP_ROW], is_active = slot != NO_SLOT;
        fresh |= order[i] < PREP_TIE;
        rank += fresh & is_active;
        fresh &= !is_active;
        list[count] = rank << 16 | slot;
        count += is_active;
    }
    memset(list + count, 0, FAST_PAD * sizeof *list);
}

struct scanned {
    double top, bottom;
    uint32_t pos;
    fast_worth left;
};

static struct scanned scan(const uint32_t *list, const fast_worth *worth,
                           const struct fast_search *s)
{
    double sum = fast_packed_sum(s->all, s->bits), weight = fast_packed_weight(s->all, s->bits);
    struct scanned best = { 0.0, 1.0, 0, 0 };
    uint32_t last = s->n - s->min_rows;
    fast_worth left = 0;
    for (uint32_t p = 1; p <= last; p++) {
        double top, bottom;
        left += worth[list[p - 1] & FAST_SLOTS];
        double wl = fast_packed_weight(left, s->bits);
        fast_gain(sum, weight, fast_packed_sum(left, s->bits), wl, &top, &bottom);
        if (top * best.bottom > best.top * bottom && p >= s->min_rows &&
            (list[p] ^ list[p - 1]) > FAST_SLOTS && wl >= s->weight_least &&
            weight - wl >= s->weight_least)
            best = (struct scanned){ top, bottom, p, left };
    }
    return best;
}

void fast_search_one_plain(const struct fast_block *b, const struct fast_search *s,
                           uint32_t feature, struct fast_cut *best)
{
    struct scanned at = scan(b->lists + feature * b->stride + s->start, b->worth, s);
    double gain = at.top / at.bottom;
    if (gain > best->gain)
        *best = (struct fast_cut){ gain, at.pos, feature, at.left };
}

struct fast_cut fast_search_plain(const struct fast_block *b, const struct fast_search *s)
{
    struct fast_cut best = { 0.0, 0, 0, 0 };
    for (uint32_t i = 0; i < s->count; i++)
        fast_search_one_plain(b, s, s->features[i], &best);
    return best;
}

static void part(uint32_t *list, uint32_t n, const uint8_t *side, uint32_t *spare)
{
    uint32_t left = 0, right = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = list[i], is_left = side[at & FAST_SLOTS];
        list[left] = at;
        spare[right] = at;
        left += is_left;
        right += !is_left;
    }
    memcpy(list + left, spare, right * sizeof *list);
}

void fast_fill_codes_plain(const struct fast_coding *c, const float *column, const uint32_t *row,
                           uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        float value = column[row[i]];
        uint32_t code = edges_code(c->edges, value);
        c->codes[i * c->stride] = (uint8_t)code;
        c->least[code] = value < c->least[code] ? value : c->least[code];
        c->most[code] = value > c->most[code] ? value : c->most[code];
    }
}

const struct fast_kernels fast_kernels_plain = {
    .fill_list = fast_fill_list_plain,
    .search = fast_search_plain,
    .fill_codes = fast_fill_codes_plain,
    .part = part,
    .tiny_bytes = fast_tiny_bytes_plain,
    .grow_tiny = fast_grow_tiny_plain,
};
