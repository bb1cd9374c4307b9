#!/bin/bash
# SPDX-License-Identifier: MIT
# forest sweep: kill -9 workers in mid-sweep, Ctrl-C, SIGTERM, kill -9 the driver.
. "$(dirname "$0")/forest.inc"
generate 24000 >"$work/long.csv" # so long that two workers can be killed on a busy machine, too
generate 3000 >"$work/d.csv"
sweep=("$forest" sweep --data "$work/d.csv" --target y --seed 7 --models 8 --start 4 --step 4)
store=test-forest-$$
shm=/dev/shm/objstore-$(id -u)/$store

children_of() { cat /proc/"$1"/task/*/children 2>/dev/null; }
# The workers are children of a supervisor, the driver's only child.
workers_of() { for supervisor in $(children_of "$1"); do children_of "$supervisor"; done; }

# Kill one worker for good; while the last one's successor is being born, wait for it. Fails when the
# driver has stopped its workers.
kill_a_worker() {
    local victim
    while kill -0 $driver 2>/dev/null && [ -n "$(children_of $driver)" ]; do
        for victim in $(workers_of $driver); do
            kill -9 "$victim" 2>/dev/null && return
        done
    done
    return 1
}

# start ARGUMENT...: run it in the background, its output to $work/pipe, read by fd 9; sets $driver.
start() {
    rm -f "$work/pipe"
    mkfifo "$work/pipe"
    # A shell's background jobs ignore SIGINT: undo that.
    env --default-signal=INT "${sweep[@]}" "$@" >"$work/pipe" 2>"$work/stderr" &
    driver=$!
    exec 9<"$work/pipe"
}
# Read the output until the first model is done: the workers are in the middle of it. Fails at the end of output.
until_first_model() { while read -r line <&9; do [[ $line == n_estimators=[0-9]* ]] && return; done; return 1; }
# Wait until the driver and all of its workers are gone: then nobody can write to the pipe any more.
until_all_gone() { cat <&9 >/dev/null; }

# The driver has ended; its exit code is $code.
ended() {
    wait "$driver" 2>/dev/null
    code=$?
    driver=
}

"${sweep[@]}" --data "$work/long.csv" --workers 2 >"$work/text" || fail "undisturbed"
table() { awk '/^n_estimators /{t = 1; next} t && NF == 0 {exit} t {print $1, $2}' "$1"; }
table "$work/text" >"$work/want"
same "models" "$(wc -l <"$work/want")" 8

# Two workers die before the first model is done, one more at every model that is.
for w in 1 2 5; do
    start --data "$work/long.csv" --workers $w --timeline "$out/t.svg" --store $store
    kills=0
    while [ $kills -lt 2 ] && kill -0 $driver 2>/dev/null; do
        kill_a_worker && kills=$((kills + 1))
    done
    : >"$work/text"
    while IFS= read -r line <&9; do
        echo "$line" >>"$work/text"
        [[ $line == n_estimators=[0-9]* ]] || continue
        kill_a_worker && kills=$((kills + 1))
    done
    ended
    same "exit code after $kills deaths of $w workers" $code 0
    table "$work/text" | cmp - "$work/want" || fail "$w workers with deaths: another table: $(cat "$work/text")"
    [ $kills -ge 2 ] || fail "only $kills kills"
    reported=$(grep -c "^forest: worker [0-9]* was killed by signal 9 (Killed)" "$work/stderr")
    # The last kill may come when the driver is done with its workers.
    [ "$reported" -ge 1 ] && [ "$reported" -le "$kills" ] || fail "$kills kills, $reported reports: $(cat "$work/stderr")"
    same "other messages" "$(grep -vc "^forest: worker [0-9]* was killed by signal 9 (Killed)" "$work/stderr")" 0
    [ -e "$shm" ] && fail "$shm was left"
    [ -s "$out/t.svg" ] || fail "no timeline"
done
grep -q 'class="x"' "$out/t.svg" || fail "no death in the timeline"
rm -f "$out"/*

# Ctrl-C and SIGTERM: prompt, clean, and the code that says so.
for signal in INT:130 TERM:143; do
    start --workers 2 --models 400 --timeline "$out/t.svg" --store $store
    until_first_model || fail "no model: $(cat "$work/stderr")"
    kill -s "${signal%:*}" $driver
    until_all_gone
    ended
    same "exit code after SIG${signal%:*}" $code "${signal#*:}"
    [ -s "$work/stderr" ] && fail "SIG${signal%:*}: $(cat "$work/stderr")"
    same "what SIG${signal%:*} left" "$(ls -A "$out")" ""
    [ -e "$shm" ] && fail "$shm was left"
done

# kill -9 of the driver: the workers leave by themselves; the next run finds and leaves nothing.
start --workers 2 --models 400 --store $store --timeline "$out/t.svg"
until_first_model || fail "no model: $(cat "$work/stderr")"
[ -n "$(workers_of $driver)" ] || fail "no workers"
kill -9 $driver
ended
same "exit code after SIGKILL" $code 137
until_all_gone
same "what the dead left" "$(ls -A "$out")" ""
"${sweep[@]}" --data "$work/long.csv" --workers 2 --store $store >"$work/text" 2>"$work/stderr" || fail "the next run: $(cat "$work/stderr")"
table "$work/text" | cmp - "$work/want" || fail "the next run gives another table"
[ -e "$shm" ] && fail "$shm was left"

# The same in a store that was there before: it stays, and the next run removes what the killed one left.
objstore=${forest%/*}/objstore
objects() { "$objstore" ls $store --json | grep -o '"id"' | wc -l; }
"$objstore" create $store --capacity 256M >/dev/null || fail "no store"
echo kept | "$objstore" put $store -n kept - >/dev/null || fail "no object"
start --workers 2 --models 400 --store $store
until_first_model || fail "no model: $(cat "$work/stderr")"
kill -9 $driver
ended
until_all_gone
[ "$(objects)" -gt 5 ] || fail "a killed sweep left $(objects) objects, too few for this test"
"${sweep[@]}" --workers 2 --store $store >/dev/null 2>"$work/stderr" || fail "in a store with leftovers: $(cat "$work/stderr")"
same "objects after the next run" "$(objects)" 1
"$objstore" verify $store >/dev/null || fail "the store is damaged"
"$objstore" destroy $store || fail "destroy"

# A stopped worker holds up its own task only; when it goes on, or is killed, so does the sweep.
for signal in CONT KILL; do
    start --data "$work/long.csv" --workers 2
    : >"$work/text"
    until_first_model || fail "no model: $(cat "$work/stderr")"
    read -r stopped rest <<<"$(workers_of $driver | tr '\n' ' ')"
    kill -s STOP "$stopped"
    # The other one goes on: no more than the stopped one's model is missing before we let it go.
    models=1
    while [ $models -lt 7 ] && read -r line <&9; do
        [[ $line == n_estimators=[0-9]* ]] && models=$((models + 1))
    done
    same "models beside a stopped worker" $models 7
    kill -s $signal "$stopped"
    cat <&9 >"$work/text"
    ended
    same "exit code after SIGSTOP and SIG$signal" $code 0
    table "$work/text" | cmp - "$work/want" || fail "another table after SIGSTOP and SIG$signal"
done

exec 9<&-
finish
