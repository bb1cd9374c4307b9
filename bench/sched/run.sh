#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh BUILD [ROUNDS]: libsched and its peers in turn, round by round; see bench/README.md. Medians of
# the rounds on stdout, every round in BUILD/bench/sched.jsonl.
set -u
build=${1:?usage: run.sh BUILD [ROUNDS]}
cd "$(dirname "$0")/../.." || exit 3
rounds=${BENCH_QUICK:+3}
rounds=${2:-${rounds:-7}}
mkdir -p "$build/bench/sched/peers"
out=$build/bench/sched.jsonl
: >"$out" || exit 3

printf '%s x %s, %s, load %s\n' "$(nproc)" "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)" \
    "$(date '+%F %H:%M')" "$(cut -d' ' -f1 /proc/loadavg)"

# peer NAME COMMAND...: NAME takes part if COMMAND, which builds or asks for it, succeeds.
peers=()
peer()
{
    local name=$1
    shift
    if "$@" >/dev/null 2>&1; then peers+=("$name"); else echo "$name: skipped, not installed"; fi
}
bin=$build/bench/sched/peers
python=python3
/usr/bin/python3 -c 'import distributed' 2>/dev/null && python=/usr/bin/python3
peer floor "${CC:-gcc}" -O2 bench/sched/peers/floor.c -o "$bin/floor"
peer openmp "${CC:-gcc}" -O2 -fopenmp bench/sched/peers/openmp.c -o "$bin/openmp"
llvm=$(ls -d /usr/lib/llvm-*/lib 2>/dev/null | tail -1)
peer libomp clang -O2 -fopenmp=libomp -L"${llvm:-/usr/lib}" bench/sched/peers/openmp.c -o "$bin/libomp"
peer tbb "${CXX:-g++}" -O2 bench/sched/peers/tbb.cc -o "$bin/tbb" -ltbb
peer mpi mpicc -O2 bench/sched/peers/mpi.c -o "$bin/mpi"
peer python_pools $python -c 'import concurrent.futures, multiprocessing'
peer dask $python -c 'import distributed'

run_peer()
{
    local root=
    case $1 in
    floor) "$bin/floor" ;;
    openmp) "$bin/openmp" 'OpenMP (gcc)' ;;
    libomp) "$bin/libomp" 'OpenMP (LLVM)' ;;
    tbb) "$bin/tbb" ;;
    mpi)
        if [ "$(id -u)" = 0 ] && mpirun --version | grep -q 'Open MPI'; then root=--allow-run-as-root; fi
        mpirun $root -n 2 "$bin/mpi"
        ;;
    python_pools) $python bench/sched/peers/python_pools.py ;;
    dask) $python bench/sched/peers/dask_peer.py ;;
    esac
}

# Those that take longer than all others together take part in every third round.
is_slow()
{
    [ "$1" = python_pools ] || [ "$1" = dask ]
}
for ((i = 0; i < rounds; i++)); do
    "$build/bench/sched/micro" --rounds 1 >>"$out" || exit 3
    "$build/bench/sched/jobs" >>"$out" || exit 3
    for p in "${peers[@]}"; do
        if is_slow "$p" && ((i % 3)); then continue; fi
        run_peer "$p" >>"$out" 2>"$build/bench/sched.err" ||
            { echo "$p: failed, see $build/bench/sched.err"; }
    done
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
"$build/bench/sched/event" --rounds "$rounds" | tee -a "$out"
bench/sched/fork.sh "$build"
"$build/bench/sched/actor" --rounds "$rounds" | tee -a "$out"
