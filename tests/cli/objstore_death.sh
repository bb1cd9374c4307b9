#!/bin/bash
# SPDX-License-Identifier: MIT
# A killed put leaves nothing; doctor shows and removes what the dead left; pipes that close are
# no error.
. "$(dirname "$0")/objstore.inc"

run 0 create --capacity 64M $store
head -c 20000000 /dev/urandom >"$work/big"
printf 'hello\n' >"$work/small"
run 0 put --name keep $store "$work/small"

# --- killed while it is attached, at a known place: waiting for its input ---
mkfifo "$work/fifo"
"$bin" put --name never $store - <"$work/fifo" >"$work/put" 2>&1 &
put=$!
exec 4>"$work/fifo"
echo something >&4
is_attached() { "$bin" leases --json $store | grep -q "\"pid\":$put,\"alive\":true,\"command\":\"objstore\""; }
until_true is_attached
run 0 doctor $store # the living are none of its business
said "$store: all is well"
kill -9 $put
wait $put 2>/dev/null
exec 4>&-
run 1 doctor $store
grep -q "$put" "$work/out" || fail "doctor does not name process $put: $(cat "$work/out")"
run 1 doctor --json $store
before=$(cat "$work/out")
run 1 doctor --json $store # only looking changes nothing
said "$before"
run 2 doctor --repair # of which store? It says what is wrong, and does nothing
grep -q "^$store  *dead process  *$put .* no *$" "$work/out" || fail "doctor --repair: $(cat "$work/out")"
grep -q "^objstore: doctor: nothing was repaired: say which STORE, or --all for all of yours; see " "$work/err" ||
    fail "doctor --repair: $(cat "$work/err")"
run 1 doctor --json $store
said "$before"
refused 2 "a STORE or --all, not both" doctor --repair --all $store
run 0 doctor --repair --json $store
[ "$(json repaired)" = true ] || fail "doctor --repair: $(cat "$work/out")"
run 0 doctor $store
said "$store: all is well"
run 0 doctor --json $store
said '{"well":true,"stores":1}'
run 0 leases $store
said ""
run 0 stat --json $store
[ "$(json deaths) $(json processes)" = "1 0" ] || fail "after the death: $(cat "$work/out")"
refused 1 "no object 'never'" cat $store never

# --- killed anywhere, a large file half-way in ---
for i in $(seq "${KILLS:-25}"); do
    "$bin" put --name big $store "$work/big" >"$work/put" 2>&1 &
    put=$!
    # A busy loop of a random length: the kill falls anywhere from the start to after the end.
    for ((n = RANDOM % 4000; n > 0; n--)); do :; done
    kill -9 $put 2>/dev/null
    wait $put 2>/dev/null
    run 0 verify $store
    if "$bin" wait -t 0 $store big 2>/dev/null; then
        run 0 get -o "$work/back" $store big
        same "$work/back" "$work/big"
        run 0 rm $store big
    fi
done
run 0 doctor --repair $store
run 0 ls --json $store
[ "$(wc -l <"$work/out") $(json name)" = "1 keep" ] || fail "left in the store: $(cat "$work/out")"
run 0 rm $store keep
run 0 stat --json $store
[ "$(json used_bytes)" = 0 ] || fail "the dead keep $(json used_bytes) bytes"
[ "$(json largest_free_bytes)" = "$(json capacity_bytes)" ] || fail "in pieces: $(cat "$work/out")"

# --- get, killed: the old file stays, no half-made one ---
run 0 put --name big $store "$work/big"
mkdir "$work/target"
echo old >"$work/target/file"
for i in $(seq "${KILLS:-25}"); do
    "$bin" get -o "$work/target/file" $store big &
    get=$!
    for ((n = RANDOM % 4000; n > 0; n--)); do :; done
    kill -9 $get 2>/dev/null
    wait $get 2>/dev/null
    [ "$(cat "$work/target/file" | head -c 4)" = "old" ] || same "$work/target/file" "$work/big"
done
run 0 get -o "$work/target/file" $store big
same "$work/target/file" "$work/big"

# --- pipes that close early ---
set -o pipefail
"$bin" cat $store big | head -c 10 >/dev/null || fail "cat into a pipe that closes"
"$bin" get --npy $store big 2>/dev/null | head -c 10 >/dev/null
for i in $(seq 3000); do echo; done | head -c 1 >/dev/null
"$bin" ls --json $store | true || fail "ls into a pipe that closes"
"$bin" help | true || fail "help into a pipe that closes"
set +o pipefail

# --- all stores: of ours there is nothing to tell; others' are their business ---
"$bin" doctor --all >"$work/out" 2>"$work/err"
grep -q -F "$store" "$work/err" && fail "doctor --all: $(cat "$work/err")"
grep -q -F "$store" "$work/out" && fail "doctor --all: $(cat "$work/out")"
run 0 destroy $store
finish
