/* SPDX-License-Identifier: MIT */
/* stream.h -- what other modules know of streams; stream.c explains. */
#ifndef WSCHED_STREAM_H
#define WSCHED_STREAM_H

#include <string.h>

#include "pool.h"

/* The stream of a task; NULL: it has none. */
struct stream_record *stream_of(const struct wsched *p, uint32_t index);
bool stream_has_item(const struct stream_record *s);
/* For a task in MAKING(self), before it has its terms. False: no record is free. */
bool stream_reserve(struct wsched *p, uint32_t index, uint32_t items);
bool streams_have_room(const struct wsched *p, uint32_t items); /* of a task that has so many */
void stream_free(struct wsched *p, uint32_t index, uint32_t generation);
void streams_sweep(struct wsched *p); /* once the table is swept */
int streams_verify(const struct wsched *p, const char **what);
/* The task was asked to stop, or its future given back: let it know, should it wait for room. */
void stream_stop(struct wsched *p, uint32_t index, uint64_t word);

#endif
