#!/bin/bash
# SPDX-License-Identifier: MIT
# The headline job on the California housing data: scikit-learn's numbers, from any number of workers.
. "$(dirname "$0")/forest.inc"
data=$(california) || { echo "no California housing data here (FOREST_DATA=file.csv)"; exit 77; }

want="0.2983 0.2826 0.2761 0.2716 0.2694 0.2686 0.2662 0.2663 0.2635 0.2622 0.2616 0.2609 0.2615 0.2608 0.2614 0.2616 0.2617 0.2614 0.2607 0.2601"
counts="1 2 5"
case ${BUILD_DIR:-} in */thread) counts=2 ;; esac # ThreadSanitizer makes it 50 times slower
for w in $counts; do
    "$forest" sweep --data "$data" --target MedHouseVal --seed 201 --test-size 0.2 --models 20 --start 8 --step 4 \
        --workers $w --json >"$work/$w.json" || fail "sweep with $w workers"
    answers "$work/$w.json" >"$work/$w"
    same "the errors with $w workers" "$(awk '{printf "%s%.4f", (NR > 1 ? " " : ""), $2}' "$work/$w")" "$want"
    # scikit-learn's own, to the last bit: 17 digits tell a double from its neighbours.
    awk '$1 == "sweep" && $2 == 201 {print $3, $4}' tests/forest/golden/california.txt | cmp - "$work/$w" ||
        fail "$w workers: not scikit-learn's last digits"
done
finish
