/* SPDX-License-Identifier: MIT */
/* pool.c -- opening and closing a pool. */
#define _GNU_SOURCE
#include "fiber.h"
#include "identity.h"
#include "memory.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static bool resources_are_good(const struct wsched_options *o)
{
    if (o->resource_count >= RESOURCES_MAX || (o->resource_count && !o->resources))
        return false;
    for (uint32_t i = 0; i < o->resource_count; i++) {
        const struct wsched_resource *r = &o->resources[i];
        if (!r->name || !r->name[0] || strnlen(r->name, NAME_BYTES) == NAME_BYTES || !r->count ||
            r->count > UINT16_MAX || !strcmp(r->name, "cpu"))
            return false;
        for (uint32_t j = 0; j < i; j++)
            if (!strcmp(r->name, o->resources[j].name))
                return false;
    }
    return true;
}

int options_read(void *known, size_t known_size, const void *given)
{
    const unsigned char *bytes = given;
    uint32_t size;

    memcpy(&size, given, sizeof size);
    if (size < 2 * sizeof size) /* the first field behind it has always been there */
        return -EINVAL;
    for (size_t i = known_size; i < size; i++)
        if (bytes[i])
            return -E2BIG;
    memcpy(known, given, size < known_size ? size : known_size);
    return 0;
}

static int check_options(const struct wsched_options *o)
{
    if (o->workers > WORKERS_MAX || o->task_capacity > TASKS_MAX || o->payload_max > BYTES_MAX ||
        o->result_max > BYTES_MAX || o->event_capacity > EVENTS_MAX || o->guests > GUESTS_MAX ||
        o->actors > ACTORS_MAX || o->streams > STREAMS_MAX || o->reserved || o->output_fd < 0 ||
        (o->worker_memory_max && o->worker_memory_max < MEMORY_MIN) || !resources_are_good(o))
        return -EINVAL;
    return o->output_fd && fcntl(o->output_fd, F_GETFD) < 0 ? -EBADF : 0;
}

int kernels_check(const struct wsched_kernel *kernels, size_t count)
{
    if (!kernels || count == 0 || count > KERNELS_MAX)
        return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        if (!kernels[i].fn || !kernels[i].name || !kernels[i].name[0] ||
            strnlen(kernels[i].name, WSCHED_KERNEL_NAME_MAX + 1) > WSCHED_KERNEL_NAME_MAX)
            return -EINVAL;
        for (size_t j = 0; j < i; j++)
            if (!strcmp(kernels[i].name, kernels[j].name))
                return -EINVAL;
    }
    return 0;
}

void pool_free(struct wsched *p)
{
    attached_free(p);
    segment_free(p);
    if (p->own)
        munmap(p->own, sizeof *p->own);
    free(p->free_slots);
    if (p->taken_later)
        munmap(p->taken_later, p->task_count * sizeof *p->taken_later);
    free(p->heads_seen);
    free(p->fork);
    fibers_free(p);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->crew_lock);
    free(p);
}

/* Pages are made as they are used: calloc() may clear them all, which is felt as the pool opens. */
int pool_slots(struct wsched *p, uint32_t most)
{
    p->free_slots = malloc((most + 64) * sizeof *p->free_slots);
    void *later = mmap(NULL, p->task_count * sizeof *p->taken_later, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (later == MAP_FAILED)
        return -ENOMEM;
    p->taken_later = later;
    return p->free_slots ? 0 : -ENOMEM;
}

/* A handle that is attached to nothing. */
int pool_new(struct wsched **out)
{
    struct wsched *p = calloc(1, sizeof *p);
    int err = 0;

    if (!p)
        return -ENOMEM;
    p->fd = p->control = -1;
    pthread_mutex_init(&p->lock, NULL);
    pthread_mutex_init(&p->crew_lock, NULL);
    p->heads_seen = calloc(ACTORS_MAX, sizeof *p->heads_seen);
    p->own = mmap(NULL, sizeof *p->own, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p->own == MAP_FAILED)
        p->own = NULL;
    if (!p->own || !p->heads_seen) {
        err = -ENOMEM;
    } else if (madvise(p->own, sizeof *p->own, MADV_WIPEONFORK)) {
        err = -errno;
    }
    if (err)
        pool_free(p);
    else
        *out = p;
    return err;
}

/* For guests: whose pool it is. */
static int identity_note(struct wsched *p)
{
    uint64_t start = 0;
    char state;
    int err = proc_stat(p->pid, &start, &state);

    au64_store_release(&p->seats[p->seat].identity, identity_make(1, start, p->pid));
    return err;
}

int wsched_open(const struct wsched_options *opts, const struct wsched_kernel *kernels,
                size_t kernel_count, struct wsched **out)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    int err = out ? 0 : -EINVAL;

    if (!err && opts)
        err = options_read(&o, sizeof o, opts);
    if (!err)
        err = check_options(&o);
    if (!err)
        err = kernels_check(kernels, kernel_count);
    struct wsched *p;
    if (!err)
        err = pool_new(&p);
    if (err)
        return err;
    p->options = o;
    p->kernels = kernels;
    p->role = ROLE_DRIVER;
    p->cpus = wsched_cpus();
    p->pid = getpid();
    pthread_sigmask(SIG_SETMASK, NULL, &p->mask);
    err = segment_make(p, &o, kernels, kernel_count);
    if (!err) {
        uint32_t most = p->free_max > p->worker_free_max ? p->free_max : p->worker_free_max;
        err = pool_slots(p, most);
    }
    if (!err) {
        *p->own = 1;
        p->seat = driver_seat(p);
        err = identity_note(p);
    }
    if (!err) {
        au32_store_relaxed(&p->spin, 1000); /* relaxed: nobody else has it yet */
        err = o.name ? name_publish(o.name, p->fd) : 0;
    }
    if (!err) {
        err = supervisor_open(p);
        if (err && o.name)
            name_remove(o.name, p->fd);
    }
    if (err) {
        if (p->control >= 0)
            close(p->control);
        pool_free(p);
        return err;
    }
    *out = p;
    return 0;
}

void wsched_close(struct wsched *p)
{
    if (!p || pool_check(p) || p->role == ROLE_WORKER || p->role == ROLE_SUPERVISOR)
        return;
    if (p->role == ROLE_DRIVER)
        supervisor_close(p);
    if (p->role == ROLE_GUEST) {
        work_hand_over(p);
        guest_leave(p);
        guest_free(p);
    }
    if (p->role == ROLE_DRIVER && p->options.name)
        name_remove(p->options.name, p->fd);
    pool_free(p);
}

uint32_t wsched_workers(const struct wsched *p)
{
    return p ? p->workers : 0;
}
