# SPDX-License-Identifier: MIT
# libobjstore: immutable objects in shared memory, found by id, read in place.
LIBS_ALL += libobjstore
libobjstore.name    := objstore
libobjstore.header  := libobjstore/include/objstore.h
libobjstore.macro   := OBJSTORE
libobjstore.src     := $(wildcard libobjstore/src/*.c)
libobjstore.libs    := -luring -llz4
libobjstore.cflags  :=
