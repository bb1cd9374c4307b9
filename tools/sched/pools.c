/* SPDX-License-Identifier: MIT */
/*
 * pools.c -- a pool without a name is memory that all of its processes have a descriptor of. They
 * are one another's children, so the process whose parent does not have it is the driver.
 */
#include "pools.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool.h"

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int visit_named(int (*visit)(const char *where, void *ctx), void *ctx)
{
    char folder[POOL_PATH_MAX];
    struct dirent **entries = NULL;
    int n = scandir(pool_folder(folder), &entries, is_visible, alphasort), r = 0;

    if (n < 0)
        return errno == ENOENT ? 0 : -errno;
    for (int i = 0; i < n; i++) {
        if (!r)
            r = visit(entries[i]->d_name, ctx);
        free(entries[i]);
    }
    free(entries);
    return r;
}

/* ---- those without names ------------------------------------------------------------------- */

struct member { /* a process, and the memory of a pool that it has a descriptor of */
    int pid, parent;
    ino_t memory;
};

struct members {
    struct member *at;
    size_t count, capacity;
};

static int parent_of(int pid)
{
    char path[40], line[128];
    int parent = 0;

    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "PPid: %d", &parent) == 1)
            break;
    if (file)
        fclose(file);
    return parent;
}

static int keep(struct members *all, int pid, ino_t memory)
{
    if (all->count == all->capacity) {
        size_t capacity = all->capacity ? 2 * all->capacity : 64;
        struct member *at = realloc(all->at, capacity * sizeof *at);
        if (!at)
            return -ENOMEM;
        all->at = at;
        all->capacity = capacity;
    }
    all->at[all->count++] = (struct member){ pid, parent_of(pid), memory };
    return 0;
}

/* The descriptors of one process; of others' processes we see none. */
static int look_at_process(struct members *all, int pid)
{
    char path[64], target[32];
    struct stat st;
    int err = 0;

    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *folder = opendir(path);
    if (!folder)
        return 0;
    for (const struct dirent *e; !err && (e = readdir(folder));) {
        ssize_t n = readlinkat(dirfd(folder), e->d_name, target, sizeof target - 1);
        if (n <= 0)
            continue;
        target[n] = 0;
        if (!strncmp(target, "/memfd:wsched ", 14) && !fstatat(dirfd(folder), e->d_name, &st, 0))
            err = keep(all, pid, st.st_ino);
    }
    closedir(folder);
    return err;
}

static int look_at_all(struct members *all)
{
    DIR *folder = opendir("/proc");
    int err = folder ? 0 : -errno;

    for (const struct dirent *e; !err && (e = readdir(folder));)
        if (isdigit((unsigned char)e->d_name[0]))
            err = look_at_process(all, atoi(e->d_name));
    if (folder)
        closedir(folder);
    return err;
}

static bool has_it(const struct members *all, int pid, ino_t memory)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->at[i].pid == pid && all->at[i].memory == memory)
            return true;
    return false;
}

static int visit_nameless(int (*visit)(const char *where, void *ctx), void *ctx)
{
    struct members all = { NULL, 0, 0 };
    int r = look_at_all(&all);

    for (size_t i = 0; i < all.count && !r; i++) {
        const struct member *m = &all.at[i];
        char where[64];
        bool is_first = true;
        if (has_it(&all, m->parent, m->memory))
            continue;
        for (size_t j = 0; j < i && is_first; j++) /* of two descriptors of one process */
            is_first = all.at[j].pid != m->pid;
        if (!is_first)
            continue;
        snprintf(where, sizeof where, "%d", m->pid);
        r = visit(where, ctx);
    }
    free(all.at);
    return r;
}

int pools_visit(int (*visit)(const char *where, void *ctx), void *ctx)
{
    int r = visit_named(visit, ctx);

    return r ? r : visit_nameless(visit, ctx);
}
