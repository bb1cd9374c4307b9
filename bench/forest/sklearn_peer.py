#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""scikit-learn's side of the bench: commands on stdin, seconds on stdout, a line each.

    sklearn_peer.py DATA.csv      (the last column is the target)
    fit TREES JOBS | sweep JOBS | predict TREES JOBS (trains unless it has) | mse TREES
"""
import sys
import time
import warnings

import numpy as np
import sklearn
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split

warnings.simplefilter("ignore")
SEED = 201


def main(path):
    data = np.genfromtxt(path, delimiter=",", skip_header=1)
    x, xt, y, yt = train_test_split(data[:, :-1], data[:, -1], test_size=0.2, random_state=SEED)
    kept = {}

    def fit(trees, jobs):
        return RandomForestRegressor(trees, random_state=SEED, n_jobs=jobs).fit(x, y)

    def trained(trees):
        if trees not in kept:
            kept[trees] = fit(trees, 2)
        return kept[trees]

    print("scikit-learn %s" % sklearn.__version__, flush=True)
    for line in sys.stdin:
        what, *n = line.split()
        n = [int(v) for v in n]
        if what == "mse":
            model = trained(*n)
            model.n_jobs = 1
            print("%.17g" % mean_squared_error(yt, model.predict(xt)), flush=True)
            continue
        model = trained(n[0]) if what == "predict" else None
        start = time.perf_counter()
        if what == "fit":
            fit(*n)
        elif what == "sweep":
            for trees in range(8, 85, 4):
                mean_squared_error(yt, fit(trees, n[0]).predict(xt))
        else:
            model.n_jobs = n[1]
            model.predict(xt)
        print("%.9f" % (time.perf_counter() - start), flush=True)


main(sys.argv[1])
