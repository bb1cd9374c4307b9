/* SPDX-License-Identifier: MIT */
/* show.h -- workers, tasks and deaths as rows, for the commands that list them. */
#ifndef SHOW_H
#define SHOW_H

#include "emit.h"
#include "wsched.h"

extern const char *const show_task_states[]; /* for ARG_CHOICE: from WSCHED_TASK_BLOCKED on */

uint64_t show_now_ns(void); /* CLOCK_MONOTONIC */
const char *show_task_state(uint32_t state);
void show_next_deadline(struct emit *e, const struct wsched_info *i, uint64_t now_ns);
void show_resources(struct emit *e, struct wsched *pool);
void show_task(struct emit *e, struct wsched *pool, const struct wsched_task_info *t, uint64_t now_ns);
void show_death(struct emit *e, struct wsched *pool, const struct wsched_death *d, uint64_t now_ns);

void show_actor(struct emit *e, const struct wsched_actor_info *a);

/* Everybody who takes part, as a list; `key` as in emit_list(). 0 or what the library returned. */
int show_workers(struct wsched *pool, struct emit *e, const char *key);

#endif
