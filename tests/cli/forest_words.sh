#!/bin/bash
# SPDX-License-Identifier: MIT
# Columns of words: numbered by the order of their bytes, kept in the model, so that predict numbers alike.
. "$(dirname "$0")/forest.inc"

awk 'BEGIN {
    srand(3); OFS = ","
    print "size,colour,kind"
    for (i = 0; i < 300; i++) {
        c = int(rand() * 3); s = rand()
        colour = c == 0 ? "red" : c == 1 ? "\"deep, \"\"sea\"\" blue\"" : " green "
        print s, colour, (c == 1) == (s < 0.5) ? "cat" : "dog"
    }
}' >"$work/w.csv"
# the same with the numbers that the words stand for
sed 's/"deep, ""sea"" blue"/0/; s/ green /1/; s/red/2/; s/cat/0/; s/dog/1/' "$work/w.csv" >"$work/n.csv"
t=(-n 20 --task classification -q -w 1)
"$forest" train --data "$work/w.csv" --target kind --categorical colour,kind "${t[@]}" -o "$work/w.forest" || fail "train on words"
"$forest" train --data "$work/n.csv" --target kind "${t[@]}" -o "$work/n.forest" || fail "train on numbers"
"$forest" predict -m "$work/w.forest" --data "$work/w.csv" --target kind -o "$work/w.p" || fail "predict words"
"$forest" predict -m "$work/n.forest" --data "$work/n.csv" --target kind -o "$work/n.p" || fail "predict numbers"
sed 's/cat/0/; s/dog/1/' "$work/w.p" | cmp - "$work/n.p" || fail "words and numbers are not the same"
"$forest" predict -m "$work/w.forest" --data "$work/w.csv" --target kind --proba -o - | head -n 1 | grep -qx 'probability of cat,probability of dog' || fail "--proba"
"$forest" predict -m "$work/w.forest" --data "$work/w.csv" --json -o - | sed 's/^{"prediction": "\(.*\)"}$/\1/' | cmp - <(sed 1d "$work/w.p") || fail "words in JSON"
same accuracy "$("$forest" eval -m "$work/w.forest" --data "$work/w.csv" --target kind --json)" \
    "$("$forest" eval -m "$work/n.forest" --data "$work/n.csv" --target kind --json)"
# Other rows, with the words in another order and not all of them.
{ head -n 1 "$work/w.csv"; sed 1d "$work/w.csv" | grep -v red | sort -r; } >"$work/other.csv"
"$forest" eval -m "$work/w.forest" --data "$work/other.csv" --target kind --json | awk -F'"accuracy":' '{ exit !($2 + 0 > 0.95) }' || fail "other rows"
# A target that is ignored may be anything, or absent.
sed '1!s/[^,]*$/whale/' "$work/w.csv" >"$work/whale.csv"
"$forest" predict -m "$work/w.forest" --data "$work/whale.csv" --target kind -o - | cmp - "$work/w.p" || fail "an ignored target"
sed 's/,[^,]*$//' "$work/w.csv" >"$work/x.csv"
"$forest" predict -m "$work/w.forest" --data "$work/x.csv" -o - | cmp - "$work/w.p" || fail "no target"
"$forest" sweep --data "$work/w.csv" --target kind --categorical colour,kind --task classification --models 2 --start 5 --workers 2 >"$work/s" || fail sweep

# The model knows its target.
"$forest" predict -m "$work/w.forest" --data "$work/whale.csv" -o - | cmp - "$work/w.p" || fail "predict without --target"
"$forest" eval -m "$work/w.forest" --data "$work/w.csv" | grep -q '^accuracy' || fail "eval without --target"
"$forest" info -m "$work/w.forest" | grep -qE '^target +kind$' && "$forest" info -m "$work/w.forest" --json | grep -q '"feature_names":\[{"name":"size"},{"name":"colour"}\]' || fail "info: names"

# The model tells names and words without the data, also after a journey through JSON.
"$forest" info -m "$work/w.forest" --tree 0 --depth 9 >"$work/tree"
grep -q 'size <= ' "$work/tree" && grep -qE 'colour is deep, "sea" blue$' "$work/tree" && grep -q 'predicts dog' "$work/tree" || fail "info: $(head "$work/tree")"
"$forest" export -m "$work/w.forest" --json -o - | "$forest" import --json - -o - | cmp - "$work/w.forest" || fail "JSON loses the words"
"$forest" train --data "$work/w.csv" --target kind --categorical colour,kind "${t[@]}" --keep-stats -o "$work/k.forest"
"$forest" importance -m "$work/k.forest" | grep -q '^colour ' || fail "importance: no names"

# What is wrong is told.
w=(train --target kind --task classification -n 2 -o "$out/x")
refused 3 "line 2, column 'colour'" "${w[@]}" --data "$work/w.csv"
refused 3 "no column 'taste'" "${w[@]}" --data "$work/w.csv" --categorical taste
refused 3 "words of the target are classes" train --data "$work/w.csv" --target kind --categorical colour,kind -n 2 -o "$out/x"
sed '5s/.*/0.5,mauve,cat/' "$work/w.csv" >"$work/mauve.csv"
refused 3 "mauve.csv: line 5, column 'colour': the model knows no 'mauve' here" predict -m "$work/w.forest" --data "$work/mauve.csv" --target kind -o "$out/x"
"$forest" predict -m "$work/w.forest" --data "$work/mauve.csv" --target kind --missing nan -o "$work/p" || fail "an unknown word as a missing value"
sed '5s/.*/0.5,,cat/' "$work/w.csv" >"$work/hole.csv"
refused 3 "line 5, column 'colour': the value is missing" predict -m "$work/w.forest" --data "$work/hole.csv" --target kind -o "$out/x"
sed '1s/.*/colour,size,kind/' "$work/n.csv" >"$work/swapped.csv"
refused 3 "feature 0 is called 'colour', where the model was trained with 'size'" predict -m "$work/n.forest" --data "$work/swapped.csv" --target kind -o "$out/x"
finish
