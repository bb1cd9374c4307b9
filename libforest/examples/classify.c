/* SPDX-License-Identifier: MIT */
/*
 * classify.c -- three clouds of points, told apart: labels, probabilities, the out-of-bag score,
 * and which features mattered.
 */
#include <forest.h>
#include <stdio.h>
#include <stdlib.h>

#define ROWS 900
#define COLS 4

/* An even number between 0 and 1, the same on every machine. */
static double draw(void)
{
    static uint64_t state = 1;

    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) * 0x1p-53;
}

/* Labels 10, 20 and 30 lie apart in the first two features; the others are noise. */
static void make_points(double x[ROWS][COLS], double *labels)
{
    static const double center[3][2] = { { 0.0, 0.0 }, { 1.0, 0.2 }, { 0.3, 1.1 } };

    for (int i = 0; i < ROWS; i++) {
        labels[i] = 10.0 * (i % 3 + 1);
        for (int j = 0; j < COLS; j++)
            x[i][j] = (j < 2 ? center[i % 3][j] : 0.0) + draw() + draw() - 1.0;
    }
}

static int show(const void *model, size_t bytes, const struct forest_matrix *x,
                const double *labels)
{
    double importance[COLS], score, probability[3], label;
    struct forest *forest;
    struct forest_matrix first = *x;
    int err = forest_open(model, bytes, &forest, NULL);

    if (err)
        return err;
    first.rows = 1;
    err = forest_oob(forest, x, labels, NULL, &score);
    if (!err)
        err = forest_importances(forest, importance);
    if (!err)
        err = forest_predict(forest, &first, &label);
    if (!err)
        err = forest_predict_proba(forest, &first, probability);
    forest_close(forest);
    if (err)
        return err;
    printf("out of bag %.3f are right\n", score);
    printf("the first point is of class %g: %.2f, %.2f, %.2f\n", label, probability[0],
           probability[1], probability[2]);
    for (int j = 0; j < COLS; j++)
        printf("feature %d matters %.3f\n", j, importance[j]);
    return score > 0.8 && importance[0] + importance[1] > importance[2] + importance[3] ? 0 : 1;
}

int main(void)
{
    static double x[ROWS][COLS], labels[ROWS], codes[ROWS], classes[ROWS];
    struct forest_matrix matrix = forest_matrix_rows(x, ROWS, COLS, FOREST_FLOAT64);
    struct forest_params params = FOREST_PARAMS_INIT;
    uint32_t count;
    void *model = NULL;
    size_t bytes;

    make_points(x, labels);
    params.task = FOREST_CLASSIFICATION;
    params.keep_stats = 1; /* for importances */
    int err = forest_encode(labels, ROWS, codes, classes, &count);
    if (!err)
        err = forest_train(&matrix, codes, NULL, &params, NULL, &model, &bytes);
    if (!err)
        err = forest_set_classes(model, bytes, classes, count);
    if (!err)
        err = show(model, bytes, &matrix, labels);
    if (err)
        fprintf(stderr, "%s\n", err > 0 ? "not as it should be" : forest_strerror(err));
    free(model);
    return err ? 1 : 0;
}
