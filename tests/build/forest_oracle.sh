#!/bin/bash
# SPDX-License-Identifier: MIT
# libforest against the scikit-learn installed here, live; skipped without scikit-learn 1.2.1.
# ROUNDS random forests (100); with SETS=all also all parameters on well-known data sets, some minutes.
set -u
[ -x /usr/bin/python3 ] || { echo "no /usr/bin/python3"; exit 77; }
case $BUILD_DIR in
*/address | */undefined | */thread) echo "Python cannot load a library built with a sanitizer"; exit 77 ;;
esac
oracle=tests/forest/oracle
/usr/bin/python3 $oracle/synthetic.py compare "$BUILD_DIR" || exit
/usr/bin/python3 $oracle/compare.py "$BUILD_DIR" "${ROUNDS:-100}" "${SEED:-1}" || exit
[ "${SETS:-}" != all ] || exec /usr/bin/python3 $oracle/compare_sets.py "$BUILD_DIR"
