/* SPDX-License-Identifier: MIT */
/* sweep_show.c -- what `forest sweep` prints: lines while it runs, then a table or one JSON
 * document. */
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "emit.h"
#include "progress.h"
#include "sweep.h"

static const char *type_text(const struct objstore_meta *m, char text[80])
{
    int n = snprintf(text, 80, "%s",
                     m->dtype == OBJSTORE_FLOAT32   ? "float32"
                     : m->dtype == OBJSTORE_FLOAT64 ? "float64"
                                                    : "bytes");
    for (uint32_t i = 0; i < m->ndim && n < 80; i++)
        n += snprintf(text + n, (size_t)(80 - n), "%s%llu", i ? ", " : "[",
                      (unsigned long long)m->dims[i]);
    if (m->ndim && n < 80)
        snprintf(text + n, (size_t)(80 - n), "]");
    return text;
}

static void emit_objects(const struct sweep *s, struct emit *e, const char *key)
{
    emit_list(e, key);
    for (int a = 0; a < ARRAYS; a++) {
        char type[80], id[OBJSTORE_ID_TEXT];
        objstore_id_format(&s->share.id[a], id);
        emit_row(e);
        emit_string(e, "name", "object", s->share.meta[a].name);
        emit_string(e, "type", "type", type_text(&s->share.meta[a], type));
        emit_size(e, "size", "size", s->share.view[a].size);
        emit_string(e, "id", "id", id);
        emit_row_end(e);
    }
    emit_list_end(e);
}

void sweep_show_data(struct sweep *s)
{
    struct emit e;
    if (s->json)
        return;
    printf("%s: %llu rows of %u features to train with, %llu to test\n", s->data,
           (unsigned long long)s->share.train_rows, s->share.features,
           (unsigned long long)s->share.test_rows);
    printf("store %s, shared by all processes:\n", s->store ? s->store : "without a name");
    emit_start(&e, stdout, EMIT_TEXT, false);
    emit_objects(s, &e, NULL);
    fflush(stdout);
}

static const char *score_name(const struct sweep *s)
{
    return s->classes ? "accuracy" : "mse";
}

void sweep_show_model(const struct sweep *s, uint32_t n_estimators, double score, double seconds,
                      int32_t pid)
{
    if (s->json)
        return;
    progress_hide();
    printf("n_estimators=%u, %s=%.4f, took %.2f s (pid %d)\n", n_estimators, score_name(s), score,
           seconds, pid);
    fflush(stdout);
}

/* Beyond microseconds there is only noise. */
static void emit_seconds(struct emit *e, const char *key, const char *title, double seconds)
{
    emit_double(e, key, title, round(seconds * 1e6) / 1e6, 3);
}

static void emit_models(const struct sweep *s, struct emit *e)
{
    bool has_parallel = !s->is_sequential, has_both = s->is_compare;
    emit_list(e, "models");
    for (uint32_t i = 0; i < s->models; i++) {
        const struct sweep_model *m = &s->model[i];
        emit_row(e);
        emit_uint(e, "n_estimators", "n_estimators", m->params.n_estimators);
        emit_double17(e, score_name(s), score_name(s),
                      has_parallel ? m->score : m->sequential_score, 4);
        emit_seconds(e, "seconds", "took (s)", has_parallel ? m->seconds : m->sequential_seconds);
        if (has_parallel)
            emit_seconds(e, "compute_seconds", "compute (s)", m->compute_seconds);
        if (has_both)
            emit_seconds(e, "sequential_seconds", "sequential (s)", m->sequential_seconds);
        emit_int(e, "pid", "pid", has_parallel ? m->pid : getpid());
        emit_row_end(e);
    }
    emit_list_end(e);
}

/* The data counts in rss everywhere, in pss by shares, and in nobody's private memory. */
static void emit_processes(const struct sweep *s, struct emit *e)
{
    emit_list(e, "processes");
    for (uint32_t i = 0; i < s->process_count; i++) {
        const struct memory *m = &s->processes[i];
        emit_row(e);
        emit_string(e, "role", "process", i ? "worker" : "driver");
        emit_int(e, "pid", "pid", m->pid);
        emit_size(e, "private", "private", m->private_bytes);
        emit_size(e, "pss", "pss", m->pss);
        emit_size(e, "rss", "rss", m->rss);
        emit_row_end(e);
    }
    emit_list_end(e);
}

void sweep_show_result(struct sweep *s)
{
    struct emit e;
    double speedup = s->sequential_seconds / s->parallel_seconds; /* NaN unless both ran */
    emit_start(&e, stdout, s->json ? EMIT_JSON : EMIT_TEXT, false);
    if (!s->json)
        putchar('\n');
    emit_object(&e, NULL);
    emit_models(s, &e);
    emit_uint(&e, "workers", NULL, s->is_sequential ? 0 : s->workers);
    emit_seconds(&e, "parallel_seconds", NULL, s->parallel_seconds);
    emit_seconds(&e, "sequential_seconds", NULL, s->sequential_seconds);
    emit_double(&e, "speedup", NULL, round(speedup * 1e4) / 1e4, 2);
    emit_uint(&e, "trees", NULL, s->trees);
    emit_bool(&e, "reuse_trees", NULL, s->reuse_trees);
    if (!s->is_sequential)
        emit_uint(&e, "trees_trained", NULL, s->trained);
    emit_uint(&e, "worker_deaths", NULL, s->deaths);
    if (s->json)
        emit_objects(s, &e, "objects");
    if (!s->json && s->process_count)
        putchar('\n');
    if (s->process_count)
        emit_processes(s, &e);
    emit_object_end(&e);
    if (s->json)
        return;
    putchar('\n');
    if (s->reuse_trees && !s->is_sequential)
        printf("trees are shared: %llu trained, %llu found in the store, used %llu times\n",
               (unsigned long long)s->trained,
               (unsigned long long)(s->model[s->models - 1].params.n_estimators - s->trained),
               (unsigned long long)s->trees);
    else if (s->reuse_trees)
        printf("trees are shared: %u trained, used %llu times\n",
               s->model[s->models - 1].params.n_estimators, (unsigned long long)s->trees);
    if (!s->is_sequential)
        printf("parallel, %u worker%s   %8.3f s\n", s->workers, s->workers == 1 ? " " : "s",
               s->parallel_seconds);
    if (!isnan(s->sequential_seconds))
        printf("sequential           %8.3f s\n", s->sequential_seconds);
    if (!isnan(speedup))
        printf("speed-up             %8.2f\n", speedup);
}
