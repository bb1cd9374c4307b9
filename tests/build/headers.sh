#!/bin/bash
# SPDX-License-Identifier: MIT
# Each public header compiles alone, as strict C11 and (where there is a C++ compiler) as C++17,
# and declares nothing outside its prefix.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for pair in libobjstore/include/objstore.h:objstore libsched/include/wsched.h:wsched \
            libforest/include/forest.h:forest; do
    header=${pair%:*} prefix=${pair#*:}
    echo "#include \"$PWD/$header\"" >"$tmp/x.c"
    "${CC:-gcc}" -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Wundef -Werror -c "$tmp/x.c" -o "$tmp/x.o"
    if command -v g++ >/dev/null; then
        g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -x c++ -c "$tmp/x.c" -o "$tmp/x.o"
    fi
    stray=$(sed 's|/\*.*\*/||' "$header" | grep -oE '^[a-zA-Z_].*\b([a-z_0-9]+)\(' |
            grep -oE '[a-z_0-9]+\($' | tr -d '(' | grep -vE "^(${prefix}_|__attribute__)" || true)
    [ -z "$stray" ] || { echo "$header declares names without its prefix: $stray"; exit 1; }
done
