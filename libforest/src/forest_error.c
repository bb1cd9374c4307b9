/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* strerrordesc_np */
#include "forest.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static const struct {
    int error;
    const char *text;
} words[] = {
    { 0, "no error" },
    { EINVAL, "invalid parameter or data" },
    { ENOMEM, "out of memory" },
    { EBADMSG, "damaged, or not of this forest" },
    { EPROTO, "another kind of file, or another layout version" },
    { E2BIG, "too big, or parameters of a newer library" },
    { ERANGE, "no such tree or node" },
};

const char *forest_strerror(int error)
{
    int positive = error < 0 && error > INT_MIN ? -error : error;

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].error == positive)
            return words[i].text;
    const char *text = strerrordesc_np(positive);
    return text ? text : "unknown error";
}

int forest_version(void)
{
    return FOREST_VERSION_MAJOR * 10000 + FOREST_VERSION_MINOR * 100 + FOREST_VERSION_PATCH;
}
