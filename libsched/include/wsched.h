/* SPDX-License-Identifier: MIT */
/* wsched.h -- tasks for worker processes. */
#ifndef WSCHED_H
#define WSCHED_H

#ifdef __cplusplus
extern "C" {
#endif

#define WSCHED_VERSION_MAJOR 0
#define WSCHED_VERSION_MINOR 1
#define WSCHED_VERSION_PATCH 0

#define WSCHED_API __attribute__((visibility("default")))
#define WSCHED_CHECKED __attribute__((visibility("default"), warn_unused_result))

/* The library's own words for an error; never NULL. */
WSCHED_API const char *wsched_strerror(int error);
/* MAJOR * 10000 + MINOR * 100 + PATCH of the library that runs. */
WSCHED_API int wsched_version(void);

#ifdef __cplusplus
}
#endif

#endif
