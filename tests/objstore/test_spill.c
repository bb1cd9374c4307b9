/* SPDX-License-Identifier: MIT */
/* Stores that make room by themselves: by spilling to files, or by evicting. */
#include "spill_kit.h"
#include "spill.h"
#include "slot.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Does any of its files have such a byte? */
static bool dir_has_byte(int byte)
{
    static char bytes[1 << 20];
    DIR *d = opendir(kit_dir);
    bool is_there = false;

    for (struct dirent *e; d && (e = readdir(d));) {
        int fd = e->d_name[0] == '.' ? -1 : openat(dirfd(d), e->d_name, O_RDONLY);

        for (ssize_t n; fd >= 0 && (n = read(fd, bytes, sizeof bytes)) > 0;)
            is_there |= memchr(bytes, byte, (size_t)n) != NULL;
        if (fd >= 0)
            close(fd);
    }
    if (d)
        closedir(d);
    return is_there;
}

/* Of 512 bytes, that its files take. */
static uint64_t blocks_in_dir(void)
{
    DIR *d = opendir(kit_dir);
    uint64_t blocks = 0;
    struct stat st;

    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.' && !fstatat(dirfd(d), e->d_name, &st, 0))
            blocks += (uint64_t)st.st_blocks;
    if (d)
        closedir(d);
    return blocks;
}

static size_t size_of(uint64_t number, size_t largest)
{
    uint64_t random = number;
    uint64_t r = test_random(&random);

    return r % 8 < 5 ? 65 + r / 8 % 3000 : 65 + r / 8 % largest;
}

/* ---- spilling ------------------------------------------------------------------------------ */

static void far_more_than_fits(uint32_t flags)
{
    kit_make_dir();
    struct objstore *s = kit_make(1 << 20, flags);
    enum { COUNT = 600 };
    uint64_t all = 0;

    for (uint64_t i = 0; i < COUNT; i++) {
        all += size_of(i, 100000);
        CHECK_EQ(kit_put(s, i, size_of(i, 100000)), 0);
    }
    CHECK(all > 8u << 20);
    struct objstore_stats st = kit_stats(s);
    CHECK_EQ(st.objects_sealed + st.objects_spilled, COUNT);
    CHECK(st.objects_spilled > COUNT / 2);
    CHECK(st.spills >= st.objects_spilled && st.spill_file_bytes > 0 && st.can_spill);
    CHECK_EQ(objstore_verify_spilled(s, NULL), 0);
    CHECK(help_is_sound(s));
    for (uint64_t i = 0; i < COUNT; i++) {
        struct objstore_id id = help_id(i);
        struct objstore_info info;

        CHECK(objstore_contains(s, &id));
        CHECK_EQ(objstore_stat(s, &id, &info), 0);
        CHECK(info.size == size_of(i, 100000) && info.meta.ndim == i % 2);
    }
    uint64_t random = test_seed;
    for (uint64_t i = 0; i < 2 * COUNT; i++) {
        uint64_t n = test_random(&random) % COUNT;

        CHECK(kit_get(s, n, size_of(n, 100000)));
    }
    st = kit_stats(s);
    CHECK(st.restores > 0 && st.restores_bytes > 0);
    CHECK_EQ(st.objects_sealed + st.objects_spilled, COUNT);
    for (uint64_t i = 0; i < COUNT; i++) {
        struct objstore_id id = help_id(i);

        CHECK_EQ(objstore_delete(s, &id), 0);
        CHECK(!objstore_contains(s, &id));
    }
    st = kit_stats(s);
    CHECK(st.used_bytes == 0 && st.objects_spilled == 0 && st.spill_file_bytes == 0);
    CHECK_EQ(kit_files(NULL), 0);
    kit_end(s);
}

static void more_than_fits(void)
{
    far_more_than_fits(0);
}

static void more_than_fits_compressed(void)
{
    far_more_than_fits(OBJSTORE_COMPRESS);
}

/* ---- what can go wrong --------------------------------------------------------------------- */

/* One damaged file: its object says so, and everything else goes on. */
static void damaged_file(void)
{
    struct objstore_diag diag = { "" };
    char path[400];
    unsigned char byte = 0;

    kit_make_dir();
    struct objstore *s = kit_make(1 << 20, 0);
    CHECK_EQ(kit_put(s, 1, 300000), 0);
    CHECK(objstore_spill(s, 1 << 20) > 0);
    CHECK_EQ(kit_files(path), 1);
    CHECK_EQ(kit_put(s, 2, 300000), 0);
    int fd = open(path, O_RDWR);
    REQUIRE(fd >= 0 && pread(fd, &byte, 1, 100000) == 1);
    byte ^= 1;
    REQUIRE(pwrite(fd, &byte, 1, 100000) == 1);
    struct objstore_id id = help_id(1);
    struct objstore_view view;
    CHECK_EQ(objstore_get(s, &id, 0, &view), -EBADMSG);
    CHECK_EQ(objstore_verify_spilled(s, &diag), -EBADMSG);
    CHECK(kit_get(s, 2, 300000) && help_is_sound(s) && objstore_contains(s, &id));
    byte ^= 1; /* mended: nothing was lost by looking */
    REQUIRE(pwrite(fd, &byte, 1, 100000) == 1);
    close(fd);
    CHECK(kit_get(s, 1, 300000));
    CHECK_EQ(kit_files(NULL), 0);
    kit_end(s);
}

static void missing_file(void)
{
    char path[400], away[416];

    kit_make_dir();
    struct objstore *s = kit_make(1 << 20, 0);
    struct objstore_id id = help_id(1);
    struct objstore_view view;
    CHECK_EQ(kit_put(s, 1, 300000), 0);
    CHECK(objstore_spill(s, 1 << 20) > 0);
    CHECK_EQ(kit_files(path), 1);
    CHECK_EQ(kit_put(s, 2, 300000), 0);
    snprintf(away, sizeof away, "%s.away", path);
    REQUIRE(rename(path, away) == 0);
    CHECK_EQ(objstore_get(s, &id, 0, &view), -EBADMSG);
    CHECK(kit_get(s, 2, 300000) && help_is_sound(s) && objstore_contains(s, &id));
    REQUIRE(rename(away, path) == 0);
    CHECK(kit_get(s, 1, 300000)); /* nothing was lost by looking */
    CHECK(objstore_spill(s, 2 << 20) > 0);
    CHECK(kit_files(path) > 0);
    int cut = truncate(path, 70000); /* one or both of them are in it */
    int errors = 0;
    REQUIRE(cut == 0);
    for (uint64_t n = 1; n <= 2; n++) {
        id = help_id(n);
        int err = objstore_get(s, &id, 0, &view);
        CHECK(err == 0 || err == -EBADMSG);
        errors += err != 0;
        if (!err)
            objstore_release(s, &view);
        CHECK_EQ(objstore_delete(s, &id), 0);
    }
    CHECK(errors > 0);
    CHECK_EQ(help_used(s), 0);
    CHECK_EQ(kit_put(s, 3, 900000), 0); /* the store goes on */
    CHECK(kit_get(s, 3, 900000));
    kit_end(s);
}

/* What is packed shares a page with the next: when it goes that stays. */
static void packed_neighbours(void)
{
    enum { COUNT = 6, BYTES = 600001 };
    uint64_t random = test_seed;

    kit_make_dir();
    struct objstore *s = kit_make(8 << 20, OBJSTORE_COMPRESS);
    struct objstore_view view;

    for (uint64_t n = 0; n < COUNT; n++) {
        struct objstore_id id = help_id(n);
        void *data;

        REQUIRE_OK(objstore_create(s, &id, BYTES, NULL, &data));
        memset(data, 0, BYTES);
        for (size_t at = 0; at + 2048 < BYTES; at += 4096) /* half of it packs well */
            for (size_t i = 0; i < 2048; i += 8) {
                uint64_t word = test_random(&random);

                memcpy((char *)data + at + i, &word, 8);
            }
        CHECK_EQ(objstore_seal(s, &id), 0);
    }
    CHECK(objstore_spill(s, 8 << 20) > 0);
    CHECK_EQ(kit_files(NULL), 1);
    for (uint64_t n = 0; n < COUNT; n += 2) {
        struct objstore_id id = help_id(n);

        CHECK_EQ(objstore_delete(s, &id), 0);
    }
    for (uint64_t n = 1; n < COUNT; n += 2) {
        struct objstore_id id = help_id(n);

        REQUIRE_OK(objstore_get(s, &id, 0, &view)); /* it is checked */
        objstore_release(s, &view);
    }
    CHECK_EQ(kit_files(NULL), 0);
    kit_end(s);
}

/* The disk gets back what objects leave, also while others of their file stay. */
static void holes(void)
{
    enum { COUNT = 64, BYTES = 1 << 20 };
    kit_make_dir();
    struct objstore *s = kit_make(2 * (uint64_t)COUNT * BYTES, 0);
    for (uint64_t n = 0; n < COUNT; n++)
        CHECK_EQ(kit_put(s, n, BYTES), 0);
    CHECK(objstore_spill(s, 2 * (uint64_t)COUNT * BYTES) > 0);
    uint64_t before = blocks_in_dir();
    CHECK(before >= (uint64_t)COUNT * BYTES / 512);
    CHECK_EQ(kit_files(NULL), 4); /* of 16 MiB, which go one after the other */
    for (uint64_t n = 0; n + 1 < COUNT; n++)
        CHECK(kit_get(s, n, BYTES));
    CHECK(blocks_in_dir() <= before / 2 + 64);
    CHECK(kit_get(s, COUNT - 1, BYTES));
    CHECK_EQ(kit_files(NULL), 0);
    kit_end(s);
}

static void put_filled(struct objstore *s, uint64_t first, uint64_t count, size_t size, int byte)
{
    static char bytes[4096];

    memset(bytes, byte, size);
    for (uint64_t n = first; n < first + count; n++) {
        struct objstore_id id = help_id(n);

        REQUIRE_OK(objstore_put(s, &id, bytes, size, NULL));
    }
}

/* Buffers are used again: between small objects, and behind them, is nothing of other objects. */
static void nothing_of_others_between(void)
{
    enum { COUNT = 200 };

    kit_make_dir();
    struct objstore *s = kit_make(4 << 20, 0);
    put_filled(s, 0, COUNT, 3000, 0xaa);
    CHECK(objstore_spill(s, 4 << 20) > 0);
    CHECK(dir_has_byte(0xaa));
    for (uint64_t n = 0; n < COUNT; n++) {
        struct objstore_id id = help_id(n);

        CHECK_EQ(objstore_delete(s, &id), 0);
    }
    CHECK_EQ(kit_files(NULL), 0);
    put_filled(s, COUNT, COUNT, 100, 0x55); /* they lie at multiples of 64 */
    CHECK(objstore_spill(s, 4 << 20) > 0);
    CHECK(dir_has_byte(0x55) && !dir_has_byte(0xaa));
    kit_end(s);
}

static void hole_of_a_large_object(void)
{
    const uint64_t small = 15 << 20, large = 40 << 20;
    kit_make_dir();
    struct objstore *s = kit_make(small + large + (1 << 20), 0);
    CHECK_EQ(kit_put(s, 0, small), 0);
    CHECK_EQ(kit_put(s, 1, large), 0);
    CHECK(objstore_spill(s, small + large) > 0);
    CHECK_EQ(kit_files(NULL), 1);
    uint64_t before = blocks_in_dir();
    CHECK(kit_get(s, 1, large));
    CHECK_EQ(kit_files(NULL), 1);
    CHECK(blocks_in_dir() <= before - large / 512 + 64);
    CHECK(kit_get(s, 0, small));
    CHECK_EQ(kit_files(NULL), 0);
    kit_end(s);
}

/* A reader without a lease sees spilled objects, and moves nothing. */
static void read_only(void)
{
    static unsigned char bytes[300000];
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore_id id = help_id(1);
    struct objstore *reader;
    size_t size;

    kit_make_dir();
    struct objstore *s = kit_make(1 << 20, 0);
    CHECK_EQ(kit_put(s, 1, sizeof bytes), 0);
    CHECK(objstore_spill(s, 1 << 20) > 0);
    o.flags = OBJSTORE_READ_ONLY;
    REQUIRE_OK(objstore_open_fd(objstore_fd(s), &o, &reader, NULL));
    CHECK_EQ(objstore_read(reader, &id, bytes, sizeof bytes, &size), 0);
    CHECK(size == sizeof bytes && help_is_filled(bytes, size, 1));
    objstore_close(reader);
    CHECK_EQ(kit_stats(s).objects_spilled, 1);
    kit_end(s);
}

/* All is viewed: then full is an error; released, it is not. */
static void what_is_viewed_stays(void)
{
    struct objstore_id id = help_id(1);
    struct objstore_view view;

    kit_make_dir();
    struct objstore *s = kit_make(1 << 20, 0);
    CHECK_EQ(kit_put(s, 1, 900000), 0);
    CHECK_EQ(objstore_get(s, &id, 0, &view), 0);
    CHECK_EQ(kit_put(s, 2, 900000), -ENOSPC);
    CHECK(help_is_filled(view.data, view.size, 1));
    objstore_release(s, &view);
    CHECK_EQ(kit_put(s, 2, 900000), 0);
    CHECK(kit_get(s, 1, 900000) && kit_get(s, 2, 900000));
    CHECK_EQ(kit_put(s, 3, 1 << 20), 0); /* as large as the capacity */
    CHECK(kit_get(s, 1, 900000) && kit_get(s, 3, 1 << 20));
    kit_end(s);
}

/* A view taken before the object was spilled stays valid while others restore it. */
static void views_outlive_a_move(void)
{
    struct objstore_id id = help_id(1);
    struct objstore_view a, b;

    kit_make_dir();
    struct objstore *s = kit_make(1 << 20, 0), *other = help_attach(s);
    CHECK_EQ(kit_put(s, 1, 200000), 0);
    CHECK(objstore_spill(s, 1 << 20) > 0);
    CHECK_EQ(objstore_get(s, &id, 0, &a), 0);
    CHECK_EQ(objstore_get(other, &id, 0, &b), 0);
    CHECK(objstore_spill(other, 1 << 20) == 0); /* it is viewed */
    CHECK_EQ(objstore_delete(other, &id), 0);
    CHECK(help_is_filled(a.data, a.size, 1) && help_is_filled(b.data, b.size, 1));
    objstore_release(s, &a);
    objstore_release(other, &b);
    CHECK_EQ(help_used(s), 0);
    objstore_close(other);
    kit_end(s);
}

/* The files go with the store: closed by its last user, destroyed, or left by the dead. */
static void no_file_outlives_its_store(void)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    char path[100];
    struct objstore *s;

    kit_make_dir();
    snprintf(path, sizeof path, "/dev/shm/objstore-test-%d", (int)getpid());
    o.flags = OBJSTORE_CREATE;
    o.capacity_bytes = 1 << 20;
    o.spill_dir = kit_dir;
    REQUIRE_OK(objstore_open(path, &o, &s, NULL));
    CHECK_EQ(kit_put(s, 1, 300000), 0);
    CHECK(objstore_spill(s, 1 << 20) > 0);
    objstore_close(s);
    CHECK_EQ(kit_files(NULL), 1); /* it has a name, and can be opened again */
    REQUIRE_OK(objstore_open(path, NULL, &s, NULL));
    CHECK(kit_get(s, 1, 300000));
    CHECK(objstore_spill(s, 1 << 20) > 0);
    CHECK_EQ(objstore_destroy(path), 0);
    CHECK(kit_get(s, 1, 300000)); /* who is attached keeps it */
    CHECK(objstore_spill(s, 1 << 20) > 0);
    objstore_close(s);
    CHECK_EQ(kit_files(NULL), 0);
    REQUIRE_OK(objstore_open(path, &o, &s, NULL));
    CHECK_EQ(kit_put(s, 1, 300000), 0);
    CHECK(objstore_spill(s, 1 << 20) > 0);
    objstore_close(s);
    CHECK_EQ(objstore_destroy(path), 0);
    CHECK_EQ(kit_files(NULL), 0);
    CHECK_EQ(rmdir(kit_dir), 0);
}

/* ---- a cache ------------------------------------------------------------------------------- */

static void cache_keeps_what_is_used(void)
{
    struct objstore *s = kit_make(1 << 20, OBJSTORE_CACHE);
    unsigned hot = 0;

    for (uint64_t i = 0; i < 20; i++)
        CHECK_EQ(kit_put(s, i, 8000), 0);
    for (uint64_t i = 1000; i < 4000; i++) { /* a scan of many times the capacity */
        CHECK_EQ(kit_put(s, i, 8000), 0);
        for (uint64_t n = 0; i % 20 == 0 && n < 20; n++) {
            struct objstore_id id = help_id(n);
            struct objstore_view view;

            if (objstore_get(s, &id, 0, &view) == 0)
                objstore_release(s, &view);
        }
    }
    for (uint64_t n = 0; n < 20; n++) {
        struct objstore_id id = help_id(n);

        hot += objstore_contains(s, &id);
    }
    struct objstore_stats st = kit_stats(s);
    CHECK_EQ(hot, 20);
    CHECK(st.is_cache && st.evictions > 2800 && st.objects_spilled == 0);
    CHECK(help_is_sound(s));
    objstore_close(s);
}

/*
 * Who looks for victims marks them, and may be so slow that the slot is a file's by then: that must
 * not make another file of it.
 */
static void late_marks_do_no_harm(void)
{
    enum { N = 400 };
    uint32_t files = 0;

    kit_make_dir();
    struct objstore *s = kit_make(1 << 20, 0);
    for (uint64_t n = 0; n < N; n++)
        REQUIRE_OK(kit_put(s, n, size_of(n, 20000)));
    for (uint32_t i = 0; i < slots_in_use(s); i++)
        if (word_state(au64_load_acquire(&slot_at(s, i)->word)) == SLOT_FILE) {
            au64_or_acq_rel(&slot_at(s, i)->created, files % 2 ? CREATED_CLAIMED : CREATED_USED);
            if (files++ % 3 == 0)
                au64_and_acq_rel(&slot_at(s, i)->created, ~(CREATED_USED | CREATED_CLAIMED));
        }
    CHECK(files > 4);
    CHECK(help_is_sound(s));
    for (uint64_t n = 0; n < N; n++) {
        struct objstore_id id = help_id(n);

        CHECK(kit_get(s, n, size_of(n, 20000)));
        CHECK_EQ(objstore_delete(s, &id), 0);
    }
    CHECK_EQ(kit_files(NULL), 0);
    CHECK_EQ(help_used(s), 0);
    kit_end(s);
}

/* A file of several parts goes when the last of them does, in whatever order. */
static void parts_of_a_file(void)
{
    enum { N = 5 * SPILL_BATCH, SIZE = 300 };

    kit_make_dir();
    struct objstore *s = kit_make(2 << 20, 0);
    for (uint64_t n = 0; n < N; n++)
        REQUIRE_OK(kit_put(s, n, SIZE));
    CHECK(objstore_spill(s, 2 << 20) > 0);
    uint32_t parts = 0;
    for (uint32_t i = 0; i < slots_in_use(s); i++)
        parts += word_state(au64_load_acquire(&slot_at(s, i)->word)) == SLOT_FILE;
    unsigned files = kit_files(NULL);
    CHECK(parts > 2 * files);
    CHECK_EQ(kit_stats(s).objects_spilled, N);
    CHECK_EQ(kit_stats(s).spill_file_bytes, blocks_in_dir() * 512);
    for (uint64_t n = 0; n < N; n += 2) { /* half of each part */
        struct objstore_id id = help_id(n);

        CHECK_EQ(objstore_delete(s, &id), 0);
    }
    CHECK_EQ(kit_files(NULL), files);
    CHECK(help_is_sound(s));
    for (uint64_t i = 0; i < N / 2; i++) { /* a part here, a part there */
        uint64_t n = i * 1111 % (N / 2) * 2 + 1;
        struct objstore_id id = help_id(n);

        CHECK(kit_get(s, n, SIZE));
        CHECK_EQ(objstore_delete(s, &id), 0);
    }
    CHECK_EQ(kit_files(NULL), 0);
    CHECK_EQ(kit_stats(s).spill_file_bytes, 0);
    kit_end(s);
}

/* ---- two processes, kills in between, a ledger outside the store ---------------------------- */

enum { LEDGER = 1024, WORKERS = 2 };
enum { ABSENT, PUTTING, SEALED, DELETING }; /* PUTTING, DELETING: only its owner knows */
struct ledger {
    _Atomic uint32_t state[LEDGER]; /* of object n, which worker n % WORKERS puts and deletes */
    _Atomic uint64_t gets, puts, deletes;
    bool is_cache;
};

static size_t storm_size(uint64_t n)
{
    return size_of(n, 200000);
}

static void storm_put(struct objstore *s, struct ledger *ledger, uint32_t n)
{
    bool is_again = ledger->state[n] == PUTTING;

    ledger->state[n] = PUTTING;
    int err = kit_put(s, n, storm_size(n));
    CHILD_CHECK(err == 0 || err == -ENOSPC || (err == -EEXIST && is_again));
    if (err != -ENOSPC) {
        ledger->state[n] = SEALED;
        ledger->puts++;
    } else if (!is_again) {
        ledger->state[n] = ABSENT;
    }
}

static void storm_delete(struct objstore *s, struct ledger *ledger, uint32_t n)
{
    struct objstore_id id = help_id(n);
    bool is_again = ledger->state[n] == DELETING;

    ledger->state[n] = DELETING;
    int err = objstore_delete(s, &id);
    CHILD_CHECK(err == 0 || (err == -ENOENT && (is_again || ledger->is_cache)));
    CHILD_CHECK(!objstore_contains(s, &id));
    ledger->state[n] = ABSENT;
    ledger->deletes++;
}

static void storm_get(struct objstore *s, struct ledger *ledger, uint32_t n)
{
    struct objstore_id id = help_id(n);
    struct objstore_view view;

    if (ledger->state[n] != SEALED)
        return;
    int err = objstore_get(s, &id, 0, &view);
    /* Deleted and put again between our two looks? Not again and again. */
    for (int i = 0; i < 100 && err == -ENOENT && !ledger->is_cache && ledger->state[n] == SEALED;
         i++)
        err = objstore_get(s, &id, 0, &view);
    if (err == -ENOENT && (ledger->is_cache || ledger->state[n] != SEALED))
        return;
    if (err == -ENOSPC) /* for the moment all is viewed, or being moved */
        return;
    if (err)
        fprintf(stderr, "get %u: %s\n", n, objstore_strerror(err));
    CHILD_CHECK(err == 0);
    CHILD_CHECK(view.size == storm_size(n) && help_is_filled(view.data, view.size, n));
    objstore_release(s, &view);
    ledger->gets++;
}

/* Puts and deletes its own objects, and gets any that the ledger says are there. */
static void storm_worker(int fd, struct ledger *ledger, uint32_t who, uint64_t random)
{
    struct objstore *s;

    CHILD_CHECK(objstore_open_fd(fd, NULL, &s, NULL) == 0);
    for (;;) {
        uint64_t r = test_random(&random);
        uint32_t n = (uint32_t)(r >> 8) % LEDGER, own = n - n % WORKERS + who;
        uint32_t state = ledger->state[own];

        if (r % 4 == 0 && (state == ABSENT || state == PUTTING))
            storm_put(s, ledger, own);
        else if (state == DELETING || (r % 16 == 1 && state == SEALED))
            storm_delete(s, ledger, own);
        else
            storm_get(s, ledger, n);
    }
}

static pid_t start_worker(int fd, struct ledger *ledger, uint32_t who, uint64_t seed)
{
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0)
        storm_worker(fd, ledger, who, seed);
    return child;
}

static bool progress_until(struct ledger *ledger, uint64_t more, pid_t of)
{
    uint64_t until = ledger->gets + ledger->puts + more, sleeps = 0;

    while (ledger->gets + ledger->puts < until)
        if (!help_sleep_beside(of, &sleeps))
            return false;
    return true;
}

/* Kill at a random moment, told by the others' progress; sometimes stop one for a while before. */
static void kill_and_stop(struct objstore *s, struct ledger *ledger, uint64_t kills)
{
    uint64_t random = test_seed;
    pid_t worker[WORKERS];

    for (uint32_t i = 0; i < WORKERS; i++)
        worker[i] = start_worker(objstore_fd(s), ledger, i, test_random(&random));
    for (uint64_t k = 0; k < kills; k++) {
        uint32_t who = (uint32_t)(test_random(&random) % WORKERS);

        if (k % 3 == 0) { /* the other must get on while this one stands still */
            kill(worker[who], SIGSTOP);
            REQUIRE(progress_until(ledger, 5, worker[!who]));
            kill(worker[who], SIGCONT);
        }
        REQUIRE(progress_until(ledger, test_random(&random) % 20, worker[who]));
        kill(worker[who], SIGKILL);
        CHECK_EQ(help_wait(worker[who]), 128 + SIGKILL);
        worker[who] = start_worker(objstore_fd(s), ledger, who, test_random(&random));
    }
    for (uint32_t i = 0; i < WORKERS; i++) {
        kill(worker[i], SIGKILL);
        CHECK_EQ(help_wait(worker[i]), 128 + SIGKILL);
    }
}

static void storm(bool is_cache)
{
    const char *wanted = getenv("STORM");
    uint64_t kills = wanted ? strtoull(wanted, NULL, 0) : 150;
    struct ledger *ledger =
        mmap(NULL, sizeof *ledger, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    REQUIRE(ledger != MAP_FAILED);
    ledger->is_cache = is_cache;
    kit_make_dir();
    struct objstore *s = kit_make(4 << 20, is_cache ? OBJSTORE_CACHE : 0);
    kill_and_stop(s, ledger, kills);
    CHECK(objstore_reap(s) >= 0);
    CHECK(help_is_sound(s));
    for (uint32_t n = 0; n < LEDGER; n++) {
        struct objstore_id id = help_id(n);

        if (ledger->state[n] == SEALED && (!is_cache || objstore_contains(s, &id)))
            CHECK(kit_get(s, n, storm_size(n)));
        if (ledger->state[n] == ABSENT)
            CHECK(!objstore_contains(s, &id));
        (void)!objstore_delete(s, &id);
    }
    printf("    %llu puts, %llu deletes, %llu gets, %llu kills\n", (unsigned long long)ledger->puts,
           (unsigned long long)ledger->deletes, (unsigned long long)ledger->gets,
           (unsigned long long)kills);
    CHECK(ledger->deletes > 0 && ledger->puts > 50);
    CHECK(is_cache || kit_stats(s).spills > 0);
    CHECK(!is_cache || kit_stats(s).evictions > 0);
    CHECK_EQ(help_used(s), 0);
    munmap(ledger, sizeof *ledger);
    kit_end(s);
}

static void nothing_sealed_is_lost(void)
{
    storm(false);
}

static void nothing_wrong_is_cached(void)
{
    storm(true);
}

/* ---- threads of one process ---------------------------------------------------------------- */

static void *thread_main(void *arg)
{
    struct objstore *s = arg;
    uint64_t random = (uint64_t)(uintptr_t)&random;

    for (int i = 0; i < 300; i++) {
        uint64_t n = test_random(&random) % 60;
        struct objstore_id id = help_id(n);
        struct objstore_view view;
        int err = objstore_get(s, &id, 0, &view);

        if (err == -ENOSPC)
            continue;
        if (err || view.size != size_of(n, 50000) || !help_is_filled(view.data, view.size, n))
            return s;
        objstore_release(s, &view);
    }
    return NULL;
}

static void threads_share_a_handle(void)
{
    pthread_t threads[3];

    kit_make_dir();
    struct objstore *s = kit_make(256 << 10, 0);
    for (uint64_t i = 0; i < 60; i++)
        CHECK_EQ(kit_put(s, i, size_of(i, 50000)), 0);
    for (int i = 0; i < 3; i++)
        REQUIRE(pthread_create(&threads[i], NULL, thread_main, s) == 0);
    for (int i = 0; i < 3; i++) {
        void *said;

        pthread_join(threads[i], &said);
        CHECK(said == NULL);
    }
    CHECK(kit_stats(s).restores > 0);
    kit_end(s);
}

TESTS("spill", { "a store takes many times its capacity and gives it back", more_than_fits },
      { "also compressed", more_than_fits_compressed },
      { "a damaged file is its object's error alone", damaged_file },
      { "a file that is away, or cut off, is its object's error alone", missing_file },
      { "what was packed with another stays when that goes", packed_neighbours },
      { "the disk gets its room back piece by piece", holes },
      { "and that of a large object before its file goes", hole_of_a_large_object },
      { "nothing of others lies between objects of a file", nothing_of_others_between },
      { "a read-only handle reads what was spilled", read_only },
      { "what is viewed stays in memory", what_is_viewed_stays },
      { "a view outlives a move", views_outlive_a_move },
      { "no file outlives its store", no_file_outlives_its_store },
      { "a cache keeps what is used", cache_keeps_what_is_used },
      { "threads share a handle", threads_share_a_handle },
      { "late marks do no harm", late_marks_do_no_harm },
      { "a file goes with the last of its parts", parts_of_a_file },
      { "nothing sealed is lost, whoever dies or stops", nothing_sealed_is_lost },
      { "a cache never has what was deleted, or other bytes, whoever dies",
        nothing_wrong_is_cached })
