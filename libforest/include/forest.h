/* SPDX-License-Identifier: MIT */
/* forest.h -- random forests. */
#ifndef FOREST_H
#define FOREST_H

#ifdef __cplusplus
extern "C" {
#endif

#define FOREST_VERSION_MAJOR 0
#define FOREST_VERSION_MINOR 1
#define FOREST_VERSION_PATCH 0

#define FOREST_API __attribute__((visibility("default")))
#define FOREST_CHECKED __attribute__((visibility("default"), warn_unused_result))

/* The library's own words for an error; never NULL. */
FOREST_API const char *forest_strerror(int error);
/* MAJOR * 10000 + MINOR * 100 + PATCH of the library that runs. */
FOREST_API int forest_version(void);

#ifdef __cplusplus
}
#endif

#endif
