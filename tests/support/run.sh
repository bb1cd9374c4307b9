#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh BUILD PATTERN PROGRAM...: run the test programs, then the scripts of tests/build and
# tests/cli. Each gets its own process, a time limit and one line; a program that exits with 77 is
# skipped and says why. The full output of all is in BUILD/test.log.
set -u
cd "$(dirname "$0")/../.." || exit 3
build=$1 pattern=$2
shift 2
log=$build/test.log
limit=${TEST_TIME_LIMIT:-600}
: >"$log"
passed=0 failed=0 skipped=0
export BUILD_DIR=$PWD/$build
# Sanitizers: any finding ends the program with an error.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0:exitcode=66}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=0:exitcode=66:die_after_fork=0}

run() { # name command...
    local name=$1 out status start took
    shift
    case $name in *"$pattern"*) ;; *) return ;; esac
    start=${EPOCHREALTIME/./}
    out=$(mktemp)
    timeout --kill-after=10 "$limit" "$@" >"$out" 2>&1 </dev/null
    status=$?
    took=$(((${EPOCHREALTIME/./} - start) / 1000))
    { echo "=== $name (exit $status, $took ms)"; cat "$out"; } >>"$log"
    case $status in
    0) passed=$((passed + 1)); printf '  ok    %-44s %6d ms\n' "$name" "$took" ;;
    77) skipped=$((skipped + 1)); printf '  skip  %-44s %s\n' "$name" "$(tail -n 1 "$out")" ;;
    *)
        failed=$((failed + 1))
        printf '  FAIL  %-44s exit %d\n' "$name" "$status"
        [ $status = 124 ] && echo "        ran into the limit of $limit s"
        tail -n 40 "$out" | sed 's/^/        /'
        ;;
    esac
    rm -f "$out"
}

run check-layers scripts/check-layers
for program in "$@"; do run "${program#"$build"/}" "$program"; done
for script in tests/build/*.sh tests/cli/*.sh; do
    [ -e "$script" ] && run "$script" bash "$script"
done
echo
if [ $((passed + failed)) = 0 ]; then
    echo "no test matches '$pattern'" >&2
    exit 3
fi
echo "full output: $log"
if [ $skipped = 0 ]; then echo "$passed passed, $failed failed"
else echo "$passed passed, $failed failed, $skipped skipped"; fi
[ $failed = 0 ]
