/* SPDX-License-Identifier: MIT */
/* cmd.h -- the commands of `objstore`, one file each; main.c has the table of them. */
#ifndef CMD_H
#define CMD_H

#include "args.h"

int cmd_create(int argc, char **argv);
int cmd_put(int argc, char **argv);
int cmd_get(int argc, char **argv);
int cmd_cat(int argc, char **argv);
int cmd_ls(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_rm(int argc, char **argv);
int cmd_wait(int argc, char **argv);
int cmd_leases(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_load(int argc, char **argv);
int cmd_spill(int argc, char **argv);
int cmd_sync(int argc, char **argv);
int cmd_destroy(int argc, char **argv);

#endif
