/* SPDX-License-Identifier: MIT */
/* Train on a made-up function, predict rows the forest has not seen, and say how well it did. */
#include <forest.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 2000, COLS = 4 };

static double uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-53;
}

static int fail(const char *what, int err)
{
    fprintf(stderr, "%s: %s\n", what, forest_strerror(err));
    return 1;
}

int main(void)
{
    static double all[ROWS][COLS], target[ROWS], x[ROWS][COLS], y[ROWS], predicted[ROWS];
    static uint32_t order[ROWS];
    uint64_t state = 1, n;

    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < COLS; j++)
            all[i][j] = uniform(&state);
        target[i] = all[i][0] + 2.0 * all[i][1] * all[i][1] + (all[i][2] > 0.5 ? 1.0 : 0.0);
    }

    /* The same rows that train_test_split(test_size=0.25, random_state=7) takes. */
    int err = forest_train_test_split(ROWS, 0.25, 7, order, &n);
    if (err)
        return fail("split", err);
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < COLS; j++)
            x[i][j] = all[order[i]][j];
        y[i] = target[order[i]];
    }
    struct forest_matrix test = forest_matrix_rows(x, n, COLS, FOREST_FLOAT64);
    struct forest_matrix train = forest_matrix_rows(x[n], ROWS - n, COLS, FOREST_FLOAT64);

    struct forest_params params = FOREST_PARAMS_INIT;
    params.n_estimators = 30;
    params.seed = 7;
    void *model;
    size_t bytes;
    err = forest_train(&train, y + n, NULL, &params, NULL, &model, &bytes);
    if (err)
        return fail("train", err);

    struct forest *forest;
    err = forest_open(model, bytes, &forest, NULL);
    if (err)
        return fail("open", err);
    err = forest_predict(forest, &test, predicted);
    if (err)
        return fail("predict", err);
    double error = forest_mean_squared_error(y, predicted, n);
    printf("%zu bytes of model, mean squared error %.5f over %d rows\n", bytes, error, (int)n);
    forest_close(forest);
    free(model);
    return error < 0.02 ? 0 : 1;
}
