# SPDX-License-Identifier: MIT
# libforest: random forests, equal to scikit-learn's for the same seed.
LIBS_ALL += libforest
libforest.name    := forest
libforest.header  := libforest/include/forest.h
libforest.macro   := FOREST
libforest.src     := $(wildcard libforest/src/*.c libforest/src/*/*.c)
libforest.libs    := -lm
# `=`: what clang is told of a file for some processors depends on the file
libforest.cflags   = -Ilibforest/src $(if $(findstring _avx2.,$<),$(VECTORS.avx2)) \
                     $(if $(findstring _avx512.,$<),$(VECTORS.avx512))
