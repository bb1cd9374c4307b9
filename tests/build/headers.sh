#!/bin/bash
# SPDX-License-Identifier: MIT
# Each public header compiles alone, as strict C11 and (where there is a C++ compiler) as C++17,
# with what its macros stand for, and declares nothing outside its prefix.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

as_c() { "${CC:-gcc}" -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Wundef -Werror -c "$1" -o "$tmp/x.o"; }
as_cxx() { g++ -std=c++17 -Wall -Wextra -Wpedantic -Wold-style-cast -Werror -x c++ -c "$1" -o "$tmp/x.o"; }

# X_OPTIONS_INIT is what a struct x_options begins as; WSCHED_JOB and WSCHED_JOIN make a kernel of a
# function.
uses() { # HEADER
    local macro name
    echo 'struct wsched_fork; void a_job(struct wsched_fork *w, void *args); void a_join(void *into, const void *from);'
    for macro in $(grep -oE '^#define [A-Z_]+_INIT\b' "$1" | cut -d ' ' -f 2); do
        name=${macro%_INIT}
        echo "struct ${name,,} of_${name,,}(void); struct ${name,,} of_${name,,}(void) { struct ${name,,} o = $macro; return o; }"
    done
    for macro in $(grep -oE '^#define WSCHED_[A-Z]+\(name, fn\)' "$1" | grep -oE 'WSCHED_[A-Z]+'); do
        name=${macro#WSCHED_}
        echo "extern const struct wsched_kernel of_${name,,}; const struct wsched_kernel of_${name,,} = $macro(\"it\", a_${name,,});"
    done
}

for pair in libobjstore/include/objstore.h:objstore libsched/include/wsched.h:wsched \
            libforest/include/forest.h:forest; do
    header=${pair%:*} prefix=${pair#*:}
    echo "#include \"$PWD/$header\"" >"$tmp/x.c"
    as_c "$tmp/x.c"
    uses "$header" >"$tmp/uses"
    grep -q "_INIT;" "$tmp/uses" || { echo "$header: no macros found"; exit 1; }
    cat "$tmp/uses" >>"$tmp/x.c"
    as_c "$tmp/x.c"
    languages=as_c
    if command -v g++ >/dev/null; then
        languages="as_c as_cxx"
        as_cxx "$tmp/x.c"
    fi
    for name in JOB:a_join JOIN:a_job; do # a function of another type is refused
        [ $prefix = wsched ] || continue
        sed "\$ s/WSCHED_.*/WSCHED_${name%:*}(\"it\", ${name#*:});/" "$tmp/x.c" >"$tmp/bad.c"
        for language in $languages; do
            ! $language "$tmp/bad.c" 2>"$tmp/err" || { echo "WSCHED_${name%:*} takes ${name#*:}, $language"; exit 1; }
        done
    done
    stray=$(sed 's|/\*.*\*/||' "$header" | grep -oE '^[a-zA-Z_].*\b([a-z_0-9]+)\(' |
            grep -oE '[a-z_0-9]+\($' | tr -d '(' | grep -vE "^(${prefix}_|__attribute__)" || true)
    [ -z "$stray" ] || { echo "$header declares names without its prefix: $stray"; exit 1; }
done
