#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh [--quick] BUILD [store_bench's options]: libobjstore and its peers; see bench/README.md.
set -u
args=()
[ -n "${BENCH_QUICK:-}" ] && args+=(--quick)
[ "${1:-}" = --quick ] && { args+=(--quick); shift; }
build=${1:?usage: run.sh [--quick] BUILD [OPTION...]}
shift
cd "$(dirname "$0")/../.." || exit 3
at=$build/bench/store

# peer NAME PROGRAM...: say so if it was not built, or what it runs is not here.
peers=("$at/peers/ours")
peer() {
    if [ ! -e "$2" ]; then
        echo "$1: skipped (its headers are not installed)"
    elif [ -n "${3:-}" ] && ! command -v "$3" >/dev/null; then
        echo "$1: skipped (there is no $3)"
    else
        peers+=("$2")
    fi
}
peer 'ours, huge pages' "$at/peers/ours_huge"
peer Boost.Interprocess "$at/peers/boost"
peer 'Boost, deferred delete' "$at/peers/boost_deferred"
peer LMDB "$at/peers/lmdb"
peer Redis "$at/peers/redis" redis-server
peer memcached "$at/peers/memcached" memcached
peer 'shm file each' "$at/peers/shmfile"
peer 'Python shared_memory' bench/store/peers/python_shm.py python3
# Peers name what they make by their pids. What those that were killed have left goes, before and after.
sweep() {
    local pid
    for pid in $(find /dev/shm -maxdepth 1 -name 'bench-*' -printf '%f\n' |
        sed -nE 's/^bench-((boost|lmdb)-)?([0-9]+)(-[0-9a-z]+)?$/\3/p; s/^bench-py-.*-([0-9]+)$/\1/p' | sort -u); do
        [ -d "/proc/$pid" ] || find /dev/shm -maxdepth 1 \( -name "bench-$pid-*" -o -name "bench-boost-$pid" \
            -o -name "bench-lmdb-$pid" -o -name "bench-lmdb-$pid-lock" -o -name "bench-py-*-$pid" \) -delete
    done
}
sweep
trap sweep EXIT
begin=$SECONDS
"$at/store_bench" "${args[@]}" --out "$build/bench/store.jsonl" "$@" "${peers[@]}" || exit
case " $* " in
*' --only '*) exit 0 ;;
esac
"$at/spill" "${args[@]}" --out "$build/bench/store.jsonl" || exit
"$at/cache" --out "$build/bench/store.jsonl" || exit
echo "$((SECONDS - begin)) s"
