#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""python_pools.py: one round of ProcessPoolExecutor and multiprocessing.Pool, two workers each.

A JSON object a line, with the cases that `micro` has too.
"""
import concurrent.futures
import json
import multiprocessing
import sys
import time


FAN = 10000


def nothing(_=None):
    return None


def say(impl, case, metric, unit, better, value):
    print(json.dumps({"suite": "sched", "case": case, "params": {}, "impl": impl, "metric": metric,
                      "unit": unit, "better": better, "median": value, "min": value,
                      "max": value, "rounds": 1}), flush=True)


def round_trips(impl, call, case, count, gap):
    times = []
    for _ in range(count):
        if gap:
            time.sleep(gap)
        begin = time.perf_counter()
        call()
        times.append((time.perf_counter() - begin) * 1e6)
    times.sort()
    for metric, part in (("p50", 0.5), ("p99", 0.99)):
        say(impl, case, metric, "us", "lower", times[int((count - 1) * part)])


def measure(impl, call, submit_all, wait_all, tasks):
    begin = time.perf_counter()
    wait_all(submit_all(tasks))
    say(impl, "empty tasks, one client, one by one", "throughput", "M/s", "higher",
        tasks / (time.perf_counter() - begin) / 1e6)
    begin = time.perf_counter()
    wait_all(submit_all(FAN))
    say(impl, "fan-out and fan-in of 10,000", "time", "us", "lower",
        (time.perf_counter() - begin) * 1e6 * 10000 / FAN)
    round_trips(impl, call, "round trip, hot", 2000, 0)
    round_trips(impl, call, "round trip after 3 ms", 100, 0.003)


def executor():
    begin = time.perf_counter()
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        pool.submit(nothing).result()
        say("ProcessPoolExecutor", "open to first task done, 2 workers", "time", "us", "lower",
            (time.perf_counter() - begin) * 1e6)
        measure("ProcessPoolExecutor", lambda: pool.submit(nothing).result(),
                lambda n: [pool.submit(nothing) for _ in range(n)],
                lambda futures: [f.result() for f in futures], 10000)


def pool():
    begin = time.perf_counter()
    with multiprocessing.Pool(2) as p:
        p.apply(nothing)
        say("multiprocessing.Pool", "open to first task done, 2 workers", "time", "us", "lower",
            (time.perf_counter() - begin) * 1e6)
        measure("multiprocessing.Pool", lambda: p.apply(nothing),
                lambda n: [p.apply_async(nothing) for _ in range(n)],
                lambda futures: [f.get() for f in futures], 20000)


if __name__ == "__main__":
    if sys.version_info < (3, 7):
        sys.exit("python_pools.py: needs Python 3.7")
    executor()
    pool()
