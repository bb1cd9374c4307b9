/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* strerrordesc_np */
#include "objstore.h"

#include <string.h>

const char *objstore_strerror(int error)
{
    const char *text = strerrordesc_np(error < 0 ? -error : error);

    return error == 0 ? "no error" : text ? text : "unknown error";
}

int objstore_version(void)
{
    return OBJSTORE_VERSION_MAJOR * 10000 + OBJSTORE_VERSION_MINOR * 100 + OBJSTORE_VERSION_PATCH;
}
