/* SPDX-License-Identifier: MIT */
/* kernel.c -- what a kernel can ask about its task. */
#include "pool.h"

#include <string.h>

const void *wsched_task_payload(const struct wsched_task *task, size_t *size)
{
    struct task *t = task_at(task->pool, task->index);
    uint32_t n = t->payload_size;

    if (size)
        *size = n > task->pool->payload_max ? 0 : n; /* more: damaged */
    return task_payload(task->pool, t);
}

int wsched_task_result(struct wsched_task *task, const void *data, size_t size)
{
    struct task *t = task_at(task->pool, task->index);

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
    uint64_t word = au64_load_acquire(&task_at(task->pool, task->index)->word);

    return word & WORD_CANCEL || pool_is_over(task->pool);
}

uint32_t wsched_task_worker(const struct wsched_task *task)
{
    return worker_number(task->pool, task->pool->seat);
}
