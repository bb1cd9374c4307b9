#!/bin/bash
# SPDX-License-Identifier: MIT
# Made data: the library's numbers, in both forms.
. "$(dirname "$0")/forest.inc"

"$forest" gen --rows 50 --seed 3 -o "$work/f.csv" || fail gen
"$forest" gen --rows 50 --seed 3 -o "$work/f.npy" || fail "gen .npy"
same header "$(head -n 1 "$work/f.csv")" "x0,x1,x2,x3,x4,x5,x6,x7,x8,x9,y"
same "size of .npy" "$(stat -c %s "$work/f.npy")" $((128 + 50 * 11 * 8))
sed 1d "$work/f.csv" | tr , '\n' | awk '{ print $1 + 0 }' >"$work/csv"
tail -c +129 "$work/f.npy" | od -An -v -w8 -tf8 | awk '{ print $1 + 0 }' | cmp - "$work/csv" || fail ".csv and .npy differ"
# of numpy: random_sample() and make_friedman1 of seed 3
same "first number" "$(sed -n '2s/,.*//p' "$work/f.csv")" 0.5507979025745755
"$forest" gen --rows 50 --seed 4 -o - | cmp -s - "$work/f.csv" && fail "the seed makes no difference"
"$forest" gen --kind blobs --rows 60 --features 2 --centers 4 --deviation 0.1 -o "$work/b.csv" || fail blobs
same "rows of classes" "$(sed 1d "$work/b.csv" | cut -d, -f3 | sort | uniq -c | tr -s ' \n' ' ')" " 15 0 15 1 15 2 15 3 "
"$forest" train --data "$work/b.csv" --target y --task classification -n 10 --oob -q -w 1 -o "$work/b.forest" >"$work/oob" || fail "train on blobs"
awk '{ exit !($2 > 0.9) }' "$work/oob" || fail "blobs cannot be told apart: $(cat "$work/oob")"
refused 2 "friedman1 has 5 at least" gen --features 4 -o "$out/x"
refused 2 "--centers: 9 are more than the rows" gen --kind blobs --rows 8 --centers 9 -o "$out/x"
refused 2 "--deviation: -1 is below 0" gen --kind blobs --deviation -1 -o "$out/x"
refused 2 "--kind" gen --kind moons -o "$out/x"
refused 3 "cannot write it" gen -o "$work/absent/x.csv"
finish
