/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "temp.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

static char directory[64];

const char *temp_path(const char *name)
{
    static char path[400];
    if (!directory[0]) {
        snprintf(directory, sizeof directory, "/tmp/test-tools-XXXXXX");
        REQUIRE(mkdtemp(directory) != NULL);
    }
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

const char *temp_file(const char *name, const void *data, size_t size)
{
    const char *path = temp_path(name);
    FILE *f = fopen(path, "wb");
    REQUIRE(f != NULL);
    REQUIRE(fwrite(data, 1, size, f) == size);
    REQUIRE(fclose(f) == 0);
    return path;
}

static int each(int (*what)(const char *path))
{
    int count = 0;
    DIR *dir = opendir(directory);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[400];
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        count++;
        if (what)
            what(path);
    }
    if (dir)
        closedir(dir);
    return count;
}

int temp_count(void)
{
    return each(NULL);
}

void temp_clean(void)
{
    each(unlink);
    rmdir(directory);
    directory[0] = 0;
}
