/* SPDX-License-Identifier: MIT */
/*
 * client.c -- submitting, waiting and looking at results, in the driver and inside kernels.
 *
 * A waiting client first spins for a moment, unless whom its last submission woke, or the actor that
 * it went to, was last on this CPU (then spinning would only keep the CPU from it), or it had to wake
 * somebody after a pause. It spins shorter each time it was in vain, and as long as ever after a wait
 * that was no longer than that.
 *
 * To sleep it puts a bit for its park word into so many of the futures that `need` cannot be reached
 * without one of them: of u that are not done, with r still needed, the last u - r + 1. So waiting
 * for all of n costs one wake, not n.
 *
 * A driver's thread sleeps on a park word that holds the supervisor's thread id and FUTEX_WAITERS,
 * and the supervisor has these words in its robust list: if it dies, the kernel wakes the sleeper,
 * who then starts another supervisor. No timer ticks for this.
 */
#define _GNU_SOURCE
#include "actor.h"
#include "events.h"
#include "stream.h"

#include <string.h>

#define CLIENT_SPIN_MAX 1000u /* looks of some 55 ns */
#define CLIENT_SPIN_MIN 10u
#define FEW 128u /* of many that are submitted: then a worker is woken, to begin with them */
#define TRIP_TICKS (1u << 12) /* one or two us: no longer is a task not looked at */
#define SOON_TICKS (1 << 17)  /* some 50 us: about as long as the longest spin */

/* ---- submitting -------------------------------------------------------------------------- */

static int kernel_number(struct wsched *p, const char *name)
{
    if (!name)
        return -ENOENT;
    const char *last = p->kernels[p->last_kernel].name;
    if (name == last || !strcmp(name, last))
        return (int)p->last_kernel;
    for (uint32_t i = 0; i < p->kernel_count; i++)
        if (!strcmp(p->kernels[i].name, name)) {
            p->last_kernel = i;
            return (int)i;
        }
    return -ENOENT;
}

/* What most are: a kernel, a payload, and how often to run it again. */
static bool spec_is_plain(const struct wsched_spec *s)
{
    uint32_t more = s->after_count | s->flags | s->deadline_ms | (uint32_t)s->priority |
                    s->grace_ms | s->cpus | s->resource_count | s->stream;

    return !more && !s->actor.v && !s->label;
}

static int spec_check(struct wsched *p, const struct wsched_spec *s)
{
    if (s->payload_size && !s->payload)
        return -EINVAL;
    if (s->payload_size > p->payload_max)
        return -E2BIG;
    if (s->max_retries < -1 || s->max_retries > WSCHED_RETRIES_MAX)
        return -EINVAL;
    if (spec_is_plain(s))
        return 0;
    if ((s->after_count && !s->after) || s->after_count > AFTER_MAX ||
        (s->flags & ~(uint32_t)(WSCHED_NO_WAIT | WSCHED_KILL_LATE | WSCHED_RETRY_ERRORS)) ||
        s->priority < WSCHED_PRIORITY_LOW || s->priority > WSCHED_PRIORITY_HIGH ||
        s->deadline_ms > INT32_MAX || s->grace_ms > INT32_MAX || s->stream > p->stream_items)
        return -EINVAL;
    uint16_t needs[RESOURCES_MAX];
    if ((s->cpus || s->resource_count) && (s->actor.v || grant_needs(p, s, needs)))
        return -EINVAL;
    for (uint32_t i = 0; i < s->after_count; i++) {
        uint32_t index;
        uint64_t word;
        if (!future_held(p, s->after[i].v, &index, &word))
            return -EINVAL;
    }
    return 0;
}

static void fill_more(struct wsched *p, uint32_t index, const struct wsched_spec *s)
{
    struct task *t = task_at(p, index);

    t->kernel |= (uint16_t)((s->label ? KERNEL_LABELLED : 0) | (s->after_count ? KERNEL_AFTER : 0));
    if (s->label) {
        size_t n = strnlen(s->label, NAME_BYTES - 1);
        memset(task_detail(p, t)->label, 0, NAME_BYTES);
        memcpy(task_detail(p, t)->label, s->label, n);
    }
    if (spec_has_terms(s)) {
        t->kernel |= KERNEL_TERMS;
        terms_fill(p, index, s);
    }
}

static void fill(struct wsched *p, uint32_t index, const struct wsched_spec *s, uint32_t kernel,
                 uint64_t ticks)
{
    struct task *t = task_at(p, index);
    uint32_t generation = word_generation(au64_load_relaxed(&t->word)); /* relaxed: ours */
    const struct wsched_task *parent = p->current;
    uint32_t attempts = s->max_retries == 0    ? (s->actor.v ? 1 : WSCHED_RETRIES_DEFAULT + 1)
                        : s->max_retries == -1 ? 1
                                               : (uint32_t)s->max_retries + 1;

    _Static_assert(WSCHED_RETRIES_MAX + 1 <= ATTEMPT_LIMIT, "all attempts fit the word");
    t->place = (uint32_t)s->actor.v; /* call_check() */
    t->place_generation = (uint32_t)(s->actor.v >> 32);

    au64_store_relaxed(&t->waiters, 0); /* relaxed here and below: E1 of task.c */
    au64_store_relaxed(&t->successors, (uint64_t)generation << 32);
    au64_store_relaxed(&t->parent, parent ? parent->future : 0);
    t->parent_attempt = parent ? (uint8_t)parent->attempt : 0;
    t->kernel = (uint16_t)(kernel | (parent && call_holds(p, parent) ? KERNEL_HELD : 0));
    if (!spec_is_plain(s))
        fill_more(p, index, s);
    t->attempts_max = (uint8_t)attempts;
    t->payload_size = s->payload_size;
    t->result_size = 0;
    t->born = ticks;
    owner_set(p, t, generation, s->after_count > 0);
    if (s->payload_size)
        memcpy(task_payload(p, t), s->payload, s->payload_size);
}

/*
 * Make and queue one task, under the lock; to be published and counted by the caller, unless it is
 * the `only` one: then a worker can have it at once, before we write what happened.
 */
static int submit_plain(struct wsched *p, const struct wsched_spec *s, uint32_t kernel,
                        uint64_t ticks, bool only, struct wsched_future *out)
{
    uint32_t index;
    int err = only && has_threads(p) ? task_take_alone(p, &index) : task_take(p, &index);

    if (err)
        return err;
    if (s->stream && !stream_reserve(p, index, s->stream)) {
        task_untake(p, index);
        return -ENOBUFS;
    }
    fill(p, index, s, kernel, ticks);
    POINT("submit: filled, not published");
    struct task *t = task_at(p, index);
    uint64_t future = future_make(index, word_generation(au64_load_relaxed(&t->word)));
    const bool has_terms = t->kernel & KERNEL_TERMS;
    task_publish(p, index, TASK_PENDING);
    if (only && has_threads(p))
        line_give(t); /* a worker that searches will want it at once */
    POINT("submit: published, not queued");
    if (s->actor.v)
        call_push(p, index, future);
    else
        hint_push_locked(p, future);
    if (only)
        hint_publish_locked(p);
    event_put(p, p->seat, WSCHED_EVENT_SUBMITTED, ticks, future, 1, kernel, p->pid,
              s->label ? task_detail(p, t)->label : NULL);
    if (has_terms)
        terms_event(p, index, future, kernel, ticks);
    if (has_terms)
        terms_begin(p, index);
    out->v = future;
    return 0;
}

/* There was no room for its dependencies: give back what was taken. */
static void submit_undo(struct wsched *p, const struct wsched_spec *s, uint32_t index,
                        uint32_t generation)
{
    pool_lock(p);
    if (s->stream)
        stream_free(p, index, generation);
    task_untake(p, index);
    pool_unlock(p);
}

/* What the statistics and the timeline tell of a task with dependencies. */
static void submit_note(struct wsched *p, const struct wsched_spec *s, uint32_t index,
                        uint64_t future, uint32_t kernel, uint64_t ticks)
{
    pool_lock(p);
    event_put(p, p->seat, WSCHED_EVENT_SUBMITTED, ticks, future, 1, kernel, p->pid,
              task_label(p, task_at(p, index)));
    if (spec_has_terms(s))
        terms_event(p, index, future, kernel, ticks);
    stat_add(&p->seats[p->seat].submitted, 1);
    pool_unlock(p);
}

/* As submit_plain(), for a task with dependencies; takes the lock itself. */
static int submit_after(struct wsched *p, const struct wsched_spec *s, uint32_t kernel,
                        uint64_t ticks, struct wsched_future *out)
{
    uint32_t index;

    pool_lock(p);
    int err = task_take(p, &index);
    if (!err && s->stream && !stream_reserve(p, index, s->stream)) {
        task_untake(p, index);
        err = -ENOBUFS;
    }
    pool_unlock(p);
    if (err)
        return err;
    fill(p, index, s, kernel, ticks);
    struct task *t = task_at(p, index);
    uint32_t generation = word_generation(au64_load_relaxed(&t->word)); /* relaxed: ours */
    uint64_t future = future_make(index, generation);
    task_detail(p, t)->cause =
        (struct cause){ .exit_code = -1, .kernel = (uint16_t)kernel, .flags = CAUSE_DEPENDENCY };
    uint32_t stock;
    err = deps_prepare(p, index, generation, s->after, s->after_count, &stock);
    if (err) {
        submit_undo(p, s, index, generation);
        return err;
    }
    POINT("submit: dependencies prepared, not published");
    task_publish(p, index, TASK_BLOCKED);
    if (spec_has_terms(s))
        terms_begin(p, index);
    err = deps_register(p, future, s->after, s->after_count, stock);
    submit_note(p, s, index, future, kernel, ticks);
    if (err) { /* nobody knows the future: cancelled or not, it goes */
        (void)!task_cancel(p, future);
        task_release(p, &(struct wsched_future){ future }, 1);
        return err;
    }
    POINT("submit: dependencies registered, it has no owner but us");
    owner_submitted(p, t);
    for (uint32_t i = 0; levels_used(p) && i < s->after_count; i++)
        level_lend(p, s->after[i].v, (enum level_name)(s->priority + LEVEL_NORMAL));
    out->v = future;
    return 0;
}

static bool has_slot(struct wsched *p)
{
    uint32_t index;

    pool_lock(p);
    int err = task_take(p, &index);
    if (!err)
        task_untake(p, index);
    pool_unlock(p);
    return !err;
}

struct room {
    struct wsched *p;
    const struct wsched_spec *spec;
    bool has_blocks; /* when it was last looked */
};

/* Of all it needs. The slot comes last: to take one and give it back tells all who wait, and us. */
static bool is_there(const struct room *r)
{
    return r->has_blocks && streams_have_room(r->p, r->spec->stream) && has_slot(r->p);
}

static bool has_room(void *arg)
{
    const struct room *r = arg;

    return !au64_load_seq_cst(&r->p->header->room_waiters) || is_there(r); /* P3 */
}

#define LOOK_NS 10000000

/*
 * The pool is full: wait until there may be a slot, and blocks for its dependencies. When one of
 * these ends, fewer are needed: that is not told, but looked for.
 */
static int wait_for_room(struct wsched *p, const struct wsched_spec *s)
{
    if (p->role == ROLE_WORKER) {
        p->last_end = 0;
        return worker_help(p) ? 0 : -EAGAIN;
    }
    au64_or_seq_cst(&p->header->room_waiters, park_bit(p)); /* P3 */
    struct room room = { p, s, deps_have_room(p, s->after, s->after_count) };
    if (is_there(&room))
        return 0;
    for (uint32_t i = 0; i < p->seat_count; i++) /* they give back what they have in stock */
        if (seat_is_forked(p, i))
            park_wake_seat(p, i);
    int err =
        client_sleep(p, has_room, &room, room.has_blocks ? INT64_MAX : monotonic_ns() + LOOK_NS);
    return err == -ETIMEDOUT ? 0 : err;
}

/* `future`: it may be waited for at once; 0: or none. Relaxed: hints, of several threads. */
static void alone_note(struct wsched *p, uint64_t future, uint64_t ticks)
{
    au64_store_relaxed(&p->alone, future);
    au64_store_relaxed(&p->alone_since, ticks);
}

/* Of specs[0 .. n), those up to the first that fails or has dependencies: *done, and the error. */
static int submit_plain_ones(struct wsched *p, const struct wsched_spec *specs, size_t n,
                             uint64_t ticks, struct wsched_future *out, size_t *done)
{
    const char *name = NULL;
    int kernel = 0, err = 0;
    size_t i = 0;

    pool_lock(p);
    for (; i < n && !specs[i].after_count && !specs[i].actor.v; i++) {
        const struct wsched_spec *s = &specs[i];
        if (s->kernel != name || !name)
            kernel = kernel_number(p, s->kernel);
        name = s->kernel;
        err = kernel < 0 ? kernel : spec_check(p, s);
        if (!err)
            err = submit_plain(p, s, (uint32_t)kernel, ticks, false, &out[i]);
        if (err)
            break;
    }
    hint_publish_locked(p);
    stat_add(&p->seats[p->seat].submitted, i);
    pool_unlock(p);
    *done = i;
    return err;
}

/* As submit_plain_ones(), of specs[0 .. n) those at the front that are calls of one actor. */
static int submit_calls(struct wsched *p, const struct wsched_spec *specs, size_t n, uint64_t ticks,
                        struct wsched_future *out, size_t *done)
{
    int err = call_check(p, specs[0].actor);
    size_t i = 0;

    pool_lock(p);
    for (; !err && i < n && !specs[i].after_count && specs[i].actor.v == specs[0].actor.v; i++) {
        const struct wsched_spec *s = &specs[i];
        int kernel = kernel_number(p, s->kernel);
        err = kernel < 0 ? kernel : spec_check(p, s);
        if (!err && !call_has_room(p, (uint32_t)s->actor.v))
            err = -EXFULL;
        if (!err)
            err = submit_plain(p, s, (uint32_t)kernel, ticks, false, &out[i]);
        if (err)
            break;
    }
    stat_add(&p->seats[p->seat].submitted, i);
    pool_unlock(p);
    if (i) {
        bool woke = call_wake(p, specs[0].actor, out, i);
        alone_note(p, woke || i > 1 ? 0 : out[0].v, ticks);
    }
    *done = i;
    return err;
}

static int submit_with_after(struct wsched *p, const struct wsched_spec *s, uint64_t ticks,
                             struct wsched_future *out)
{
    pool_lock(p); /* of the name that was looked up last */
    int kernel = kernel_number(p, s->kernel);
    pool_unlock(p);
    int err = kernel < 0 ? kernel : spec_check(p, s);

    if (!err && s->actor.v)
        err = call_check(p, s->actor);
    return err ? err : submit_after(p, s, (uint32_t)kernel, ticks, out);
}

/* What most submit: one task that anybody may run at once. */
static int submit_only(struct wsched *p, const struct wsched_spec *s, uint64_t ticks,
                       struct wsched_future *out)
{
    pool_lock(p);
    int kernel = kernel_number(p, s->kernel);
    int err = kernel < 0 ? kernel : spec_check(p, s);
    if (!err)
        err = submit_plain(p, s, (uint32_t)kernel, ticks, true, out);
    stat_add(&p->seats[p->seat].submitted, !err);
    pool_unlock(p);
    return err;
}

static int may_submit(struct wsched *p)
{
    int err = pool_check_part(p);

    if (!err && pool_in_job(p))
        err = -EPERM;
    if (!err && has_threads(p)) {
        err = supervisor_check(p);
        if (au32_load_relaxed(&p->woke_here)) /* relaxed: a hint */
            au32_store_relaxed(&p->woke_here, 0);
    }
    return err;
}

int wsched_submit_many(struct wsched *p, const struct wsched_spec *specs, size_t n,
                       struct wsched_future *out)
{
    int err = may_submit(p);
    size_t i = 0;

    if (!err && (!specs || !out || n > INT32_MAX))
        err = -EINVAL;
    if (err)
        return err;
    uint64_t ticks = n ? ticks_now(p) : 0;
    while (!err && i < n) {
        const size_t begin = i, end = i == 0 && n > 2 * FEW ? FEW : n;
        size_t done = 0, calls = 0;
        while (!err && i < end) {
            if (specs[i].after_count)
                err = submit_with_after(p, &specs[i], ticks, &out[i]), done = !err;
            else if (specs[i].actor.v)
                err = submit_calls(p, &specs[i], end - i, ticks, &out[i], &done), calls += done;
            else
                err = submit_plain_ones(p, &specs[i], end - i, ticks, &out[i], &done);
            i += done;
        }
        if (i - begin > calls)
            park_wake_for(p, i == 1 && !calls ? out[0].v : 0, i - begin - calls, ticks, i < n);
        if (err == -ENOBUFS) /* of blocks */
            err = -EAGAIN;
        if (err == -EAGAIN && !(specs[i].flags & WSCHED_NO_WAIT))
            err = wait_for_room(p, &specs[i]);
        if (err == -EXFULL)
            err = specs[i].flags & WSCHED_NO_WAIT ? -EAGAIN : call_wait_for_room(p, specs[i].actor);
    }
    return i ? (int)i : err;
}

int wsched_submit(struct wsched *p, const struct wsched_spec *spec, struct wsched_future *out)
{
    int err = spec && out ? may_submit(p) : -EINVAL;

    if (err)
        return err;
    err = -EAGAIN;
    if (!spec->after_count && !spec->actor.v) {
        uint64_t ticks = ticks_now(p);
        err = submit_only(p, spec, ticks, out);
        if (!err)
            alone_note(p, park_wake_for(p, out->v, 1, ticks, false) ? 0 : out->v, ticks);
    }
    if (err != -EAGAIN && err != -ENOBUFS)
        return err;
    int n = wsched_submit_many(p, spec, 1, out); /* which waits for room */
    return n == 1 ? 0 : n;
}

/* ---- waiting ----------------------------------------------------------------------------- */

int futures_count(const struct wsched *p, const struct wsched_future *futures, size_t n, bool *done,
                  size_t *count)
{
    size_t over = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t index;
        uint64_t word;
        if (!future_held(p, futures[i].v, &index, &word))
            return -EINVAL;
        over += word_is_over(word);
        if (done)
            done[i] = word_is_over(word);
    }
    *count = over;
    return 0;
}

struct wanted wanted_make(struct wsched *p, const struct wsched_future *futures, size_t n,
                          size_t need)
{
    return (struct wanted){ .p = p, .futures = futures, .n = n, .need = need, .left = n };
}

static inline bool is_pending(const struct wanted *w, size_t i, uint32_t *index, uint64_t *word)
{
    return future_look(w->p, w->futures[i].v, index, word) && !word_is_over(*word);
}

bool wanted_look(struct wanted *w)
{
    uint64_t word;
    uint32_t index;

    if (w->stream && stream_has_item(w->stream))
        return true;
    while (w->left && !is_pending(w, w->left - 1, &index, &word))
        w->left--;
    size_t over = w->n - w->left;
    for (size_t i = 0; w->need < w->n && over < w->need && i < w->left; i++)
        over += !is_pending(w, i, &index, &word);
    return over >= w->need;
}

static void mark(struct wanted *w, uint32_t index, uint64_t word)
{
    struct task *t = task_at(w->p, index);
    uint64_t bit = park_bit(w->p);
    uint32_t generation = word_generation(word);

    if (!(au64_load_relaxed(&t->waiters) & bit)) /* relaxed: our own bit */
        au64_or_acq_rel(&t->waiters, bit);
    POINT("wait: bit set, task not marked as waited for");
    while (word_generation(word) == generation && !word_is_over(word) && !(word & WORD_WAITED))
        if (au64_cas_acq_rel(&t->word, &word, word | WORD_WAITED)) /* E3 */
            break;
}

/* How many of those that are not over must be marked; 0: there are enough that are. */
static size_t marks_needed(struct wanted *w)
{
    uint64_t word;
    uint32_t index;
    size_t pending = 0;

    if (w->need == w->n)
        return !wanted_look(w);
    for (size_t i = 0; i < w->left; i++)
        pending += is_pending(w, i, &index, &word);
    size_t over = w->n - pending;
    return w->need > over ? pending - (w->need - over) + 1 : 0;
}

void wanted_register(struct wanted *w)
{
    size_t marks = marks_needed(w);
    bool is_reached = !marks;
    uint64_t word;
    uint32_t index;

    POINT("wait: counted, none marked");
    if (w->stream)
        au64_or_seq_cst(&w->stream->waiters, park_bit(w->p)); /* Y3 of stream.c */
    w->from = w->left;
    w->over = 0;
    while (marks && w->from > 0)
        if (is_pending(w, --w->from, &index, &word)) {
            mark(w, index, word);
            marks--;
        } else {
            w->over++;
        }
    if (is_reached || marks) /* they ended meanwhile: nobody would call us */
        w->over = SIZE_MAX;
}

bool wanted_is_called(void *wanted)
{
    const struct wanted *w = wanted;
    uint64_t word;
    uint32_t index;
    size_t over = 0;

    if (w->stream &&
        (stream_has_item(w->stream) || !(au64_load_seq_cst(&w->stream->waiters) & park_bit(w->p))))
        return true; /* or we were woken for one that another has taken since */
    for (size_t i = w->from; i < w->left; i++)
        over += !is_pending(w, i, &index, &word);
    return over != w->over;
}

int client_sleep(struct wsched *p, bool (*must_wake)(void *), void *arg, int64_t deadline)
{
    if (p->role == ROLE_GUEST)
        return guest_sleep(p, must_wake, arg, deadline);
    int err = supervisor_check(p);
    if (err)
        return err;
    struct park *park = &p->header->client_park[__builtin_ctzll(park_bit(p))];
    uint32_t supervisor = au32_load_acquire(&p->header->supervisor);
    if (!supervisor || (supervisor & ~(uint32_t)FUTEX_TID_MASK))
        return 0; /* it died this moment: come again */
    park_say_cpu(park);
    POINT("wait: marked, park word not set");
    au32_store_release(&park->word, supervisor | FUTEX_WAITERS);
    fence_seq_cst(); /* P2 */
    POINT("client: about to sleep");
    /* The supervisor's own word is the first in its robust list: if it is still good, the kernel
     * has not looked at ours. */
    if (au32_load_acquire(&p->header->supervisor) != supervisor || must_wake(arg))
        return 0;
    err = futex_wait(&park->word, supervisor | FUTEX_WAITERS, deadline);
    if (!err && park_is_shared())
        futex_wake(&park->word, INT_MAX); /* the kernel wakes only one of us */
    return err == -ETIMEDOUT ? err : 0;
}

static bool client_spin(struct wsched *p, struct wanted *w)
{
    uint32_t rounds = au32_load_relaxed(&p->spin); /* relaxed: a hint */
    uint32_t cost = 1 + (w->need < w->n ? (uint32_t)(w->n / 16) : 0);

    if (p->cpus < 2 || au32_load_relaxed(&p->woke_here)) /* relaxed: a hint */
        rounds = 0;
    for (uint32_t i = 0; i < rounds; i += cost) {
        if (wanted_look(w)) {
            if (rounds != CLIENT_SPIN_MAX)
                au32_store_relaxed(&p->spin, CLIENT_SPIN_MAX);
            return true;
        }
        cpu_pause(); /* twice: where the worker shares our core, we leave it to him */
        cpu_pause();
    }
    if (rounds)
        au32_store_relaxed(&p->spin, rounds / 2 > CLIENT_SPIN_MIN ? rounds / 2 : CLIENT_SPIN_MIN);
    return false;
}

/* Of several threads; but a hint. The seat's line is with a worker: not read. */
static void say_waiting(struct wsched *p)
{
    stat_add(&p->waits, 1);
    au64_store_relaxed(&p->seats[p->seat].awaited, au64_load_relaxed(&p->waits));
}

static int client_wait(struct wsched *p, struct wanted *w, int64_t deadline)
{
    bool may_spin = true;
    uint64_t asleep = 0;

    if (!wanted_look(w))
        say_waiting(p);
    while (!wanted_look(w)) {
        if (may_spin && client_spin(p, w))
            continue;
        may_spin = false;
        if (!asleep)
            asleep = ticks_now(p);
        if (deadline != INT64_MAX && monotonic_ns() >= deadline)
            return -ETIMEDOUT;
        wanted_register(w);
        int err = client_sleep(p, wanted_is_called, w, deadline);
        if (err && err != -ETIMEDOUT)
            return err;
    }
    if (asleep && ticks_now(p) - asleep < SOON_TICKS)
        au32_store_relaxed(&p->spin, CLIENT_SPIN_MAX); /* relaxed: a hint */
    return 0;
}

int futures_wait(struct wsched *p, const struct wsched_future *futures, size_t n, size_t need,
                 int timeout_ms)
{
    struct wanted w = wanted_make(p, futures, n, need);

    return timeout_ms ? wanted_wait(&w, deadline_from_ms(timeout_ms)) : -ETIMEDOUT;
}

int wanted_wait(struct wanted *w, int64_t deadline)
{
    struct wsched *p = w->p;
    int err = p->role == ROLE_WORKER ? worker_wait(w, deadline) : client_wait(p, w, deadline);

    return err;
}

/*
 * A look at a task takes its line from the worker, who waits for it again when he is about to
 * start, and when he is about to end. So who submits one task and waits for it leaves it alone at
 * first, for as long as the ones before took, if that was not long.
 */
static bool look_later(struct wsched *p, uint64_t future)
{
    /* relaxed here and in look_learn(): hints, of several threads */
    if (!future || au64_load_relaxed(&p->alone) != future || !has_threads(p) || p->cpus < 2 ||
        au32_load_relaxed(&p->woke_here))
        return false;
    say_waiting(p);
    const uint64_t since = au64_load_relaxed(&p->alone_since);
    const uint32_t ticks = au32_load_relaxed(&p->first_look);
    while (ticks_now(p) - since < ticks)
        cpu_pause();
    return true;
}

/* A little earlier the next time, or, if it came soon after the first look, later. */
static void look_learn(struct wsched *p, bool was_over)
{
    uint32_t ticks = au32_load_relaxed(&p->first_look);
    uint64_t took = was_over ? 0 : ticks_now(p) - au64_load_relaxed(&p->alone_since);

    if (was_over)
        ticks -= (ticks + 127) / 128;
    else if (took < TRIP_TICKS && took > ticks)
        ticks += ((uint32_t)took - ticks) / 8;
    else
        return;
    au32_store_relaxed(&p->first_look, ticks);
}

int wsched_wait(struct wsched *p, const struct wsched_future *futures, size_t n, size_t need,
                int timeout_ms, bool *done)
{
    int err = pool_check_part(p);
    size_t count = 0;

    if (!err && ((n && !futures) || need > n || n > INT32_MAX || timeout_ms < -1))
        err = -EINVAL;
    if (!err && pool_in_job(p))
        err = -EPERM;
    const bool is_later = !err && n == 1 && need && timeout_ms && look_later(p, futures[0].v);
    if (!err)
        err = futures_count(p, futures, n, NULL, &count);
    if (err)
        return err;
    const bool was_over = count >= need;
    if (!was_over)
        err = futures_wait(p, futures, n, need, timeout_ms);
    if (is_later)
        look_learn(p, was_over);
    if (was_over && !done)
        return (int)count;
    if (err && err != -ETIMEDOUT)
        return err;
    if (!err && !done && need == n) /* they are over, and stay so */
        return (int)n;
    int again = futures_count(p, futures, n, done, &count);
    return again ? again : err ? err : (int)count;
}

/* ---- results ----------------------------------------------------------------------------- */

int wsched_result(struct wsched *p, struct wsched_future future, void *buf, size_t cap,
                  size_t *size)
{
    int err = pool_check(p);
    uint32_t index;
    uint64_t word;

    if (!err && ((cap && !buf) || !future_held(p, future.v, &index, &word)))
        err = -EINVAL;
    if (err)
        return err;
    if (!word_is_over(word))
        return -EINPROGRESS;
    if (word_state(word) != TASK_DONE)
        return word_state(word) == TASK_CANCELLED ? -ECANCELED : -word_errno(word);
    struct task *t = task_at(p, index);
    size_t n = t->result_size;
    if (n > p->result_max) /* damaged */
        return -EBADMSG;
    if (cap)
        memcpy(buf, task_result(p, t), n < cap ? n : cap);
    if (size)
        *size = n;
    return 0;
}

int wsched_cancel(struct wsched *p, struct wsched_future future)
{
    int err = pool_check_part(p);
    uint32_t index;
    uint64_t word;

    if (!err && !future_held(p, future.v, &index, &word))
        err = -EINVAL;
    return err ? err : task_cancel(p, future.v);
}

int wsched_kill(struct wsched *p, struct wsched_future future, int grace_ms)
{
    int err = pool_check_part(p);
    uint32_t index;
    uint64_t word;

    if (!err && (grace_ms < 0 || !future_held(p, future.v, &index, &word)))
        err = -EINVAL;
    return err ? err : task_kill(p, future.v, grace_ms);
}

void wsched_release(struct wsched *p, struct wsched_future future)
{
    if (!pool_check_part(p))
        task_release(p, &future, 1);
}

void wsched_release_many(struct wsched *p, const struct wsched_future *futures, size_t n)
{
    if (!pool_check_part(p) && futures)
        task_release(p, futures, n);
}
