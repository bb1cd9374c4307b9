/* SPDX-License-Identifier: MIT */
/*
 * verify.c -- is a pool sound? Each part of layout.h is held against what its own module promises.
 *
 * It may run beside processes that work, and after their death: only what holds at every instant is
 * checked, and what looks wrong is looked at again, for it may have changed meanwhile. What is a hint
 * (the free map, the call map, board.open, header.lost) may be anything within its bounds.
 *
 *   header, names   sizes are those that we mapped; how far each table was used; resources
 *   seats           depth, what is on the stack, deque, queue
 *   deaths          numbers in their places
 *   tasks           word, kernel, sizes, parent, place; terms, label and cause where there are some
 *   rings           priorities: head and tail near each other
 *   boards          states, thieves, kernels, sizes
 *   events          kinds, kernels, tasks of all that are kept
 *   actors          states, limits, names; mailboxes: head and tail, tasks
 *   blocks, streams deps.c and stream.c look at their own
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "actor.h"
#include "jobs.h"
#include "stream.h"

struct check {
    struct wsched *p;
    char found[256]; /* "": nothing yet */
};

static __attribute__((format(printf, 2, 3))) void tell(struct check *c, const char *format, ...)
{
    va_list args;

    if (c->found[0]) /* the first finding is the answer */
        return;
    va_start(args, format);
    vsnprintf(c->found, sizeof c->found, format, args);
    va_end(args);
}

static bool is_future_or_none(const struct wsched *p, uint64_t future)
{
    return !(uint32_t)future || future_index(future) < p->task_count;
}

/* ---- header, names -------------------------------------------------------------------------- */

static void check_header(struct check *c)
{
    const struct wsched *p = c->p;
    const struct header *h = p->header;
    const struct geometry *g = &h->geometry;

    if (h->magic != LAYOUT_MAGIC || h->layout_version != LAYOUT_VERSION)
        tell(c, "header: not that of a pool");
    if (h->workers != p->workers || g->bytes != p->bytes || g->task_count != p->task_count ||
        g->bytes_stride != p->bytes_stride || g->block_count != p->block_count ||
        g->payload_max != p->payload_max || g->result_max != p->result_max ||
        g->kernel_count != p->kernel_count || g->event_capacity != p->event_capacity ||
        g->queue_capacity != p->queue_capacity || g->guests != p->guests ||
        g->actors != p->actors_max || g->streams != p->streams ||
        g->stream_items != p->stream_items)
        tell(c, "header: sizes that are not the pool's");
    if (au32_load_acquire(&h->guests_used) > p->guests ||
        au32_load_acquire(&h->actors_used) > p->actors_max) /* tasks_used is added to, and may be */
        tell(c, "header: more was used than there is");
    for (uint32_t i = 0; i < RESOURCES_MAX; i++) {
        const struct resource *r = &h->resources[i];
        if (r->name[NAME_BYTES - 1] || !r->name[0] != !r->total)
            tell(c, "resource %u: a name or a number that cannot be", i);
    }
    for (uint32_t i = 0; i < p->kernel_count; i++)
        if (strncmp(p->kernel_names + (size_t)i * NAME_BYTES, p->kernels[i].name, NAME_BYTES))
            tell(c, "kernel %u: not the name that it had", i);
}

/* ---- seats, deaths --------------------------------------------------------------------------- */

static void check_seat(struct check *c, uint32_t seat)
{
    struct wsched *p = c->p;
    const struct seat *s = &p->seats[seat];
    uint32_t depth = au32_load_acquire(&s->depth); /* W1 */

    if (depth > DEPTH_MAX)
        tell(c, "seat %u: stack depth out of range", seat);
    for (uint32_t i = 0; i < depth && i < DEPTH_MAX; i++)
        if ((au64_load_relaxed(&s->running[i]) & 0x1fffff) > p->task_count) /* relaxed: a look */
            tell(c, "seat %u: runs a task that does not exist", seat);
    if (seat_can_run(p, seat) && deque_is_damaged(p, seat))
        tell(c, "seat %u: more in its deque than fits", seat);
    if (!seat_is_crew(p, seat) && queue_is_damaged(p, seat))
        tell(c, "queue %u: head and tail do not agree", seat - p->workers);
}

static void check_deaths(struct check *c)
{
    const struct wsched *p = c->p;

    uint64_t deaths = au64_load_acquire(&p->header->deaths); /* V2 */
    for (uint32_t i = 0; i < deaths && i < DEATHS_KEPT; i++) {
        const struct death *d = &p->deaths[i];
        uint64_t seq = au64_load_acquire(&d->seq); /* V2 */
        bool is_wrong =
            seq && ((seq - 1) % DEATHS_KEPT != i ||
                    (d->worker >= p->workers + p->guests + p->actors_max && d->worker != UINT32_MAX) ||
                    d->kernel[NAME_BYTES - 1] || d->label[NAME_BYTES - 1]);
        atomic_thread_fence(memory_order_acquire);
        if (is_wrong && au64_load_relaxed(&d->seq) == seq) /* relaxed: the fence orders it */
            tell(c, "death %u: makes no sense", i);
    }
}

/* ---- tasks ------------------------------------------------------------------------------------ */

static bool is_cause(const struct wsched *p, const struct cause *cause)
{
    return cause->late <= LATE_KILLED && cause->actor <= p->actors_max &&
           (cause->kernel < p->kernel_count || cause->kernel == UINT16_MAX);
}

static const char *wrong_terms(const struct wsched *p, uint32_t index)
{
    const struct terms *t = terms_at(p, index);

    if (t->level > LEVEL_HIGH)
        return "a priority that does not exist";
    if (t->stream > p->streams)
        return "a stream that does not exist";
    for (uint32_t i = 0; t->has_needs && i < RESOURCES_MAX; i++)
        if (t->needs[i] > p->header->resources[i].total)
            return "needs more than there is";
    return NULL;
}

/* What its word says. */
static const char *wrong_word(const struct wsched *p, uint64_t word)
{
    enum task_state state = word_state(word);

    if (state > TASK_CANCELLED)
        return "unknown state";
    if (state <= TASK_MAKING)
        return state == TASK_FREE &&
                       (word & (WORD_WAITED | WORD_CANCEL | WORD_RELEASED | WORD_TOLD))
                   ? "a free slot with flags"
                   : NULL;
    if (word_seat(word) >= p->seat_count)
        return "a seat that does not exist";
    if (state == TASK_RUNNING && !seat_can_run(p, word_seat(word)))
        return "run by somebody who is no worker";
    if ((word & WORD_TOLD) && !word_is_over(word))
        return "told, but not over";
    if ((word & WORD_TOLD) && (word & WORD_RELEASED))
        return "over, told and released, but not free";
    if ((state == TASK_FAILED) !=
        (state != TASK_CANCELLED && state != TASK_FAILING && word_errno(word) != 0))
        return "state and errno do not agree";
    return NULL;
}

/* And what stands beside it, as long as it is the same task. */
static const char *wrong_task(const struct wsched *p, uint32_t index, uint64_t word)
{
    const struct task *t = task_at(p, index);
    const char *what = wrong_word(p, word);

    if (what || word_state(word) <= TASK_MAKING)
        return what;
    if (task_kernel(t) >= p->kernel_count)
        return "a kernel that does not exist";
    if (t->payload_size > p->payload_max)
        return "payload too big";
    if (word_state(word) == TASK_DONE && t->result_size > p->result_max)
        return "result too big";
    if (t->place > p->actors_max)
        return "a call of an actor that does not exist";
    if (!is_future_or_none(p, au64_load_relaxed(&t->parent))) /* relaxed: E1 */
        return "a parent that does not exist";
    if (t->kernel & KERNEL_LABELLED && task_detail(p, t)->label[NAME_BYTES - 1])
        return "a label without an end";
    if (word_state(word) == TASK_FAILED && !is_cause(p, &task_detail(p, t)->cause))
        return "a cause that makes no sense";
    return t->kernel & KERNEL_TERMS ? wrong_terms(p, index) : NULL;
}

static void check_tasks(struct check *c)
{
    const struct wsched *p = c->p;
    uint32_t used = au32_load_acquire(&p->header->tasks_used);

    for (uint32_t i = 0; i < used && i < p->task_count; i++) {
        uint64_t word = au64_load_acquire(&task_at(p, i)->word); /* E1 */
        const char *what = wrong_task(p, i, word);
        atomic_thread_fence(memory_order_acquire);
        if (what && au64_load_acquire(&task_at(p, i)->word) == word)
            tell(c, "task %u (word %016llx): %s", i, (unsigned long long)word, what);
    }
    for (uint32_t i = p->task_count; i % 64; i++) /* the ends of the maps */
        if ((au64_load_acquire(&p->free_map[i / 64]) | au64_load_acquire(&p->call_map[i / 64])) >>
                i % 64 & 1)
            tell(c, "map: has task %u, which does not exist", i);
}

static void check_levels(struct check *c)
{
    const struct wsched *p = c->p;

    for (int i = 0; i < 2; i++) {
        const struct level *l = &p->header->level[i];
        uint64_t head = au64_load_acquire(&l->head);
        int64_t n = (int64_t)(au64_load_acquire(&l->tail) - head);
        /* Each may be behind, until somebody comes by. */
        bool is_wrong = n < -(int64_t)p->level_capacity || n > 2 * (int64_t)p->level_capacity;
        if (is_wrong && au64_load_acquire(&l->head) == head)
            tell(c, "priorities: head and tail of the %s ring do not agree", i ? "high" : "low");
    }
}

/* ---- boards ----------------------------------------------------------------------------------- */

static const char *wrong_job(const struct wsched *p, const struct job *job, uint32_t word)
{
    enum job_state state = job_state(word);
    bool has_thief = state == JOB_STOLEN || state == JOB_ORPHAN;
    bool is_job = state == JOB_OPEN || state == JOB_STOLEN;

    if (state > JOB_ORPHAN)
        return "unknown state";
    if (has_thief && !seat_can_run(p, job_thief(word)))
        return "stolen by nobody";
    if (is_job && job->kernel >= p->kernel_count && job->kernel != KERNEL_RANGE)
        return "a kernel that does not exist";
    return is_job && job->size > JOB_ARGS ? "more arguments than fit" : NULL;
}

static void check_board(struct check *c, uint32_t seat)
{
    const struct wsched *p = c->p;
    const struct board *b = board_of(p, seat);
    uint32_t used = au32_load_acquire(&b->used);

    if (used > BOARD_JOBS)
        tell(c, "board of seat %u: more was used than there is", seat);
    for (uint32_t i = 0; i < used && i < BOARD_JOBS; i++) { /* the others have no memory yet */
        const struct job *job = &b->jobs[i];
        uint32_t word = au32_load_acquire(&job->word); /* J1 */
        const char *what = wrong_job(p, job, word);
        atomic_thread_fence(memory_order_acquire);
        if (what && au32_load_acquire(&job->word) == word)
            tell(c, "board of seat %u, job %u (word %x): %s", seat, i, word, what);
    }
}

/* ---- events ----------------------------------------------------------------------------------- */

static void check_events(struct check *c, uint32_t seat)
{
    const struct wsched *p = c->p;
    const struct au64 *count = &p->seats[seat].events;
    uint64_t end = au64_load_acquire(count); /* V1 */

    for (uint64_t i = end > p->event_capacity ? end - p->event_capacity : 0; i < end; i++) {
        const struct event_record *r =
            &p->events[(uint64_t)seat * p->event_places + i % p->event_places];
        uint64_t what = au64_load_relaxed(&r->what), task = au64_load_relaxed(&r->task); /* V1 */
        uint32_t kind = (uint32_t)what & EVENT_KIND;
        bool is_wrong = !kind || kind > WSCHED_EVENT_TERMS || !is_future_or_none(p, task) ||
                        ((uint32_t)(what >> 16) & 0xffff) >= p->kernel_count;
        atomic_thread_fence(memory_order_acquire);
        if (is_wrong && au64_load_relaxed(count) - i < p->event_places) /* V1: not overwritten */
            tell(c, "event %llu of seat %u: makes no sense", (unsigned long long)i, seat);
    }
}

/* ---- actors ----------------------------------------------------------------------------------- */

static const char *wrong_actor(const struct wsched *p, const struct actor *a, uint64_t word)
{
    enum actor_state state = actor_state(word);

    if (state > ACTOR_DEAD)
        return "unknown state";
    if (state < ACTOR_ALIVE)
        return state != ACTOR_FREE && actor_maker(word) >= p->seat_count ? "made by nobody" : NULL;
    if (a->capacity == 0 || a->capacity > MAILBOX_MAX)
        return "capacity out of range";
    if (a->max_restarts < -1 || a->max_restarts > RESTARTS_LIMIT)
        return "restarts out of range";
    if (a->kernel >= p->kernel_count && a->kernel != UINT16_MAX)
        return "a constructor that does not exist";
    if (a->payload_size > p->payload_max)
        return "payload too big";
    if (a->creator_seat >= p->seat_count)
        return "made by nobody";
    return au64_load_relaxed(&a->name[NAME_BYTES / 8 - 1]) >> 56 ? "a name without an end" : NULL;
}

static void check_mailbox(struct check *c, uint32_t actor)
{
    const struct wsched *p = c->p;
    const struct mailbox m = actor_mailbox(p, actor);
    uint64_t head = au64_load_acquire(&m.ends->head);
    int64_t n = (int64_t)(au64_load_acquire(&m.ends->tail) - head);
    const int64_t most = MAILBOX_SLOTS;

    /* Between M1 and M2 the reader may be one ahead of the tail. */
    if ((n < -1 || n > most) && au64_load_acquire(&m.ends->head) == head)
        tell(c, "mailbox %u: head and tail do not agree", actor);
    for (uint32_t i = 0; n <= most && i < n; i++) {
        uint64_t future = mailbox_peek(&m, i);
        if (future && !is_future_or_none(p, future))
            tell(c, "mailbox %u: a call that does not exist", actor);
    }
}

static void check_actors(struct check *c)
{
    const struct wsched *p = c->p;

    for (uint32_t i = 0, used = actors_used(p); i < used; i++) {
        const struct actor *a = actor_at(p, i);
        uint64_t word = au64_load_acquire(&a->word); /* E4 of actor.c */
        const char *what = wrong_actor(p, a, word);
        atomic_thread_fence(memory_order_acquire);
        if (what && au64_load_acquire(&a->word) == word)
            tell(c, "actor %u (word %016llx): %s", i, (unsigned long long)word, what);
        check_mailbox(c, i);
    }
}

/* ---- all of it -------------------------------------------------------------------------------- */

int wsched_verify(struct wsched *p, char *text)
{
    struct check c = { .p = p };
    const char *what = NULL;
    int err = pool_check(p);

    if (err)
        return err;
    check_header(&c);
    check_tasks(&c);
    if (deps_verify(p, &what))
        tell(&c, "blocks: %s", what);
    if (streams_verify(p, &what))
        tell(&c, "streams: %s", what);
    check_levels(&c);
    for (uint32_t seat = 0; seat < p->seat_count; seat++) {
        check_seat(&c, seat);
        check_events(&c, seat);
        if (seat_can_run(p, seat))
            check_board(&c, seat);
    }
    check_actors(&c);
    check_deaths(&c);
    if (text && c.found[0])
        memcpy(text, c.found, sizeof c.found);
    return c.found[0] ? -EBADMSG : 0;
}
