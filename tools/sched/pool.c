/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

const char *pool_folder(char path[POOL_PATH_MAX])
{
    snprintf(path, POOL_PATH_MAX, "/dev/shm/wsched-%u", (unsigned)geteuid());
    return path;
}

const char *pool_wrong_layout(const char *where, char text[POOL_TEXT_MAX])
{
    uint32_t found, known;

    if (wsched_layout_version(where, &found, &known) || found == known)
        snprintf(text, POOL_TEXT_MAX, "not a pool");
    else
        snprintf(text, POOL_TEXT_MAX,
                 "a pool of layout version %u, and this is for version %u: use the %s version of "
                 "sched, the one that belongs to the program that opened it",
                 found, known, found < known ? "older" : "newer");
    return text;
}

int pool_complain(const char *where, int error)
{
    char text[POOL_TEXT_MAX];

    if (error == -ENOENT && !where[strspn(where, "0123456789")])
        complain(where, "no such pool, and no process of this number has one");
    else if (error == -ENOENT)
        complain(where, "no such pool; 'sched ls' lists yours");
    else if (error == -EPROTO)
        complain(where, "%s", pool_wrong_layout(where, text));
    else if (error == -EBADMSG)
        complain(where, "damaged: the sizes in its header make no sense");
    else if (error == -EINVAL)
        complain(where, "no name of a pool");
    else
        complain(where, "cannot open it (%s)", wsched_strerror(error));
    return EXIT_CANNOT;
}

int pool_open(const char *where, struct wsched **out)
{
    int err = wsched_look(where, out);

    return err ? pool_complain(where, err) : EXIT_OK;
}

int pool_cannot(const char *where, const char *what, int error)
{
    complain(where, "%s (%s)", what, wsched_strerror(error));
    return EXIT_CANNOT;
}
