#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Models of scikit-learn for tests/cli/forest_sklearn.sh.

    import_models.py live DIRECTORY     one of each kind: N.joblib, N.csv (rows), N.expected (what it predicts)
    import_models.py golden DIRECTORY   the small one that is shipped: sklearn.json, sklearn.csv, sklearn.expected

Exit 77: there is no scikit-learn 1.2.1.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../tools/python"))
try:
    import joblib
    import numpy as np
    import sklearn
    from sklearn import datasets
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
except ImportError:
    print("scikit-learn is not installed (python3-sklearn)")
    sys.exit(77)
import forest_from_sklearn

MODELS = [
    RandomForestRegressor(9, random_state=1), RandomForestRegressor(5, max_leaf_nodes=40, random_state=2),
    RandomForestRegressor(5, bootstrap=False, max_features="sqrt", random_state=3),
    RandomForestRegressor(4, criterion="absolute_error", max_depth=4, random_state=4),
    RandomForestRegressor(4, ccp_alpha=0.1, max_samples=0.5, random_state=np.random.RandomState(9)),
    ExtraTreesRegressor(5, random_state=5), ExtraTreesRegressor(5, bootstrap=True, min_samples_leaf=0.01, random_state=6),
    RandomForestClassifier(9, random_state=7), RandomForestClassifier(9, min_samples_leaf=5, random_state=8),
    RandomForestClassifier(5, class_weight="balanced", max_leaf_nodes=12, criterion="entropy", random_state=9),
    RandomForestClassifier(5, class_weight={0: 1.5, 1: 0.3, 2: 7.7}, min_samples_leaf=9, random_state=9),
    ExtraTreesClassifier(5, min_samples_split=0.1, random_state=10),
    ExtraTreesClassifier(5, bootstrap=True, max_samples=100, min_samples_leaf=3, random_state=11),
]


def write(base, x, model):
    is_class = hasattr(model, "classes_")
    np.savetxt(base + ".csv", x, "%.17g", ",")
    answers = model.predict_proba(x) if is_class else model.predict(x)[:, None]
    with open(base + ".expected", "w") as f:
        for row in answers:
            f.write(",".join("%.17g" % p for p in row) + "\n")
    with open(base + ".importance", "w") as f:
        f.write("".join("%d %.17g\n" % pair for pair in enumerate(model.feature_importances_)))


def live(folder):
    x, y = datasets.make_friedman1(400, random_state=0)
    for i, model in enumerate(MODELS):
        target = y if isinstance(model, (RandomForestRegressor, ExtraTreesRegressor)) else np.digitize(y, [12, 17])
        model.fit(x, target)
        base = os.path.join(folder, "%s.%d" % ("c" if hasattr(model, "classes_") else "r", i))
        write(base, x[:150], model)
        joblib.dump(model, base + ".joblib")


def golden(folder):
    x, y = datasets.load_iris(return_X_y=True)
    model = RandomForestClassifier(3, max_depth=3, random_state=1).fit(x, y * 10 - 5)
    base = os.path.join(folder, "sklearn")
    write(base, x[::10], model)
    os.remove(base + ".importance")
    with open(base + ".json", "w") as f:
        forest_from_sklearn.write(model, f)


if sklearn.__version__ != "1.2.1":
    print("scikit-learn %s here; 1.2.1 is the reference" % sklearn.__version__)
    sys.exit(77)
globals()[sys.argv[1]](sys.argv[2])
