/* SPDX-License-Identifier: MIT */
/*
 * Every system call of every operation fails once, and then for good. A call that fails says so
 * with an error, changes nothing and leaks nothing -- no descriptor, no mapping, no file, no byte
 * of the store -- and succeeds when it is tried again.
 */
#define _GNU_SOURCE
#include "faults.h"
#include "help.h"
#include "layout.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define HAS_TSAN 1
#endif

#define CAPACITY (1u << 20)

static char dir[64], path[96];
static struct objstore *store; /* what the operation opens, or works on */

static int count_entries(const char *of)
{
    DIR *d = opendir(of);
    int n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

/* ---- operations ------------------------------------------------------------------------------ */

struct operation {
    const char *name;
    void (*prepare)(void); /* before the call; may be NULL */
    int (*call)(void);
    void (*undo)(void); /* after a call that succeeded */
};

static int open_store(const char *where, uint32_t flags)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore_diag diag = { "" };

    o.flags = flags;
    o.capacity_bytes = flags & OBJSTORE_HUGE_PAGES ? 2 * HUGE_BYTES : CAPACITY;
    int err = objstore_open(where, &o, &store, &diag);
    CHECK(!err || diag.text[0]); /* it says something about every failure */
    return err;
}

static void close_store(void)
{
    objstore_close(store);
    store = NULL;
}

static int make_nameless(void)
{
    return open_store(NULL, 0);
}

static int make_at_path(void)
{
    return open_store(path, OBJSTORE_CREATE | OBJSTORE_EXCLUSIVE);
}

static int make_without_tmpfile(void)
{
    fault_no_tmpfile(true);
    int err = make_at_path();
    fault_no_tmpfile(false);
    return err;
}

static int make_prefaulted(void)
{
    return open_store(path, OBJSTORE_CREATE | OBJSTORE_PREFAULT);
}

static int make_in_huge_pages(void)
{
    return open_store(NULL, OBJSTORE_CREATE | OBJSTORE_HUGE_PAGES);
}

static void destroy_at_path(void)
{
    close_store();
    REQUIRE_OK(objstore_destroy(path));
}

/* If the very call failed that takes its first name away, the store is made and has two. */
static void destroy_both_names(void)
{
    char hidden[sizeof dir + NAME_MAX + 2];
    struct dirent *entry;

    destroy_at_path();
    DIR *d = opendir(dir);
    REQUIRE(d != NULL);
    while ((entry = readdir(d)))
        if (!strncmp(entry->d_name, ".objstore-", 10)) {
            snprintf(hidden, sizeof hidden, "%s/%s", dir, entry->d_name);
            CHECK(unlink(hidden) == 0);
        }
    closedir(d);
}

static const char *own_name(void)
{
    static char name[40];

    snprintf(name, sizeof name, "faults-%d", (int)getpid());
    return name;
}

static int make_by_name(void)
{
    return open_store(own_name(), OBJSTORE_CREATE | OBJSTORE_EXCLUSIVE);
}

static void destroy_by_name(void)
{
    close_store();
    REQUIRE_OK(objstore_destroy(own_name()));
}

static void prepare_existing(void)
{
    struct stat st;

    if (stat(path, &st) == 0)
        return;
    REQUIRE_OK(make_at_path());
    struct objstore_id id = help_id(1);
    REQUIRE_OK(objstore_put(store, &id, "hello", 6, NULL));
    close_store();
}

static int open_existing(void)
{
    return open_store(path, 0);
}

static int open_read_only(void)
{
    return open_store(path, OBJSTORE_READ_ONLY);
}

static struct objstore *other;

static void prepare_other(void)
{
    if (!other)
        other = help_store(CAPACITY);
}

static int open_descriptor(void)
{
    return objstore_open_fd(objstore_fd(other), NULL, &store, NULL);
}

/* The name is left by one who died; opening replaces the store. */
static void prepare_leftover(void)
{
    struct stat st;

    if (stat(path, &st) == 0 && unlink(path))
        return;
    pid_t child = fork();
    if (child == 0) {
        if (open_store(path, OBJSTORE_CREATE | OBJSTORE_EPHEMERAL))
            _exit(1);
        raise(SIGKILL);
    }
    REQUIRE(help_wait(child) == 128 + SIGKILL);
}

static int replace_leftover(void)
{
    return open_store(path, OBJSTORE_CREATE);
}

/* If the lock could not be asked for, the leftover was taken for alive, and went with its user. */
static void destroy_if_there(void)
{
    close_store();
    int err = objstore_destroy(path);
    CHECK(err == 0 || err == -ENOENT);
}

static int destroy_it(void)
{
    return objstore_destroy(path);
}

static const struct objstore_meta meta = { .name = "described" };

static void put_many(uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n < to; n++) {
        struct objstore_id id = help_id(n);

        REQUIRE_OK(objstore_put(store, &id, NULL, 0, NULL));
    }
}

/* The first metadata of a store has to be given room. */
static void prepare_empty(void)
{
    store = help_store(CAPACITY);
}

static int put_described(void)
{
    struct objstore_id id = help_id(77);

    return objstore_put(store, &id, "x", 1, &meta);
}

/* More objects than the store has slots for at first; empty ones, so that bytes are no limit. */
static void prepare_slots_used(void)
{
    store = help_store(CAPACITY);
    put_many(1000, 1000 + 1024);
}

static int put_beyond_slots(void)
{
    struct objstore_id id = help_id(77);

    return objstore_put(store, &id, "x", 1, NULL);
}

static int ask_stats(void)
{
    struct objstore_stats stats;

    return objstore_stats(store, &stats);
}

static int random_id(void)
{
    struct objstore_id id;

    return objstore_id_random(&id);
}

static const struct operation operations[] = {
    { "make a nameless store", NULL, make_nameless, close_store },
    { "make a store at a path", NULL, make_at_path, destroy_at_path },
    { "make one without O_TMPFILE", NULL, make_without_tmpfile, destroy_both_names },
    { "make one by name", NULL, make_by_name, destroy_by_name },
    { "make one prefaulted", NULL, make_prefaulted, destroy_at_path },
    { "make one in huge pages", NULL, make_in_huge_pages, close_store },
    { "open by path", prepare_existing, open_existing, close_store },
    { "open read-only", prepare_existing, open_read_only, close_store },
    { "destroy", prepare_existing, destroy_it, NULL },
    { "open by descriptor", prepare_other, open_descriptor, close_store },
    { "replace a leftover", prepare_leftover, replace_leftover, destroy_if_there },
};

/* ---- what a failure may leave ---------------------------------------------------------------- */

struct traces {
    int descriptors, files;
    int64_t mapped;
};

static struct traces look(void)
{
    return (struct traces){ count_entries("/proc/self/fd"), count_entries(dir),
                            (int64_t)au64_load_relaxed(&fault_mapped) };
}

static bool is_unchanged(const struct traces *before)
{
    struct traces now = look();

    return now.descriptors == before->descriptors && now.files == before->files &&
           now.mapped == before->mapped;
}

/* What the dead left may be gone, whether its successor could be made or not. */
static bool is_unchanged_but(const struct traces *before, const struct operation *op)
{
    struct traces less = *before;

    less.files -= op->call == replace_leftover;
    return is_unchanged(before) || is_unchanged(&less);
}

/* The caller is told the very error, or one that says as much. */
static bool is_honest(int err, int error)
{
    return err == -error || err == -EIO; /* a short pwrite() is one */
}

/* False: the operation made fewer than n calls. */
static bool fail_nth(const struct operation *op, uint64_t n, int error, bool is_persistent)
{
    if (op->prepare)
        op->prepare();
    struct traces before = look();
    fault_arm(n, error, is_persistent);
    int err = op->call();
    const char *failed = fault_disarm();
    if (err) {
        bool is_fine = failed && is_honest(err, error) && is_unchanged_but(&before, op) && !store;

        if (!is_fine) {
            struct traces now = look();
            fprintf(stderr,
                    "%s: %s (call %llu) fails with %d%s: %d; descriptors %+d, files %+d, "
                    "bytes mapped %+lld\n",
                    op->name, failed, (unsigned long long)n, error,
                    is_persistent ? " for good" : "", err, now.descriptors - before.descriptors,
                    now.files - before.files, (long long)(now.mapped - before.mapped));
        }
        CHECK(is_fine);
        err = op->call(); /* and now it works */
        CHECK_EQ(err, 0);
    }
    if (!err && store)
        CHECK(help_is_sound(store));
    if (!err && op->undo)
        op->undo();
    return failed != NULL;
}

static void each_call_fails(void)
{
    static const int errors[] = { ENOMEM, ENOSPC, EINTR, EIO };
    uint64_t tried = 0;

    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        for (size_t e = 0; e < sizeof errors / sizeof *errors; e++)
            for (int persistent = 0; persistent < 2; persistent++) {
                if (errors[e] == EINTR && persistent)
                    continue; /* a signal does not come for ever */
                if (operations[i].call == make_without_tmpfile && persistent)
                    continue; /* its first name stays if unlink() fails for good */
                uint64_t n = 1;
                while (fail_nth(&operations[i], n, errors[e], persistent))
                    n++;
                CHECK(n > 1);
                tried += n - 1;
            }
    printf("    %llu failures\n", (unsigned long long)tried);
    unlink(path);
    objstore_close(other);
}

/* ---- calls on an open store ------------------------------------------------------------------ */

static void call_fails(void (*prepare)(void), int (*call)(void), int error, int expected)
{
    uint64_t n;

    for (n = 1;; n++) {
        prepare();
        struct objstore_stats was, is;
        REQUIRE_OK(objstore_stats(store, &was));
        fault_arm(n, error, true);
        int err = call();
        const char *failed = fault_disarm();
        CHECK_EQ(err, failed ? expected : 0);
        CHECK(help_is_sound(store));
        REQUIRE_OK(objstore_stats(store, &is));
        if (err) {
            CHECK_EQ(is.used_bytes, was.used_bytes);
            CHECK_EQ(is.objects_sealed, was.objects_sealed);
            CHECK_EQ(is.objects_unsealed + is.objects_deleted, 0);
            CHECK_EQ(call(), 0);
        }
        close_store();
        if (!failed)
            break;
    }
    CHECK(n > 1);
}

static void growing_fails(void)
{
    call_fails(prepare_empty, put_described, ENOSPC, -ENOSPC);
    call_fails(prepare_slots_used, put_beyond_slots, ENOSPC, -ENOSPC);
    call_fails(prepare_empty, ask_stats, EIO, -EIO);
    call_fails(prepare_empty, random_id, ENOSYS, -ENOSYS);
}

/* An ephemeral store is closed while nothing works: the next opener tidies up. */
static void closing_fails(void)
{
    for (uint64_t n = 1;; n++) {
        REQUIRE_OK(open_store(path, OBJSTORE_CREATE | OBJSTORE_EPHEMERAL | OBJSTORE_EXCLUSIVE));
        int64_t descriptors = count_entries("/proc/self/fd");
        fault_arm(n, EIO, true);
        close_store();
        const char *failed = fault_disarm();
        CHECK(count_entries("/proc/self/fd") < descriptors);
        REQUIRE_OK(open_store(path, OBJSTORE_CREATE));
        struct objstore_stats stats;
        REQUIRE_OK(objstore_stats(store, &stats));
        CHECK(!stats.is_ephemeral); /* a new one */
        destroy_at_path();
        if (!failed)
            break;
    }
}

static void with_directory(void (*run)(void))
{
#ifdef HAS_TSAN
    (void)run;
    printf("    skipped: ThreadSanitizer wants mmap() for itself\n");
#else
    snprintf(dir, sizeof dir, "/dev/shm/objstore-test-faults-%d", (int)getpid());
    snprintf(path, sizeof path, "%s/store", dir);
    REQUIRE(mkdir(dir, 0700) == 0);
    run();
    CHECK(rmdir(dir) == 0); /* nothing is left in it */
#endif
}

static void opening(void)
{
    with_directory(each_call_fails);
}

static void working(void)
{
    with_directory(growing_fails);
}

static void closing(void)
{
    with_directory(closing_fails);
}

TESTS("faults", { "every system call of making and opening fails", opening },
      { "the ones of put, stats and ids fail", working }, { "and the ones of closing", closing })
