/* SPDX-License-Identifier: MIT */
/* wsched_error.c -- the library's own words for its errors, and its version. */
#define _GNU_SOURCE /* strerrordesc_np */
#include "actor.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

struct words {
    int error;
    const char *text;
};

/* Where a call's answer means something more exact than errno's text. */
static const struct words of_calls[] = {
    { 0, "no error" },
    { ENOENT, "no such pool, kernel, actor or number; or the task has not failed" },
    { EINVAL, "an invalid value, or a future of no task" },
    { E2BIG,
      "a payload, result or arguments too large; or an option that this library does not know" },
    { EMSGSIZE, "the item is larger than the buffer" },
    { EAGAIN, "the pool is full, or no process can be started now" },
    { ENOSPC, "no room for another actor, or on the file system" },
    { EUSERS, "all seats for guests are taken" },
    { EEXIST, "one of that name lives, or the file is no pool" },
    { EBUSY, "the pool lives" },
    { EROFS, "the pool is only looked at" },
    { EPERM, "not in a stolen job, nor with jobs that are not synced; or it is another user's" },
    { EXDEV, "the pool lives in another PID namespace" },
    { ECHILD, "the pool belongs to the parent process" },
    { EALREADY, "the task is already over" },
    { EINPROGRESS, "the task is not done" },
    { ECANCELED, "the task was cancelled" },
    { EPIPE, "the stream's future was given back" },
    { EOWNERDEAD, "a worker died in mid-task, or the actor has ended" },
    { EDEADLK, "waiting inside a kernel for an older task or in a circle, or nested too deep" },
    { ETIMEDOUT, "not in time" },
    { ESHUTDOWN, "the pool cannot run anything any more" },
    { EBADMSG, "the pool's memory is damaged" },
    { EPROTO,
      "a kernel returned what is no negative errno value, or did not sync; or it is not a pool, or "
      "one of another layout version or with other kernels" },
};

/* Of the errors that tasks fail with these are the library's; others the kernel took elsewhere. */
static const struct words of_tasks[] = {
    { ECANCELED, "it was cancelled" },
    { EOWNERDEAD, "its worker died" },
    { EDEADLK, "it waited for an older task or in a circle, or nested too deep" },
    { ETIMEDOUT, "not in time" },
    { ESHUTDOWN, "the pool cannot run anything any more" },
    { EPROTO, "it returned what is no negative errno value, or did not sync" },
};

static const char *find(const struct words *words, size_t count, int error)
{
    int positive = error < 0 && error > INT_MIN ? -error : error;

    for (size_t i = 0; i < count; i++)
        if (words[i].error == positive)
            return words[i].text;
    const char *text = strerrordesc_np(positive);
    return text ? text : "unknown error";
}

const char *wsched_strerror(int error)
{
    return find(of_calls, sizeof of_calls / sizeof *of_calls, error);
}

const char *task_strerror(int error)
{
    return find(of_tasks, sizeof of_tasks / sizeof *of_tasks, error);
}

int wsched_version(void)
{
    return WSCHED_VERSION_MAJOR * 10000 + WSCHED_VERSION_MINOR * 100 + WSCHED_VERSION_PATCH;
}
