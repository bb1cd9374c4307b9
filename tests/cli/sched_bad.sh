#!/bin/bash
# SPDX-License-Identifier: MIT
# What cannot be done: one line that says why, nothing on stdout, and the exit code of its kind.
. "$(dirname "$0")/sched.inc"

commands="ls stat ps top trace deaths verify doctor serve worker"
for c in $commands; do
    "$bin" help "$c" >"$work/help" || fail "help $c"
    grep -q "^usage: sched $c " "$work/help" || fail "help $c: $(head -n 1 "$work/help")"
    "$bin" "$c" --help | cmp -s - "$work/help" || fail "$c --help is not help $c"
    grep -q "^\.It Cm $c\b" tools/man/sched.1 || fail "$c is not in the manual page"
    sed -n "/^.Sh SYNOPSIS/,/^.Sh DESC/{/^.Cm $c\$/,/^.Nm/p}" tools/man/sched.1 >"$work/synopsis"
    [ -s "$work/synopsis" ] || fail "$c is not in the synopsis"
    for option in $(grep -oE '^ +(-., )?--[a-z-]+' "$work/help" | grep -oE '[a-z-]+$' | sed 's/^--//'); do
        [ "$option" = help ] && continue
        grep -q "Fl -$option\b" tools/man/sched.1 || fail "--$option of $c is not in the manual page"
        grep -q "Fl -$option\b" "$work/synopsis" || fail "--$option of $c is not in the synopsis"
    done
done
"$bin" help | grep -c '^  [a-z]' | grep -qx "$(echo $commands | wc -w)" || fail "a command that is not tested here"
"$bin" --version | grep -q '^sched [0-9]*\.[0-9]*\.[0-9]*$' || fail "--version"

run 2
refused 2 "no command 'nothing'" nothing
for c in stat ps top trace deaths verify; do
    refused 2 "" $c
    refused 2 "" $c one two
    refused 2 "" $c --no-such-option "$pool"
    refused 3 "$pool: no such pool; 'sched ls' lists yours" $c "$pool"
    refused 3 "/dev/null: not a pool" $c /dev/null
    refused 3 ".x: no name of a pool" $c .x
    refused 3 "/no/such: no such pool" $c /no/such
done
refused 3 "$pool: no such pool" doctor "$pool"
refused 2 "about tasks: add --tasks" ps --state done "$pool"
refused 2 "--state" ps --tasks --state confused "$pool"
refused 2 "--interval: from 0.05 seconds" top --interval 0.01 "$pool"
refused 2 "--count: 0 is not" top -n 0 "$pool"
refused 2 "--once and --count exclude each other" top --once --count 2 "$pool"

# --- damaged: what the dead left, changed ---
start "$pool"
refused 3 "/no/such/t.svg: " trace -o /no/such/t.svg "$pool"
refused 2 "'$work/t.txt' ends in none of .svg, .html, .json" trace -o "$work/t.txt" "$pool"
[ -e /dev/full ] && { "$bin" ps "$pool" >/dev/full 2>"$work/err" && fail "a full disk is no error"
    grep -q '^sched: cannot write to standard output (No space' "$work/err" || fail "$(cat "$work/err")"; }
"$bin" ps "$pool" >&- 2>"$work/err" && fail "a closed stdout is no error"
kill_all "$pool"
poke() { printf "$2" | dd of="$work/damaged" bs=1 seek="$1" conv=notrunc status=none; }
fresh() { cp "$folder/$pool" "$work/damaged"; }
# Where things are: what the layout says.
cat >"$work/where.c" <<'END'
#include <stdio.h>
#include "layout.h"
int main(void)
{
    return printf("geometry=%zu header=%zu seat=%zu death=%zu\n", offsetof(struct header, geometry),
                  sizeof(struct header), sizeof(struct seat), sizeof(struct death)) < 0;
}
END
"${CC:-gcc}" -Ilibsched/src -Icommon "$work/where.c" -o "$work/where" || fail "cannot compile where.c"
eval "$("$work/where")"
fresh
run 0 verify "$work/damaged"
poke 0 'XXXX'
refused 3 "damaged: not a pool" verify "$work/damaged"
run 1 doctor "$work/damaged"
shows "^$work/damaged +not a pool +remove the file"
# Another layout version: every command says which, and what to do.
fresh
poke 8 '\003\000\000\000'
for c in stat ps top trace deaths verify; do
    refused 3 "damaged: a pool of layout version 3, and this is for version [1-9]*: use the older version of sched" $c "$work/damaged"
done
printf '#include <wsched.h>\nstatic int f(struct wsched_task *t, void *c) { return t == c; }\nconst struct wsched_kernel wsched_plugin_kernels[] = { { "f", f, 0 }, { 0, 0, 0 } };\n' >"$work/f.c"
"${CC:-gcc}" -shared -fPIC -Ilibsched/include "$work/f.c" -o "$work/f.so" || fail "cannot compile f.c"
refused 3 "damaged: a pool of layout version 3" worker --plugin "$work/f.so" --pool "$work/damaged"
run 1 doctor --json "$work/damaged"
json "assert rows[0]['problem'].startswith('a pool of layout version 3, and this is for version'), rows"
poke 8 '\377\377\000\000'
refused 3 "layout version 65535, and this is for version [1-9]*: use the newer version of sched" ps "$work/damaged"
run 0 doctor --repair --json "$work/damaged" # it is dead, whatever it is
json "assert 'layout version 65535' in rows[0]['problem'] and rows[0]['repaired'], rows"
[ -e "$work/damaged" ] && fail "a dead pool of another version was not removed"
poke 0 'XXXX' # somebody's file
run 1 doctor --repair "$work/damaged"
[ -e "$work/damaged" ] || fail "a file that is no pool was removed"
fresh
poke $((geometry + 8)) '\377\377\377\377' # how many task slots there are
refused 3 "damaged: the sizes in its header make no sense" ps "$work/damaged"
fresh
truncate -s 100000 "$work/damaged"
refused 3 "damaged: the sizes in its header make no sense" stat "$work/damaged"
# A task's word: told where it is, and the rest can still be looked at.
word=$("$python" -c '
import struct, sys
d = open(sys.argv[1], "rb").read()
geometry, header, seat, death = map(int, sys.argv[2:])
workers = struct.unpack_from("<I", d, 12)[0]
tasks, stride, blocks, payload, result, kernels, events, queue, guests, stock, actors = struct.unpack_from("<11I", d, geometry + 8)
up = lambda n: (n + 63) // 64 * 64
print(header + up((tasks + 63) // 64 * 8) + up(kernels * 32) + (workers + 2 + guests + actors) * seat + 1024 * death)' \
    "$work/damaged" "$geometry" "$header" "$seat" "$death") || fail "where is the table?"
fresh
poke "$word" '\017'
run 1 verify "$work/damaged"
grep -q "^sched: $work/damaged: task 0 (word [0-9a-f]*f): unknown state$" "$work/err" || fail "$(cat "$work/err")"
run 1 verify --json "$work/damaged"
json "assert rows[0]['sound'] is False and 'unknown state' in rows[0]['problem'], rows"
run 0 ps --tasks --json "$work/damaged"
json "assert len(rows) == 8, rows"
run 0 trace -o "$work/t.svg" "$work/damaged"
run 1 doctor "$work/damaged"
shows 'unknown state'
run 1 doctor --json "$pool"
json "assert rows[0]['problem'] == 'all of its processes died' and not rows[0]['repaired'], rows"
run 0 doctor --repair "$pool"
finish
