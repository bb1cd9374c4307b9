/* SPDX-License-Identifier: MIT */
/* durable.h -- stores that outlive the machine's being switched off. */
#ifndef OBJSTORE_DURABLE_H
#define OBJSTORE_DURABLE_H

#include "file.h"
#include "store.h"

/* What the files beside a store's add to its name. */
#define DURABLE_NAME_BYTES ((int)sizeof "..sync-0123456789abcdef" - 1)

/* What a recovery could not bring back. */
struct lost {
    size_t count, room;
    struct {
        struct objstore_id id;
        uint32_t why; /* enum objstore_loss */
    } of[];
};

/* Write a list of all that is sealed, after all of that is on the disk. */
int durable_sync(struct objstore *s, uint64_t *objects);
/* A number for this boot of the machine; 0: it cannot be told. */
uint64_t durable_boot(void);
/* Was the store's file last used before the machine's last start? */
bool durable_is_of_earlier_boot(const struct header *header);
/*
 * Put a store with all that was synced in the place of the one behind `fd`, which is of an earlier
 * boot and stands at name->path. 0: that, or somebody else's, stands there now; *out (freed by the
 * caller) is what was lost, NULL if somebody else did it.
 */
int durable_recover(int fd, const struct file_name *name, struct lost **out,
                    struct objstore_diag *diag);
/* Remove the lists that belong to a store whose file was at `path`. */
void durable_forget(const char *path);

#endif
