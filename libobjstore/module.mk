# SPDX-License-Identifier: MIT
# libobjstore: immutable objects in shared memory, found by id, read in place.
LIBS_ALL += libobjstore
libobjstore.name    := objstore
libobjstore.header  := libobjstore/include/objstore.h
libobjstore.macro   := OBJSTORE
libobjstore.src     := $(wildcard libobjstore/src/*.c)
libobjstore.libs    := -luring -llz4
# No neighbouring words in one vector store or load: who then loads or has just stored them one by one
# waits for the cache; a get and release of 64 KiB takes a sixth longer.
libobjstore.cflags  := -fno-tree-slp-vectorize
