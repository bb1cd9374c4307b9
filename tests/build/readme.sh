#!/bin/bash
# SPDX-License-Identifier: MIT
# The programs in the READMEs compile as they stand, without a warning, and do what is said there.
set -eu
build=${BUILD_DIR:-$PWD/build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case ${build##*/} in
address | undefined | thread) flags=-fsanitize=${build##*/} ;;
coverage) flags=--coverage ;;
*) flags= ;;
esac
run() { # LIBRARY EXPECTED-OUTPUT LIBS...: of $work/main.c
    local library=$1 expected=$2 said
    shift 2
    # shellcheck disable=SC2086
    "${CC:-gcc}" -std=gnu11 -Wall -Wextra -Werror $flags "-I$library/include" "$work/main.c" \
        -o "$work/main" "$build/lib/$library.a" -pthread "$@"
    said=$("$work/main")
    [ "$said" = "$expected" ] || { echo "$library: it says '$said'"; exit 1; }
}
blocks() { # FILE: its C
    sed -n '/^```c$/,/^```$/p' "$1"
}
# LIBRARY BEFORE AFTER: README.md's part about it, which main() is put around: around all behind a
# line of three dots, or behind the #include.
part() {
    blocks README.md | awk -v before="$2" -v after="$3" -v library="$1" '
        BEGIN { header["libobjstore"] = "objstore"; header["libsched"] = "wsched"; header["libforest"] = "forest" }
        function enter() { print "int main(void)\n{\n" before }
        /^```c$/ { text = ""; next }
        /^```$/ {
            if (text !~ "#include <" header[library] "\\.h>") next
            n = split(text, line, "\n")
            has_dots = text ~ /\n\.\.\.\n/
            print "#include <stdio.h>"
            for (i = 1; i <= n; i++) {
                if (line[i] == "...") enter()
                else print line[i]
                if (!has_dots && line[i] ~ /^#include/) enter()
            }
            print after "\n    return 0;\n}"
            next
        }
        { text = text $0 "\n" }' >"$work/main.c"
}

blocks libsched/README.md | grep -v '^```' >"$work/main.c"
run libsched "49 (no error)"
part libsched "" "wsched_close(pool);"
run libsched 49
part libobjstore "" 'objstore_close(store); if (objstore_destroy("demo")) return 1;'
sed -i "s/\"demo\"/\"readme-$$\"/" "$work/main.c"
run libobjstore 42 -luring -llz4
part libforest 'double data[4] = { 1, 2, 3, 4 }, y[4] = { 5, 5, 5, 5 }, predictions[4]; size_t rows = 4, cols = 1;' \
    'forest_close(forest); __builtin_free(model);'
run libforest 5 -lm
