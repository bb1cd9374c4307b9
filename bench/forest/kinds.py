#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every kind of forest against scikit-learn's, one process each, in turn.

    kinds.py BUILD [ROUNDS]

Data: digits and breast cancer (100 trees each), and California housing (10 trees; from FOREST_DATA or
data/california_housing.csv; classes are the quintiles of its target). Milliseconds of processor time for a tree, the least of
all rounds, everything included; both forests must predict the same, except those of the fast mode, which are others.
"""
import os
import sys
import time
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/forest/oracle"))

import numpy as np
from libforest import Library
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor

warnings.simplefilter("ignore")
RF, RC, ET, EC = RandomForestRegressor, RandomForestClassifier, ExtraTreesRegressor, ExtraTreesClassifier
FAST = 2
CLASSES = [
    (RC, {}, {}),
    (RC, dict(criterion="entropy"), dict(criterion=4)),
    (RC, dict(max_features=None), dict(max_features=5)),
    (RC, dict(max_leaf_nodes=100), dict(max_leaf_nodes=100)),
    (RC, dict(class_weight="balanced"), dict(class_weight=1)),
    (EC, {}, {}),
    (RC, {}, dict(mode=FAST)),
    (RC, dict(criterion="entropy"), dict(criterion=4, mode=FAST)),
    (RC, dict(max_features=None), dict(max_features=5, mode=FAST)),
    (EC, {}, dict(mode=FAST)),
]
NUMBERS = [
    (RF, {}, {}),
    (RF, dict(ccp_alpha=1e-4), dict(ccp_alpha=1e-4)),
    (RF, dict(criterion="friedman_mse"), dict(criterion=2)),
    (RF, dict(max_leaf_nodes=500), dict(max_leaf_nodes=500)),
    (ET, {}, {}),
    (ET, {}, dict(mode=FAST)),
]


def data_sets():
    yield "digits", 100, *load_digits(return_X_y=True), CLASSES
    yield "breast cancer", 100, *load_breast_cancer(return_X_y=True), CLASSES
    path = os.environ.get("FOREST_DATA", "data/california_housing.csv")
    if os.path.exists(path):
        a = np.genfromtxt(path, delimiter=",", skip_header=1)
        yield "california", 10, a[:, :-1], np.digitize(a[:, -1], np.quantile(a[:, -1], [0.2, 0.4, 0.6, 0.8])), CLASSES
        yield "california", 10, a[:, :-1], a[:, -1], NUMBERS


def clock(work):
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def main(build, rounds=2):
    library = Library(build)
    for name, trees, x, y, cases in data_sets():
        x, y = np.ascontiguousarray(x, dtype=np.float64), np.ascontiguousarray(y, dtype=np.float64)
        for kind, given, mine in cases:
            options = dict(mine, task=int(kind in (RC, EC)), extra_trees=int(kind in (ET, EC)))
            ours = theirs = float("inf")
            for _ in range(int(rounds)):
                seconds, model = clock(lambda: library.train(x, y, None, n_estimators=trees, seed=201, **options))
                ours = min(ours, seconds)
                seconds, forest = clock(lambda: kind(trees, random_state=201, n_jobs=1, **given).fit(x, y))
                theirs = min(theirs, seconds)
            said = "  fast" if mine.get("mode") == FAST else "" if np.array_equal(model.predict(x), forest.predict(x)) else "  DIFFERENT"
            print("%-14s %-23s %-27s %8.3f ms  scikit-learn %8.3f ms %6.1fx%s" % (
                name, kind.__name__, ", ".join("%s=%s" % g for g in given.items()), ours / trees * 1e3, theirs / trees * 1e3,
                theirs / ours, said), flush=True)


main(*sys.argv[1:])
