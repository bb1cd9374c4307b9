#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Compare libforest with the scikit-learn that is installed here, on well-known data sets.

    compare_sets.py BUILD [SEEDS [COMBINATIONS [TREES]]]

California housing (from $FOREST_DATA or data/california_housing.csv, if it is there), diabetes, wine, breast cancer, digits
and friedman1 with 10,000 rows; each with so many seeds (5) and combinations of parameters (all), forests of so many
trees (2). Exit 77: there is no scikit-learn 1.2.1.
"""
import os
import sys
import time
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import compare
from compare import KINDS, np, sklearn
from libforest import Library
from sklearn import datasets

warnings.simplefilter("ignore")
RF, RC, ET, EC = KINDS
COMMON = [
    ({}, {}),
    (dict(max_depth=7, min_samples_leaf=3), dict(max_depth=7, min_samples_leaf=3)),
    (dict(max_features="sqrt", min_samples_split=8), dict(max_features=3, min_samples_split=8)),
    (dict(max_features=0.5, bootstrap=False), dict(max_features=2, max_features_value=0.5, no_bootstrap=1)),
    (dict(max_leaf_nodes=60), dict(max_leaf_nodes=60)),
    (dict(max_features="log2", max_samples=0.5), dict(max_features=4, max_samples=0.5)),
    (dict(min_weight_fraction_leaf=0.004), dict(min_weight_fraction_leaf=0.004)),
    (dict(min_samples_leaf=0.01, min_samples_split=0.03),
     dict(min_samples_leaf_fraction=0.01, min_samples_split_fraction=0.03)),
    (dict(min_impurity_decrease=0.002, max_features=2), dict(min_impurity_decrease=0.002, max_features=1, max_features_value=2)),
    (dict(ccp_alpha=0.002, max_depth=12), dict(ccp_alpha=0.002, max_depth=12)),
]
REGRESSION = [(RF, *c) for c in COMMON] + [
    (RF, dict(criterion="friedman_mse", max_features=0.4), dict(criterion=2, max_features=2, max_features_value=0.4)),
    (RF, dict(max_leaf_nodes=300, criterion="friedman_mse"), dict(max_leaf_nodes=300, criterion=2)),
    (ET, {}, {}),
    (ET, dict(bootstrap=True, max_features="sqrt"), dict(bootstrap=1, max_features=3)),
    (ET, dict(max_leaf_nodes=100, min_samples_leaf=2), dict(max_leaf_nodes=100, min_samples_leaf=2)),
]
CLASSIFICATION = [(RC, *c) for c in COMMON] + [
    (RC, dict(criterion="entropy"), dict(criterion=4)),
    (RC, dict(criterion="log_loss", max_features=None), dict(criterion=4, max_features=5)),
    (RC, dict(class_weight="balanced"), dict(class_weight=1)),
    (RC, dict(class_weight="balanced_subsample", criterion="entropy"), dict(class_weight=2, criterion=4)),
    (EC, {}, {}),
    (EC, dict(bootstrap=True, class_weight="balanced", criterion="entropy"), dict(bootstrap=1, class_weight=1, criterion=4)),
    (EC, dict(max_leaf_nodes=50, ccp_alpha=0.001), dict(max_leaf_nodes=50, ccp_alpha=0.001)),
]


def binned(y):
    return np.digitize(y, np.quantile(y, [0.2, 0.4, 0.6, 0.8])).astype(float)


def data_sets():
    path = os.environ.get("FOREST_DATA", "data/california_housing.csv")
    if os.path.exists(path):
        a = np.genfromtxt(path, delimiter=",", skip_header=1)
        yield "california", a[:, :-1], a[:, -1], REGRESSION
        yield "california in 5 classes", a[:, :-1], binned(a[:, -1]), CLASSIFICATION
    yield "diabetes", *datasets.load_diabetes(return_X_y=True), REGRESSION
    yield "friedman1", *datasets.make_friedman1(10000, random_state=0), REGRESSION
    for name in ("wine", "breast_cancer", "digits"):
        yield name, *getattr(datasets, "load_" + name)(return_X_y=True), CLASSIFICATION


def compare_one(library, kind, x, y, given, mine, seed, trees):
    theirs = dict(n_estimators=trees, random_state=seed, **given)
    theirs.setdefault("bootstrap", kind in (RF, RC))
    ours = dict(n_estimators=trees, seed=seed, keep_stats=1, task=int(kind in (RC, EC)), extra_trees=int(kind in (ET, EC)), **mine)
    return list(compare.differences(library, kind, x, y, None, theirs, ours))


def main(build, seeds=5, combinations=99, trees=2):
    if sklearn.__version__ != "1.2.1":
        print("scikit-learn %s here; 1.2.1 is the reference" % sklearn.__version__)
        return 77
    library, failed = Library(build), 0
    for name, x, y, cases in data_sets():
        start, count = time.time(), 0
        x, y = np.ascontiguousarray(x, dtype=np.float64), np.ascontiguousarray(y, dtype=np.float64)
        for seed in range(201, 201 + int(seeds)):
            for kind, given, mine in cases[seed % 3:][:int(combinations)] if int(combinations) < len(cases) else cases:
                found = compare_one(library, kind, x, y, given, mine, seed, int(trees))
                count += 1
                failed += bool(found)
                for what in found[:3]:
                    print("%s: %s(%s) with seed %d: %s differs" % (name, kind.__name__, given, seed, what))
        print("%-24s %5d x %2d: %3d forests compared, %5.1f s" % (name, *x.shape, count, time.time() - start), flush=True)
    print("differ: %d" % failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
