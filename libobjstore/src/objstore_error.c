/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* strerrordesc_np */
#include "objstore.h"

#include <errno.h>
#include <string.h>

/* Where the store means something more exact than errno's text. */
static const struct {
    int error;
    const char *text;
} words[] = {
    { 0, "no error" },
    { ENOENT, "no such store or object" },
    { EEXIST, "it exists already" },
    { ENOSPC, "no room left" },
    { EPROTO, "not a store, or one of another layout version" },
    { EBADMSG, "the store is damaged" },
    { EROFS, "the store is open for reading only, or its file system is mounted so" },
    { EUSERS, "too many processes are attached" },
    { ECHILD, "the handle belongs to the parent process" },
    { ETIMEDOUT, "not in time" },
    { EAGAIN, "it changed meanwhile; try again" },
    { E2BIG, "an option that this library does not know" },
};

const char *objstore_strerror(int error)
{
    unsigned code = error < 0 ? 0u - (unsigned)error : (unsigned)error;

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if ((unsigned)words[i].error == code)
            return words[i].text;
    const char *text = code < 4096 ? strerrordesc_np((int)code) : NULL;
    return text ? text : "unknown error";
}

int objstore_version(void)
{
    return OBJSTORE_VERSION_MAJOR * 10000 + OBJSTORE_VERSION_MINOR * 100 + OBJSTORE_VERSION_PATCH;
}
