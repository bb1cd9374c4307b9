# SPDX-License-Identifier: MIT
# libforest: random forests, equal to scikit-learn's for the same seed.
LIBS_ALL += libforest
libforest.name    := forest
libforest.header  := libforest/include/forest.h
libforest.macro   := FOREST
libforest.src     := $(wildcard libforest/src/*.c libforest/src/*/*.c)
libforest.libs    := -lm
libforest.cflags  := -Ilibforest/src
