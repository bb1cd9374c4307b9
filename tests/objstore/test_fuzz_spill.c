/* SPDX-License-Identifier: MIT */
/*
 * Hostile bytes where a store spills to: its files are flipped, cut, swapped, taken away and
 * replaced by what is no file; the records that lead to them lie, with right checksums; so do the
 * spill page and the files that say whose they are. Every call may fail; none may crash, run for
 * ever, touch other memory, or hand out bytes that are not the object's.
 *
 * Rounds as in test_fuzz.c.
 */
#define _GNU_SOURCE
#include "fuzz.h"
#include "help.h"
#include "spill.h"
#include "spill_owner.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OBJECTS = 30, NAMES = 64 };

static char dir[64];

static size_t size_of(uint64_t n)
{
    return n % 3 == 0 ? 100 + n * 8 : n % 3 == 1 ? 5000 + 100 * n : 40000;
}

static struct objstore *spilled_store(uint64_t *random)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore *s;

    snprintf(dir, sizeof dir, "/var/tmp/objstore-fuzz-XXXXXX");
    CHILD_CHECK(mkdtemp(dir) != NULL);
    o.capacity_bytes = 256 << 10;
    o.flags = OBJSTORE_CREATE | (test_random(random) % 2 ? OBJSTORE_COMPRESS : 0);
    o.spill_dir = dir;
    CHILD_CHECK(objstore_open(NULL, &o, &s, NULL) == 0);
    for (uint64_t n = 1; n <= OBJECTS; n++) {
        struct objstore_id id = help_id(n);
        void *data;

        CHILD_CHECK(objstore_create(s, &id, size_of(n), NULL, &data) == 0);
        if (n % 4) /* the others pack well */
            help_fill(data, size_of(n), n);
        else
            memset(data, (int)n, size_of(n));
        CHILD_CHECK(objstore_seal(s, &id) == 0);
    }
    if (test_random(random) % 4)
        CHILD_CHECK(objstore_spill(s, 256 << 10) >= 0);
    return s;
}

/* Whatever is given out under an id that was spilled is what was sealed under it. */
static void check_objects(struct objstore *s)
{
    for (uint64_t n = 1; n <= OBJECTS; n++) {
        struct objstore_id id = help_id(n);
        struct objstore_view view;

        if (objstore_get(s, &id, 0, &view))
            continue;
        CHILD_CHECK(view.size == size_of(n));
        if (n % 4)
            CHILD_CHECK(help_is_filled(view.data, view.size, n));
        objstore_release(s, &view);
    }
}

/* ---- files --------------------------------------------------------------------------------- */

static unsigned names_in_dir(char names[NAMES][80], bool hidden)
{
    DIR *d = opendir(dir);
    unsigned n = 0;

    CHILD_CHECK(d != NULL);
    for (struct dirent *e; n < NAMES && (e = readdir(d));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && (e->d_name[0] == '.') == hidden)
            snprintf(names[n++], 80, "%.79s", e->d_name);
    closedir(d);
    return n;
}

static void clear_dir(void)
{
    for (int hidden = 0; hidden < 2; hidden++) {
        char names[NAMES][80], path[160];
        unsigned n = names_in_dir(names, hidden);

        for (unsigned i = 0; i < n; i++) {
            snprintf(path, sizeof path, "%s/%.79s", dir, names[i]);
            if (unlink(path))
                CHILD_CHECK(rmdir(path) == 0);
        }
    }
    CHILD_CHECK(rmdir(dir) == 0);
}

static void overwrite(const char *path, uint64_t *random)
{
    unsigned char noise[512];
    struct stat st;
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return;
    CHILD_CHECK(fstat(fd, &st) == 0);
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (unsigned char)test_random(random);
    size_t n = 1 + test_random(random) % (test_random(random) % 2 ? 4 : sizeof noise);
    off_t at = st.st_size ? (off_t)(test_random(random) % (uint64_t)st.st_size) : 0;
    CHILD_CHECK(pwrite(fd, noise, n, at) == (ssize_t)n);
    close(fd);
}

static void damage_file(uint64_t *random)
{
    char names[NAMES][80], path[160], other[160];
    unsigned n = names_in_dir(names, false);
    struct stat st;

    if (!n)
        return;
    snprintf(path, sizeof path, "%s/%s", dir, names[test_random(random) % n]);
    snprintf(other, sizeof other, "%s/%s", dir, names[test_random(random) % n]);
    switch (test_random(random) % 8) {
    case 0: /* cut, or longer */
        if (!stat(path, &st) && S_ISREG(st.st_mode))
            CHILD_CHECK(
                truncate(path, (off_t)(test_random(random) % ((uint64_t)st.st_size * 2 + 1))) == 0);
        break;
    case 1:
        (void)!rename(path, other); /* another's bytes under its name */
        break;
    case 2:
        (void)!(unlink(path) || mkdir(path, 0700));
        break;
    case 3:
        (void)!(unlink(path) || symlink(other, path));
        break;
    case 4:
        (void)!(unlink(path) || mkfifo(path, 0600));
        break;
    case 5:
        (void)!unlink(path);
        break;
    default:
        overwrite(path, random);
    }
}

static void damaged_files(uint64_t random)
{
    struct objstore *s = spilled_store(&random);

    for (int i = 0; i < 12; i++) {
        damage_file(&random);
        if (random % 3 == 0) {
            struct objstore_diag diag;
            (void)!objstore_verify_spilled(s, &diag);
        }
        fuzz_use(s, &random, 30);
        (void)!objstore_spill(s, test_random(&random) % (512 << 10));
    }
    fuzz_use_widely(s, &random);
    objstore_close(s);
    clear_dir();
}

/* The same without calls that put other objects under these ids. */
static void damaged_files_read(uint64_t random)
{
    struct objstore *s = spilled_store(&random);

    for (int i = 0; i < 12; i++) {
        damage_file(&random);
        check_objects(s);
        (void)!objstore_spill(s, test_random(&random) % (512 << 10));
    }
    objstore_close(s);
    clear_dir();
}

/* ---- records and the page ------------------------------------------------------------------ */

static uint64_t twisted(uint64_t v, uint64_t *random)
{
    switch (test_random(random) % 5) {
    case 0:
        return v ^ 1ull << test_random(random) % 64;
    case 1:
        return test_random(random) >> test_random(random) % 64;
    case 2:
        return v + 1;
    case 3:
        return v - 1;
    default:
        return 0;
    }
}

/* A lie about one object: `check` is right, so nothing but the file itself tells. */
static void lie_in_record(struct objstore *s, uint64_t *random)
{
    uint32_t slot = (uint32_t)(test_random(random) % (OBJECTS + 8));
    struct spill_record r;

    if (!spill_record_read(s, slot, &r))
        return;
    switch (test_random(random) % 7) {
    case 0:
        r.file = (uint32_t)twisted(r.file, random);
        break;
    case 1:
        r.bit = (uint32_t)twisted(r.bit, random) & 0xff;
        break;
    case 2:
        r.number = twisted(r.number, random);
        break;
    case 3:
        r.at = twisted(r.at, random);
        break;
    case 4:
        r.stored = twisted(r.stored, random);
        break;
    case 5:
        r.is_packed = !r.is_packed;
        break;
    default:
        au64_store_relaxed(&slot_at(s, slot)->size, twisted(r.stored, random));
    }
    spill_record_write(s, slot, &r);
}

static void lie_in_page(struct objstore *s, uint64_t *random)
{
    struct spill_page *page = s->spill->page;
    struct au64 *words[] = { &page->hand, &page->hand_slot, &page->files, &page->moves };

    if (test_random(random) % 3) {
        struct au64 *w = words[test_random(random) % 4];

        au64_store_relaxed(w, twisted(au64_load_relaxed(w), random));
        return;
    }
    struct spill_fixed *f = &page->fixed;
    unsigned char *bytes = (unsigned char *)f;
    size_t at =
        test_random(random) % 2 ? test_random(random) % 100 : test_random(random) % sizeof *f;

    bytes[at] ^= (unsigned char)(1 + test_random(random) % 255);
    if (test_random(random) % 2)
        f->check = spill_fixed_check(f);
}

static void lies(uint64_t random)
{
    struct objstore *s = spilled_store(&random), *own;

    for (int i = 0; i < 10; i++) {
        for (uint64_t n = test_random(&random) % 6; n > 0; n--)
            lie_in_record(s, &random);
        if (test_random(&random) % 3 == 0)
            lie_in_page(s, &random);
        if (objstore_open_fd(objstore_fd(s), NULL, &own, NULL) == 0) {
            fuzz_use(own, &random, 40);
            (void)!objstore_spill(own, test_random(&random) % (512 << 10));
            objstore_close(own);
        }
        fuzz_use(s, &random, 20);
    }
    objstore_close(s);
    clear_dir();
}

/* ---- owner files --------------------------------------------------------------------------- */

static void owner_files(uint64_t random)
{
    static char content[2 * 4096];
    struct objstore *s = spilled_store(&random);
    char path[160];

    for (int i = 0; i < 20; i++) {
        uint64_t r = test_random(&random);
        size_t n = test_random(&random) % 3 ? test_random(&random) % 40
                                            : test_random(&random) % sizeof content;
        static const char *const paths[] = { "/",        "/dev/zero",      "/dev/null",
                                             "relative", "/proc/self/mem", "/dev/shm",
                                             "" };

        for (size_t k = 0; k < n; k++)
            content[k] = (char)(r % 5 ? 'a' + (k + r) % 26 : test_random(&random));
        content[0] = '/';
        if (r % 3 == 0) {
            n = strlen(paths[r / 3 % 7]);
            memcpy(content, paths[r / 3 % 7], n);
        }
        snprintf(path, sizeof path, "%s/.objstore-%016llx%016llx", dir,
                 (unsigned long long)test_random(&random), (unsigned long long)r);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        CHILD_CHECK(fd >= 0 && write(fd, content, n) == (ssize_t)n);
        close(fd);
        if (r % 7 == 0)
            CHILD_CHECK(unlink(path) == 0 &&
                        (r % 2 ? mkfifo(path, 0600) : symlink("/dev/zero", path)) == 0);
    }
    struct objstore_orphans found;
    CHILD_CHECK(objstore_spill_orphans(dir, false, &found) == 0 && found.stores <= 20);
    CHILD_CHECK(objstore_spill_orphans(dir, true, &found) == 0);
    check_objects(s); /* its own are not among them */
    struct objstore_stats stats;
    CHILD_CHECK(objstore_stats(s, &stats) == 0 && objstore_verify_spilled(s, NULL) == 0);
    objstore_close(s);
    clear_dir();
}

static void fuzz_files(void)
{
    fuzz_rounds(damaged_files, 40);
}
static void fuzz_files_read(void)
{
    fuzz_rounds(damaged_files_read, 30);
}
static void fuzz_lies(void)
{
    fuzz_rounds(lies, 60);
}
static void fuzz_owner_files(void)
{
    fuzz_rounds(owner_files, 10);
}

TESTS("fuzz_spill", { "spill files are damaged while the store is used", fuzz_files },
      { "what is read back is what was sealed, or an error", fuzz_files_read },
      { "records and the page lie", fuzz_lies },
      { "files that say whose they are say anything", fuzz_owner_files })
