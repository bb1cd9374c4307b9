#!/bin/bash
# SPDX-License-Identifier: MIT
# A pool whose kernels come from a plug-in, a client of another program that joins it by name, and
# workers that come and go.
. "$(dirname "$0")/sched.inc"

cat >"$work/plugin.c" <<'EOF'
#include <unistd.h>
#include <wsched.h>

static int twice(struct wsched_task *task, void *ctx)
{
    const long v[] = { 2 * *(const long *)wsched_task_payload(task, NULL), getpid() };
    (void)ctx;
    return wsched_task_result(task, v, sizeof v);
}
/* Submits and waits: the library is there for plug-ins, too. */
static int nested(struct wsched_task *task, void *ctx)
{
    struct wsched *pool = wsched_task_pool(task);
    const long v = 5;
    const struct wsched_spec s = { .kernel = "twice", .payload = &v, .payload_size = sizeof v };
    struct wsched_future f;
    long r[2];
    int err = wsched_submit(pool, &s, &f);
    (void)ctx;
    if (!err)
        err = wsched_wait(pool, &f, 1, 1, -1, NULL);
    if (err == 1)
        err = wsched_result(pool, f, r, sizeof r, NULL);
    wsched_release(pool, f);
    return err ? err : wsched_task_result(task, r, sizeof r);
}
const struct wsched_kernel wsched_plugin_kernels[] = { { "twice", twice, NULL }, { "nested", nested, NULL }, { NULL, NULL, NULL } };
EOF
cat >"$work/client.c" <<'EOF'
#include <stdio.h>
#include <wsched.h>

int main(int argc, char **argv)
{
    struct wsched *pool;
    struct wsched_future f[2];
    long v = 21, r[2];

    if (argc != 2 || wsched_join(argv[1], NULL, 0, NULL, &pool))
        return 1;
    const struct wsched_spec s[] = { { .kernel = "twice", .payload = &v, .payload_size = sizeof v }, { .kernel = "nested" } };
    if (wsched_submit_many(pool, s, 2, f) != 2 || wsched_wait(pool, f, 2, 2, -1, NULL) != 2)
        return 2;
    for (int i = 0; i < 2; i++) {
        if (wsched_result(pool, f[i], r, sizeof r, NULL))
            return 3;
        printf("%ld %ld\n", r[0], r[1]);
        wsched_release(pool, f[i]);
    }
    wsched_close(pool);
    return 0;
}
EOF
printf '#include <wsched.h>\nconst struct wsched_kernel wsched_plugin_kernels[] = { { 0, 0, 0 } };\n' >"$work/empty.c"
printf 'int nothing;\n' >"$work/none.c"
printf '#include <wsched.h>\nstatic int f(struct wsched_task *t, void *c) { return t == c; }\nconst struct wsched_kernel wsched_plugin_kernels[] = { { "other", f, 0 }, { 0, 0, 0 } };\n' >"$work/other.c"
for name in plugin empty none other; do
    "${CC:-gcc}" -shared -fPIC -Ilibsched/include "$work/$name.c" -o "$work/$name.so" || fail "cannot compile $name"
done
# shellcheck disable=SC2086
"${CC:-gcc}" $flags -Ilibsched/include "$work/client.c" -o "$work/client" "$build/lib/libsched.a" -pthread || fail "cannot compile the client"

serve() {
    "$bin" serve --workers 2 --guests 4 --plugin "$work/plugin.so" "$pool" >"$work/ready" 2>"$work/err" &
    driver=$!
    read -r line <"$work/ready"
    [ "$line" = "$pool: open, 2 workers" ] || fail "serve says '$line'"
}
submits() {
    "$work/client" "$pool" >"$work/out" || fail "the client: exit $?"
    shows '^42 [0-9]+$' '^10 [0-9]+$'
}
guests() { # how many have a seat
    [ "$("$bin" verify "$pool" >/dev/null && ls "/proc/$1/task" | wc -l)" -ge "$2" ]
}

serve
submits
# A worker, of two threads; while the crew stands still it does the work alone.
"$bin" worker --threads 2 --plugin "$work/plugin.so" --pool "$pool" 2>"$work/worker.err" &
worker=$!
until_true guests $worker 3
submits
# Everybody is seen, and what each is.
threads() {
    [ "$("$bin" ps --json "$pool" | grep -c '"kind":"thread"')" = "$1" ]
}
until_true threads 2
run 0 ps --json "$pool"
json "
guests = [r for r in rows if r['name'].startswith('guest ')]
assert [r['pid'] for r in guests] == [$worker] * 2 and {r['kind'] for r in guests} == {'thread'}, rows
assert len({r['tid'] for r in guests}) == 2 and all(r['state'] in ('idle', 'running') for r in guests), rows
assert [r['worker'] for r in guests] == [2, 3] and sum(r['finished'] for r in rows) == 6, rows
assert [(r['pid'], r['state']) for r in rows if r['kind'] == 'driver'] == [($driver, 'joined')], rows"
run 0 top "$pool"
shows ' of 4 workers run ' '^guest 1 +thread +[0-9]+ +(idle|running) '
crew=$("$bin" ps --json "$pool" | grep '"kind":"worker"' | grep -o '"pid":[0-9]*' | cut -d: -f2)
# shellcheck disable=SC2086
kill -STOP $crew
"$work/client" "$pool" >"$work/out" || fail "the client: exit $?"
shows "^42 $worker\$" "^10 $worker\$"
# shellcheck disable=SC2086
kill -CONT $crew
kill -TERM $worker
wait $worker || fail "the worker: exit $?: $(cat "$work/worker.err")"
run 0 worker --idle 1 --plugin "$work/plugin.so" --pool "$pool"
# The supervisor dies: the server starts another at once.
supervisor=$("$bin" stat --json "$pool" | grep -o '"supervisor":[0-9]*' | cut -d: -f2)
[ -n "$supervisor" ] && kill -KILL "$supervisor" || fail "no supervisor: $("$bin" stat --json "$pool")"
submits

refused 3 'cannot load it' worker --plugin "$work/missing.so" --pool "$pool"
refused 3 'exports no kernels: it needs' worker --plugin "$work/none.so" --pool "$pool"
refused 3 'table of kernels is empty' serve --plugin "$work/empty.so" "$pool-2"
refused 3 "its kernels are not the plug-in's" worker --plugin "$work/other.so" --pool "$pool"
refused 3 "no such pool; 'sched ls'" worker --plugin "$work/plugin.so" --pool "$pool-2"
refused 3 'all its seats for guests are taken' worker --threads 5 --plugin "$work/plugin.so" --pool "$pool"
refused 3 'a pool of this name lives' serve --plugin "$work/plugin.so" "$pool"
refused 2 '' worker --plugin "$work/plugin.so"

# Workers leave when the pool ends.
"$bin" worker --plugin "$work/plugin.so" --pool "$pool" 2>"$work/worker.err" &
worker=$!
until_true guests $worker 2
kill -TERM "$driver"
wait "$driver" || fail "serve: exit $?: $(cat "$work/err")"
driver=
wait $worker || fail "the worker: exit $?: $(cat "$work/worker.err")"
refused 3 'no such pool' worker --plugin "$work/plugin.so" --pool "$pool"
finish
