/* SPDX-License-Identifier: MIT */
#include "killer.h"
#include "point.h"
#include "pool.h"

#include <signal.h>
#include <sys/mman.h>

/* Shared by all processes of a run. */
static struct killer {
    struct au32 victim, passed, kill_at, killed;
    pid_t driver;
    char where[128];
} * killer;
static bool is_guest;

static enum killer_victim who_am_i(void)
{
    return is_guest ? KILLER_GUEST : getppid() == killer->driver ? KILLER_SUPERVISOR : KILLER_CHILD;
}

static void count_and_kill(const char *point)
{
    uint32_t victim = au32_load_acquire(&killer->victim);

    if (victim == KILLER_NOBODY || killer_has_killed() || getpid() == killer->driver ||
        victim != who_am_i())
        return;
    if (au32_add_acq_rel(&killer->passed, 1) + 1 != au32_load_relaxed(&killer->kill_at))
        return;
    snprintf(killer->where, sizeof killer->where, "%s", point);
    au32_store_release(&killer->killed, 1);
    kill(getpid(), SIGKILL);
}

void killer_begin(enum killer_victim victim, uint32_t k)
{
    memset(killer, 0, sizeof *killer);
    killer->driver = getpid();
    au32_store_relaxed(&killer->kill_at, k);
    killer_aim(victim);
    test_point = count_and_kill;
}

void killer_aim(enum killer_victim victim)
{
    au32_store_release(&killer->victim, victim);
}

void killer_be_guest(void)
{
    is_guest = true;
}

bool killer_has_killed(void)
{
    return au32_load_acquire(&killer->killed);
}

bool killer_end(void)
{
    killer_aim(KILLER_NOBODY);
    return killer_has_killed();
}

void killer_everywhere(bool (*run)(uint32_t k, const void *ctx), const void *ctx, uint32_t least)
{
    uint32_t failures = CU_get_number_of_failures(), k = 0;
    bool has_killed = true;

    killer = kit_share(sizeof *killer);
    while (has_killed && CU_get_number_of_failures() == failures) {
        if (getenv("VERBOSE"))
            fprintf(stderr, "step %u, before: %s\n", k + 1, killer->where);
        has_killed = run(++k, ctx);
        test_point = NULL;
    }
    if (CU_get_number_of_failures() != failures)
        fprintf(stderr, "killed at step %u: %s\n", k, killer->where);
    printf("(%u steps) ", k - 1);
    CHECK(k > least);
    munmap(killer, sizeof *killer);
}
