/* SPDX-License-Identifier: MIT */
/* objstore.h -- immutable objects in shared memory. */
#ifndef OBJSTORE_H
#define OBJSTORE_H

#ifdef __cplusplus
extern "C" {
#endif

#define OBJSTORE_VERSION_MAJOR 0
#define OBJSTORE_VERSION_MINOR 1
#define OBJSTORE_VERSION_PATCH 0

#define OBJSTORE_API __attribute__((visibility("default")))
#define OBJSTORE_CHECKED __attribute__((visibility("default"), warn_unused_result))

/* The library's own words for an error; never NULL. */
OBJSTORE_API const char *objstore_strerror(int error);
/* MAJOR * 10000 + MINOR * 100 + PATCH of the library that runs. */
OBJSTORE_API int objstore_version(void);

#ifdef __cplusplus
}
#endif

#endif
