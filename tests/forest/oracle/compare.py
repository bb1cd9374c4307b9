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
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
    from sklearn.inspection import permutation_importance
    from sklearn.metrics import mean_squared_error
    from sklearn.model_selection import train_test_split
except ImportError:
    print("scikit-learn is not installed (python3-sklearn)")
    sys.exit(77)
from libforest import Library

warnings.simplefilter("ignore")
NODE = dict(feature="feature", threshold="threshold", impurity="impurity", weighted_rows="weighted_n_node_samples",
            rows="n_node_samples")
KINDS = [RandomForestRegressor, RandomForestClassifier, ExtraTreesRegressor, ExtraTreesClassifier]


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


def targets(r, x, classes):
    rows = len(x)
    if not classes:
        return x[:, 0] + r.randn(rows) * 0.1 if r.rand() < 0.5 else r.randint(0, 5, rows).astype(float)
    y = r.randint(0, classes, rows) if r.rand() < 0.3 else np.abs((x[:, 0] * 3).astype(int) + r.randint(0, 2, rows)) % classes
    return np.unique(y, return_inverse=True)[1].astype(float)


def data(r, is_classifier):
    rows = int(r.choice([1, 2, 3, 10, 50, 200, 1000, 9000], p=[.02, .02, .03, .13, .2, .3, .25, .05]))
    cols = int(r.choice([1, 2, 3, 5, 8, 20, 60]))
    x = np.column_stack([column(r, rows) for _ in range(cols)])
    y = targets(r, x, int(r.choice([1, 2, 3, 5, 10, 40])) if is_classifier else 0)
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


def general_parameters(r, theirs, ours, kind, rows):
    """Those that the commonest regression forest does not have."""
    is_classifier = kind in (RandomForestClassifier, ExtraTreesClassifier)
    criteria = [("gini", 3), ("entropy", 4), ("log_loss", 4)] if is_classifier else [("squared_error", 1), ("friedman_mse", 2)]
    theirs["criterion"], ours["criterion"] = criteria[r.randint(len(criteria))]
    if r.rand() < 0.25:
        ours["max_leaf_nodes"] = theirs["max_leaf_nodes"] = int(r.choice([2, 3, 7, 30, 500]))
    if r.rand() < 0.25:
        ours["ccp_alpha"] = theirs["ccp_alpha"] = 10.0 ** r.randint(-5, 0) * r.rand()
    if r.rand() < 0.15:
        theirs["min_samples_split"] = ours["min_samples_split_fraction"] = r.rand() * 0.2 + 1e-3
        ours.pop("min_samples_split", None)
    if r.rand() < 0.15:
        theirs["min_samples_leaf"] = ours["min_samples_leaf_fraction"] = r.rand() * 0.1 + 1e-3
        ours.pop("min_samples_leaf", None)
    if is_classifier and r.rand() < 0.4:
        ours["class_weight"] = 1 + int(r.randint(2))
        theirs["class_weight"] = ["balanced", "balanced_subsample"][ours["class_weight"] - 1]
    ours["task"] = int(is_classifier)


def parameters(r, rows, cols, kind):
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
    most = r.randint(6)
    if most == 1:
        theirs["max_features"] = int(r.randint(1, cols + 1))
        ours.update(max_features=1, max_features_value=theirs["max_features"])
    elif most == 2:
        theirs["max_features"] = float(1.0 - r.rand() * 0.99)
        ours.update(max_features=2, max_features_value=theirs["max_features"])
    elif most in (3, 4):
        theirs["max_features"] = "sqrt" if most == 3 else "log2"
        ours["max_features"] = int(most)
    elif most == 5:
        theirs["max_features"] = None
        ours["max_features"] = 5
    is_extra = kind in (ExtraTreesRegressor, ExtraTreesClassifier)
    ours["extra_trees"] = int(is_extra)
    if r.rand() < (0.75 if is_extra else 0.25):
        theirs["bootstrap"] = False
        ours["no_bootstrap"] = 1
    else:
        theirs["bootstrap"] = True
        ours["bootstrap"] = int(is_extra)
    if theirs["bootstrap"] and r.rand() < 0.3 and rows > 30:
        theirs["max_samples"] = float(0.2 + r.rand() * 0.8) if r.rand() < 0.5 else int(r.randint(5, rows + 1))
        ours["max_samples"] = theirs["max_samples"]
    if kind != RandomForestRegressor or r.rand() < 0.5:
        general_parameters(r, theirs, ours, kind, rows)
    return theirs, ours


def same(a, b):
    return a.shape == b.shape and a.astype("f8").tobytes() == b.astype("f8").tobytes()


def tree_differences(model, index, tree):
    nodes = model.tree(index)
    if len(nodes) != tree.node_count:
        yield "%d nodes, not %d" % (len(nodes), tree.node_count)
        return
    id = nodes["id"].astype(int)  # ours are in preorder
    if not np.array_equal(np.sort(id), np.arange(len(id))):
        yield "numbers"
        return
    for name, attribute in NODE.items():
        if not same(nodes[name], getattr(tree, attribute)[id]):
            yield name
    for side in ("left", "right"):
        child = np.where(nodes[side] < 0, -1, id[nodes[side]])
        if not np.array_equal(child, getattr(tree, "children_" + side)[id]):
            yield side
    if model.info.classes:
        if not same(model.weights(index, len(nodes)), tree.value[id, 0, :]):
            yield "weights"
    elif not same(nodes["value"], tree.value[id, 0, 0]):
        yield "value"


def differences(library, kind, x, y, w, theirs, ours):
    reference = kind(n_jobs=1, oob_score=theirs["bootstrap"], **theirs).fit(x, y, sample_weight=w)
    model = library.train(x, y, w, **ours)
    for i, e in enumerate(reference.estimators_):
        for what in tree_differences(model, i, e.tree_):
            yield "tree %d: %s" % (i, what)
    p, q = reference.predict(x), model.predict(x)
    if not same(p, q):
        yield "predictions"
    if not same(reference.apply(x), model.apply(x)):
        yield "leaves"
    if model.info.classes:
        if not same(reference.predict_proba(x), model.predict_proba(x)):
            yield "probabilities"
    elif library.mse(y, q) != mean_squared_error(y, p):
        yield "mean squared error"
    paths, starts = reference.decision_path(x[:20])
    for row in range(min(len(x), 20)):
        passed = [model.decision_path(x, row, t) + starts[t] for t in range(len(starts) - 1)]
        if not np.array_equal(np.sort(np.concatenate(passed)), np.sort(paths[row].indices)):
            yield "decision path of row %d" % row
    if not same(reference.feature_importances_, model.importances()):
        yield "importances"
    score = reference.score(x, y)
    if score == score and score != library.score("accuracy" if model.info.classes else "r2_score", y, q):
        yield "score"
    if reference.bootstrap and len(x) > 1:
        out, score = model.oob(x, y)
        if not same(reference.oob_decision_function_ if model.info.classes else reference.oob_prediction_[:, None], out):
            yield "out of bag"
        if score != reference.oob_score_:
            yield "out of bag score"
    if 3 < len(x) < 300:
        seed = theirs["random_state"]
        expected = permutation_importance(reference, x, y, n_repeats=3, random_state=seed)
        out = model.permutation_importances(x, y, 3, seed)
        if not same(expected.importances_mean, out[0]) or not same(expected.importances_std, out[1]):
            yield "permutation importances"
    if len(x) > 4:
        size, seed = 0.1 + 0.7 * float(y.size % 7) / 7, theirs["random_state"]
        train, test = train_test_split(np.arange(len(x)), test_size=size, random_state=seed)
        test_part, train_part = library.split(len(x), size, seed)
        if not (np.array_equal(test, test_part) and np.array_equal(train, train_part)):
            yield "split"


def has_nan(kind, theirs, x, y, w):
    """Where a bootstrap draws no row of positive weight scikit-learn answers NaN, and we refuse."""
    reference = kind(n_jobs=1, **theirs).fit(x, y, sample_weight=w)
    return any(np.isnan(e.tree_.impurity[0]) or e.tree_.weighted_n_node_samples[0] == 0 for e in reference.estimators_)


def main(build, rounds=150, seed=1):
    if sklearn.__version__ != "1.2.1":
        print("scikit-learn %s here; 1.2.1 is the reference" % sklearn.__version__)
        return 77
    library, failed, trees = Library(build), 0, 0
    for k in range(int(rounds)):
        r = np.random.RandomState([int(seed), k])
        kind = KINDS[k % 4]
        x, y, w = data(r, kind in (RandomForestClassifier, ExtraTreesClassifier))
        theirs, ours = parameters(r, *x.shape, kind)
        try:
            found = list(differences(library, kind, x, y, w, theirs, ours))
        except OSError as e:
            found = [] if has_nan(kind, theirs, x, y, w) else [str(e)]
        trees += theirs["n_estimators"]
        for what in found[:3]:
            print("seed %s round %d: %s differs; %s %s x %s, weights %s, %s" % (seed, k, what, kind.__name__, *x.shape,
                                                                              w is not None, theirs))
        failed += bool(found)
    print("%d forests, %d trees compared with scikit-learn %s: %d differ" % (int(rounds), trees, sklearn.__version__, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
