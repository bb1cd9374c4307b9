/* SPDX-License-Identifier: MIT */
#include "dumpfile.h"

#include <stddef.h>
#include <string.h>

#define DUMP_MAGIC "objstore dump\r\n" /* the line end shows what a text transfer did to it */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the structs are the format only where numbers are little-endian");
_Static_assert(sizeof DUMP_MAGIC == 16, "the magic word is 16 bytes with its end");

static bool same(const struct objstore_id *a, const struct objstore_id *b)
{
    return !memcmp(a, b, sizeof *a);
}

void dump_head_make(struct dump_head *head, uint64_t stream, uint64_t made_ns)
{
    memset(head, 0, sizeof *head);
    memcpy(head->magic, DUMP_MAGIC, sizeof head->magic);
    head->version = DUMP_VERSION;
    head->stream = stream;
    head->made_ns = made_ns;
    objstore_id_from_content(head, offsetof(struct dump_head, check), &head->check);
}

const char *dump_head_fault(const struct dump_head *head)
{
    struct objstore_id check;

    if (memcmp(head->magic, DUMP_MAGIC, sizeof head->magic))
        return memcmp(head->magic, DUMP_MAGIC, 13) ? "not a dump of objstore"
                                                   : "a dump that was changed as if it were text";
    if (head->version != DUMP_VERSION)
        return "a dump of another version of this format";
    objstore_id_from_content(head, offsetof(struct dump_head, check), &check);
    return same(&check, &head->check) ? NULL : "damaged: the checksum of its head is wrong";
}

void dump_entry_make(struct dump_entry *entry)
{
    objstore_id_from_content(entry, offsetof(struct dump_entry, check), &entry->check);
}

const char *dump_entry_fault(const struct dump_entry *entry, const struct dump_head *head,
                             uint64_t number, uint64_t bytes)
{
    struct objstore_id check;

    objstore_id_from_content(entry, offsetof(struct dump_entry, check), &check);
    if (!same(&check, &entry->check))
        return "damaged: the checksum of an object's description is wrong";
    if (entry->stream != head->stream)
        return "damaged: a piece of another dump is in it";
    if (entry->kind != DUMP_OBJECT && entry->kind != DUMP_END)
        return "damaged: something in it is no object";
    if (entry->number != number || (entry->kind == DUMP_END && entry->size != bytes))
        return "damaged: a piece is missing";
    return NULL;
}

bool dump_content_is(const struct dump_entry *entry, const void *data)
{
    struct objstore_id content;

    objstore_id_from_content(data, entry->size, &content);
    return same(&content, &entry->content);
}
