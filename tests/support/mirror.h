/* SPDX-License-Identifier: MIT */
/*
 * mirror.h -- has a shared file changed since the last look? All its bytes are compared.
 *
 *     struct mirror *m = mirror_new(fd);
 *     while (...)
 *         if (mirror_update(m))
 *             look at it again;
 */
#ifndef TEST_MIRROR_H
#define TEST_MIRROR_H

#include <stdbool.h>

struct mirror *mirror_new(int fd); /* ends the program if it cannot; the size is final */
/* Did it change since the last call, or since mirror_new()? Moves the file's offset. */
bool mirror_update(struct mirror *m);
void mirror_free(struct mirror *m); /* NULL is allowed */

#endif
