#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A fitted scikit-learn forest as JSON, for `forest import`.

    forest-from-sklearn MODEL.pkl|MODEL.joblib [-o FILE.json] [--no-stats]
    forest-from-sklearn model.joblib | forest import --json - -o model.forest

or, from Python, where this file can be imported:

    forest_from_sklearn.write(model, open("model.json", "w"))

RandomForestRegressor, RandomForestClassifier, ExtraTreesRegressor and ExtraTreesClassifier with one output. The
imported forest predicts the same bits. Labels that are no numbers are numbered, in order, from 0.

A pickle can do anything when it is loaded: load none that you do not trust.
"""
import argparse
import json
import sys

try:
    import numpy as np
    import sklearn
except ImportError:
    sys.exit("forest-from-sklearn: scikit-learn is not installed here (python3-sklearn)")

KINDS = {"RandomForestRegressor": (False, False), "RandomForestClassifier": (True, False),
         "ExtraTreesRegressor": (False, True), "ExtraTreesClassifier": (True, True)}
CRITERIA = ("squared_error", "friedman_mse", "gini", "entropy", "log_loss")


def seeds_known(model):
    """Are the trees those of a forest fitted at once with an integer seed?"""
    seed = model.random_state
    if not isinstance(seed, (int, np.integer)) or not 0 <= seed < 1 << 32:
        return False
    r = np.random.RandomState(seed)
    return all(e.random_state == r.randint(np.iinfo(np.int32).max) for e in model.estimators_)


def bootstrap(model, is_extra, note):
    """Which rows a tree has not seen can be told again only if its draws can be repeated."""
    draws = model.max_samples
    known = seeds_known(model) and not (isinstance(draws, (int, np.integer)) and draws == 1)
    if model.bootstrap and not known:
        note("the seeds of its trees are not those of an integer random_state: no out-of-bag predictions")
    if not model.bootstrap or not known:
        return {} if is_extra else {"no_bootstrap": 1}
    out = {"bootstrap": 1} if is_extra else {}
    if draws is not None:
        out["max_samples"] = float(draws)
    return out


def parameters(model, is_class, is_extra, has_stats, note):
    out = {"task": "classification" if is_class else "regression", "n_estimators": len(model.estimators_),
           "extra_trees": int(is_extra), "keep_stats": int(has_stats)}
    if seeds_known(model):
        out["seed"] = int(model.random_state)
    out.update(bootstrap(model, is_extra, note))
    if model.criterion in CRITERIA:
        out["criterion"] = model.criterion
    else:
        note("criterion %s is told as the default one" % model.criterion)
    for name in ("max_depth", "max_leaf_nodes"):
        if getattr(model, name) is not None:
            out[name] = int(getattr(model, name))
    for name in ("min_samples_split", "min_samples_leaf"):
        value = getattr(model, name)
        is_count = isinstance(value, (int, np.integer))
        if is_count or value < 1:
            out[name if is_count else name + "_fraction"] = int(value) if is_count else float(value)
    for name in ("min_weight_fraction_leaf", "min_impurity_decrease", "ccp_alpha"):
        out[name] = float(getattr(model, name))
    most = model.max_features
    if most in ("sqrt", "log2"):
        out["max_features"] = most
    elif most is None:
        out["max_features"] = "all"
    elif not isinstance(most, str):
        is_count = isinstance(most, (int, np.integer))
        out.update(max_features="count" if is_count else "fraction", max_features_value=float(most))
    weight = getattr(model, "class_weight", None)
    if isinstance(weight, str):
        out["class_weight"] = weight
    elif weight is not None:
        note("class_weight is not told, as it is none of the two words")
    return out


def labels(model, note):
    try:
        numbers = [float(c) for c in np.asarray(model.classes_)]
        if all(a < b for a, b in zip(numbers, numbers[1:])) and np.isfinite(numbers).all():
            return numbers
    except ValueError:
        pass
    note("the labels are no numbers; they are numbered: %s" % ", ".join(
        "%d %s" % pair for pair in enumerate(model.classes_[:20])))
    return list(range(len(model.classes_)))


def shares_of(values, are_leaves):
    """What predict_proba() makes of the leaves; the number of a class that has it all."""
    if sklearn_version() < (1, 3):
        sums = values.sum(axis=1)[:, np.newaxis]
        sums[sums == 0.0] = 1.0
        values = values / sums
    pure = (values == 1.0).any(axis=1) & ((values != 0.0).sum(axis=1) == 1)
    best = values.argmax(axis=1)
    return [None if not leaf else int(b) if p else row.tolist()
            for leaf, p, b, row in zip(are_leaves, pure, best, values)]


def sklearn_version():
    return tuple(int(x) for x in sklearn.__version__.split(".")[:2])


def tree_object(tree, is_class, has_stats):
    values = tree.value[:, 0, :]
    out = {"left": tree.children_left.tolist(), "right": tree.children_right.tolist(),
           "feature": tree.feature.tolist(), "threshold": tree.threshold.tolist()}
    if is_class:
        out["shares"] = shares_of(values, tree.children_left < 0)
    else:
        out["value"] = values[:, 0].tolist()
    if has_stats:
        out.update(impurity=tree.impurity.tolist(), weighted_rows=tree.weighted_n_node_samples.tolist(),
                   rows=tree.n_node_samples.tolist())
        if is_class:
            weights = values
            if sklearn_version() >= (1, 3):  # it keeps shares there
                weights = values * tree.weighted_n_node_samples[:, np.newaxis]
            out["weights"] = weights.tolist()
    return out


def write(model, out, has_stats=True, note=lambda text: None):
    """Write the forest to a text file; ValueError: it is none that can be told. note(text) gets what is lost."""
    kind = KINDS.get(type(model).__name__)
    if kind is None:
        raise ValueError("%s is not a random forest" % type(model).__name__)
    if not hasattr(model, "estimators_"):
        raise ValueError("the forest is not fitted")
    if model.n_outputs_ != 1:
        raise ValueError("a forest of %d outputs; one is supported" % model.n_outputs_)
    if any(getattr(e.tree_, "missing_go_to_left", np.zeros(1)).any() for e in model.estimators_):
        raise ValueError("it learnt to send missing values to the left; they go to the right here")
    is_class, is_extra = kind
    head = {"format": "forest-json", "version": 1, "made_by": "scikit-learn " + sklearn.__version__,
            "params": parameters(model, is_class, is_extra, has_stats, note), "features": int(model.n_features_in_)}
    if is_class:
        head["classes"] = labels(model, note)
    out.write(json.dumps(head, allow_nan=False)[:-1] + ',\n "trees":[')
    for i, e in enumerate(model.estimators_):
        out.write((",\n " if i else "\n ") + json.dumps(tree_object(e.tree_, is_class, has_stats), allow_nan=False,
                                                        separators=(",", ":")))
    out.write("]}\n")


def load(path):
    try:
        import joblib
        return joblib.load(path)
    except ImportError:
        import pickle
        with open(path, "rb") as f:
            return pickle.load(f)


def main():
    parser = argparse.ArgumentParser(prog="forest-from-sklearn", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a fitted forest, as joblib or pickle saved it")
    parser.add_argument("-o", "--output", default="-", help="where the JSON goes (standard output)")
    parser.add_argument("--no-stats", action="store_true", help="leave out what importances need")
    args = parser.parse_args()

    def note(text):
        print("forest-from-sklearn: %s: %s" % (args.model, text), file=sys.stderr)

    try:
        model = load(args.model)
    except Exception as e:  # whatever a pickle does
        note("cannot load it (%s)" % e)
        return 3
    try:
        out = sys.stdout if args.output == "-" else open(args.output, "w")
        write(model, out, not args.no_stats, note)
        out.close()
    except (ValueError, OSError) as e:
        note(e)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
