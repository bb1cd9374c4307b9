#!/bin/bash
# SPDX-License-Identifier: MIT
# split -> train -> predict -> eval: files in, files out, the same whoever trains.
. "$(dirname "$0")/forest.inc"

generate 600 >"$work/d.csv"
sed 's/$/\r/' "$work/d.csv" >"$work/crlf.csv"

# Every row is copied as it stands, each once, and a row's line end does not matter.
for d in d crlf; do
    "$forest" split --data "$work/$d.csv" --target y --test-size 0.2 --seed 5 --train-out "$out/$d.a" --test-out "$out/$d.b" ||
        fail "split $d"
done
same "train rows" "$(wc -l <"$out/d.a")" 481
same "test rows" "$(wc -l <"$out/d.b")" 121
same "rows" "$({ sed 1d "$out/d.a"; sed 1d "$out/d.b"; } | sort | md5sum)" "$(sed 1d "$work/d.csv" | sort | md5sum)"
cmp "$out/d.a" "$out/crlf.a" && cmp "$out/d.b" "$out/crlf.b" || fail "CRLF makes a difference"
"$forest" split --data "$work/d.csv" --target y --test-size 0.2 --seed 6 --train-out "$out/c" --test-out "$out/e"
cmp -s "$out/d.b" "$out/e" && fail "the seed makes no difference"
same "split --json" "$("$forest" split --data "$work/d.csv" --seed 5 --test-size 0.2 --train-out "$out/j.a" --test-out "$out/j.b" --json)" \
    '{"train_rows":480,"test_rows":120,"seed":5}'
cmp "$out/d.b" "$out/j.b" || fail "--json makes a difference"

# The model does not depend on the number of workers, nor on the form of the file.
for w in 1 2 3; do
    "$forest" train --data "$out/d.a" --target y -n 9 --seed 3 -w $w -o "$out/$w.forest" 2>"$work/stderr" || fail "train -w $w"
    [[ $(cat "$work/stderr") == "$out/$w.forest: 9 trees on 480 rows of 10 features"* ]] || fail "summary: $(cat "$work/stderr")"
    cmp "$out/1.forest" "$out/$w.forest" || fail "$w workers train another model"
done
"$forest" train --data "$out/d.a" --target y -n 19 --seed 3 --oob --json -o "$out/j.forest" >"$work/j" 2>"$work/stderr" || fail "train --json"
same "with --json, standard error" "$(cat "$work/stderr")" ""
sed 's/"seconds":[0-9.e-]*,"oob_score":0\.[0-9]*}$/.../' "$work/j" | grep -qxF "{\"model\":\"$out/j.forest\",\"rows\":480,\"features\":10,\"n_estimators\":19,\"bytes\":$(stat -c %s "$out/j.forest"),..." || fail "train --json: $(cat "$work/j")"
for mode in hist fast; do
    for w in 1 2 3; do
        "$forest" train --data "$out/d.a" --target y --mode $mode -n 9 --seed 3 -w $w -q -o "$out/$mode.$w" || fail "train --mode $mode -w $w"
        cmp "$out/$mode.1" "$out/$mode.$w" || fail "$w workers train another model in mode $mode"
    done
    cmp -s "$out/1.forest" "$out/$mode.1" && fail "mode $mode makes no difference"
    "$forest" info --model "$out/$mode.1" | grep -qE "^mode +$mode\$" || fail "info does not tell the mode: $("$forest" info --model "$out/$mode.1")"
done
cmp -s "$out/hist.1" "$out/fast.1" && fail "modes hist and fast make no difference"
"$forest" train --data - --target y -n 9 --seed 3 -w 1 -q -o - <"$out/d.a" | cmp - "$out/1.forest" || fail "pipes"
"$forest" train --data "$out/d.a" --target y -n 9 --seed 4 -w 1 -q -o "$out/4.forest"
cmp -s "$out/1.forest" "$out/4.forest" && fail "the seed makes no difference"

"$forest" predict --model "$out/1.forest" --data "$out/d.b" --json -o - | sed 's/^{"prediction": \(.*\)}$/\1/' >"$work/j"
"$forest" predict --model "$out/1.forest" --data "$out/d.b" -o - | sed 1d | paste -d' ' - "$work/j" | awk '$1 != $2 { exit 1 } END { exit NR != 120 }' || fail "predict --json"

# Predictions: 17 digits in CSV, the same doubles in .npy and on standard output.
"$forest" predict --model "$out/1.forest" --data "$out/d.b" --target y -o "$out/p.csv" || fail predict
"$forest" predict --model "$out/1.forest" --data "$out/d.b" --target y -o "$out/p.npy" || fail "predict .npy"
"$forest" predict --model "$out/1.forest" --data "$out/d.b" --target y -o - | cmp - "$out/p.csv" || fail "predict -"
cut -d, -f1-10 "$out/d.b" >"$out/x.csv"
"$forest" predict --model "$out/1.forest" --data "$out/x.csv" -o - | cmp - "$out/p.csv" || fail "without a target"
same header "$(head -n 1 "$out/p.csv")" prediction
same "prediction lines" "$(wc -l <"$out/p.csv")" 121
same "size of .npy" "$(stat -c %s "$out/p.npy")" $((128 + 120 * 8))
tail -c +129 "$out/p.npy" | od -An -v -w8 -tf8 | awk '{print $1 + 0}' >"$work/npy"
sed 1d "$out/p.csv" | awk '{print $1 + 0}' | cmp - "$work/npy" || fail ".npy and .csv differ"

# eval agrees with what awk makes of the predictions.
"$forest" eval --model "$out/1.forest" --data "$out/d.b" --target y --json >"$work/eval.json" || fail eval
want=$(paste -d, <(cut -d, -f11 "$out/d.b") "$out/p.csv" | awk -F, 'NR > 1 { e = $1 - $2; s += e * e; a += e < 0 ? -e : e; m += $1; q += $1 * $1; n++ }
    END { printf "%d %.9f %.9f %.9f", n, s / n, a / n, 1 - s / (q - m * m / n) }')
got=$(tr ',{}' '\n\n\n' <"$work/eval.json" | awk -F: '{ v[$1] = $2 } END { printf "%d %.9f %.9f %.9f", v["\"rows\""], v["\"mse\""], v["\"mae\""], v["\"r2\""] }')
same "rows, mse, mae, r2" "$got" "$want"
finish
