/* SPDX-License-Identifier: MIT */
#include "explore.h"

#include "test.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Where a state is, and of its hash what the place in the table does not tell. */
struct place {
    uint32_t number; /* of the state + 1; 0: free */
    uint32_t mark;
};

struct explorer {
    size_t size;
    unsigned char *states; /* in the order they were found; also the queue */
    uint32_t *from;        /* the state each was found from */
    uint64_t count, room;
    struct place *table; /* by hash */
    uint64_t table_size;
    uint64_t current;
    const char *failed;
};

int mistake;

/* The place of a state, or the free one where it belongs, with its mark set. */
static struct place *place_of(struct explorer *e, const unsigned char *state)
{
    uint64_t hash = XXH3_64bits(state, e->size);
    uint64_t i = hash & (e->table_size - 1);
    uint32_t mark = (uint32_t)(hash >> 32);

    while (e->table[i].number &&
           (e->table[i].mark != mark ||
            memcmp(e->states + (e->table[i].number - 1) * e->size, state, e->size)))
        i = (i + 1) & (e->table_size - 1);
    e->table[i].mark = mark;
    return &e->table[i];
}

static void *resize(void *old, size_t bytes)
{
    void *p = realloc(old, bytes);

    if (!p) {
        fprintf(stderr, "explore: no memory for %zu bytes\n", bytes);
        _Exit(3);
    }
    return p;
}

static void grow(struct explorer *e)
{
    e->room = e->room ? e->room * 2 : 1 << 16;
    e->states = resize(e->states, e->room * e->size);
    e->from = resize(e->from, e->room * sizeof *e->from);
    e->table_size = e->room * 2;
    e->table = resize(e->table, e->table_size * sizeof *e->table);
    memset(e->table, 0, e->table_size * sizeof *e->table);
    for (uint64_t i = 0; i < e->count; i++)
        place_of(e, e->states + i * e->size)->number = (uint32_t)i + 1;
}

void explore_emit(struct explorer *e, const void *state)
{
    if (e->count == e->room)
        grow(e);
    struct place *place = place_of(e, state);
    if (place->number)
        return;
    memcpy(e->states + e->count * e->size, state, e->size);
    e->from[e->count] = (uint32_t)e->current;
    place->number = (uint32_t)++e->count;
}

void explore_fail(struct explorer *e, const char *what)
{
    if (e->failed)
        return;
    e->failed = what;
    if (mistake) /* it is what the walk is for */
        return;
    fprintf(stderr, "the model breaks: %s; the way there, backwards:\n", what);
    for (uint64_t i = e->current, n = 0; n < 60; i = e->from[i], n++) {
        for (size_t j = 0; j < e->size; j++)
            fprintf(stderr, "%02x%s", e->states[i * e->size + j], j % 4 == 3 ? " " : "");
        fprintf(stderr, "\n");
        if (i == 0)
            break;
    }
}

/* How many states there are; 0 if some broke an invariant. */
static uint64_t walk(const struct model *m, size_t beginning)
{
    struct explorer e = { .size = m->size };
    unsigned char *state = resize(NULL, m->size);

    memset(state, 0, m->size);
    m->begin(state, beginning);
    explore_emit(&e, state);
    for (; e.current < e.count && !e.failed; e.current++) {
        memcpy(state, e.states + e.current * m->size, m->size); /* emit may move the array */
        m->step(&e, state);
    }
    free(state);
    free(e.states);
    free(e.from);
    free(e.table);
    return e.failed ? 0 : e.count;
}

/* ThreadSanitizer would make a walk long, and one thread has no races to find. */
static bool is_in_vain(void)
{
#ifdef __SANITIZE_THREAD__
    puts("    one thread: nothing for ThreadSanitizer");
    return true;
#else
    return false;
#endif
}

uint64_t explore_holds(const struct model *m, size_t count)
{
    uint64_t total = 0;

    if (is_in_vain())
        return 0;
    printf("   ");
    for (size_t i = 0; i < count; i++) {
        uint64_t states = walk(m, i);

        CHECK(states > m->least);
        total += states;
        printf(" %s%llu", i ? "+ " : "", (unsigned long long)states);
    }
    if (count > 1)
        printf(" = %llu", (unsigned long long)total);
    printf(" states\n");
    return total;
}

static bool breaks(const struct model *m, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (walk(m, i) == 0)
            return true;
    return false;
}

void explore_breaks(const struct model *m, size_t count, int mistakes)
{
    if (is_in_vain())
        return;
    for (mistake = 1; mistake < mistakes; mistake++)
        if (!breaks(m, count)) {
            fprintf(stderr, "mistake %d is not found\n", mistake);
            CHECK(false);
        }
    mistake = 0;
}

bool explore_is_large(void)
{
    const char *model = getenv("MODEL");

    return model && !strcmp(model, "large");
}
