/* SPDX-License-Identifier: MIT */
/* describe.h -- an object's description in words, and as what .npy can express. */
#ifndef DESCRIBE_H
#define DESCRIBE_H

#include "emit.h"
#include "npy.h"
#include "objstore.h"

/* "float32[16512, 8]", "int64" (one number), "bytes". Returns text. */
#define DESCRIBE_TEXT 128
const char *describe_type(const struct objstore_meta *meta, char text[DESCRIBE_TEXT]);
/* "float32", "bytes"; "dtype 77" does not happen: NULL then. */
const char *describe_dtype(uint32_t dtype);

/* The names of all element types; for ARG_CHOICE, NULL at the end. */
extern const char *const describe_dtypes[];

/* "unsealed", "sealed", "deleted"; for ARG_CHOICE the same, NULL at the end. */
extern const char *const describe_states[];
const char *describe_state(uint32_t state);

/* Seconds since the object was made. */
double describe_age(const struct objstore_info *info);

/* All there is to say of an object but its id, as fields of a row or a record. */
void describe_emit(struct emit *e, const struct objstore_info *info);

/* Who views it, or writes it: process ids. */
void describe_holders(struct emit *e, struct objstore *store, const struct objstore_info *info);

/* -EINVAL: nothing that .npy has, or the object is not as long as its description says. */
int describe_to_npy(const struct objstore_info *info, struct npy_info *npy, struct diag *diag);
int describe_from_npy(const struct npy_info *npy, struct objstore_meta *meta, struct diag *diag);

#endif
