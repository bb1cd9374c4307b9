#!/bin/bash
# SPDX-License-Identifier: MIT
# Bad input: one clear line, the documented exit code, nothing lost, nothing left behind.
. "$(dirname "$0")/forest.inc"

generate 300 >"$work/good.csv"
"$forest" train --data "$work/good.csv" --target y --n-estimators 4 --seed 1 -w 1 -q -o "$work/good.forest" ||
    fail "cannot train"

# --- the command line ---
refused 2 "no command 'fly'" fly
refused 2 "--data FILE is missing" train --target y -o "$out/m"
refused 2 "unknown option '--dat'" train --dat x
refused 2 "--data needs a value before '--target': FILE" train --data --target y
refused 2 "'x' is one argument too many" train --data a x
refused 2 "--target needs a value: COL" train --data a --target
refused 2 "--n-estimators: 0 is not between" train --n-estimators 0
refused 2 "--n-estimators: 99999999999 is not between" train --n-estimators 99999999999
refused 2 "--n-estimators: 'many'" train --n-estimators many
refused 2 "--seed: 4294967296 is not between" train --seed 4294967296
refused 2 "--workers: 100000 is not between" train --workers 100000
refused 2 "--task: 'poetry' is none of regression" train --task poetry
refused 2 "--max-features" train --data a --target y -o "$out/m" --max-features 1.5
refused 2 "--max-features" train --data a --target y -o "$out/m" --max-features 0
refused 2 "--max-samples" train --data a --target y -o "$out/m" --max-samples -1
refused 2 "--max-samples" train --data a --target y -o "$out/m" --max-samples 0.5 --no-bootstrap
for size in 0 1 -1 1.5; do
    refused 2 "--test-size" split --data "$work/good.csv" --target y --test-size=$size --train-out "$out/a" --test-out "$out/b"
    refused 2 "--test-size" sweep --data "$work/good.csv" --target y --test-size=$size
done
refused 2 "--models: 0 is not between" sweep --models 0
refused 2 "trees; 1000000 are too many" sweep --data a --target y --models 10000 --start 1 --step 1000
refused 2 "trees together" sweep --data a --target y --models 10000 --start 1 --step 100
refused 2 "--step: 0" sweep --data a --target y --step 0
refused 2 "--sequential" sweep --data a --target y --sequential --compare
refused 2 "--store-size: 0" sweep --data a --target y --store-size 0

# --- the data ---
header=$(head -n 1 "$work/good.csv")
row=$(sed -n 2p "$work/good.csv")
: >"$work/empty.csv"
echo "$header" >"$work/header.csv"
{ cat "$work/good.csv"; echo "1,2,3"; } >"$work/ragged.csv"
{ cat "$work/good.csv"; echo "$row,1"; } >"$work/wide.csv"
{ cat "$work/good.csv"; echo "0.1,0.2,0.3,0.4,0.5,0.6,0.7,zero,0.9,1,2"; } >"$work/text.csv"
{ cat "$work/good.csv"; echo "0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1,NaN"; } >"$work/nan.csv"
{ cat "$work/good.csv"; echo "0.1,0.2,,0.4,0.5,0.6,0.7,0.8,0.9,1,2"; } >"$work/missing.csv"
{ cat "$work/good.csv"; echo "0.1,0.2,1e39,0.4,0.5,0.6,0.7,0.8,0.9,1,2"; } >"$work/huge.csv"
{ cat "$work/good.csv"; echo "0.1,0.2,\"0.3,0.4,0.5,0.6,0.7,0.8,0.9,1,2"; } >"$work/quote.csv"
head -c 5000 /dev/urandom >"$work/noise.csv"
{ echo y; echo 1; echo 2; } >"$work/target.csv"
{ echo "$header"; echo "$row"; } >"$work/one.csv"

# every_reader TEXT FILE [SPLIT]: all commands that read data refuse it; split reads no numbers.
every_reader() {
    local text=$1 file=$2
    refused 3 "$file: $text" train --data "$file" --target y -n 2 -w 1 -o "$out/m.forest"
    refused 3 "$file: $text" train --data "$file" --target y -n 2 -w 2 -o "$out/m.forest"
    refused 3 "$file: $text" predict --model "$work/good.forest" --data "$file" --target y -o "$out/p.csv"
    refused 3 "$file: $text" eval --model "$work/good.forest" --data "$file" --target y
    refused 3 "$file: $text" sweep --data "$file" --target y --models 2 --timeline "$out/t.svg"
    [ "${3:-split}" = numbers ] ||
        refused 3 "$file: $text" split --data "$file" --target y --train-out "$out/a" --test-out "$out/b"
}
every_reader "cannot open it (No such file or directory)" "$work/none.csv"
every_reader "cannot read it (Is a directory)" "$work"
every_reader "the file is empty" "$work/empty.csv"
every_reader "there is a header and no row" "$work/header.csv"
every_reader "line 302: 3 fields, where the first line has 11" "$work/ragged.csv"
every_reader "line 302: more than 11 fields" "$work/wide.csv"
every_reader "line 302: a quote is not closed" "$work/quote.csv"
every_reader "line 302, column 'x7': 'zero' is not a number" "$work/text.csv" numbers
for c in "train -o $out/m" "eval --model $work/good.forest" "sweep --models 1"; do
    # shellcheck disable=SC2086
    refused 3 "$work/nan.csv: line 302, column 'y': the value is missing" $c --data "$work/nan.csv" --target y
done
every_reader "line 302, column 'x2': the value is missing" "$work/missing.csv" numbers
# What can be done about it.
printf 'a,b,y\n1,red,3\n4,,6.5\n' >"$work/words.csv"
refused 3 "'red' is not a number (--categorical names the columns of words, --drop those to leave out)" train --data "$work/words.csv" --target y -o "$out/x"
refused 3 "the value is missing (with --mode hist --missing nan it may be)" train --data "$work/words.csv" --target y --categorical b -o "$out/x"
printf 'a;b;y\n1;2,5;3\n4;5;6\n' >"$work/parted.csv"
refused 3 "'2,5' is not a number (a number has a point, not a comma)" train --data "$work/parted.csv" --target y -o "$out/x"
{ echo a,y; for i in $(seq 101); do echo "$i,$i.5"; done; } >"$work/measured.csv"
refused 3 "the target has 101 different numbers such as 1.5, which are no classes" train --data "$work/measured.csv" --target y --task classification -o "$out/x"
every_reader "line 302, column 'x2': '1e39' is too large" "$work/huge.csv" numbers
every_reader "" "$work/noise.csv"
for c in train predict eval sweep split; do
    case $c in
    train) set -- train -o "$out/m" ;;
    predict) set -- predict --model "$work/good.forest" -o "$out/p" ;;
    eval) set -- eval --model "$work/good.forest" ;;
    sweep) set -- sweep ;;
    split) set -- split --train-out "$out/a" --test-out "$out/b" ;;
    esac
    refused 3 "no column 'price'; there are: x0, x1" "$@" --data "$work/good.csv" --target price
done
refused 3 "no column besides the target" train --data "$work/target.csv" --target y -o "$out/m"
refused 3 "cannot split 1 rows" split --data "$work/one.csv" --target y --train-out "$out/a" --test-out "$out/b"
refused 3 "cannot split 1 rows" sweep --data "$work/one.csv" --target y
cut -d, -f1-9 "$work/good.csv" >"$work/few.csv"
refused 3 "it has 9 features, where the model has 10" predict --model "$work/good.forest" --data "$work/few.csv" -o "$out/p"
"$forest" predict --model "$work/good.forest" --data "$work/missing.csv" --target y --missing nan -o "$out/p.csv" &&
    same "predictions with a missing value" "$(wc -l <"$out/p.csv")" 302
rm -f "$out/p.csv"

# --- the model ---
bad_model() { # TEXT FILE
    refused 3 "$2: cannot use it as a model" predict --model "$2" --data "$work/good.csv" --target y -o "$out/p"
    refused 3 "$2: cannot use it as a model" eval --model "$2" --data "$work/good.csv" --target y
}
refused 3 "none.forest: cannot open it" eval --model "$work/none.forest" --data "$work/good.csv" --target y
: >"$work/bad.forest"
bad_model "" "$work/bad.forest"
bad_model "" "$work/good.csv"
size=$(stat -c %s "$work/good.forest")
for cut in 1 31 32 64 200 $((size / 2)) $((size - 1)); do
    head -c "$cut" "$work/good.forest" >"$work/bad.forest"
    bad_model "" "$work/bad.forest"
done
for i in 0 9 12 16 17 30 40 60 100 150 191 192 $((size / 3)) $((size / 2)) $((size * 3 / 4)); do
    cp "$work/good.forest" "$work/bad.forest"
    byte=$(od -An -tu1 -j "$i" -N 1 "$work/good.forest")
    printf "\\x$(printf %x $((byte ^ 4)))" | dd of="$work/bad.forest" bs=1 seek="$i" conv=notrunc status=none
    bad_model "" "$work/bad.forest"
done
{ cat "$work/good.forest"; echo; } >"$work/bad.forest"
bad_model "" "$work/bad.forest"

# --- the store: cut off, of another layout version, damaged; it is left as it was ---
"${forest%/*}/objstore" create -c 4M "$work/good.store" >/dev/null || fail "no store"
bad_store() {
    cp "$work/bad.store" "$work/before.store"
    refused 3 "bad.store: cannot make a store$1" sweep --data "$work/good.csv" --target y --models 1 -w 1 --store "$work/bad.store"
    cmp -s "$work/before.store" "$work/bad.store" || fail "the store was changed"
}
size=$(stat -c %s "$work/good.store")
for cut in 1 8 100 4096 $((size / 2)) $((size - 1)); do
    head -c "$cut" "$work/good.store" >"$work/bad.store"
    bad_store ""
done
for i in 0 8 16; do # magic, version, geometry
    cp "$work/good.store" "$work/bad.store"
    byte=$(od -An -tu1 -j $i -N 1 "$work/good.store")
    printf "\\x$(printf %02x $((byte ^ 4)))" | dd of="$work/bad.store" bs=1 seek=$i conv=notrunc status=none
    bad_store ""
done

# --- the output ---
for c in "train --target y -n 2 -w 1 -q -o" "predict --model $work/good.forest --target y -o"; do
    # shellcheck disable=SC2086
    refused 3 "/dev/full: cannot write it (No space left on device)" ${c%% *} --data "$work/good.csv" ${c#* } /dev/full
    # shellcheck disable=SC2086
    refused 3 "cannot write it (No such file or directory)" ${c%% *} --data "$work/good.csv" ${c#* } "$work/no/such/place"
done
# Whatever name the rows have, they are not written over by a part of them.
ln -s good.csv "$work/link.csv"
for file in "$work/good.csv" "$work/link.csv" "$work/./good.csv"; do
    refused 2 "--data is one of the files to write" split --data "$work/good.csv" --train-out "$file" --test-out "$out/b"
    refused 2 "--data is one of the files to write" split --data "$work/good.csv" --train-out "$out/a" --test-out "$file"
done
same "lines of the data" "$(wc -l <"$work/good.csv")" 301
# Before the work, not after: here there is not even data.
refused 3 "$work/no/model: cannot write it (No such file" train --data "$work/none.csv" --target y -o "$work/no/model"
refused 3 "$work/no/t.svg: cannot write it (No such file" importance --model "$work/none.forest" --svg "$work/no/t.svg"
refused 3 "/dev/full: cannot write it" split --data "$work/good.csv" --target y --train-out "$out/a" --test-out /dev/full
"$forest" eval --model "$work/good.forest" --data "$work/good.csv" --target y >/dev/full 2>"$work/stderr"
same "exit code with a full standard output" $? 3
same "message" "$(cat "$work/stderr")" "forest: cannot write to standard output (No space left on device)"
"$forest" eval --model "$work/good.forest" --data "$work/good.csv" --target y | true
same "exit code with a closed pipe" "${PIPESTATUS[0]}" 0
# Who has seen enough of a file on standard output is no error either.
for c in "gen --rows 20000" "export --json --model $work/good.forest" "export --c --model $work/good.forest" \
    "predict --data $work/good.csv --model $work/good.forest"; do
    # shellcheck disable=SC2086
    { "$forest" $c -o - 2>"$work/stderr"; echo $? >"$work/code"; } | head -n 1 >"$work/first"
    same "exit code of $c when its reader goes" "$(cat "$work/code")" 0
    same "what $c says then" "$(cat "$work/stderr")" ""
    [ -s "$work/first" ] || fail "$c wrote nothing"
done
"$forest" gen --rows 1000 -o - >/dev/full 2>"$work/stderr"
same "exit code" $? 3
same "message" "$(cat "$work/stderr")" "forest: standard output: cannot write it (No space left on device)"

# A disk that fills up while we write leaves the old file as it was, and nothing besides.
if [ "$(id -u)" = 0 ] && mkdir "$work/disk" && mount -t tmpfs -o size=64k none "$work/disk" 2>/dev/null; then
    echo old >"$work/disk/m.forest"
    refused 3 "m.forest: cannot write it (No space left on device)" train --data "$work/good.csv" --target y -n 50 -w 1 -o "$work/disk/m.forest"
    same "the old file" "$(cat "$work/disk/m.forest")" old
    same "what is on the disk" "$(ls -A "$work/disk")" m.forest
    umount "$work/disk"
else
    echo "no tmpfs of our own here: the part with a small disk is left out"
fi
# Few trees leave rows that no tree can judge: the score is scikit-learn's, and so is the warning.
"$forest" train --data "$work/good.csv" --target y -n 3 --oob -w 1 -o "$out/few.forest" >"$work/stdout" 2>"$work/stderr"
same "exit code" $? 0
grep -q "^forest: of 300 rows about 76 were drawn by every tree, and count as 0 in the oob_score" "$work/stderr" || fail "no warning: $(cat "$work/stderr")"
"$forest" train --data "$work/good.csv" --target y -n 40 --oob -w 1 -o "$out/many.forest" >"$work/stdout" 2>"$work/stderr"
grep -q "drawn by every tree" "$work/stderr" && fail "a warning of 40 trees"
"$forest" train --data "$work/good.csv" --target y -n 3 --oob -w 1 -q -o "$out/few.forest" >"$work/stdout" 2>"$work/stderr"
same "a warning with --quiet" "$(cat "$work/stderr")" ""
finish
