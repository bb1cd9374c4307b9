/* SPDX-License-Identifier: MIT */
/*
 * atomics.h -- words that several processes share.
 *
 * The words are structs so that `x->head + 1` does not compile and no sequentially
 * consistent access can sneak in by `=`: every access names its order. C11 says nothing of
 * processes, but lock-free atomics are address-free (C11 7.17.5p3 recommends it, gcc and the
 * ABI give it), so they work between mappings of the same page.
 */
#ifndef COMMON_ATOMICS_H
#define COMMON_ATOMICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2,
               "shared words must be lock-free to work between processes");

#define CACHE_LINE 64

struct au64 {
    _Atomic uint64_t v;
};
struct au32 {
    _Atomic uint32_t v;
};

#define ATOMICS_DEFINE(T, S)                                                                     \
    static inline T S##_load_relaxed(const struct S *a)                                          \
    {                                                                                            \
        return atomic_load_explicit(&a->v, memory_order_relaxed);                                \
    }                                                                                            \
    static inline T S##_load_acquire(const struct S *a)                                          \
    {                                                                                            \
        return atomic_load_explicit(&a->v, memory_order_acquire);                                \
    }                                                                                            \
    static inline T S##_load_seq_cst(const struct S *a)                                          \
    {                                                                                            \
        return atomic_load_explicit(&a->v, memory_order_seq_cst);                                \
    }                                                                                            \
    static inline void S##_store_relaxed(struct S *a, T x)                                       \
    {                                                                                            \
        atomic_store_explicit(&a->v, x, memory_order_relaxed);                                   \
    }                                                                                            \
    static inline void S##_store_release(struct S *a, T x)                                       \
    {                                                                                            \
        atomic_store_explicit(&a->v, x, memory_order_release);                                   \
    }                                                                                            \
    /* On failure *expected becomes what is there. Orders: success acq_rel, failure acquire. */  \
    static inline bool S##_cas_acq_rel(struct S *a, T *expected, T x)                            \
    {                                                                                            \
        return atomic_compare_exchange_strong_explicit(&a->v, expected, x, memory_order_acq_rel, \
                                                       memory_order_acquire);                    \
    }                                                                                            \
    static inline bool S##_cas_acquire(struct S *a, T *expected, T x)                            \
    {                                                                                            \
        return atomic_compare_exchange_strong_explicit(&a->v, expected, x, memory_order_acquire, \
                                                       memory_order_acquire);                    \
    }                                                                                            \
    static inline bool S##_cas_release(struct S *a, T *expected, T x)                            \
    {                                                                                            \
        return atomic_compare_exchange_strong_explicit(&a->v, expected, x, memory_order_release, \
                                                       memory_order_relaxed);                    \
    }                                                                                            \
    static inline bool S##_cas_seq_cst(struct S *a, T *expected, T x)                            \
    {                                                                                            \
        return atomic_compare_exchange_strong_explicit(&a->v, expected, x, memory_order_seq_cst, \
                                                       memory_order_seq_cst);                    \
    }                                                                                            \
    static inline T S##_xchg_acq_rel(struct S *a, T x)                                           \
    {                                                                                            \
        return atomic_exchange_explicit(&a->v, x, memory_order_acq_rel);                         \
    }                                                                                            \
    static inline T S##_xchg_seq_cst(struct S *a, T x)                                           \
    {                                                                                            \
        return atomic_exchange_explicit(&a->v, x, memory_order_seq_cst);                         \
    }                                                                                            \
    static inline T S##_add_relaxed(struct S *a, T x)                                            \
    {                                                                                            \
        return atomic_fetch_add_explicit(&a->v, x, memory_order_relaxed);                        \
    }                                                                                            \
    static inline T S##_add_acq_rel(struct S *a, T x)                                            \
    {                                                                                            \
        return atomic_fetch_add_explicit(&a->v, x, memory_order_acq_rel);                        \
    }                                                                                            \
    static inline T S##_or_acq_rel(struct S *a, T x)                                             \
    {                                                                                            \
        return atomic_fetch_or_explicit(&a->v, x, memory_order_acq_rel);                         \
    }                                                                                            \
    static inline T S##_or_seq_cst(struct S *a, T x)                                             \
    {                                                                                            \
        return atomic_fetch_or_explicit(&a->v, x, memory_order_seq_cst);                         \
    }                                                                                            \
    static inline T S##_and_acq_rel(struct S *a, T x)                                            \
    {                                                                                            \
        return atomic_fetch_and_explicit(&a->v, x, memory_order_acq_rel);                        \
    }                                                                                            \
    static inline T S##_and_seq_cst(struct S *a, T x)                                            \
    {                                                                                            \
        return atomic_fetch_and_explicit(&a->v, x, memory_order_seq_cst);                        \
    }

ATOMICS_DEFINE(uint64_t, au64)
ATOMICS_DEFINE(uint32_t, au32)

/* ThreadSanitizer does not know fences: where it must see the edge, use a read-modify-write. */
static inline void fence_seq_cst(void)
{
    atomic_thread_fence(memory_order_seq_cst);
}

/* Fetch a line that we are about to write: later, the store or CAS does not wait for it. */
static inline void line_want(const void *address)
{
#if defined(__x86_64__)
    __asm__ __volatile__("prefetchw %0" : : "m"(*(const char *)address));
#else
    __builtin_prefetch(address, 1);
#endif
}

/*
 * We have written a line that another CPU is about to read: put it into the cache that all share,
 * from where it comes in half the time that it takes to come from ours. Other CPUs than Intel's of
 * late do nothing here.
 */
static inline void line_give(const void *address)
{
#if defined(__x86_64__)
    /* cldemote (%rdi) */
    __asm__ __volatile__(".byte 0x0f, 0x1c, 0x07" : : "D"(address) : "memory");
#else
    (void)address;
#endif
}

static inline void cpu_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

#endif
