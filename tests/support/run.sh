#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh BUILD PATTERN PROGRAM...: run the test programs, then the scripts of tests/build and
# tests/cli, TEST_JOBS at a time (default: one for each processor). Each gets its own process, a time
# limit and one line when it ends; a program that exits with 77 is skipped and says why. The full
# output of all is in BUILD/test.log.
set -u
cd "$(dirname "$0")/../.." || exit 3
build=$1 pattern=$2
shift 2
log=$build/test.log
limit=${TEST_TIME_LIMIT:-600}
: >"$log"
jobs=${TEST_JOBS:-$(nproc)}
work=$(mktemp -d)
touch "$work/results"
export BUILD_DIR=$PWD/$build
# Sanitizers: any finding ends the program with an error.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0:exitcode=66}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=0:exitcode=66:die_after_fork=0}

one() { # name command...
    local name=$1 out status start took child
    shift
    start=${EPOCHREALTIME/./}
    out=$(mktemp -p "$work")
    timeout --kill-after=10 "$limit" "$@" >"$out" 2>&1 </dev/null 9>&- &
    child=$!
    trap 'kill $child 2>/dev/null' TERM
    wait $child
    status=$?
    took=$(((${EPOCHREALTIME/./} - start) / 1000))
    flock 9 # one speaks at a time
    { echo "=== $name (exit $status, $took ms)"; cat "$out"; } >>"$log"
    case $status in
    0) echo passed >&9; printf '  ok    %-44s %6d ms\n' "$name" "$took" ;;
    77) echo skipped >&9; printf '  skip  %-44s %s\n' "$name" "$(tail -n 1 "$out")" ;;
    *)
        echo failed >&9
        printf '  FAIL  %-44s exit %d\n' "$name" "$status"
        [ $status = 124 ] && echo "        ran into the limit of $limit s"
        tail -n 40 "$out" | sed 's/^/        /'
        ;;
    esac
    rm -f "$out"
} 9>>"$work/results"

run() { # name command...
    case $1 in *"$pattern"*) ;; *) return ;; esac
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
    one "$@" &
}

trap 'rm -rf "$work"' EXIT
trap 'kill $(jobs -p) 2>/dev/null; wait; exit 130' INT TERM
run check-layers scripts/check-layers
for program in "$@"; do run "${program#"$build"/}" "$program"; done
for script in tests/build/*.sh tests/cli/*.sh; do
    [ -e "$script" ] && run "$script" bash "$script"
done
wait
count() { grep -cx "$1" "$work/results"; }
passed=$(count passed) failed=$(count failed) skipped=$(count skipped)
echo
if [ $((passed + failed)) = 0 ]; then
    echo "no test matches '$pattern'" >&2
    exit 3
fi
echo "full output: $log"
if [ $skipped = 0 ]; then echo "$passed passed, $failed failed"
else echo "$passed passed, $failed failed, $skipped skipped"; fi
[ $failed = 0 ]
