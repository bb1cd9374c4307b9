/* SPDX-License-Identifier: MIT */
/* Views that go from process to process: nothing is lost on the way, and nothing stays for ever. */
#define _GNU_SOURCE
#include "help.h"
#include "lease.h"
#include "pass.h"
#include "point.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

enum { HOUR = 3600 * 1000, SIZE = 9000 };

static struct objstore_view put_and_get(struct objstore *s, uint64_t n)
{
    struct objstore_id id = help_id(n);
    struct objstore_view view = { 0 };
    static unsigned char bytes[SIZE];

    help_fill(bytes, SIZE, n);
    REQUIRE_OK(objstore_put(s, &id, bytes, SIZE, NULL));
    REQUIRE_OK(objstore_get(s, &id, 0, &view));
    return view;
}

static bool is_freed(struct objstore *s)
{
    struct objstore_stats stats;

    return objstore_stats(s, &stats) == 0 && stats.objects_deleted == 0 && stats.used_bytes == 0;
}

static int add_views(const struct objstore_holder *h, void *ctx)
{
    if (h->pid == 0)
        *(uint32_t *)ctx += h->views;
    return 0;
}

static void given_and_taken(void)
{
    struct objstore *s = help_store(1 << 20), *other = help_attach(s);
    struct objstore_view view = put_and_get(s, 1), taken;
    struct objstore_id id = help_id(1);
    struct objstore_pass pass, second;
    struct objstore_info info;
    uint32_t views = 0;

    REQUIRE_OK(objstore_give(s, &view, HOUR, &pass));
    REQUIRE_OK(objstore_give(s, &view, HOUR, &second));
    REQUIRE_OK(objstore_stat(s, &id, &info));
    CHECK_EQ(info.pins, 3);
    REQUIRE_OK(objstore_holders(s, &info, add_views, &views));
    CHECK_EQ(views, 2);
    objstore_release(s, &view);
    REQUIRE_OK(objstore_delete(s, &id));
    CHECK(!is_freed(s));
    CHECK(help_is_sound(s));
    REQUIRE_OK(objstore_take(other, &pass, &taken));
    CHECK(taken.size == SIZE && help_is_filled(taken.data, SIZE, 1));
    view = taken;
    CHECK_EQ(objstore_take(s, &pass, &taken), -ENOENT); /* once */
    CHECK_EQ(objstore_give_cancel(s, &pass), -ENOENT);
    CHECK(!memcmp(&view, &taken, sizeof view));
    objstore_release(other, &taken);
    CHECK(!is_freed(s)); /* there is another */
    REQUIRE_OK(objstore_give_cancel(other, &second));
    CHECK(is_freed(s));
    CHECK_EQ(objstore_take(s, &second, &taken), -ENOENT);
    CHECK(help_is_sound(s));
    objstore_close(other);
    objstore_close(s);
}

static void errors(void)
{
    struct objstore *s = help_store(1 << 20), *other = help_attach(s), *looker;
    struct objstore_options ro = OBJSTORE_OPTIONS_INIT;
    struct objstore_view view = put_and_get(s, 1), none = { 0 };
    struct objstore_pass pass, all[PASSES + 1];
    uint64_t random = test_seed;
    int err = 0, n = 0;

    CHECK_EQ(objstore_give(NULL, &view, 1, &pass), -EINVAL);
    CHECK_EQ(objstore_give(s, NULL, 1, &pass), -EINVAL);
    CHECK_EQ(objstore_give(s, &view, 1, NULL), -EINVAL);
    CHECK_EQ(objstore_give(s, &view, 0, &pass), -EINVAL);
    CHECK_EQ(objstore_give(s, &view, -1, &pass), -EINVAL);
    CHECK_EQ(objstore_give(s, &none, 1, &pass), -EINVAL);
    CHECK_EQ(objstore_give(other, &view, 1, &pass), -EINVAL); /* another handle's */
    CHECK_EQ(objstore_take(s, NULL, &view), -EINVAL);
    CHECK_EQ(objstore_take(s, &pass, NULL), -EINVAL);
    CHECK_EQ(objstore_give_cancel(s, NULL), -EINVAL);
    ro.flags = OBJSTORE_READ_ONLY;
    REQUIRE_OK(objstore_open_fd(objstore_fd(s), &ro, &looker, NULL));
    CHECK_EQ(objstore_give(looker, &view, 1, &pass), -EROFS);
    REQUIRE_OK(objstore_give(s, &view, HOUR, &pass));
    CHECK_EQ(objstore_take(looker, &pass, &none), -EROFS);
    CHECK_EQ(objstore_give_cancel(looker, &pass), -EROFS);
    objstore_close(looker);
    for (int i = 0; i < 10000; i++) { /* nobody guesses one */
        struct objstore_pass forged = pass;

        forged.words[i % 2] ^= i % 3 ? 1ull << test_random(&random) % 64 : test_random(&random);
        if (forged.words[0] != pass.words[0] || forged.words[1] != pass.words[1])
            CHECK_EQ(objstore_take(other, &forged, &none), -ENOENT);
    }
    CHECK_EQ(objstore_give_cancel(s, &pass), 0);
    while (!err && n <= (int)PASSES) {
        err = objstore_give(s, &view, HOUR, &all[n]);
        n += !err;
    }
    CHECK_EQ(err, -ENOSPC);
    CHECK_EQ(n, PASSES);
    for (int i = 0; i < n; i++)
        CHECK_EQ(objstore_give_cancel(other, &all[i]), 0);
    objstore_release(s, &view);
    CHECK_EQ(objstore_give(s, &view, 1, &pass), -EINVAL); /* released */
    CHECK(help_is_sound(s));
    objstore_close(other);
    objstore_close(s);
}

/* What nobody takes in time is given back by whoever comes next. */
static void over(void)
{
    struct objstore *s = help_store(1 << 20);
    struct objstore_view view = put_and_get(s, 1);
    struct objstore_id id = help_id(1), all = help_id(2);
    struct objstore_pass pass;
    void *data;

    REQUIRE_OK(objstore_give(s, &view, 1, &pass));
    objstore_release(s, &view);
    REQUIRE_OK(objstore_delete(s, &id));
    CHECK(!is_freed(s));
    nanosleep(&(struct timespec){ 0, 3000000 }, NULL);          /* this is about time */
    REQUIRE_OK(objstore_create(s, &all, 1 << 20, NULL, &data)); /* who needs the room finds it */
    REQUIRE_OK(objstore_abort(s, &all));
    CHECK(is_freed(s));
    CHECK_EQ(objstore_take(s, &pass, &view), -ENOENT);
    view = put_and_get(s, 3);
    REQUIRE_OK(objstore_give(s, &view, 1, &pass));
    nanosleep(&(struct timespec){ 0, 3000000 }, NULL);
    CHECK_EQ(objstore_reap(s), 1);
    CHECK(help_is_filled(view.data, SIZE, 3)); /* the giver's own view is as it was */
    objstore_release(s, &view);
    objstore_close(s);
}

/* ---- deaths ---------------------------------------------------------------------------------- */

/*
 * The giver is killed at each step of giving and releasing, the object is deleted, the dead are
 * cleaned up after: if it told of its pass, the pass is good, and if not, the object is gone after
 * a while.
 */
static void giver_dies(void)
{
    struct objstore *s = help_store(1 << 20);
    int status = -1, taken = 0;
    long k;

    for (k = 1; status != 0; k++) {
        struct objstore_id id = help_id(1);
        struct objstore_pass pass;
        struct objstore_view view;
        int told[2];

        REQUIRE(pipe(told) == 0);
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            struct objstore *own = help_attach(s);

            view = put_and_get(own, 1);
            help_die_at(k);
            CHILD_CHECK(objstore_give(own, &view, HOUR, &pass) == 0);
            CHILD_CHECK(write(told[1], &pass, sizeof pass) == sizeof pass);
            objstore_release(own, &view);
            test_point = NULL;
            _exit(0);
        }
        close(told[1]);
        status = help_wait(child);
        CHECK(status == 0 || status == 128 + SIGKILL);
        bool is_told = read(told[0], &pass, sizeof pass) == sizeof pass;
        close(told[0]);
        REQUIRE_OK(objstore_delete(s, &id));
        CHECK_EQ(objstore_reap(s), 1);
        CHECK(help_is_sound(s));
        if (is_told) {
            REQUIRE_OK(objstore_take(s, &pass, &view));
            CHECK(help_is_filled(view.data, SIZE, 1));
            objstore_release(s, &view);
            taken++;
        }
        for (uint32_t i = 0; i < PASSES && !is_told; i++) { /* as if its time were over */
            struct au64 *word =
                (struct au64 *)(void *)((unsigned char *)s->header + s->geo.passes_at) + 2 * i;

            au64_store_relaxed(word + 1, 0); /* relaxed: nobody else is there */
        }
        CHECK(objstore_reap(s) >= 0);
        CHECK(is_freed(s));
    }
    CHECK(k > 5 && taken > 0);
    printf("    %ld kills, %d passes taken from the dead\n", k - 2, taken);
    objstore_close(s);
}

/* The taker is killed at each step: the pass is still good, or taken, and nothing leaks. */
static void taker_dies(void)
{
    struct objstore *s = help_store(1 << 20);
    int status = -1, again = 0;
    long k;

    for (k = 1; status != 0; k++) {
        struct objstore_view view = put_and_get(s, 1);
        struct objstore_id id = help_id(1);
        struct objstore_pass pass;

        REQUIRE_OK(objstore_give(s, &view, HOUR, &pass));
        objstore_release(s, &view);
        REQUIRE_OK(objstore_delete(s, &id));
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            struct objstore *own = help_attach(s);

            help_die_at(k);
            CHILD_CHECK(objstore_take(own, &pass, &view) == 0);
            CHILD_CHECK(help_is_filled(view.data, SIZE, 1));
            objstore_release(own, &view);
            test_point = NULL;
            _exit(0);
        }
        status = help_wait(child);
        CHECK(status == 0 || status == 128 + SIGKILL);
        int err = objstore_take(s, &pass, &view);
        CHECK(err == 0 || err == -ENOENT);
        if (err == 0) {
            again++;
            CHECK(help_is_filled(view.data, SIZE, 1));
            CHECK_EQ(objstore_reap(s), 1);
            CHECK(help_is_filled(view.data, SIZE, 1));
            objstore_release(s, &view);
        }
        CHECK(objstore_reap(s) >= 0);
        CHECK(is_freed(s));
        CHECK(help_is_sound(s));
    }
    CHECK(k > 4 && again > 0);
    printf("    %ld kills, %d passes taken by another then\n", k - 2, again);
    objstore_close(s);
}

/* ---- as threads: two hand an object to and fro while it is deleted --------------------------- */

struct relay {
    struct objstore *s;
    struct objstore_pass pass;
    struct au32 turn;
    bool is_bad;
};

static void *run_relay(void *ctx)
{
    struct relay *r = ctx;
    struct objstore *own = help_attach(r->s);
    uint32_t me = au32_add_acq_rel(&r->turn, 0x10000) >> 16 & 1;

    for (int i = 0; i < 3000; i++) {
        struct objstore_view view;

        while ((au32_load_acquire(&r->turn) & 1) != me)
            cpu_pause();
        int err = objstore_take(own, &r->pass, &view);
        if (err || !help_is_filled(view.data, view.size, 7) || view.size != 500)
            r->is_bad = true;
        if (!err && objstore_give(own, &view, HOUR, &r->pass))
            r->is_bad = true;
        objstore_release(own, &view);
        au32_add_acq_rel(&r->turn, me ? 0xffffffffu : 1);
    }
    objstore_close(own);
    return NULL;
}

static void *churn(void *ctx)
{
    struct relay *r = ctx;
    struct objstore *own = help_attach(r->s);
    unsigned char bytes[500] = { 0 };

    /* Deletes it, first of all, and then uses whatever comes free, with other bytes. */
    for (uint64_t i = 0; i < 6000; i++) {
        struct objstore_id id = help_id(i ? 2 + i % 5 : 1);

        (void)!objstore_delete(own, &id);
        if (i)
            (void)!objstore_put(own, &id, bytes, sizeof bytes, NULL);
    }
    objstore_close(own);
    return NULL;
}

static void to_and_fro(void)
{
    struct relay r = { .s = help_store(64 << 10) };
    struct objstore_id id = help_id(1);
    struct objstore_view view;
    unsigned char bytes[500];
    pthread_t threads[3];

    help_fill(bytes, sizeof bytes, 7);
    REQUIRE_OK(objstore_put(r.s, &id, bytes, sizeof bytes, NULL));
    REQUIRE_OK(objstore_get(r.s, &id, 0, &view));
    REQUIRE_OK(objstore_give(r.s, &view, HOUR, &r.pass));
    objstore_release(r.s, &view);
    for (int i = 0; i < 3; i++)
        REQUIRE(pthread_create(&threads[i], NULL, i < 2 ? run_relay : churn, &r) == 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK(!r.is_bad);
    CHECK(help_is_sound(r.s));
    REQUIRE_OK(objstore_give_cancel(r.s, &r.pass));
    for (uint64_t i = 2; i < 7; i++) {
        id = help_id(i);
        (void)!objstore_delete(r.s, &id);
    }
    CHECK(is_freed(r.s));
    objstore_close(r.s);
}

TESTS("passes", { "what is given is taken, once, also when deleted", given_and_taken },
      { "every documented error, and forged passes", errors },
      { "what nobody takes in time is given back", over },
      { "the giver may die at every step", giver_dies },
      { "the taker may die at every step", taker_dies },
      { "to and fro under deletion", to_and_fro })
