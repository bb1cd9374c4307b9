#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Forests against everybody's: scikit-learn, ranger, randomForest, XGBoost; and the sweep against joblib and dask.

    peers.py BUILD DATA.csv OUT.jsonl [--quick]     all cases, in turn; lines are added to OUT.jsonl
    peers.py --one IMPL TREES FOLDER                one fit and one prediction, a line of JSON

Each measurement is a process of its own, on one thread: so its peak of memory is that of the fit, the data taken
off. All are timed by their own clock inside, the data being loaded. What is not installed is skipped by name.
"""
import importlib.util
import json
import os
import pickle
import statistics
import subprocess
import sys
import time
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../tests/forest/oracle"))
warnings.simplefilter("ignore")
SEED = 201
METRICS = [("fit", "time per tree", "ms"), ("predict", "predict per row and tree", "ns"),
           ("bytes", "model per tree", "KB"), ("peak", "peak memory", "MB"), ("mse", "mean squared error", "")]
# Ours in mode and depth; the peers. 0: no limit.
OURS = {"ours, exact": (0, 0), "ours, fast": (2, 0), "ours, hist": (1, 0), "ours, hist, depth 12": (1, 12)}
PEERS = ["scikit-learn", "ranger", "randomForest", "XGBoost exact", "XGBoost hist, depth 12"]


# ---- one measurement --------------------------------------------------------------------------------------------

def memory(what):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith(what))


def load(folder):
    import numpy as np
    read = lambda name: np.fromfile(os.path.join(folder, name))
    cols = int(read("shape")[0])
    return [np.ascontiguousarray(read(n).reshape(cols, -1).T) if n[0] == "x" else read(n)
            for n in ("x_train", "y_train", "x_test", "y_test")]


def ours(impl, trees):
    from libforest import Library
    mode, depth = OURS[impl]
    library = Library(os.environ["BENCH_BUILD"])
    return ("", lambda x, y: library.train(x, y, None, n_estimators=trees, seed=SEED, mode=mode, max_depth=depth),
            lambda m, x: m.predict(x), lambda m: m.size)


def sklearn(_, trees):
    import sklearn
    from sklearn.ensemble import RandomForestRegressor
    return (sklearn.__version__, lambda x, y: RandomForestRegressor(trees, random_state=SEED, n_jobs=1).fit(x, y),
            lambda m, x: m.predict(x), lambda m: len(pickle.dumps(m)))


def xgboost(impl, trees):
    import xgboost
    kind = dict(tree_method="exact", max_depth=40) if "exact" in impl else dict(tree_method="hist", max_depth=12)
    make = lambda: xgboost.XGBRFRegressor(n_estimators=trees, subsample=0.632, colsample_bynode=1.0, learning_rate=1.0,
                                          reg_lambda=0.0, min_child_weight=1, n_jobs=1, random_state=SEED, **kind)
    return (xgboost.__version__, lambda x, y: make().fit(x, y), lambda m, x: m.predict(x),
            lambda m: len(m.get_booster().save_raw("ubj")))


def one(impl, trees, folder):
    make = ours if impl in OURS else sklearn if impl == "scikit-learn" else xgboost
    version, fit, predict, size = make(impl, trees)
    x, y, xt, yt = load(folder)
    before = memory("VmRSS")
    start = time.perf_counter()
    model = fit(x, y)
    fitted = time.perf_counter()
    answer = predict(model, xt)
    end = time.perf_counter()
    peak = max(memory("VmHWM") - before, 0)
    print(json.dumps(dict(version=version, fit=fitted - start, predict=end - fitted, bytes=size(model), peak=peak,
                          mse=float(((answer - yt) ** 2).mean()))))


# ---- all of them ---------------------------------------------------------------------------------------------------

def write(folder, xa, ya, xt, yt):
    import numpy as np
    os.makedirs(folder, exist_ok=True)
    for name, array in (("shape", np.array([float(xa.shape[1])])), ("x_train", xa.T), ("y_train", ya), ("x_test", xt.T),
                        ("y_test", yt)):
        np.ascontiguousarray(array, dtype=np.float64).tofile(os.path.join(folder, name))
    return folder


def california(build, path):
    import numpy as np
    from sklearn.model_selection import train_test_split
    a = np.genfromtxt(path, delimiter=",", skip_header=1)
    x, xt, y, yt = train_test_split(a[:, :-1], a[:, -1], test_size=0.2, random_state=SEED)
    return write(os.path.join(build, "bench/data/california"), x, y, xt, yt)


def friedman(build, rows):
    from sklearn.datasets import make_friedman1
    x, y = make_friedman1(rows + 10000, 10, noise=1.0, random_state=SEED)
    return write(os.path.join(build, "bench/data/friedman1-%d" % rows), x[:rows], y[:rows], x[rows:], y[rows:])


def measure(impl, trees, folder, seconds):
    """None: it is not there, or it did not work within this time."""
    if impl in ("ranger", "randomForest"):
        command = ["Rscript", os.path.join(HERE, "peer.R"), impl, str(trees), folder]
    else:
        command = [sys.executable, os.path.abspath(__file__), "--one", impl, str(trees), folder]
    quiet = None if os.environ.get("BENCH_VERBOSE") else subprocess.DEVNULL
    try:
        out = subprocess.run(command, stdout=subprocess.PIPE, stderr=quiet, timeout=seconds, check=True).stdout
        return json.loads(out.decode().strip().splitlines()[-1])
    except (OSError, ValueError, IndexError, subprocess.SubprocessError):
        return None


def installed(impl):
    if impl in ("ranger", "randomForest"):
        try:
            return subprocess.run(["Rscript", "-e", "quit(status = !requireNamespace('%s', quietly = TRUE))" % impl],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
        except OSError:
            return False
    return impl in OURS or importlib.util.find_spec("xgboost" if "XGBoost" in impl else "sklearn") is not None


def report(out, case, params, results, metrics):
    """results: by impl, a list of rounds; metrics: key, words, unit."""
    print("\n%s (%s), medians; in parentheses: how many times %s" % (case, params, next(iter(results))))
    print("  %-32s" % "" + "".join("%31s" % (", ".join(filter(None, m[1:]))) for m in metrics))
    first = {}
    for impl, rounds in results.items():
        line = "  %-32s" % impl
        for key, words, unit in metrics:
            values = [r[key] for r in rounds]
            median = statistics.median(values)
            first.setdefault(key, median)
            line += "%21.5g (%7.3g)" % (median, median / first[key] if first[key] else 0.0)
            out.write(json.dumps({"suite": "forest", "case": case, "params": params, "impl": impl, "metric": words,
                                  "unit": unit, "better": "lower", "median": median, "min": min(values),
                                  "max": max(values), "rounds": len(values)}) + "\n")
        print(line, flush=True)
    out.flush()


def run_case(out, name, folder, trees, rounds, seconds, impls):
    test_rows = os.path.getsize(os.path.join(folder, "y_test")) // 8
    results = {}
    gone = set()
    for _ in range(rounds):
        for impl in impls:
            r = None if impl in gone else measure(impl, trees, folder, seconds)
            if r is None:
                gone.add(impl)
                continue
            r["fit"] *= 1e3 / trees
            r["predict"] *= 1e9 / trees / test_rows
            r["bytes"] /= 1e3 * trees
            r["peak"] /= 1e6
            results.setdefault((impl + " " + r["version"]).strip(), []).append(r)
    report(out, "peers", "%s, %d trees, 1 thread" % (name, trees), results, METRICS)
    for impl in sorted(gone):
        print("  %-32s failed, or took more than %d s" % (impl, seconds))


# ---- the sweep -----------------------------------------------------------------------------------------------------

SIZES = range(8, 85, 4)


def train_and_score(trees, data):
    from sklearn.ensemble import RandomForestRegressor
    x, y, xt, yt = data
    model = RandomForestRegressor(trees, random_state=SEED, n_jobs=1).fit(x, y)
    return float(((model.predict(xt) - yt) ** 2).mean())


def sweep_tool(build, path):
    with open(path) as f:
        target = f.readline().strip().split(",")[-1].strip('"')
    out = subprocess.run([os.path.join(build, "bin/forest"), "sweep", "--data", path, "--target", target, "--seed", str(SEED),
                          "--test-size", "0.2", "--models", "20", "--start", "8", "--step", "4", "--workers", "2",
                          "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    return json.loads(out)["parallel_seconds"]


def sweep_joblib(data):
    import joblib
    with joblib.Parallel(n_jobs=2) as pool:
        pool(joblib.delayed(abs)(i) for i in range(2))  # the workers are up
        start = time.perf_counter()
        pool(joblib.delayed(train_and_score)(n, data) for n in reversed(SIZES))
        return time.perf_counter() - start


def sweep_dask(data):
    from distributed import Client, LocalCluster
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        start = time.perf_counter()
        there = client.scatter([data], broadcast=True)[0]
        client.gather([client.submit(train_and_score, n, there) for n in reversed(SIZES)])
        return time.perf_counter() - start


def run_sweep(out, build, path, folder):
    data = load(folder)
    results = {"ours": [dict(seconds=sweep_tool(build, path))]}
    for name, module, work in (("joblib, 2 processes", "joblib", sweep_joblib), ("dask, 2 processes", "distributed", sweep_dask)):
        if importlib.util.find_spec(module) is None:
            print("sweep: %s: skipped (not installed)" % name)
            continue
        results[name] = [dict(seconds=work(data))]
    report(out, "peers-sweep", "20 models of 8 to 84 trees, 2 workers", results, [("seconds", "time", "s")])


def main(build, path, out_path, quick):
    os.environ["BENCH_BUILD"] = os.path.abspath(build)
    if importlib.util.find_spec("numpy") is None or importlib.util.find_spec("sklearn") is None:
        print("peers: skipped (python3-sklearn, which makes the data, is not installed)")
        return
    impls = list(OURS)
    for impl in PEERS:
        if installed(impl):
            impls.append(impl)
        else:
            print("peers: %s: skipped (not installed)" % impl)
    rounds = 1 if quick else 3
    with open(out_path, "a") as out:
        folder = california(build, path)
        run_case(out, "California", folder, 8, rounds, 60, impls)
        run_case(out, "friedman1 of 10^4 rows", friedman(build, 10000), 8, rounds, 60, impls)
        if quick and "randomForest" in impls:
            impls.remove("randomForest")
            print("\nrandomForest: no more than 10^4 rows in the quick form (it takes most of a minute for a tree)")
        run_case(out, "friedman1 of 10^5 rows", friedman(build, 100000), 2 if quick else 4, rounds, 600, impls)
        if not quick:
            run_case(out, "friedman1 of 10^6 rows", friedman(build, 1000000), 2, 1, 600, impls)
            run_sweep(out, build, path, folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        arguments = [a for a in sys.argv[1:] if a != "--quick"]
        main(*arguments, "--quick" in sys.argv)
