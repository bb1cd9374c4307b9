#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Write the reference files of tests/forest/golden with numpy's and scikit-learn's own hands.

    make_golden.py DIRECTORY california_housing.csv

Made with scikit-learn 1.2.1 and numpy 1.24.2 (Debian 12). Text, a record a line; floats have 17 significant
digits; arrays are given as FNV-1a hashes (64 bits) of their little-endian bytes. The data sets other
than California housing are computed by rows_of(), which tests/forest/support.c does alike.
"""
import math
import sys
import warnings

import numpy as np
import sklearn
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.inspection import permutation_importance
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split

warnings.simplefilter("ignore")
MASK = (1 << 64) - 1


def fnv(array, dtype):
    h = 0xCBF29CE484222325
    for b in np.ascontiguousarray(array, dtype=dtype).tobytes():
        h = ((h ^ b) * 0x100000001B3) & MASK
    return "%016x" % h


def number(x):
    return "%.17g" % x


class Random:
    """splitmix64, as test_random() in tests/support/test.h."""

    def __init__(self, seed):
        self.state = seed

    def __call__(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)


def rows_of(seed, rows, levels):
    """Features of so many levels each (0: continuous, more digits than float32 holds), target, weight."""
    r = Random(seed)
    x, y, w = np.zeros((rows, len(levels))), np.zeros(rows), np.zeros(rows)
    for i in range(rows):
        s = 0.0
        for j, n in enumerate(levels):
            v = r()
            x[i, j] = (v % n - n // 2) * 0.375 if n else (v >> 11) * 2.0 ** -53 * 100.0 - 50.0
            s = s * 0.5 + x[i, j] * x[i, j] if j % 2 else s - x[i, j] * 3.0
        y[i] = s + (r() >> 11) * 2.0 ** -53
        w[i] = r() % 6 * 0.7
    return x, y, w


# name: seed, rows to train, rows to predict, levels of the features
SETS = {
    "mixed": (11, 400, 150, [0, 7, 2, 1, 50]),
    "ties": (12, 300, 100, [3, 4, 2, 9, 5, 3]),
    "wide": (13, 150, 60, [0, 3] * 20),
    "long": (14, 2500, 300, [0, 0, 20, 1000]),
    "line": (15, 200, 50, [0]),
    "flat": (16, 40, 10, [1, 1]),
    "tiny": (17, 3, 4, [0, 2]),
    "pair": (18, 2, 3, [0]),
    "one": (19, 1, 2, [0, 0]),
}

BASE = dict(n_estimators=5, random_state=201)

# name: data set, classes
CLASSES = {"mixed2": ("mixed", 2), "mixed7": ("mixed", 7), "ties3": ("ties", 3), "wide12": ("wide", 12), "long4": ("long", 4),
           "line2": ("line", 2), "flat3": ("flat", 3), "tiny3": ("tiny", 3), "pair2": ("pair", 2), "one2": ("one", 2)}
RF, ET = RandomForestRegressor, ExtraTreesRegressor
RC, EC = RandomForestClassifier, ExtraTreesClassifier
GENERAL = [
    (RC, "mixed2", {}, False),
    (RC, "mixed7", {}, True),
    (RC, "mixed7", dict(criterion="entropy"), False),
    (RC, "mixed7", dict(criterion="log_loss", max_features=None), True),
    (RC, "mixed7", dict(class_weight="balanced", bootstrap=False), False),
    (RC, "mixed7", dict(class_weight="balanced_subsample"), True),
    (RC, "mixed7", dict(class_weight="balanced_subsample", criterion="entropy", max_samples=0.5), False),
    (RC, "mixed2", dict(max_depth=3, min_samples_leaf=4), False),
    (RC, "mixed7", dict(min_samples_leaf=0.02, min_samples_split=0.07), False),
    (RC, "mixed7", dict(min_weight_fraction_leaf=0.03), True),
    (RC, "mixed7", dict(max_leaf_nodes=9), False),
    (RC, "mixed7", dict(max_leaf_nodes=40, min_impurity_decrease=1e-3, class_weight="balanced"), False),
    (RC, "mixed7", dict(ccp_alpha=0.01), False),
    (RC, "mixed7", dict(ccp_alpha=0.004, max_leaf_nodes=60), True),
    (RC, "ties3", dict(n_estimators=11), False),
    (RC, "ties3", dict(max_features="log2", criterion="entropy"), True),
    (RC, "wide12", {}, False),
    (RC, "wide12", dict(max_features=0.4, class_weight="balanced"), False),
    (RC, "long4", dict(max_features=2), False),
    (RC, "line2", {}, False),
    (RC, "flat3", {}, False),
    (RC, "tiny3", dict(n_estimators=9), False),
    (RC, "pair2", dict(n_estimators=9), False),
    (RC, "one2", {}, False),
    (EC, "mixed7", {}, False),
    (EC, "mixed7", dict(bootstrap=True, class_weight="balanced_subsample", criterion="entropy"), True),
    (EC, "ties3", dict(max_leaf_nodes=12, max_features=2), False),
    (EC, "wide12", dict(min_samples_leaf=3, ccp_alpha=0.002), False),
    (EC, "long4", dict(max_depth=9), True),
    (ET, "mixed", {}, False),
    (ET, "mixed", dict(criterion="friedman_mse", max_features=0.5), True),
    (ET, "ties", dict(bootstrap=True, max_samples=100), False),
    (ET, "wide", dict(max_leaf_nodes=15, min_weight_fraction_leaf=0.01), False),
    (ET, "line", {}, False),
    (RF, "mixed", dict(criterion="friedman_mse"), True),
    (RF, "mixed", dict(max_leaf_nodes=20), False),
    (RF, "mixed", dict(max_leaf_nodes=33, ccp_alpha=5.0, criterion="friedman_mse"), True),
    (RF, "mixed", dict(ccp_alpha=20.0), False),
    (RF, "wide", dict(ccp_alpha=3.0, min_samples_split=0.05), True),
    (RF, "ties", dict(min_samples_leaf=0.02, max_leaf_nodes=1000), False),
    (RF, "long", dict(ccp_alpha=0.1, max_features="sqrt"), False),
]
CASES = [
    ("mixed", {}, False),
    ("mixed", dict(random_state=0, bootstrap=False), False),
    ("mixed", dict(random_state=4294967295), True),
    ("mixed", dict(max_depth=4), False),
    ("mixed", dict(max_depth=1), True),
    ("mixed", dict(min_samples_split=17), False),
    ("mixed", dict(min_samples_leaf=6), True),
    ("mixed", dict(min_weight_fraction_leaf=0.05), False),
    ("mixed", dict(min_weight_fraction_leaf=0.02, bootstrap=False), True),
    ("mixed", dict(min_weight_fraction_leaf=0.013), True),
    ("mixed", dict(min_impurity_decrease=0.01), False),
    ("mixed", dict(min_impurity_decrease=2.5), True),
    ("mixed", dict(max_samples=0.3), False),
    ("mixed", dict(max_samples=77), True),
    ("mixed", dict(max_samples=0.0063), False),
    ("mixed", dict(max_features=2), False),
    ("mixed", dict(max_features=9), False),
    ("mixed", dict(max_features=0.5, max_depth=7, min_samples_leaf=2, random_state=77), True),
    ("ties", dict(n_estimators=12), False),
    ("ties", dict(max_features="sqrt", random_state=5), False),
    ("ties", dict(bootstrap=False, max_features=1, random_state=6), False),
    ("ties", dict(random_state=2147483648), True),
    ("wide", {}, False),
    ("wide", dict(max_features="sqrt"), False),
    ("wide", dict(max_features="log2", random_state=8), True),
    ("wide", dict(max_features=0.33, bootstrap=False), False),
    ("wide", dict(max_features=1), False),
    ("long", dict(n_estimators=7), False),
    ("long", dict(max_features=2, random_state=3, n_estimators=6), True),
    ("line", dict(n_estimators=9), False),
    ("flat", {}, False),
    ("tiny", dict(n_estimators=20), False),
    ("tiny", dict(bootstrap=False), False),
    ("pair", dict(n_estimators=10), False),
    ("one", {}, False),
]


def kind_of(max_features):
    """enum forest_max_features and its value."""
    if max_features == 1.0 and isinstance(max_features, float):
        return 0, 0.0
    if isinstance(max_features, int):
        return 1, float(max_features)
    if isinstance(max_features, float):
        return 2, max_features
    return {"sqrt": 3, "log2": 4, None: 5}[max_features], 0.0


def write_random(out):
    for seed in (0, 1, 201, 123456789, 4294967295):
        r = np.random.RandomState(seed)
        out.write("next %d %s\n" % (seed, " ".join(str(r.randint(0, 1 << 32, dtype=np.uint32)) for _ in range(8))))
        r = np.random.RandomState(seed)
        out.write("later %d 2000 %d\n" % (seed, r.randint(0, 1 << 32, 2001, dtype=np.uint32)[-1]))
        for most in (1, 2, 6, 7, 8, 999, 16511, 2147483646, 4294967294):
            r = np.random.RandomState(seed)
            drawn = r.randint(0, most + 1, 1500)
            out.write("bounded %d %d 1500 %s %s\n" % (seed, most, fnv(drawn, "<u4"), " ".join(map(str, drawn[:4]))))
        for n in (1, 2, 3, 10, 625, 5000):
            order = np.random.RandomState(seed).permutation(n)
            out.write("permutation %d %d %s\n" % (seed, n, fnv(order, "<u4")))


def write_splits(out):
    for rows, size, seed in ((20640, 0.2, 201), (20640, 0.25, 7), (10, 0.2, 0), (10, 0.21, 0), (2, 0.5, 9), (7, 0.999 / 7, 1),
                             (3, 0.1, 2), (1000, 0.333, 42), (12345, 0.1, 4294967295), (100, 0.29, 5), (101, 0.99, 6)):
        test = math.ceil(size * rows)
        if test >= rows:
            continue
        train_part, test_part = train_test_split(np.arange(rows), test_size=size, random_state=seed)
        assert len(test_part) == test
        order = np.concatenate([test_part, train_part])
        out.write("split %d %s %d %d %s\n" % (rows, number(size), seed, test, fnv(order, "<u4")))


def write_errors(out):
    """mean_squared_error of n pseudo-random pairs, for many n."""
    for n in [*range(1, 40), 127, 128, 129, 136, 255, 256, 257, 1000, 1031, 4128, 8192, 8200, 10007]:
        r = Random(n)
        y, p = np.zeros(n), np.zeros(n)
        for i in range(n):
            y[i] = (r() >> 11) * 2.0 ** -53 * 5.0
            p[i] = (r() >> 11) * 2.0 ** -53 * 5.0
        out.write("mse %d %s\n" % (n, number(mean_squared_error(y, p))))


def write_case(out, name, given, weighted):
    seed, rows, predicted, levels = SETS[name]
    params = {**BASE, **given}
    x, y, w = rows_of(seed, rows, levels)
    xt, yt, _ = rows_of(seed + 1000, predicted, levels)
    forest = RandomForestRegressor(n_jobs=1, **params).fit(x, y, sample_weight=w if weighted else None)
    kind, value = kind_of(forest.max_features)
    out.write("case %s %d %d %d %d %d %d %d %s %s %s %s %d\n" % (
        name, weighted, forest.n_estimators, forest.random_state, forest.max_depth or 0, forest.min_samples_split,
        forest.min_samples_leaf, kind, number(value), number(forest.min_weight_fraction_leaf),
        number(forest.min_impurity_decrease), number(forest.max_samples or 0), not forest.bootstrap))
    for e in forest.estimators_:
        t = e.tree_
        out.write("tree %d %d %d %s %s %s %s %s %s %s %s\n" % (
            t.node_count, t.n_leaves, t.max_depth, fnv(t.children_left, "<i8"), fnv(t.children_right, "<i8"),
            fnv(t.feature, "<i8"), fnv(t.threshold, "<f8"), fnv(t.impurity, "<f8"), fnv(t.value[:, 0, 0], "<f8"),
            fnv(t.weighted_n_node_samples, "<f8"), fnv(t.n_node_samples, "<u8")))
    p = forest.predict(xt)
    out.write("predict %s %s\n" % (fnv(p, "<f8"), number(mean_squared_error(yt, p))))


def write_forests(out):
    for name, (seed, rows, predicted, levels) in SETS.items():
        out.write("set %s %d %d %d %d %s\n" % (name, seed, rows, predicted, len(levels), " ".join(map(str, levels))))
    for name, given, weighted in CASES:
        write_case(out, name, given, weighted)


def classes_of(y, n):
    """Labels from targets: 1.5, 3.5, ..., n of them at most."""
    return np.abs(y).astype(np.int64) % n * 2 + 1.5


def general_line(kind, name, forest, weighted):
    """The parameters as struct forest_params has them."""
    features, value = kind_of(forest.max_features)
    split, leaf = forest.min_samples_split, forest.min_samples_leaf
    criterion = dict(squared_error=1, friedman_mse=2, gini=3, entropy=4, log_loss=4)[forest.criterion]
    balance = [None, "balanced", "balanced_subsample"].index(getattr(forest, "class_weight", None))
    is_extra = kind in (ET, EC)
    return "case %s %d %d %d %d %d %d %d %d %s %s %s %s %d %d %d %d %d %d %s %s %s\n" % (
        name, weighted, kind in (RC, EC), forest.n_estimators, forest.random_state, forest.max_depth or 0,
        split if isinstance(split, int) else 0, leaf if isinstance(leaf, int) else 0, features, number(value),
        number(forest.min_weight_fraction_leaf), number(forest.min_impurity_decrease), number(forest.max_samples or 0),
        not is_extra and not forest.bootstrap, criterion, balance, forest.max_leaf_nodes or 0, is_extra,
        is_extra and forest.bootstrap, number(split if isinstance(split, float) else 0),
        number(leaf if isinstance(leaf, float) else 0), number(forest.ccp_alpha))


def fnv_tree(t):
    """Node by node: children, feature, threshold, impurity, weight, rows, then value or each class's weight."""
    n = t.node_count
    words = [np.ascontiguousarray(a, dtype=kind).reshape(n, -1).view("<u8") for a, kind in (
        (t.children_left, "<i8"), (t.children_right, "<i8"), (t.feature, "<i8"), (t.threshold, "<f8"), (t.impurity, "<f8"),
        (t.weighted_n_node_samples, "<f8"), (t.n_node_samples, "<u8"), (t.value[:, 0, :], "<f8"))]
    return fnv(np.concatenate(words, axis=1), "<u8")


def write_general_case(out, kind, name, given, weighted):
    base, classes = CLASSES.get(name, (name, 0))
    seed, rows, predicted, levels = SETS[base]
    x, y, w = rows_of(seed, rows, levels)
    xt, _, _ = rows_of(seed + 1000, predicted, levels)
    if classes:
        y = classes_of(y, classes)
    params = {**BASE, **given}
    bootstrap = params.get("bootstrap", kind in (RF, RC))
    # labels that are not whole are a regression's to scikit-learn, so it gets their numbers
    _, codes = np.unique(y, return_inverse=True)
    forest = kind(n_jobs=1, oob_score=bootstrap, **params).fit(x, codes if classes else y, sample_weight=w if weighted else None)
    out.write(general_line(kind, name, forest, weighted))
    for e in forest.estimators_:
        out.write("tree %d %s\n" % (e.tree_.node_count, fnv_tree(e.tree_)))
    p = forest.predict_proba(xt) if classes else forest.predict(xt)
    out.write("answers %s %s %s\n" % (fnv(p, "<f8"), fnv(forest.apply(xt), "<u4"), fnv(forest.feature_importances_, "<f8")))
    if bootstrap:
        out.write("oob %s %s\n" % (fnv(forest.oob_decision_function_ if classes else forest.oob_prediction_, "<f8"),
                                   number(forest.oob_score_)))
    if len(x) > 1 and len(x) < 300:
        shuffled = permutation_importance(forest, x, codes if classes else y, n_repeats=4, random_state=seed)
        out.write("permuted %s %s\n" % (fnv(shuffled.importances_mean, "<f8"), fnv(shuffled.importances_std, "<f8")))


def write_general(out):
    for name, (seed, rows, predicted, levels) in SETS.items():
        out.write("set %s %d %d %d 0 %d %s\n" % (name, seed, rows, predicted, len(levels), " ".join(map(str, levels))))
    for name, (base, classes) in CLASSES.items():
        seed, rows, predicted, levels = SETS[base]
        out.write("set %s %d %d %d %d %d %s\n" % (name, seed, rows, predicted, classes, len(levels), " ".join(map(str, levels))))
    for case in GENERAL:
        write_general_case(out, *case)


def write_california(out, path):
    data = np.genfromtxt(path, delimiter=",", skip_header=1)
    plan = [(201, range(8, 85, 4)), (0, (8, 30)), (42, (3, 20)), (4294967295, (5,))]
    for seed, sizes in plan:
        x, xt, y, yt = train_test_split(data[:, :-1], data[:, -1], test_size=0.2, random_state=seed)
        for n in sizes:
            forest = RandomForestRegressor(n, random_state=seed, n_jobs=2).fit(x, y)
            forest.n_jobs = 1  # summed in tree order
            p = forest.predict(xt)
            out.write("sweep %d %d %s %s %d\n" % (seed, n, number(mean_squared_error(yt, p)), fnv(p, "<f8"),
                                                  sum(e.tree_.node_count for e in forest.estimators_)))


def main(directory, california):
    assert sklearn.__version__ == "1.2.1" and np.__version__ == "1.24.2", "made with other versions"
    for name, write in (("random", write_random), ("splits", write_splits), ("errors", write_errors),
                        ("forests", write_forests), ("general", write_general),
                        ("california", lambda out: write_california(out, california))):
        with open("%s/%s.txt" % (directory, name), "w") as out:
            write(out)


main(*sys.argv[1:])
