# SPDX-License-Identifier: MIT
"""Python's multiprocessing.shared_memory, one block per object; the driver's protocol (driver.c)."""
import os
import sys
import time
from multiprocessing import resource_tracker, shared_memory

# The tracker would unlink what others still use (CPython issue 82300) and costs a message a call.
resource_tracker.register = resource_tracker.unregister = lambda *args: None

now = time.perf_counter_ns
BUDGET = int(sys.argv[2]) * 1_000_000
serial = 0


def put(name, data):
    block = shared_memory.SharedMemory(name=name, create=True, size=len(data))
    block.buf[:len(data)] = data
    block.close()


def get(name):
    block = shared_memory.SharedMemory(name=name)
    first = block.buf[0]
    block.close()
    return first


def delete(name):
    block = shared_memory.SharedMemory(name=name)
    block.close()
    block.unlink()


def measure(call, names):
    times, begin = [], now()
    for name in names:
        before = now()
        call(name)
        times.append(now() - before)
        if now() - begin > BUDGET:
            break
    return times


def bench(case, size, n):
    global serial
    data = bytes(size)
    serial += 1
    names = [f"bench-py-{serial}-{i}-{os.getpid()}" for i in range(min(n, 2000))]
    made = []

    def put_one(name):
        put(name, data)
        if size >= 1 << 20:
            return
        made.append(name)

    try:
        if case == "put":
            if size < 1 << 20:
                times = measure(put_one, names)
            else:
                times = []
                for name in names[:max(1, n)]:
                    before = now()
                    put(name, data)
                    times.append(now() - before)
                    delete(name)
                    if sum(times) > BUDGET:
                        break
        elif case in ("get", "random"):
            put(names[0], data)
            made.append(names[0])
            times = measure(get, [names[0]] * min(n, 20000))
        else:
            return "no " + case
    finally:
        for name in made:
            delete(name)
    times.sort()
    return f"{times[len(times) // 2]} {times[int((len(times) - 1) * .99)]} {1e9 * len(times) / sum(times):.6g}"




print("ready Python shared_memory", flush=True)
for line in sys.stdin:
    words = line.split()
    if len(words) != 3 or not words[1].isdigit():
        print("no such case", flush=True)
        continue
    print(bench(words[0], int(words[1]), int(words[2])), flush=True)
