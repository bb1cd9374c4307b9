/* SPDX-License-Identifier: MIT */
/* cmd.h -- the commands of `sched`, one file each; main.c has the table of them. */
#ifndef CMD_H
#define CMD_H

#include "args.h"

int cmd_ls(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_ps(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_deaths(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_worker(int argc, char **argv);

#endif
