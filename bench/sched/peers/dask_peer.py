#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""dask_peer.py: one round of dask.distributed, two worker processes on this host.

A JSON object a line, with the cases that `micro` and `jobs` have too. Few tasks: it is slow.
"""
import json
import os
import signal
import sys
import tempfile
import time

from distributed import Client, LocalCluster

TASKS = 1000


def nothing(_=None):
    return None


def victim(path):
    """Notes who runs it and when; the first attempt waits to be killed."""
    with open(path, "a", encoding="ascii") as f:
        f.write(f"{os.getpid()} {time.monotonic()}\n")
    with open(path, encoding="ascii") as f:
        if len(f.readlines()) == 1:
            time.sleep(60)


def say(case, metric, unit, better, value):
    print(json.dumps({"suite": "sched", "case": case, "params": {}, "impl": "dask.distributed",
                      "metric": metric, "unit": unit, "better": better, "median": value,
                      "min": value, "max": value, "rounds": 1}), flush=True)


def trips(client, case, count, gap):
    times = []
    for i in range(count):
        time.sleep(gap)
        begin = time.perf_counter()
        client.submit(nothing, (case, i), pure=False).result()
        times.append((time.perf_counter() - begin) * 1e6)
    times.sort()
    for metric, part in (("p50", 0.5), ("p99", 0.99)):
        say(case, metric, "us", "lower", times[int((count - 1) * part)])


def death(client):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "attempts")
        future = client.submit(victim, path)
        while not os.path.exists(path) or not open(path, encoding="ascii").read().endswith("\n"):
            time.sleep(0.001)
        killed = time.monotonic()
        os.kill(int(open(path, encoding="ascii").read().split()[0]), signal.SIGKILL)
        future.result()
        again = float(open(path, encoding="ascii").readlines()[-1].split()[1])
        say("death to next attempt", "time", "us", "lower", (again - killed) * 1e6)


def main():
    begin = time.perf_counter()
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None,
                      silence_logs=50) as cluster, Client(cluster) as client:
        client.submit(nothing).result()
        say("open to first task done, 2 workers", "time", "us", "lower",
            (time.perf_counter() - begin) * 1e6)
        begin = time.perf_counter()
        client.gather(client.map(nothing, range(TASKS), pure=False))
        each = (time.perf_counter() - begin) / TASKS
        say("empty tasks, one client, one by one", "throughput", "M/s", "higher", 1e-6 / each)
        trips(client, "round trip, hot", 50, 0)
        trips(client, "round trip after 3 ms", 50, 0.003)
        death(client)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
