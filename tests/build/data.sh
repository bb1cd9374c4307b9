#!/bin/bash
# SPDX-License-Identifier: MIT
# The way of the California housing data into the demo: conversion gives scikit-learn's values,
# damage is noticed, a wrong archive is refused, and nothing half-made is left.
set -eu
housing=$BUILD_DIR/libexec/housing
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

expect() { # status, words on stderr, command...
    local want=$1 words=$2 got=0
    shift 2
    "$@" >"$tmp/out" 2>"$tmp/err" || got=$?
    [ $got = "$want" ] || { echo "$*: exit $got, not $want"; cat "$tmp/err"; exit 1; }
    grep -q "$words" "$tmp/err" || { echo "$*: does not say '$words':"; cat "$tmp/err"; exit 1; }
}

expect 2 usage "$housing"
expect 3 'No such file' "$housing" check "$tmp/none.csv"
"$housing" generate "$tmp/gen.csv"
[ "$(wc -l <"$tmp/gen.csv")" = 20641 ]
"$housing" generate "$tmp/gen2.csv"
cmp "$tmp/gen.csv" "$tmp/gen2.csv" # the same every time
expect 3 'other columns' "$housing" check "$tmp/gen.csv"
expect 3 'No such file' "$housing" generate "$tmp/no/such/dir.csv"
printf '1,2,3\n' >"$tmp/short"
expect 3 'not nine numbers' "$housing" convert "$tmp/short" "$tmp/x.csv"
printf '1,2,3,4,5,6,7,8,9\n' >"$tmp/one"
expect 3 truncated "$housing" convert "$tmp/one" "$tmp/x.csv"
if command -v curl >/dev/null; then
    tar -czf "$tmp/wrong.tgz" -C "$tmp" one
    expect 3 'sha256 differs' scripts/fetch-data "$housing" "$tmp/x.csv" "file://$tmp/wrong.tgz"
    expect 3 'cannot download' scripts/fetch-data "$housing" "$tmp/x.csv" "file://$tmp/none.tgz"
fi
[ ! -e "$tmp/x.csv" ]
[ -z "$(ls "$tmp" | grep tmp || true)" ]

real=
for f in ${FOREST_DATA:-} data/california_housing.csv ../shared/data/california_housing.csv; do
    [ -r "$f" ] && { real=$f; break; }
done
[ -n "$real" ] || { echo "without the California data (set FOREST_DATA) only the errors were tested"; exit 0; }
"$housing" check "$real"
sed '77s/^[0-9]/9/' "$real" >"$tmp/bent.csv"
expect 3 'does not hold the values' "$housing" check "$tmp/bent.csv"
raw=$(dirname "$real")/cal_housing.data
if [ -r "$raw" ]; then
    "$housing" convert "$raw" "$tmp/real.csv"
    cmp "$tmp/real.csv" "$real"
fi
