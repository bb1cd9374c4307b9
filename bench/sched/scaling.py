#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""scaling.py: where throughput per core falls off, by simulation, on machines we do not have.

    scaling.py [--client NS] [--worker NS] [--line NS]

A discrete-event model of one client, its queue and N workers, each on a core of its own. The costs
are measured ones: what a task costs the client and a worker on two cores (micro), and what a cache
line takes from one core to another. Modelled is what they share: the client makes tasks one after
the other, up to a window; a worker pops up to 32 hints at once while tasks are short, one while
they are long (worker.c), never more than its part; each pop has the line of the queue's head for
itself, for two transfers. A worker that finds nothing looks again after a line's time. Not in it:
preemption, memory bandwidth, sockets, tasks that submit tasks (their deques are their own).
"""
import argparse
import heapq

WINDOW = 16384
BATCH = 32
PUBLISH = 32  # hints are published together
SHORT_NS = 4300


def simulate(workers, task_ns, client_ns, worker_ns, line_ns, tasks):
    """Tasks per second."""
    batch = BATCH if task_ns + worker_ns < SHORT_NS else 1
    made = popped = over = 0
    client_free = 0.0
    head_free = 0.0
    ends = []  # (when, how many) of tasks that count against the window
    ready = [(0.0, i) for i in range(workers)]
    heapq.heapify(ready)
    now = 0.0
    while over < tasks:
        now, worker = heapq.heappop(ready)
        while ends and ends[0][0] <= now:
            over += heapq.heappop(ends)[1]
        # The client worked meanwhile, as far as the window let it.
        while made < tasks and made - over < WINDOW and client_free + PUBLISH * client_ns <= now:
            client_free += PUBLISH * client_ns
            made += PUBLISH
        if made - over >= WINDOW:
            client_free = max(client_free, now)
        if made == popped:
            if made >= tasks and not ends:
                break
            heapq.heappush(ready, (max(now, head_free) + line_ns, worker))
            continue
        start = max(now, head_free)
        head_free = start + 2 * line_ns
        n = min(batch, -(-(made - popped) // workers))
        popped += n
        end = head_free + line_ns + n * (worker_ns + task_ns)
        heapq.heappush(ends, (end, n))
        heapq.heappush(ready, (end, worker))
    return tasks / now * 1e9


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--client", type=float, default=45)
    args.add_argument("--worker", type=float, default=54)
    args.add_argument("--line", type=float, default=60)
    a = args.parse_args()
    counts = (1, 2, 8, 16, 32, 64, 128)
    print(f"client {a.client:g} ns, worker {a.worker:g} ns a task, line {a.line:g} ns")
    print("M tasks/s (share of the workers' time spent in tasks, %)")
    print(f"{'a task takes':>14}" + "".join(f"{n:>14}" for n in counts) + "  workers")
    for task_ns, name in ((0, "nothing"), (300, "0.3 us"), (1000, "1 us"), (10000, "10 us"),
                          (100000, "100 us")):
        row = f"{name:>14}"
        for n in counts:
            tasks = 200000 if task_ns < 10000 else 400 * n
            rate = simulate(n, task_ns, a.client, a.worker, a.line, tasks)
            row += f"{rate / 1e6:8.3g} ({rate * task_ns / 1e9 / n * 100:3.0f})"
        print(row)


if __name__ == "__main__":
    main()
