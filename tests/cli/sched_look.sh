#!/bin/bash
# SPDX-License-Identifier: MIT
# Every command that looks: on a pool at work, by name and by pid, and on the same pool dead.
. "$(dirname "$0")/sched.inc"

look() { # POOL STATE: what must be seen, whoever lives; STATE of the worker that holds
    local state=joined
    [ "$2" = dead ] && state=dead
    run 0 ps "$1"
    shows '^who +kind +pid +state +kernel +label ' "^worker [01] +worker +[0-9]+ +$2 +hold +no\. 7 +[0-9.]+ .?s +1 +1 " \
        "^driver +driver +$driver_pid +$state " '^actor clerk +actor '
    [ "$(wc -l <"$work/out")" = 5 ] || fail "workers: $(cat "$work/out")"
    run 0 ps --json "$1"
    json "
assert [(r['name'], r['kind']) for r in rows] == [('worker 0', 'worker'), ('worker 1', 'worker'), ('driver', 'driver'),
    ('actor clerk', 'actor')], rows
assert [r.get('worker') for r in rows] == [0, 1, None, 2 + 16], rows
assert rows[2]['submitted'] == 9 and rows[2]['tid'] == 0 and all(r['tid'] == r['pid'] for r in rows if r['kind'] != 'driver'), rows
busy, = [r for r in rows if r['kernel'] == 'hold']
assert (busy['priority'], busy['needs']) == ('high', 'cpu 1') and 9e5 < busy['deadline_seconds'] < 1e6 + 1, busy
assert not any('priority' in r for r in rows if r is not busy), rows
assert busy['state'] == '$2' and busy['label'] == 'no. 7' and busy['depth'] == 1 and busy['attempt'] == 1
assert busy['running_seconds'] >= 0 and int(busy['task'], 16) > 0 and busy['pid'] > 0
assert sum(r['finished'] for r in rows) == 6 and sum(r['failed'] for r in rows) == 1"
    run 0 ps --tasks "$1"
    [ "$(wc -l <"$work/out")" = 10 ] || fail "tasks: $(cat "$work/out")"
    shows '^task +state +kernel +label ' ' blocked +quick ' ' failed +fail +no\. 6 .*fail failed: Numerical argument' ' done +unlucky +no\. 5 +2 +4 '
    run 0 ps --tasks --json --state done --kernel quick "$1"
    json "assert len(rows) == 5 and all(r['result_bytes'] == 8 and r['state'] == 'done' for r in rows), rows"
    run 0 ps --tasks --json --limit 4 "$1"
    grep -q ': 5 more; --limit 0 shows all$' "$work/err" || fail "$(cat "$work/err")"
    json "assert len(rows) == 4, rows"
    run 0 ps --tasks --json --limit 0 "$1"
    json "
hold, = [r for r in rows if r['kernel'] == 'hold']
assert (hold['priority'], hold['needs']) == ('high', 'cpu 1') and 9e5 < hold['deadline_seconds'] < 1e6 + 1, hold
by = {}
for r in rows: by[r['state']] = by.get(r['state'], 0) + 1
assert by == {'blocked': 1, 'running': 1, 'failed': 1, 'done': 6}, by
assert [r['worker'] for r in rows if 'worker' in r] == [r['worker'] for r in rows if r['state'] == 'running']"
    run 0 ps --actors "$1"
    shows '^actor +name +pid +state +kernel +queued +served +restarts +of +cause' "^100000001 +clerk +[0-9]+ +[a-z]+ +0 +0 +0 +3 *$"
    run 0 ps --actors --json "$1"
    json "
assert len(rows) == 1 and rows[0]['name'] == 'clerk' and rows[0]['max_restarts'] == 3, rows
assert rows[0]['state'] in (['dead', 'starting'] if '$2' == 'dead' else ['starting', 'idle']), rows"
    run 0 deaths "$1"
    shows '^ *ago +who +pid +cause ' ' worker [01] +[0-9]+  signal 9 \(Killed\) +unlucky +no\. 5$'
    run 0 deaths --json "$1"
    json "
assert len(rows) == 1 and rows[0]['signal'] == 9 and rows[0]['exit_code'] == -1, rows
assert rows[0]['name'] == 'worker %d' % rows[0]['worker'], rows
assert rows[0]['kernel'] == 'unlucky' and rows[0]['ago_seconds'] > 0 and rows[0]['time_ns'] > 0"
    run 0 stat --json "$1"
    json "
s, = rows
assert (s['workers'], s['running'], s['blocked'], s['done'], s['failed_kept']) == (2, 1, 1, 6, 1), s
assert (s['submitted'], s['finished'], s['failed'], s['retried'], s['worker_deaths']) == (9, 6, 1, 1, 1), s
assert (s['with_deadline'], s['pending_high'], s['pending_low'], s['parked']) == (1, 0, 0, 0), s
assert 9e5 < s['next_deadline_seconds'] < 1e6 + 1 and s['resources'] == [{'name': 'cpu', 'total': 2, 'held': 1}], s
assert [k['name'] for k in s['kernels']] == ['quick', 'unlucky', 'fail', 'hold'], s
assert s['age_seconds'] > 0 and s['shared_bytes'] > 100000 and s['payload_max_bytes'] == 64"
    run 0 stat "$1"
    shows '^workers +2$' '^deaths of workers +1$' '^unlucky$' '^payload limit +64 B$'
    run 0 verify "$1"
    [ "$(cat "$work/out")" = "$1: sound; 9 tasks" ] || fail "$(cat "$work/out")"
    run 0 verify --json "$1"
    json "assert rows == [{'pool': '$1', 'sound': True, 'tasks': 9}], rows"
    run 0 top "$1" # no terminal: once
    shows "^$1  finished 6  failed 1  cancelled 0  run again 1  deaths 1  [0-9]+/s$" '^\[[#.]+\] [01] of 2 workers run  pending 0  blocked 1  kept 7 of ' \
        '^held: cpu 1 of 2  deadlines 1, next in 277 h [0-9]+ m$' ' hold .* high, 277 h [0-9]+ m left, cpu 1$'
    run 0 top --once --json "$1"
    json "assert (rows[0]['with_deadline'], rows[0]['resources'][0]['held']) == (1, 1), rows
assert rows[0]['finished'] == 6 and [w['kind'] for w in rows[0]['workers']] == ['worker', 'worker', 'driver', 'actor'] and rows[0]['tasks_per_second'] >= 0, rows"

    run 0 trace "$1"
    "$python" - "$work/out" <<'END' || fail "the trace: $(head -c 1000 "$work/out")"
import json, sys
e = json.load(open(sys.argv[1]))['traceEvents']
x = [i for i in e if i['ph'] == 'X']
assert len(x) == 9, x # eight tasks, one of them twice
assert sorted(i['cat'] for i in x) == ['fail', 'hold'] + ['quick'] * 5 + ['unlucky'] * 2
assert sorted(i['args']['end'] for i in x) == ['done'] * 6 + ['failed', 'running', 'worker died']
hold, = [i['args'] for i in x if i['cat'] == 'hold']
assert (hold['priority'], hold['needs'], hold['late']) == ('high', {'cpu': 1}, False) and hold['deadline_us'] > 9e11, hold
assert not any('priority' in i['args'] for i in x if i['cat'] != 'hold')
lanes = [i['args']['name'] for i in e if i['name'] == 'thread_name']
assert lanes and set(lanes) <= {'worker 0', 'worker 1'}, lanes # nothing ran in the actor yet
assert len([i for i in e if i.get('cat') == 'death']) == 1
assert {i['args']['name'] for i in e if i['name'] == 'process_name'} == {'pool ' + [i for i in e][0]['args']['name'][5:]}
END
    run 0 trace -o "$work/t.svg" --title "a picture" "$1"
    "$python" -c 'import sys, xml.dom.minidom as x
d = x.parse(sys.argv[1]); assert "a picture" in d.toxml() and "no. 7" in d.toxml()' "$work/t.svg" || fail "t.svg"
    run 0 trace -o "$work/t.html" "$1"
    grep -q '"no. 7"' "$work/t.html" || fail "t.html"
}

start "$pool"
look "$pool" running
run 0 ls
shows "^$pool +open +2 +1 +1 +7 *$"
run 0 doctor "$pool"
[ "$(cat "$work/out")" = "$pool: all is well" ] || fail "doctor: $(cat "$work/out")"
run 0 doctor --json "$pool"
json "assert rows == [{'well': True, 'pools': 1}], rows"
run 0 ps --json "$driver" # the same by a pid

# --- live: one line a picture; a signal ends it well, and so does a reader that goes away ---
mkfifo "$work/fifo"
"$bin" top --json --interval 0.05 "$pool" >"$work/fifo" &
top=$!
exec 4<"$work/fifo"
for i in 1 2 3; do
    read -r line <&4
    echo "$line" | grep -q '"finished":6,' || fail "picture $i: $line"
done
kill -TERM $top
wait $top || fail "a signal: exit $?"
exec 4<&-
"$bin" top --json --interval 0.05 "$pool" | head -n 2 | wc -l | grep -qx 2 || fail "a reader that goes away"
# at once, not when the next picture is due
"$bin" top --json --interval 3600 "$pool" 2>"$work/err" | head -n 1 >"$work/out"
status=${PIPESTATUS[0]}
[ "$status" = 0 ] && [ -s "$work/out" ] && [ ! -s "$work/err" ] || fail "a reader that goes away: exit $status: $(cat "$work/err")"

# --- as many pictures as asked for ---
run 0 top --json --count 3 --interval 0.05 "$pool"
"$python" -c 'import json, sys; assert [json.loads(line)["finished"] for line in sys.stdin] == [6] * 3' <"$work/out" || fail "--count 3: $(cat "$work/out")"
run 0 top -n 2 --interval 0.05 "$pool" # no terminal: one below the other, an empty line between them
[ "$(head -n 1 "$work/out")" = "$(grep -m 1 '  finished 6 ' "$work/out")" ] || fail "-n 2: $(cat "$work/out")"
awk '/  finished 6 / { n++; if (n == 2 && last != "") exit 1 } { last = $0 } END { if (n != 2) exit 1 }' "$work/out" || fail "-n 2: $(cat "$work/out")"

# --- a stopped worker is found by the doctor ---
worker=$("$bin" ps --json "$pool" | sed -n 's/.*"pid":\([0-9]*\),"state":"running".*/\1/p')
kill -STOP "$worker"
until_true grep -q '^State:.*T' "/proc/$worker/status"
run 1 doctor "$pool"
shows "worker [01], pid $worker, is stopped in hold +kill -CONT it"
kill -CONT "$worker"
run 0 doctor "$pool"

refused 2 "--tasks or --actors, not both" ps --tasks --actors "$pool"

# --- all processes dead: the same is seen, and the doctor removes it ---
kill_all "$pool"
look "$pool" dead
run 0 ls --json
grep -q "{\"pool\":\"$pool\",\"state\":\"dead\",\"workers\":2," "$work/out" || fail "$(cat "$work/out")"
run 1 doctor "$pool"
shows "^$pool +all of its processes died +look at it"
run 2 doctor --repair # of which pool? It says what is wrong, and does nothing
shows "^$pool +all of its processes died +look at it.* no *$"
grep -q "^sched: doctor: nothing was repaired: say which POOL, or --all for all of yours; see " "$work/err" || fail "$(cat "$work/err")"
refused 2 "a POOL or --all, not both" doctor --repair --all "$pool"
run 1 doctor "$pool"
run 0 doctor --repair --json "$pool"
json "assert rows[0]['repaired'] is True and rows[0]['pool'] == '$pool', rows"
refused 3 "$pool: no such pool; 'sched ls' lists yours" ps "$pool"

# --- without a name: by the pid of any process of it ---
start
run 0 ls
shows "^$driver +open +2 +1 +1 +7 *$"
look "$driver" running
worker=$("$bin" ps --json "$driver" | sed -n 's/.*"pid":\([0-9]*\),"state":"running".*/\1/p')
run 0 verify "$worker"
was=$driver
stop
refused 3 "$was: no such pool, and no process of this number has one" ps "$was"

# Whoever leaves the folder of names empty takes it away.
folder=/dev/shm/wsched-$(id -u)
[ -d "$folder" ] && [ -z "$(ls -A "$folder")" ] && fail "$folder was left empty"
finish
