#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh BUILD: libsched and its peers in turn, round by round; see bench/README.md. Medians of
# the rounds on stdout, every round in BUILD/bench/sched.jsonl.
set -u
build=${1:?usage: run.sh BUILD}
cd "$(dirname "$0")/../.." || exit 3
rounds=${BENCH_QUICK:+3}
rounds=${rounds:-7}
mkdir -p "$build/bench/sched/peers"
out=$build/bench/sched.jsonl
: >"$out" || exit 3

printf '%s x %s, %s, load %s\n' "$(nproc)" "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)" \
    "$(date '+%F %H:%M')" "$(cut -d' ' -f1 /proc/loadavg)"

have_openmp=
if echo 'int main(void){return 0;}' | ${CC:-gcc} -fopenmp -x c - -o "$build/bench/sched/peers/openmp" 2>/dev/null &&
    ${CC:-gcc} -O2 -fopenmp bench/sched/peers/openmp.c -o "$build/bench/sched/peers/openmp"; then
    have_openmp=yes
else
    echo 'OpenMP: skipped (the compiler has none)'
fi
have_python=
if command -v python3 >/dev/null; then
    have_python=yes
else
    echo 'Python pools: skipped (there is no python3)'
fi
for ((i = 0; i < rounds; i++)); do
    "$build/bench/sched/micro" --rounds 1 >>"$out" || exit 3
    [ -z "$have_openmp" ] || "$build/bench/sched/peers/openmp" >>"$out" || exit 3
    [ -z "$have_python" ] || python3 bench/sched/peers/python_pools.py >>"$out" || exit 3
done
# What was measured of two CPUs means something only when both were ours.
awk -v rounds="$rounds" '
function field(name,   s) {
    s = $0
    if (!sub(".*\"" name "\": *\"?", "", s)) return ""
    if (name == "case") sub(/", *"params".*/, "", s); else sub(/[",}].*/, "", s)
    return s
}
{
    key = field("case") ", " field("metric") " (" field("unit") ")\t" field("impl")
    if (!(key in n)) order[++keys] = key
    v[key, ++n[key]] = field("median") + 0
    if (field("line_ns") + 0 > 1000) shared++
}
END {
    for (k = 1; k <= keys; k++) {
        key = order[k]; m = n[key]
        for (i = 2; i <= m; i++)
            for (j = i; j > 1 && v[key, j - 1] > v[key, j]; j--) {
                t = v[key, j]; v[key, j] = v[key, j - 1]; v[key, j - 1] = t
            }
        split(key, part, "\t")
        printf "%-62s %-22s %10.4g  (%.4g to %.4g)\n", part[1], part[2], v[key, int((m + 1) / 2)], v[key, 1], v[key, m]
    }
    if (shared)
        print shared " of our figures were taken while somebody else had one of the CPUs: run it again" >"/dev/stderr"
}' "$out" | sort
