#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Compare libforest with the scikit-learn that is installed here, on random data and parameters.

    compare.py BUILD [ROUNDS [SEED]]

Every array of every tree, every bit of every prediction, splits and errors. Exit 77: there is no scikit-learn 1.2.1.
"""
import os
import sys
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

try:
    import numpy as np
    import sklearn
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.metrics import mean_squared_error
    from sklearn.model_selection import train_test_split
except ImportError:
    print("scikit-learn is not installed (python3-sklearn)")
    sys.exit(77)
from libforest import Library

warnings.simplefilter("ignore")
ARRAYS = dict(left="children_left", right="children_right", feature="feature", threshold="threshold", impurity="impurity",
              weighted_rows="weighted_n_node_samples", rows="n_node_samples")


def column(r, n):
    kind = r.randint(7)
    if kind == 0:
        return r.rand(n)
    if kind == 1:
        return r.randint(0, r.choice([2, 3, 10, 100]), n).astype(float)
    if kind == 2:
        return r.randn(n) * 10.0 ** r.randint(-8, 9)
    if kind == 3:
        return r.rand(n).round(r.randint(1, 4))
    if kind == 4:
        return 5.0 + r.randint(0, 50, n) * 3e-8  # closer than a split can tell
    if kind == 5:
        return np.where(r.rand(n) < 0.9, 0.0, r.rand(n))
    return np.full(n, r.randn())


def data(r):
    rows = int(r.choice([1, 2, 3, 10, 50, 200, 1000, 9000], p=[.02, .02, .03, .13, .2, .3, .25, .05]))
    cols = int(r.choice([1, 2, 3, 5, 8, 20, 60]))
    x = np.column_stack([column(r, rows) for _ in range(cols)])
    y = x[:, 0] + r.randn(rows) * 0.1 if r.rand() < 0.5 else r.randint(0, 5, rows).astype(float)
    if r.rand() < 0.5:
        x = x.astype(np.float32)
    if r.rand() < 0.5:
        x = np.asfortranarray(x)
    w = None
    if r.rand() < 0.4:
        w = r.rand(rows) * 3 if r.rand() < 0.5 else r.randint(1, 4, rows).astype(float)
        if rows > 20:
            w[r.rand(rows) < 0.1] = 0.0
    return x, y, w


def parameters(r, rows, cols):
    """The same for scikit-learn and for us."""
    theirs = dict(n_estimators=int(r.randint(1, 6)), random_state=int(r.randint(0, 1 << 32, dtype=np.uint64)))
    ours = dict(n_estimators=theirs["n_estimators"], seed=theirs["random_state"], keep_stats=1)
    if r.rand() < 0.3:
        ours["max_depth"] = theirs["max_depth"] = int(r.randint(1, 12))
    if r.rand() < 0.3:
        ours["min_samples_split"] = theirs["min_samples_split"] = int(r.randint(2, 20))
    if r.rand() < 0.3:
        ours["min_samples_leaf"] = theirs["min_samples_leaf"] = int(r.randint(1, 10))
    if r.rand() < 0.2:
        ours["min_weight_fraction_leaf"] = theirs["min_weight_fraction_leaf"] = r.rand() * r.choice([0.5, 0.01])
    if r.rand() < 0.2:
        ours["min_impurity_decrease"] = theirs["min_impurity_decrease"] = 10.0 ** r.randint(-6, 0)
    kind = r.randint(6)
    if kind == 1:
        theirs["max_features"] = int(r.randint(1, cols + 1))
        ours.update(max_features=1, max_features_value=theirs["max_features"])
    elif kind == 2:
        theirs["max_features"] = float(1.0 - r.rand() * 0.99)
        ours.update(max_features=2, max_features_value=theirs["max_features"])
    elif kind in (3, 4):
        theirs["max_features"] = "sqrt" if kind == 3 else "log2"
        ours["max_features"] = kind
    if r.rand() < 0.25:
        theirs["bootstrap"] = False
        ours["no_bootstrap"] = 1
    elif r.rand() < 0.3 and rows > 30:
        theirs["max_samples"] = float(0.2 + r.rand() * 0.8) if r.rand() < 0.5 else int(r.randint(5, rows + 1))
        ours["max_samples"] = theirs["max_samples"]
    return theirs, ours


def same(a, b):
    return a.shape == b.shape and a.astype("f8").tobytes() == b.astype("f8").tobytes()


def differences(library, x, y, w, theirs, ours):
    reference = RandomForestRegressor(n_jobs=1, **theirs).fit(x, y, sample_weight=w)
    model = library.train(x, y, w, **ours)
    for i, tree in enumerate(e.tree_ for e in reference.estimators_):
        nodes = model.tree(i)
        if len(nodes) != tree.node_count:
            yield "tree %d: %d nodes, not %d" % (i, len(nodes), tree.node_count)
            continue
        for name, attribute in ARRAYS.items():
            if not same(nodes[name], getattr(tree, attribute)):
                yield "tree %d: %s" % (i, name)
        if not same(nodes["value"], tree.value[:, 0, 0]):
            yield "tree %d: value" % i
    p, q = reference.predict(x), model.predict(x)
    if not same(p, q):
        yield "predictions"
    if library.mse(y, q) != mean_squared_error(y, p):
        yield "mean squared error"
    if len(x) > 4:
        size, seed = 0.1 + 0.7 * float(y.size % 7) / 7, theirs["random_state"]
        train, test = train_test_split(np.arange(len(x)), test_size=size, random_state=seed)
        test_part, train_part = library.split(len(x), size, seed)
        if not (np.array_equal(test, test_part) and np.array_equal(train, train_part)):
            yield "split"


def main(build, rounds=150, seed=1):
    if sklearn.__version__ != "1.2.1":
        print("scikit-learn %s here; 1.2.1 is the reference" % sklearn.__version__)
        return 77
    library, failed, trees, nodes = Library(build), 0, 0, 0
    for k in range(int(rounds)):
        r = np.random.RandomState([int(seed), k])
        x, y, w = data(r)
        theirs, ours = parameters(r, *x.shape)
        try:
            found = list(differences(library, x, y, w, theirs, ours))
        except OSError as e:
            drawn = RandomForestRegressor(n_jobs=1, **theirs).fit(x, y, sample_weight=w)
            found = [] if np.isnan(drawn.predict(x)).any() else [str(e)]  # refused where scikit-learn answers NaN
        trees += theirs["n_estimators"]
        for what in found:
            print("seed %s round %d: %s differs; %s x %s, weights %s, %s" % (seed, k, what, *x.shape, w is not None, theirs))
        failed += bool(found)
    print("%d forests, %d trees compared with scikit-learn %s: %d differ" % (int(rounds), trees, sklearn.__version__, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
