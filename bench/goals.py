#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""goals.py FOLDER -- what the project wants to reach, and what the last benches reached.

Reads store.jsonl, sched.jsonl and forest.jsonl in FOLDER, which the benches write. A goal is how many
times as good as somebody in the same run we want to be: as a peer, or as the bare thing that the
machine asks for (a copy, a word between two processes, a futex, forks, a device). Such a ratio moves
little from machine to machine, and what others do to the machine meanwhile hits both. Where there
is nobody to compare with, it is a limit in the unit of the bench. Needs nothing but Python.
"""
import json
import os
import statistics
import sys

BOOST, WORDS, SKLEARN = "Boost.Interprocess", "bare words", "scikit-learn"
HOT, COLD, FIB = "round trip, hot", "round trip after 3 ms", "fib(35)//time per spawn"
ONE_BY_ONE = "empty tasks, one client, one by one//throughput: oneTBB"
F5, F6 = "peers/friedman1 of 10^5", "peers/friedman1 of 10^6"

# What, case/params/metric, ours, times, than whom (a name; or another case/params/metric: its name).
# Params and names are how they begin. A limit has no times.
GOALS = {
    "store": [
        ("put 64 B", "put/64 B/p50", "ours", 2, BOOST),
        ("get + release 64 B, hot", "get + release, 256 hot/64 B/p50", "ours", 3, BOOST),
        ("two processes, puts", "two processes, put/64 B/rate", "ours", 4, BOOST),
        ("two processes, random gets", "two processes, random get + release/64 B/rate", "ours", 2,
         "LMDB"),
        ("put 1 MiB", "put/1 MiB/p50", "ours", 1, "memcpy"),
        ("put 64 MiB", "put/64 MiB/p50", "ours", 1, "memcpy"),
        ("hand-over to a spinning get", "hand-over to a spinning get/64 B/p50", "ours", None, 1000),
        ("hand-over to a sleeping get", "hand-over to a sleeping get/64 B/p50", "ours", 1 / 1.2,
         "bare futex"),
        ("1,000 waits, each for one of what is left", "all waits, each for one of what is left/1,000/p50",
         "ours", None, 1e6),
        ("spill, 4 KiB objects", "spill/4 KiB/throughput", "ours", 0.8, "raw, 4 at once"),
        ("spill, 1 MiB objects", "spill/1 MiB/throughput", "ours", 0.8, "raw, 4 at once"),
        ("restore, 4 KiB objects", "restore/4 KiB/throughput", "ours", 0.8, "raw, 4 at once"),
        ("restore, 1 MiB objects", "restore/1 MiB/throughput", "ours", 0.8, "raw, 4 at once"),
    ],
    "sched": [
        ("empty tasks of one client, 256 at a time", "empty tasks, one client, batches of 256//throughput",
         "ours", 3, ONE_BY_ONE),
        ("round trip, hot, p50", HOT + "//p50", "ours", 0.12 / 0.2, WORDS),
        ("round trip, hot, p99", HOT + "//p99", "ours", 0.16 / 0.5, WORDS),
        ("round trip after 3 ms, p50", COLD + "//p50", "ours", 8 / 10, WORDS),
        ("round trip after 3 ms, p99", COLD + "//p99", "ours", 25 / 40, WORDS),
        ("a spawn, two processes", FIB, "ours, 2 processes", 46 / 12, "oneTBB"),
        ("a spawn, two threads", FIB, "ours, 2 threads", 46 / 3, "oneTBB"),
        ("idle, % of a CPU", "idle//CPU of the pool", "ours", None, 0.05),
        ("a task per ms, % of a CPU", "a task per ms//CPU of the pool", "ours", 0.3 / 0.5, WORDS),
        ("open to first task done", "open to first task done, 2 workers//time", "ours", None, 1000),
        ("actor call, waited for", "actor call, waited for//rate", "ours", 0.12 / 0.5,
         HOT + "//p50: " + WORDS),
        ("actor calls, 256 at a time", "actor calls, batches of 256//rate", "ours", 10 / 6.6, ONE_BY_ONE),
        ("1,000,000 queued tasks", "1,000,000 queued tasks, used memory//time", "ours", None, 0.2),
        ("a worker is killed: its task runs elsewhere", "death to next attempt//time", "ours", None, 500),
        ("the same, 512 MiB resident", "death to next attempt, 512 MiB resident//time", "ours", None,
         2000),
        ("a trace event", "a trace event, stamp and record//time", "ours", None, 15),
    ],
    "forest": [
        ("fit, exact, 1 thread", "fit-1//time per tree", "ours", 10, SKLEARN),
        ("fit, fast, 1 thread", "fit-1//time per tree", "ours, fast mode", 35, SKLEARN),
        ("fit 84 trees, exact, 2 threads", "fit-84//time per tree", "ours", 3.08 / 0.3, SKLEARN),
        ("fit 84 trees, fast, 2 threads", "fit-84//time per tree", "ours, fast mode", 3.08 / 0.09, SKLEARN),
        ("sweep, exact", "sweep//time", "ours, 2 workers", 34 / 3.4, SKLEARN),
        ("sweep, fast", "sweep//time", "ours, fast mode, 2 workers", 34, SKLEARN),
        ("sweep, exact, shared trees", "sweep//time", "ours, shared trees", 34 / 0.4, SKLEARN),
        ("sweep, two workers over one process", "sweep//time", "ours, 2 workers", 1.95,
         "ours, sequential"),
        ("predict, 1 thread", "predict//time", "ours, 1 thread", 81 / 8, SKLEARN),
        ("size of a model", "peers/California/model per tree", "ours, exact", 4, SKLEARN),
        ("10^5 rows, exact", F5 + "/time per tree", "ours, exact", 707 / 90, SKLEARN),
        ("10^5 rows, fast", F5 + "/time per tree", "ours, fast", 707 / 25, SKLEARN),
        ("10^5 rows, hist", F5 + "/time per tree", "ours, hist", 707 / 25, SKLEARN),
        ("10^5 rows, hist, depth 12", F5 + "/time per tree", "ours, hist, depth 12", 150 / 15,
         "XGBoost hist"),
        ("10^5 rows, predict", F5 + "/predict per row and tree", "ours, exact", 315 / 40, SKLEARN),
        ("10^6 rows, exact", F6 + "/time per tree", "ours, exact", 10261 / 1000, SKLEARN),
        ("10^6 rows, fast", F6 + "/time per tree", "ours, fast", 10261 / 400, SKLEARN),
        ("10^6 rows, hist", F6 + "/time per tree", "ours, hist", 10261 / 300, SKLEARN),
        ("10^6 rows, predict", F6 + "/predict per row and tree", "ours, exact", 808 / 100, SKLEARN),
        ("10^6 rows, peak beyond the data, of 88 MB", F6 + "/peak memory", "ours, exact", None, 2 * 88),
    ],
}
# In seconds, or a second: how long something takes can be compared with how often it happens.
UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "1/s": 1.0, "M/s": 1e6}


class Seen:
    """A median, over all rounds and runs, that a bench wrote."""

    def __init__(self, rows):
        self.value = statistics.median(row["median"] for row in rows)
        self.unit, self.params = rows[0]["unit"], rows[0]["params"]
        scaled = self.value * UNITS.get(self.unit, 1.0)
        self.good = 1 / max(scaled, 1e-12) if rows[0]["better"] == "lower" else scaled

    def __str__(self):
        value, unit = self.value, self.unit
        for small, large, factor in (("ns", "us", 1e3), ("us", "ms", 1e3), ("1/s", "M/s", 1e6)):
            if unit == small and value >= factor:
                value, unit = value / factor, large
        return f"{value:,.0f} {unit}" if value >= 1000 else f"{value:.3g} {unit}"


def find(rows, which, name, same=None):
    """None: it was not measured. "ours" is how others begin, too: the shortest name is meant. Of near
    and far lines it is near, or that of `same`."""
    case, params, metric = which.split("/")
    if params and same:
        params = same.params
    rows = [r for r in rows if r["case"] == case and r.get("metric") == metric
            and r["impl"].startswith(name) and (not params or r["params"].startswith(params))]
    if not rows:
        return None
    shortest = min((r["impl"] for r in rows), key=len)
    last = max(str(r["params"]) for r in rows) if params else None
    return Seen([r for r in rows if r["impl"] == shortest and last in (None, r["params"])])


def judge(rows, goal):
    """(what, ours, whom, wanted, seen, verdict), all words."""
    what, which, name, times, than = goal
    ours = find(rows, which, name)
    if times is None:
        if not ours:
            return (what, "", "", f"{than:g}", "", "not measured")
        verdict = "met" if ours.value <= than else "MISSED"
        return (what, str(ours), "", f"<= {than:,.10g} {ours.unit}", "", verdict)
    other, _, peer = than.rpartition(": ")
    theirs = find(rows, other or which, peer, None if other else ours)
    if not ours or not theirs:
        return (what, "", peer, f"{times:.2f}", "", "not measured")
    seen = ours.good / theirs.good
    verdict = "met" if seen >= times else "MISSED"
    return (what, str(ours), f"{peer} {theirs}", f"{times:.2f}", f"{seen:.2f}", verdict)


def main(folder):
    for suite, goals in GOALS.items():
        path = os.path.join(folder, suite + ".jsonl")
        rows = []
        if os.path.exists(path):
            with open(path, encoding="utf-8") as lines:
                rows = [row for row in map(json.loads, filter(str.strip, lines)) if "metric" in row]
        table = [(suite, "ours", "against", "times, wanted", "seen", "")] + [judge(rows, g) for g in goals]
        width = [max(len(row[i]) for row in table) for i in range(6)]
        for row in table:
            cells = [c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(row, width))]
            print("  ".join(cells).rstrip())
        print()


if len(sys.argv) != 2:
    sys.exit("usage: goals.py FOLDER   (build/bench, once make bench has run)")
main(sys.argv[1])
