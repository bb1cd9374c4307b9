/* SPDX-License-Identifier: MIT */
/* wsched_verify() sees damage wherever it is, and says where. */
#include "actor.h"
#include "jobs.h"
#include "kit.h"

#include <sched.h>
#include <signal.h>

static struct wsched *pool;
static struct wsched_actor clerk;
static struct wsched_future done, failed, urgent;

static uint32_t index_of(struct wsched_future f)
{
    return future_index(f.v);
}

/* A pool at rest in which there was something of everything. */
static void set_up(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched_actor_spec a = { .name = "clerk", .constructor = "nothing" };
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    int die[] = { SIGKILL, 100 };

    o.workers = 2;
    o.task_capacity = 100;
    o.event_capacity = 64;
    REQUIRE_OK(wsched_open(&o, kit_kernels, kit_kernel_count, &pool));
    s.label = "labelled";
    s.priority = WSCHED_PRIORITY_HIGH;
    s.cpus = 1;
    REQUIRE_OK(wsched_submit(pool, &s, &urgent));
    done = kit_submit(pool, "nothing", NULL, 0);
    failed = kit_submit(pool, "die", die, sizeof die);
    CHECK_EQ(kit_wait(pool, urgent), 0);
    CHECK_EQ(kit_wait(pool, done), 0);
    CHECK_EQ(kit_wait(pool, failed), -EOWNERDEAD);
    REQUIRE_OK(wsched_actor_new(pool, &a, &clerk));
    struct wsched_spec call = kit_spec("nothing", NULL, 0);
    struct wsched_future f;
    REQUIRE_OK(wsched_actor_call(pool, clerk, &call, &f));
    CHECK_EQ(kit_wait(pool, f), 0);
    wsched_release(pool, f);
    /* who has told a result is not yet done with its task */
    for (uint32_t i = 0; i < pool->seat_count; i++)
        while (au32_load_acquire(&pool->seats[i].depth))
            sched_yield();
    CHECK_EQ(wsched_verify(pool, NULL), 0);
}

/* Write `value` over `size` bytes: that is found, in words that begin so and end so; then mend it. */
static void damage(void *at, uint64_t value, size_t size, const char *first, const char *last)
{
    char text[256] = "", kept[8];

    memcpy(kept, at, size);
    memcpy(at, &value, size);
    CHECK_EQ(wsched_verify(pool, text), -EBADMSG);
    memcpy(at, kept, size);
    size_t n = strlen(text), m = strlen(last);
    bool is_right = !strncmp(text, first, strlen(first)) && n >= m && !strcmp(text + n - m, last);
    if (!is_right)
        fprintf(stderr, "'%s', not '%s ... %s'\n", text, first, last);
    CHECK(is_right);
    CHECK_EQ(wsched_verify(pool, NULL), 0);
}
#define DAMAGE(member, value, first, last) \
    damage(&(member), (uint64_t)(value), sizeof(member), first, last)

static void header_and_seats(void)
{
    set_up();
    struct header *h = pool->header;
    struct seat *s = &pool->seats[0];
    DAMAGE(h->magic, 1, "header", "not that of a pool");
    DAMAGE(h->layout_version, 1, "header", "not that of a pool");
    DAMAGE(h->workers, 3, "header", "sizes that are not the pool's");
    DAMAGE(h->geometry.task_count, 1, "header", "sizes that are not the pool's");
    DAMAGE(h->geometry.actors, 1, "header", "sizes that are not the pool's");
    DAMAGE(h->guests_used, 1000, "header", "more was used than there is");
    DAMAGE(h->resources[0].name[NAME_BYTES - 1], 'x', "resource 0", "cannot be");
    DAMAGE(h->resources[3].total, 5, "resource 3", "cannot be");
    DAMAGE(pool->kernel_names[NAME_BYTES], '?', "kernel 1", "not the name that it had");
    DAMAGE(s->depth, DEPTH_MAX + 1, "seat 0", "stack depth out of range");
    DAMAGE(s->anchor, 0x3fffull << 13, "seat 0", "more in its deque than fits");
    DAMAGE(pool->seats[2].tail, 1u << 30, "queue 0", "head and tail do not agree");
    DAMAGE(h->level[1].head, 1ull << 40, "priorities", "of the high ring do not agree");
    DAMAGE(pool->deaths[0].seq, 3, "death 0", "makes no sense");
    DAMAGE(pool->deaths[0].worker, 5000, "death 0", "makes no sense");
    DAMAGE(pool->deaths[0].label[NAME_BYTES - 1], 1, "death 0", "makes no sense");
    uint64_t entry = au64_load_relaxed(&s->running[0]);
    au64_store_relaxed(&s->running[0], 0x1fffff);
    DAMAGE(s->depth, 1, "seat 0", "runs a task that does not exist");
    au64_store_relaxed(&s->running[0], entry);
    wsched_close(pool);
}

static void tasks(void)
{
    set_up();
    struct task *t = task_at(pool, index_of(done));
    struct terms *terms = terms_at(pool, index_of(urgent));
    uint64_t word = au64_load_relaxed(&t->word);
    DAMAGE(t->word, word | WORD_STATE, "task ", "unknown state");
    DAMAGE(t->word, word_turn(word, TASK_DONE, WORD_SEAT_MASK, 0), "task ",
           "a seat that does not exist");
    DAMAGE(t->word, word_turn(word, TASK_RUNNING, driver_seat(pool), 0), "task ",
           "who is no worker");
    DAMAGE(t->word, word_turn(word, TASK_RUNNING, 0, 0) | WORD_TOLD, "task ", "told, but not over");
    DAMAGE(t->word, word | WORD_TOLD | WORD_RELEASED, "task ", "but not free");
    DAMAGE(t->word, word_turn(word, TASK_DONE, 0, 5), "task ", "state and errno do not agree");
    DAMAGE(t->word, (word & ~WORD_STATE) | WORD_CANCEL, "task ", "a free slot with flags");
    DAMAGE(t->kernel, KERNEL_NUMBER, "task ", "a kernel that does not exist");
    DAMAGE(t->payload_size, 65, "task ", "payload too big");
    DAMAGE(t->result_size, 65, "task ", "result too big");
    DAMAGE(t->place, 17, "task ", "a call of an actor that does not exist");
    DAMAGE(t->parent, 0xfffff, "task ", "a parent that does not exist");
    DAMAGE(terms->level, 3, "task ", "a priority that does not exist");
    DAMAGE(terms->needs[0], 3, "task ", "needs more than there is");
    DAMAGE(terms->stream, 1000, "task ", "a stream that does not exist");
    DAMAGE(pool->details[index_of(urgent)].label[NAME_BYTES - 1], 1, "task ",
           "a label without an end");
    struct cause *cause = &pool->details[index_of(failed)].cause;
    DAMAGE(cause->late, 9, "task ", "a cause that makes no sense");
    DAMAGE(cause->kernel, 500, "task ", "a cause that makes no sense");
    DAMAGE(cause->actor, 200, "task ", "a cause that makes no sense");
    if (pool->task_count % 64) {
        uint64_t map = au64_load_relaxed(&pool->free_map[pool->task_count / 64]);
        DAMAGE(pool->free_map[pool->task_count / 64], map | 1ull << 63, "map",
               "which does not exist");
    }
    wsched_close(pool);
}

static void jobs_and_events(void)
{
    set_up();
    struct board *b = board_of(pool, 1);
    DAMAGE(b->used, 65, "board of seat 1", "more was used than there is");
    au32_store_release(&b->used, 8);
    CHECK_EQ(wsched_verify(pool, NULL), 0);
    DAMAGE(b->jobs[7].word, 7, "board of seat 1, job 7", "unknown state");
    DAMAGE(b->jobs[7].word, job_word(JOB_STOLEN, driver_seat(pool)), "board", "stolen by nobody");
    b->jobs[7].kernel = 4000;
    DAMAGE(b->jobs[7].word, JOB_OPEN, "board of seat 1, job 7", "a kernel that does not exist");
    b->jobs[7].kernel = KERNEL_RANGE;
    b->jobs[7].size = JOB_ARGS + 1;
    DAMAGE(b->jobs[7].word, JOB_OPEN, "board of seat 1, job 7", "more arguments than fit");
    struct event_record *r = &pool->events[(uint64_t)driver_seat(pool) * pool->event_places];
    uint64_t what = au64_load_relaxed(&r->what);
    DAMAGE(r->what, what & ~(uint64_t)EVENT_KIND, "event 0 of seat 2", "makes no sense");
    DAMAGE(r->what, what | EVENT_KIND, "event 0 of seat 2", "makes no sense");
    DAMAGE(r->what, what | 0xffff0000u, "event 0 of seat 2", "makes no sense");
    DAMAGE(r->task, 0xfffff, "event 0 of seat 2", "makes no sense");
    wsched_close(pool);
}

static void actors(void)
{
    set_up();
    struct actor *a = actor_at(pool, (uint32_t)clerk.v - 1);
    uint64_t word = au64_load_relaxed(&a->word);
    DAMAGE(a->word, word | ACTOR_STATE, "actor 0", "unknown state");
    DAMAGE(a->word, actor_word(1, ACTOR_MAKING, 1000), "actor 0", "made by nobody");
    DAMAGE(a->capacity, 0, "actor 0", "capacity out of range");
    DAMAGE(a->capacity, MAILBOX_MAX + 1, "actor 0", "capacity out of range");
    DAMAGE(a->max_restarts, -2, "actor 0", "restarts out of range");
    DAMAGE(a->kernel, 4000, "actor 0", "a constructor that does not exist");
    DAMAGE(a->payload_size, 65, "actor 0", "payload too big");
    DAMAGE(a->creator_seat, 1000, "actor 0", "made by nobody");
    DAMAGE(a->name[3], ~0ull, "actor 0", "a name without an end");
    DAMAGE(a->mailbox.tail, MAILBOX_SLOTS + 5, "mailbox 0", "head and tail do not agree");
    struct mailbox m = actor_mailbox(pool, 0);
    uint64_t tail = au64_load_relaxed(&a->mailbox.tail);
    au64_store_release(&a->mailbox.tail, tail + 1);
    DAMAGE(m.slots[tail % MAILBOX_SLOTS], 0xfffffull << 1 | 1, "mailbox 0",
           "a call that does not exist");
    au64_store_release(&a->mailbox.tail, tail);
    wsched_close(pool);
}

TESTS("wsched: verify", { "header and seats", header_and_seats }, { "tasks", tasks },
      { "jobs and events", jobs_and_events }, { "actors", actors })
