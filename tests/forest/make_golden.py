#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Write the golden file of the exact grower: trees of scikit-learn 1.2.1, as hashes of their arrays.

    make_golden.py california_housing.csv golden_grow.bin           the small file the tests ship
    make_golden.py --large N california_housing.csv out.bin         N trees of the whole data set

All numbers are little-endian.
    u32 sets; each: u32 rows, features, weighted; f32 x[rows][features]; f64 y[rows], w[rows] if weighted
    u32 cases; each: u32 set, bootstrap, max_depth, min_samples_split, min_samples_leaf, max_features,
                     forest seed, trees; f64 min_impurity_decrease; then each tree:
                     u32 tree seed, nodes; f64 min_weight_leaf; u64 FNV-1a hashes of left, right,
                     feature, n (as 32 bits), threshold, weighted_n, value, impurity (as 64 bits)
"""
import struct
import sys
import warnings

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import train_test_split

warnings.simplefilter("ignore")


def fnv(array):
    h = 0xCBF29CE484222325
    for b in array.tobytes():
        h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def hashes(t):
    i4 = lambda a: np.ascontiguousarray(a, dtype="<i4")
    f8 = lambda a: np.ascontiguousarray(a, dtype="<f8")
    return [fnv(a) for a in (i4(t.children_left), i4(t.children_right), i4(t.feature), i4(t.n_node_samples),
                             f8(t.threshold), f8(t.weighted_n_node_samples), f8(t.value[:, 0, 0]), f8(t.impurity))]


def write(out, sets, cases):
    out.write(struct.pack("<I", len(sets)))
    for x, y, w in sets:
        out.write(struct.pack("<III", *x.shape, w is not None))
        out.write(x.astype("<f4").tobytes() + y.astype("<f8").tobytes())
        if w is not None:
            out.write(w.astype("<f8").tobytes())
    out.write(struct.pack("<I", len(cases)))
    for which, seed, trees, params in cases:
        x, y, w = sets[which]
        x = x.astype(np.float32)
        forest = RandomForestRegressor(trees, random_state=seed, **params).fit(x, y, sample_weight=w)
        first = forest.estimators_[0]
        out.write(struct.pack("<8Id", which, forest.bootstrap, params.get("max_depth", 0xFFFFFFFF),
                              forest.min_samples_split, forest.min_samples_leaf, first.max_features_, seed, trees,
                              forest.min_impurity_decrease))
        for tree in forest.estimators_:
            weight = np.ones(len(x)) if w is None else w.copy()
            if forest.bootstrap:
                drawn = np.random.RandomState(tree.random_state).randint(0, len(x), len(x))
                weight *= np.bincount(drawn, minlength=len(x))
            least = params.get("min_weight_fraction_leaf", 0.0) * np.sum(weight)
            out.write(struct.pack("<IId8Q", tree.random_state, tree.tree_.node_count, least, *hashes(tree.tree_)))


def small(data):
    r = np.random.RandomState(7)
    sets = [(data[:300, :8], data[:300, 8], None)]
    sets.append((data[5000:5200, :8], data[5000:5200, 8], r.rand(200) * 3))
    n = 250
    tied = np.column_stack([r.randint(0, k, n) for k in (2, 3, 7, 20, 1)]).astype(float)
    sets.append((tied, r.randn(n), None))
    close = np.column_stack([r.randint(0, 40, n) * 4e-8, r.randint(0, 9, n) * 6e-8 + 1, r.randn(n) * 1e30, r.randn(n) * 1e-6])
    sets.append((close, r.randint(0, 4, n).astype(float), None))
    sets.append((r.randint(0, 30, (n, 1)).astype(float), r.randn(n) * 1e6, r.randint(0, 3, n).astype(float)))
    wide = r.rand(120, 20).round(2)
    sets.append((wide, wide[:, 0] * 10 + r.rand(120), None))
    cases = []
    for s in range(len(sets)):
        cases.append((s, 201 + s, 3, {}))
        cases.append((s, 11 * s, 2, dict(bootstrap=False, max_features=1)))
        cases.append((s, 5 + s, 2, dict(max_features=0.5, min_samples_leaf=3, max_depth=6)))
        cases.append((s, 9 + s, 2, dict(min_samples_split=9, min_weight_fraction_leaf=0.02)))
        cases.append((s, 77 + s, 2, dict(min_impurity_decrease=1e-3, max_features="sqrt")))
    return sets, cases


def large(data, trees):
    x, _, y, _ = train_test_split(data[:, :8], data[:, 8], test_size=0.2, random_state=201)
    w = np.random.RandomState(3).rand(len(y)) * 2
    few = max(1, trees // 4)
    return [(x, y, None), (x, y, w)], [
        (0, 201, trees, {}), (1, 202, few, {}), (0, 203, few, dict(max_features=0.4)), (1, 204, few, dict(min_samples_leaf=4)),
        (0, 205, few, dict(min_weight_fraction_leaf=1e-3, bootstrap=False)), (0, 206, few, dict(max_depth=9, min_samples_split=12))]


def main(args):
    trees = None
    if args[0] == "--large":
        trees, args = int(args[1]), args[2:]
    data = np.genfromtxt(args[0], delimiter=",", skip_header=1)
    sets, cases = large(data, trees) if trees else small(data)
    with open(args[1], "wb") as out:
        write(out, sets, cases)


main(sys.argv[1:])
