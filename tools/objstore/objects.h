/* SPDX-License-Identifier: MIT */
/* objects.h -- the objects of a store in an order, as a table. */
#ifndef OBJECTS_H
#define OBJECTS_H

#include "emit.h"
#include "objstore.h"

struct objects {
    const char *name_glob;         /* only those, or NULL */
    struct objstore_filter filter; /* and of them only these */
    struct objstore *store;        /* where they were read */
    struct objstore_info *infos;
    size_t count, capacity;
    int digits; /* of an id that tell it from the others in the list */
};

enum objects_order {
    OBJECTS_OLDEST_FIRST,
    OBJECTS_BY_NAME,
    OBJECTS_LARGEST_FIRST,
    OBJECTS_NEWEST_FIRST,
};

/* Fill the list, whose filters are set, and order it. -ENOMEM, or what objstore_list() returned. */
int objects_read(struct objects *list, struct objstore *store, enum objects_order order);
void objects_free(struct objects *list);

/* The first `count` as a list named `key`; those of a JSON list without a name are one a line. */
void objects_emit(const struct objects *list, size_t count, struct emit *e, const char *key);

#endif
