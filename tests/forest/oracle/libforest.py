# SPDX-License-Identifier: MIT
"""libforest from Python, through ctypes: as much as the comparison with scikit-learn needs."""
import ctypes
import os

import numpy as np


class Matrix(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("rows", ctypes.c_uint64), ("cols", ctypes.c_uint64),
                ("row_stride", ctypes.c_int64), ("col_stride", ctypes.c_int64), ("dtype", ctypes.c_uint32),
                ("reserved", ctypes.c_uint32)]


class Params(ctypes.Structure):
    _fields_ = [(n, ctypes.c_uint32) for n in ("struct_size", "task", "n_estimators", "seed", "max_depth",
                                               "min_samples_split", "min_samples_leaf", "max_features")] + \
               [(n, ctypes.c_double) for n in ("max_features_value", "min_weight_fraction_leaf",
                                               "min_impurity_decrease", "max_samples")] + \
               [(n, ctypes.c_uint32) for n in ("no_bootstrap", "keep_stats", "criterion", "class_weight",
                                               "max_leaf_nodes", "extra_trees", "bootstrap", "mode")] + \
               [(n, ctypes.c_double) for n in ("min_samples_split_fraction", "min_samples_leaf_fraction", "ccp_alpha")]


class Node(ctypes.Structure):
    _fields_ = [("left", ctypes.c_int64), ("right", ctypes.c_int64), ("feature", ctypes.c_int64),
                ("threshold", ctypes.c_double), ("value", ctypes.c_double), ("impurity", ctypes.c_double),
                ("weighted_rows", ctypes.c_double), ("rows", ctypes.c_uint64), ("id", ctypes.c_uint64)]


class Info(ctypes.Structure):
    _fields_ = [("params", Params)] + [(n, ctypes.c_uint64) for n in ("features", "trees", "nodes", "leaves", "depth",
                                                                      "bytes", "classes")]


def matrix(x):
    kind = {"float32": 1, "float64": 2}[x.dtype.name]
    return Matrix(x.ctypes.data, x.shape[0], x.shape[1], x.strides[0], x.strides[1], kind, 0)


def doubles(a):
    return None if a is None else a.ctypes.data_as(ctypes.c_void_p)


class Library:
    def __init__(self, build):
        self.c = ctypes.CDLL(os.path.join(build, "lib", "libforest.so"))
        self.c.forest_strerror.restype = ctypes.c_char_p
        for name in ("mean_squared_error", "r2_score", "accuracy"):
            getattr(self.c, "forest_" + name).restype = ctypes.c_double
        self.free = ctypes.CDLL(None).free
        self.free.argtypes = [ctypes.c_void_p]

    def check(self, error):
        if error:
            raise OSError(-error, self.c.forest_strerror(error).decode())

    def split(self, rows, size, seed):
        order, count = np.zeros(rows, dtype=np.uint32), ctypes.c_uint64()
        self.check(self.c.forest_train_test_split(ctypes.c_uint64(rows), ctypes.c_double(size), ctypes.c_uint32(seed),
                                                  doubles(order), ctypes.byref(count)))
        return order[:count.value], order[count.value:]

    def train(self, x, y, w, **given):
        params = Params(struct_size=ctypes.sizeof(Params), **given)
        block, size = ctypes.c_void_p(), ctypes.c_size_t()
        self.check(self.c.forest_train(ctypes.byref(matrix(x)), doubles(y), doubles(w), ctypes.byref(params), None,
                                       ctypes.byref(block), ctypes.byref(size)))
        return Model(self, block, size)

    def score(self, name, y, p):
        return getattr(self.c, "forest_" + name)(doubles(y), doubles(p), ctypes.c_uint64(len(y)))

    def mse(self, y, p):
        return self.c.forest_mean_squared_error(doubles(y), doubles(p), ctypes.c_uint64(len(y)))


class Model:
    def __init__(self, library, block, size):
        self.library, self.block, self.size, self.view = library, block, size.value, ctypes.c_void_p()
        library.check(library.c.forest_open(block, size, ctypes.byref(self.view), None))
        self.info = Info()
        library.c.forest_describe(self.view, ctypes.byref(self.info))

    def __del__(self):
        self.library.c.forest_close(self.view)
        self.library.free(self.block)

    def predict(self, x):
        out = np.zeros(len(x))
        self.library.check(self.library.c.forest_predict(self.view, ctypes.byref(matrix(x)), doubles(out)))
        return out

    def predict_proba(self, x):
        out = np.zeros((len(x), self.info.classes))
        self.library.check(self.library.c.forest_predict_proba(self.view, ctypes.byref(matrix(x)), doubles(out)))
        return out

    def apply(self, x):
        out = np.zeros((len(x), self.info.trees), dtype=np.uint32)
        self.library.check(self.library.c.forest_apply(self.view, ctypes.byref(matrix(x)), doubles(out)))
        return out

    def decision_path(self, x, row, tree):
        nodes, count = np.zeros(self.info.depth + 1, dtype=np.uint32), ctypes.c_uint32()
        self.library.check(self.library.c.forest_decision_path(
            self.view, ctypes.byref(matrix(x)), ctypes.c_uint64(row), ctypes.c_uint32(tree), doubles(nodes),
            ctypes.byref(count)))
        return nodes[:count.value]

    def oob(self, x, y):
        out, score = np.zeros((len(x), max(1, self.info.classes))), ctypes.c_double()
        self.library.check(self.library.c.forest_oob(self.view, ctypes.byref(matrix(x)), doubles(y), doubles(out),
                                                     ctypes.byref(score)))
        return out, score.value

    def importances(self):
        out = np.zeros(self.info.features)
        self.library.check(self.library.c.forest_importances(self.view, doubles(out)))
        return out

    def permutation_importances(self, x, y, repeats, seed):
        out = np.zeros((2, self.info.features))
        self.library.check(self.library.c.forest_permutation_importances(
            self.view, ctypes.byref(matrix(x)), doubles(y), ctypes.c_uint32(repeats), ctypes.c_uint32(seed),
            doubles(out[0]), doubles(out[1])))
        return out

    def weights(self, index, count):
        """The weight of each class in each node of a tree."""
        out = np.zeros((count, self.info.classes))
        for i in range(count):
            self.library.check(self.library.c.forest_tree_weights(self.view, ctypes.c_uint32(index), ctypes.c_uint64(i),
                                                                  doubles(out[i])))
        return out

    def tree(self, index):
        """The nodes of a tree as an array of records."""
        count = ctypes.c_uint64()
        c, at = self.library.c, ctypes.c_uint32(index)
        self.library.check(c.forest_tree_nodes(self.view, at, ctypes.byref(count)))
        nodes = (Node * count.value)()
        for i in range(count.value):
            self.library.check(c.forest_tree_node(self.view, at, ctypes.c_uint64(i), ctypes.byref(nodes[i])))
        return np.frombuffer(nodes, dtype=[(n, "i8") for n in ("left", "right", "feature")] + [
            (n, "f8") for n in ("threshold", "value", "impurity", "weighted_rows")] + [("rows", "u8"), ("id", "u8")])
