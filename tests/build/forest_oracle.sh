#!/bin/bash
# SPDX-License-Identifier: MIT
# libforest against the scikit-learn installed here, live; skipped without scikit-learn 1.2.1.
set -u
[ -x /usr/bin/python3 ] || { echo "no /usr/bin/python3"; exit 77; }
case $BUILD_DIR in
*/address | */undefined | */thread) echo "Python cannot load a library built with a sanitizer"; exit 77 ;;
esac
exec /usr/bin/python3 tests/forest/oracle/compare.py "$BUILD_DIR" "${ROUNDS:-100}" "${SEED:-1}"
