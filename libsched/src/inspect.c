/* SPDX-License-Identifier: MIT */
/*
 * inspect.c -- looking at a pool while it works, or after: itself and its tasks; members.c: who works.
 *
 * Nothing is locked and nothing is changed. A task is copied between two looks at its word: if the
 * word names the same task both times, what was copied belongs to that task, for a slot gets a new
 * generation before anything in it is written (E1 of task.c). What changes during a task's life
 * (its state, who runs it) is in the word itself. Everything read is checked as input: the writers
 * may be dead in mid-word, or mad.
 */
#include "pool.h"

#include <string.h>

const char *wsched_kernel_name(const struct wsched *p, uint32_t index)
{
    return p && index < p->kernel_count ? p->kernels[index].name : NULL;
}

const char *kernel_name_of(const struct wsched *p, uint32_t kernel)
{
    const char *name = wsched_kernel_name(p, kernel & KERNEL_NUMBER);

    return name ? name : "";
}

/* ---- tasks ------------------------------------------------------------------------------- */

static enum wsched_task_state public_state(uint64_t word)
{
    /* FAILING: a dependency failed, and somebody writes that down. */
    return word_state(word) == TASK_FAILING ? WSCHED_TASK_BLOCKED
                                            : (enum wsched_task_state)word_state(word);
}

/* One that failed knows itself: a death counts the word's attempt on, so that a late one ends nothing. */
static uint32_t attempt_of(const struct wsched *p, const struct task *t, uint64_t word)
{
    const struct cause *c = &task_detail(p, t)->cause;
    bool is_own = !(c->flags & (CAUSE_DEPENDENCY | CAUSE_ACTOR_ENDED));

    return word_state(word) == TASK_FAILED && is_own && c->attempts ? c->attempts : word_attempt(word);
}

/* False: there is none in this slot. */
static bool task_look(const struct wsched *p, uint32_t index, double rate,
                      struct wsched_task_info *out)
{
    const struct task *t = task_at(p, index);
    uint64_t word = au64_load_acquire(&t->word), again; /* E1 */

    if (word_state(word) <= TASK_MAKING || word_state(word) > TASK_CANCELLED)
        return false;
    uint32_t seat = word_seat(word);
    *out = (struct wsched_task_info){
        .task = { future_make(index, word_generation(word)) },
        .parent = { au64_load_relaxed(&t->parent) }, /* relaxed: E1 */
        .state = public_state(word),
        .worker = word_state(word) == TASK_RUNNING ? worker_number(p, seat) : UINT32_MAX,
        .attempt = attempt_of(p, t, word),
        .attempts_max = t->attempts_max,
        .payload_size = t->payload_size,
        .result_size = word_state(word) == TASK_DONE ? t->result_size : 0,
        .error = word_state(word) == TASK_FAILED ? -word_errno(word) : 0,
        .is_asked_to_stop = word & WORD_CANCEL,
        .is_released = word & WORD_RELEASED,
        .submitted_ns = ticks_to_ns(p, t->born, rate),
        .kernel = kernel_name_of(p, t->kernel),
    };
    grant_show(p, index, word, out);
    out->priority = (int32_t)level_of(p, index, word_generation(word)) - LEVEL_NORMAL;
    if (terms_deadline(p, index) != INT64_MAX)
        out->deadline_ns = (uint64_t)terms_deadline(p, index);
    if (t->kernel & KERNEL_LABELLED)
        memcpy(out->label, task_detail(p, t)->label, sizeof out->label);
    out->label[sizeof out->label - 1] = 0;
    atomic_thread_fence(memory_order_acquire);
    again = au64_load_relaxed(&t->word); /* relaxed: the fence orders it */
    return word_generation(again) == word_generation(word);
}

static uint32_t slots_used(const struct wsched *p)
{
    uint32_t used = au32_load_acquire(&p->header->tasks_used);

    return used < p->task_count ? used : p->task_count;
}

int wsched_task_info(struct wsched *p, struct wsched_future future, struct wsched_task_info *out)
{
    int err = pool_check(p);
    struct wsched_task_info info;
    uint32_t index;
    uint64_t word;

    if (err || !out)
        return err ? err : -EINVAL;
    if (!future_look(p, future.v, &index, &word) || !task_look(p, index, tick_rate(p), &info) ||
        info.task.v != future.v)
        return -EINVAL;
    *out = info;
    return 0;
}

int wsched_tasks(struct wsched *p, int (*visit)(const struct wsched_task_info *task, void *ctx),
                 void *ctx)
{
    int err = pool_check(p);

    if (err || !visit)
        return err ? err : -EINVAL;
    double rate = tick_rate(p);
    uint32_t used = slots_used(p);
    for (uint32_t i = 0; i < used && !err; i++) {
        struct wsched_task_info info;
        if (task_look(p, i, rate, &info))
            err = visit(&info, ctx);
    }
    return err;
}

bool pool_is_dead(const struct wsched *p)
{
    return p->role == ROLE_OBSERVER && !name_is_used(p->fd);
}

/* ---- the pool ---------------------------------------------------------------------------- */

/* Of a task that is not over. */
static void count_terms(const struct wsched *p, uint32_t index, uint64_t word,
                        struct wsched_info *out)
{
    struct wsched_task_info info = { .needs = { 0 } };
    enum level_name level = level_of(p, index, word_generation(word));
    int64_t deadline = terms_deadline(p, index);

    grant_show(p, index, word, &info);
    if (word_state(word) == TASK_PENDING) {
        out->high += level == LEVEL_HIGH;
        out->low += level == LEVEL_LOW;
        out->parked += info.is_parked;
    }
    if (deadline == INT64_MAX)
        return;
    out->deadlines++;
    if (!out->next_deadline_ns || (uint64_t)deadline < out->next_deadline_ns)
        out->next_deadline_ns = (uint64_t)deadline;
}

static void count_tasks(const struct wsched *p, struct wsched_info *out)
{
    uint32_t used = slots_used(p);

    for (uint32_t i = 0; i < used; i++) {
        uint64_t word = au64_load_relaxed(&task_at(p, i)->word); /* relaxed: only counted */
        if (word_state(word) >= TASK_BLOCKED && word_state(word) <= TASK_RUNNING)
            count_terms(p, i, word, out);
        switch (word_state(word)) {
        case TASK_BLOCKED:
        case TASK_FAILING:
            out->blocked++;
            break;
        case TASK_PENDING:
            out->pending++;
            break;
        case TASK_RUNNING:
            out->running++;
            break;
        case TASK_DONE:
            out->done++;
            break;
        case TASK_FAILED:
            out->failed++;
            break;
        case TASK_CANCELLED:
            out->cancelled++;
            break;
        case TASK_FREE:
        case TASK_MAKING:
            break;
        }
    }
}

int wsched_info(struct wsched *p, struct wsched_info *out)
{
    int err = pool_check(p);

    if (err || !out)
        return err ? err : -EINVAL;
    uint32_t supervisor = au32_load_acquire(&p->header->supervisor);
    struct wsched_info info = {
        .workers = p->workers,
        .task_capacity = p->task_count,
        .payload_max = p->payload_max,
        .result_max = p->result_max,
        .event_capacity = p->event_capacity,
        .kernels = p->kernel_count,
        .supervisor = supervisor & ~(uint32_t)FUTEX_TID_MASK ? 0 : (int32_t)supervisor,
        .broken = -(int32_t)au32_load_acquire(&p->header->broken),
        .is_dead = pool_is_dead(p),
        .is_stopping = au32_load_acquire(&p->header->stopping),
        .opened_ns = p->clock_ns,
        .bytes = p->bytes,
    };
    count_tasks(p, &info);
    info.queued = level_size(p, LEVEL_LOW) + level_size(p, LEVEL_HIGH);
    for (uint32_t i = 0; i < p->seat_count; i++)
        info.queued += (seat_can_run(p, i) ? deque_size(p, i) : 0) +
                       (seat_is_crew(p, i) ? 0 : queue_size(p, i));
    *out = info;
    return 0;
}
