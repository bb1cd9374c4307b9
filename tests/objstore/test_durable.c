/* SPDX-License-Identifier: MIT */
/*
 * Stores that outlive the machine. A power cut is played: every page of the file is as it was
 * at the last sync or at some later moment, at random, and the machine is another boot's.
 */
#define _GNU_SOURCE
#include "durable.h"
#include "help.h"
#include "point.h"
#include "restarts.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>

enum { IDS = 40, PIECE = 4096 };
#define CAPACITY (128u << 10)

static char folder[64], path[80];

static struct objstore *make_store(void)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore *s = NULL;

    /* Where there is no disk to wait for, but for the first. */
    static int stores;
    snprintf(folder, sizeof folder, "%s/objstore-durable-XXXXXX", stores++ ? "/dev/shm" : "/tmp");
    REQUIRE(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/store", folder);
    o.flags = OBJSTORE_CREATE;
    o.capacity_bytes = CAPACITY;
    REQUIRE_OK(objstore_open(path, &o, &s, NULL));
    return s;
}

static void remove_all(void)
{
    (void)files_in(folder, true);
    CHECK_EQ(rmdir(folder), 0);
}

struct losses {
    uint32_t why[IDS + 1];
    int count;
};

static int note_loss(const struct objstore_id *id, uint32_t why, void *ctx)
{
    struct losses *l = ctx;
    uint64_t n;

    memcpy(&n, id->bytes, sizeof n);
    if (n <= IDS)
        l->why[n] = why;
    l->count++;
    return 0;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void kept_over_a_restart(void)
{
    struct objstore *s = make_store();
    struct objstore_info before, after;
    struct objstore_id id = help_id(1);
    struct losses lost = { { 0 }, 0 };
    uint64_t objects = 0;

    for (uint64_t n = 1; n <= 20; n++)
        REQUIRE_OK(put_version(s, n, n));
    REQUIRE_OK(objstore_stat(s, &id, &before));
    REQUIRE_OK(objstore_sync(s, &objects));
    CHECK_EQ(objects, 20);
    REQUIRE_OK(put_version(s, 30, 30));
    CHECK_EQ(objstore_losses(s, note_loss, &lost), 0);
    struct objstore *again, *third;
    restart(path);
    REQUIRE_OK(open_again(path, &again)); /* it is in use: so that was no restart */
    CHECK_EQ(version_of(again, 30), 30);
    objstore_close(again);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) { /* leaves a lease behind, as all do when the power goes */
        CHILD_CHECK(help_attach(s) != NULL);
        raise(SIGKILL);
    }
    CHECK_EQ(help_wait(child), 128 + SIGKILL);
    objstore_close(s);
    REQUIRE_OK(open_again(path, &again));
    for (uint64_t n = 1; n <= 20; n++)
        CHECK_EQ(version_of(again, n), n);
    CHECK_EQ(version_of(again, 30), 0);
    CHECK_EQ(objstore_losses(again, note_loss, &lost), 1);
    CHECK_EQ(lost.why[30], OBJSTORE_LOST_UNSYNCED);
    REQUIRE_OK(objstore_stat(again, &id, &after));
    CHECK_EQ(after.created_ns, before.created_ns);
    CHECK(!memcmp(&after.meta, &before.meta, sizeof after.meta));
    struct objstore_stats stats;
    REQUIRE_OK(objstore_stats(again, &stats));
    CHECK_EQ(stats.processes, 1); /* nobody of the time before is attached */
    CHECK(help_is_sound(again));
    REQUIRE_OK(open_again(path, &third)); /* no second recovery */
    CHECK_EQ(objstore_losses(third, note_loss, &lost), 0);
    CHECK_EQ(version_of(third, 5), 5);
    objstore_close(third);
    /* And once more, with nothing synced since: all is there. */
    objstore_close(again);
    restart(path);
    REQUIRE_OK(open_again(path, &again));
    for (uint64_t n = 1; n <= 20; n++)
        CHECK_EQ(version_of(again, n), n);
    REQUIRE_OK(objstore_sync(again, NULL));
    CHECK_EQ(files_in(folder, false), 2); /* the store and its list */
    objstore_close(again);
    CHECK_EQ(objstore_destroy(path), 0);
    CHECK_EQ(files_in(folder, false), 0);
    remove_all();
}

static void never_synced(void)
{
    struct objstore *s = make_store();
    struct losses lost = { { 0 }, 0 };

    REQUIRE_OK(put_version(s, 3, 3));
    objstore_close(s);
    restart(path);
    REQUIRE_OK(open_again(path, &s));
    CHECK_EQ(objstore_losses(s, note_loss, &lost), 1);
    CHECK_EQ(lost.why[3], OBJSTORE_LOST_UNSYNCED);
    CHECK_EQ(version_of(s, 3), 0);
    CHECK_EQ(help_used(s), 0);
    REQUIRE_OK(put_version(s, 3, 4));
    objstore_close(s);
    remove_all();
}

static int stop_at_first(const struct objstore_id *id, uint32_t why, void *ctx)
{
    (void)id, (void)ctx;
    return (int)why + 70;
}

static void errors(void)
{
    struct objstore *s = make_store(), *nameless = help_store(CAPACITY), *looker;
    struct objstore_options ro = OBJSTORE_OPTIONS_INIT;

    ro.flags = OBJSTORE_READ_ONLY;
    CHECK_EQ(objstore_sync(nameless, NULL), -EOPNOTSUPP);
    CHECK_EQ(objstore_sync(NULL, NULL), -EINVAL);
    CHECK_EQ(objstore_losses(NULL, note_loss, NULL), -EINVAL);
    CHECK_EQ(objstore_losses(s, NULL, NULL), -EINVAL);
    REQUIRE_OK(objstore_open(path, &ro, &looker, NULL));
    CHECK_EQ(objstore_sync(looker, NULL), -EROFS);
    objstore_close(looker);
    REQUIRE_OK(put_version(s, 1, 1));
    int fd = open(path, O_RDWR);
    restart(path);
    objstore_close(s);
    struct objstore *other = nameless;
    CHECK_EQ(objstore_open_fd(fd, NULL, &other, NULL), -ESTALE);
    REQUIRE_OK(objstore_open(path, &ro, &looker, NULL)); /* looking changes nothing */
    objstore_close(looker);
    REQUIRE_OK(open_again(path, &s));
    CHECK_EQ(objstore_losses(s, stop_at_first, NULL), 70 + OBJSTORE_LOST_UNSYNCED);
    close(fd);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(objstore_sync(s, NULL), -EOPNOTSUPP);
    objstore_close(s);
    objstore_close(nameless);
    remove_all();
}

/* Lists that are damaged, cut off, or another store's are passed over; the last good one counts. */
/* Beside the longest name that a store may have there is room for those of its lists. */
static void the_longest_name(void)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore *s = make_store();
    char longest[sizeof folder + NAME_MAX + 2];
    uint64_t objects = 0;
    int n = snprintf(longest, sizeof longest, "%s/", folder);

    objstore_close(s);
    memset(longest + n, 'x', NAME_MAX - 22);
    longest[n + NAME_MAX - 22] = 0;
    o.flags = OBJSTORE_CREATE;
    o.capacity_bytes = CAPACITY;
    CHECK_EQ(objstore_open(longest, &o, &s, NULL), -ENAMETOOLONG);
    longest[n + NAME_MAX - 23] = 0;
    REQUIRE_OK(objstore_open(longest, &o, &s, NULL));
    REQUIRE_OK(put_version(s, 1, 1));
    REQUIRE_OK(objstore_sync(s, &objects));
    objstore_close(s);
    restart(longest);
    REQUIRE_OK(open_again(longest, &s));
    CHECK_EQ(version_of(s, 1), 1);
    objstore_close(s);
    remove_all();
}

/* A file that is no list, with the highest number that there can be: no sync has one above it. */
static void numbers_that_end(void)
{
    struct objstore *s = make_store();
    struct losses lost = { { 0 }, 0 };
    uint64_t objects = 0;
    char stray[120];

    snprintf(stray, sizeof stray, "%s/.store.sync-ffffffffffffffff", folder);
    int fd = open(stray, O_WRONLY | O_CREAT, 0600);
    CHECK(fd >= 0);
    close(fd);
    alarm(60); /* if it looks for a number without end */
    for (uint64_t n = 1; n <= 3; n++) {
        REQUIRE_OK(put_version(s, n, n));
        REQUIRE_OK(objstore_sync(s, &objects));
        CHECK_EQ(objects, n);
    }
    objstore_close(s);
    restart(path);
    REQUIRE_OK(open_again(path, &s));
    CHECK_EQ(objstore_losses(s, note_loss, &lost), 0);
    for (uint64_t n = 1; n <= 3; n++)
        CHECK_EQ(version_of(s, n), n);
    REQUIRE_OK(objstore_sync(s, &objects));
    alarm(0);
    objstore_close(s);
    remove_all();
}

static void damaged_lists(void)
{
    struct objstore *s = make_store();
    uint64_t random = test_seed;
    char list[200], good[200];

    for (uint64_t n = 1; n <= 10; n++)
        REQUIRE_OK(put_version(s, n, n));
    REQUIRE_OK(objstore_sync(s, NULL));
    snprintf(good, sizeof good, "%s/.store.sync-%016llx", folder, 1ull);
    for (int i = 0; i < 60; i++) {
        char bytes[4096];
        int fd = open(good, O_RDONLY);
        ssize_t size = read(fd, bytes, sizeof bytes);

        REQUIRE(size > 64);
        close(fd);
        if (i % 3 == 0)
            size = (ssize_t)(test_random(&random) % (uint64_t)size);
        else
            bytes[test_random(&random) % (uint64_t)size] ^= (char)(1 << test_random(&random) % 8);
        snprintf(list, sizeof list, "%s/.store.sync-%016llx", folder, (unsigned long long)i + 2);
        fd = open(list, O_WRONLY | O_CREAT, 0600);
        REQUIRE(write(fd, bytes, (size_t)size) == size);
        close(fd);
    }
    objstore_close(s);
    restart(path);
    REQUIRE_OK(open_again(path, &s));
    for (uint64_t n = 1; n <= 10; n++)
        CHECK_EQ(version_of(s, n), n);
    REQUIRE_OK(put_version(s, 11, 11));
    REQUIRE_OK(objstore_sync(s, NULL)); /* above all of those numbers */
    CHECK_EQ(files_in(folder, false), 2);
    objstore_close(s);
    restart(path);
    REQUIRE_OK(open_again(path, &s));
    CHECK_EQ(version_of(s, 11), 11);
    objstore_close(s);
    remove_all();
}

/* ---- power cuts ------------------------------------------------------------------------------ */

#define MOMENTS 4 /* copies of the file: at the last sync, and later */

struct cut {
    struct objstore *s;
    unsigned char *moment[MOMENTS];
    size_t size;
    uint64_t random, versions;
    uint64_t now[IDS + 1], synced[IDS + 1]; /* version, 0: none */
    bool is_touched[IDS + 1];               /* deleted since the sync */
};

static unsigned char *copy_file(struct cut *c)
{
    int fd = objstore_fd(c->s);
    struct stat st;

    REQUIRE(fstat(fd, &st) == 0);
    c->size = (size_t)st.st_size;
    unsigned char *copy = calloc(1, c->size);
    REQUIRE(copy != NULL);
    for (off_t at = 0; (at = lseek(fd, at, SEEK_DATA)) >= 0;) {
        off_t end = lseek(fd, at, SEEK_HOLE);

        REQUIRE(pread(fd, copy + at, (size_t)(end - at), at) == end - at);
        at = end;
    }
    return copy;
}

static void some_calls(struct cut *c, int count)
{
    for (int i = 0; i < count; i++) {
        uint64_t n = 1 + test_random(&c->random) % IDS;
        struct objstore_id id = help_id(n);

        if (c->now[n]) {
            REQUIRE_OK(objstore_delete(c->s, &id));
            c->now[n] = 0;
            c->is_touched[n] = true;
        } else if (!put_version(c->s, n, c->versions + 1)) {
            c->now[n] = ++c->versions;
        }
    }
}

/* The file as the power cut leaves it: each page of any of the moments. */
static void cut_power(struct cut *c)
{
    int fd = open(path, O_RDWR);
    unsigned char *pages = c->moment[0];

    REQUIRE(fd >= 0);
    for (size_t at = 0; at < c->size; at += PIECE) {
        const unsigned char *from = c->moment[test_random(&c->random) % MOMENTS] + at;

        if (memcmp(from, pages + at, PIECE) || memcmp(from, c->moment[MOMENTS - 1] + at, PIECE) ||
            test_random(&c->random) % 64 == 0)
            REQUIRE(pwrite(fd, from, PIECE, (off_t)at) == PIECE);
    }
    close(fd);
    restart(path);
}

static void check_recovered(struct cut *c)
{
    struct losses lost = { { 0 }, 0 };

    REQUIRE_OK(open_again(path, &c->s));
    CHECK(help_is_sound(c->s));
    CHECK(objstore_losses(c->s, note_loss, &lost) >= 0);
    for (uint64_t n = 1; n <= IDS; n++) {
        uint64_t version = version_of(c->s, n);

        CHECK(version != UINT64_MAX); /* never wrong bytes */
        if (c->synced[n] && !c->is_touched[n])
            CHECK_EQ(version, c->synced[n]);
        else if (version)
            CHECK_EQ(version, c->synced[n]); /* a delete that was undone */
        if (c->synced[n] && !version)        /* it was deleted, and that is told */
            CHECK(c->is_touched[n] && lost.why[n] == OBJSTORE_LOST_DAMAGED);
        c->now[n] = version;
    }
}

/* Moments come in the midst of calls, too. */
static struct cut *watched;
static int moments;
static void maybe_copy(const char *name)
{
    (void)name;
    if (moments < MOMENTS - 1 && test_random(&watched->random) % 100 == 0)
        watched->moment[moments++] = copy_file(watched);
}

static void power_cuts(void)
{
    struct cut c = { .s = make_store(), .random = test_seed };
    int undone = 0, lost = 0;

    for (int round = 0; round < 40; round++) {
        some_calls(&c, (int)(test_random(&c.random) % 60));
        REQUIRE_OK(objstore_sync(c.s, NULL));
        memcpy(c.synced, c.now, sizeof c.now);
        memset(c.is_touched, 0, sizeof c.is_touched);
        watched = &c;
        c.moment[0] = copy_file(&c);
        moments = 1;
        test_point = maybe_copy;
        some_calls(&c, (int)(test_random(&c.random) % 100));
        test_point = NULL;
        while (moments < MOMENTS)
            c.moment[moments++] = copy_file(&c);
        objstore_close(c.s);
        cut_power(&c);
        for (int i = 0; i < MOMENTS; i++)
            free(c.moment[i]);
        check_recovered(&c);
        for (uint64_t n = 1; n <= IDS; n++) {
            undone += c.is_touched[n] && c.now[n];
            lost += c.is_touched[n] && !c.now[n];
        }
    }
    printf("    %d deletes undone, %d not\n", undone, lost);
    CHECK(undone > 0 && lost > 0);
    objstore_close(c.s);
    remove_all();
}

/* ---- deaths ---------------------------------------------------------------------------------- */

/* Killed at every step of a sync, and then the power goes: what the last whole sync listed is
 * there. */
static void killed_in_sync(void)
{
    struct objstore *s = make_store();
    int status = -1;

    for (long k = 1; status != 0; k++) {
        for (uint64_t n = 1; n <= 8; n++)
            if (!version_of(s, n))
                REQUIRE_OK(put_version(s, n, n + 9 * (uint64_t)k));
        REQUIRE_OK(objstore_sync(s, NULL));
        REQUIRE_OK(put_version(s, 9, (uint64_t)k));
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            struct objstore *own = help_attach(s);

            help_die_at(k);
            CHILD_CHECK(objstore_sync(own, NULL) == 0);
            test_point = NULL;
            _exit(0);
        }
        status = help_wait(child);
        CHECK(status == 0 || status == 128 + SIGKILL);
        CHECK(objstore_reap(s) == 1);
        objstore_close(s);
        restart(path);
        REQUIRE_OK(open_again(path, &s));
        for (uint64_t n = 1; n <= 8; n++)
            CHECK(version_of(s, n) > 0 && version_of(s, n) != UINT64_MAX);
        CHECK(version_of(s, 9) == 0 || version_of(s, 9) == (uint64_t)k);
        if (status == 0)
            CHECK_EQ(version_of(s, 9), k);
        struct objstore_id id = help_id(9);
        (void)!objstore_delete(s, &id);
    }
    REQUIRE_OK(objstore_sync(s, NULL));
    CHECK_EQ(files_in(folder, false), 2);
    objstore_close(s);
    remove_all();
}

/* Forks are slow under ThreadSanitizer: some of the steps there, all of them elsewhere. */
#ifdef __SANITIZE_THREAD__
#define STRIDE 7
#else
#define STRIDE 1
#endif

/* Killed at every step of a recovery, once or twice, also with another restart in between. */
static void killed_in_recovery(bool restarts)
{
    struct objstore *s = make_store();
    int status = -1;
    long k;

    for (uint64_t n = 1; n <= 5; n++)
        REQUIRE_OK(put_version(s, n, n));
    REQUIRE_OK(objstore_sync(s, NULL));
    objstore_close(s);
    for (k = 1; status != 0; k += STRIDE) {
        restart(path);
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            help_die_at(k);
            CHILD_CHECK(open_again(path, &s) == 0);
            test_point = NULL;
            _exit(0);
        }
        status = help_wait(child);
        CHECK(status == 0 || status == 128 + SIGKILL);
        if (restarts)
            restart(path);
        REQUIRE_OK(open_again(path, &s));
        for (uint64_t n = 1; n <= 5; n++)
            CHECK_EQ(version_of(s, n), n);
        CHECK(help_is_sound(s));
        objstore_close(s);
    }
    CHECK(k > 20);
    REQUIRE_OK(open_again(path, &s));
    REQUIRE_OK(objstore_sync(s, NULL));
    CHECK_EQ(files_in(folder, false), 2);
    objstore_close(s);
    remove_all();
}

static void killed_while_recovering(void)
{
    killed_in_recovery(false);
    killed_in_recovery(true);
}

/* ---- at the same time ------------------------------------------------------------------------ */

static void *recover_too(void *ctx)
{
    struct objstore *s = NULL;
    long bad = 0;

    (void)ctx;
    if (open_again(path, &s))
        return (void *)1;
    for (uint64_t n = 1; n <= 10; n++)
        bad += version_of(s, n) != n;
    bad += put_version(s, 20 + (uint64_t)(uintptr_t)ctx, 1) != 0;
    objstore_close(s);
    return bad ? (void *)1 : NULL;
}

/* Several open it first: one store comes of it, and what each puts there stays. */
static void recovered_by_several(void)
{
    struct objstore *s = make_store();

    for (uint64_t n = 1; n <= 10; n++)
        REQUIRE_OK(put_version(s, n, n));
    REQUIRE_OK(objstore_sync(s, NULL));
    objstore_close(s);
    for (int round = 0; round < 10; round++) {
        pthread_t threads[3];
        void *bad;

        restart(path);
        for (uintptr_t i = 0; i < 3; i++)
            REQUIRE(pthread_create(&threads[i], NULL, recover_too, (void *)i) == 0);
        for (int i = 0; i < 3; i++) {
            pthread_join(threads[i], &bad);
            CHECK(bad == NULL);
        }
        REQUIRE_OK(open_again(path, &s));
        for (uint64_t i = 0; i < 3; i++) {
            struct objstore_id id = help_id(20 + i);

            CHECK_EQ(version_of(s, 20 + i), 1);
            CHECK_EQ(objstore_delete(s, &id), 0);
        }
        objstore_close(s);
    }
    remove_all();
}

static void *sync_all_the_time(void *ctx)
{
    uint64_t objects;

    for (int i = 0; i < 30; i++)
        if (objstore_sync(ctx, &objects))
            return ctx;
    return NULL;
}

/* Syncs overtake each other while objects come and go; what stays is in the last list. */
static void syncs_at_once(void)
{
    struct objstore *s = make_store(), *other = help_attach(s);
    struct cut c = { .s = s, .random = test_seed };
    pthread_t threads[2];
    void *bad;

    for (uint64_t n = 1; n <= 10; n++)
        REQUIRE_OK(put_version(s, IDS + n, n));
    for (int i = 0; i < 2; i++)
        REQUIRE(pthread_create(&threads[i], NULL, sync_all_the_time, i ? other : s) == 0);
    some_calls(&c, 20000);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], &bad);
        CHECK(bad == NULL);
    }
    objstore_close(other);
    objstore_close(s);
    restart(path);
    REQUIRE_OK(open_again(path, &s));
    for (uint64_t n = 1; n <= 10; n++)
        CHECK_EQ(version_of(s, IDS + n), n);
    for (uint64_t n = 1; n <= IDS; n++)
        CHECK(version_of(s, n) != UINT64_MAX);
    objstore_close(s);
    remove_all();
}

TESTS("durable", { "what was synced is there after a restart", kept_over_a_restart },
      { "what never was is told as lost", never_synced }, { "every documented error", errors },
      { "the longest name leaves room for others beside it", the_longest_name },
      { "a stray file leaves numbers for syncs", numbers_that_end },
      { "damaged lists are passed over", damaged_lists },
      { "power cuts: what was synced is there, and never other bytes", power_cuts },
      { "a sync may be killed at every step", killed_in_sync },
      { "so may a recovery", killed_while_recovering },
      { "several recover at once", recovered_by_several },
      { "several sync at once, under load", syncs_at_once })
