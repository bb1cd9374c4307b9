/* SPDX-License-Identifier: MIT */
/* kernel.c -- what a kernel can ask about its task. */
#include "actor.h"

#include <string.h>

const void *wsched_task_payload(const struct wsched_task *task, size_t *size)
{
    if (task->index == UINT32_MAX) { /* an actor's constructor */
        const struct actor *a = actor_at(task->pool, task->pool->place - 1);
        if (size)
            *size = a->payload_size > task->pool->payload_max ? 0 : a->payload_size;
        return actor_payload(task->pool, task->pool->place - 1);
    }
    struct task *t = task_at(task->pool, task->index);
    uint32_t n = t->payload_size;

    if (size)
        *size = n > task->pool->payload_max ? 0 : n; /* more: damaged */
    return task_payload(task->pool, t);
}

int wsched_task_result(struct wsched_task *task, const void *data, size_t size)
{
    struct task *t = task->index == UINT32_MAX ? NULL : task_at(task->pool, task->index);

    if (!t) /* a constructor has no result */
        return -EINVAL;
    if (size > task->pool->result_max)
        return -E2BIG;
    if (size && !data)
        return -EINVAL;
    if (size)
        memcpy(task_result(task->pool, t), data, size);
    t->result_size = (uint32_t)size;
    return 0;
}

struct wsched *wsched_task_pool(const struct wsched_task *task)
{
    return task->pool;
}

struct wsched_future wsched_task_future(const struct wsched_task *task)
{
    return (struct wsched_future){ task->future };
}

uint32_t wsched_task_attempt(const struct wsched_task *task)
{
    return task->attempt;
}

bool wsched_task_cancelled(const struct wsched_task *task)
{
    uint64_t word =
        task->index == UINT32_MAX ? 0 : au64_load_acquire(&task_at(task->pool, task->index)->word);

    return word & WORD_CANCEL || worker_pool_is_over(task->pool);
}

uint32_t wsched_task_worker(const struct wsched_task *task)
{
    return worker_number(task->pool, task->pool->seat);
}

/* ---- in an actor --------------------------------------------------------------------------- */

int wsched_task_set_actor_state(struct wsched_task *task, void *state)
{
    if (!task->pool->place)
        return -EINVAL;
    task->pool->actor_state = state;
    return 0;
}

void *wsched_task_actor_state(const struct wsched_task *task)
{
    return task->pool->place ? task->pool->actor_state : NULL;
}

struct wsched_actor wsched_task_actor(const struct wsched_task *task)
{
    const struct wsched *p = task->pool;

    if (!p->place)
        return (struct wsched_actor){ 0 };
    uint64_t word = au64_load_relaxed(&actor_at(p, p->place - 1)->word); /* relaxed: our own */
    return (struct wsched_actor){ (uint64_t)actor_generation(word) << 32 | p->place };
}
