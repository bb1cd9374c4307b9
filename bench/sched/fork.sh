#!/bin/bash
# SPDX-License-Identifier: MIT
# fork.sh BUILD [ROUNDS]: fork-join of libsched and of its peers in turn. Medians of the rounds on
# stdout, every round appended to BUILD/bench/sched.jsonl.
set -u
build=${1:?usage: fork.sh BUILD [ROUNDS]}
rounds=${2:-${BENCH_QUICK:+3}}
rounds=${rounds:-5}
cd "$(dirname "$0")/../.." || exit 3
mkdir -p "$build/bench/sched/peers"
peers=()
if ${CC:-gcc} -O2 -fopenmp bench/sched/peers/fork_openmp.c -o "$build/bench/sched/peers/fork_openmp" 2>/dev/null; then
    peers+=("$build/bench/sched/peers/fork_openmp")
else
    echo 'OpenMP: skipped (the compiler has none)'
fi
if ${CXX:-g++} -O2 -std=c++17 bench/sched/peers/fork_tbb.cc -ltbb -o "$build/bench/sched/peers/fork_tbb" 2>/dev/null; then
    peers+=("$build/bench/sched/peers/fork_tbb")
else
    echo 'oneTBB: skipped (libtbb-dev is not installed)'
fi
out=$(mktemp)
trap 'rm -f "$out"' EXIT
for ((i = 0; i < rounds; i++)); do
    for program in "$build/bench/sched/fork" ${peers[@]+"${peers[@]}"}; do
        "$program" >>"$out" || exit 3
    done
done
cat "$out" >>"$build/bench/sched.jsonl"
sed 's/.*"case":"\([^"]*\)".*"impl":"\([^"]*\)".*"median":\([^,]*\),.*/\1\t\2\t\3/' "$out" |
    sort -t "$(printf '\t')" -k1,1 -k2,2 -k3,3g | awk -F '\t' '
    { key = $1 FS $2; if (key != last) { flush(); last = key; n = 0 } v[++n] = $3 }
    function flush() {
        if (!n) return
        split(last, part, FS)
        printf "%-16s %-20s %8.3g ns  (%.3g to %.3g)\n", part[1], part[2], v[int((n + 1) / 2)], v[1], v[n]
    }
    END { flush() }'
