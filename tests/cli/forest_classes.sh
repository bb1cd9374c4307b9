#!/bin/bash
# SPDX-License-Identifier: MIT
# Classification and what the other forests have: train, predict, eval, sweep, importance, info.
. "$(dirname "$0")/forest.inc"

# Labels 1.5, 4 and 10, told by the first features of generate().
generate 500 | awk -F, -v OFS=, 'NR == 1 { print; next } { $11 = $11 < 12 ? 4 : $11 < 17 ? 10 : 1.5; print }' >"$work/c.csv"
generate 300 >"$work/r.csv"
head -n 401 "$work/c.csv" >"$work/train.csv"
{ head -n 1 "$work/c.csv"; tail -n 100 "$work/c.csv"; } >"$work/test.csv"
train=("$forest" train --data "$work/train.csv" --target y --task classification -n 20 --seed 3 -q)

# The model and its out-of-bag score do not depend on the number of workers.
for w in 1 2 3; do
    "${train[@]}" -w $w --oob --keep-stats -o "$out/$w.forest" >"$work/oob.$w" || fail "train -w $w"
    cmp "$out/1.forest" "$out/$w.forest" || fail "$w workers train another model"
    cmp "$work/oob.1" "$work/oob.$w" || fail "$w workers tell another score"
done
awk '$1 != "oob_score" || $2 < 0.5 || $2 >= 1 { exit 1 }' "$work/oob.1" || fail "oob: $(cat "$work/oob.1")"

# Predictions are labels; probabilities are a row of numbers with sum 1, the greatest is the prediction's.
m=$out/1.forest
"$forest" predict --model "$m" --data "$work/test.csv" --target y -o "$work/p.csv" || fail predict
"$forest" predict --model "$m" --data "$work/test.csv" --target y --proba -o "$work/q.csv" || fail "predict --proba"
"$forest" predict --model "$m" --data "$work/test.csv" --target y --proba -o "$work/q.npy" || fail "predict --proba .npy"
same labels "$(sed 1d "$work/p.csv" | sort -u | tr '\n' ' ')" "1.5 10 4 "
same header "$(head -n 1 "$work/q.csv")" "probability of 1.5,probability of 4,probability of 10"
same "size of .npy" "$(stat -c %s "$work/q.npy")" $((128 + 100 * 3 * 8))
tail -c +129 "$work/q.npy" | od -An -v -w24 -tf8 | awk '{print $1 + 0, $2 + 0, $3 + 0}' >"$work/npy"
sed 1d "$work/q.csv" | awk -F, '{print $1 + 0, $2 + 0, $3 + 0}' | cmp - "$work/npy" || fail "CSV and .npy differ"
paste -d' ' "$work/npy" <(sed 1d "$work/p.csv") | awk '
    { sum = $1 + $2 + $3; best = $1 >= $2 && $1 >= $3 ? 1.5 : $2 >= $3 ? 4 : 10 }
    sum < 0.999999 || sum > 1.000001 || best != $4 { exit 1 }' || fail "probabilities and predictions do not agree"

"$forest" predict --model "$m" --data "$work/test.csv" --proba --json -o - | tr -d '{}":,' | awk '{ print $3, $5, $7 }' | awk '{ print $1 + 0, $2 + 0, $3 + 0 }' |
    cmp - "$work/npy" || fail "probabilities in JSON differ"

# eval counts what is right.
right=$(paste -d' ' <(cut -d, -f11 "$work/test.csv" | sed 1d) <(sed 1d "$work/p.csv") | awk '$1 == $2' | wc -l)
"$forest" eval --model "$m" --data "$work/test.csv" --target y --json >"$work/eval" || fail eval
awk -v right="$right" -F'"accuracy":' '{ if ($2 + 0 != right / 100) exit 1 }' "$work/eval" || fail "$right right, but $(cat "$work/eval")"

# The first features say it all, by impurity and by permutation.
"$forest" importance --model "$m" --data "$work/train.csv" --target y --svg "$work/i.svg" >"$work/i" || fail importance
same "importance lines" "$(wc -l <"$work/i")" 10
head -n 3 "$work/i" | cut -d' ' -f1 | sort | tr '\n' ' ' | grep -qx 'x[0-4] x[0-4] x[0-4] ' || fail "importance: $(cat "$work/i")"
[ "$(grep -c '<rect' "$work/i.svg")" = 10 ] && tail -n 1 "$work/i.svg" | grep -qx '</svg>' || fail "importance --svg"
"$forest" importance --model "$m" --data "$work/test.csv" --target y --permutation --repeats 3 --top 4 --json >"$work/i" || fail "--permutation"
same "importance --top" "$(grep -o '"importance":' "$work/i" | wc -l) $(grep -o '"deviation":' "$work/i" | wc -l)" "4 4"
"$forest" importance --model "$m" --json | tr '{' '\n' | sed -n 's/.*"importance":\([^}]*\).*/\1/p' | awk '{ s += $1 } END { exit !(s > 0.999999 && s < 1.000001) }' ||
    fail "importances do not sum to 1"

# info: parameters, and a tree in which every question has two answers.
"$forest" info --model "$m" >"$work/info" || fail info
grep -qx 'task  *classification' "$work/info" && grep -qx 'classes  *3' "$work/info" && grep -qx 'max_features  *sqrt' "$work/info" || fail "info: $(cat "$work/info")"
"$forest" info --model "$m" --tree 3 --depth 99 --data "$work/train.csv" --target y >"$work/tree" || fail "info --tree"
same "leaves and questions" "$(($(grep -c predicts "$work/tree") - $(grep -c '<=' "$work/tree")))" 1
same "nodes" "$("$forest" info --model "$m" --tree 3 --depth 99 --json | wc -l)" "$(wc -l <"$work/tree")"
"$forest" info --model "$m" --tree 3 --depth 1 | tail -n 1 | grep -q 'below level 1; --depth' || fail "info --depth"

# The target need not be told again, where the model knows it.
"$forest" importance --model "$m" --data "$work/test.csv" --permutation --repeats 3 --top 4 --json >"$work/j" || fail "no --target"
cmp -s "$work/i" "$work/j" || fail "another importance without --target"
"$forest" info --model "$m" --tree 3 --depth 99 --data "$work/train.csv" >"$work/tree2" || fail "info without --target"
cmp -s "$work/tree" "$work/tree2" || fail "another tree without --target"

# A sweep of classifiers tells accuracies, from workers as from one process.
"$forest" sweep --data "$work/c.csv" --target y --task classification --models 3 --start 5 --workers 2 --compare --class-weight balanced >"$work/sweep" || fail sweep
same "sweep lines" "$(grep -c '^n_estimators=[0-9]*, accuracy=0\.[0-9]*, took' "$work/sweep")" 6

# Every kind and parameter makes a model that differs from the plain one.
kinds=(--extra-trees "--extra-trees --bootstrap" "--criterion entropy" "--max-leaf-nodes 7" "--ccp-alpha 0.01" "--class-weight balanced"
    "--class-weight balanced_subsample" "--max-features all" "--max-features log2 --min-samples-leaf 0.02" "--min-samples-split 0.1"
    "--min-weight-fraction-leaf 0.05" "--min-impurity-decrease 0.01" "--max-samples 0.5")
for kind in "${kinds[@]}"; do
    # shellcheck disable=SC2086
    "${train[@]}" -w 2 $kind -o "$out/k.forest" || fail "train $kind"
    "$forest" eval --model "$out/k.forest" --data "$work/test.csv" --target y --json | awk -F'"accuracy":' '{ exit !($2 + 0 > 0.5) }' || fail "$kind: bad"
    cmp -s "$out/k.forest" "$out/1.forest" && fail "$kind makes no difference"
    # The other modes have it, too, from any number of workers.
    for mode in fast hist; do
        # shellcheck disable=SC2086
        "${train[@]}" -w 1 --mode $mode $kind -o "$out/$mode.1" || fail "train --mode $mode $kind"
        # shellcheck disable=SC2086
        "${train[@]}" -w 3 --mode $mode $kind -o "$out/$mode.3" || fail "train --mode $mode $kind -w 3"
        cmp "$out/$mode.1" "$out/$mode.3" || fail "$kind in mode $mode: workers make a difference"
        "$forest" eval --model "$out/$mode.1" --data "$work/test.csv" --target y --json | awk -F'"accuracy":' '{ exit !($2 + 0 > 0.5) }' || fail "$kind in mode $mode: bad"
    done
done
for kind in "--criterion friedman_mse" --extra-trees "--max-leaf-nodes 20" "--ccp-alpha 0.1"; do
    # shellcheck disable=SC2086
    for mode in exact fast hist; do
        # shellcheck disable=SC2086
        "$forest" train --data "$work/r.csv" --target y -n 8 -q -w 2 --mode $mode $kind -o "$out/k.forest" || fail "train --mode $mode $kind"
        "$forest" eval --model "$out/k.forest" --data "$work/r.csv" --target y --json | awk -F'"r2":' '{ exit !($2 + 0 > 0.7) }' || fail "$kind in mode $mode: bad"
    done
done
"${train[@]}" -w 2 -o "$work/plain.forest"
rm -f "$out"/*

# What makes no sense is said in one line.
sed '2s/[^,]*$/red/' "$work/train.csv" >"$work/words.csv"
refused 3 "words.csv: line 2*red" train --data "$work/words.csv" --target y --task classification -o "$out/x"
t=(train --data "$work/train.csv" --target y -o "$out/x")
refused 2 "gini is not for regression" "${t[@]}" --criterion gini
refused 2 "squared_error is not for classification" "${t[@]}" --task classification --criterion squared_error
refused 2 "--class-weight makes no sense" "${t[@]}" --class-weight balanced
refused 2 "--max-samples makes no sense" "${t[@]}" --extra-trees --max-samples 0.5
refused 2 "--oob makes no sense" "${t[@]}" --extra-trees --oob
refused 2 "exclude each other" "${t[@]}" --bootstrap --no-bootstrap
refused 2 "--ccp-alpha: -1 is below 0" "${t[@]}" --ccp-alpha -1
refused 2 "--max-leaf-nodes" "${t[@]}" --max-leaf-nodes 1
refused 2 "--min-samples-leaf: '0' is not" "${t[@]}" --min-samples-leaf 0
refused 2 "--min-samples-leaf: a fraction below 1" "${t[@]}" --min-samples-leaf 1.0
refused 2 "--min-weight-fraction-leaf: 0.6 is not" "${t[@]}" --min-weight-fraction-leaf 0.6
refused 3 "it was trained without --keep-stats" importance --model "$work/plain.forest"
refused 2 "--permutation needs rows" importance --model "$work/plain.forest" --permutation
refused 3 "it has 20 trees" info --model "$work/plain.forest" --tree 20
"$forest" train --data "$work/r.csv" --target y -n 2 -q -o "$work/r.forest"
refused 3 "--proba is for classes" predict --model "$work/r.forest" --data "$work/r.csv" --target y --proba -o "$out/p"
finish
