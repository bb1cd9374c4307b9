#!/bin/bash
# SPDX-License-Identifier: MIT
# top, and who holds what: of the living, of the dead, of a damaged store.
. "$(dirname "$0")/objstore.inc"

run 0 create --capacity 16M $store
head -c 2000000 /dev/urandom >"$work/big"
run 0 put --name large $store "$work/big"
for i in $(seq 30); do run 0 put --name "o-$i" $store - < <(head -c $((i * 1000)) "$work/big"); done

run 0 top $store # no terminal: once
grep -q "^$store  sealed 31  unsealed 0  deleted 0  processes 0  deaths 0$" "$work/out" || fail "$(cat "$work/out")"
grep -Eq '^\[#+\.+\] [0-9]+%  2\.[0-9] MiB of 16\.0 MiB  largest free ' "$work/out" || fail "$(cat "$work/out")"
grep -Eq ' large +bytes +1\.9 MiB +sealed ' "$work/out" || fail "$(cat "$work/out")"
grep -q "^and 11 smaller objects$" "$work/out" || fail "$(cat "$work/out")"
run 0 top --once --rows 1 $store
[ "$(grep -c sealed "$work/out")" = 2 ] || fail "--rows: $(cat "$work/out")"
grep -q "^and 30 smaller objects$" "$work/out" || fail "$(cat "$work/out")"
run 0 top --once --json --rows 2 $store
"$python" - "$work/out" <<'END' || fail "JSON: $(cat "$work/out")"
import json, sys
lines = open(sys.argv[1]).read().splitlines()
t = json.loads(lines[0])
assert len(lines) == 1 and t['capacity_bytes'] == 16 << 20 and t['objects_sealed'] == 31
assert [o['name'] for o in t['objects']] == ['large', 'o-30'] and t['processes'] == []
assert t['objects'][0]['held_by'] == [] and t['free_runs'] >= 1
END

# --- live: one line a picture; a signal ends it well, and so does a reader that goes away ---
mkfifo "$work/fifo"
"$bin" top --json --interval 0.05 $store >"$work/fifo" &
top=$!
exec 4<"$work/fifo"
for i in 1 2 3; do
    read -r line <&4
    echo "$line" | grep -q '"objects_sealed":31,' || fail "picture $i: $line"
done
kill -TERM $top # SIGINT is ignored by what a script puts in the background
wait $top || fail "an interrupt: exit $?"
exec 4<&-
"$bin" top --json --interval 0.05 $store | head -n 2 | wc -l | grep -qx 2 || fail "a reader that goes away"
# at once, not when the next picture is due
"$bin" top --json --interval 3600 $store 2>"$work/err" | head -n 1 >"$work/out"
status=${PIPESTATUS[0]}
[ "$status" = 0 ] && [ -s "$work/out" ] && [ ! -s "$work/err" ] || fail "a reader that goes away: exit $status: $(cat "$work/err")"

# --- as many pictures as asked for ---
run 0 top --json --count 3 --interval 0.05 $store
"$python" -c 'import json, sys; assert [json.loads(line)["objects_sealed"] for line in sys.stdin] == [31] * 3' <"$work/out" || fail "--count 3: $(cat "$work/out")"
run 0 top -n 2 --interval 0.05 $store # no terminal: one below the other, an empty line between them
[ "$(head -n 1 "$work/out")" = "$(grep -m 1 '  sealed 31 ' "$work/out")" ] || fail "-n 2: $(cat "$work/out")"
awk '/  sealed 31 / { n++; if (n == 2 && last != "") exit 1 } { last = $0 } END { if (n != 2) exit 1 }' "$work/out" || fail "-n 2: $(cat "$work/out")"
if script -qec true /dev/null >/dev/null 2>&1 </dev/null; then # a terminal: the picture is drawn again in the same place
    script -qec "timeout 1 $bin top --interval 0.1 $store 2>/dev/null" /dev/null >"$work/tty" 2>&1 </dev/null
    grep -q $'\033\[H\033\[J'"$store  sealed 31" "$work/tty" || fail "on a terminal: $(head -c 300 "$work/tty")"
    # a small one gets what it has room for: 4 lines of 20 columns, of which the last does not scroll
    script -qec "stty cols 20 rows 4; timeout 1 $bin top --interval 0.2 $store 2>/dev/null" /dev/null 2>&1 </dev/null |
        tr -d '\r' | sed $'s/\033\[H\033\[J/\\n/g' >"$work/tty"
    awk 'length($0) > 20 { exit 1 }' "$work/tty" || fail "wider than the terminal: $(cat "$work/tty")"
    [ "$(sed -n '5s/ .*//p; 6s/-.*//p' "$work/tty" | xargs)" = "id clitest" ] ||
        fail "higher than the terminal: $(cat "$work/tty")"
fi

# --- who holds what ---
mkfifo "$work/input"
"$bin" put --name slow $store - <"$work/input" >/dev/null &
put=$!
exec 5>"$work/input"
head -c 100 "$work/big" >&5
is_attached() { "$bin" leases --json $store | grep -q "\"pid\":$put,"; }
until_true is_attached
run 0 top --json --once $store
grep -q "\"processes\":\[{\"pid\":$put,\"alive\":true,\"command\":\"objstore\"" "$work/out" || fail "$(cat "$work/out")"
exec 5>&-
wait $put
run 0 dump -o "$work/dump" $store slow large
run 0 rm $store slow large
rm "$work/input" && mkfifo "$work/input"
"$bin" load $store "$work/input" >/dev/null 2>&1 &
load=$!
exec 5>"$work/input"
head -c 600 "$work/dump" >&5 # into the second object
has_unsealed() { "$bin" ls --json --state unsealed $store | grep -q .; }
until_true has_unsealed
run 0 ls --json --state unsealed $store
[ "$(json held_by)" = "[$load]" ] || fail "held by $(json held_by), not $load"
run 0 ls --state unsealed $store
grep -Eq " $load$" "$work/out" || fail "ls: $(cat "$work/out")"
kill -9 $load
wait $load 2>/dev/null
exec 5>&-
run 0 ls --state unsealed $store
grep -Eq " $load \(dead\)$" "$work/out" || fail "ls, of the dead: $(cat "$work/out")"
run 0 top $store
grep -Eq "^$load +dead " "$work/out" || fail "top, of the dead: $(cat "$work/out")"
run 0 doctor --repair $store

# --- pieces ---
run 0 stat --pieces $store
grep -q "^free pieces from  count$" "$work/out" || fail "$(cat "$work/out")"
run 0 stat --json $store
"$python" - "$work/out" <<'END' || fail "pieces: $(cat "$work/out")"
import json, sys
s = json.loads(open(sys.argv[1]).read())
assert s['free_runs'] == sum(p['count'] for p in s['free_pieces']) > 0
assert all(p['from_bytes'] & (p['from_bytes'] - 1) == 0 for p in s['free_pieces'])
assert max(p['from_bytes'] for p in s['free_pieces']) <= s['largest_free_bytes']
END

# --- a damaged store: whatever is left of it is shown, and nothing crashes ---
RANDOM=${SEED:-1}
cp "$folder/$store" "$work/store"
for i in $(seq "${FUZZ:-30}"); do
    cp --sparse=always "$work/store" "$work/bad"
    "$python" - "$work/bad" $RANDOM <<'END'
import os, random, sys
random.seed(int(sys.argv[2]))
with open(sys.argv[1], 'r+b') as f:
    places = []
    at, end = 4096, os.path.getsize(sys.argv[1])
    while True:
        try:
            at = os.lseek(f.fileno(), at, os.SEEK_DATA)
        except OSError:
            break
        hole = os.lseek(f.fileno(), at, os.SEEK_HOLE)
        places.append((at, hole))
        at = hole
    for _ in range(200):
        a, b = random.choice(places)
        f.seek(random.randrange(a, b))
        f.write(bytes([random.randrange(256)]) * random.choice([1, 8, 64]))
END
    for c in ls "stat" "top" "leases" "verify" "doctor" "dump" "ls --json" "top --json --once"; do
        # shellcheck disable=SC2086 # words
        timeout 60 "$bin" $c "$work/bad" >"$work/out" 2>"$work/err"
        status=$?
        [ $status -le 3 ] || fail "$c of a damaged store ($i): exit $status: $(head -c 300 "$work/err")"
    done
done
run 0 destroy $store
finish
