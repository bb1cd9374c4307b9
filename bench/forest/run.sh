#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh [--quick] BUILD [DATA]: forests against scikit-learn; see bench/README.md.
set -u
quick=${BENCH_QUICK:+--quick}
[ "${1:-}" = --quick ] && { quick=--quick; shift; }
build=${1:?usage: run.sh [--quick] BUILD [DATA]}
data=${2:-${FOREST_DATA:-}}
cd "$(dirname "$0")/../.." || exit 3
[ -n "$data" ] || data=data/california_housing.csv
if [ ! -r "$data" ]; then
    echo "bench-forest: no data: give DATA=california_housing.csv" >&2
    exit 3
fi
mkdir -p "$build/bench"
"$build/bench/forest/forest_bench" ${quick:+$quick} --tool "$build/bin/forest" \
    --peer bench/forest/sklearn_peer.py --out "$build/bench/forest.jsonl" "$data" || exit
exec /usr/bin/python3 bench/forest/peers.py "$build" "$data" "$build/bench/forest.jsonl" ${quick:+$quick}
