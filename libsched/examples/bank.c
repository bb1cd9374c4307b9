/* SPDX-License-Identifier: MIT */
/*
 * bank.c -- a bank of actors: each keeps an account, tellers on workers move money between them,
 * and accounts are killed meanwhile.
 *
 * An actor's state goes with its process, so an account writes what must last into a file that it
 * maps, and its constructor reads that again. A call that was running when the actor died runs
 * again (max_retries); it may have been booked already, so each transfer has a number, and an
 * account books a number once. Number and sum change in one store: no death comes between them.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <wsched.h>

#define ACCOUNTS 4u
#define TELLERS 2u
#define TRANSFERS 400u
#define START 1000

/* What lasts: of each account, what each teller brought to it, and the number of the last transfer
 * booked: number:32 | sum:32. Shared memory here; a file would outlive the machine, too. */
static _Atomic uint64_t (*ledger)[TELLERS];

struct account {
    _Atomic uint64_t *entries;
    long balance; /* what follows from the entries, and is quicker to tell */
};

static int open_account(struct wsched_task *task, void *ctx)
{
    static struct account account;
    const uint32_t *number = wsched_task_payload(task, NULL);

    (void)ctx;
    account.entries = ledger[*number];
    account.balance = START;
    for (uint32_t t = 0; t < TELLERS; t++)
        account.balance += (int32_t)account.entries[t];
    return wsched_task_set_actor_state(task, &account);
}

struct booking {
    uint32_t teller, number;
    int32_t amount;
};

static int book(struct wsched_task *task, void *ctx)
{
    struct account *a = wsched_task_actor_state(task);
    const struct booking *b = wsched_task_payload(task, NULL);
    uint64_t entry = a->entries[b->teller];

    (void)ctx;
    if (b->number > (uint32_t)(entry >> 32)) { /* else it is booked already */
        a->entries[b->teller] = (uint64_t)b->number << 32 | ((uint32_t)entry + (uint32_t)b->amount);
        a->balance += b->amount;
    }
    return wsched_task_result(task, &a->balance, sizeof a->balance);
}

static int balance(struct wsched_task *task, void *ctx)
{
    const struct account *a = wsched_task_actor_state(task);

    (void)ctx;
    return wsched_task_result(task, &a->balance, sizeof a->balance);
}

static int die(struct wsched_task *task, void *ctx)
{
    (void)task;
    (void)ctx;
    return raise(SIGKILL);
}

/* A teller: from one account to the next, TRANSFERS times. Should its worker die, it begins anew.
 */
static int teller(struct wsched_task *task, void *ctx)
{
    const uint32_t me = *(const uint32_t *)wsched_task_payload(task, NULL);
    struct wsched *pool = wsched_task_pool(task);
    struct wsched_actor accounts[ACCOUNTS];
    int err = 0;

    (void)ctx;
    for (uint32_t i = 0; i < ACCOUNTS && !err; i++) {
        char name[16];
        snprintf(name, sizeof name, "account %u", i);
        err = wsched_actor_find(pool, name, &accounts[i]);
    }
    for (uint32_t n = 1; n <= TRANSFERS && !err; n++) {
        struct booking from = { me, n, -(int32_t)(n % 50) }, to = { me, n, (int32_t)(n % 50) };
        struct wsched_spec calls[] = {
            { .kernel = "book", .payload = &from, .payload_size = sizeof from, .max_retries = 50 },
            { .kernel = "book", .payload = &to, .payload_size = sizeof to, .max_retries = 50 },
        };
        struct wsched_future f[2];
        calls[0].actor = accounts[(me + n) % ACCOUNTS];
        calls[1].actor = accounts[(me + n + 1) % ACCOUNTS];
        err = wsched_submit_many(pool, calls, 2, f);
        if (err == 2)
            err = wsched_wait(pool, f, 2, 2, -1, NULL);
        for (int i = 0; i < 2 && err >= 0; i++) {
            err = wsched_result(pool, f[i], NULL, 0, NULL);
            wsched_release(pool, f[i]);
        }
    }
    return err;
}

static const struct wsched_kernel kernels[] = {
    { "open_account", open_account, NULL },
    { "book", book, NULL },
    { "balance", balance, NULL },
    { "die", die, NULL },
    { "teller", teller, NULL },
};

static void must(int result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "bank: %s: %s\n", what, wsched_strerror(result));
    exit(1);
}

static long ask(struct wsched *pool, struct wsched_actor actor)
{
    struct wsched_spec s = { .kernel = "balance", .max_retries = 50 };
    struct wsched_future f;
    long v = 0;

    must(wsched_actor_call(pool, actor, &s, &f), "call");
    must(wsched_wait(pool, &f, 1, 1, -1, NULL), "wait");
    must(wsched_result(pool, f, &v, sizeof v, NULL), "balance");
    wsched_release(pool, f);
    return v;
}

int main(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched_actor accounts[ACCOUNTS];
    struct wsched_future tellers[TELLERS], deaths[10];
    struct wsched_failure why = { 0 };
    struct wsched *pool;
    long total = 0;

    ledger = mmap(NULL, ACCOUNTS * sizeof *ledger, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ledger == MAP_FAILED)
        return 1;
    o.workers = 2;
    must(wsched_open(&o, kernels, sizeof kernels / sizeof *kernels, &pool), "open");
    for (uint32_t i = 0; i < ACCOUNTS; i++) {
        char name[16];
        struct wsched_actor_spec s = { .name = name,
                                       .constructor = "open_account",
                                       .payload = &i,
                                       .payload_size = sizeof i,
                                       .max_restarts = -1 };
        snprintf(name, sizeof name, "account %u", i);
        must(wsched_actor_new(pool, &s, &accounts[i]), "new");
    }
    for (uint32_t i = 0; i < TELLERS; i++) {
        struct wsched_spec s = { .kernel = "teller", .payload = &i, .payload_size = sizeof i };
        must(wsched_submit(pool, &s, &tellers[i]), "submit");
    }
    for (uint32_t i = 0; i < 10; i++) { /* calls that kill, between those of the tellers */
        struct wsched_spec s = { .kernel = "die" };
        must(wsched_actor_call(pool, accounts[i % ACCOUNTS], &s, &deaths[i]), "call");
    }
    must(wsched_wait(pool, tellers, TELLERS, TELLERS, -1, NULL), "wait");
    for (uint32_t i = 0; i < TELLERS; i++)
        must(wsched_result(pool, tellers[i], NULL, 0, NULL), "teller");
    must(wsched_wait(pool, deaths, 10, 10, -1, NULL), "wait");
    must(wsched_failure(pool, deaths[9], &why), "failure");
    printf("%s\n", why.text);
    for (uint32_t i = 0; i < ACCOUNTS; i++) {
        struct wsched_actor_info info;
        long v = ask(pool, accounts[i]);
        must(wsched_actor_info(pool, accounts[i], &info), "info");
        printf("%s: %ld, after %u restarts\n", info.name, v, info.restarts);
        total += v;
    }
    printf("in all: %ld\n", total);
    wsched_close(pool);
    return total == (long)ACCOUNTS * START ? 0 : 1;
}
