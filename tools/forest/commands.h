/* SPDX-License-Identifier: MIT */
/* commands.h -- the commands of the tool `forest`; each in its cmd_*.c. */
#ifndef COMMANDS_H
#define COMMANDS_H

int cmd_gen(int argc, char **argv);
int cmd_split(int argc, char **argv);
int cmd_train(int argc, char **argv);
int cmd_predict(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_importance(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_sweep(int argc, char **argv);

#endif
