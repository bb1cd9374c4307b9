/* SPDX-License-Identifier: MIT */
/*
 * A process dies at every step of spilling, restoring, deleting what was spilled, evicting, and of
 * cleaning up after one that died there. What is left must be as if it had never begun, or done:
 * nothing sealed is lost, no byte, slot or file leaks.
 *
 * At each named step by a real kill; and after single instructions by looking at a copy of the
 * store and of its files while the process stands still there: after some of them, STEPS=n after
 * n and more of each scene, the later ones farther apart. STEPS=all compares all bytes of both
 * after each, and looks where any is not what it was at the last look: where none is, this state
 * was looked at already. Sweeps are then walked after a death at each of the steps: sixteen million
 * instructions and 31,000 looks, scene by scene (SCENE=), in twenty minutes of a shared processor.
 * SCENE=word: scenes with that word alone.
 */
#define _GNU_SOURCE
#include "help.h"
#include "lease.h"
#include "mirror.h"
#include "point.h"
#include "spill.h"
#include "spill_scenes.h"
#include "step.h"
#include "store.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

static char copy_dir[64];
static bool is_all; /* STEPS=all */

/* ---- at every point ------------------------------------------------------------------------ */

static void arm(void)
{
    test_point = spill_die_here;
}
static void disarm(void)
{
    test_point = NULL;
}

/* How many points did the act pass before it ended? -1: something is wrong. */
static long kill_at_each(const struct spill_scene *scene, struct objstore *s)
{
    for (long k = 1;; k++) {
        scene->prepare(s);
        pid_t child = fork();
        if (child == 0) {
            spill_deaths.left = k;
            spill_scene_run_child(scene, objstore_fd(s), arm, disarm);
        }
        int status = child < 0 ? -1 : help_wait(child);
        if (!spill_scene_check(scene, s, spill_dir) || (status != 0 && status != 128 + SIGKILL)) {
            fprintf(stderr, "%s, killed at point %ld (another at %ld): status %d\n", scene->name, k,
                    spill_deaths.other_at, status);
            return -1;
        }
        if (status == 0)
            return k - 1;
    }
}

/* The same for each place where another may have died; without STEPS=all for about ten of them. */
static long kill_after_each(const struct spill_scene *scene, struct objstore *s)
{
    long apart = is_all ? 1 : (scene->dead_to - scene->dead_from + 9) / 10;
    long total = 0, points = 0;

    spill_deaths.are_all_counted = !scene->is_large || is_all;
    spill_deaths.other_at = scene->dead_from;
    do {
        points = kill_at_each(scene, s);
        total += points;
        spill_deaths.other_at += apart;
    } while (points >= 0 && spill_deaths.other_at < scene->dead_to);
    return points < 0 ? points : total;
}

static void make_dir(char path[64])
{
    snprintf(path, 64, "/dev/shm/objstore-test-XXXXXX");
    REQUIRE(mkdtemp(path) != NULL);
}

static bool is_wanted(const struct spill_scene *scene)
{
    const char *only = getenv("SCENE");

    return !only || strstr(scene->name, only);
}

static void every_point(void)
{
    const char *steps = getenv("STEPS");
    long total = 0;

    is_all = steps && !strcmp(steps, "all");
    make_dir(spill_dir);
    for (size_t i = 0; i < spill_scenes_count; i++) {
        if (!is_wanted(&spill_scenes[i]))
            continue;
        struct objstore *s = spill_scene_store(spill_scenes[i].is_cache);
        long points = kill_after_each(&spill_scenes[i], s);

        CHECK(points > 0);
        total += points;
        printf("    %-40s %5ld points\n", spill_scenes[i].name, points);
        objstore_close(s);
        if (points < 0)
            break;
    }
    printf("    %ld kills\n", total);
    CHECK_EQ(rmdir(spill_dir), 0);
}

/* ---- after every instruction --------------------------------------------------------------- */

struct act {
    const struct spill_scene *scene;
    int fd;
    struct mirror *mirror; /* look where the store or a file has changed alone; or NULL */
    uint64_t wanted;       /* else: so many looks, then the next are twice as far apart */
    uint64_t next, apart, left;
    uint64_t looks;
};

#define APART 256 /* instructions, at first */

static struct window window;
static void look_for_window(const char *name)
{
    if (!strcmp(name, window.from) && --window.from_n == 0)
        step_begin();
    if (!strcmp(name, window.to) && --window.to_n == 0)
        step_end();
}
static void arm_window(void)
{
    test_point = look_for_window;
}

static void act(void *ctx)
{
    const struct act *a = ctx;

    window = a->scene->window;
    spill_scene_run_child(a->scene, a->fd, window.from ? arm_window : step_begin, step_end);
}

static bool copy_files(void)
{
    DIR *d = opendir(spill_dir);
    bool is_good = d != NULL;

    for (struct dirent *e; is_good && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        int from = openat(dirfd(d), e->d_name, O_RDONLY);
        int there = open(copy_dir, O_RDONLY | O_DIRECTORY);
        int to = openat(there, e->d_name, O_RDWR | O_CREAT | O_TRUNC, 0600);

        is_good = from >= 0 && to >= 0 && help_copy(from, to);
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
    DIR *d = opendir(spill_dir);
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
    bool is_good = fd >= 0 && help_copy(a->fd, fd) && copy_files() && redirect(fd);
    int err = is_good ? objstore_open_fd(fd, NULL, &s, NULL) : -EIO;

    is_good = err == 0 && spill_scene_check(a->scene, s, copy_dir);
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
    a->apart = a->scene->window.from ? 4 : APART;
    a->left = a->wanted;
    uint64_t steps = step_each(act, look, a, a->mirror ? 1 : a->apart);
    *count += steps;
    return steps > 0 && spill_scene_check(a->scene, s, spill_dir);
}

static bool step_scene(const struct spill_scene *scene, uint64_t wanted)
{
    struct objstore *s = spill_scene_store(scene->is_cache);
    struct act a = { .scene = scene, .fd = objstore_fd(s), .wanted = wanted };
    uint64_t count = 0, walks = 0;
    bool is_good = true;

    a.mirror = wanted ? NULL : mirror_new(a.fd);
    spill_deaths.is_other_dead = false;
    spill_deaths.are_all_counted = true;
    spill_deaths.other_at = wanted ? scene->dead_from : 1;
    do {
        is_good = step_through(&a, s, &count);
        walks++;
        spill_deaths.other_at++;
    } while (is_good && !wanted &&
             spill_deaths.is_other_dead); /* of sweeps: each point where another may have died */
    mirror_free(a.mirror);
    printf("    %-40s %3llu walks, %8llu instructions, %6llu looked after\n", scene->name,
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

/* Many objects, and no window: only with STEPS=all. */
static bool is_long(const struct spill_scene *scene)
{
    return scene->is_large && !scene->window.from;
}

static void every_instruction(void)
{
#ifdef __SANITIZE_THREAD__
    puts("    under ThreadSanitizer most instructions are not ours");
    return;
#endif
    const char *steps = getenv("STEPS");
    uint64_t wanted = !steps ? 25 : is_all ? 0 : strtoull(steps, NULL, 0);

    if (!step_is_possible()) {
        printf("    no single-stepping here (ptrace); skipped\n");
        return;
    }
    make_dir(spill_dir);
    make_dir(copy_dir);
    for (size_t i = 0; i < spill_scenes_count; i++)
        if (is_wanted(&spill_scenes[i]) && (is_all || !is_long(&spill_scenes[i])))
            CHECK(step_scene(&spill_scenes[i], wanted));
    CHECK_EQ(rmdir(spill_dir), 0);
    CHECK_EQ(rmdir(copy_dir), 0);
}

TESTS("kill spill", { "a process may die at every step", every_point },
      { "and after every instruction", every_instruction })
