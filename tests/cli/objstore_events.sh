#!/bin/bash
# SPDX-License-Identifier: MIT
# events: what is sealed and deleted is told as it happens, to text and JSON, and signals end it.
. "$(dirname "$0")/objstore.inc"

run 0 create --capacity 8M $store
printf 'hello\n' >"$work/small"
run 0 put --name before $store "$work/small"
run 0 events --timeout 0 $store
said ""
run 0 events --list --json --timeout 0 $store
[ "$(wc -l <"$work/out") $(json event) $(json name) $(json size_bytes)" = "1 sealed before 6" ] || fail "$(cat "$work/out")"

mkfifo "$work/fifo"
"$bin" events --json $store >"$work/fifo" &
events=$!
exec 4<"$work/fifo"
is_attached() { "$bin" leases --json $store | grep -q "\"pid\":$events,"; }
until_true is_attached
next() { # KEY EXPECTED...: the next event's values
    read -r line <&4
    echo "$line" >"$work/out"
    local got=
    for key in event name; do got="$got $(json $key 2>/dev/null)"; done
    [ "$got" = " $*" ] || [ "$got" = " $* " ] || fail "told '$got', not '$*': $line"
}
# The first objects may come before the subscription: until one is told.
is_told() { "$bin" put --name probe-$RANDOM $store "$work/small" >/dev/null; read -r -t 0.05 line <&4; }
until_true is_told
run 0 put --name marker $store "$work/small"
until echo "$line" | grep -q '"marker"'; do read -r line <&4; done
run 0 put --name one $store "$work/small"
next sealed one
run 0 rm $store one
next deleted
run 0 put --name two --tag x $store "$work/small"
next sealed two
[ "$(json tag) $(json dtype) $(json pins)" = "x bytes 0" ] || fail "$(cat "$work/out")"
kill -TERM $events
wait $events || fail "a signal: exit $?"
exec 4<&-

# --- it ends by itself, and gives up what it attached ---
"$bin" events --count 3 $store >"$work/told" &
events=$!
until_true is_attached
for i in 1 2 3 4 5 6 7 8 9; do
    kill -0 $events 2>/dev/null || break
    "$bin" put --name "n-$i" $store "$work/small" >/dev/null
    read -r -t 0.05 <> <(:)
done
wait $events || fail "--count: exit $?"
[ "$(wc -l <"$work/told")" = 3 ] || fail "--count: $(cat "$work/told")"
grep -Eq '^sealed   [0-9a-f]{32} +6 B  bytes  n-[0-9]$' "$work/told" || fail "text: $(cat "$work/told")"
"$bin" events --list $store | head -n 1 | grep -q '^sealed' || fail "a reader that goes away"
run 0 leases $store
said ""
run 0 verify $store
run 0 destroy $store
finish
