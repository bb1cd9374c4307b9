#!/bin/bash
# SPDX-License-Identifier: MIT
# Tables as they come: other separators, and columns that are no features.
. "$(dirname "$0")/forest.inc"

awk 'BEGIN {
    srand(5); OFS = ","
    print "a,b,y"
    for (i = 0; i < 200; i++) { a = rand(); b = rand(); print a, b, a + 2 * b + rand() / 9 }
}' >"$work/plain.csv"
t=(--target y -n 6 -q -w 1)
"$forest" train --data "$work/plain.csv" "${t[@]}" -o "$work/plain.forest" || fail train
"$forest" predict -m "$work/plain.forest" --data "$work/plain.csv" -o "$work/plain.p" || fail predict

# The same table in other clothes: the same forest.
for separator in ';' '\t' '|'; do
    sed "s/,/$separator/g" "$work/plain.csv" >"$work/other.csv"
    "$forest" train --data "$work/other.csv" "${t[@]}" -o "$work/other.forest" || fail "train, parted by '$separator'"
    cmp "$work/plain.forest" "$work/other.forest" || fail "parted by '$separator'"
    "$forest" predict -m "$work/plain.forest" --data "$work/other.csv" -o - | cmp - "$work/plain.p" || fail "predict, parted by '$separator'"
    "$forest" split --data "$work/other.csv" --target y --train-out "$work/l" --test-out "$work/r" || fail "split"
    cat "$work/l" "$work/r" | sort -u | cmp - <(sort -u "$work/other.csv") || fail "rows are not split as they stand"
done

# --drop: as if the columns were not there, whatever they hold.
awk -F, -v OFS=, 'NR == 1 { print "id", $1, "note", $2, $3; next }
    { print "\"row, " NR "\"", $1, NR % 2 ? "" : "1e999", $2, $3 }' "$work/plain.csv" >"$work/more.csv"
d=(--data "$work/more.csv" --drop id,note)
"$forest" train "${d[@]}" "${t[@]}" -o "$work/more.forest" || fail "train --drop"
cmp "$work/plain.forest" "$work/more.forest" || fail "--drop"
"$forest" predict -m "$work/plain.forest" "${d[@]}" -o - | cmp - "$work/plain.p" || fail "predict --drop"
same mse "$("$forest" eval -m "$work/plain.forest" "${d[@]}" --json)" "$("$forest" eval -m "$work/plain.forest" --data "$work/plain.csv" --json)"
s=(--target y --models 2 --start 3 --workers 1 --json)
"$forest" sweep "${d[@]}" "${s[@]}" >"$work/more" && "$forest" sweep --data "$work/plain.csv" "${s[@]}" >"$work/plain" || fail sweep
same "the sweep's answers" "$(answers "$work/more")" "$(answers "$work/plain")"
"$forest" importance -m "$work/plain.forest" "${d[@]}" --permutation --json | cmp - <("$forest" importance -m "$work/plain.forest" --data "$work/plain.csv" --permutation --json) || fail "importance --drop"
"$forest" info -m "$work/plain.forest" --tree 0 "${d[@]}" | cmp - <("$forest" info -m "$work/plain.forest" --tree 0) || fail "info --drop"
refused 3 "'row, 2' is not a number (--categorical names the columns of words, --drop those to leave out)" train --data "$work/more.csv" --target y -o "$out/x"
refused 3 "no column 'nota'; there are: id, a, note, b, y" train --data "$work/more.csv" --drop id,nota --target y -o "$out/x"
refused 3 "no column 'y'" train --data "$work/plain.csv" --drop y --target y -o "$out/x"
refused 3 "no column besides the target" train --data "$work/plain.csv" --drop a,b --target y -o "$out/x"

# Columns of an array are numbers; one of them is not there for most rows.
if command -v python3 >/dev/null; then
    python3 - "$work/plain.csv" "$work" <<'END' || fail "python"
import struct, sys
rows = [list(map(float, line.split(","))) for line in list(open(sys.argv[1]))[1:]]
def npy(name, rows):
    head = "{'descr': '<f8', 'fortran_order': False, 'shape': (%d, %d), }" % (len(rows), len(rows[0]))
    head += " " * (63 - (10 + len(head)) % 64) + "\n"
    with open(sys.argv[2] + "/" + name, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        f.write(b"".join(struct.pack("<%dd" % len(r), *r) for r in rows))
npy("plain.npy", rows)
npy("more.npy", [r[:1] + [float("nan")] + r[1:] for r in rows])
END
    t=(-n 6 -q -w 1)
    "$forest" train --data "$work/plain.npy" --target 2 "${t[@]}" -o "$work/plain.forest" || fail "train on an array"
    "$forest" train --data "$work/more.npy" --target 3 --drop 1 "${t[@]}" -o "$work/more.forest" || fail "train on an array, --drop"
    "$forest" predict -m "$work/plain.forest" --data "$work/plain.npy" -o "$work/plain.p" || fail "predict, an array"
    "$forest" predict -m "$work/more.forest" --data "$work/more.npy" --drop 1 -o - | cmp - "$work/plain.p" || fail "an array, --drop"
fi
finish
