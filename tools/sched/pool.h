/* SPDX-License-Identifier: MIT */
/*
 * pool.h -- open a pool to look at it, or say in one line why not.
 *
 * These return EXIT_OK, or the exit code to end with after having complained.
 */
#ifndef TOOL_POOL_H
#define TOOL_POOL_H

#include "wsched.h"

int pool_open(const char *where, struct wsched **out);
/* What to say of -EPROTO: no pool, or which layout version it has, and what to do. Returns text. */
#define POOL_TEXT_MAX 200
const char *pool_wrong_layout(const char *where, char text[POOL_TEXT_MAX]);
/* Why wsched_look() failed, in one line. Returns EXIT_CANNOT. */
int pool_complain(const char *where, int error);
/* Complain of a call on an open pool: "<where>: <what> (<why>)". Returns EXIT_CANNOT. */
int pool_cannot(const char *where, const char *what, int error);

/* The folder of the pools that have names. */
#define POOL_PATH_MAX 64
const char *pool_folder(char path[POOL_PATH_MAX]);

#endif
