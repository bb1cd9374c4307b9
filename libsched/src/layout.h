/* SPDX-License-Identifier: MIT */
/*
 * layout.h -- every byte that the processes of a pool share: one memfd, or file, mapped by all.
 *
 *     header | free map | kernels | seats | deaths | tasks | details | call map | terms | levels |
 *     payloads and results | blocks | queues | boards | event rings
 *
 * The task table is the truth; queues, the free map and caches are hints to it. Everything is an
 * index. A zero-filled segment is an empty pool. Sizes follow from the options (segment.c); pages
 * cost memory when they are first used. What every task needs is one line of its own, so that
 * submitter and worker exchange one line each way; what few tasks need stands elsewhere.
 *
 * A seat is a participant. Seats 0 .. workers - 1 are the crew's: workers that the supervisor forks
 * and replaces. Then come the client seats, each with a queue of its own: the driver's, the
 * supervisor's, and those of guests, which are processes that joined (guest.c).
 */
#ifndef WSCHED_LAYOUT_H
#define WSCHED_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "atomics.h"

#define LAYOUT_MAGIC 0x6c6f6f7064656873u
#define LAYOUT_VERSION 13u

#define WORKERS_MAX 256u
#define GUESTS_MAX 64u
#define SEATS_MAX 512u /* 9 bits in the task word */
#define MASK_WORDS (SEATS_MAX / 64)
#define KERNELS_MAX 4096u
#define TASKS_MAX ((1u << 20) - 1) /* index + 1 is 20 bits in an entry of deps.c */
#define BYTES_MAX (1u << 20)       /* of a payload, of a result */
#define EVENTS_MAX (1u << 24)
#define AFTER_MAX (1u << 16) /* a position is 16 bits in an entry of deps.c */
#define BLOCKS_MIN 8192u     /* of deps.c; memory only when they are used */
#define DEATHS_KEPT 1024u    /* power of two */
#define DEQUE_CAPACITY 8192u /* power of two */
#define ANCHOR_HEAD_BITS 13  /* deque.c */
#define ANCHOR_SIZE_BITS 14
#define ANCHOR_SIZE_MASK ((1u << ANCHOR_SIZE_BITS) - 1)
#define DEPTH_MAX 1024u  /* tasks on one worker's stack */
#define STREAMS_MAX 256u /* and as many of a worker's tasks may wait beside it: fiber.c */
#define STREAM_ITEMS_MAX 1024u
#define RESOURCES_MAX 8u /* CPU slots are the first */
#define NAME_BYTES 32u   /* of a kernel, of a label; with the final 0 */

/*
 * A word on which a thread sleeps: 0, or what it holds while its owner sleeps. The driver's
 * threads share CLIENT_PARKS of them, each other seat has its own. One bit of task.waiters stands
 * for one park word of the driver (bits 0 .. 15) or for every 48th seat (bits 16 .. 63).
 */
#define CLIENT_PARKS 16u
#define SEAT_PARK_BITS 48u
struct park {
    struct au32 word;
    struct au32 cpu; /* where its owner is, or went to sleep, + 1; 0: unknown. A hint: park.c */
    uint32_t pad[14];
};

/* ---- tasks: task.c ----------------------------------------------------------------------- */

enum task_state {
    TASK_FREE = 0,
    TASK_MAKING = 1,  /* seat: who makes it, or keeps it for the next task it will make */
    TASK_BLOCKED = 2, /* has dependencies that are not over */
    TASK_PENDING = 3, /* may be started by any worker */
    TASK_RUNNING = 4, /* seat: the worker, which alone writes the result */
    TASK_FAILING = 5, /* seat: who alone writes the cause: a dependency failed */
    TASK_DONE = 6,    /* over; seat (here and below): who tells those that wait for it */
    TASK_FAILED = 7,
    TASK_CANCELLED = 8,
};

/* generation:29 | errno:9 | seat:9 | attempt:8 | flags:5 | state:4 */
#define WORD_STATE 0xfull
#define WORD_WAITED (1ull << 4)   /* look at waiters and successors when it is over */
#define WORD_CANCEL (1ull << 5)   /* asked to stop */
#define WORD_RELEASED (1ull << 6) /* the future was given back */
#define WORD_TOLD (1ull << 7)     /* over, and all who waited have been told */
#define WORD_ATTEMPT_SHIFT 9
#define WORD_ATTEMPT_MASK 0xffull
#define WORD_SEAT_SHIFT 17
#define WORD_SEAT_MASK 0x1ffull
#define WORD_ERRNO_SHIFT 26
#define WORD_ERRNO_MASK 0x1ffull
#define WORD_GENERATION_SHIFT 35
#define GENERATION_MASK 0x1fffffffu /* 29 bits */
#define ATTEMPT_LIMIT 250u

/* A future: generation in the high half, index + 1 in the low half. */

enum late { NOT_LATE, LATE_UNSTARTED, LATE_STOPPED, LATE_KILLED };
struct cause { /* of a failure; written by the word's exclusive owner */
    int32_t pid;
    int16_t signal;
    int16_t exit_code; /* -1: none */
    uint16_t kernel;   /* that failed: the task's, or that of the one it was to follow */
    uint8_t attempts;
    uint8_t attempts_max;
    uint8_t late;     /* enum late */
    uint8_t flags;    /* CAUSE_* */
    uint8_t actor;    /* in which it ran, or was to run: index + 1; 0: in none */
    uint8_t restarts; /* that this actor has had, of attempts_max, with CAUSE_ACTOR_ENDED */
};
#define CAUSE_DEPENDENCY 1u  /* of a task that it was to follow */
#define CAUSE_ACTOR_ENDED 2u /* the actor has ended, and of this */
#define CAUSE_MEMORY 4u      /* its worker took more than header.memory_max */

/* Flags in task.kernel */
#define KERNEL_LABELLED 0x8000u /* there is a label */
#define KERNEL_AFTER 0x4000u /* it has dependencies: detail.deps and .dep_blocks mean something */
#define KERNEL_TERMS 0x2000u /* it has terms */
#define KERNEL_HELD 0x1000u  /* an actor's call waits for it, perhaps: it comes from one */
#define KERNEL_NUMBER 0x0fffu

/* What every task needs. */
struct task {
    struct au64 word;
    struct au64 waiters;    /* bits of park words */
    struct au64 successors; /* generation << 32 | first block + 1: deps.c */
    struct au64 parent;     /* the future of the task that submitted this one, or 0 */
    uint64_t born;          /* ticks */
    uint16_t kernel;        /* number | flags */
    uint8_t parent_attempt;
    uint8_t attempts_max;
    uint32_t payload_size;
    uint32_t result_size;
    struct au32 owner; /* the guest or actor that its future belongs to: guest.c; 0: none */
    uint32_t place;    /* the actor that it is a call of: index + 1; 0: any worker runs it */
    uint32_t place_generation; /* of that actor */
};

/* What few need. */
struct detail {
    struct au64 deps;    /* generation << 32 | a bit for each of the first 32 that is not over */
    uint32_t dep_blocks; /* first block + 1 of further bits of dependencies */
    uint32_t todo;       /* index + 1: list of those to tell, of the thread that ended them */
    struct cause cause;
    char label[NAME_BYTES];
};

enum level_name { LEVEL_LOW, LEVEL_NORMAL, LEVEL_HIGH };

/* What fewer need: terms.c. Words with a generation are valid if it is the task's. */
struct terms {
    struct au64 stop;        /* generation:29 << 33 | late:1 << 32 | when to kill:32 */
    struct au64 deadline_ns; /* CLOCK_MONOTONIC; 0: none */
    uint32_t grace_ms;
    uint32_t flags;   /* enum wsched_submit_flag */
    struct au64 lent; /* generation << 32 | level: levels.c */
    uint16_t level;   /* enum level_name */
    uint16_t has_needs;
    uint32_t stream;   /* record + 1; 0: none */
    struct au64 grant; /* generation << 32 | attempt << 1 | 1: grant.c */
    uint16_t needs[RESOURCES_MAX];
};

/* ---- blocks: deps.c ---------------------------------------------------------------------- */

#define BLOCK_WORDS 6u
struct block {
    struct au64
        owner; /* generation:29 << 32 | seat of the allocator:9 << 21 | (task + 1):21; 0: free */
    struct au32 next; /* block + 1 */
    uint32_t version; /* how often it was allocated */
    struct au64 w[BLOCK_WORDS];
};

/* ---- seats ------------------------------------------------------------------------------- */

struct seat {
    struct au64 anchor;  /* of a worker's deque: deque.c */
    struct au64 awaited; /* how often a client began to wait for tasks: a hint */
    uint64_t pad0[6];
    struct au64 head; /* of a client's queue: queue.c */
    uint64_t pad1[7];
    struct au64 tail;
    struct au64 newest_at, newest; /* the hint that was pushed last, if by itself */
    uint64_t pad2[5];
    struct au64 identity; /* crew:16 | start time:26 | pid:22, see supervisor.c */
    struct au64 events;   /* ever written to this seat's ring */
    /* Statistics, by the seat's process alone. */
    struct au64 submitted, finished, failed, cancelled, retried, stolen;
    struct au32 depth;       /* entries of `running` in use; may be stale by one after a death */
    struct au32 ready;       /* the worker of this incarnation has started */
    struct au32 reading;     /* the supervisor reads what the worker prints: output.c */
    struct au32 is_detached; /* of a guest: what it submitted runs on without it */
    struct au32 leaving;     /* a guest was asked to stop working: work.c */
    struct au32 tid;         /* of a guest that works: its thread; else 0 */
    struct au64 awaits;      /* what it sleeps for: circle.c */
    struct au64 memory; /* with so many bytes it was over the limit, and killed: memory.c; or 0 */
    struct au64 waits;  /* how often `awaits` was set */
    uint32_t pad4[4];
    struct park park; /* a worker's */
    /* What is on the worker's stack, outermost first: RUNNING_* below. */
    struct au64 running[DEPTH_MAX];
    struct au64 fibers[STREAMS_MAX]; /* what waits beside it, likewise: fiber.c; or 0 */
};

/* An entry of seat.running: generation:29 << 32 | died:1 << 31 | attempt:8 << 21 | (task + 1):21.
 */
#define RUNNING_DIED (1ull << 31)
#define RUNNING_JOB (1ull << 30) /* a stolen job of that task, not the task: fork_steal.c */

struct death {
    struct au64 seq; /* number + 1 when complete */
    uint64_t time_ns;
    int32_t pid;
    uint32_t worker;
    int32_t signal;
    int32_t exit_code;
    uint64_t memory; /* as of the seat */
    char kernel[NAME_BYTES];
    char label[NAME_BYTES];
};

struct event_record { /* words, so that a reader may race with the writer: events.c */
    struct au64 ticks;
    struct au64 task;
    struct au64 what; /* pid:32 | kernel:16 | attempt:8 | has a label:1 | kind:7 */
    struct au64 pad;
};
#define EVENT_LABELLED 0x80u
#define EVENT_KIND 0x7fu
struct event_label { /* in another ring, as most events have none */
    struct au64 words[NAME_BYTES / 8];
};
struct event_terms { /* in place of a label, of an event WSCHED_EVENT_TERMS */
    uint64_t deadline_ns;
    uint16_t needs[RESOURCES_MAX];
    uint32_t level; /* enum level_name */
    uint32_t pad;
};

/* ---- actors: actor.c, mailbox.c ---------------------------------------------------------- */

#define ACTORS_MAX 128u
#define RESTARTS_LIMIT 250
#define ACTOR_STOCK 16u     /* free slots that an actor keeps at hand */
#define MAILBOX_SLOTS 4096u /* power of two */
#define MAILBOX_MAX \
    (MAILBOX_SLOTS / 2) /* calls that are taken; the other slots are for those \
                         * that cannot be refused any more */

enum actor_state {
    ACTOR_FREE = 0,
    ACTOR_MAKING = 1,  /* seat: who fills the record in */
    ACTOR_NAMING = 2,  /* seat: who looks whether the name is taken */
    ACTOR_REFUSED = 3, /* seat: who has lost the name to another */
    ACTOR_ALIVE = 4,   /* has, or will have, a process */
    ACTOR_ENDING = 5,  /* has none and will have none; the supervisor fails its calls */
    ACTOR_DEAD = 6,    /* all is told; the record is kept until another needs it */
};

/* generation:32 | seat:16 | flags:8 | state:8 */
#define ACTOR_STATE 0xffull
#define ACTOR_STOP (1ull << 8)     /* takes no more calls; ends when those it has are served */
#define ACTOR_STOP_NOW (1ull << 9) /* ends after the running one; the others fail */
#define ACTOR_KILL (1ull << 10)    /* is to be killed */
#define ACTOR_FAILED (1ull << 11)  /* its constructor said no: actor.error */
#define ACTOR_STOPPING (ACTOR_STOP | ACTOR_STOP_NOW | ACTOR_KILL)
#define ACTOR_SEAT_SHIFT 16
#define ACTOR_GENERATION_SHIFT 32

/* An actor's handle: generation in the high half, index + 1 in the low half. */

struct mailbox_ends {
    struct au64 head; /* by the actor's process */
    uint64_t pad0[7];
    struct au64 tail; /* by all who push, by CAS */
    uint64_t pad1[7];
};

struct actor {
    /* Read by every call. */
    struct au64 word;
    struct au64 room_waiters; /* bits of park words that wait for room in the mailbox */
    struct au32 lost;         /* there may be a PENDING call in no mailbox */
    uint32_t capacity;        /* of the mailbox */
    uint32_t flags;           /* enum wsched_actor_flag */
    int32_t max_restarts;     /* -1: any number */
    uint64_t born;            /* ticks */
    uint64_t creator;         /* identity of the process that made it */
    struct au32 error;        /* of a constructor that failed */
    uint16_t creator_seat;
    uint16_t kernel; /* the constructor; UINT16_MAX: none */
    uint32_t payload_size;
    struct au32 restarts; /* by the supervisor */
    /* Rest. */
    struct au64 name[NAME_BYTES / 8]; /* "": none */
    struct cause cause;               /* of the last death; by the supervisor */
    struct au64 ended;                /* ticks; when it became ENDING */
    struct au64 served;               /* calls that ended in its process, in all its lives */
    struct mailbox_ends mailbox;
};

/* ---- streams: stream.c ------------------------------------------------------------------- */

struct stream_record {
    struct au64 owner;     /* the task's future; 0: free */
    struct au64 published; /* items; by the task */
    struct au32 full;      /* the task waits for room */
    struct au32 capacity;  /* items that may lie in the ring */
    struct au64 waits;     /* attempt:8 | count:56, and */
    struct au64 awaits;    /* what the task waits for beside the stack: circle.c */
    uint64_t pad0[3];
    struct au64 taken;   /* tag:24 | items:40; by who takes */
    struct au64 waiters; /* bits of park words that wait for an item */
    uint64_t pad1[6];
};

/* ---- boards: fork.c ---------------------------------------------------------------------- */

enum job_state {
    JOB_FREE = 0,
    JOB_OPEN = 1,   /* may be stolen */
    JOB_STOLEN = 2, /* seat: the thief, which alone touches the rest */
    JOB_DONE = 3,
    JOB_LOST = 4,   /* its thief died: the owner runs it */
    JOB_ORPHAN = 5, /* as STOLEN; nobody wants the result */
};

#define BOARD_JOBS 64u /* bits of board.open */
#define JOB_ARGS 96u
struct job {
    struct au32 word; /* seat of the thief:9 << 4 | waited:1 << 3 | state:3 */
    uint16_t kernel;
    uint16_t size; /* of args */
    uint64_t root; /* the task that it is a part of; or 0 */
    uint32_t root_attempt;
    uint32_t pad[3];
    unsigned char args[JOB_ARGS]; /* then the result */
};

/* What a worker lets others steal. */
struct board {
    struct au64 open; /* bits of jobs that are OPEN: a hint */
    struct au32 used; /* jobs from here on were never used */
    uint32_t pad[13];
    struct job jobs[BOARD_JOBS];
};

/* ---- header ------------------------------------------------------------------------------ */

/* What sizes follow from; for those who did not make the pool. */
struct geometry {
    uint64_t bytes; /* of all */
    uint32_t task_count, bytes_stride, block_count;
    uint32_t payload_max, result_max;
    uint32_t kernel_count, event_capacity;
    uint32_t queue_capacity, guests, guest_stock, actors;
    uint32_t streams, stream_items; /* records; cells of each ring */
    uint32_t pad;
};

struct level { /* the ends of a ring of levels.c */
    struct au64 head;
    uint64_t pad0[7];
    struct au64 tail;
    uint64_t pad1[7];
};

struct resource { /* grant.c */
    char name[NAME_BYTES];
    uint32_t total;
    struct au32 held; /* for those who look */
    uint64_t pad[3];
};

struct header {
    uint64_t magic;
    uint32_t layout_version;
    uint32_t workers;
    uint64_t clock_ticks, clock_ns; /* one moment by both clocks */
    uint64_t pad0[4];
    struct au64 sleepers[MASK_WORDS]; /* parked workers: park.c */
    struct au64 searchers[MASK_WORDS];
    struct au32 supervisor; /* its thread id while it lives; the kernel adds FUTEX_OWNER_DIED */
    struct au32 lost;       /* there may be a PENDING task in no queue */
    struct au32 stopping;   /* wsched_close() */
    struct au32 broken;     /* errno: workers cannot start */
    struct au32 tasks_used; /* task slots from here on were never used */
    struct au32 blocks_used;
    struct au32 crew;        /* incarnation of supervisor and workers */
    struct au32 guests_used; /* seats of guests from here on were never taken */
    struct au64 deaths;
    struct au64 wakes;
    uint64_t pid_namespace;
    struct au32 over;         /* the driver is dead: nothing will run any more */
    struct au32 actors_used;  /* records of actors from here on were never taken */
    struct au64 room_waiters; /* bits of park words that wait for a free slot */
    uint64_t memory_max;      /* of a worker, bytes; 0: any */
    uint64_t pad4[6];
    struct park client_park[CLIENT_PARKS];
    struct park guest_park[GUESTS_MAX];
    struct geometry geometry;
    struct au64 next_due; /* ns: when the supervisor will look at the call map by itself: terms.c */
    struct au32 called;   /* there is a bit in the call map */
    struct au32 levels;   /* some task ever had another level than the normal one: levels.c */
    struct au32 bell;     /* 0 for ever: the kernel wakes who sleeps on it: lookout.c */
    struct au32 map_filled; /* the free map may have a bit: task.c */
    uint32_t pad6[10];
    struct level level[2]; /* low, high */
    struct resource resources[RESOURCES_MAX];
};

_Static_assert(sizeof(struct park) == CACHE_LINE, "layout");
_Static_assert(sizeof(struct task) == CACHE_LINE, "what an empty task needs is one line");
_Static_assert(sizeof(struct detail) == CACHE_LINE, "layout");
_Static_assert(sizeof(struct terms) == CACHE_LINE, "layout");
_Static_assert(KERNELS_MAX == KERNEL_NUMBER + 1, "a kernel's number fits beside the flags");
_Static_assert(sizeof(struct block) == CACHE_LINE, "layout");
_Static_assert(offsetof(struct seat, identity) == 192, "layout");
_Static_assert(offsetof(struct seat, park) == 320, "layout");
_Static_assert(sizeof(struct seat) % CACHE_LINE == 0, "layout");
_Static_assert(sizeof(struct stream_record) == 2 * CACHE_LINE, "a line for each side");
_Static_assert(offsetof(struct stream_record, taken) == CACHE_LINE, "layout");
_Static_assert(sizeof(struct event_terms) == sizeof(struct event_label), "layout");
_Static_assert(sizeof(struct event_record) == CACHE_LINE / 2, "layout");
_Static_assert(sizeof(struct job) == 2 * CACHE_LINE, "a small job is one line");
_Static_assert(offsetof(struct board, jobs) == CACHE_LINE, "layout");
_Static_assert(offsetof(struct header, sleepers) == 64, "layout");
_Static_assert(offsetof(struct header, client_park) % CACHE_LINE == 0, "layout");
_Static_assert(sizeof(struct geometry) == CACHE_LINE, "layout");
_Static_assert(offsetof(struct actor, name) == CACHE_LINE, "what a call reads is one line");
_Static_assert(offsetof(struct actor, mailbox) % CACHE_LINE == 0, "layout");
_Static_assert(SEATS_MAX <= WORD_SEAT_MASK + 1, "a seat fits the word");
_Static_assert(WORKERS_MAX + 2 + GUESTS_MAX + ACTORS_MAX <= SEATS_MAX, "a seat for everybody");

#endif
