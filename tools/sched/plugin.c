/* SPDX-License-Identifier: MIT */
#include "plugin.h"

#include <dlfcn.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

int plugin_load(const char *path, const struct wsched_kernel **kernels, size_t *count)
{
    char here[PATH_MAX];

    /* A name without '/' is a file here, as with all other commands; dlopen() would look for it
     * among the system's libraries. */
    snprintf(here, sizeof here, "%s%s", strchr(path, '/') ? "" : "./", path);
    void *library = dlopen(here, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        complain(path, "cannot load it (%s)", dlerror());
        return EXIT_CANNOT;
    }
    const struct wsched_kernel *table = dlsym(library, WSCHED_PLUGIN_SYMBOL);
    if (!table) {
        complain(path, "exports no kernels: it needs 'const struct wsched_kernel %s[]'",
                 WSCHED_PLUGIN_SYMBOL);
        return EXIT_CANNOT;
    }
    size_t n = 0;
    while (table[n].name)
        n++;
    if (!n) {
        complain(path, "its table of kernels is empty");
        return EXIT_CANNOT;
    }
    *kernels = table;
    *count = n;
    return EXIT_OK;
}

static sigset_t awaited(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    return set;
}

void signals_begin(void)
{
    sigset_t set = awaited();

    sigprocmask(SIG_BLOCK, &set, NULL);
}

int signals_next(void)
{
    sigset_t set = awaited();
    int number = 0;

    while (sigwait(&set, &number))
        ;
    return number;
}
