#!/bin/bash
# SPDX-License-Identifier: MIT
# Stores that spill, and caches: create, spill, look, get back, verify, destroy.
. "$(dirname "$0")/objstore.inc"

mkdir "$work/files"
for i in 1 2 3 4 5 6; do head -c 3000000 /dev/urandom >"$work/in$i"; done

# --- 18 MB of objects in a store of 8 MiB ---
run 0 create --capacity 8M --spill "$work/files" $store
for i in 1 2 3 4 5 6; do run 0 put --name "o$i" $store "$work/in$i"; done
run 0 stat --json $store
[ "$(json spill_dir)" = "$work/files" ] || fail "stat: $(cat "$work/out")"
[ "$(json objects_sealed) $(json objects_spilled)" != "6 0" ] || fail "nothing was spilled"
[ $(($(json objects_sealed) + $(json objects_spilled))) = 6 ] || fail "$(cat "$work/out")"
run 0 ls --json --state spilled $store
[ "$(json state)" = spilled ] || fail "ls: $(cat "$work/out")"
run 0 top $store
grep -Eqx 'spilled [1-6] objects, [0-9.]+ MiB, in [0-9.]+ MiB of files' "$work/out" || fail "top: $(cat "$work/out")"
run 0 top --once --json $store
[ "$(json objects_spilled)" -gt 0 ] || fail "top: $(cat "$work/out")"
run 0 verify --contents $store
for i in 3 1 6 2 5 4; do
    run 0 get -o "$work/back" $store "o$i"
    same "$work/back" "$work/in$i"
done

# --- from a pipe, whose length nobody knows, also more than is free ---
"$bin" put --name piped $store - < <(cat "$work/in1" "$work/in2") >/dev/null || fail "put from a pipe"
run 0 get -o "$work/back" $store piped
same "$work/back" <(cat "$work/in1" "$work/in2")
head -c 9000000 /dev/zero | "$bin" put $store - 2>"$work/err" && fail "more than the capacity was put"
grep -q "no room for more than 8.0 MiB of standard input" "$work/err" || fail "$(cat "$work/err")"
run 0 rm $store piped

# --- ahead ---
run 0 spill --json --free 8M $store
[ "$(json free_bytes)" = 8388608 ] || fail "spill: $(cat "$work/out")"
run 0 spill --json --free 8M $store
[ "$(json freed_bytes)" = 0 ] || fail "spilled twice: $(cat "$work/out")"
"$bin" spill --watch --json --free 8M $store >"$work/watch" 2>&1 &
watch=$!
run 0 get -o "$work/back" $store o1
run 0 put --name o7 $store "$work/in1"
told() { grep -q freed_bytes "$work/watch"; }
until_true told
kill -TERM $watch
wait $watch 2>/dev/null
[ $? = 143 ] || fail "spill --watch, terminated"

# --- a damaged file ---
run 0 spill --free 8M $store
for f in "$work"/files/*; do printf 'x' | dd of="$f" bs=1 seek=1000 conv=notrunc status=none; done
run 1 verify --contents $store
run 0 verify $store
run 0 stat --json $store
run 0 rm $store o1
run 0 verify $store

# --- nothing is left ---
[ -n "$(ls "$work/files")" ] || fail "no spill files"
run 0 destroy $store
[ -z "$(ls "$work/files")" ] || fail "left: $(ls "$work/files")"

# --- a store that somebody removed by hand ---
run 0 create --capacity 8M --spill "$work/files" $store
for i in 1 2 3 4; do run 0 put --name "o$i" $store "$work/in$i"; done
run 0 doctor --spill-dir "$work/files" $store
said "$store, $work/files: all is well"
rm "/dev/shm/objstore-$(id -u)/$store"
[ -n "$(ls "$work/files")" ] || fail "no spill files"
run 1 doctor --json --spill-dir "$work/files"
[ "$(json left)" = "spill files" ] || fail "doctor: $(cat "$work/out")"
run 0 doctor --repair --spill-dir "$work/files"
[ -z "$(ls -A "$work/files")" ] || fail "left: $(ls -A "$work/files")"
run 0 doctor --spill-dir "$work/files"
said "$work/files: all is well" # what is named is looked at, and nothing else
refused 3 "No such file or directory" doctor --spill-dir "$work/none"

# --- a cache ---
run 0 create --capacity 8M --cache $store
for i in 1 2 3 4 5 6; do run 0 put --name "o$i" $store "$work/in$i"; done
run 0 stat --json $store
[ "$(json is_cache)" = true ] || fail "stat: $(cat "$work/out")"
run 0 get -o "$work/back" $store o6
same "$work/back" "$work/in6"
"$bin" put --name piped $store - < <(cat "$work/in1") >/dev/null || fail "put from a pipe"
run 0 get -o "$work/back" $store piped
same "$work/back" "$work/in1"
run 0 spill --json $store
[ "$(json evictions)" -ge 4 ] || fail "spill: $(cat "$work/out")"
run 0 top $store
grep -Eqx 'evicted [0-9]+ objects, [0-9.]+ MiB' "$work/out" || fail "top: $(cat "$work/out")"
refused 3 "cannot be synced" sync $store
refused 1 "no object 'o1'" cat $store o1
run 0 destroy $store

# --- what cannot be ---
refused 3 "" create --spill "$work/none" $store
refused 2 "" create --spill "$work/files" --cache $store
run 0 create --capacity 8M $store
refused 3 "does not spill" spill $store
run 0 destroy $store
finish
