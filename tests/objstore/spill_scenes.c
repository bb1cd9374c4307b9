/* SPDX-License-Identifier: MIT */
#include "spill_scenes.h"
#include "point.h"
#include "spill.h"
#include "store.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define CAPACITY (256u << 10)
#define OBJECTS 14u

/*
 * Scenes of parts: a small file, which comes first as a new process's pins are few, and a file of
 * three parts. The objects that stay, two of the small file and of each part, have the first
 * numbers.
 */
#define SMALL_FILE 64u
#define MANY (SMALL_FILE + 2 * SPILL_PART + 8)
#define FIRST 1000u
#define STAY 8u

char spill_dir[64];

/* Object n has the bytes of `sea` from n % 64 on: nothing to compute while single-stepping. */
static unsigned char sea[64 + (48 << 10)];

static size_t size_of(uint64_t n)
{
    if (n >= FIRST)
        return 70 + n % 50;
    return n % 3 == 0 ? 300 + n : n % 3 == 1 ? 9000 + 100 * n : 40000;
}

struct objstore *spill_scene_store(bool is_cache)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore *s = NULL;
    uint64_t random = 1;

    for (size_t i = 0; i < sizeof sea; i++)
        sea[i] = (unsigned char)test_random(&random);
    o.capacity_bytes = CAPACITY;
    o.flags = OBJSTORE_CREATE | (is_cache ? OBJSTORE_CACHE : 0);
    o.spill_dir = is_cache ? NULL : spill_dir;
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

static void remove_some(struct objstore *s, uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n < to; n++) {
        struct objstore_id id = help_id(n);

        CHILD_CHECK(objstore_delete(s, &id) == 0);
    }
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
    remove_some(s, 4, OBJECTS);
}

/* ---- scenes of files of several parts ------------------------------------------------------ */

/* The number of the object that is put after `before` others. */
static uint64_t number_after(uint32_t before)
{
    bool is_small = before < SMALL_FILE;
    uint32_t part = is_small ? 0 : 1 + (before - SMALL_FILE) / SPILL_PART;
    uint32_t place = is_small ? before : (before - SMALL_FILE) % SPILL_PART;

    return place < 2 ? FIRST + 2 * part + place : FIRST + STAY + before - 2 * (part + 1);
}
static uint32_t parts_in(const struct objstore *s)
{
    uint32_t parts = 0;

    for (uint32_t i = 0; i < slots_in_use(s); i++)
        parts += word_state(au64_load_acquire(&slot_at(s, i)->word)) == SLOT_FILE;
    return parts;
}
static void prepare_many(struct objstore *s)
{
    for (uint32_t i = 0; i < MANY; i++)
        put(s, number_after(i));
}
/* By another process, so that the table of pins that it takes is gone. */
static void prepare_parts(struct objstore *s)
{
    pid_t child = fork();

    CHILD_CHECK(child >= 0);
    if (child == 0) {
        struct objstore *own = help_attach(s);

        prepare_many(own);
        CHILD_CHECK(objstore_spill(own, CAPACITY) > 0 && parts_in(own) == 4);
        remove_some(own, FIRST + STAY, FIRST + MANY);
        CHILD_CHECK(files_in(spill_dir) == 2 && parts_in(own) == 4);
        objstore_close(own);
        _exit(0);
    }
    CHILD_CHECK(help_wait(child) == 0);
}
static void act_get_parts(struct objstore *s)
{
    for (uint64_t n = FIRST + 4; n < FIRST + 7; n++) /* the second part goes, the file stays */
        CHILD_CHECK(is_there(s, n));
}
/*
 * The parts go one after the other; the slot of the first becomes that of another file, the slot of
 * the third an object's. What was freed last is taken first: that of the part's last object.
 */
static void act_reuse_parts(struct objstore *s)
{
    remove_some(s, FIRST + 2, FIRST + 4);
    put(s, FIRST + MANY);
    CHILD_CHECK(objstore_spill(s, CAPACITY) > 0);
    remove_some(s, FIRST + 6, FIRST + 8);
    put(s, FIRST + MANY + 1);
    put(s, FIRST + MANY + 2);
    CHILD_CHECK(files_in(spill_dir) == 3);
    remove_some(s, FIRST + 4, FIRST + 6);
    CHILD_CHECK(files_in(spill_dir) == 2);
}
/* The first file that is made gets room, others do not. */
static void (*next_point)(const char *name);
static void take_room_away(const char *name)
{
    static uint32_t files;
    bool is_made = !strcmp(name, "spill: file made, no room reserved");
    struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

    files += is_made;
    if (is_made && files > 1)
        limit.rlim_cur = 1;
    if (files > 1)
        setrlimit(RLIMIT_FSIZE, &limit);
    if (next_point)
        next_point(name);
}
static void act_spill_no_room(struct objstore *s)
{
    signal(SIGXFSZ, SIG_IGN);
    next_point = test_point;
    test_point = take_room_away;
    CHILD_CHECK(objstore_spill(s, CAPACITY) > 0 && files_in(spill_dir) == 1);
}

/* ---- scenes in which another died before --------------------------------------------------- */

struct spill_deaths spill_deaths;
static const char *counted; /* only those with this in their names; NULL: any */

static bool is_counted(const char *name)
{
    static struct {
        const char *name;
        unsigned long times;
    } passed[256];
    unsigned i = 0;

    if (counted && !strstr(name, counted))
        return false;
    if (spill_deaths.are_all_counted)
        return true;
    while (passed[i].name && passed[i].name != name)
        i++;
    CHILD_CHECK(i < sizeof passed / sizeof *passed - 1);
    passed[i].name = name;
    unsigned long n = ++passed[i].times;
    return n <= 4 || !(n & (n - 1));
}
void spill_die_here(const char *name)
{
    if (is_counted(name) && --spill_deaths.left == 0)
        raise(SIGKILL);
}
static void prepare_dead(struct objstore *s, void (*act)(struct objstore *))
{
    pid_t child = fork();

    CHILD_CHECK(child >= 0);
    if (child == 0) {
        struct objstore *own = help_attach(s);

        spill_deaths.left = spill_deaths.other_at;
        test_point = spill_die_here;
        act(own);
        test_point = NULL;
        _exit(0);
    }
    spill_deaths.is_other_dead = help_wait(child) == 128 + SIGKILL;
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
static void prepare_dead_many(struct objstore *s)
{
    prepare_many(s);
    counted = " a file"; /* the bits are set, then each part becomes one */
    prepare_dead(s, act_spill);
    counted = NULL;
}
static void prepare_dead_parts(struct objstore *s, void (*act)(struct objstore *))
{
    prepare_parts(s);
    counted = "spill: ";
    prepare_dead(s, act);
    counted = NULL;
}
static void prepare_dead_get_parts(struct objstore *s)
{
    prepare_dead_parts(s, act_get_parts);
}
static void prepare_dead_reuse_parts(struct objstore *s)
{
    prepare_dead_parts(s, act_reuse_parts);
}
static void act_reap(struct objstore *s)
{
    CHILD_CHECK(objstore_reap(s) >= 0);
}

const struct spill_scene spill_scenes[] = {
    { .name = "spill", .prepare = prepare_memory, .act = act_spill, .to = 7 },
    { .name = "put, where others must be spilled",
      .prepare = prepare_memory,
      .act = act_put,
      .to = 7 },
    { .name = "get what was spilled", .prepare = prepare_spilled, .act = act_get, .to = OBJECTS },
    { .name = "delete what was spilled", .prepare = prepare_spilled, .act = act_delete, .to = 4 },
    { .name = "put, where others must be evicted",
      .prepare = prepare_memory,
      .act = act_put,
      .is_cache = true },
    { .name = "sweep after a death in spill",
      .prepare = prepare_dead_spill,
      .act = act_reap,
      .to = 7,
      .opens = true,
      .dead_from = 20,
      .dead_to = 80 },
    { .name = "sweep after a death in restore",
      .prepare = prepare_dead_get,
      .act = act_reap,
      .to = OBJECTS,
      .opens = true,
      .dead_from = 10,
      .dead_to = 50 },
    { .name = "parts: spill",
      .prepare = prepare_many,
      .act = act_spill,
      .from = FIRST,
      .to = FIRST + MANY,
      .is_large = true,
      .window = { "spill: bits set, not a file yet", "spill: a part of a file", 2, 4 } },
    { .name = "parts: spill, no room on the disk",
      .prepare = prepare_many,
      .act = act_spill_no_room,
      .from = FIRST,
      .to = FIRST + MANY,
      .is_large = true,
      .window = { "spill: all held", "spill: a part of a file", 2, 4 } },
    { .name = "parts: get",
      .prepare = prepare_parts,
      .act = act_get_parts,
      .from = FIRST,
      .to = FIRST + STAY },
    { .name = "parts: delete, use their slots",
      .prepare = prepare_parts,
      .act = act_reuse_parts,
      .from = FIRST,
      .to = FIRST + 2 },
    { .name = "parts: sweep after a death in spill",
      .prepare = prepare_dead_many,
      .act = act_reap,
      .from = FIRST,
      .to = FIRST + MANY,
      .opens = true,
      .dead_from = 3,
      .dead_to = 7,
      .is_large = true },
    { .name = "parts: sweep after a death in restore",
      .prepare = prepare_dead_get_parts,
      .act = act_reap,
      .from = FIRST,
      .to = FIRST + STAY,
      .opens = true,
      .dead_from = 1,
      .dead_to = 12 },
    { .name = "parts: sweep after a death in delete",
      .prepare = prepare_dead_reuse_parts,
      .act = act_reap,
      .from = FIRST,
      .to = FIRST + 2,
      .opens = true,
      .dead_from = 1,
      .dead_to = 27 },
};
const size_t spill_scenes_count = sizeof spill_scenes / sizeof *spill_scenes;

void spill_scene_run_child(const struct spill_scene *scene, int fd, void (*armed)(void),
                           void (*done)(void))
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
bool spill_scene_check(const struct spill_scene *scene, struct objstore *s, const char *files)
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
