/* SPDX-License-Identifier: MIT */
#include "scenes.h"
#include "lease.h"
#include "pin.h"
#include "store.h"
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

/* Objects from KEEP on are never deleted by a child: they must survive with their bytes. */
#define KEEP 1000u
#define KEPT 3u

/* Object n has the bytes of `sea` from n % 64 on: nothing to compute while single-stepping. */
static unsigned char sea[64 + (16 << 10)];

static const unsigned char *bytes_of(uint64_t number)
{
    return sea + number % 64;
}

static bool is_right(const struct objstore_view *view, uint64_t number)
{
    return view->size <= sizeof sea - 64 && !memcmp(view->data, bytes_of(number), view->size);
}

static void put(struct objstore *s, uint64_t number, size_t size)
{
    struct objstore_id id = help_id(number);
    const struct objstore_meta meta = { .dtype = OBJSTORE_UINT8, .ndim = 1, .dims = { size } };
    int err = objstore_put(s, &id, bytes_of(number), size, number % 2 ? &meta : NULL);

    if (err)
        fprintf(stderr, "put %llu, %zu bytes: %s\n", (unsigned long long)number, size,
                objstore_strerror(err));
    CHILD_CHECK(err == 0);
}

static void keep_some(struct objstore *s)
{
    put(s, KEEP, 40);
    put(s, KEEP + 1, 600);
    put(s, KEEP + 2, 8000);
}

static struct objstore_view get(struct objstore *s, uint64_t number)
{
    struct objstore_id id = help_id(number);
    struct objstore_view view;

    CHILD_CHECK(objstore_get(s, &id, 0, &view) == 0);
    CHILD_CHECK(is_right(&view, number));
    return view;
}

static void *create(struct objstore *s, uint64_t number, size_t size)
{
    struct objstore_id id = help_id(number);
    void *data;

    CHILD_CHECK(objstore_create(s, &id, size, NULL, &data) == 0);
    return data;
}

static int delete (struct objstore *s, uint64_t number)
{
    struct objstore_id id = help_id(number);

    return objstore_delete(s, &id);
}

/* ---- writing ------------------------------------------------------------------------------- */

static void act_put_inline(struct objstore *s)
{
    put(s, 1, 64);
}
static void act_put_cell(struct objstore *s)
{
    put(s, 2, 500);
}
static void act_put_pages(struct objstore *s)
{
    put(s, 3, 3000);
}
static void arrive_warm(struct objstore *s)
{
    put(s, 10, 500);
    put(s, 12, 3000);
    put(s, 14, 8);
    CHILD_CHECK(delete (s, 10) == 0 && delete (s, 12) == 0 && delete (s, 14) == 0);
}
static void act_put_twice(struct objstore *s)
{
    static const char byte = 1;
    struct objstore_id id = help_id(KEEP + 1);

    CHILD_CHECK(objstore_put(s, &id, &byte, 1, NULL) == -EEXIST);
}
static void act_create_seal(struct objstore *s)
{
    struct objstore_id id = help_id(4);

    memcpy(create(s, 4, 300), bytes_of(4), 300);
    CHILD_CHECK(objstore_seal(s, &id) == 0);
}
/* A reservation of pages cut to fewer, to a page of its own, and to the slot. */
static void act_seal_shorter(struct objstore *s)
{
    static const size_t sizes[] = { 9000, 300, 20 };

    for (uint64_t i = 0; i < 3; i++) {
        struct objstore_id id = help_id(40 + 2 * i);

        memcpy(create(s, 40 + 2 * i, 16000), bytes_of(40 + 2 * i), sizes[i]);
        CHILD_CHECK(objstore_seal_size(s, &id, sizes[i], NULL) == 0);
    }
}
static void act_create_abort(struct objstore *s)
{
    struct objstore_id id = help_id(5);

    create(s, 5, 5000);
    CHILD_CHECK(objstore_abort(s, &id) == 0);
}
/* Waiters are announced by a waiter that gave up: the sealer must wake. */
static void prepare_waiters(struct objstore *s)
{
    struct objstore_id id = help_id(2), ids[2] = { help_id(2), help_id(3) };
    struct objstore_view view;

    keep_some(s);
    CHILD_CHECK(objstore_get(s, &id, 1, &view) == -ETIMEDOUT);
    CHILD_CHECK(objstore_wait(s, ids, 2, 1, 1, NULL) == -ETIMEDOUT);
}
/* All pages are small blocks that are empty now: large objects need them back. */
static void prepare_blocks(struct objstore *s)
{
    uint64_t n = 0;
    struct objstore_id id;
    void *data;

    keep_some(s);
    for (n = 0;; n++) {
        id = help_id(100 + n);
        if (objstore_create(s, &id, 3000, NULL, &data))
            break;
    }
    while (n-- > 0) {
        id = help_id(100 + n);
        CHILD_CHECK(objstore_abort(s, &id) == 0);
    }
}
static void act_put_over_blocks(struct objstore *s)
{
    struct objstore_id id = help_id(7);

    create(s, 7, 60000);
    put(s, 8, 700);
    CHILD_CHECK(objstore_abort(s, &id) == 0);
}
static void act_put_too_much(struct objstore *s)
{
    struct objstore_id id = help_id(9);
    void *data;

    CHILD_CHECK(objstore_create(s, &id, SCENE_CAPACITY, NULL, &data) == -ENOSPC);
}

/* ---- reading and deleting ------------------------------------------------------------------ */

static void act_get_release(struct objstore *s)
{
    struct objstore_view a = get(s, KEEP + 1), b = get(s, KEEP + 1), c = get(s, KEEP + 2);

    objstore_release(s, &a);
    objstore_release(s, &b);
    objstore_release(s, &c);
}
/* Until one pin in so many has made it hot. */
static void heat(struct objstore *s, uint64_t number)
{
    for (uint32_t i = 0; i <= PIN_HEAT; i++) {
        struct objstore_view view = get(s, number);

        objstore_release(s, &view);
    }
}
static void prepare_hot(struct objstore *s)
{
    keep_some(s);
    put(s, 2, 500);
    put(s, 3, 5000);
    heat(s, 2);
    heat(s, 3);
    heat(s, KEEP + 1);
}
static void arrive_hot(struct objstore *s)
{
    for (int i = 0; i < 2; i++) { /* the first pin of each announces us */
        struct objstore_view a = get(s, 2), b = get(s, 3), c = get(s, KEEP + 1);

        objstore_release(s, &a);
        objstore_release(s, &b);
        objstore_release(s, &c);
    }
}
static void act_hot(struct objstore *s)
{
    struct objstore_view kept = get(s, KEEP + 1), a;

    objstore_release(s, &kept);
    CHILD_CHECK(delete (s, 3) == 0);
    a = get(s, 2);
    CHILD_CHECK(delete (s, 2) == 0);
    CHILD_CHECK(is_right(&a, 2));
    objstore_release(s, &a);
}
static void act_get_many(struct objstore *s)
{
    struct objstore_id ids[4] = { help_id(KEEP), help_id(KEEP + 1), help_id(KEEP), help_id(77) };
    struct objstore_view views[4];

    CHILD_CHECK(objstore_get_many(s, ids, 3, 0, views) == 0);
    objstore_release_many(s, views, 3);
    CHILD_CHECK(objstore_get_many(s, ids, 4, 0, views) == -ENOENT);
}
static uint64_t number_of(uint64_t i)
{
    return 10 * KEEP + 2 * i;
}
static void prepare_crowd(struct objstore *s)
{
    keep_some(s);
    for (uint64_t i = 0; i < 600; i++)
        put(s, number_of(i), 8);
}
/* The view for which the process's first pin table has no room. */
static uint64_t one_too_many;
static void arrive_crowd(struct objstore *s)
{
    struct objstore *probe = help_attach(s); /* places in the table depend on the slot alone */

    for (one_too_many = 0;; one_too_many++) {
        get(probe, number_of(one_too_many));
        if (au32_load_relaxed(&probe->pin_levels) > 1) /* relaxed: one thread */
            break;
    }
    objstore_close(probe);
    for (uint64_t i = 0; i < one_too_many; i++)
        get(s, number_of(i));
}
static void act_crowd(struct objstore *s)
{
    get(s, number_of(one_too_many));
}
static void prepare_delete(struct objstore *s)
{
    keep_some(s);
    put(s, 1, 50);
    put(s, 2, 500);
    put(s, 3, 5000);
}
static void act_delete(struct objstore *s)
{
    CHILD_CHECK(delete (s, 1) == 0);
    CHILD_CHECK(delete (s, 2) == 0);
    CHILD_CHECK(delete (s, 3) == 0);
}
static void act_delete_pinned(struct objstore *s)
{
    struct objstore_view a = get(s, 2), b = get(s, 3);

    CHILD_CHECK(delete (s, 2) == 0 && delete (s, 3) == 0);
    CHILD_CHECK(is_right(&a, 2));
    objstore_release(s, &a);
    objstore_release(s, &b);
}

/* What is given and not taken stays for an hour, which scene_check() lets pass. */
static void act_give_take(struct objstore *s)
{
    struct objstore_view view = get(s, 2), taken;
    struct objstore_pass pass;

    CHILD_CHECK(delete (s, 2) == 0);
    CHILD_CHECK(objstore_give(s, &view, 3600000, &pass) == 0);
    objstore_release(s, &view);
    CHILD_CHECK(objstore_take(s, &pass, &taken) == 0);
    CHILD_CHECK(is_right(&taken, 2));
    CHILD_CHECK(objstore_give(s, &taken, 3600000, &pass) == 0);
    objstore_release(s, &taken);
    CHILD_CHECK(objstore_give_cancel(s, &pass) == 0);
}
static void act_events(struct objstore *s)
{
    struct objstore_events *events;
    struct objstore_event event[4];

    CHILD_CHECK(objstore_events_open(s, &events) == 0);
    put(s, 50, 100);
    CHILD_CHECK(delete (s, 50) == 0);
    CHILD_CHECK(objstore_events_next(events, event, 4, 0) == 2);
    CHILD_CHECK(event[1].kind == OBJSTORE_EVENT_DELETED);
    objstore_events_close(events);
}

/* ---- cleaning up after others: the sweeper is killed, too ---------------------------------- */

static void prepare_dead(struct objstore *s)
{
    prepare_delete(s);
    pid_t child = fork();

    CHILD_CHECK(child >= 0);
    if (child == 0) {
        struct objstore *own = help_attach(s);

        create(own, 20, 8);
        create(own, 21, 200);
        create(own, 22, 9000);
        get(own, 2);
        get(own, 3);
        CHILD_CHECK(delete (own, 2) == 0);
        raise(SIGKILL);
    }
    CHILD_CHECK(help_wait(child) == 128 + SIGKILL);
}
/* A reader that ended its view just when it was deleted: neither saw the other. */
static void prepare_left(struct objstore *s)
{
    prepare_delete(s);
    struct objstore_view a = get(s, 2), b = get(s, 3);

    CHILD_CHECK(delete (s, 2) == 0 && delete (s, 3) == 0);
    CHILD_CHECK(unpin(s, a.pin[0], a.pin[1]) && unpin(s, b.pin[0], b.pin[1]));
}
static void act_ask_for_space(struct objstore *s)
{
    struct objstore_space space;

    CHILD_CHECK(objstore_space(s, &space) == 0);
}
static void act_reap(struct objstore *s)
{
    CHILD_CHECK(objstore_reap(s) >= 0);
}
static void act_nothing(struct objstore *s)
{
    (void)s;
}
static void act_leave_much(struct objstore *s)
{
    create(s, 30, 10);
    create(s, 31, 1000);
    create(s, 32, 6000);
    get(s, 1);
    get(s, 2);
    CHILD_CHECK(delete (s, 2) == 0);
}

const struct scene scenes[] = {
    { "put, inline", keep_some, NULL, act_put_inline, false },
    { "put, inline, warm", keep_some, arrive_warm, act_put_inline, false },
    { "put, a cell", keep_some, NULL, act_put_cell, false },
    { "put, a cell, warm", keep_some, arrive_warm, act_put_cell, false },
    { "put, pages", keep_some, NULL, act_put_pages, false },
    { "put, pages, warm", keep_some, arrive_warm, act_put_pages, false },
    { "put, the id is taken", keep_some, NULL, act_put_twice, false },
    { "put, somebody may be waiting", prepare_waiters, NULL, act_put_cell, false },
    { "put, where blocks must be closed", prepare_blocks, NULL, act_put_over_blocks, false },
    { "create, no room", keep_some, NULL, act_put_too_much, false },
    { "create and seal", keep_some, NULL, act_create_seal, false },
    { "create, seal shorter", keep_some, NULL, act_seal_shorter, false },
    { "create and abort", keep_some, NULL, act_create_abort, false },
    { "get and release", keep_some, NULL, act_get_release, false },
    { "get many, all and none", keep_some, NULL, act_get_many, false },
    { "get, more than a pin table holds", prepare_crowd, arrive_crowd, act_crowd, false },
    { "get, release and delete, read often", prepare_hot, arrive_hot, act_hot, false },
    { "delete", prepare_delete, NULL, act_delete, false },
    { "delete what is being read, release", prepare_delete, NULL, act_delete_pinned, false },
    { "ask for space, some was left unseen", prepare_left, NULL, act_ask_for_space, false },
    { "give, take, give, cancel", prepare_delete, NULL, act_give_take, false },
    { "subscribe, put, delete, be told", keep_some, NULL, act_events, false },
    { "reap", prepare_dead, NULL, act_reap, true },
    { "open and close", keep_some, NULL, act_nothing, true },
    { "open, leave much, close", prepare_delete, NULL, act_leave_much, true },
};
const size_t scenes_count = sizeof scenes / sizeof *scenes;

/* ---- running and checking ------------------------------------------------------------------ */

struct objstore *scene_store(void)
{
    uint64_t random = 1;

    for (size_t i = 0; i < sizeof sea; i++)
        sea[i] = (unsigned char)test_random(&random);
    return help_store(SCENE_CAPACITY);
}

void scene_run_child(const struct scene *scene, int fd, void (*armed)(void), void (*done)(void))
{
    struct objstore *own;

    if (scene->opens)
        armed();
    CHILD_CHECK(objstore_open_fd(fd, NULL, &own, NULL) == 0);
    if (scene->arrive)
        scene->arrive(own);
    if (!scene->opens)
        armed();
    scene->act(own);
    if (scene->opens)
        objstore_close(own);
    done();
    _exit(0);
}

struct seen {
    struct objstore *store;
    uint32_t kept;
    bool is_bad;
};

static int look_and_delete(const struct objstore_info *info, void *ctx)
{
    struct seen *seen = ctx;
    struct objstore_view view;
    uint64_t number;

    memcpy(&number, info->id.bytes, sizeof number);
    if (info->state != OBJSTORE_SEALED) {
        fprintf(stderr, "object %llu is in state %u\n", (unsigned long long)number, info->state);
        seen->is_bad = true;
        return 0;
    }
    seen->kept += number >= KEEP && number < KEEP + KEPT;
    if (objstore_get(seen->store, &info->id, 0, &view)) {
        fprintf(stderr, "object %llu cannot be got\n", (unsigned long long)number);
        seen->is_bad = true;
        return 0;
    }
    if (!is_right(&view, number) || view.size != info->size || info->meta.ndim != number % 2 ||
        (info->meta.ndim && info->meta.dims[0] != info->size)) {
        if (number != 4 || !is_right(&view, number)) { /* 4 has no description */
            fprintf(stderr, "object %llu has other bytes\n", (unsigned long long)number);
            seen->is_bad = true;
        }
    }
    objstore_release(seen->store, &view);
    return objstore_delete(seen->store, &info->id);
}

/* Every slot, page and cell is free, and every lease but ours. */
static bool is_all_free(struct objstore *s)
{
    uint32_t taken = 0, leases = 0;

    for (uint32_t i = 0; i < slots_in_use(s); i++)
        taken += word_state(au64_load_relaxed(&slot_at(s, i)->word)) != SLOT_FREE;
    for (uint32_t i = 0; i < LEASES_MAX; i++)
        leases += lease_word_state(au64_load_relaxed(&s->leases[i].word)) != LEASE_FREE;
    if (au64_load_relaxed(&s->header->events_on) & 1) { /* relaxed: nobody else is there */
        fprintf(stderr, "events are still told, to nobody\n");
        return false;
    }
    if (taken || leases != 1 || help_used(s) != 0)
        fprintf(stderr, "left over: %u slots, %u leases, %llu bytes\n", taken, leases - 1,
                (unsigned long long)help_used(s));
    return !taken && leases == 1 && help_used(s) == 0;
}

/* Use it: all kinds of objects, and one as large as the capacity. */
static bool workload(struct objstore *s)
{
    struct objstore_id all = help_id(5000);
    void *data;

    for (uint64_t i = 0; i < 30; i++)
        put(s, 2000 + i, 1 + i * i * 7);
    for (uint64_t i = 0; i < 30; i++) {
        struct objstore_view view = get(s, 2000 + i);

        objstore_release(s, &view);
        CHILD_CHECK(delete (s, 2000 + i) == 0);
    }
    int err = objstore_create(s, &all, SCENE_CAPACITY, NULL, &data);
    if (err)
        fprintf(stderr, "an object of the whole capacity: %s\n", objstore_strerror(err));
    return err == 0 && objstore_abort(s, &all) == 0;
}

/* As if the time of all that was given were over. */
static void end_passes(struct objstore *s)
{
    unsigned char *at = (unsigned char *)s->header + s->geo.passes_at;

    for (uint32_t i = 0; i < PASSES; i++) /* relaxed: nobody else is there */
        au64_store_relaxed((struct au64 *)(void *)(at + i * PASS_BYTES + 8), 0);
}

bool scene_check(struct objstore *s)
{
    struct seen seen = { s, 0, false };

    end_passes(s);

    if (objstore_reap(s) < 0 || !help_is_sound(s) || objstore_list(s, look_and_delete, &seen) ||
        seen.is_bad)
        return false;
    if (seen.kept != KEPT) {
        fprintf(stderr, "%u of %u sealed objects are left\n", seen.kept, KEPT);
        return false;
    }
    return is_all_free(s) && workload(s) && is_all_free(s) && help_is_sound(s);
}
