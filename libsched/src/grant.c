/* SPDX-License-Identifier: MIT */
/*
 * grant.c -- named, counted resources and CPU slots: who may start.
 *
 * A task that needs some of them starts when it was granted all of them, by the supervisor, which
 * alone grants. What is held is not counted in shared memory: a grant is a word in the terms of the
 * task that holds it, for one attempt. The supervisor's counts are private and follow from these
 * words, so no death can make them wrong.
 *
 *   N1  whoever comes upon a PENDING task without a grant calls the supervisor and lets the hint
 *       go: the task is parked. No worker spins for it.              grant_may_start()
 *   N2  the supervisor puts it in its place by age among those that wait, in a list for each set of
 *       resources, and grants to the oldest first. If that does not fit, nobody younger gets any of
 *       what it needs, so big ones do not starve, and those that need other things go on. All or
 *       nothing: nobody holds a part.                                grant_serve()
 *   N3  grant: the word (generation, attempt), then a hint.
 *   N4  a worker claims the task if the word is of the attempt it claims.  grant_claim()
 *   N5  what is over, or of another attempt, holds nothing. Who ends a task that held something
 *       calls the supervisor.                                        grant_over()
 *
 * Deaths  Of a worker: its task becomes PENDING with another attempt, which has no grant; the
 *   supervisor sees that after its sweep. Between the end of a task and N5: likewise. Of the
 *   supervisor before or after N3's first step: the next one counts the words of all tasks before
 *   it grants; hints that are missing are header.lost. A stopped supervisor grants nothing.
 * A task keeps what it holds while it waits inside its kernel: to take CPU slots back afterwards it
 *   might have to wait for whoever got them, and its worker is not idle, it runs others meanwhile.
 *   So one that waits for a task that needs what it holds itself waits for ever; use `after`.
 */
#define _GNU_SOURCE
#include "pool.h"

#include <string.h>
#include <sys/mman.h>

#define LISTS (1u << RESOURCES_MAX) /* by the set of resources */

struct wish { /* of a slot, in the supervisor's memory */
    uint64_t future, born;
    uint32_t attempt;
    uint32_t next, before; /* slot + 1, in its list */
    uint16_t needs[RESOURCES_MAX];
    uint8_t is_waiting, is_held, list;
};

static struct {
    struct wish *wishes;
    uint32_t first[LISTS], last[LISTS]; /* slot + 1 */
    int64_t held[RESOURCES_MAX];
    uint32_t *holders; /* slots */
    uint32_t holder_count, waiting;
} grants;

static uint64_t grant_word(uint64_t word)
{
    return (uint64_t)word_generation(word) << 32 | (uint64_t)word_attempt(word) << 1 | 1;
}

static bool is_granted(const struct wsched *p, uint32_t index, uint64_t word)
{
    return au64_load_acquire(&terms_at(p, index)->grant) == grant_word(word);
}

static bool has_needs(const struct wsched *p, uint32_t index)
{
    return (task_at(p, index)->kernel & KERNEL_TERMS) && terms_at(p, index)->has_needs;
}

/* ---- in the process that submits --------------------------------------------------------- */

static int resource_number(const struct wsched *p, const char *name)
{
    for (int i = 0; name && i < (int)RESOURCES_MAX; i++)
        if (name[0] && !strncmp(p->header->resources[i].name, name, NAME_BYTES))
            return i;
    return -EINVAL;
}

/* -EINVAL: unknown, or more than there is. */
int grant_needs(const struct wsched *p, const struct wsched_spec *s, uint16_t needs[RESOURCES_MAX])
{
    uint64_t sum[RESOURCES_MAX] = { s->cpus }; /* CPU slots are the first resource */

    if (s->resource_count && !s->resources)
        return -EINVAL;
    for (uint32_t i = 0; i < s->resource_count; i++) {
        int n = resource_number(p, s->resources[i].name);
        if (n < 0)
            return n;
        sum[n] += s->resources[i].count;
    }
    for (uint32_t i = 0; i < RESOURCES_MAX; i++) {
        if (sum[i] > p->header->resources[i].total)
            return -EINVAL;
        needs[i] = (uint16_t)sum[i];
    }
    return 0;
}

/* ---- in a worker ------------------------------------------------------------------------- */

bool grant_may_start(struct wsched *p, uint32_t index, uint64_t word)
{
    if (!has_needs(p, index) || is_granted(p, index, word))
        return true;
    supervisor_call(p, index, 0); /* N1 */
    return false;
}

/* As task_claim(), for a task that has terms: of its needs, if it has any, it must hold all. */
bool grant_claim(struct wsched *p, uint32_t index, uint64_t *word)
{
    const uint32_t generation = word_generation(*word);
    const bool needs = has_needs(p, index);

    while (word_state(*word) == TASK_PENDING && word_generation(*word) == generation &&
           (!needs || is_granted(p, index, *word))) {
        uint64_t next = word_turn(*word, TASK_RUNNING, p->seat, 0);
        if (au64_cas_acq_rel(&task_at(p, index)->word, word, next)) { /* N4; T5, E1 of task.c */
            *word = next;
            return true;
        }
    }
    return false;
}

void grant_over(struct wsched *p, uint32_t index)
{
    POINT("grant: over, supervisor not called");
    supervisor_call(p, index, 0); /* N5 */
}

/* ---- in the supervisor ------------------------------------------------------------------- */

static void leave_list(uint32_t slot)
{
    struct wish *w = &grants.wishes[slot];

    if (!w->is_waiting)
        return;
    *(w->before ? &grants.wishes[w->before - 1].next : &grants.first[w->list]) = w->next;
    *(w->next ? &grants.wishes[w->next - 1].before : &grants.last[w->list]) = w->before;
    w->is_waiting = 0;
    grants.waiting--;
}

/* The list is in the order of submission; most come last. */
static void enter_list(uint32_t slot)
{
    struct wish *w = &grants.wishes[slot];
    uint32_t before = grants.last[w->list];

    while (before && grants.wishes[before - 1].born > w->born)
        before = grants.wishes[before - 1].before;
    w->before = before;
    w->next = before ? grants.wishes[before - 1].next : grants.first[w->list];
    *(before ? &grants.wishes[before - 1].next : &grants.first[w->list]) = slot + 1;
    *(w->next ? &grants.wishes[w->next - 1].before : &grants.last[w->list]) = slot + 1;
    w->is_waiting = 1;
    grants.waiting++;
}

static void count_held(struct wsched *p, const struct wish *w, int64_t sign)
{
    for (uint32_t i = 0; i < RESOURCES_MAX; i++) {
        grants.held[i] += sign * w->needs[i];
        au32_store_relaxed(&p->header->resources[i].held, (uint32_t)grants.held[i]); /* to show */
    }
}

static void hold(struct wsched *p, uint32_t slot)
{
    grants.wishes[slot].is_held = 1;
    grants.holders[grants.holder_count++] = slot;
    count_held(p, &grants.wishes[slot], 1);
}

static bool is_same_attempt(const struct wsched *p, uint32_t slot, bool pending_only)
{
    const struct wish *w = &grants.wishes[slot];
    uint64_t word = au64_load_acquire(&task_at(p, slot)->word);

    return word_generation(word) == future_generation(w->future) &&
           word_attempt(word) == w->attempt &&
           (word_state(word) == TASK_PENDING ||
            (!pending_only && word_state(word) == TASK_RUNNING));
}

/* N5: take back from those that are over, or have another attempt. */
static void take_back(struct wsched *p)
{
    for (uint32_t i = 0; i < grants.holder_count;) {
        uint32_t slot = grants.holders[i];
        if (is_same_attempt(p, slot, false)) {
            i++;
            continue;
        }
        count_held(p, &grants.wishes[slot], -1);
        grants.wishes[slot].is_held = 0;
        grants.holders[i] = grants.holders[--grants.holder_count];
    }
}

/* Somebody called about this task, or we are new here. */
void grant_look(struct wsched *p, uint32_t slot, uint64_t word)
{
    struct wish *w = &grants.wishes[slot];

    if (!has_needs(p, slot) ||
        (word_state(word) != TASK_PENDING && word_state(word) != TASK_RUNNING))
        return;
    uint64_t future = future_make(slot, word_generation(word));
    if ((w->is_held || w->is_waiting) && w->future == future && w->attempt == word_attempt(word))
        return;
    if (w->is_held)
        take_back(p);
    leave_list(slot);
    if (w->is_held)
        return; /* it changed under us: whoever changed it calls again */
    *w = (struct wish){ .future = future,
                        .born = task_at(p, slot)->born,
                        .attempt = word_attempt(word) };
    memcpy(w->needs, terms_at(p, slot)->needs, sizeof w->needs);
    for (uint32_t i = 0; i < RESOURCES_MAX; i++)
        w->list |= (uint8_t)((w->needs[i] != 0) << i);
    if (is_granted(p, slot, word))
        hold(p, slot);
    else if (word_state(word) == TASK_PENDING)
        enter_list(slot);
}

static uint32_t blocked_kinds(const struct wsched *p, const struct wish *w)
{
    uint32_t kinds = 0;

    for (uint32_t i = 0; i < RESOURCES_MAX; i++)
        kinds |=
            (uint32_t)(w->needs[i] && grants.held[i] + w->needs[i] > p->header->resources[i].total)
            << i;
    return kinds;
}

/* The oldest of those that need nothing of `blocked`; slot + 1. */
static uint32_t oldest(uint32_t blocked)
{
    uint32_t found = 0;

    for (uint32_t i = 1; i < LISTS; i++)
        if (!(i & blocked) && grants.first[i] &&
            (!found || grants.wishes[grants.first[i] - 1].born < grants.wishes[found - 1].born))
            found = grants.first[i];
    return found;
}

void grant_serve(struct wsched *p)
{
    uint32_t blocked = 0, next;

    take_back(p);
    while (grants.waiting && (next = oldest(blocked)) != 0) {
        uint32_t slot = next - 1;
        struct wish *w = &grants.wishes[slot];
        if (!is_same_attempt(p, slot, true)) { /* cancelled, late, ... */
            leave_list(slot);
            continue;
        }
        if (blocked_kinds(p, w)) {
            blocked |= w->list;
            continue;
        }
        leave_list(slot);
        hold(p, slot);
        POINT("grant: about to grant");
        au64_store_release(&terms_at(p, slot)->grant,
                           (w->future >> 32) << 32 | (uint64_t)w->attempt << 1 | 1); /* N3 */
        POINT("grant: granted, no hint pushed");
        hint_push(p, w->future);
        park_wake_one(p);
    }
}

int grant_begin(struct wsched *p)
{
    uint64_t wishes = p->task_count * sizeof *grants.wishes;
    void *memory = mmap(NULL, wishes + p->task_count * sizeof *grants.holders,
                        PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    memset(&grants, 0, sizeof grants);
    if (memory == MAP_FAILED)
        return -ENOMEM;
    grants.wishes = memory;
    grants.holders = (uint32_t *)(void *)((unsigned char *)memory + wishes);
    return 0;
}

/* ---- looking ----------------------------------------------------------------------------- */

void grant_show(const struct wsched *p, uint32_t index, uint64_t word, struct wsched_task_info *out)
{
    if (!has_needs(p, index))
        return;
    memcpy(out->needs, terms_at(p, index)->needs, sizeof out->needs);
    out->is_parked = word_state(word) == TASK_PENDING && !is_granted(p, index, word);
}

int wsched_resource_info(struct wsched *p, uint32_t index, struct wsched_resource_info *out)
{
    int err = pool_check(p);

    if (err || !out)
        return err ? err : -EINVAL;
    if (index >= RESOURCES_MAX || !p->header->resources[index].name[0])
        return -ENOENT;
    const struct resource *r = &p->header->resources[index];
    struct wsched_resource_info info = { .total = r->total, .held = au32_load_relaxed(&r->held) };
    memcpy(info.name, r->name, sizeof info.name - 1); /* relaxed: a look */
    *out = info;
    return 0;
}
