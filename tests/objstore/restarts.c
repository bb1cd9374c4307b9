/* SPDX-License-Identifier: MIT */
#include "restarts.h"

#include "durable.h"
#include "help.h"
#include "test.h"

#include <dirent.h>
#include <fcntl.h>

void restart(const char *path)
{
    uint64_t other = durable_boot() + 2;
    int fd = open(path, O_RDWR);

    REQUIRE(fd >= 0);
    REQUIRE(pwrite(fd, &other, 8, offsetof(struct header, boot)) == 8);
    close(fd);
}

int open_again(const char *path, struct objstore **out)
{
    struct objstore_diag diag = { "" };
    int err = objstore_open(path, NULL, out, &diag);

    if (err)
        fprintf(stderr, "open: %s\n", diag.text);
    return err;
}

static size_t size_of(uint64_t version)
{
    static const size_t sizes[] = { 8, 60, 64, 65, 300, 2000, 4096, 9000, VERSION_BYTES_MAX };

    return sizes[version % 9];
}

int put_version(struct objstore *s, uint64_t n, uint64_t version)
{
    unsigned char bytes[VERSION_BYTES_MAX];
    struct objstore_id id = help_id(n);
    struct objstore_meta meta = { .dtype = OBJSTORE_UINT8, .ndim = 1, .dims = { version } };

    help_fill(bytes, size_of(version), version);
    return objstore_put(s, &id, bytes, size_of(version), &meta);
}

uint64_t version_of(struct objstore *s, uint64_t n)
{
    struct objstore_id id = help_id(n);
    struct objstore_info info;
    struct objstore_view view;
    uint64_t version;

    if (objstore_stat(s, &id, &info))
        return 0;
    version = info.meta.dims[0];
    if (objstore_get(s, &id, 0, &view))
        return UINT64_MAX;
    bool is_right = view.size == size_of(version) && help_is_filled(view.data, view.size, version);
    objstore_release(s, &view);
    return is_right && version ? version : UINT64_MAX;
}

int files_in(const char *folder, bool is_removing)
{
    char file[400];
    int count = 0;
    DIR *d = opendir(folder);

    for (struct dirent *e; d && (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        count++;
        snprintf(file, sizeof file, "%s/%s", folder, e->d_name);
        if (is_removing)
            unlink(file);
    }
    if (d)
        closedir(d);
    return count;
}
