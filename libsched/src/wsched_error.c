/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* strerrordesc_np */
#include "wsched.h"

#include <string.h>

const char *wsched_strerror(int error)
{
    const char *text = strerrordesc_np(error < 0 ? -error : error);

    return error == 0 ? "no error" : text ? text : "unknown error";
}

int wsched_version(void)
{
    return WSCHED_VERSION_MAJOR * 10000 + WSCHED_VERSION_MINOR * 100 + WSCHED_VERSION_PATCH;
}
