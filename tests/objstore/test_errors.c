/* SPDX-License-Identifier: MIT */
/*
 * Every error that objstore.h documents, provoked: one row for each call and error. The header is
 * read, and an error that it names and no row provokes fails the test.
 */
#define _GNU_SOURCE
#include "crowd.h"
#include "faults.h"
#include "help.h"
#include "store.h"
#include "test.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define CAPACITY (1u << 20)

static struct objstore *s, *read_only, *other; /* other: a second handle on s */
static const struct objstore_id zero;
static struct objstore_id absent, sealed, unsealed, theirs;
static char path[80];
static struct objstore *out;

static struct objstore *attach(uint32_t flags)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore *handle = NULL;

    o.flags = flags;
    REQUIRE_OK(objstore_open_fd(objstore_fd(s), &o, &handle, NULL));
    return handle;
}

static void set_up(void)
{
    void *data;

    s = help_store(CAPACITY);
    read_only = attach(OBJSTORE_READ_ONLY);
    other = attach(0);
    absent = help_id(1);
    sealed = help_id(2);
    unsealed = help_id(3);
    theirs = help_id(4);
    REQUIRE_OK(objstore_put(s, &sealed, "sealed", 6, NULL));
    REQUIRE_OK(objstore_create(s, &unsealed, 100, NULL, &data));
    REQUIRE_OK(objstore_create(other, &theirs, 100, NULL, &data));
    snprintf(path, sizeof path, "/dev/shm/objstore-test-errors-%d", (int)getpid());
}

static void tear_down(void)
{
    objstore_close(other);
    objstore_close(read_only);
    CHECK(help_is_sound(s));
    objstore_close(s);
    unlink(path);
}

static int open_path(uint32_t flags, uint64_t capacity)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore_diag diag = { "" };

    o.flags = flags;
    o.capacity_bytes = capacity;
    int err = objstore_open(path, &o, &out, &diag);
    CHECK(err == 0 || diag.text[0]);
    return err;
}

/* ---- open ------------------------------------------------------------------------------------ */

static int open_none(void)
{
    return open_path(0, 0);
}

static int open_taken(void)
{
    REQUIRE_OK(open_path(OBJSTORE_CREATE, CAPACITY));
    objstore_close(out);
    return open_path(OBJSTORE_CREATE | OBJSTORE_EXCLUSIVE, CAPACITY);
}

/* A file at `path` with these first bytes of s changed by xor. */
static int open_changed(off_t at, unsigned char bits)
{
    static unsigned char page[4096];
    struct stat st;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    REQUIRE(fd >= 0 && fstat(objstore_fd(s), &st) == 0);
    REQUIRE(pread(objstore_fd(s), page, sizeof page, 0) == sizeof page);
    page[at] ^= bits;
    REQUIRE(pwrite(fd, page, sizeof page, 0) == sizeof page && ftruncate(fd, st.st_size) == 0);
    close(fd);
    int err = open_path(0, 0);
    unlink(path);
    return err;
}

static int open_no_store(void)
{
    return open_changed(0, 1);
}
static int open_other_layout(void)
{
    return open_changed(8, 2);
}
static int open_damaged(void)
{
    return open_changed(16, 1);
}
static int open_no_room(void)
{
    return open_path(OBJSTORE_CREATE, 1ull << 40);
}
static int open_too_small(void)
{
    return open_path(OBJSTORE_CREATE, 1);
}
static int open_bad_flags(void)
{
    return open_path(OBJSTORE_EXCLUSIVE, 0);
}

static int open_unknown_option(void)
{
    struct {
        struct objstore_options o;
        uint64_t later;
    } options = { OBJSTORE_OPTIONS_INIT, 1 };

    options.o.struct_size = sizeof options;
    return objstore_open(path, &options.o, &out, NULL);
}

/* With the kept leases free, which sweep and find nothing, and without. */
static int open_crowded(void)
{
    int err = 0;

    for (uint64_t last = LEASES_MAX - 9; last < LEASES_MAX; last += 8) {
        struct objstore *full = help_store(4096), *one = NULL;
        struct objstore_stats stats;
        int fd = crowd_forge(full, last);

        err = objstore_open_fd(objstore_fd(full), NULL, &one, NULL);
        CHECK_EQ(err, -EUSERS);
        REQUIRE_OK(objstore_stats(full, &stats));
        CHECK_EQ(stats.processes, last + 1);
        CHECK(help_is_sound(full));
        close(fd);
        /* They died attached, all of them; there is room again for whoever comes next. */
        REQUIRE_OK(objstore_open_fd(objstore_fd(full), NULL, &one, NULL));
        CHECK_EQ(objstore_reap(full), 0);
        CHECK_EQ(objstore_stats(full, &stats), 0);
        CHECK_EQ(stats.processes, 2);
        CHECK_EQ(stats.deaths, last);
        objstore_close(one);
        CHECK(help_is_sound(full));
        objstore_close(full);
    }
    return err;
}

static int open_fd_of_earlier_boot(void)
{
    uint64_t boot = 3;
    int fd, err;

    REQUIRE_OK(open_path(OBJSTORE_CREATE, 1 << 20));
    objstore_close(out);
    fd = open(path, O_RDWR);
    REQUIRE(pwrite(fd, &boot, sizeof boot, offsetof(struct header, boot)) == sizeof boot);
    err = objstore_open_fd(fd, NULL, &out, NULL);
    close(fd);
    REQUIRE_OK(objstore_destroy(path));
    return err;
}
static int open_fd_closed(void)
{
    return objstore_open_fd(-1, NULL, &out, NULL);
}
static int open_fd_no_store(void)
{
    int fd = open("/dev/null", O_RDWR), err = objstore_open_fd(fd, NULL, &out, NULL);

    close(fd);
    return err;
}

static int destroy_none(void)
{
    return objstore_destroy(path);
}

static int destroy_no_store(void)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);

    REQUIRE(fd >= 0 && write(fd, "something else", 14) == 14);
    close(fd);
    int err = objstore_destroy(path);
    CHECK(unlink(path) == 0); /* it is still there */
    return err;
}

static int random_id_fails(void)
{
    struct objstore_id id = sealed;

    fault_arm(1, ENOSYS, false);
    int err = objstore_id_random(&id);
    CHECK(fault_disarm() != NULL && !memcmp(&id, &sealed, sizeof id));
    return err;
}

static int parse_nonsense(void)
{
    struct objstore_id id;

    CHECK_EQ(objstore_id_parse("00000000000000000000000000000000", &id), -EINVAL);
    CHECK_EQ(objstore_id_parse("0123456789abcdef0123456789ABCDEF0", &id), -EINVAL);
    CHECK_EQ(objstore_id_parse("0123456789abcdef0123456789ABCDE", &id), -EINVAL);
    return objstore_id_parse("0123456789abcdef0123456789ABCDEG", &id);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void *data;

static int create_sealed(void)
{
    return objstore_create(s, &sealed, 1, NULL, &data);
}
static int create_taken(void)
{
    CHECK_EQ(objstore_create(s, &theirs, 1, NULL, &data), -EEXIST);
    return objstore_create(s, &unsealed, 1, NULL, &data);
}
static int create_too_much(void)
{
    return objstore_create(s, &absent, CAPACITY + 1, NULL, &data);
}
static int create_read_only(void)
{
    return objstore_create(read_only, &absent, 1, NULL, &data);
}
static int create_nameless(void)
{
    return objstore_create(s, &zero, 1, NULL, &data);
}
static int create_absurd(void)
{
    return objstore_create(s, &absent, SIZE_MAX, NULL, &data);
}
static int create_nowhere(void)
{
    return objstore_create(s, &absent, 1, NULL, NULL);
}
static int create_undescribable(void)
{
    struct objstore_meta meta = { .ndim = OBJSTORE_DIMS_MAX + 1 };

    return objstore_create(s, &absent, 1, &meta, &data);
}
static int seal_theirs(void)
{
    CHECK_EQ(objstore_seal(s, &absent), -ENOENT);
    CHECK_EQ(objstore_seal(s, &sealed), -ENOENT);
    return objstore_seal(s, &theirs);
}
static int seal_read_only(void)
{
    return objstore_seal(read_only, &unsealed);
}
static int seal_size_theirs(void)
{
    return objstore_seal_size(s, &theirs, 1, NULL);
}
static int seal_size_longer(void)
{
    return objstore_seal_size(s, &unsealed, 101, NULL);
}

static int seal_size_no_room(void)
{
    struct objstore_meta meta = { .name = "first" };

    fault_arm(1, ENOSPC, true);
    int err = objstore_seal_size(s, &unsealed, 1, &meta);
    CHECK(fault_disarm() != NULL);
    return err;
}

static int abort_theirs(void)
{
    CHECK_EQ(objstore_abort(s, &absent), -ENOENT);
    CHECK_EQ(objstore_abort(s, &sealed), -ENOENT);
    return objstore_abort(s, &theirs);
}
static int put_nothing(void)
{
    return objstore_put(s, &absent, NULL, 1, NULL);
}
static int put_taken(void)
{
    return objstore_put(s, &sealed, "x", 1, NULL);
}
static int delete_absent(void)
{
    CHECK_EQ(objstore_delete(s, &unsealed), -ENOENT);
    return objstore_delete(s, &absent);
}
static int delete_read_only(void)
{
    return objstore_delete(read_only, &sealed);
}

/* ---- reading --------------------------------------------------------------------------------- */

static struct objstore_view view;

static int get_absent(void)
{
    CHECK_EQ(objstore_get(s, &unsealed, 0, &view), -ENOENT);
    return objstore_get(s, &absent, 0, &view);
}
static int get_late(void)
{
    CHECK_EQ(objstore_get(s, &theirs, 1, &view), -ETIMEDOUT);
    return objstore_get(s, &absent, 1, &view);
}
static int get_read_only(void)
{
    return objstore_get(read_only, &sealed, 0, &view);
}
static int get_nameless(void)
{
    CHECK_EQ(objstore_get(s, &sealed, -2, &view), -EINVAL);
    CHECK_EQ(objstore_get(s, &sealed, 0, NULL), -EINVAL);
    return objstore_get(s, &zero, 0, &view);
}

/* Views of more objects than the first table holds, in a store that is full. */
/* Views until there is no room to note one more; if `give`, by taking passes. */
static int views_no_room(bool give)
{
    enum { MANY = 2000 };
    struct objstore *full = help_store(256 << 10);
    struct objstore_id all = help_id(9999);
    struct objstore_stats stats;
    int err = 0;

    for (uint64_t n = 0; n < MANY; n++) {
        struct objstore_id id = help_id(n);

        REQUIRE_OK(objstore_put(full, &id, "x", 1, NULL));
    }
    REQUIRE_OK(objstore_stats(full, &stats));
    REQUIRE_OK(objstore_create(full, &all, stats.largest_free_bytes, NULL, &data));
    REQUIRE_OK(objstore_seal(full, &all));
    for (uint64_t n = 0; n < MANY && !err; n++) {
        struct objstore_id id = help_id(n);
        struct objstore_pass pass;

        err = objstore_get(full, &id, 0, &view);
        if (err || !give)
            continue;
        REQUIRE_OK(objstore_give(full, &view, INT_MAX, &pass));
        objstore_release(full, &view);
        err = objstore_take(full, &pass, &view);
        if (err)
            REQUIRE_OK(objstore_give_cancel(full, &pass));
    }
    CHECK(help_is_sound(full));
    REQUIRE_OK(objstore_delete(full, &all)); /* there is room again, and it works */
    for (uint64_t n = 0; n < MANY; n++) {
        struct objstore_id id = help_id(n);

        CHECK_EQ(objstore_get(full, &id, 0, &view), 0);
    }
    objstore_close(full);
    return err;
}

static int get_no_room(void)
{
    return views_no_room(false);
}

static int take_no_room(void)
{
    return views_no_room(true);
}

static int get_many_nameless(void)
{
    struct objstore_id ids[2] = { sealed, zero };
    struct objstore_view views[2];

    CHECK_EQ(objstore_get_many(s, NULL, 2, 0, views), -EINVAL);
    CHECK_EQ(objstore_get_many(s, ids, 2, 0, NULL), -EINVAL);
    CHECK_EQ(objstore_get_many(s, ids, 1ull << 31, 0, views), -EINVAL);
    return objstore_get_many(s, ids, 2, 0, views);
}
static int get_many_absent(void)
{
    struct objstore_id ids[2] = { sealed, absent };
    struct objstore_view views[2];

    return objstore_get_many(s, ids, 2, 0, views);
}
static int get_many_late(void)
{
    struct objstore_id ids[2] = { sealed, absent };
    struct objstore_view views[2];

    return objstore_get_many(s, ids, 2, 1, views);
}
static int get_many_read_only(void)
{
    struct objstore_view views[1];

    return objstore_get_many(read_only, &sealed, 1, 0, views);
}

static int read_absent(void)
{
    size_t size = 0;

    CHECK_EQ(objstore_read(read_only, &absent, NULL, 0, &size), -ENOENT);
    CHECK_EQ(objstore_read(read_only, &unsealed, NULL, 0, &size), -ENOENT);
    return objstore_read(s, &absent, NULL, 0, &size);
}
static int read_nowhere(void)
{
    size_t size = 0;

    CHECK_EQ(objstore_read(s, &sealed, NULL, 0, NULL), -EINVAL);
    return objstore_read(s, &sealed, NULL, 1, &size);
}

/* The copy stops at a page that cannot be written yet, and meanwhile the object goes. */
static void *closed_page;

static void delete_meanwhile(int signal)
{
    (void)signal;
    if (objstore_delete(s, &sealed))
        _exit(97);
    mprotect(closed_page, 4096, PROT_READ | PROT_WRITE);
}

static int read_changing(void)
{
    struct sigaction act = { .sa_handler = delete_meanwhile }, before;
    size_t size = 77;

    closed_page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(closed_page != MAP_FAILED && sigaction(SIGSEGV, &act, &before) == 0);
    int err = objstore_read(read_only, &sealed, closed_page, 4096, &size);
    sigaction(SIGSEGV, &before, NULL);
    munmap(closed_page, 4096);
    CHECK_EQ(size, 77);
    return err;
}

static int wait_late(void)
{
    struct objstore_id ids[2] = { sealed, unsealed };
    bool ready[2] = { false, true };
    int err = objstore_wait(s, ids, 2, 2, 1, ready);

    CHECK(ready[0] && !ready[1]);
    CHECK_EQ(objstore_wait(s, ids, 2, 1, 0, ready), 1);
    return err;
}
static int wait_too_many(void)
{
    CHECK_EQ(objstore_wait(s, &zero, 1, 1, 0, NULL), -EINVAL);
    CHECK_EQ(objstore_wait(s, NULL, 1, 1, 0, NULL), -EINVAL);
    return objstore_wait(s, &sealed, 1, 2, 0, NULL);
}
static int wait_read_only(void)
{
    CHECK_EQ(objstore_wait(read_only, &sealed, 1, 1, -1, NULL), 1);
    CHECK_EQ(objstore_wait(read_only, &absent, 1, 1, 0, NULL), -ETIMEDOUT);
    return objstore_wait(read_only, &absent, 1, 1, 1000, NULL);
}

/* ---- looking --------------------------------------------------------------------------------- */

static int visit_info(const struct objstore_info *info, void *ctx)
{
    (void)info, (void)ctx;
    return 0;
}
static int visit_holder(const struct objstore_holder *holder, void *ctx)
{
    (void)holder, (void)ctx;
    return 0;
}

static int stat_absent(void)
{
    struct objstore_info info;

    return objstore_stat(read_only, &absent, &info);
}
static int stat_nameless(void)
{
    struct objstore_info info;

    CHECK_EQ(objstore_stat(s, &sealed, NULL), -EINVAL);
    return objstore_stat(s, &zero, &info);
}
static int list_nobody(void)
{
    return objstore_list(s, NULL, NULL);
}
static int list_unknown_state(void)
{
    struct objstore_filter filter = OBJSTORE_FILTER_INIT;

    filter.states = 1u << 31;
    CHECK_EQ(objstore_list_where(s, &filter, visit_info, NULL), -EINVAL);
    filter.states = 0;
    filter.dtypes = 1u << 31;
    return objstore_list_where(s, &filter, visit_info, NULL);
}
static int list_later_filter(void)
{
    struct {
        struct objstore_filter filter;
        uint64_t later;
    } filter = { OBJSTORE_FILTER_INIT, 1 };

    filter.filter.struct_size = sizeof filter;
    return objstore_list_where(s, &filter.filter, visit_info, NULL);
}
static int holders_gone(void)
{
    struct objstore_info info;

    REQUIRE_OK(objstore_stat(s, &sealed, &info));
    REQUIRE_OK(objstore_delete(s, &sealed));
    return objstore_holders(s, &info, visit_holder, NULL);
}
static int stats_nowhere(void)
{
    return objstore_stats(s, NULL);
}
static int leases_nobody(void)
{
    return objstore_leases(s, NULL, NULL);
}
static int reap_read_only(void)
{
    return objstore_reap(read_only);
}

static struct objstore_events *events;
static struct objstore_event event[16];

static int give_no_view(void)
{
    struct objstore_view none = { 0 };
    struct objstore_pass pass;
    struct objstore_view mine;

    REQUIRE_OK(objstore_get(s, &sealed, 0, &mine));
    CHECK_EQ(objstore_give(s, NULL, 1, &pass), -EINVAL);
    CHECK_EQ(objstore_give(s, &mine, 1, NULL), -EINVAL);
    CHECK_EQ(objstore_give(s, &mine, 0, &pass), -EINVAL);
    int err = objstore_give(s, &none, 1, &pass);
    objstore_release(s, &mine);
    return err;
}

static int give_read_only(void)
{
    struct objstore_pass pass;
    struct objstore_view mine;

    REQUIRE_OK(objstore_get(s, &sealed, 0, &mine));
    int err = objstore_give(read_only, &mine, 1, &pass);
    objstore_release(s, &mine);
    return err;
}

static int give_too_often(void)
{
    static struct objstore_pass passes[1024];
    struct objstore_view mine;
    struct objstore_pass more;

    REQUIRE_OK(objstore_get(s, &sealed, 0, &mine));
    for (int i = 0; i < 1024; i++)
        REQUIRE_OK(objstore_give(s, &mine, INT_MAX, &passes[i]));
    int err = objstore_give(s, &mine, INT_MAX, &more);
    for (int i = 0; i < 1024; i++)
        REQUIRE_OK(objstore_give_cancel(s, &passes[i]));
    objstore_release(s, &mine);
    return err;
}

static struct objstore_pass cancelled_pass(void)
{
    struct objstore_pass pass;
    struct objstore_view mine;

    REQUIRE_OK(objstore_get(s, &sealed, 0, &mine));
    REQUIRE_OK(objstore_give(s, &mine, INT_MAX, &pass));
    objstore_release(s, &mine);
    REQUIRE_OK(objstore_give_cancel(s, &pass));
    return pass;
}

static int take_cancelled(void)
{
    struct objstore_pass pass = cancelled_pass();
    struct objstore_view taken;

    return objstore_take(s, &pass, &taken);
}

static int cancel_twice(void)
{
    struct objstore_pass pass = cancelled_pass();

    return objstore_give_cancel(s, &pass);
}

static int sync_nameless(void)
{
    return objstore_sync(s, NULL);
}
static int sync_read_only(void)
{
    return objstore_sync(read_only, NULL);
}
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* All that the limits allow, and what malloc() has kept of each size. */
static void use_up_memory(void)
{
    for (size_t size = 1 << 20; size >= 16; size -= size > 2048 ? size / 2 : 16)
        while (malloc(size))
            ;
}
#endif

/* In a child that has used up its memory. A sanitizer ends a program in which malloc() fails. */
static int sync_no_memory(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return -ENOMEM;
#else
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        struct rlimit all, none;

        CHILD_CHECK(getrlimit(RLIMIT_AS, &all) == 0);
        none = (struct rlimit){ 0, all.rlim_max };
        CHILD_CHECK(open_path(OBJSTORE_CREATE, 1 << 20) == 0);
        CHILD_CHECK(objstore_put(out, &sealed, "x", 1, NULL) == 0);
        CHILD_CHECK(setrlimit(RLIMIT_AS, &none) == 0);
        use_up_memory();
        int err = objstore_sync(out, NULL);
        setrlimit(RLIMIT_AS, &all);
        CHILD_CHECK(objstore_destroy(path) == 0);
        _exit(err == -ENOMEM ? 0 : 1);
    }
    return help_wait(child) == 0 ? -ENOMEM : 0;
#endif
}

static int events_read_only(void)
{
    return objstore_events_open(read_only, &events);
}

/* In a child that has used up its memory. A sanitizer ends a program in which malloc() fails. */
static int events_no_memory(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return -ENOMEM;
#else
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        struct objstore *own = help_attach(s);
        struct rlimit all, none;

        CHILD_CHECK(getrlimit(RLIMIT_AS, &all) == 0);
        none = (struct rlimit){ 0, all.rlim_max };
        CHILD_CHECK(setrlimit(RLIMIT_AS, &none) == 0);
        use_up_memory();
        int err = objstore_events_open(own, &events);
        setrlimit(RLIMIT_AS, &all);
        _exit(err == -ENOMEM ? 0 : 1);
    }
    int status = help_wait(child);
    CHECK_EQ(objstore_reap(s), 1);
    return status == 0 ? -ENOMEM : 0;
#endif
}

static int events_too_slow(void)
{
    int n, err;

    REQUIRE_OK(objstore_events_open(s, &events));
    for (int i = 0; i < 9000; i++) {
        REQUIRE_OK(objstore_put(s, &absent, "x", 1, NULL));
        REQUIRE_OK(objstore_delete(s, &absent));
    }
    err = objstore_events_next(events, event, 16, 0);
    CHECK_EQ(objstore_events_next(events, event, 16, 0), -ETIMEDOUT); /* from here on */
    REQUIRE_OK(objstore_put(s, &absent, "x", 1, NULL));
    n = objstore_events_next(events, event, 16, 0);
    CHECK_EQ(n, 1);
    CHECK(event[0].kind == OBJSTORE_EVENT_SEALED && !memcmp(&event[0].id, &absent, sizeof absent));
    REQUIRE_OK(objstore_delete(s, &absent));
    objstore_events_close(events);
    return err;
}

static int events_late(void)
{
    REQUIRE_OK(objstore_events_open(s, &events));
    int err = objstore_events_next(events, event, 16, 1);
    objstore_events_close(events);
    return err;
}

static int events_nowhere(void)
{
    CHECK_EQ(objstore_events_open(s, NULL), -EINVAL);
    REQUIRE_OK(objstore_events_open(s, &events));
    CHECK_EQ(objstore_events_next(events, event, 16, -2), -EINVAL);
    int err = objstore_events_next(events, NULL, 16, 0);
    objstore_events_close(events);
    return err;
}

static int verify_damaged(void)
{
    struct objstore *bad = help_store(CAPACITY);
    struct objstore_diag diag = { "" };
    const uint64_t bits = UINT64_MAX;

    REQUIRE(pwrite(objstore_fd(bad), &bits, 8, 192) == 8);
    int err = objstore_verify(bad, &diag);
    CHECK(strstr(diag.text, "header") != NULL);
    CHECK_EQ(objstore_verify(bad, NULL), err);
    objstore_close(bad);
    return err;
}

/* ---- stores that spill --------------------------------------------------------------------- */

static char spill_dir[64];

static struct objstore *spilling_store(void)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore *full = NULL;
    static const char bytes[5000];

    snprintf(spill_dir, sizeof spill_dir, "/var/tmp/objstore-test-XXXXXX");
    REQUIRE(mkdtemp(spill_dir) != NULL);
    o.flags = OBJSTORE_CREATE;
    o.capacity_bytes = CAPACITY;
    o.spill_dir = spill_dir;
    REQUIRE_OK(objstore_open(NULL, &o, &full, NULL));
    REQUIRE_OK(objstore_put(full, &sealed, bytes, sizeof bytes, NULL));
    return full;
}

static void end_spilling(struct objstore *full)
{
    objstore_close(full);
    CHECK_EQ(rmdir(spill_dir), 0);
}

/* Cut every spill file to nothing. */
static void cut_files(void)
{
    DIR *d = opendir(spill_dir);

    for (struct dirent *e; d && (e = readdir(d));) {
        int fd = e->d_name[0] == '.' ? -1 : openat(dirfd(d), e->d_name, O_WRONLY | O_TRUNC);

        if (fd >= 0)
            close(fd);
    }
    closedir(d);
}

static int get_cut(void)
{
    struct objstore *full = spilling_store();

    CHECK(objstore_spill(full, CAPACITY) > 0);
    cut_files();
    int err = objstore_get(full, &sealed, 0, &view);
    CHECK(objstore_contains(full, &sealed));
    REQUIRE_OK(objstore_delete(full, &sealed));
    end_spilling(full);
    return err;
}

static int verify_cut(void)
{
    struct objstore *full = spilling_store();
    struct objstore_diag diag = { "" };
    char text[OBJSTORE_ID_TEXT];

    CHECK(objstore_spill(full, CAPACITY) > 0);
    CHECK_EQ(objstore_verify_spilled(full, &diag), 0);
    cut_files();
    int err = objstore_verify_spilled(full, &diag);
    objstore_id_format(&sealed, text);
    CHECK(strstr(diag.text, text) != NULL);
    end_spilling(full);
    return err;
}

static int spill_full_disk(void)
{
    struct objstore *full = spilling_store();
    const char *failed = "";
    int64_t err = 0;

    for (uint64_t n = 1; failed && strcmp(failed, "fallocate"); n++) {
        fault_arm(n, ENOSPC, false);
        err = objstore_spill(full, CAPACITY);
        failed = fault_disarm();
    }
    CHECK_EQ(objstore_get(full, &sealed, 0, &view), 0);
    objstore_release(full, &view);
    CHECK_EQ(objstore_verify(full, NULL), 0);
    end_spilling(full);
    return (int)err;
}

static int open_no_spill_dir(void)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore *none;

    o.flags = OBJSTORE_CREATE;
    o.spill_dir = "/var/tmp/objstore-no-such-directory";
    return objstore_open(NULL, &o, &none, NULL);
}

static int spill_read_only(void)
{
    return (int)objstore_spill(read_only, 1);
}

static int spill_nowhere(void)
{
    return (int)objstore_spill(s, CAPACITY);
}

static int orphans_nowhere(void)
{
    return objstore_spill_orphans(NULL, true, NULL);
}

/* Every call, in a child that did not open the store. Answers what all of them say. */
static int in_child(void)
{
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        struct objstore_stats stats;
        struct objstore_space space;
        struct objstore_info info = { .size = 0 };
        bool ready;
        size_t size;
        const int said[] = {
            objstore_create(s, &absent, 1, NULL, &data),
            objstore_seal(s, &unsealed),
            objstore_seal_size(s, &unsealed, 1, NULL),
            objstore_abort(s, &unsealed),
            objstore_put(s, &absent, "x", 1, NULL),
            objstore_delete(s, &sealed),
            objstore_get(s, &sealed, 0, &view),
            objstore_get_many(s, &sealed, 1, 0, &view),
            objstore_read(s, &sealed, NULL, 0, &size),
            objstore_wait(s, &sealed, 1, 1, 0, &ready),
            objstore_stat(s, &sealed, &info),
            objstore_list(s, visit_info, NULL),
            objstore_list_where(s, NULL, visit_info, NULL),
            objstore_holders(s, &info, visit_holder, NULL),
            objstore_stats(s, &stats),
            objstore_space(s, &space),
            objstore_leases(s, NULL, NULL),
            objstore_reap(s),
            objstore_verify(s, NULL),
        };
        for (size_t i = 0; i < sizeof said / sizeof *said; i++)
            CHILD_CHECK(said[i] == -ECHILD);
        CHILD_CHECK(!objstore_contains(s, &sealed));
        _exit(0);
    }
    return help_wait(child) == 0 ? -ECHILD : 0;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct row {
    const char *call;
    int error;
    int (*provoke)(void);
} rows[] = {
    { "objstore_open", ENOENT, open_none },
    { "objstore_open", EEXIST, open_taken },
    { "objstore_open", EPROTO, open_no_store },
    { "objstore_open", EPROTO, open_other_layout },
    { "objstore_open", EBADMSG, open_damaged },
    { "objstore_open", ENOSPC, open_no_room },
    { "objstore_open", EINVAL, open_too_small },
    { "objstore_open", EINVAL, open_bad_flags },
    { "objstore_open", E2BIG, open_unknown_option },
    { "objstore_open", EUSERS, open_crowded },
    { "objstore_open_fd", EBADF, open_fd_closed },
    { "objstore_open_fd", EPROTO, open_fd_no_store },
    { "objstore_destroy", ENOENT, destroy_none },
    { "objstore_destroy", EPROTO, destroy_no_store },
    { "objstore_id_random", ENOSYS, random_id_fails },
    { "objstore_id_parse", EINVAL, parse_nonsense },
    { "objstore_create", EEXIST, create_sealed },
    { "objstore_create", EEXIST, create_taken },
    { "objstore_create", ENOSPC, create_too_much },
    { "objstore_create", EROFS, create_read_only },
    { "objstore_create", EINVAL, create_nameless },
    { "objstore_create", EINVAL, create_absurd },
    { "objstore_create", EINVAL, create_nowhere },
    { "objstore_create", EINVAL, create_undescribable },
    { "objstore_seal", ENOENT, seal_theirs },
    { "objstore_seal", EROFS, seal_read_only },
    { "objstore_seal_size", ENOENT, seal_size_theirs },
    { "objstore_seal_size", EINVAL, seal_size_longer },
    { "objstore_seal_size", ENOSPC, seal_size_no_room },
    { "objstore_abort", ENOENT, abort_theirs },
    { "objstore_put", EINVAL, put_nothing },
    { "objstore_put", EEXIST, put_taken },
    { "objstore_delete", ENOENT, delete_absent },
    { "objstore_delete", EROFS, delete_read_only },
    { "objstore_get", ENOENT, get_absent },
    { "objstore_get", ETIMEDOUT, get_late },
    { "objstore_get", EROFS, get_read_only },
    { "objstore_get", EINVAL, get_nameless },
    { "objstore_get", ENOSPC, get_no_room },
    { "objstore_get_many", EINVAL, get_many_nameless },
    { "objstore_get_many", ENOENT, get_many_absent },
    { "objstore_get_many", ETIMEDOUT, get_many_late },
    { "objstore_get_many", EROFS, get_many_read_only },
    { "objstore_read", ENOENT, read_absent },
    { "objstore_read", EINVAL, read_nowhere },
    { "objstore_read", EAGAIN, read_changing },
    { "objstore_wait", ETIMEDOUT, wait_late },
    { "objstore_wait", EINVAL, wait_too_many },
    { "objstore_wait", EROFS, wait_read_only },
    { "objstore_stat", ENOENT, stat_absent },
    { "objstore_stat", EINVAL, stat_nameless },
    { "objstore_list", EINVAL, list_nobody },
    { "objstore_list_where", EINVAL, list_unknown_state },
    { "objstore_list_where", E2BIG, list_later_filter },
    { "objstore_holders", ENOENT, holders_gone },
    { "objstore_stats", EINVAL, stats_nowhere },
    { "objstore_leases", EINVAL, leases_nobody },
    { "objstore_reap", EROFS, reap_read_only },
    { "objstore_give", EINVAL, give_no_view },
    { "objstore_give", ENOSPC, give_too_often },
    { "objstore_give", EROFS, give_read_only },
    { "objstore_take", ENOENT, take_cancelled },
    { "objstore_take", ENOSPC, take_no_room },
    { "objstore_give_cancel", ENOENT, cancel_twice },
    { "objstore_open_fd", ESTALE, open_fd_of_earlier_boot },
    { "objstore_sync", EOPNOTSUPP, sync_nameless },
    { "objstore_sync", EROFS, sync_read_only },
    { "objstore_sync", ENOMEM, sync_no_memory },
    { "objstore_events_open", EROFS, events_read_only },
    { "objstore_events_open", ENOMEM, events_no_memory },
    { "objstore_events_next", EOVERFLOW, events_too_slow },
    { "objstore_events_next", ETIMEDOUT, events_late },
    { "objstore_events_next", EINVAL, events_nowhere },
    { "objstore_verify", EBADMSG, verify_damaged },
    { "objstore_get", EBADMSG, get_cut },
    { "objstore_open", ENOTDIR, open_no_spill_dir },
    { "objstore_spill", ENOSPC, spill_full_disk },
    { "objstore_spill", EROFS, spill_read_only },
    { "objstore_spill", EOPNOTSUPP, spill_nowhere },
    { "objstore_verify_spilled", EBADMSG, verify_cut },
    { "objstore_spill_orphans", EINVAL, orphans_nowhere },
    { "every call", ECHILD, in_child },
};
enum { ROWS = sizeof rows / sizeof *rows };

static void each_row(void)
{
    for (size_t i = 0; i < ROWS; i++) {
        set_up();
        int err = rows[i].provoke();
        if (err != -rows[i].error)
            fprintf(stderr, "%s should say %s and says %d\n", rows[i].call,
                    strerrorname_np(rows[i].error), err);
        CHECK_EQ(err, -rows[i].error);
        /* Nothing was changed by it. */
        void *again;
        CHECK_EQ(objstore_create(s, &absent, 1, NULL, &again), 0);
        CHECK_EQ(objstore_seal(s, &unsealed), 0);
        CHECK_EQ(objstore_seal(other, &theirs), 0);
        tear_down();
    }
}

static bool is_provoked(const char *call, const char *error)
{
    for (size_t i = 0; i < ROWS; i++)
        if (!strcmp(rows[i].call, call) && !strcmp(strerrorname_np(rows[i].error), error))
            return true;
    return false;
}

/* "-EXXX" in a comment belongs to the declaration that follows. */
static void check_comment(const char *comment, const char *call)
{
    for (const char *p = comment; (p = strstr(p, "-E")); p++) {
        char error[20];
        size_t n = 0;

        while (n + 1 < sizeof error &&
               (isupper((unsigned char)p[n + 1]) || isdigit((unsigned char)p[n + 1]))) {
            error[n] = p[n + 1];
            n++;
        }
        error[n] = 0;
        if (n < 3)
            continue;
        if (!is_provoked(call, error))
            fprintf(stderr, "the header says %s may answer -%s: no test provokes it\n", call,
                    error);
        CHECK(is_provoked(call, error));
    }
}

static void each_error_of_the_header(void)
{
    static char text[200000];
    FILE *f = fopen("libobjstore/include/objstore.h", "r");
    int calls = 0;

    if (!f) {
        printf("    skipped: runs from the top of the source tree\n");
        return;
    }
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    for (char *p = text, *end; (p = strstr(p, "/*")) && (end = strstr(p, "*/")); p = end) {
        char *line = end + 3, call[64];

        *end++ = 0;
        if (strncmp(line, "OBJSTORE_", 9)) /* not in front of a declaration */
            continue;
        char *name = strstr(line, "objstore_"), *open = strchr(line, '(');
        if (!name || !open)
            continue;
        /* The return type may be a struct objstore_x; the call is what the parenthesis follows. */
        for (name = open; name > line && (isalnum((unsigned char)name[-1]) || name[-1] == '_');)
            name--;
        snprintf(call, sizeof call, "%.*s", (int)(open - name), name);
        check_comment(p, call);
        calls++;
    }
    CHECK(calls > 20);
}

TESTS("errors", { "each call gives each of its errors", each_row },
      { "each error that the header documents has a row", each_error_of_the_header })
