#!/bin/bash
# SPDX-License-Identifier: MIT
# The program in libsched's README compiles as it stands, without a warning, and does what it says.
set -eu
build=${BUILD_DIR:-$PWD/build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case ${build##*/} in
address | undefined | thread) flags=-fsanitize=${build##*/} ;;
coverage) flags=--coverage ;;
*) flags= ;;
esac

sed -n '/^```c$/,/^```$/p' libsched/README.md | grep -v '^```' >"$work/main.c"
# shellcheck disable=SC2086
"${CC:-gcc}" -std=gnu11 -Wall -Wextra -Werror $flags -Ilibsched/include "$work/main.c" -o "$work/main" \
    "$build/lib/libsched.a" -pthread
said=$("$work/main")
[ "$said" = "49 (no error)" ] || { echo "it says '$said'"; exit 1; }
