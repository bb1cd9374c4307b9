/* SPDX-License-Identifier: MIT */
/*
 * forest_fuzz.c -- bytes that anybody may have written, for all that libforest and its tool read.
 *
 *     forest_fuzz              some thousand inputs, always the same (SEED=n for others)
 *     FUZZ=600 forest_fuzz     for so many seconds of CPU time
 *     forest_fuzz --corpus DIRECTORY   write the sound inputs, for libFuzzer to start with
 *     forest_fuzz FILE...      again what a crash left in the file that it names
 *
 * An input is a byte that chooses a reader, and what that reads. Inputs are made of sound ones by
 * changing some bytes; checksums are made right afterwards, so that what lies behind them is tested
 * as well. With -DLIBFUZZER (make fuzz-forest) libFuzzer makes them. Nothing is checked but that it
 * ends, and what the sanitizers see; what is accepted is used in every way there is.
 */
#define _GNU_SOURCE
#include "base/checksum.h"
#include "csv.h"
#include "forest.h"
#include "model/frame.h"
#include "model/model.h"
#include "npy.h"
#include "../../tools/forest/columns.h"
#include "../../tools/forest/treeio.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define ROWS 5
#define SMALL 4096 /* features, classes, trees: more are not tried on rows */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- using what was accepted -------------------------------------------------------------- */

static FILE *nowhere(void)
{
    static FILE *out;
    if (!out)
        out = fopen("/dev/null", "w");
    if (!out)
        _exit(3);
    return out;
}

static void *room(size_t count, size_t each)
{
    void *p = calloc(count + 1, each);
    if (!p)
        _exit(3);
    return p;
}

static void look_at_trees(const struct forest *forest, const struct forest_info *info)
{
    double *row = room(info->classes, sizeof *row);
    for (uint32_t t = 0; t < info->trees; t++) {
        uint64_t count;
        struct forest_node n;
        if (forest_tree_nodes(forest, t, &count))
            abort();
        for (uint64_t i = 0; i < count; i++) {
            if (forest_tree_node(forest, t, i, &n))
                abort();
            (void)!forest_tree_shares(forest, t, i, row);
            (void)!forest_tree_weights(forest, t, i, row);
        }
    }
    (void)!forest_classes(forest, row);
    free(row);
}

static void predict(const struct forest *forest, const struct forest_info *info)
{
    float *x = room(ROWS * info->features, sizeof *x);
    double *out = room(ROWS * (info->classes + 1) + info->features * 2, sizeof *out), score;
    double *trees = room(ROWS * info->trees, sizeof *trees);
    const double quantiles[] = { 0, 0.5, 1 };
    double y[ROWS] = { 0, 1, 2, 1, 0 };
    uint32_t *leaves = room(ROWS * info->trees + info->depth + 1, sizeof *leaves), count;
    const float odd[] = { 0, 1, -1, NAN, INFINITY, -INFINITY, 1e-30f, 3e38f, 0.5f, 7 };
    for (uint64_t i = 0; i < ROWS * info->features; i++)
        x[i] = odd[i % 10 * 7 % 10];
    struct forest_matrix m = forest_matrix_rows(x, ROWS, info->features, FOREST_FLOAT32);
    (void)!forest_predict(forest, &m, out);
    (void)!forest_predict_proba(forest, &m, out);
    (void)!forest_predict_trees(forest, &m, NULL, trees);
    double few[ROWS * 3];
    (void)!forest_predict_quantiles(forest, &m, y, &m, quantiles, 3, NULL, few);
    (void)!forest_apply(forest, &m, leaves);
    (void)!forest_decision_path(forest, &m, 1, 0, leaves, &count);
    (void)!forest_oob(forest, &m, y, NULL, &score);
    (void)!forest_importances(forest, out);
    if (info->features < 20)
        (void)!forest_permutation_importances(forest, &m, y, 1, 0, out, out + info->features);
    free(x);
    free(out);
    free(trees);
    free(leaves);
}

static void use(const struct forest *forest)
{
    struct forest_info info;
    struct diag diag;
    forest_describe(forest, &info);
    if (info.classes > SMALL || info.trees > SMALL)
        return;
    look_at_trees(forest, &info);
    if (info.features <= SMALL)
        predict(forest, &info);
    struct columns columns;
    if (!columns_of_model(&columns, forest, &diag))
        columns_free(&columns);
    treeio_write_json(nowhere(), forest, &diag);
    treeio_write_c(nowhere(), forest, "x", "y", &diag);
}

/* ---- readers ------------------------------------------------------------------------------ */

/* A copy with nothing behind it. */
static void *exact_copy(const uint8_t *data, size_t size)
{
    void *copy;
    if (posix_memalign(&copy, 64, size ? size : 1))
        _exit(3);
    if (size)
        memcpy(copy, data, size);
    return copy;
}

static void seal_prologue(struct prologue *p, size_t size)
{
    p->bytes = size;
    p->check = checksum(p, offsetof(struct prologue, check));
}

/* Make the checksum of a body right if it lies within the block. */
static void seal_body(char *base, size_t size, struct tree_entry *entry, uint32_t flags,
                      uint32_t classes)
{
    struct body body;
    if (classes <= FOREST_CLASSES_MAX && body_layout(entry, flags, classes, &body) &&
        entry->offset % 8 == 0 && entry->offset <= size && body.bytes <= size - entry->offset)
        entry->check = checksum(base + entry->offset, body.bytes);
}

static void seal_model(void *block, size_t size)
{
    struct model_header *h = block;
    if (size < sizeof *h)
        return;
    seal_prologue(&h->prologue, size);
    if (h->trees > size / sizeof(struct tree_entry) || h->classes > FOREST_CLASSES_MAX ||
        model_bodies_offset(h->trees, h->classes) > size)
        return;
    for (uint32_t i = 0; i < h->trees; i++)
        seal_body(block, size, (struct tree_entry *)(h + 1) + i, h->flags, h->classes);
    size_t notes = (h->notes_bytes + 63) & ~(uint64_t)63;
    if (h->notes_bytes && h->notes_bytes < size && notes <= size && size % 8 == 0)
        h->notes_check = checksum((char *)block + size - notes, notes);
    h->check = model_checksum(h);
}

static void seal_tree(void *block, size_t size)
{
    struct tree_header *h = block;
    size_t start = offsetof(struct tree_header, index);
    if (size < sizeof *h)
        return;
    seal_prologue(&h->prologue, size);
    seal_body(block, size, &h->entry, h->flags, h->classes);
    h->check = checksum((char *)block + start, sizeof *h - start);
}

static void read_model(const uint8_t *data, size_t size)
{
    void *block = exact_copy(data, size);
    struct forest *forest;
    struct forest_diag diag;
    const double labels[] = { 1, 2, 3 };
    size_t noted, copied;
    int sum = 0;
    void *copy = NULL;
    seal_model(block, size);
    if (!forest_open(block, size, &forest, &diag)) {
        const char *notes = forest_notes(forest, &noted);
        for (size_t i = 0; i < noted; i++)
            sum += notes[i];
        use(forest);
        forest_close(forest);
        (void)!forest_add_notes(block, size, labels, sizeof labels * (sum & 1), &copy, &copied);
        free(copy);
        (void)!forest_set_classes(block, size, labels, 3);
    }
    free(block);
}

/* The forests that the trees of sample_tree() are of. */
static struct forest_params tree_params(int kind)
{
    struct forest_params p = FOREST_PARAMS_INIT;
    p.n_estimators = 1;
    p.keep_stats = kind & 1;
    p.task = kind & 2 ? FOREST_CLASSIFICATION : FOREST_REGRESSION;
    p.max_leaf_nodes = kind & 4 ? 6 : 0;
    return p;
}

static void read_tree(const uint8_t *data, size_t size)
{
    void *block = exact_copy(data, size);
    struct forest_tree tree = { block, size };
    seal_tree(block, size);
    for (int kind = 0; kind < 8; kind++) {
        struct forest_params p = tree_params(kind);
        struct forest *forest;
        size_t bytes;
        if (forest_open_trees(&p, 3, &tree, 1, &forest))
            continue;
        use(forest);
        forest_close(forest);
        if (forest_assemble_size(&tree, 1, &bytes))
            abort();
        void *model = aligned_alloc(64, bytes);
        if (model && forest_assemble(&p, 3, &tree, 1, model, bytes))
            abort();
        if (forest_open(model, bytes, &forest, NULL))
            abort(); /* what we assemble is a model */
        forest_close(forest);
        free(model);
    }
    free(block);
}

static void read_prepared(const uint8_t *data, size_t size)
{
    void *block = exact_copy(data, size);
    struct forest_prepared *x;
    struct forest_scratch *scratch;
    const void *tree;
    size_t bytes;
    if (!forest_prepared_open(block, size, &x)) {
        uint64_t rows = forest_prepared_rows(x);
        double *y = room(rows, sizeof *y);
        for (uint64_t i = 0; i < rows; i++)
            y[i] = (double)(i * 7 % 5);
        if (!forest_scratch_new(&scratch)) {
            for (int kind = 0; kind < 3; kind++) {
                struct forest_params p = FOREST_PARAMS_INIT;
                p.mode = kind == 2 ? FOREST_HISTOGRAM : FOREST_EXACT;
                p.task = kind == 1 ? FOREST_CLASSIFICATION : FOREST_REGRESSION;
                (void)!forest_tree_train(x, y, NULL, &p, 0, scratch, &tree, &bytes);
            }
            forest_scratch_free(scratch);
        }
        free(y);
        forest_prepared_close(x);
    }
    free(block);
}

static void read_csv(const uint8_t *data, size_t size)
{
    for (int kind = 0; kind < 3; kind++) {
        struct csv_options o = { .text_only = kind == 0,
                                 .missing_is_nan = kind == 1,
                                 .largest = kind == 2 ? 3e38 : 0 };
        struct filemap map = { exact_copy(data, size), size, false };
        struct diag diag;
        struct csv csv;
        uint32_t column;
        struct words words = { .column = NULL };
        if (kind == 1 && !words_start(&words, "a")) {
            o.words = &words;
            o.words_count = 1;
            o.ignored = "b";
        }
        int err = csv_parse(&csv, &map, &o, &diag);
        words_free(&words);
        if (err)
            continue;
        double sum = 0;
        for (uint64_t i = 0; i < csv.rows; i++) {
            size_t length;
            if (kind == 0)
                sum += csv_row_text(&csv, i, &length)[0];
            for (uint32_t j = 0; kind && j < csv.cols; j++)
                sum += csv_column(&csv, j)[i];
        }
        if (kind)
            (void)!csv_drop(&csv, csv.names[csv.cols / 2], &diag);
        if (csv.cols)
            (void)!csv_find(&csv, sum > 0 ? csv.names[0] : "y", &column, &diag);
        csv_free(&csv);
    }
}

static void read_npy(const uint8_t *data, size_t size)
{
    void *file = exact_copy(data, size);
    struct npy_info info;
    struct diag diag;
    char header[NPY_HEADER_MAX];
    if (!npy_parse(file, size, &info, &diag)) {
        void *out = room(info.data_size, 1);
        npy_copy(file, &info, out);
        npy_header(&info, header);
        for (uint64_t i = 0; i < info.data_size / info.itemsize; i++)
            (void)npy_value(file, &info, i);
        free(out);
    }
    free(file);
}

static void read_json(const uint8_t *data, size_t size)
{
    char *text = exact_copy(data, size);
    struct diag diag;
    struct forest *forest;
    void *block;
    size_t bytes;
    if (!treeio_read_json(text, size, &block, &bytes, &diag)) {
        if (forest_open(block, bytes, &forest, NULL))
            abort(); /* what we import is a model */
        use(forest);
        forest_close(forest);
        free(block);
    }
    free(text);
}

static void (*const readers[])(const uint8_t *data, size_t size) = {
    read_model, read_tree, read_prepared, read_csv, read_npy, read_json,
};
#define READERS (sizeof readers / sizeof *readers)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size)
        readers[data[0] % READERS](data + 1, size - 1);
    return 0;
}

#ifndef LIBFUZZER
/* ---- sound inputs ------------------------------------------------------------------------- */

struct input {
    uint8_t *data;
    size_t size;
};
#define SAMPLES_MAX 64
static struct input samples[SAMPLES_MAX];
static size_t sample_count;

static void add_sample(uint8_t reader, const void *data, size_t size)
{
    struct input s = { room(size + 1, 1), size + 1 };
    s.data[0] = reader;
    memcpy(s.data + 1, data, size);
    samples[sample_count++] = s;
}

static void require(int err)
{
    if (err) {
        fprintf(stderr, "cannot make a sound input: %s\n", forest_strerror(err));
        exit(1);
    }
}

static double sample_y(int kind, int i)
{
    return kind & 2 ? i % 3 : i * i % 11;
}

static void add_json(const void *model, size_t bytes)
{
    char *text = NULL;
    size_t size = 0;
    struct forest *forest;
    struct diag diag;
    FILE *out = open_memstream(&text, &size);
    require(forest_open(model, bytes, &forest, NULL));
    require(out ? treeio_write_json(out, forest, &diag) : -ENOMEM);
    fclose(out);
    forest_close(forest);
    add_sample(5, text, size);
    free(text);
}

/* Models, trees and JSON of each kind, of 12 rows. */
static void add_forests(void)
{
    static const char note[] =
        "{\"format\":\"forest-columns\",\"target\":{\"name\":\"y\",\"words\":[\"a\",\"b\"]},"
        "\"features\":[{\"name\":\"p\"},{\"name\":\"q\",\"words\":[\"c\"]},{\"name\":\"r\"}]}";
    double x[36], y[12];
    struct forest_matrix m = forest_matrix_rows(x, 12, 3, FOREST_FLOAT64);
    struct forest_scratch *scratch;
    struct forest_prepared *prepared;
    size_t size, bytes;
    const void *tree;
    void *model;
    for (int i = 0; i < 36; i++)
        x[i] = i * 5 % 7;
    require(forest_prepared_size(&m, &size));
    void *block = aligned_alloc(64, (size + 63) / 64 * 64);
    require(forest_prepare(&m, block, size));
    add_sample(2, block, size);
    require(forest_prepared_open(block, size, &prepared));
    require(forest_scratch_new(&scratch));
    for (int kind = 0; kind < 8; kind++) {
        struct forest_params p = tree_params(kind);
        for (int i = 0; i < 12; i++)
            y[i] = sample_y(kind, i);
        require(forest_tree_train(prepared, y, NULL, &p, 0, scratch, &tree, &bytes));
        add_sample(1, tree, bytes);
        p.n_estimators = 2;
        require(forest_train(&m, y, NULL, &p, NULL, &model, &bytes));
        add_sample(0, model, bytes);
        void *noted;
        size_t noted_bytes;
        require(forest_add_notes(model, bytes, note, sizeof note - 1, &noted, &noted_bytes));
        add_sample(0, noted, noted_bytes);
        free(noted);
        add_json(model, bytes);
        free(model);
    }
    forest_scratch_free(scratch);
    forest_prepared_close(prepared);
    free(block);
    require(forest_bin_size(&m, &size));
    block = aligned_alloc(64, (size + 63) / 64 * 64);
    require(forest_bin(&m, block, size));
    add_sample(2, block, size);
    free(block);
}

static void add_texts(void)
{
    static const char *const csv[] = {
        "a,b,c\n1,2,3\n4.5,-6e3,0.1234567890123456789\n",
        "\xef\xbb\xbf\"a\",\"b \"\"q\"\"\"\r\n1,NA\r\n\r\n\"2\", 3 \r\n",
        "a,b,c\nred,?,1\n\"de\"\"ep\",x,2\nblue,,3\nred,1,4\n",
        "1;2\n",
        "x\n\"multi\nline\"\n",
        "1,2\n3,\n,4\nnan,inf\n",
        "a,a,b\n1,2,3",
    };
    char file[NPY_HEADER_MAX + 48] = "";
    struct npy_info info = { .kind = 'f', .itemsize = 4, .ndim = 2, .dims = { 4, 3 } };
    for (size_t i = 0; i < sizeof csv / sizeof *csv; i++)
        add_sample(3, csv[i], strlen(csv[i]));
    add_sample(4, file, npy_header(&info, file) + 48);
    info.kind = 'i', info.itemsize = 8, info.ndim = 1, info.dims[0] = 6;
    add_sample(4, file, npy_header(&info, file) + 48);
    static const char fortran[] = "\x93NUMPY\x02\0\x3c\0\0\0{'shape': (2, 2), 'fortran_order': "
                                  "True, 'descr': '|u1'}   \nabcd";
    add_sample(4, fortran, sizeof fortran - 1);
    static const char *const types[] = { "|b1", "<f2", ">f2", ">f4", ">f8",
                                         ">i2", ">i8", ">u4", "|O" };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char odd[96];
        int n = snprintf(odd, sizeof odd,
                         "\x93NUMPY\x01%c<%c{'descr': '%s', 'fortran_order': False, 'shape': (%u, 2)}",
                         0, 0, types[i], 8u / (unsigned)(types[i][2] ? types[i][2] - '0' : 1));
        memset(odd + n, ' ', 10 + 60 - (size_t)n);
        memcpy(odd + 70, "\x7c\0\x3f\xf0 and sixteen", 16);
        add_sample(4, odd, 86);
    }
}

/* ---- changes ------------------------------------------------------------------------------ */

#define INPUT_MAX 65536

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Move, copy or drop a piece. */
static size_t change_length(uint8_t *data, size_t size, uint64_t *seed)
{
    size_t at = 1 + next_random(seed) % size, length = next_random(seed) % (size - at + 2);
    length = at + length > size ? size - at : length;
    if (next_random(seed) % 2) {
        memmove(data + at, data + at + length, size - at - length);
        return size - length;
    }
    if (size + length > INPUT_MAX)
        return size;
    memmove(data + at + length, data + at, size - at);
    return size + length;
}

static void change_number(uint8_t *data, size_t size, uint64_t *seed)
{
    static const uint64_t odd[] = { 0,
                                    1,
                                    2,
                                    3,
                                    UINT64_MAX,
                                    INT64_MAX,
                                    INT32_MAX,
                                    UINT32_MAX,
                                    1u << 31,
                                    UINT32_MAX - 1,
                                    0x7ff8000000000000u,
                                    0x7ff0000000000000u };
    size_t width = next_random(seed) % 2 ? 4 : 8, places = size > width ? (size - 1) / width : 0;
    if (!places)
        return;
    uint64_t v = odd[next_random(seed) % (sizeof odd / sizeof *odd)], old = 0;
    uint8_t *at = data + 1 + next_random(seed) % places * width;
    memcpy(&old, at, width);
    switch (next_random(seed) % 3) {
    case 0:
        v = old + 1;
        break;
    case 1:
        v = old - 1;
        break;
    default:
        break;
    }
    memcpy(at, &v, width);
}

static void change_text(uint8_t *data, size_t size, uint64_t *seed)
{
    static const char characters[] = "0123456789+-.eE,\"\n\r {}[]:'()nNaAif\\u\t";
    data[1 + next_random(seed) % (size - 1)] =
        (uint8_t)characters[next_random(seed) % (sizeof characters - 1)];
}

static size_t change(uint8_t *data, size_t size, uint64_t *seed)
{
    for (unsigned n = 1 + (unsigned)(next_random(seed) % 4); n && size > 1; n--) {
        size_t at = 1 + next_random(seed) % (size - 1);
        switch (next_random(seed) % 6) {
        case 0:
            data[at] ^= (uint8_t)(1u << next_random(seed) % 8);
            break;
        case 1:
            data[at] = (uint8_t)next_random(seed);
            break;
        case 2:
            change_text(data, size, seed);
            break;
        case 3:
            if (next_random(seed) % 4 == 0)
                size = change_length(data, size, seed);
            break;
        default:
            change_number(data, size, seed);
            break;
        }
    }
    return size;
}

/* ---- running ------------------------------------------------------------------------------ */

static int replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    static uint8_t data[INPUT_MAX + 16];
    uint64_t size = 0;
    if (!f || fread(&size, sizeof size, 1, f) != 1 || size > INPUT_MAX ||
        fread(data, 1, size, f) != size) {
        fprintf(stderr, "%s: not what a crash left\n", path);
        return 3;
    }
    fclose(f);
    return LLVMFuzzerTestOneInput(data, size);
}

/* The input at hand is kept where it outlives a crash: its size, and its bytes. */
static uint8_t *keep(char *path)
{
    int fd = mkstemp(path);
    if (fd < 0 || ftruncate(fd, INPUT_MAX + 8))
        exit(3);
    void *kept = mmap(NULL, INPUT_MAX + 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (kept == MAP_FAILED)
        exit(3);
    return kept;
}

static void run(uint64_t seed, uint64_t rounds, double seconds)
{
    char path[] = "/tmp/forest_fuzz.XXXXXX";
    uint8_t *kept = keep(path);
    uint64_t round = 0;
    printf("seed %llu; a crash leaves its input in %s\n", (unsigned long long)seed, path);
    fflush(stdout);
    for (; round < rounds || (double)clock() / CLOCKS_PER_SEC < seconds; round++) {
        uint64_t state = seed + round * 0x9e3779b97f4a7c15u;
        const struct input *s = &samples[round % sample_count];
        uint64_t size = s->size;
        memcpy(kept + 8, s->data, size);
        if (round >= sample_count)
            size = change(kept + 8, size, &state);
        memcpy(kept, &size, sizeof size);
        uint8_t *input = exact_copy(kept + 8, size);
        LLVMFuzzerTestOneInput(input, size);
        free(input);
    }
    printf("%llu inputs in %.1f s of CPU time\n", (unsigned long long)round,
           (double)clock() / CLOCKS_PER_SEC);
    unlink(path);
}

static int write_samples(const char *directory)
{
    for (size_t i = 0; i < sample_count; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/sound.%zu", directory, i);
        FILE *f = fopen(path, "wb");
        if (!f || fwrite(samples[i].data, 1, samples[i].size, f) != samples[i].size || fclose(f)) {
            fprintf(stderr, "%s: cannot write it\n", path);
            return 3;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *fuzz = getenv("FUZZ"), *seed = getenv("SEED");
    add_forests();
    add_texts();
    if (argc == 3 && !strcmp(argv[1], "--corpus"))
        return write_samples(argv[2]);
    for (int i = 1; i < argc; i++) {
        int code = replay(argv[i]);
        if (code)
            return code;
    }
    if (argc > 1)
        return 0;
    run(seed ? strtoull(seed, NULL, 10) : 1, fuzz ? 0 : 20000, fuzz ? strtod(fuzz, NULL) : 0);
    return 0;
}
#endif
