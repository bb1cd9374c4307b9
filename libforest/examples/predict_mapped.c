/* SPDX-License-Identifier: MIT */
/* A model is a file that is mapped and used as it lies there: nothing is read in or unpacked. */
#include <forest.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Train something small and write it to the file. */
static int write_model(int fd)
{
    static float x[200][2];
    double y[200];
    void *model;
    size_t bytes;

    for (int i = 0; i < 200; i++) {
        x[i][0] = (float)(i % 20);
        x[i][1] = (float)(i / 20);
        y[i] = x[i][0] > 9.0f ? 10.0 : (double)x[i][1];
    }
    struct forest_matrix table = forest_matrix_rows(x, 200, 2, FOREST_FLOAT32);
    int err = forest_train(&table, y, NULL, NULL, NULL, &model, &bytes);
    if (err)
        return err;
    ssize_t written = write(fd, model, bytes);
    free(model);
    return written == (ssize_t)bytes ? 0 : -1;
}

int main(void)
{
    char path[] = "/tmp/forest-example-XXXXXX";
    int fd = mkstemp(path), result = 1;
    struct stat st;

    if (fd < 0)
        return 1;
    unlink(path); /* the open file is enough for us */
    if (write_model(fd) || fstat(fd, &st))
        return 1;

    size_t bytes = (size_t)st.st_size;
    void *block = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (block == MAP_FAILED)
        return 1;
    struct forest *forest;
    struct forest_diag diag;
    int err = forest_open(block, bytes, &forest, &diag);
    if (err) {
        fprintf(stderr, "%s: %s\n", forest_strerror(err), diag.text);
    } else {
        struct forest_info info;
        const double row[2] = { 15.0, 3.0 };
        double prediction = 0.0;
        struct forest_matrix table = forest_matrix_rows(row, 1, 2, FOREST_FLOAT64);
        forest_describe(forest, &info);
        err = forest_predict(forest, &table, &prediction);
        printf("%llu trees in %llu mapped bytes predict %g\n", (unsigned long long)info.trees,
               (unsigned long long)info.bytes, prediction);
        result = err || prediction < 9.5;
        forest_close(forest);
    }
    munmap(block, bytes);
    close(fd);
    return result;
}
