/* SPDX-License-Identifier: MIT */
#include "objects.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "describe.h"

/* As many digits of each id as tell it from the others, this many at least. */
#define ID_DIGITS_MIN 8

static int collect(const struct objstore_info *info, void *ctx)
{
    struct objects *list = ctx;
    if (list->name_glob && fnmatch(list->name_glob, info->meta.name, 0))
        return 0;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 64;
        struct objstore_info *infos = realloc(list->infos, capacity * sizeof *infos);
        if (!infos)
            return -ENOMEM;
        list->infos = infos;
        list->capacity = capacity;
    }
    list->infos[list->count++] = *info;
    return 0;
}

static int compare_ids(const void *pa, const void *pb)
{
    const struct objstore_info *a = pa, *b = pb;
    return memcmp(&a->id, &b->id, sizeof a->id);
}

static int oldest_first(const void *pa, const void *pb)
{
    const struct objstore_info *a = pa, *b = pb;
    if (a->created_ns != b->created_ns)
        return a->created_ns < b->created_ns ? -1 : 1;
    int order = strcmp(a->meta.name, b->meta.name); /* in the same tick of the clock */
    return order ? order : compare_ids(a, b);
}

static int newest_first(const void *pa, const void *pb)
{
    return oldest_first(pb, pa);
}

static int by_name(const void *pa, const void *pb)
{
    const struct objstore_info *a = pa, *b = pb;
    int order = strcmp(a->meta.name, b->meta.name);
    return order ? order : oldest_first(a, b);
}

static int largest_first(const void *pa, const void *pb)
{
    const struct objstore_info *a = pa, *b = pb;
    if (a->size != b->size)
        return a->size > b->size ? -1 : 1;
    return oldest_first(a, b);
}

static void sort(struct objects *list, int (*compare)(const void *, const void *))
{
    if (list->count) /* qsort(NULL, 0, ...) is undefined */
        qsort(list->infos, list->count, sizeof *list->infos, compare);
}

/* How many hex digits tell the ids apart; they are in order. */
static int digits_needed(const struct objects *list)
{
    int digits = ID_DIGITS_MIN;
    char last[OBJSTORE_ID_TEXT] = "", text[OBJSTORE_ID_TEXT];
    for (size_t i = 0; i < list->count; i++) {
        objstore_id_format(&list->infos[i].id, text);
        int same = 0;
        while (text[same] && text[same] == last[same])
            same++;
        if (same >= digits && same < OBJSTORE_ID_TEXT - 1)
            digits = same + 1;
        memcpy(last, text, sizeof last);
    }
    return digits;
}

int objects_read(struct objects *list, struct objstore *store, enum objects_order order)
{
    static int (*const compare[])(const void *, const void *) = {
        [OBJECTS_OLDEST_FIRST] = oldest_first,
        [OBJECTS_BY_NAME] = by_name,
        [OBJECTS_LARGEST_FIRST] = largest_first,
        [OBJECTS_NEWEST_FIRST] = newest_first,
    };
    list->store = store;
    list->filter.struct_size = sizeof list->filter;
    int err = objstore_list_where(store, &list->filter, collect, list);
    if (err)
        return err;
    sort(list, compare_ids);
    list->digits = digits_needed(list);
    sort(list, compare[order]);
    return 0;
}

void objects_free(struct objects *list)
{
    free(list->infos);
    list->infos = NULL;
    list->count = list->capacity = 0;
}

void objects_emit(const struct objects *list, size_t count, struct emit *e, const char *key)
{
    char id[OBJSTORE_ID_TEXT], start[OBJSTORE_ID_TEXT];
    emit_list(e, key);
    for (size_t i = 0; i < list->count && i < count; i++) {
        const struct objstore_info *info = &list->infos[i];
        objstore_id_format(&info->id, id);
        snprintf(start, sizeof start, "%.*s", list->digits, id);
        emit_row(e);
        emit_string(e, "id", NULL, id);
        emit_string(e, NULL, "id", start);
        describe_emit(e, info);
        describe_holders(e, list->store, info);
        emit_row_end(e);
    }
    emit_list_end(e);
}
