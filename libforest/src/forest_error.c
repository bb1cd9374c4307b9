/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* strerrordesc_np */
#include "forest.h"

#include <string.h>

const char *forest_strerror(int error)
{
    const char *text = strerrordesc_np(error < 0 ? -error : error);

    return error == 0 ? "no error" : text ? text : "unknown error";
}

int forest_version(void)
{
    return FOREST_VERSION_MAJOR * 10000 + FOREST_VERSION_MINOR * 100 + FOREST_VERSION_PATCH;
}
