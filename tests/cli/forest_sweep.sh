#!/bin/bash
# SPDX-License-Identifier: MIT
# forest sweep: the same table from any number of workers, what it prints, what it leaves.
. "$(dirname "$0")/forest.inc"
generate 2000 >"$work/d.csv"
sweep=("$forest" sweep --data "$work/d.csv" --target y --seed 7 --models 6 --start 3 --step 5)
store=test-forest-$$
shm=/dev/shm/objstore-$(id -u)/$store

"${sweep[@]}" --sequential --json >"$work/0.json" || fail sequential
answers "$work/0.json" >"$work/want"
same "models" "$(awk '{printf "%s ", $1}' "$work/want")" "3 8 13 18 23 28 "
for w in 1 2 5; do
    "${sweep[@]}" --workers $w --json >"$work/$w.json" 2>"$work/stderr" || fail "$w workers"
    answers "$work/$w.json" | cmp - "$work/want" || fail "$w workers give another answer"
    [ -s "$work/stderr" ] && fail "$w workers: $(cat "$work/stderr")"
done
"${sweep[@]}" --workers 2 --seed 8 --json >"$work/8.json"
answers "$work/8.json" | cmp -s - "$work/want" && fail "the seed makes no difference"

# A model of the sweep is the model that split, train and eval give.
"$forest" split --data "$work/d.csv" --target y --test-size 0.2 --seed 7 --train-out "$out/a" --test-out "$out/b"
"$forest" train --data "$out/a" --target y -n 13 --seed 7 -w 2 -q -o "$out/m"
mse=$("$forest" eval --model "$out/m" --data "$out/b" --target y --json | sed 's/.*"mse":\([^,]*\),.*/\1/')
same "mse of 13 trees" "$(grep '^13 ' "$work/want")" "13 $mse"
rm "$out"/*

# Text: a line per model as it finishes, then the table; the speed-up with --compare.
"${sweep[@]}" --workers 2 --compare --memory --timeline "$out/t.svg" --progress always >"$work/text" 2>"$work/stderr" || fail compare
same "lines of both ways" "$(grep -cE '^n_estimators=[0-9]+, mse=[0-9]+\.[0-9]{4}, took [0-9]+\.[0-9]{2} s \(pid [0-9]+\)$' "$work/text")" 12
for line in '^x_train +float32\[1600, 10\] +62.5 KiB +[0-9a-f]{32}$' '^y_test +float64\[400\] ' '^parallel, 2 workers +[0-9.]+ s$' \
    '^sequential +[0-9.]+ s$' '^speed-up +[0-9.]+$' '^worker +[0-9]+ ' "^ +13 +$(printf %.4f "$mse") "; do
    grep -qE "$line" "$work/text" || fail "no line like '$line' in: $(cat "$work/text")"
done
same "order of the table" "$(awk '/^n_estimators /{t = 1; next} t && NF > 4 {printf "%s ", $1} t && NF == 0 {exit}' "$work/text")" "3 8 13 18 23 28 "
grep -q 'trees, .* %, ' "$work/stderr" || fail "no progress: $(cat "$work/stderr")"
"${sweep[@]}" --workers 2 2>&1 >/dev/null | grep . && fail "progress without a terminal"

# The timeline, both ways.
"${sweep[@]}" --workers 2 --timeline "$out/t.json" >/dev/null || fail "timeline.json"
same "output files" "$(ls -A "$out" | tr '\n' ' ')" "t.json t.svg "
grep -q '<title>n=28 tree 0&#10;worker [01], pid [0-9]*, attempt 1&#10;' "$out/t.svg" || fail "no bar for a tree"
same "bars" "$(grep -c '<rect class="b"' "$out/t.svg")" 99 # 93 trees and 6 scores
same "bars in the trace" "$(grep -c '"ph":"X"' "$out/t.json")" 99
grep -qE '(src|href|<script)' "$out/t.svg" && fail "the picture needs something from elsewhere"
if command -v python3 >/dev/null; then
    python3 - "$work"/[0-9].json "$out/t.json" "$out/t.svg" <<'END' || fail "not JSON, or not XML"
import json, sys, xml.dom.minidom
for path in sys.argv[1:-2]:
    d = json.load(open(path))
    assert [m["n_estimators"] for m in d["models"]] == [3, 8, 13, 18, 23, 28], path
    assert all(m["seconds"] > 0 and m["pid"] > 0 and 0 < m["mse"] < 100 for m in d["models"]), path
    assert (d["parallel_seconds"] is None) == (d["workers"] == 0), path
    assert {"sequential_seconds", "speedup", "objects"} <= d.keys(), path
events = [e for e in json.load(open(sys.argv[-2]))["traceEvents"] if e["ph"] == "X"]
for w in (0, 1):  # a worker does one thing at a time
    end = 0
    for e in sorted((e for e in events if e["tid"] == w), key=lambda e: e["ts"]):
        assert e["ts"] >= end - 0.01, e
        end = e["ts"] + e["dur"]
xml.dom.minidom.parse(sys.argv[-1])
END
fi
rm "$out"/*

# A store of that name is made and goes with us; one that was there stays, without our objects.
"${sweep[@]}" --workers 2 --store $store --json >"$work/s.json" || fail "--store"
answers "$work/s.json" | cmp - "$work/want" || fail "--store makes a difference"
[ -e "$shm" ] && fail "$shm was left"
refused 3 "place: cannot make a store" sweep --data "$work/d.csv" --target y --store "$work/no/such/place"
refused 3 "d.csv: cannot make a store" sweep --data "$work/d.csv" --target y --store "$work/d.csv"
head -c 1000000 /dev/zero >"$work/zeros"
refused 3 "zeros: cannot make a store" sweep --data "$work/d.csv" --target y --store "$work/zeros"

# Trees in common: the same answers, each tree trained once, by both ways; in a store that stays, once
# for all, and only for the same rows and parameters.
trained() { sed -n 's/.*"trees":\([0-9]*\),"reuse_trees":true,"trees_trained":\([0-9]*\),.*/\1 \2/p' "$1" | grep . || echo nothing; }
"${sweep[@]}" --workers 2 --compare --reuse-trees --json >"$work/r.json" || fail "--reuse-trees"
answers "$work/r.json" | cmp - "$work/want" || fail "--reuse-trees makes a difference"
same "trees used and trained" "$(trained "$work/r.json")" "93 28"
"${BUILD_DIR:-$PWD/build}/bin/objstore" create --capacity 32M $store || fail create
for want in "93 28" "93 0"; do
    "${sweep[@]}" --workers 2 --reuse-trees --store $store --json >"$work/r.json" || fail "--reuse-trees --store"
    answers "$work/r.json" | cmp - "$work/want" || fail "--reuse-trees makes a difference in a store that stays"
    same "trees used and trained" "$(trained "$work/r.json")" "$want"
done
"${sweep[@]}" --workers 2 --reuse-trees --store $store --models 7 --json >"$work/r.json" || fail "--reuse-trees, one model more"
same "trees used and trained" "$(trained "$work/r.json")" "126 5"
"${sweep[@]}" --workers 2 --reuse-trees --store $store --max-depth 3 --json >"$work/r.json" || fail "--reuse-trees, other trees"
same "trees used and trained" "$(trained "$work/r.json")" "93 28"
same "objects that stay" "$("${BUILD_DIR:-$PWD/build}/bin/objstore" ls --json $store | wc -l)" $((33 + 28))
"${BUILD_DIR:-$PWD/build}/bin/objstore" destroy $store || fail destroy

# Not enough room for the trees, and more than any machine has.
"${sweep[@]}" --workers 2 --store-size 1 --json >"$work/stdout" 2>"$work/stderr"
same "exit code with a full store" $? 3
grep -q 'failed: .*--store-size' "$work/stderr" || fail "full store: $(cat "$work/stderr")"
same "lines about a full store" "$(wc -l <"$work/stderr")" 1
[ -s "$work/stdout" ] && fail "a document although it failed"
refused 3 "cannot make a store of 1.0 TiB" sweep --data "$work/d.csv" --target y --store-size 1T
refused 2 "--timeline: 't.png' ends in none of" sweep --data "$work/d.csv" --target y --models 1 --timeline t.png
# A timeline that cannot be written is found before the work where it can be, and takes no answer away.
refused 3 "$work/none/t.svg: cannot write it (No such file" sweep --data "$work/d.csv" --target y --timeline "$work/none/t.svg"
"$forest" sweep --data "$work/d.csv" --target y --models 1 --json --timeline /dev/full >"$work/json" 2>"$work/stderr"
same "exit code with a full disk" $? 3
same "message" "$(cat "$work/stderr")" "forest: /dev/full: cannot write it (No space left on device)"
[ "$(answers "$work/json" | wc -l)" = 1 ] || fail "no answer beside the timeline that could not be written"

# A file system that is too small for the store.
if [ "$(id -u)" = 0 ] && mkdir "$work/small" && mount -t tmpfs -o size=256k none "$work/small" 2>/dev/null; then
    refused 3 "small/s: cannot make a store" sweep --data "$work/d.csv" --target y --store "$work/small/s"
    same "what is left there" "$(ls -A "$work/small")" ""
    umount "$work/small"
fi
finish
