/* SPDX-License-Identifier: MIT */
/* pool.h -- one process's attachment to a pool, and what the modules of the library share. */
#ifndef WSCHED_POOL_H
#define WSCHED_POOL_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "futex.h"
#include "layout.h"
#include "point.h"
#include "wsched.h"

/* ROLE_WORKER: also a guest, while it works. */
enum role { ROLE_DRIVER, ROLE_GUEST, ROLE_SUPERVISOR, ROLE_WORKER, ROLE_OBSERVER };

#define APART 64u      /* slots among which a client that submits one by one chooses, */
#define APART_STEP 29u /* and how far apart it takes them */
#define SLOTS_AHEAD 8u /* so far ahead are lines fetched that we are about to write */

/* Sizes and places are private copies: what another process writes to the header moves nothing. */
struct wsched {
    unsigned char *base;
    uint64_t bytes;
    int fd;
    struct header *header;
    struct au64 *free_map; /* a bit per task slot that is FREE: a hint */
    struct au64 *call_map; /* a bit per task slot that is the supervisor's business: terms.c */
    char *kernel_names;    /* NAME_BYTES each */
    struct seat *seats;
    struct death *deaths;
    struct task *tasks;
    struct detail *details;
    struct terms *terms;
    struct au64 *level_cells; /* level_capacity of the low level, as many of the high one */
    uint32_t level_capacity;
    unsigned char *bytes_of_tasks; /* bytes_stride each: the payload, then the result */
    struct block *blocks;
    struct au64 *deques;      /* DEQUE_CAPACITY each: the crew's, then the guests' */
    struct au64 *queues;      /* queue_capacity each, of client seats: queue.c */
    struct board *boards;     /* the crew's, then the guests' */
    uint64_t queue_head_seen; /* the last look at the head of our own */
    uint64_t queue_tail;      /* what was written to it, published or not; 0: ask the seat */
    uint64_t queue_published; /* the seat's tail, as we wrote it */
    struct event_record *events;
    struct event_label *event_labels;
    struct actor *actors;
    struct au64 *mailboxes; /* MAILBOX_SLOTS each */
    unsigned char *actor_payloads;
    struct au64 *heads_seen; /* of this process: of each mailbox, the head that it saw last */
    uint64_t event_number;   /* of the event that is expected next, */
    uint32_t event_place;    /* and where in its ring it goes */
    uint32_t event_mapped;   /* places whose pages this process has; */
    uint64_t event_ready;    /* enough for the events before this one */
    uint32_t workers, guests, seat_count, task_count, bytes_stride, block_count;
    uint32_t event_capacity, event_places; /* events kept; and one more: it is being written */
    uint32_t queue_capacity;               /* power of two */
    uint32_t payload_max, result_max, kernel_count, actors_max;
    struct stream_record *stream_records;
    unsigned char *rings; /* stream_items cells of cell_stride bytes each */
    uint32_t streams, stream_items, cell_stride;
    uint64_t clock_ticks, clock_ns;
    bool has_tsc;

    enum role role;
    uint32_t seat;
    uint32_t *own; /* 1; the kernel empties this page in a child */
    bool is_guest, has_kernels, owns_kernels;
    struct au32 has_futures; /* a guest, that ever submitted or adopted one */

    /* Of the driver's threads: its free slots, the tail of its queue, its event ring. */
    pthread_mutex_t lock;
    uint32_t *free_slots; /* ours: MAKING(seat) */
    uint32_t free_count, free_max, worker_free_max, guest_free_max;
    uint32_t taken[SLOTS_AHEAD], taken_turn; /* slots for a task by itself, the last ones; */
    uint32_t *taken_later;    /* and of each slot, which one was taken SLOTS_AHEAD later */
    uint32_t map_cursor;      /* where to look first for a free slot */
    struct au32 block_cursor; /* and for a free block: any thread may end a task */
    uint32_t last_kernel;     /* the name that was looked up last */
    struct au32 met;          /* the last submission had not; */
    struct au64 submitted;    /* ticks; when it was */
    struct au32 spin;         /* of a waiting client, in pauses */
    struct au64 alone;        /* the task submitted last, if by itself and without a wake; or 0 */
    struct au64 alone_since;  /* ticks; when that was, */
    struct au32 first_look;   /* and how long after that it is first looked at: client.c */

    const struct wsched_kernel *kernels;
    struct wsched_options options;
    pthread_mutex_t crew_lock; /* of the driver: starting a supervisor */
    pid_t supervisor;          /* its pid, 0: none */
    int control; /* eventfd: tells the supervisor to stop; a guest's: pidfd of the driver */

    uint32_t place;              /* in an actor's process: its index + 1 */
    void *actor_state;           /* what its constructor set */
    struct wsched_task *current; /* in a worker: the task on top of its stack */
    struct stack *fork;          /* and what it spawned; NULL: nothing yet */
    struct fiber *fiber;         /* the stack that it runs on; NULL: the thread's */
    struct fiber **fibers;       /* as many as there are streams; NULL: none yet */
    uint32_t fiber_count;        /* that have a task */
    uint32_t fiber_turn;
    uint32_t depth;
    uint32_t batch;        /* how many hints to steal at once */
    uint64_t last_end;     /* ticks: when the task before ended, if nothing was done since; or 0 */
    struct au32 woke_here; /* whom we woke last, perhaps waits for this CPU: do not spin on it */
    uint32_t spin_rounds, tick, cpus;
    uint32_t lull;    /* pauses before it looks for work: worker.c */
    bool is_fed;      /* by the driver alone: a task came from its queue since it last had none */
    uint64_t awaited; /* a worker: the driver's seat.awaited when it last had none; a client:
                       * `waits` when it last submitted */
    struct au64 waits; /* a client: how often it began to wait; what it writes to seat.awaited */
    uint32_t tick_awake; /* when it last slept */
    uint64_t random;
    pid_t pid;
    bool is_searching;
    bool runs_again; /* a worker: the task that it ran last failed, and is PENDING once more */
    bool is_closing; /* a guest: what waits beside its stack is to end */
    bool is_patient; /* its policy is SCHED_BATCH: it does not drive away who wakes it */
    sigset_t mask;   /* the driver's signal mask when it opened the pool */
    bool from_main;  /* the supervisor was forked by the driver's main thread */
};

struct fork_mark { /* fork_steal.c */
    struct wsched_fork *base, *top;
    uint32_t beyond;
};

struct wsched_task {
    struct wsched *pool;
    struct wsched_task *outer;
    uint64_t future;
    uint64_t started; /* ticks */
    uint32_t index;
    uint32_t attempt;
    uint16_t kernel;
    bool is_over;
    bool is_job;           /* not a task: a stolen job of that task */
    uint32_t fiber;        /* the stack of its own that it runs on, + 1; 0: none */
    uint64_t yielded;      /* items, in this attempt */
    struct fork_mark mark; /* what was spawned when it started */
};

/* ---- words and futures ------------------------------------------------------------------- */

static inline enum task_state word_state(uint64_t w)
{
    return (enum task_state)(w & WORD_STATE);
}
static inline uint32_t word_attempt(uint64_t w)
{
    return (uint32_t)(w >> WORD_ATTEMPT_SHIFT & WORD_ATTEMPT_MASK);
}
static inline uint32_t word_seat(uint64_t w)
{
    return (uint32_t)(w >> WORD_SEAT_SHIFT & WORD_SEAT_MASK);
}
static inline int word_errno(uint64_t w)
{
    return (int)(w >> WORD_ERRNO_SHIFT & WORD_ERRNO_MASK);
}
static inline uint32_t word_generation(uint64_t w)
{
    return (uint32_t)(w >> WORD_GENERATION_SHIFT);
}
static inline bool word_is_over(uint64_t w)
{
    return word_state(w) >= TASK_DONE;
}
static inline uint64_t word_make(uint32_t generation, enum task_state state, uint32_t seat,
                                 uint32_t attempt, int error)
{
    return (uint64_t)(generation & GENERATION_MASK) << WORD_GENERATION_SHIFT |
           (uint64_t)(unsigned)error << WORD_ERRNO_SHIFT | (uint64_t)seat << WORD_SEAT_SHIFT |
           (uint64_t)attempt << WORD_ATTEMPT_SHIFT | (uint64_t)state;
}
/* The same task and flags with another state, seat and errno. */
static inline uint64_t word_turn(uint64_t w, enum task_state state, uint32_t seat, int error)
{
    const uint64_t changed =
        WORD_STATE | WORD_SEAT_MASK << WORD_SEAT_SHIFT | WORD_ERRNO_MASK << WORD_ERRNO_SHIFT;

    return (w & ~changed) | (uint64_t)state | (uint64_t)seat << WORD_SEAT_SHIFT |
           (uint64_t)(unsigned)error << WORD_ERRNO_SHIFT;
}

static inline uint64_t future_make(uint32_t index, uint32_t generation)
{
    return (uint64_t)generation << 32 | (index + 1);
}
static inline uint32_t future_index(uint64_t future)
{
    return (uint32_t)future - 1; /* 0 becomes UINT32_MAX, which no pool has */
}
static inline uint32_t future_generation(uint64_t future)
{
    return (uint32_t)(future >> 32) & GENERATION_MASK;
}

static inline struct task *task_at(const struct wsched *p, uint32_t index)
{
    return &p->tasks[index];
}
static inline struct detail *task_detail(const struct wsched *p, const struct task *t)
{
    return &p->details[t - p->tasks];
}
static inline unsigned char *task_payload(const struct wsched *p, const struct task *t)
{
    return p->bytes_of_tasks + (uint64_t)(t - p->tasks) * p->bytes_stride;
}
/* Behind the payload, so that small ones share a line. */
static inline unsigned char *task_result(const struct wsched *p, const struct task *t)
{
    uint32_t n = t->payload_size > p->payload_max ? 0 : t->payload_size; /* more: damaged */

    return task_payload(p, t) + (n + 7u) / 8 * 8;
}
/* Fetch what whoever runs the task will write: its line, and that of a small payload and result. */
static inline void task_want(const struct wsched *p, uint64_t future)
{
    uint32_t index = future_index(future);

    if (index >= p->task_count)
        return;
    line_want(task_at(p, index));
    line_want(task_payload(p, task_at(p, index)));
}
static inline uint32_t task_kernel(const struct task *t)
{
    return t->kernel & KERNEL_NUMBER;
}
static inline const char *task_label(const struct wsched *p, const struct task *t)
{
    return t->kernel & KERNEL_LABELLED ? task_detail(p, t)->label : NULL;
}
/* Does the future name a task that exists? Then *index and *word are its own. */
static inline bool future_look(const struct wsched *p, uint64_t future, uint32_t *index,
                               uint64_t *word)
{
    *index = future_index(future);
    if (*index >= p->task_count)
        return false;
    *word = au64_load_acquire(&task_at(p, *index)->word); /* E2 */
    return word_generation(*word) == future_generation(future) && word_state(*word) > TASK_MAKING;
}
/* The same for a caller of the API, who must not have given it back. */
static inline bool future_held(const struct wsched *p, uint64_t future, uint32_t *index,
                               uint64_t *word)
{
    return future_look(p, future, index, word) && !(*word & WORD_RELEASED);
}
static inline uint32_t driver_seat(const struct wsched *p)
{
    return p->workers;
}
static inline uint32_t supervisor_seat(const struct wsched *p)
{
    return p->workers + 1;
}
static inline uint32_t guest_seat(const struct wsched *p, uint32_t guest)
{
    return p->workers + 2 + guest;
}
/* Does a worker of the crew sit there? */
static inline bool seat_is_crew(const struct wsched *p, uint32_t seat)
{
    return seat < p->workers;
}
static inline bool seat_is_guest(const struct wsched *p, uint32_t seat)
{
    return seat >= guest_seat(p, 0) && seat < guest_seat(p, p->guests);
}
static inline uint32_t actor_seat(const struct wsched *p, uint32_t actor)
{
    return guest_seat(p, p->guests) + actor;
}
static inline bool seat_is_actor(const struct wsched *p, uint32_t seat)
{
    return seat >= actor_seat(p, 0) && seat < actor_seat(p, p->actors_max);
}
/* Is who sits there a child of the supervisor? */
static inline bool seat_is_forked(const struct wsched *p, uint32_t seat)
{
    return seat_is_crew(p, seat) || seat_is_actor(p, seat);
}
/* Does it ever run tasks, and so have a deque, a park word and notes of what it runs? */
static inline bool seat_can_run(const struct wsched *p, uint32_t seat)
{
    return seat_is_crew(p, seat) || seat_is_guest(p, seat) || seat_is_actor(p, seat);
}
static inline uint32_t actor_payload_stride(const struct wsched *p)
{
    return (p->payload_max + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}
/* Records of actors that were ever taken. */
static inline uint32_t actors_used(const struct wsched *p)
{
    uint32_t n = au32_load_acquire(&p->header->actors_used);

    return n < p->actors_max ? n : p->actors_max;
}
/* Seats of guests that were ever taken: only there is anything to find. */
static inline uint32_t guests_used(const struct wsched *p)
{
    uint32_t n = au32_load_acquire(&p->header->guests_used);

    return n < p->guests ? n : p->guests;
}
/* As the API counts workers: the crew's, then guests, then actors. UINT32_MAX: none. */
static inline uint32_t worker_number(const struct wsched *p, uint32_t seat)
{
    return seat_is_crew(p, seat)    ? seat
           : seat_is_guest(p, seat) ? seat - guest_seat(p, 0) + p->workers
           : seat_is_actor(p, seat) ? seat - actor_seat(p, 0) + p->workers + p->guests
                                    : UINT32_MAX;
}
/* Nothing is started any more. */
static inline bool pool_is_over(const struct wsched *p)
{
    return au32_load_acquire(&p->header->stopping) || au32_load_acquire(&p->header->over);
}
/* A set of seats. */
static inline bool seats_have(const uint64_t seats[MASK_WORDS], uint32_t seat)
{
    return seats[seat / 64] >> seat % 64 & 1;
}
static inline void seats_add(uint64_t seats[MASK_WORDS], uint32_t seat)
{
    seats[seat / 64] |= 1ull << seat % 64;
}
/* -ECHILD in a child of the process that the handle belongs to. */
static inline int pool_check(const struct wsched *p)
{
    return !p ? -EINVAL : *p->own != 1 ? -ECHILD : 0;
}
/* The same, for calls that change something. */
static inline int pool_check_part(const struct wsched *p)
{
    int err = pool_check(p);

    return !err && p->role == ROLE_OBSERVER ? -EROFS : err;
}
/* The others have one thread that calls. */
static inline bool has_threads(const struct wsched *p)
{
    return p->role <= ROLE_GUEST;
}
/* Is a stolen job running, which may spawn but not submit and wait? */
static inline bool pool_in_job(const struct wsched *p)
{
    return p->current && p->current->is_job;
}
static inline void pool_lock(struct wsched *p)
{
    if (has_threads(p))
        pthread_mutex_lock(&p->lock);
}
static inline void pool_unlock(struct wsched *p)
{
    if (has_threads(p))
        pthread_mutex_unlock(&p->lock);
}
/* A statistic with one writer. */
static inline void stat_add(struct au64 *s, uint64_t n)
{
    au64_store_relaxed(s, au64_load_relaxed(s) + n); /* relaxed: a statistic */
}

/* ---- segment.c --------------------------------------------------------------------------- */

int segment_make(struct wsched *p, const struct wsched_options *o,
                 const struct wsched_kernel *kernels, size_t kernel_count);
int segment_look(struct wsched *p, bool writable); /* of p->fd; -EPROTO, -EBADMSG */
void segment_touch(const struct wsched *p);
void segment_free(struct wsched *p);

/* ---- pool.c, observe.c ------------------------------------------------------------------- */

#define MEMORY_NAME "wsched" /* of the memfd */
int pool_new(struct wsched **out);
void pool_free(struct wsched *p);
int pool_slots(struct wsched *p, uint32_t most); /* room for free slots; -ENOMEM */
int kernels_check(const struct wsched_kernel *kernels, size_t count);
/* A caller's options, which begin with their size, over the defaults in *known: what an older caller
 * does not know stays. -EINVAL: no size; -E2BIG: a newer one sets what we do not know. */
int options_read(void *known, size_t known_size, const void *given);
/* A handle on another's pool, with names of kernels of its own. */
int pool_attach(const char *where, bool writable, struct wsched **out);
void attached_free(struct wsched *p);

/* ---- guest.c ----------------------------------------------------------------------------- */

void owner_set(struct wsched *p, struct task *t, uint32_t generation, bool is_submitting);
void owner_submitted(struct wsched *p, struct task *t);
void owner_settle(struct wsched *p, const uint64_t seats[MASK_WORDS], uint32_t index);
bool guest_pool_is_over(const struct wsched *p);
static inline bool worker_pool_is_over(const struct wsched *p) /* in whoever runs tasks */
{
    return p->is_guest ? p->is_closing || guest_pool_is_over(p) : pool_is_over(p);
}
int guest_check(const struct wsched *p);
int guest_sleep(struct wsched *p, bool (*must_wake)(void *), void *arg, int64_t deadline);
void guest_leave(struct wsched *p);
/* work.c: as worker_help() and rest() of worker.c, in a guest. */
bool guest_help(struct wsched *p);
int guest_rest(struct wsched *p, bool wants_work, bool (*must_wake)(void *), void *arg,
               int64_t deadline);
void work_hand_over(struct wsched *p); /* streams that wait, to others, before it leaves */
void guest_free(struct wsched *p);

/* ---- name.c ------------------------------------------------------------------------------ */

#define NAME_PATH_MAX 4096
int name_path(const char *where, char path[NAME_PATH_MAX]); /* -EINVAL: no name */
int name_create(const char *where, int *fd); /* a file without a name, where it will get one */
int name_publish(const char *where, int fd); /* -EEXIST: another pool's, which lives, or no pool */
void name_remove(const char *where, int fd);
int name_lock(int fd);     /* as long as a process has this open file description; -EAGAIN */
bool name_is_used(int fd); /* by a process of the pool: somebody else has it locked */

/* ---- task.c ------------------------------------------------------------------------------ */

int task_refill(struct wsched *p, uint32_t *index); /* of task_take() */
void task_untake(struct wsched *p, uint32_t index); /* under the lock */
void task_give(struct wsched *p, uint32_t index);   /* MAKING(self) -> FREE */
/* A slot in MAKING(self); under the lock. -EAGAIN: none is free */
static inline int task_take(struct wsched *p, uint32_t *index)
{
    if (!p->free_count)
        return task_refill(p, index);
    *index = p->free_slots[--p->free_count];
    if (p->free_count >= SLOTS_AHEAD)
        line_want(task_at(p, p->free_slots[p->free_count - SLOTS_AHEAD]));
    uint64_t w = au64_load_relaxed(&task_at(p, *index)->word); /* relaxed: ours since T1 or T8 */
    return word_state(w) == TASK_MAKING && word_seat(w) == p->seat ? 0 : task_refill(p, index);
}
/*
 * The same for a client's task that comes by itself. A worker that finds such tasks line by line has
 * its CPU fetch the lines ahead of it, just as we write them: so, unless we wait for each, neighbours
 * are not taken in turn. And as most futures are given back in the order in which they were made, we
 * note which comes later.
 */
static inline int task_take_alone(struct wsched *p, uint32_t *index)
{
    uint64_t awaited = au64_load_relaxed(&p->waits); /* relaxed: a hint */
    uint32_t turn = p->taken_turn++, back = turn * APART_STEP % APART;

    if (back < p->free_count && awaited == p->awaited) {
        uint32_t *top = &p->free_slots[p->free_count - 1], slot = *top;
        *top = *(top - back);
        *(top - back) = slot;
    }
    p->awaited = awaited;
    int err = task_take(p, index);
    if (!err) {
        p->taken_later[p->taken[turn % SLOTS_AHEAD]] = *index;
        p->taken[turn % SLOTS_AHEAD] = *index;
    }
    return err;
}
/* T2 of task.c */
static inline void task_publish(struct wsched *p, uint32_t index, enum task_state state)
{
    struct task *t = task_at(p, index);
    uint64_t w = au64_load_relaxed(&t->word); /* relaxed: ours */

    au64_store_release(&t->word, word_make(word_generation(w), state, 0, 1, 0)); /* T2, E1, E4 */
}
/* T5 of task.c, from a look at the word; false: somebody else has it, or it was cancelled. */
static inline bool task_claim(struct wsched *p, struct task *t, uint64_t *word)
{
    const uint32_t generation = word_generation(*word);

    while (word_state(*word) == TASK_PENDING && word_generation(*word) == generation) {
        uint64_t next = word_turn(*word, TASK_RUNNING, p->seat, 0);
        if (au64_cas_acq_rel(&t->word, word, next)) { /* T5, E1 */
            *word = next;
            return true;
        }
    }
    return false;
}
/* T6 and T7 of a task that is done, while nobody waits for it, has given it back or wants it to
 * stop: most of them. False: task_end() has to. */
static inline bool task_end_alone(struct wsched *p, struct task *t, uint64_t word)
{
    uint64_t over = word_turn(word, TASK_DONE, p->seat, 0) | WORD_TOLD;

    return !(word & (WORD_WAITED | WORD_CANCEL | WORD_RELEASED)) &&
           au64_cas_acq_rel(&t->word, &word, over);
}
/* A task that we alone may end (RUNNING or FAILING here, or a dead worker's) is over. */
void task_end(struct wsched *p, uint32_t index, uint64_t word, enum task_state state, int error);
/* For the supervisor: a task that a dead worker was running ends, or becomes PENDING again. */
void task_end_dead(struct wsched *p, uint32_t index, uint64_t word, enum task_state state,
                   int error);
bool task_again(struct wsched *p, uint32_t index, uint64_t word);
int task_cancel(struct wsched *p, uint64_t future);
void task_release(struct wsched *p, const struct wsched_future *futures, size_t n);
/* T4. A task fails that has not started; `is_blocked`: only if it is BLOCKED. */
void task_fail_unstarted(struct wsched *p, uint32_t index, uint64_t word, bool is_blocked,
                         int error, const struct cause *cause);
void task_fail_dependent(struct wsched *p, uint32_t index, uint64_t word, uint32_t culprit,
                         uint64_t culprit_word);
void task_fail_late(struct wsched *p, uint32_t index, uint64_t word);
/* BLOCKED -> PENDING, if all its dependencies are over. */
void task_unblock(struct wsched *p, uint32_t index, uint64_t word);
/* Tell those that wait for a task that is over; any number of times. */
void task_tell(struct wsched *p, uint32_t index);
void task_recycle(struct wsched *p,
                  uint32_t index); /* MAKING(self): free its blocks, keep the slot */
void free_map_give(struct wsched *p, uint32_t index);

/* ---- terms.c, timer.c -------------------------------------------------------------------- */

static inline struct terms *terms_at(const struct wsched *p, uint32_t index)
{
    return &p->terms[index];
}
bool spec_has_terms(const struct wsched_spec *s);
void terms_fill(struct wsched *p, uint32_t index, const struct wsched_spec *s);
void terms_event(struct wsched *p, uint32_t index, uint64_t future, uint32_t kernel,
                 uint64_t ticks);
void terms_over(struct wsched *p, uint32_t index);
void terms_begin(struct wsched *p, uint32_t index); /* once it is published */
/* May a PENDING task be started? If it is late it fails. */
bool terms_may_start(struct wsched *p, uint32_t index, uint64_t word);
/* After an error of its kernel: is it to run again? `any`: whether its submitter wants that or not. */
bool terms_try_again(const struct wsched *p, uint32_t index, uint32_t attempt, bool any);
int64_t terms_deadline(const struct wsched *p, uint32_t index);
/* Its deadline has passed: it fails, or is asked to stop. */
void terms_late(struct wsched *p, uint32_t index, uint64_t word);
int task_kill(struct wsched *p, uint64_t future, int grace_ms);
bool terms_are_late(const struct wsched *p, uint32_t index, uint64_t word);
int64_t terms_kill_due(const struct wsched *p, uint32_t index, uint64_t word, int64_t now);
void supervisor_call(struct wsched *p, uint32_t index, int64_t due_ns);
/* In the supervisor; `pids` of its workers, 0: none. */
int timer_begin(struct wsched *p, const pid_t *pids);
int timer_serve(struct wsched *p, const pid_t *pids); /* ms until it must be called again, or -1 */
uint64_t timer_worker_died(uint32_t seat); /* the task for whose sake we killed it, or 0 */
void timer_end(struct wsched *p, const pid_t *pids);

/* ---- grant.c ----------------------------------------------------------------------------- */

int grant_needs(const struct wsched *p, const struct wsched_spec *s, uint16_t needs[RESOURCES_MAX]);
bool grant_may_start(struct wsched *p, uint32_t index, uint64_t word);
bool grant_claim(struct wsched *p, uint32_t index, uint64_t *word); /* has terms */
void grant_show(const struct wsched *p, uint32_t index, uint64_t word,
                struct wsched_task_info *out);
void grant_over(struct wsched *p, uint32_t index); /* a task that has needs is over */
/* In the supervisor. */
int grant_begin(struct wsched *p);
void grant_look(struct wsched *p, uint32_t slot, uint64_t word);
void grant_serve(struct wsched *p);

/* ---- levels.c ---------------------------------------------------------------------------- */

static inline bool levels_used(const struct wsched *p)
{
    return au32_load_relaxed(&p->header->levels); /* relaxed: a hint */
}
void levels_begin(struct wsched *p);
enum level_name level_of(const struct wsched *p, uint32_t index, uint32_t generation);
bool level_push(struct wsched *p, uint64_t future); /* false: it is of the normal level */
bool level_pop(struct wsched *p, enum level_name level, uint64_t *future);
bool level_peek(struct wsched *p, enum level_name level, uint64_t *future, uint64_t *position);
void level_drop(struct wsched *p, enum level_name level, uint64_t position);
uint64_t level_size(const struct wsched *p, enum level_name level);
/* Whoever waits for the task is of this level. */
void level_lend(struct wsched *p, uint64_t future, enum level_name level);

/* ---- deps.c ------------------------------------------------------------------------------ */

int deps_prepare(struct wsched *p, uint32_t index, uint32_t generation,
                 const struct wsched_future *after, uint32_t count, uint32_t *stock);
int deps_register(struct wsched *p, uint64_t future, const struct wsched_future *after,
                  uint32_t count, uint32_t stock);
bool deps_all_over(struct wsched *p, const struct task *t);
void deps_tell(struct wsched *p, uint32_t index, uint64_t word);
void deps_free(struct wsched *p, uint32_t index, uint32_t generation);
/* Blocks of dead seats that belong to nobody. */
void deps_sweep(struct wsched *p, const uint64_t dead[MASK_WORDS]);
int deps_verify(struct wsched *p, const char **what);
uint32_t deps_blocks_free(struct wsched *p);
bool deps_have_room(struct wsched *p, const struct wsched_future *after, uint32_t count);

/* ---- deque.c, queue.c -------------------------------------------------------------------- */

#define STEAL_MAX 32u
#define HINT_STOLEN (1ull << 31) /* somebody took it from another's deque */
bool deque_newest(struct wsched *p, uint64_t *hint);
bool deque_peek(struct wsched *p, uint32_t victim, uint64_t *hint, uint64_t *seen);
void deque_drop(struct wsched *p, uint32_t victim, uint64_t seen);
bool queue_peek(struct wsched *p, uint32_t seat, uint64_t *hint, uint64_t *head);
void queue_drop(struct wsched *p, uint32_t seat, uint64_t head);
bool deque_push(struct wsched *p, uint64_t hint); /* false: full */
uint32_t deque_push_reversed(struct wsched *p, const uint64_t *hints, uint32_t n);
bool deque_take(struct wsched *p, uint64_t *hint); /* the newest */
uint32_t deque_steal(struct wsched *p, uint32_t victim, uint32_t max, uint64_t hints[STEAL_MAX]);
bool deque_is_damaged(const struct wsched *p, uint32_t seat);
bool queue_push(struct wsched *p, uint64_t hint); /* false: full */
void queue_publish(struct wsched *p);             /* what was pushed; under the same lock */
uint32_t queue_pop(struct wsched *p, uint32_t seat, uint32_t max, uint64_t hints[STEAL_MAX]);
void queue_want(struct wsched *p, uint32_t seat); /* fetch the lines of the oldest task */
bool queue_is_damaged(const struct wsched *p, uint32_t seat);
/* How many hints there are; 0: also if they are damaged. */
static inline uint32_t deque_size(const struct wsched *p, uint32_t seat)
{
    uint64_t anchor = au64_load_acquire(&p->seats[seat].anchor); /* Q1 of deque.c */
    uint32_t size = (uint32_t)(anchor >> ANCHOR_HEAD_BITS) & ANCHOR_SIZE_MASK;

    return size > DEQUE_CAPACITY ? 0 : size;
}
static inline uint64_t queue_size(const struct wsched *p, uint32_t seat)
{
    uint64_t head = au64_load_acquire(&p->seats[seat].head);
    uint64_t n = au64_load_acquire(&p->seats[seat].tail) - head; /* R1 of queue.c */

    return n > p->queue_capacity ? 0 : n;
}

/* ---- park.c ------------------------------------------------------------------------------ */

#define PARKED 1u
void hint_push(struct wsched *p, uint64_t future);        /* takes the driver's lock */
void hint_push_locked(struct wsched *p, uint64_t future); /* then hint_publish_locked() */
void hint_publish_locked(struct wsched *p);
bool park_wake_one(struct wsched *p); /* after hint_push; true: woke one */
/* The same after `count` submissions at `ticks`. `future`: the only one, or 0; `more`: others
 * follow. */
bool park_wake_for(struct wsched *p, uint64_t future, size_t count, uint64_t ticks, bool more);
void park_wake_all(struct wsched *p);
void park_wake_room(struct wsched *p);                   /* there are free slots */
void park_wake_set(struct wsched *p, struct au64 *bits); /* who has a bit there; takes them away */
void park_say_cpu(struct park *park);                    /* where the caller is */
bool park_is_here(const struct park *park); /* was its owner, when last known, where we are? */
void park_say_asleep(struct wsched *p, bool is_asleep);
/* In a process whose death must not lose a wake: its own robust list, or that of the C library. */
void park_set_robust(struct robust_list_head *head);
void park_find_robust(const struct wsched *p);
/* Do several threads of the driver sleep on the same park word? */
bool park_is_shared(void);
struct park *park_of(const struct wsched *p, uint32_t seat); /* not the driver's */
void park_wake_seat(struct wsched *p, uint32_t seat);
void park_wake_bits(struct wsched *p, uint64_t bits);
uint64_t park_bit(const struct wsched *p);
bool work_is_visible(const struct wsched *p);
bool search_begin(struct wsched *p);      /* false: enough others search */
void search_want(const struct wsched *p); /* fetch the line that search_end() writes */
void search_end(struct wsched *p);
void park_forget(struct wsched *p, uint32_t seat); /* a dead or stopped worker */
/* Sleep until woken, `must_wake` says so, or the deadline. */
void park_worker(struct wsched *p, bool wants_work, bool (*must_wake)(void *), void *arg,
                 int64_t deadline);
/* The same without work and deadline, also while the pool closes. In a child of the supervisor, which
 * kills who does not wake in time. */
void park_until(struct wsched *p, bool (*must_wake)(void *), void *arg);

/* ---- worker.c ---------------------------------------------------------------------------- */

/* Where a hint stands, for who leaves it there until it has the task. */
struct source {
    enum { FROM_OWN, FROM_DEQUE, FROM_QUEUE, FROM_LEVEL } kind;
    uint32_t seat; /* or level */
    uint64_t at;   /* as of deque_peek(), queue_peek(), level_peek() */
};
#define HELP_DEPTH 64u /* tasks on the stack: from there on only what is waited for is run */
int worker_main(struct wsched *p);
void worker_begin(struct wsched *p); /* of an actor's process, too */
/* Run this task here and now; false: it is not there to be run, or not here. */
bool worker_run(struct wsched *p, uint64_t hint, const struct source *from);
void worker_set_depth(struct wsched *p, uint32_t depth); /* entries of seat.running in use */
uint64_t worker_note_of(const struct wsched_task *task); /* an entry of seat.running */
void worker_run_claimed(struct wsched *p, struct wsched_task *task, uint64_t word, bool stolen);
bool worker_help(struct wsched *p); /* run one task from anywhere; false: found none */
struct wanted;
int worker_wait(struct wanted *w, int64_t deadline);

void worker_rest(struct wsched *p, bool wants_work, bool (*must_wake)(void *), void *arg,
                 int64_t deadline);

/* ---- fork.c, fork_steal.c ---------------------------------------------------------------- */

/* Around all that runs on a worker, a task or a stolen job. Leaving answers whether it has synced
 * what it spawned; if not, that is forgotten. -ENOMEM. */
int fork_enter(struct wsched *p, struct fork_mark *mark);
bool fork_leave(struct wsched *p, const struct fork_mark *mark);
bool fork_is_clean(const struct wsched *p, const struct fork_mark *mark); /* would leaving say so? */
bool fork_steal(struct wsched *p, uint32_t victim);                /* and run it; false: nothing */
bool fork_help(struct wsched *p);                                  /* the same, from anybody else */
void fork_sweep(struct wsched *p, const uint64_t dead[MASK_WORDS]);

/* ---- client.c ---------------------------------------------------------------------------- */

/* How many are done; done[] may be NULL. -EINVAL: one is no task. */
int futures_count(const struct wsched *p, const struct wsched_future *futures, size_t n, bool *done,
                  size_t *count);

/* Wait until `need` of them are over, in a kernel or outside; they were not when last looked at. */
int futures_wait(struct wsched *p, const struct wsched_future *futures, size_t n, size_t need,
                 int timeout_ms);

/* What somebody waits for, and which of it is to wake him. */
struct wanted {
    struct wsched *p;
    const struct wsched_future *futures;
    size_t n, need;
    size_t left;       /* futures[left .. n) are over: not looked at again */
    size_t from, over; /* of futures[from .. n), `over` were so when the rest were marked */
    struct stream_record *stream; /* or an item of it; NULL: none */
};
struct wanted wanted_make(struct wsched *p, const struct wsched_future *futures, size_t n,
                          size_t need);
/* Are enough of them over? Waiting for all looks at one at a time. */
bool wanted_look(struct wanted *w);
/* Mark so many futures as waited for that `need` cannot be reached without one of them. */
void wanted_register(struct wanted *w);
/* Has one of them ended since? To be asked after the park word was set (P2); a struct wanted. */
bool wanted_is_called(void *wanted);
/* Wait for that, in a kernel or outside. */
int wanted_wait(struct wanted *w, int64_t deadline);
/* Sleep until woken, must_wake(), the deadline, or the supervisor's death. */
int client_sleep(struct wsched *p, bool (*must_wake)(void *), void *arg, int64_t deadline);

/* ---- supervisor.c, sweep.c --------------------------------------------------------------- */

int supervisor_open(struct wsched *p);
void supervisor_close(struct wsched *p);
/* The driver looks after its supervisor: when it has died it starts another. -ESHUTDOWN: it cannot.
 */
int supervisor_check(struct wsched *p);
int supervisor_tell(struct wsched *p); /* to look at the seats of guests and at actors */
/* What a dead worker left. `status` as of waitpid(). `culprit`: the task for whose sake the
 * supervisor killed it, or 0. */
void sweep_seat(struct wsched *p, uint32_t seat, pid_t pid, int status, uint64_t culprit);
void sweep_guest(struct wsched *p, uint32_t seat, pid_t pid);
void sweep_stopped(struct wsched *p, uint32_t seat);
/* The crew, whose workers had these pids, the supervisor, and guests. */
void sweep_everything(struct wsched *p, const pid_t *pids, const uint64_t guests[MASK_WORDS]);

/* ---- inspect.c, members.c ---------------------------------------------------------------- */

bool pool_is_dead(const struct wsched *p); /* for an observer: no process of it lives */
const char *kernel_name_of(const struct wsched *p, uint32_t kernel); /* never NULL */

/* ---- events.c ---------------------------------------------------------------------------- */

void ticks_begin(struct wsched *p);
void ticks_look(struct wsched *p, uint64_t ticks, uint64_t ns); /* what the header says */
double tick_rate(const struct wsched *p); /* nanoseconds a tick; may sleep some milliseconds */
uint64_t ticks_to_ns(const struct wsched *p, uint64_t ticks, double rate); /* CLOCK_MONOTONIC */
uint64_t event_started(const struct wsched *p, uint32_t seat, uint64_t future, uint32_t attempt);
uint32_t event_last_kernel(const struct wsched *p, uint32_t seat);
void death_put(struct wsched *p, uint32_t seat, pid_t pid, int status, const struct task *running);

#endif
