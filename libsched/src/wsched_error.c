/* SPDX-License-Identifier: MIT */
/* wsched_error.c -- the library's own words for its errors, and its version. */
#define _GNU_SOURCE /* strerrordesc_np */
#include "wsched.h"

#include <errno.h>
#include <string.h>

const char *wsched_strerror(int error)
{
    switch (error < 0 ? -error : error) {
    case 0:
        return "no error";
    case EAGAIN:
        return "the pool is full, or no process can be started now";
    case EALREADY:
        return "the task is already over";
    case EBADMSG:
        return "the pool's memory is damaged";
    case ECANCELED:
        return "the task was cancelled";
    case ECHILD:
        return "the pool belongs to the parent process";
    case EDEADLK:
        return "waiting inside a kernel for an older task, or nested too deep";
    case EINPROGRESS:
        return "the task is not done";
    case EOWNERDEAD:
        return "a worker died in mid-task";
    case EPROTO:
        return "a kernel returned what is no negative errno value, or did not sync; or it is not a pool, or "
               "one of another layout version or with other kernels";
    case ETIMEDOUT:
        return "not in time";
    case ESHUTDOWN:
        return "the pool cannot run anything any more";
    default:
        break;
    }
    const char *text = strerrordesc_np(error < 0 ? -error : error);
    return text ? text : "unknown error";
}

int wsched_version(void)
{
    return WSCHED_VERSION_MAJOR * 10000 + WSCHED_VERSION_MINOR * 100 + WSCHED_VERSION_PATCH;
}
