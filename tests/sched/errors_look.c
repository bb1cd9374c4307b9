/* SPDX-License-Identifier: MIT */
/* errors_look.c -- the errors of looking at pools, and at what is in them. */
#include "errors.h"
#include "pool.h"

static struct wsched *out;

static int look_changes(void)
{
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    struct wsched_future f;

    CHECK_EQ(wsched_cancel(given.look, given.over), -EROFS);
    CHECK_EQ(wsched_wait(given.look, &given.over, 1, 1, 0, NULL), -EROFS);
    return wsched_submit(given.look, &s, &f);
}
static int look_nowhere(void)
{
    return wsched_look(given.path, &out);
}
static int look_at_no_pool(void)
{
    given_write("something else", 14, 14);
    return wsched_look(given.path, &out);
}
static int look_at_other_layout(void)
{
    struct header h = *given.pool->header;

    h.layout_version++;
    given_write(&h, sizeof h, given.pool->bytes);
    return wsched_look(given.path, &out);
}
static int look_without_name(void)
{
    CHECK_EQ(wsched_look(NULL, &out), -EINVAL);
    return wsched_look("", &out);
}
static int look_at_damage(void)
{
    struct header h = *given.pool->header;

    h.workers = 0;
    given_write(&h, sizeof h, given.pool->bytes);
    return wsched_look(given.path, &out);
}

static int version_of_no_pool(void)
{
    uint32_t found = 77, known = 78;

    given_write("something else", 14, 14);
    int err = wsched_layout_version(given.path, &found, &known);
    CHECK(found == 77 && known == 78);
    return err;
}

static int remove_living(void)
{
    int err = wsched_remove(given.name);

    CHECK_EQ(access(given.file, F_OK), 0);
    return err;
}
static int remove_nothing(void)
{
    return wsched_remove(given.path);
}
static int remove_no_pool(void)
{
    given_write("something else", 14, 14);
    int err = wsched_remove(given.path);
    CHECK_EQ(access(given.path, F_OK), 0);
    return err;
}
static int remove_nameless(void)
{
    return wsched_remove("");
}

static int resource_after_the_last(void)
{
    struct wsched_resource_info info;

    return wsched_resource_info(given.pool, 1, &info);
}
static int worker_of_no_number(void)
{
    struct wsched_worker_info info;

    CHECK_EQ(wsched_worker_info(given.pool, 1 + 1, &info), -ENOENT); /* a guest's, not taken */
    return wsched_worker_info(given.pool, 1000, &info);
}
static int name_of_no_number(void)
{
    char name[WSCHED_WORKER_NAME_MAX + 1];

    return wsched_worker_name(given.pool, 1000, name);
}
static int info_of_none(void)
{
    struct wsched_task_info info;

    return wsched_task_info(given.pool, given.none, &info);
}

static int verify_damage(void)
{
    struct header *h = given.pool->header;
    uint32_t kept = au32_load_relaxed(&h->guests_used);
    char text[256] = "";

    au32_store_relaxed(&h->guests_used, 1000);
    int err = wsched_verify(given.pool, text);
    au32_store_relaxed(&h->guests_used, kept);
    CHECK(text[0]);
    return err;
}

const struct error_row errors_look[] = {
    { "wsched_look", EROFS, look_changes },
    { "wsched_look", ENOENT, look_nowhere },
    { "wsched_look", EPROTO, look_at_no_pool },
    { "wsched_look", EPROTO, look_at_other_layout },
    { "wsched_look", EINVAL, look_without_name },
    { "wsched_look", EBADMSG, look_at_damage },
    { "wsched_layout_version", EPROTO, version_of_no_pool },
    { "wsched_remove", EBUSY, remove_living },
    { "wsched_remove", ENOENT, remove_nothing },
    { "wsched_remove", EPROTO, remove_no_pool },
    { "wsched_remove", EINVAL, remove_nameless },
    { "wsched_resource_info", ENOENT, resource_after_the_last },
    { "wsched_worker_info", ENOENT, worker_of_no_number },
    { "wsched_worker_name", ENOENT, name_of_no_number },
    { "wsched_task_info", EINVAL, info_of_none },
    { "wsched_verify", EBADMSG, verify_damage },
    { NULL, 0, NULL },
};
