#!/bin/bash
# SPDX-License-Identifier: MIT
# What data may be: CSV or .npy, compressed or not, with values missing or not; the same model.
. "$(dirname "$0")/forest.inc"

"$forest" gen --rows 200 --seed 2 -o "$work/d.csv" && "$forest" gen --rows 200 --seed 2 -o "$work/d.npy" || fail gen
sed 1d "$work/d.csv" >"$work/bare.csv"
gzip -k "$work/d.csv" "$work/d.npy"
{ head -n 100 "$work/d.csv" | gzip; tail -n +101 "$work/d.csv" | gzip; } >"$work/two.csv.gz"
t=("$forest" train -n 3 -w 1 -q)
"${t[@]}" --data "$work/d.csv" --target y -o "$work/m" || fail train
files=("$work/d.csv.gz" "$work/two.csv.gz")
if command -v lz4 >/dev/null; then
    lz4 -q -k "$work/d.csv" "$work/d.csv.lz4"
    files+=("$work/d.csv.lz4")
fi
for f in "${files[@]}"; do
    "${t[@]}" --data "$f" --target y -o "$work/n" && cmp "$work/m" "$work/n" || fail "$f"
done
"${t[@]}" --data "$work/bare.csv" --target 10 -o "$work/m" || fail "train without a header"
for f in "$work/d.npy" "$work/d.npy.gz"; do
    "${t[@]}" --data "$f" --target 10 -o "$work/n" && cmp "$work/m" "$work/n" || fail "$f"
done
"${t[@]}" --data - --target 10 -o "$work/n" <"$work/d.npy.gz" && cmp "$work/m" "$work/n" || fail "a pipe"

# Every kind of number of numpy; Fortran's order.
if command -v python3 >/dev/null; then
    python3 - "$work" <<'END' || fail "python"
import struct, sys
def npy(name, descr, fmt, rows, fortran=False):
    head = "{'descr': '%s', 'fortran_order': %s, 'shape': (%d, %d), }" % (descr, fortran, len(rows), len(rows[0]))
    head += " " * (63 - (10 + len(head)) % 64) + "\n"
    cells = [x for row in (zip(*rows) if fortran else rows) for x in row]
    with open(sys.argv[1] + "/" + name, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + struct.pack("%s%d%s" % (descr[0].replace("|", "<"), len(cells), fmt), *cells))
rows = [[i, i * i % 7, 100 - i] for i in range(100)]
for name, descr, fmt in [("f4", "<f4", "f"), ("f8", "<f8", "d"), ("i1", "|i1", "b"), ("u1", "|u1", "B"), ("i2", "<i2", "h"),
                         ("u4", "<u4", "I"), ("i8", "<i8", "q"), ("u8", "<u8", "Q"), ("f2", "<f2", "e"), ("big-f2", ">f2", "e"),
                         ("big-f4", ">f4", "f"), ("big-f8", ">f8", "d"), ("big-i2", ">i2", "h"), ("big-u4", ">u4", "I"), ("big-i8", ">i8", "q")]:
    npy("k.%s.npy" % name, descr, fmt, rows)
npy("k.order.npy", "<f4", "f", rows, True)
npy("k.big-order.npy", ">i2", "h", rows, True)
truths = [[i % 2, i // 3 % 2, (i + 1) % 2] for i in range(100)]
npy("b.b1.npy", "|b1", "?", truths)
npy("b.f8.npy", "<f8", "d", truths)
npy("object.npy", "|O", "q", truths)
negative = [[-x for x in row] for row in rows]
npy("n.i1.npy", "|i1", "b", negative)
npy("n.f8.npy", "<f8", "d", negative)
npy("nan.npy", "<f8", "d", [[1, 2], [float("nan"), 4], [5, 6]])
npy("inf.npy", "<f8", "d", [[1, 2], [1e300, 4]])
END
    "${t[@]}" --data "$work/k.f8.npy" --target 2 -o "$work/m"
    for k in "$work"/k.*.npy; do
        "${t[@]}" --data "$k" --target 2 -o "$work/n" && cmp "$work/m" "$work/n" || fail "$k"
    done
    "${t[@]}" --data "$work/b.f8.npy" --target 2 -o "$work/m"
    "${t[@]}" --data "$work/b.b1.npy" --target 2 -o "$work/n" && cmp "$work/m" "$work/n" || fail booleans
    refused 3 "object.npy: elements of type '|O', which is Python objects" train --data "$work/object.npy" --target 2 -o "$out/x"
    "${t[@]}" --data "$work/n.f8.npy" --target 2 -o "$work/m"
    "${t[@]}" --data "$work/n.i1.npy" --target 2 -o "$work/n" && cmp "$work/m" "$work/n" || fail "negative integers"
    refused 3 "row 1, column '0': the value is missing" train --data "$work/nan.npy" --target 1 -o "$out/x"
    refused 3 "row 1, column '0': the value is too large" train --data "$work/inf.npy" --target 1 -o "$out/x"
    refused 3 "no column '2'; there are 2" split --data "$work/nan.npy" --target 2 --train-out "$out/a" --test-out "$out/b"
    # split: the same rows as of a CSV file
    "$forest" split --data "$work/k.order.npy" --seed 5 --train-out "$work/a.npy" --test-out "$work/b.npy" || fail "split .npy"
    python3 -c 'for i in range(100): print(i, i * i % 7, 100 - i, sep=",")' >"$work/k.csv"
    "$forest" split --data "$work/k.csv" --seed 5 --train-out "$work/a.csv" --test-out "$work/b.csv" || fail "split"
    "$forest" split --data "$work/k.big-order.npy" --seed 5 --train-out "$work/big.npy" --test-out "$work/rest.npy" || fail "split, big-endian"
    grep -aq "'<i2', 'fortran_order': False" "$work/big.npy" && tail -c +129 "$work/big.npy" | od -An -v -w6 -td2 | awk -v OFS=, '{ print $1, $2, $3 }' | cmp - "$work/a.csv" || fail "split: big-endian"
    for part in a b; do
        tail -c +129 "$work/$part.npy" | od -An -v -w12 -tf4 | awk -v OFS=, '{ print $1, $2, $3 }' | cmp - "$work/$part.csv" || fail "split: $part"
    done
fi

# Missing values: an error, or a value of their own with histograms.
awk -F, -v OFS=, 'NR % 5 == 3 { $4 = "" } NR % 7 == 3 { $1 = "NA" } 1' "$work/d.csv" >"$work/holes.csv"
refused 3 "holes.csv: line 3, column 'x0': the value is missing" train --data "$work/holes.csv" --target y -o "$out/x"
refused 2 "nan is for --mode hist" train --data "$work/holes.csv" --target y --missing nan -o "$out/x"
"${t[@]}" --data "$work/holes.csv" --target y --missing nan --mode hist --oob -o "$work/h" >"$work/oob" || fail "--missing nan"
"$forest" eval -m "$work/h" --data "$work/holes.csv" --target y --missing nan --json | awk -F'"r2":' '{ exit !($2 + 0 > 0.5) }' || fail "eval --missing nan"
refused 3 "the value is missing" eval -m "$work/h" --data "$work/holes.csv" --target y
"$forest" importance -m "$work/h" --data "$work/holes.csv" --target y --permutation --missing nan >"$work/i" || fail "importance --missing nan"
"$forest" sweep --data "$work/holes.csv" --target y --missing nan --mode hist --models 2 --start 2 --workers 2 >"$work/s" || fail "sweep --missing nan"
awk -F, -v OFS=, 'NR == 4 { $11 = "" } 1' "$work/d.csv" >"$work/no.csv"
refused 3 "row 3: the target is missing" train --data "$work/no.csv" --target y --missing nan --mode hist -o "$out/x"

# Damaged files.
head -c 500 "$work/d.csv.gz" >"$work/cut.gz"
refused 3 "cut.gz: the compressed file is damaged or cut off" train --data "$work/cut.gz" --target y -o "$out/x"
{ head -c 300 "$work/d.csv.gz"; head -c 300 /dev/zero; tail -c +601 "$work/d.csv.gz"; } >"$work/zero.gz"
refused 3 "damaged or cut off" train --data "$work/zero.gz" --target y -o "$out/x"
printf '\004\042\115\030garbage' >"$work/bad.lz4"
refused 3 "damaged or cut off" train --data "$work/bad.lz4" --target y -o "$out/x"
head -c 1000 "$work/d.npy" >"$work/cut.npy"
refused 3 "cut.npy: the .npy file has" train --data "$work/cut.npy" --target 10 -o "$out/x"
finish
