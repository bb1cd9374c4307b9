/* SPDX-License-Identifier: MIT */
/* Model blocks are untrusted bytes: damaged or hostile ones are refused, and nothing is read
 * outside. */
#include "base/checksum.h"
#include "model/model.h"
#include "model/frame.h"
#include "support.h"

#include <errno.h>
#include <math.h>
#include <sys/mman.h>

/* A copy that ends where the readable memory ends: one byte too far and the program dies. */
static void *fenced(const void *data, size_t bytes, void **region, size_t *region_bytes)
{
    size_t pages = (bytes + 4095) / 4096 * 4096;
    char *memory =
        mmap(NULL, pages + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    REQUIRE(mprotect(memory + pages, 4096, PROT_NONE) == 0);
    *region = memory;
    *region_bytes = pages + 4096;
    char *copy = memory + pages - bytes;
    memcpy(copy, data, bytes);
    return copy;
}

static struct trained small_model(bool stats, uint64_t rows, uint32_t trees)
{
    struct table t = table_mixed(21, rows, 3);
    struct forest_params params = FOREST_PARAMS_INIT;

    params.n_estimators = trees;
    params.keep_stats = stats;
    struct trained m = train_on(&t, false, &params);
    table_free(&t);
    return m;
}

/* A classifier grown best first: every part of a body is there. */
static struct trained small_classifier(uint64_t rows, uint32_t trees)
{
    struct table t = table_mixed(22, rows, 3);
    struct forest_params params = FOREST_PARAMS_INIT;

    table_classes(&t, 3);
    params.task = FOREST_CLASSIFICATION;
    params.n_estimators = trees;
    params.max_leaf_nodes = 5;
    params.keep_stats = 1;
    struct trained m = train_on(&t, false, &params);
    table_free(&t);
    return m;
}

static int try_open(const void *block, size_t bytes, struct forest_diag *diag)
{
    struct forest *forest = NULL;
    int err;

    memset(diag, 0, sizeof *diag);
    err = forest_open(block, bytes, &forest, diag);
    CHECK(err ? forest == NULL && diag->text[0] : forest != NULL);
    CHECK(memchr(diag->text, 0, sizeof diag->text) != NULL);
    forest_close(forest);
    return err;
}

static void every_flipped_bit_is_refused(void)
{
    for (int stats = 0; stats < 3; stats++) {
        struct trained m = stats < 2 ? small_model(stats, 12, 3) : small_classifier(12, 2);
        struct forest_diag diag;
        unsigned char *bytes = m.block;
        REQUIRE(try_open(m.block, m.bytes, &diag) == 0);
        for (size_t i = 0; i < m.bytes * 8; i++) {
            bytes[i / 8] ^= (unsigned char)(1u << i % 8);
            CHECK_EQ(try_open(m.block, m.bytes, &diag), -EBADMSG);
            bytes[i / 8] ^= (unsigned char)(1u << i % 8);
        }
        trained_free(&m);
    }
}

static void every_truncation_is_refused(void)
{
    struct trained m = small_model(true, 12, 3);
    struct forest_diag diag;

    for (size_t n = 0; n < m.bytes; n++) {
        void *region;
        size_t region_bytes;
        char *copy = aligned_alloc(64, (m.bytes + 63) / 64 * 64);
        memcpy(copy, m.block, n);
        CHECK_EQ(try_open(copy, n, &diag), -EBADMSG);
        free(copy);
        if (n % 8)
            continue;
        CHECK_EQ(try_open(fenced(m.block, n, &region, &region_bytes), n, &diag), -EBADMSG);
        munmap(region, region_bytes);
    }
    trained_free(&m);
}

static void longer_blocks_are_refused(void)
{
    struct trained m = small_model(false, 12, 3);
    struct forest_diag diag;
    char *longer = calloc(1, m.bytes + 64);

    memcpy(longer, m.block, m.bytes);
    CHECK_EQ(try_open(longer, m.bytes + 64, &diag), -EBADMSG);
    CHECK_EQ(try_open(longer, m.bytes, &diag), 0);
    free(longer);
    trained_free(&m);
}

static void other_kinds_are_told(void)
{
    struct trained m = small_model(false, 12, 2);
    struct forest_diag diag;
    struct model_header *header = m.block;
    struct prologue saved = header->prologue;
    uint64_t noise[64], state = test_seed;

    for (int k = 0; k < 2000; k++) {
        for (int i = 0; i < 64; i++)
            noise[i] = test_random(&state);
        CHECK_EQ(try_open(noise, sizeof noise - 8 * (unsigned)(k % 60), &diag), -EPROTO);
    }
    header->prologue.version = LAYOUT_VERSION + 1;
    header->prologue.check = checksum(&header->prologue, 24);
    CHECK_EQ(try_open(m.block, m.bytes, &diag), -EPROTO);
    CHECK(strstr(diag.text, "version 3") != NULL);
    header->prologue = saved;
    header->prologue.byte_order = __builtin_bswap32(LAYOUT_BYTE_ORDER);
    CHECK_EQ(try_open(m.block, m.bytes, &diag), -EPROTO);
    header->prologue = saved;
    CHECK_EQ(try_open((char *)m.block + 4, m.bytes - 4, &diag), -EINVAL);
    CHECK_EQ(try_open(m.block, m.bytes, &diag), 0);
    trained_free(&m);
}

/* ---- hostile: every checksum is right ------------------------------------------------------ */

/* What a forger would do after changing something in a block of `bytes` bytes. */
static void seal(struct model_header *header, size_t bytes)
{
    struct tree_entry *entry = (struct tree_entry *)(header + 1);

    if (model_bodies_offset(header->trees, header->classes) <= bytes) {
        for (uint32_t i = 0; i < header->trees; i++) {
            struct body body;
            if (body_layout(&entry[i], header->flags, header->classes, &body) &&
                entry[i].offset % 8 == 0 && entry[i].offset <= bytes &&
                body.bytes <= bytes - entry[i].offset)
                entry[i].check = checksum((char *)header + entry[i].offset, body.bytes);
        }
        header->check = model_checksum(header);
    }
    header->prologue.check = checksum(&header->prologue, 24);
}

static void refused(struct trained *m, const char *what)
{
    struct forest_diag diag;
    int err;

    seal(m->block, m->bytes);
    err = try_open(m->block, m->bytes, &diag);
    if (err != -EBADMSG)
        fprintf(stderr, "%s: %d\n", what, err);
    CHECK_EQ(err, -EBADMSG);
}

/* Change one field, see it refused, change it back. */
#define HOSTILE(m, field, value)         \
    do {                                 \
        __auto_type saved_ = (field);    \
        (field) = (value);               \
        refused(m, #field " = " #value); \
        (field) = saved_;                \
        seal((m)->block, (m)->bytes);    \
    } while (0)

static void hostile_headers_are_refused(void)
{
    struct trained m = small_model(true, 30, 3);
    struct model_header *h = m.block;
    struct tree_entry *e = (struct tree_entry *)(h + 1);
    struct forest_diag diag;

    seal(h, m.bytes);
    REQUIRE(try_open(m.block, m.bytes, &diag) == 0);
    HOSTILE(&m, h->trees, 0);
    HOSTILE(&m, h->trees, 2);
    HOSTILE(&m, h->trees, 4);
    HOSTILE(&m, h->trees, UINT32_MAX);
    HOSTILE(&m, h->features, 0);
    HOSTILE(&m, h->features, UINT64_MAX);
    HOSTILE(&m, h->features, 1);
    HOSTILE(&m, h->nodes, h->nodes + 1);
    HOSTILE(&m, h->leaves, h->leaves - 1);
    HOSTILE(&m, h->depth, h->depth + 1);
    HOSTILE(&m, h->flags, 0);
    HOSTILE(&m, h->flags, 2);
    HOSTILE(&m, h->params.n_estimators, 4);
    HOSTILE(&m, h->params.task, 9);
    HOSTILE(&m, h->params.max_features, 77);
    HOSTILE(&m, h->params.max_samples, -1.0);
    HOSTILE(&m, h->prologue.bytes, h->prologue.bytes - 64);
    HOSTILE(&m, h->prologue.bytes, UINT64_MAX);
    HOSTILE(&m, h->prologue.bytes, 0);
    HOSTILE(&m, e[1].offset, e[0].offset);
    HOSTILE(&m, e[1].offset, e[1].offset + 64);
    HOSTILE(&m, e[1].offset, 0);
    HOSTILE(&m, e[1].offset, UINT64_MAX - 63);
    HOSTILE(&m, e[1].nodes, 0);
    HOSTILE(&m, e[1].nodes, e[1].nodes + 1);
    HOSTILE(&m, e[2].nodes, UINT32_MAX);
    HOSTILE(&m, e[1].leaves, e[1].leaves + 1);
    HOSTILE(&m, e[1].depth, e[1].depth - 1);
    HOSTILE(&m, e[1].depth, UINT32_MAX);
    CHECK_EQ(try_open(m.block, m.bytes, &diag), 0);
    trained_free(&m);
}

static void hostile_trees_are_refused(void)
{
    struct trained m = small_model(false, 60, 2);
    struct model_header *h = m.block;
    const struct tree_entry *e = (const struct tree_entry *)(h + 1);
    struct node *n = (struct node *)((char *)h + e[1].offset);
    uint32_t count = e[1].nodes, inner = 0, leaf = 0;

    for (uint32_t i = 1; i < count; i++) {
        if (node_is_leaf(&n[i]))
            leaf = i;
        else if (n[i].right < count - 1)
            inner = i;
    }
    REQUIRE(inner && leaf && !node_is_leaf(&n[0]));
    HOSTILE(&m, n[inner].right, inner);     /* itself: a cycle */
    HOSTILE(&m, n[inner].right, 0);         /* a leaf too many */
    HOSTILE(&m, n[inner].right, 1);         /* back up: a cycle */
    HOSTILE(&m, n[inner].right, inner + 1); /* both children the same */
    HOSTILE(&m, n[inner].right, n[inner].right + 1);
    HOSTILE(&m, n[inner].right, n[inner].right - 1);
    HOSTILE(&m, n[inner].right, count); /* outside */
    HOSTILE(&m, n[inner].right, UINT32_MAX);
    HOSTILE(&m, n[0].right, n[inner].right); /* two parents */
    HOSTILE(&m, n[inner].feature, 3);
    HOSTILE(&m, n[inner].feature, UINT32_MAX);
    HOSTILE(&m, n[leaf].feature, 1);
    HOSTILE(&m, n[leaf].right, leaf + 1);   /* a leaf too few */
    HOSTILE(&m, n[count - 1].right, count); /* left child outside */
    HOSTILE(&m, n[0].right, 0);             /* the root a leaf, the rest unreachable */
    trained_free(&m);
}

static void hostile_classifiers_are_refused(void)
{
    struct trained m = small_classifier(60, 2);
    struct model_header *h = m.block;
    struct tree_entry *e = (struct tree_entry *)(h + 1);
    struct body body;
    struct forest_diag diag;

    REQUIRE(body_layout(&e[1], h->flags, h->classes, &body));
    char *data = (char *)h + e[1].offset;
    struct node *n = (struct node *)(void *)data;
    double *share = (double *)(void *)(data + body.shares);
    double *label = (double *)(void *)((char *)h + model_labels_offset(h->trees));
    uint32_t *id = (uint32_t *)(void *)(data + body.ids), leaf = body.nodes - 1;
    REQUIRE(e[1].distributions > 0 && node_is_leaf(&n[leaf]));
    seal(h, m.bytes);
    HOSTILE(&m, h->classes, 0);
    HOSTILE(&m, h->classes, 2);
    HOSTILE(&m, h->classes, 4);
    HOSTILE(&m, h->classes, UINT32_MAX);
    HOSTILE(&m, h->params.task, FOREST_REGRESSION);
    HOSTILE(&m, h->params.max_leaf_nodes, 0); /* then there are no numbers */
    HOSTILE(&m, h->params.ccp_alpha, 0.5);
    HOSTILE(&m, h->flags, HAS_STATS);
    HOSTILE(&m, h->flags, HAS_STATS | HAS_IDS | 4);
    HOSTILE(&m, e[1].distributions, 0);
    HOSTILE(&m, e[1].distributions, e[1].distributions + 64);
    HOSTILE(&m, e[1].distributions, UINT32_MAX);
    HOSTILE(&m, n[leaf].number, 0.5);
    HOSTILE(&m, n[leaf].number, -1.0);
    HOSTILE(&m, n[leaf].number, 3.0 + e[1].distributions);
    HOSTILE(&m, n[leaf].number, 1e300);
    HOSTILE(&m, n[leaf].number, (double)NAN);
    HOSTILE(&m, share[0], 1.5);
    HOSTILE(&m, share[0], -0.5);
    HOSTILE(&m, share[0], (double)NAN);
    HOSTILE(&m, label[0], (double)NAN);
    HOSTILE(&m, label[1], label[0]);
    HOSTILE(&m, label[2], (double)INFINITY);
    HOSTILE(&m, id[0], body.nodes);
    HOSTILE(&m, id[1], UINT32_MAX);
    CHECK_EQ(try_open(m.block, m.bytes, &diag), 0);
    trained_free(&m);
}

/* Predict with whatever opens: it ends, and stays inside (the fence and the sanitizers watch). */
static void use(const void *block, size_t bytes)
{
    struct forest *forest;
    struct forest_diag diag;
    struct forest_info info;
    double x[6] = { 0.5, -3.0, 1e30, -0.0, 7.0, -1e30 }, p[2];

    if (forest_open(block, bytes, &forest, &diag))
        return;
    forest_describe(forest, &info);
    struct forest_matrix m = forest_matrix_rows(x, 2, 3, FOREST_FLOAT64);
    if (info.features == 3)
        CHECK_EQ(forest_predict(forest, &m, p), 0);
    if (info.features == 3 && info.classes == 3) {
        double all[6], weights[3], by_feature[3];
        uint32_t leaves[4];
        CHECK_EQ(forest_predict_proba(forest, &m, all), 0);
        if (info.trees == 2)
            CHECK_EQ(forest_apply(forest, &m, leaves), 0);
        if (info.params.keep_stats) {
            CHECK_EQ(forest_tree_weights(forest, 0, 0, weights), 0);
            CHECK_EQ(forest_importances(forest, by_feature), 0);
        }
        CHECK_EQ(forest_classes(forest, weights), 0);
    }
    for (uint32_t t = 0; t < info.trees; t++) {
        struct forest_node node;
        uint64_t n = 0;
        CHECK_EQ(forest_tree_nodes(forest, t, &n), 0);
        for (uint64_t i = 0; i < n; i++)
            CHECK_EQ(forest_tree_node(forest, t, i, &node), 0);
    }
    forest_close(forest);
}

/* Random changes behind right checksums. Most are refused; what is not must be harmless. */
static void forge(struct trained m, int rounds)
{
    uint64_t state = test_seed;
    void *region;
    size_t region_bytes;
    char *copy = fenced(m.block, m.bytes, &region, &region_bytes);
    static const uint32_t words[] = { 0, 1, 2, 3, 63, 64, 0x7fffffff, 0x80000000, UINT32_MAX };

    for (int round = 0; round < rounds; round++) {
        memcpy(copy, m.block, m.bytes);
        for (int changes = 1 + (int)(test_random(&state) % 3); changes > 0; changes--) {
            uint64_t r = test_random(&state);
            size_t at = test_random(&state) % (m.bytes / 4) * 4;
            uint32_t word = r % 3 ? words[r / 3 % 9] : (uint32_t)(r >> 32) % 70;
            memcpy(copy + at, &word, 4);
        }
        struct model_header *h = (struct model_header *)(void *)copy;
        h->prologue = ((struct model_header *)m.block)->prologue;
        seal(h, m.bytes);
        use(copy, m.bytes);
    }
    munmap(region, region_bytes);
    trained_free(&m);
}

static void forged_models_are_harmless(void)
{
    forge(small_model(true, 25, 2), 100000);
    forge(small_classifier(25, 2), 100000);
}

/* A tree that is one long chain: no recursion, no quadratic time. */
static void a_chain_can_be_opened(void)
{
    enum { NODES = 2000001 };
    struct tree_entry entry = { .nodes = NODES, .leaves = NODES / 2 + 1, .depth = NODES / 2 };
    struct body body;
    size_t offset = model_bodies_offset(1, 0);

    REQUIRE(body_layout(&entry, 0, 0, &body));
    entry.offset = offset;
    size_t bytes = offset + body.bytes;

    for (int direction = 0; direction < 2; direction++) {
        struct model_header *h = aligned_alloc(64, bytes);
        memset(h, 0, bytes);
        struct node *n = (struct node *)((char *)h + offset);
        for (uint32_t i = 0; i < NODES - 1; i++) {
            if (direction == 0) /* right chain: inner, leaf, inner, leaf, ... */
                n[i] = i % 2 ? (struct node){ 1.0, 0, 0 } : (struct node){ 0.0, i + 2, 0 };
            else if (i < NODES / 2) /* left chain: all inner ones first */
                n[i] = (struct node){ 0.0, NODES - 1 - i, 0 };
        }
        n[NODES - 1].number = 5.0;
        h->features = h->trees = 1;
        h->nodes = NODES;
        h->leaves = NODES / 2 + 1;
        h->depth = NODES / 2;
        h->params = (struct stored_params){ .n_estimators = 1,
                                            .min_samples_split = 2,
                                            .min_samples_leaf = 1,
                                            .criterion = FOREST_SQUARED_ERROR };
        *(struct tree_entry *)(h + 1) = entry;
        prologue_write(&h->prologue, MODEL_MAGIC, bytes);
        seal(h, bytes);
        struct forest *forest;
        double x = 1.0, p = 0.0;
        struct forest_matrix m = forest_matrix_rows(&x, 1, 1, FOREST_FLOAT64);
        REQUIRE_OK(forest_open(h, bytes, &forest, NULL));
        REQUIRE_OK(forest_predict(forest, &m, &p));
        CHECK(p == 5.0);
        forest_close(forest);
        free(h);
    }
}

static void every_word_counts(void)
{
    uint64_t data[40], state = test_seed;

    for (int i = 0; i < 40; i++)
        data[i] = test_random(&state);
    for (size_t words = 1; words <= 40; words++) {
        uint64_t sum = checksum(data, words * 8);
        for (size_t bit = 0; bit < words * 64; bit++) {
            data[bit / 64] ^= UINT64_C(1) << bit % 64;
            CHECK(checksum(data, words * 8) != sum);
            data[bit / 64] ^= UINT64_C(1) << bit % 64;
        }
        CHECK(checksum(data, words * 8 - 8) != sum);
    }
}

/* Notes come back, can be replaced and taken away, and are as safe as the rest. */
static void notes_are_kept(void)
{
    struct trained m = small_classifier(12, 2);
    struct forest_diag diag;
    struct forest *forest;
    char text[200];
    void *noted, *again;
    size_t bytes, again_bytes, size;

    memset(text, 'n', sizeof text);
    for (size_t n = 0; n <= sizeof text; n += n < 70 ? 1 : 65) {
        REQUIRE_OK(forest_add_notes(m.block, m.bytes, n ? text : NULL, n, &noted, &bytes));
        CHECK_EQ(bytes, m.bytes + (n + 63) / 64 * 64);
        REQUIRE_OK(forest_open(noted, bytes, &forest, &diag));
        const void *notes = forest_notes(forest, &size);
        CHECK(size == n && !memcmp(notes, text, n));
        forest_close(forest);
        REQUIRE_OK(forest_add_notes(noted, bytes, NULL, 0, &again, &again_bytes));
        CHECK(again_bytes == m.bytes && !memcmp(again, m.block, m.bytes));
        free(again);
        free(noted);
    }
    REQUIRE_OK(forest_add_notes(m.block, m.bytes, text, 5, &noted, &bytes));
    unsigned char *b = noted;
    for (size_t i = (bytes - 64) * 8; i < bytes * 8; i++) {
        b[i / 8] ^= (unsigned char)(1u << i % 8);
        CHECK_EQ(try_open(noted, bytes, &diag), -EBADMSG);
        b[i / 8] ^= (unsigned char)(1u << i % 8);
    }
    CHECK_EQ(forest_add_notes(m.block, m.bytes, NULL, 1, &again, &bytes), -EINVAL);
    CHECK_EQ(forest_add_notes(m.block, m.bytes, text, SIZE_MAX, &again, &bytes), -EINVAL);
    CHECK_EQ(forest_add_notes(m.block, m.bytes - 64, text, 1, &again, &bytes), -EBADMSG);
    CHECK_EQ(forest_add_notes(m.block, m.bytes, text, 1, NULL, &bytes), -EINVAL);
    CHECK_EQ(forest_add_notes(m.block, m.bytes, text, 1, &again, NULL), -EINVAL);
    free(noted);
    trained_free(&m);
}

TESTS("model", { "a checksum sees every bit", every_word_counts },
      { "every flipped bit is refused", every_flipped_bit_is_refused },
      { "every truncation is refused", every_truncation_is_refused },
      { "a block with more behind it is refused", longer_blocks_are_refused },
      { "noise, other versions and byte orders are told from damage", other_kinds_are_told },
      { "hostile headers are refused", hostile_headers_are_refused },
      { "hostile trees are refused", hostile_trees_are_refused },
      { "hostile classifiers are refused", hostile_classifiers_are_refused },
      { "a forged model that opens is harmless", forged_models_are_harmless },
      { "a tree as deep as it can be is opened and walked", a_chain_can_be_opened },
      { "notes are kept", notes_are_kept })
