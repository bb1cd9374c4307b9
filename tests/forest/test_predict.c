/* SPDX-License-Identifier: MIT */
/* The plain and the vector loops of prediction do the same; test_api_predict compares their user
 * with a naive walk. */
#include "model/model.h"
#include "predict/predict.h"
#include "support.h"

static const struct predict_kernels *kernels[3];
static unsigned kernels_count;

static void find_kernels(void)
{
    kernels_count = 0;
    kernels[kernels_count++] = &predict_plain;
    if (predict_avx2())
        kernels[kernels_count++] = predict_avx2();
    if (predict_avx512())
        kernels[kernels_count++] = predict_avx512();
    else
        printf("no AVX-512 here: its loops are not tested\n");
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static void splitting_separates(void)
{
    enum { MOST = 200 };
    float column[MOST];
    uint32_t row[MOST], spare[MOST + PREDICT_SLACK];
    uint64_t state = test_seed;

    find_kernels();
    for (unsigned k = 0; k < kernels_count; k++)
        for (uint32_t n = 1; n <= MOST; n++)
            for (int level = -1; level <= 9; level++) {
                for (uint32_t i = 0; i < n; i++) {
                    column[i] = (float)(test_random(&state) % 9);
                    row[i] = i;
                }
                uint32_t left = kernels[k]->split(column, (float)level, row, n, spare);
                for (uint32_t i = 0; i < n; i++)
                    CHECK((column[row[i]] <= (float)level) == (i < left));
                qsort(row, n, sizeof *row, by_number);
                for (uint32_t i = 0; i < n; i++)
                    CHECK_EQ(row[i], i);
            }
}

/* Any number of rows, from the root and from other nodes. */
static void walking_arrives(void)
{
    enum { COLS = 5 };
    struct table t = table_mixed(51, 500, COLS);
    struct forest_params params = FOREST_PARAMS_INIT;
    static float rows[500 * COLS];
    uint64_t state = test_seed;

    params.n_estimators = 1;
    find_kernels();
    struct trained m = train_on(&t, false, &params);
    const struct node *tree = forest_nodes(m.forest, 0);
    for (int i = 0; i < 500 * COLS; i++)
        rows[i] = (float)t.x[i];
    for (unsigned k = 0; k < kernels_count; k++)
        for (uint32_t n = 1; n <= 500; n += n < 300 ? 1 : 7) {
            uint32_t row[500], at[500];
            double sums[500], expected[500];
            for (int i = 0; i < 500; i++)
                sums[i] = expected[i] = 0.25;
            for (uint32_t i = 0; i < n; i++) {
                uint32_t here =
                    n % 2 ? (uint32_t)(test_random(&state) % m.forest->trees[0].nodes) : 0;
                row[i] = (i * 7 + n) % 500;
                at[i] = here;
                while (!node_is_leaf(&tree[here]))
                    here = (double)rows[row[i] * COLS + tree[here].feature] <= tree[here].number
                               ? here + 1
                               : tree[here].right;
                expected[row[i]] += tree[here].number;
            }
            struct ahead ahead = { (const char *)tree,
                                   (const char *)&tree[m.forest->trees[0].nodes], 64 };
            kernels[k]->walk(tree, rows, COLS, row, at, n, &ahead, sums);
            CHECK(memcmp(sums, expected, sizeof sums) == 0);
        }
    trained_free(&m);
    table_free(&t);
}

TESTS("predict loops", { "splitting puts the left rows first and loses none", splitting_separates },
      { "walking adds each row's leaf", walking_arrives })
