#!/bin/bash
# SPDX-License-Identifier: MIT
# Forests of scikit-learn, imported, predict what scikit-learn predicts: a shipped one, and, where
# scikit-learn is installed, one of each kind.
. "$(dirname "$0")/forest.inc"
golden=tests/forest/golden

"$forest" import --json $golden/sklearn.json -o "$work/m.forest" || fail "the shipped forest"
"$forest" predict -m "$work/m.forest" --data $golden/sklearn.csv --proba -o - | sed 1d | cmp - $golden/sklearn.expected || fail "it predicts otherwise"
same labels "$("$forest" predict -m "$work/m.forest" --data $golden/sklearn.csv -o - | sort -nu | tr '\n' ' ')" "-5 prediction 5 15 "
[ $failures = 0 ] || finish

[ -x /usr/bin/python3 ] || { echo "the shipped forest is right; no /usr/bin/python3 to make others"; exit 0; }
/usr/bin/python3 tests/forest/oracle/import_models.py live "$work" >"$work/said" 2>&1
case $? in
0) ;;
77) echo "the shipped forest is right; $(cat "$work/said")"; exit 0 ;;
*) fail "$(cat "$work/said")"; finish ;;
esac
count=0
for saved in "$work"/*.joblib; do
    m=${saved%.joblib} count=$((count + 1)) proba=
    case ${m##*/} in c.*) proba=--proba ;; esac
    for stats in "" --no-stats; do
        /usr/bin/python3 tools/python/forest_from_sklearn.py $stats "$saved" 2>>"$work/notes" | "$forest" import --json - -o "$m.forest" || fail "$m $stats"
        # shellcheck disable=SC2086
        "$forest" predict -m "$m.forest" --data "$m.csv" $proba -o - | sed 1d | cmp - "$m.expected" || fail "$m $stats predicts otherwise"
        [ -z "$stats" ] || continue
        "$forest" importance -m "$m.forest" --json | tr '{' '\n' | sed -n 's/^"feature":\([0-9]*\),.*"importance":\([^}]*\)}.*/\1 \2/p' | sort -n |
            awk '{ printf "%d %.17g\n", $1, $2 }' | cmp - "$m.importance" || fail "$m has other importances"
    done
done
[ $count -ge 12 ] || fail "only $count forests"
grep -q 'criterion absolute_error is told as the default' "$work/notes" || fail "no word of the criterion"
grep -q 'no out-of-bag predictions' "$work/notes" || fail "no word of the seeds"
echo '{}' >"$work/bad.pkl"
/usr/bin/python3 tools/python/forest_from_sklearn.py "$work/bad.pkl" >"$work/said" 2>&1
same "exit code" $? 3
finish
