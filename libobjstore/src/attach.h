/* SPDX-License-Identifier: MIT */
/* attach.h -- a handle on a file that has no name yet. */
#ifndef OBJSTORE_ATTACH_H
#define OBJSTORE_ATTACH_H

#include "store.h"

/* The new store in `fd`, which becomes the handle's, or is closed. */
int attach_new(int fd, struct objstore **out, struct objstore_diag *diag);

#endif
