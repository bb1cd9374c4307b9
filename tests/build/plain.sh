#!/bin/bash
# SPDX-License-Identifier: MIT
# libforest is whole without the loops for some processors, as clang and other processors have it:
# nothing else calls what is in their files alone. level.h takes the compiler for clang by its name.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${CC:-gcc}" -D__clang__ -std=gnu11 -w -fPIC -shared -pthread -Wl,-z,defs -Icommon -Ilibforest/include \
    -Ilibforest/src libforest/src/*.c libforest/src/*/*.c -lm -o "$tmp/libforest.so"
