/* SPDX-License-Identifier: MIT */
/*
 * A process dies at every step of spilling, restoring, deleting what was spilled, evicting, and of
 * cleaning up after one that died there. What is left must be as if it had never begun, or done:
 * nothing sealed is lost, no byte, slot or file leaks.
 *
 * At each named step by a real kill; and after single instructions by looking at a copy of the
 * store and of its files while the process stands still there: after some of them, STEPS=n after
 * n and more of each scene, the later ones farther apart. STEPS=all compares all bytes of both after each, and looks where any is not what it
 * was at the last look: where none is, this state was looked at already. Sweeps are then walked
 * after a death at each of the steps: twelve million instructions and 86,000 looks, in a quarter
 * of an hour of one processor; without the sweeps (SCENE=word: scenes with that word) in five
 * minutes.
 */
#define _GNU_SOURCE
#include "help.h"
#include "lease.h"
#include "mirror.h"
#include "point.h"
#include "spill.h"
#include "step.h"
#include "store.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define CAPACITY (256u << 10)
#define OBJECTS 14u

static char dir[64], copy_dir[64];

/* Object n has the bytes of `sea` from n % 64 on: nothing to compute while single-stepping. */
static unsigned char sea[64 + (48 << 10)];

static size_t size_of(uint64_t n)
{
    return n % 3 == 0 ? 300 + n : n % 3 == 1 ? 9000 + 100 * n : 40000;
}

static struct objstore *make(bool is_cache)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore *s = NULL;
    uint64_t random = 1;

    for (size_t i = 0; i < sizeof sea; i++)
        sea[i] = (unsigned char)test_random(&random);
    o.capacity_bytes = CAPACITY;
    o.flags = OBJSTORE_CREATE | (is_cache ? OBJSTORE_CACHE : 0);
    o.spill_dir = is_cache ? NULL : dir;
    REQUIRE_OK(objstore_open(NULL, &o, &s, NULL));
    return s;
}

static void put(struct objstore *s, uint64_t n)
{
    struct objstore_id id = help_id(n);
    const struct objstore_meta meta = { .dtype = OBJSTORE_UINT8,
                                        .ndim = 1,
                                        .dims = { size_of(n) } };

    CHILD_CHECK(objstore_put(s, &id, sea + n % 64, size_of(n), n % 2 ? &meta : NULL) == 0);
}

static bool is_there(struct objstore *s, uint64_t n)
{
    struct objstore_id id = help_id(n);
    struct objstore_view view;
    int err = objstore_get(s, &id, 0, &view);

    if (err) {
        fprintf(stderr, "object %llu: %s\n", (unsigned long long)n, objstore_strerror(err));
        return false;
    }
    bool is_right = view.size == size_of(n) && !memcmp(view.data, sea + n % 64, view.size);
    if (!is_right)
        fprintf(stderr, "object %llu has other bytes\n", (unsigned long long)n);
    objstore_release(s, &view);
    return is_right;
}

/* ---- scenes -------------------------------------------------------------------------------- */

static void prepare_memory(struct objstore *s)
{
    for (uint64_t n = 0; n < 7; n++)
        put(s, n);
}
static void prepare_spilled(struct objstore *s)
{
    for (uint64_t n = 0; n < OBJECTS; n++)
        put(s, n);
    CHILD_CHECK(objstore_spill(s, CAPACITY) >= 0);
}
static void act_spill(struct objstore *s)
{
    CHILD_CHECK(objstore_spill(s, CAPACITY) > 0);
}
static void act_put(struct objstore *s)
{
    put(s, 7);
    put(s, 8);
    put(s, 10);
    put(s, 11);
}
static void act_get(struct objstore *s)
{
    for (uint64_t n = 0; n < 3; n++)
        CHILD_CHECK(is_there(s, n));
}
static void act_delete(struct objstore *s)
{
    for (uint64_t n = 4; n < OBJECTS; n++) {
        struct objstore_id id = help_id(n);

        CHILD_CHECK(objstore_delete(s, &id) == 0);
    }
}
/* Another died in the middle of it: at its `dead_at`-th point, if there are so many. */
static long points_left, dead_at;
static bool is_dead;
static void die_here(const char *name)
{
    (void)name;
    if (--points_left == 0)
        raise(SIGKILL);
}
static void prepare_dead(struct objstore *s, void (*act)(struct objstore *))
{
    pid_t child = fork();

    CHILD_CHECK(child >= 0);
    if (child == 0) {
        struct objstore *own = help_attach(s);

        points_left = dead_at;
        test_point = die_here;
        act(own);
        test_point = NULL;
        _exit(0);
    }
    is_dead = help_wait(child) == 128 + SIGKILL;
}
static void prepare_dead_spill(struct objstore *s)
{
    prepare_memory(s);
    prepare_dead(s, act_spill);
}
static void prepare_dead_get(struct objstore *s)
{
    prepare_spilled(s);
    prepare_dead(s, act_get);
}
static void act_reap(struct objstore *s)
{
    CHILD_CHECK(objstore_reap(s) >= 0);
}

struct scene {
    const char *name;
    void (*prepare)(struct objstore *s);
    void (*act)(struct objstore *s);
    uint64_t from, to; /* these must be there afterwards */
    bool is_cache, opens;
    long dead_from,
        dead_to; /* sweeps: where another died, by default one after the other of these */
};

static const struct scene scenes[] = {
    { "spill", prepare_memory, act_spill, 0, 7, false, false, 0, 0 },
    { "put, where others must be spilled", prepare_memory, act_put, 0, 7, false, false, 0, 0 },
    { "get what was spilled", prepare_spilled, act_get, 0, OBJECTS, false, false, 0, 0 },
    { "delete what was spilled", prepare_spilled, act_delete, 0, 4, false, false, 0, 0 },
    { "put, where others must be evicted", prepare_memory, act_put, 0, 0, true, false, 0, 0 },
    { "sweep after a death in spill", prepare_dead_spill, act_reap, 0, 7, false, true, 20, 80 },
    { "sweep after a death in restore", prepare_dead_get, act_reap, 0, OBJECTS, false, true, 10,
      50 },
};
enum { SCENES = sizeof scenes / sizeof *scenes };

static void run_child(const struct scene *scene, int fd, void (*armed)(void), void (*done)(void))
{
    struct objstore *own;

    if (scene->opens)
        armed();
    CHILD_CHECK(objstore_open_fd(fd, NULL, &own, NULL) == 0);
    if (!scene->opens)
        armed();
    scene->act(own);
    done();
    _exit(0);
}

static int delete_each(const struct objstore_info *info, void *ctx)
{
    struct objstore *s = ctx;
    uint64_t n;

    memcpy(&n, info->id.bytes, sizeof n);
    if (info->state != OBJSTORE_SEALED && info->state != OBJSTORE_SPILLED) {
        fprintf(stderr, "object %llu is in state %u\n", (unsigned long long)n, info->state);
        return 1;
    }
    if (info->size != size_of(n) || !is_there(s, n))
        return 1;
    int err = objstore_delete(s, &info->id);
    return err == -ENOENT ? 0 : err;
}

static unsigned files_in(const char *path)
{
    DIR *d = opendir(path);
    unsigned count = 0;

    for (struct dirent *e; d && (e = readdir(d));)
        count += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return count;
}

static bool is_all_free(struct objstore *s, const char *files)
{
    uint32_t taken = 0;

    for (uint32_t i = 0; i < slots_in_use(s); i++)
        taken += word_state(au64_load_relaxed(&slot_at(s, i)->word)) != SLOT_FREE;
    if (taken || help_used(s) || files_in(files))
        fprintf(stderr, "left over: %u slots, %llu bytes, %u files\n", taken,
                (unsigned long long)help_used(s), files_in(files));
    return !taken && !help_used(s) && !files_in(files);
}

/* What a survivor finds. Leaves the store empty. */
static bool check(const struct scene *scene, struct objstore *s, const char *files)
{
    struct objstore_id all = help_id(5000);
    void *data;

    if (objstore_reap(s) < 0 || !help_is_sound(s) || objstore_verify_spilled(s, NULL))
        return false;
    for (uint64_t n = scene->from; n < scene->to; n++)
        if (!is_there(s, n))
            return false;
    for (int i = 0; i < 4; i++) /* one that is restored on the way may be listed in neither place */
        if (objstore_list(s, delete_each, s))
            return false;
    if (!is_all_free(s, files))
        return false;
    int err = objstore_create(s, &all, CAPACITY, NULL, &data);
    return err == 0 && objstore_abort(s, &all) == 0 && is_all_free(s, files) && help_is_sound(s);
}

/* ---- at every point ------------------------------------------------------------------------ */

static void arm(void)
{
    test_point = die_here;
}
static void disarm(void)
{
    test_point = NULL;
}

static long kill_at_each(const struct scene *scene, struct objstore *s)
{
    long places = scene->dead_to - scene->dead_from;

    for (long k = 1;; k++) {
        dead_at = places ? scene->dead_from + k % places : 0;
        scene->prepare(s);
        pid_t child = fork();
        if (child == 0) {
            points_left = k;
            run_child(scene, objstore_fd(s), arm, disarm);
        }
        int status = child < 0 ? -1 : help_wait(child);
        if (!check(scene, s, dir) || (status != 0 && status != 128 + SIGKILL)) {
            fprintf(stderr, "%s, killed at point %ld: status %d\n", scene->name, k, status);
            return -1;
        }
        if (status == 0)
            return k - 1;
    }
}

static void make_dir(char path[64])
{
    snprintf(path, 64, "/dev/shm/objstore-test-XXXXXX");
    REQUIRE(mkdtemp(path) != NULL);
}

static void every_point(void)
{
    long total = 0;

    make_dir(dir);
    for (int i = 0; i < SCENES; i++) {
        struct objstore *s = make(scenes[i].is_cache);
        long points = kill_at_each(&scenes[i], s);

        CHECK(points > 0);
        total += points;
        printf("    %-40s %4ld points\n", scenes[i].name, points);
        objstore_close(s);
        if (points < 0)
            break;
    }
    printf("    %ld kills\n", total);
    CHECK_EQ(rmdir(dir), 0);
}

/* ---- after every instruction --------------------------------------------------------------- */

struct act {
    const struct scene *scene;
    int fd;
    struct mirror *mirror; /* look where the store or a file has changed alone; or NULL */
    uint64_t wanted;       /* else: so many looks, then the next are twice as far apart */
    uint64_t next, apart, left;
    uint64_t looks;
};

#define APART 256 /* instructions, at first */

static void act(void *ctx)
{
    const struct act *a = ctx;

    run_child(a->scene, a->fd, step_begin, step_end);
}

static bool copy_bytes(int from, int to, off_t at, off_t end)
{
    static char buffer[256 << 10];

    while (at < end) {
        size_t want = end - at < (off_t)sizeof buffer ? (size_t)(end - at) : sizeof buffer;
        ssize_t n = pread(from, buffer, want, at);

        if (n <= 0 || pwrite(to, buffer, (size_t)n, at) != n)
            return false;
        at += n;
    }
    return true;
}

static bool copy_file(int from, int to)
{
    off_t size = lseek(from, 0, SEEK_END), at = 0;

    if (ftruncate(to, size))
        return false;
    while ((at = lseek(from, at, SEEK_DATA)) >= 0) {
        off_t end = lseek(from, at, SEEK_HOLE);

        if (!copy_bytes(from, to, at, end))
            return false;
        at = end;
    }
    return true;
}

static bool copy_files(void)
{
    DIR *d = opendir(dir);
    bool is_good = d != NULL;

    for (struct dirent *e; is_good && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        int from = openat(dirfd(d), e->d_name, O_RDONLY);
        int there = open(copy_dir, O_RDONLY | O_DIRECTORY);
        int to = openat(there, e->d_name, O_RDWR | O_CREAT | O_TRUNC, 0600);

        is_good = from >= 0 && to >= 0 && copy_file(from, to);
        close(from);
        close(to);
        close(there);
    }
    if (d)
        closedir(d);
    return is_good;
}

/* The copy of a store spills to the copy of the files. */
static bool redirect(int fd)
{
    struct header_fixed header;
    struct spill_fixed fixed;
    struct geometry g;

    if (pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header ||
        !geometry_of(header.capacity_bytes, &g) ||
        pread(fd, &fixed, sizeof fixed, (off_t)g.spill_at) != (ssize_t)sizeof fixed)
        return false;
    if (fixed.mode != SPILL_TO_FILES)
        return true;
    memset(fixed.dir, 0, sizeof fixed.dir);
    snprintf(fixed.dir, sizeof fixed.dir, "%s", copy_dir);
    fixed.check = spill_fixed_check(&fixed);
    return pwrite(fd, &fixed, sizeof fixed, (off_t)g.spill_at) == (ssize_t)sizeof fixed;
}

/* The names and bytes of all files, one after the other; `room` and more if they are too many. */
static size_t read_files(char *to, size_t room)
{
    DIR *d = opendir(dir);
    size_t used = 0;

    for (struct dirent *e; d && used < room && (e = readdir(d));) {
        int file = e->d_name[0] == '.' ? -1 : openat(dirfd(d), e->d_name, O_RDONLY);

        if (file < 0)
            continue;
        int name = snprintf(to + used, room - used, "%s/", e->d_name);
        used += (size_t)name;
        ssize_t n = used < room ? read(file, to + used, room - used) : 0;
        used += n > 0 ? (size_t)n : 0;
        close(file);
    }
    if (d)
        closedir(d);
    return used;
}

/* Are they not what they were when this was called last? */
static bool files_changed(void)
{
    static char files[2][1 << 20];
    static size_t size[2];
    static int now;

    now = !now;
    size[now] = read_files(files[now], sizeof files[now]);
    return size[now] >= sizeof files[now] || size[0] != size[1] ||
           memcmp(files[0], files[1], size[0]);
}

static int look(uint64_t n, void *ctx)
{
    struct act *a = ctx;
    struct objstore *s = NULL;

    if (a->mirror) {
        bool in_files = files_changed();

        if (!mirror_update(a->mirror) && !in_files && n > 0)
            return 0;
    } else {
        if (n < a->next)
            return 0;
        if (a->left-- == 0) {
            a->left = a->wanted;
            a->apart *= 2;
        }
        a->next = n + a->apart;
    }
    int fd = memfd_create("copy", MFD_CLOEXEC);
    bool is_good = fd >= 0 && copy_file(a->fd, fd) && copy_files() && redirect(fd);
    int err = is_good ? objstore_open_fd(fd, NULL, &s, NULL) : -EIO;

    is_good = err == 0 && check(a->scene, s, copy_dir);
    if (!is_good)
        fprintf(stderr, "%s, had it died after %llu instructions (%s)\n", a->scene->name,
                (unsigned long long)n, objstore_strerror(err));
    objstore_close(s);
    close(fd);
    a->looks++;
    return !is_good;
}

static bool step_through(struct act *a, struct objstore *s, uint64_t *count)
{
    a->scene->prepare(s);
    a->next = 0;
    a->apart = APART;
    a->left = a->wanted;
    uint64_t steps = step_each(act, look, a, a->mirror ? 1 : APART);
    *count += steps;
    return steps > 0 && check(a->scene, s, dir);
}

static bool step_scene(const struct scene *scene, uint64_t wanted)
{
    struct objstore *s = make(scene->is_cache);
    struct act a = { .scene = scene, .fd = objstore_fd(s), .wanted = wanted };
    uint64_t count = 0, walks = 0;
    bool is_good = true;

    a.mirror = wanted ? NULL : mirror_new(a.fd);
    is_dead = false;
    dead_at = wanted ? scene->dead_from : 1;
    do {
        is_good = step_through(&a, s, &count);
        walks++;
        dead_at++;
    } while (is_good && !wanted && is_dead); /* of sweeps: each point where another may have died */
    mirror_free(a.mirror);
    printf("    %-36s %3llu walks, %8llu instructions, %6llu looked after\n", scene->name,
           (unsigned long long)walks, (unsigned long long)count, (unsigned long long)a.looks);
    objstore_close(s);
    return is_good;
}

/*
 * To single-step through `rep movsb` is a step a byte, which is most of what there is: without it the C
 * library copies and fills in lines. It reads that when a program begins.
 */
static __attribute__((constructor)) void begin_without_rep(int argc, char **argv)
{
    (void)argc;
    if (setenv("GLIBC_TUNABLES",
               "glibc.cpu.x86_rep_movsb_threshold=1073741824:"
               "glibc.cpu.x86_rep_stosb_threshold=1073741824",
               0) == 0 &&
        !getenv("BEGUN_WITHOUT_REP") && setenv("BEGUN_WITHOUT_REP", "1", 0) == 0)
        execv("/proc/self/exe", argv); /* if it cannot, it takes longer */
}

static void every_instruction(void)
{
#ifdef __SANITIZE_THREAD__
    puts("    under ThreadSanitizer most instructions are not ours");
    return;
#endif
    const char *steps = getenv("STEPS"), *only = getenv("SCENE");
    uint64_t wanted = !steps ? 25 : !strcmp(steps, "all") ? 0 : strtoull(steps, NULL, 0);

    if (!step_is_possible()) {
        printf("    no single-stepping here (ptrace); skipped\n");
        return;
    }
    make_dir(dir);
    make_dir(copy_dir);
    for (int i = 0; i < SCENES; i++)
        if (!only || strstr(scenes[i].name, only))
            CHECK(step_scene(&scenes[i], wanted));
    CHECK_EQ(rmdir(dir), 0);
    CHECK_EQ(rmdir(copy_dir), 0);
}

TESTS("kill spill", { "a process may die at every step", every_point },
      { "and after every instruction", every_instruction })
