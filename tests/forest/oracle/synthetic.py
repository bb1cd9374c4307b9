#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Made data against sklearn.datasets.

    synthetic.py golden FILE     write tests/forest/golden/synthetic.txt
    synthetic.py compare BUILD   compare live with the scikit-learn installed here

numpy's loops for AVX-512 round sin() otherwise than the C library does; they are switched off here, as they are absent
on other processors. Exit 77: there is no scikit-learn.
"""
import ctypes
import os
import sys

os.environ["NPY_DISABLE_CPU_FEATURES"] = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL"
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import warnings

warnings.simplefilter("ignore")
try:
    import numpy as np
    from sklearn.datasets import make_blobs, make_friedman1
except ImportError:
    print("scikit-learn is not installed (python3-sklearn)")
    sys.exit(77)
from libforest import Library, doubles

FRIEDMAN = [(1, 5, 0.0, 0), (500, 10, 1.0, 3), (333, 7, 0.25, 4294967295)]
BLOBS = [(1, 1, 1, 1.0, 2), (100, 2, 3, 1.0, 0), (401, 7, 5, 2.5, 9), (5, 3, 5, 0.0, 1)]


def fnv(array):
    h = 0xCBF29CE484222325
    for b in np.ascontiguousarray(array, dtype="f8").tobytes():
        h = ((h ^ b) * 0x100000001B3) & ((1 << 64) - 1)
    return "%016x" % h


class Blobs(ctypes.Structure):
    _fields_ = [("rows", ctypes.c_uint64), ("features", ctypes.c_uint64), ("deviation", ctypes.c_double),
                ("centers", ctypes.c_uint32), ("seed", ctypes.c_uint32)]


def golden(path):
    with open(path, "w") as f:
        for rows, features, noise, seed in FRIEDMAN:
            x, y = make_friedman1(rows, features, noise=noise, random_state=seed)
            f.write("friedman1 %d %d %.17g %d %s %.17g %.17g\n" % (rows, features, noise, seed, fnv(x), y[0], y[-1]))
        for rows, features, centers, deviation, seed in BLOBS:
            x, y = make_blobs(rows, features, centers=centers, cluster_std=deviation, random_state=seed)
            f.write("blobs %d %d %d %.17g %d %s %.17g %.17g\n" % (rows, features, centers, deviation, seed, fnv(y), x[0, 0],
                                                                 x[-1, -1]))


def compare(build):
    library, failed = Library(build), 0
    for rows, features, noise, seed in FRIEDMAN + [(20000, 10, 1.0, 17)]:
        x, y = np.zeros((rows, features)), np.zeros(rows)
        library.check(library.c.forest_make_friedman1(ctypes.c_uint64(rows), ctypes.c_uint64(features), ctypes.c_double(noise),
                                                      ctypes.c_uint32(seed), doubles(x), doubles(y)))
        theirs = make_friedman1(rows, features, noise=noise, random_state=seed)
        failed += not (np.array_equal(x, theirs[0]) and np.array_equal(y, theirs[1]))
    for rows, features, centers, deviation, seed in BLOBS + [(20000, 10, 4, 1.0, 17)]:
        x, y = np.zeros((rows, features)), np.zeros(rows)
        spec = Blobs(rows, features, deviation, centers, seed)
        library.check(library.c.forest_make_blobs(ctypes.byref(spec), doubles(x), doubles(y)))
        theirs = make_blobs(rows, features, centers=centers, cluster_std=deviation, random_state=seed)
        failed += not (np.array_equal(x, theirs[0]) and np.array_equal(y, theirs[1]))
    print("%d made data sets: %d differ" % (len(FRIEDMAN) + len(BLOBS) + 2, failed))
    return 1 if failed else 0


sys.exit(globals()[sys.argv[1]](sys.argv[2]))
