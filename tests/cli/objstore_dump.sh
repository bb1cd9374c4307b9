#!/bin/bash
# SPDX-License-Identifier: MIT
# dump and load: what is loaded is what was dumped, and nothing is loaded that was damaged.
. "$(dirname "$0")/objstore.inc"

# state STORE: all objects with their descriptions and bytes, in an order that does not depend on time.
state() {
    "$bin" ls --json --sort name "$1" | "$python" -c '
import json, sys
for o in sorted(map(json.loads, sys.stdin), key=lambda o: o["id"]):
    print(json.dumps([o[k] for k in ("id", "name", "dtype", "shape", "size_bytes", "state", "tag")]))'
    "$bin" ls --full --json --sort name "$1" | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/' | sort |
        while read -r id; do "$bin" cat "$1" "$id" | sha256sum; done
}

run 0 create --capacity 32M $store
run 0 create --capacity 32M $store-b
head -c 3000000 /dev/urandom >"$work/big"
printf 'hello\n' >"$work/small"
: >"$work/none"
run 0 put --name big --tag "a tag" $store "$work/big"
run 0 put --name small $store "$work/small"
run 0 put --id 0123456789abcdef0123456789abcdef $store "$work/none"
for i in $(seq 40); do run 0 put --name "x-$i" $store - < <(head -c $((i * i * 5)) "$work/big"); done
if "$python" -c 'import numpy' 2>/dev/null; then
    "$python" -c 'import numpy, sys; numpy.save(sys.argv[1], numpy.eye(16, 8, dtype="f4"))' "$work/a.npy"
    run 0 put --name array $store "$work/a.npy"
fi
count=$("$bin" ls --json $store | wc -l)
state $store >"$work/state"

# --- through a file, a pipe, and again ---
run 0 dump -o "$work/dump" $store
run 0 load $store-b "$work/dump"
said "$count objects loaded, 0 skipped"
state $store-b >"$work/state-b"
same "$work/state" "$work/state-b"
refused 3 "is there already (--skip" load $store-b "$work/dump"
run 0 load --skip $store-b "$work/dump"
said "0 objects loaded, $count skipped"
run 0 rm $store-b big x-7
run 0 load -s $store-b - <"$work/dump"
said "2 objects loaded, $((count - 2)) skipped"
state $store-b >"$work/state-b"
same "$work/state" "$work/state-b"
run 0 create --capacity 32M $store-c
set -o pipefail
"$bin" dump $store | "$bin" load --quiet $store-c || fail "dump | load"
set +o pipefail
state $store-c >"$work/state-b"
same "$work/state" "$work/state-b"
run 0 verify $store-c
run 0 destroy $store-c

# --- some of them ---
run 0 create --capacity 1M $store-c
run 0 dump -o "$work/some" --name 'x-1*' $store
run 0 load $store-c "$work/some"
said "11 objects loaded, 0 skipped"
run 0 dump -o "$work/some" --tag "a tag" $store
refused 3 "cannot make object*of 3000000 bytes (no room" load $store-c "$work/some"
"$bin" dump -o "$work/some" $store small nobody x-2 2>"$work/err"
[ $? = 1 ] || fail "dump with one missing: $(cat "$work/err")"
run 0 load $store-c "$work/some"
said "2 objects loaded, 0 skipped"
run 0 create --capacity 1M $store-d
run 0 dump -o "$work/empty" $store-d
run 0 load $store-d "$work/empty"
said "0 objects loaded, 0 skipped"

# --- damage: whatever byte is changed, whatever is cut off, nothing is loaded ---
run 0 rm $store big
run 0 dump -o "$work/dump" $store
run 0 ls --json $store-d
before=$(cat "$work/out")
size=$(wc -c <"$work/dump")
RANDOM=${SEED:-1}
for i in $(seq "${FUZZ:-150}"); do
    at=$(((RANDOM * 32768 + RANDOM) % size))
    case $((i % 5)) in
    0) head -c $at "$work/dump" >"$work/bad" ;;                                    # cut off
    1) { head -c $at "$work/dump"; tail -c +$((at + 2)) "$work/dump"; } >"$work/bad" ;; # one byte less
    2) { head -c $at "$work/dump"; printf x; tail -c +$((at + 1)) "$work/dump"; } >"$work/bad" ;;
    *) "$python" - "$work/dump" "$work/bad" $at $((1 << RANDOM % 8)) <<'END' ;;    # a bit
import sys
data = bytearray(open(sys.argv[1], 'rb').read())
data[int(sys.argv[3])] ^= int(sys.argv[4])
open(sys.argv[2], 'wb').write(data)
END
    esac
    refused 3 "nothing was loaded" load $store-d "$work/bad"
    "$bin" load $store-d - <"$work/bad" >/dev/null 2>"$work/err" && fail "round $i: loaded from a pipe"
    case $(cat "$work/err") in
    *"were loaded"* | *"not a dump"* | *"changed as if"* | *"another version"* | *"no room"*) ;;
    *) fail "round $i: says $(cat "$work/err")" ;;
    esac
    run 0 dump -o "$work/again" $store-d # what a pipe brought before the damage is whole
    run 0 doctor $store-d
    "$bin" ls --full --json $store-d | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/' >"$work/ids"
    xargs -r "$bin" rm $store-d <"$work/ids" || fail "round $i: rm"
done
run 0 verify $store-d
run 0 ls --json $store-d
[ "$(cat "$work/out")" = "$before" ] || fail "something was left"
run 0 stat --json $store-d
[ "$(json used_bytes)" = 0 ] || fail "bytes leaked: $(cat "$work/out")"

# --- pieces of good dumps put together ---
run 0 dump -o "$work/one" $store x-1
run 0 dump -o "$work/two" $store x-2 x-3
{ head -c $((64 + 192 + 5)) "$work/one"; tail -c +65 "$work/two"; } >"$work/bad"
refused 3 "a piece of another dump" load $store-d "$work/bad"
{ head -c 64 "$work/two"; tail -c +$((64 + 192 + 20 + 1)) "$work/two"; } >"$work/bad"
refused 3 "a piece is missing" load $store-d "$work/bad"
{ head -c $((64 + 192 + 20)) "$work/two"; tail -c 192 "$work/two"; } >"$work/bad"
refused 3 "a piece is missing" load $store-d "$work/bad"
sed 's/\r$//' "$work/two" >"$work/bad"
refused 3 "as if it were text" load $store-d "$work/bad"
refused 3 "not a dump" load $store-d "$work/small"
refused 3 "not a dump" load $store-d "$work/none"
refused 3 "No such file" load $store-d "$work/nowhere"
refused 3 "no such store" load $store-nowhere "$work/two"

# --- a killed load leaves whole objects or none ---
mkfifo "$work/fifo"
"$bin" load $store-d "$work/fifo" >/dev/null 2>&1 &
load=$!
exec 4>"$work/fifo"
head -c $((64 + 192 + 20 + 192 + 7)) "$work/two" >&4
has_one() { "$bin" ls --json $store-d | grep -q unsealed; }
until_true has_one
kill -9 $load
wait $load 2>/dev/null
exec 4>&-
run 0 doctor --repair $store-d
run 0 ls --json $store-d
[ "$(wc -l <"$work/out") $(json name)" = "1 x-2" ] || fail "after a kill: $(cat "$work/out")"

set -o pipefail
"$bin" dump $store | head -c 10 >/dev/null || fail "dump into a pipe that closes"
set +o pipefail
for s in "" -b -c -d; do run 0 destroy $store$s; done
finish
