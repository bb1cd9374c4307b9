/* SPDX-License-Identifier: MIT */
/* huge.h -- large memory in huge pages: what is read here and there in it is found sooner. */
#ifndef HUGE_H
#define HUGE_H

#include <stddef.h>

/* For free(), aligned to 64 bytes; NULL: no memory. That the kernel has no huge pages is no error. */
void *huge_alloc(size_t bytes);

#endif
