/* SPDX-License-Identifier: MIT */
/*
 * stream.c -- a task that yields many results: into a ring, which others take them from.
 *
 * A stream is a record and a ring of `capacity` cells, for the task that its word `owner` names (a
 * future). Items have numbers from 0 on; item n lies in cell n % capacity. Two words say all:
 *
 *   published   items that can be taken; by the task's process alone
 *   taken       tag:24 | items that were taken:40; by those who take, by CAS
 *
 *   S1  owner: 0 -> future              stream_reserve()  the task is being made; then a new tag
 *   S2  cell n % capacity written       wsched_yield()    n = published < taken + capacity
 *   S3  published: n -> n + 1           wsched_yield()    then those who wait are woken
 *   S4  taken: n -> n + 1               wsched_next()     n < published; the cell was copied before;
 *                                                         then the task is woken, if it waits
 *   S5  owner: future -> 0              stream_free()     the task's slot is another's (T8 of task.c)
 *
 * Order     Items are taken in the order in which they were yielded, each once, by one of those who
 *   take. Several of these each get some of them, in order.
 * Once      An attempt counts its yields. Those that it has in common with the attempts before,
 *   n < published, are published already, and perhaps taken: they are skipped. So each item is there
 *   once, however often the task is run; what an item is, is what the first attempt made of it that
 *   came so far. A kernel that does not make the same items again mixes them. One that can begin in
 *   the middle asks where (wsched_task_resume()).
 * Full      The task waits until half of its ring is free. It waits on a stack of its own, which it
 *   has had from its start (fiber.c): its worker does other things meanwhile, and nothing stands on
 *   top of it or below it. So it does not matter who takes, when, or whether: any number of tasks may
 *   wait for their takers on one worker, also when these are on the same worker's stack. It goes on,
 *   with an error, when it is asked to stop, when its future was given back, when the pool ends.
 *   (Calls of actors wait in the actor's process, which has nothing else to do.) One for which there
 *   was no memory for a stack cannot wait, and fails.
 *
 * Invariants
 *   I1  taken <= published <= taken + capacity.
 *   I2  Only the process that runs the task (RUNNING in task.c) does S2 and S3; its successor does
 *       them only when it is dead. A cell that is not taken is not written.
 *   I3  Whoever does S4 has copied item n as S2 wrote it: cell n % capacity is written again only
 *       when taken > n, and then S4 from n fails. What it copied in that case is nobody's.
 *   I4  A tag is another for each S1, and is changed after owner. Who takes reads it, then owner:
 *       if that is its future, the tag is its stream's, or will make S4 fail.
 *
 * Ordering
 *   Y1  S3 release -> S4's look at published, acquire: it sees the cell.
 *   Y2  S4 acq_rel -> S2's look at taken, acquire: all reads of the cell are over (or in vain).
 *   Y3  S3, fence -> waiters read, taken away, their owners woken | bit in waiters; park word set,
 *       fence -> published read, and waiters (P2 of park.c): either the task sees who waits, or that
 *       one sees the item, or that its bit is gone: it was woken before it slept, for an item that
 *       another has taken.
 *   Y4  S4, fence -> full read, and the park word of the task's worker | full set; park word set,
 *       fence -> taken read. The same with the task's word in place of taken, for who asks it to stop.
 *   Y5  the task is over (T6) -> its word read before published: who sees the end sees all items.
 *
 * Deaths
 *   S1 to T2     a record whose owner is being made by a dead process, and so is of another
 *                generation when the table has been swept: streams_sweep() frees it. Likewise S5.
 *   S2 to S3     the item was not published; the next attempt writes the cell again.
 *   S3, S4       before waking: all who sleep are woken after each death (sweep.c).
 *   S4           who dies after it has the item with it. That is once, not more: to hand on what a
 *                taker may have lost is the business of those who take.
 * Stopped        One who stops in S4 before waking keeps the task from going on, and so those who
 *   take from the same stream; nobody else. Elsewhere it holds nothing.
 * Limits         2^40 items. A tag recurs after 2^24 uses of a record.
 * Model          tests/sched/test_model_stream.c
 */
#include "fiber.h"
#include "stream.h"

#define TAG_SHIFT 40
#define ITEMS_MASK ((1ull << TAG_SHIFT) - 1)

static uint32_t capacity_of(const struct wsched *p, const struct stream_record *s)
{
    uint32_t n = au32_load_relaxed(&s->capacity); /* relaxed: E1 of task.c */

    return n && n <= p->stream_items ? n : 1; /* else it is damaged */
}

static struct au64 *cell_at(const struct wsched *p, const struct stream_record *s, uint64_t item)
{
    uint64_t capacity = capacity_of(p, s);

    return (struct au64 *)(void *)(p->rings +
                                   ((uint64_t)(s - p->stream_records) * p->stream_items +
                                    item % capacity) *
                                       p->cell_stride);
}

struct stream_record *stream_of(const struct wsched *p, uint32_t index)
{
    uint32_t number = task_at(p, index)->kernel & KERNEL_TERMS ? terms_at(p, index)->stream : 0;

    return number && number <= p->streams ? &p->stream_records[number - 1] : NULL;
}

static uint64_t items_waiting(const struct stream_record *s)
{
    uint64_t taken = au64_load_acquire(&s->taken) & ITEMS_MASK; /* Y2 */

    return au64_load_acquire(&s->published) - taken; /* Y1 */
}

/* As take() sees it, also if more were taken than published: damaged. */
bool stream_has_item(const struct stream_record *s)
{
    uint64_t taken = au64_load_acquire(&s->taken) & ITEMS_MASK; /* Y2 */

    return au64_load_acquire(&s->published) > taken; /* Y1 */
}

/* ---- a record's life ----------------------------------------------------------------------- */

bool streams_have_room(const struct wsched *p, uint32_t items)
{
    for (uint32_t i = 0; items && i < p->streams; i++)
        if (!au64_load_acquire(&p->stream_records[i].owner))
            return true;
    return !items;
}

bool stream_reserve(struct wsched *p, uint32_t index, uint32_t items)
{
    uint64_t word = au64_load_relaxed(&task_at(p, index)->word); /* relaxed: MAKING(self) */
    uint64_t future = future_make(index, word_generation(word));

    for (uint32_t i = 0; i < p->streams; i++) {
        struct stream_record *s = &p->stream_records[i];
        uint64_t owner = au64_load_relaxed(&s->owner); /* relaxed: the CAS decides */
        if (owner || !au64_cas_acq_rel(&s->owner, &owner, future)) /* S1 */
            continue;
        POINT("stream: record taken, not made new");
        uint64_t tag = (au64_load_relaxed(&s->taken) >> TAG_SHIFT) + 1; /* relaxed: T2 publishes */
        au64_store_release(&s->taken, tag << TAG_SHIFT);                /* I4 */
        au64_store_relaxed(&s->published, 0); /* relaxed, all of these: T2 publishes */
        au64_store_relaxed(&s->waiters, 0);
        au64_store_relaxed(&s->awaits, 0);
        au32_store_relaxed(&s->full, 0);
        au32_store_relaxed(&s->capacity, items);
        terms_at(p, index)->stream = i + 1;
        return true;
    }
    return false;
}

void stream_free(struct wsched *p, uint32_t index, uint32_t generation)
{
    struct stream_record *s = stream_of(p, index);
    uint64_t owner = future_make(index, generation);

    if (s)
        (void)!au64_cas_acq_rel(&s->owner, &owner, 0); /* S5 */
}

void streams_sweep(struct wsched *p)
{
    for (uint32_t i = 0; i < p->streams; i++) {
        struct au64 *at = &p->stream_records[i].owner;
        uint64_t owner = au64_load_acquire(at);
        uint32_t index = future_index(owner);
        if (owner && (index >= p->task_count || word_generation(au64_load_acquire(
                                                    &task_at(p, index)->word)) !=
                                                    future_generation(owner)))
            (void)!au64_cas_acq_rel(at, &owner, 0); /* S5 */
    }
}

int streams_verify(const struct wsched *p, const char **what)
{
    for (uint32_t i = 0; i < p->streams; i++) {
        const struct stream_record *s = &p->stream_records[i];
        uint64_t owner = au64_load_acquire(&s->owner), taken = au64_load_acquire(&s->taken);
        if (!owner)
            continue;
        uint32_t capacity = au32_load_relaxed(&s->capacity); /* relaxed: looked at again */
        *what = future_index(owner) >= p->task_count           ? "an owner that is no task"
                : capacity == 0 || capacity > p->stream_items ? "capacity out of range"
                : items_waiting(s) > capacity                 ? "more items than cells"
                                                              : NULL;
        if (*what && au64_load_acquire(&s->owner) == owner && au64_load_acquire(&s->taken) == taken)
            return -EBADMSG; /* else it changed while we looked */
    }
    return 0;
}

/* ---- bytes --------------------------------------------------------------------------------- */

/* Word by word: who copies an item that is taken by another meanwhile reads what is being written. */
static void cell_write(struct au64 *cell, const void *data, size_t size)
{
    const unsigned char *from = data;
    uint64_t word;

    au64_store_relaxed(cell++, size); /* relaxed here and below: Y1 */
    for (; size >= sizeof word; size -= sizeof word, from += sizeof word) {
        memcpy(&word, from, sizeof word);
        au64_store_relaxed(cell++, word);
    }
    word = 0;
    if (size) {
        memcpy(&word, from, size);
        au64_store_relaxed(cell, word);
    }
}

static void cell_read(const struct au64 *cell, void *data, size_t size)
{
    unsigned char *to = data;
    uint64_t word;

    for (; size >= sizeof word; size -= sizeof word, to += sizeof word) {
        word = au64_load_relaxed(cell++); /* relaxed here and below: Y1 */
        memcpy(to, &word, sizeof word);
    }
    if (size) {
        word = au64_load_relaxed(cell);
        memcpy(to, &word, size);
    }
}

/* ---- taking -------------------------------------------------------------------------------- */

/* Wake the task, if it waits and has room. */
static void wake_task(struct wsched *p, const struct stream_record *s, uint32_t index)
{
    fence_seq_cst(); /* Y4 */
    if (!au32_load_relaxed(&s->full) || items_waiting(s) > capacity_of(p, s) / 2) /* relaxed: the fence */
        return;
    uint64_t word = au64_load_acquire(&task_at(p, index)->word);
    if (word_state(word) == TASK_RUNNING && seat_can_run(p, word_seat(word)))
        park_wake_seat(p, word_seat(word));
}

/* 1: *size bytes of an item; 0: there is none; -EINVAL: the record is not this future's any more. */
static int take(struct wsched *p, struct stream_record *s, uint64_t future, uint32_t index,
                void *buf, size_t cap, size_t *size)
{
    uint64_t taken = au64_load_acquire(&s->taken);

    for (;;) {
        uint64_t item = taken & ITEMS_MASK, now = taken;
        if (au64_load_acquire(&s->owner) != future) /* I4: after the tag */
            return -EINVAL;
        if (au64_load_acquire(&s->published) <= item) /* Y1 */
            return 0;
        const struct au64 *cell = cell_at(p, s, item);
        uint64_t n = au64_load_relaxed(cell); /* relaxed: Y1 */
        bool fits = n <= p->result_max && n <= cap;
        if (fits)
            cell_read(cell + 1, buf, n);
        POINT("stream: item copied, not taken");
        atomic_thread_fence(memory_order_acquire);
        if (!fits) { /* if it is still there */
            now = au64_load_acquire(&s->taken); /* I4, if it has another tag */
            if (now == taken)
                return n > p->result_max ? -EBADMSG : -EMSGSIZE;
            taken = now;
        } else if (au64_cas_acq_rel(&s->taken, &taken, taken + 1)) { /* S4, Y2 */
            POINT("stream: item taken, task not woken");
            wake_task(p, s, index);
            if (size)
                *size = n;
            return 1;
        }
    }
}

int wsched_next(struct wsched *p, struct wsched_future future, void *buf, size_t cap, size_t *size,
                int timeout_ms)
{
    int err = pool_check_part(p);
    uint32_t index;
    uint64_t word;

    if (!err && ((cap && !buf) || timeout_ms < -1))
        err = -EINVAL;
    if (!err && pool_in_job(p))
        err = -EPERM;
    int64_t deadline = deadline_from_ms(timeout_ms);
    while (!err) {
        if (!future_held(p, future.v, &index, &word)) /* Y5 */
            return -EINVAL;
        struct stream_record *s = stream_of(p, index);
        POINT("stream: record found, not looked at");
        int got = s ? take(p, s, future.v, index, buf, cap, size) : -EINVAL;
        if (got || word_is_over(word))
            return got;
        struct wanted w = wanted_make(p, &future, 1, 1);
        w.stream = s;
        err = timeout_ms ? wanted_wait(&w, deadline) : -ETIMEDOUT;
    }
    return err;
}

/* ---- yielding ------------------------------------------------------------------------------ */

void stream_stop(struct wsched *p, uint32_t index, uint64_t word)
{
    if (word_state(word) != TASK_RUNNING || !stream_of(p, index) ||
        !seat_can_run(p, word_seat(word)))
        return;
    fence_seq_cst(); /* Y4 */
    park_wake_seat(p, word_seat(word));
}

/* Why it is not to go on; 0: it is. */
static int reason_to_stop(const struct wsched_task *task)
{
    const struct wsched *p = task->pool;
    uint64_t word = au64_load_acquire(&task_at(p, task->index)->word);

    return word & WORD_CANCEL       ? -ECANCELED
           : word & WORD_RELEASED   ? -EPIPE
           : worker_pool_is_over(p) ? -ESHUTDOWN
                                    : 0;
}

struct producer {
    const struct wsched_task *task;
    const struct stream_record *s;
};

static bool may_go_on(void *arg)
{
    const struct producer *r = arg;

    return items_waiting(r->s) <= capacity_of(r->task->pool, r->s) / 2 || reason_to_stop(r->task);
}

static int wait_for_room(struct wsched_task *task, struct stream_record *s)
{
    struct wsched *p = task->pool;
    struct producer r = { task, s };

    if (!task->fiber && !p->place)
        return -ENOMEM;
    p->last_end = 0;
    au32_store_release(&s->full, 1);
    fence_seq_cst(); /* Y4 */
    POINT("stream: full, the task does not wait yet");
    while (!may_go_on(&r))
        if (task->fiber)
            fiber_wait(p, may_go_on, &r, INT64_MAX);
        else
            worker_rest(p, false, may_go_on, &r, INT64_MAX);
    search_end(p);
    au32_store_release(&s->full, 0);
    return reason_to_stop(task);
}

static struct stream_record *stream_to_yield(struct wsched_task *task)
{
    struct wsched *p = task->pool;

    return task->index < p->task_count && !task->is_job ? stream_of(p, task->index) : NULL;
}

int wsched_yield(struct wsched_task *task, const void *data, size_t size)
{
    struct wsched *p = task->pool;
    struct stream_record *s = stream_to_yield(task);
    int err = !s || (size && !data) ? -EINVAL : size > p->result_max ? -E2BIG : 0;

    if (!err && (p->current != task || !fork_is_clean(p, &task->mark)))
        err = -EPERM;
    if (!err)
        err = reason_to_stop(task);
    if (err)
        return err;
    uint64_t published = au64_load_relaxed(&s->published); /* relaxed: ours; E1 of task.c */
    if (task->yielded < published) {
        task->yielded++;
        return 0;
    }
    if (items_waiting(s) >= capacity_of(p, s))
        err = wait_for_room(task, s);
    if (err)
        return err;
    cell_write(cell_at(p, s, published), data, size); /* S2 */
    POINT("stream: item written, not published");
    au64_store_release(&s->published, published + 1); /* S3, Y1 */
    POINT("stream: published, nobody woken");
    task->yielded++;
    fence_seq_cst(); /* Y3 */
    if (au64_load_relaxed(&s->waiters)) /* relaxed: the fence orders it */
        park_wake_set(p, &s->waiters);
    return 0;
}

uint64_t wsched_task_resume(struct wsched_task *task)
{
    const struct stream_record *s = stream_to_yield(task);

    if (s && !task->yielded)
        task->yielded = au64_load_relaxed(&s->published); /* relaxed: ours; E1 of task.c */
    return task->yielded;
}
