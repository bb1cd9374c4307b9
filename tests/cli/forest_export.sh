#!/bin/bash
# SPDX-License-Identifier: MIT
# Export and import: JSON gives the same file back, C source the same predictions.
. "$(dirname "$0")/forest.inc"

generate 300 >"$work/r.csv"
awk -F, -v OFS=, 'NR == 1 { print; next } { $11 = $11 < 12 ? 4 : $11 < 17 ? 10 : 1.5; print }' "$work/r.csv" >"$work/c.csv"
cut -d, -f1-10 "$work/r.csv" | sed 1d | tr , ' ' >"$work/rows"

cat >"$work/main.c" <<'END'
#include <stdio.h>
double my_predict(const float *row);
#ifdef CLASSES
void my_predict_proba(const float *row, double *proba);
extern const double my_labels[CLASSES];
#endif
int main(void)
{
    float row[10];
    double x;
    int n = 0;
    while (scanf("%lf", &x) == 1) {
        row[n++] = (float)x;
        if (n < 10)
            continue;
        n = 0;
#ifdef CLASSES
        double p[CLASSES];
        int k, best = 0;
        my_predict_proba(row, p);
        for (k = 0; k < CLASSES; k++) {
            printf("%.17g%c", p[k], k + 1 < CLASSES ? ',' : '\n');
            best = p[k] > p[best] ? k : best;
        }
        if (my_predict(row) != my_labels[best])
            return 1;
#else
        printf("%.17g\n", my_predict(row));
#endif
    }
    return 0;
}
END

n=0
# data, classes (0: regression), parameters
while read -r data classes args; do
    n=$((n + 1)) m=$work/$n
    # shellcheck disable=SC2086
    "$forest" train --data "$work/$data.csv" --target y -n 7 --seed 5 -q -w 1 $args -o "$m.forest" || fail "train $args"
    "$forest" export -m "$m.forest" --json -o "$m.json" || fail "export --json: $args"
    "$forest" import --json "$m.json" -o "$m.again" || fail "import: $args"
    cmp "$m.forest" "$m.again" || fail "$args: another model came back"
    if command -v python3 >/dev/null; then
        python3 -c 'import json, sys; f = json.load(sys.stdin); sys.exit(len(f["trees"]) != 7 or f["features"] != 10)' <"$m.json" ||
            fail "$args: not JSON"
    fi
    "$forest" export -m "$m.forest" --c --name my -o "$m.c" || fail "export --c: $args"
    ${CC:-gcc} -Wall -Wextra -Wpedantic -Werror -O1 -c -o "$m.o" "$m.c" || fail "$args: the source does not compile"
    flag=; proba=; skip=1
    [ "$classes" = 0 ] || { flag=-DCLASSES=$classes; proba=--proba; }
    # shellcheck disable=SC2086
    ${CC:-gcc} -O1 $flag -o "$m.exe" "$work/main.c" "$m.o" || fail "$args: it does not link"
    "$m.exe" <"$work/rows" >"$m.got" || fail "$args: label and probabilities differ"
    # shellcheck disable=SC2086
    "$forest" predict -m "$m.forest" --data "$work/$data.csv" --target y $proba -o - | sed "${skip}d" | cmp - "$m.got" ||
        fail "$args: the source predicts otherwise"
done <<'END'
r 0
r 0 --keep-stats --max-depth 5
r 0 --mode hist
r 0 --max-leaf-nodes 30 --extra-trees
r 0 --min-samples-leaf 0.02 --max-features 0.3 --max-samples 0.7 --keep-stats --criterion friedman_mse
c 3 --task classification
c 3 --task classification --min-samples-leaf 4 --keep-stats --class-weight balanced
c 3 --task classification --max-leaf-nodes 9 --criterion entropy --max-features log2
END
# A class alone and a root alone are forests, too; C++ takes the source as C does.
awk -F, -v OFS=, 'NR > 1 { $11 = 7 } 1' "$work/r.csv" >"$work/one.csv"
"$forest" train --data "$work/one.csv" --target y -n 2 -q --task classification -o "$work/one.forest"
"$forest" export -m "$work/one.forest" --c -o - | ${CC:-gcc} -Wall -Wextra -Wpedantic -Werror -x c -c -o "$work/one.o" - || fail "one class"
"$forest" export -m "$work/one.forest" --json -o - | "$forest" import --json - -o - | cmp - "$work/one.forest" || fail "one class, pipes"

# A form written by hand: what it does not say has its default.
cat >"$work/hand.json" <<'END'
{ "trees": [ { "right": [2, -1, -1], "left": [1, -1, -1], "feature": [1, null, null], "threshold": [1e999, null, null],
               "value": [null, 1.5, -2], "comment": ["of no interest"] } ],
  "features": 2, "format": "forest-json", "version": 1 }
END
"$forest" import --json "$work/hand.json" -o "$work/hand.forest" || fail "by hand"
printf '1,2\n3,\n' | "$forest" predict -m "$work/hand.forest" --data - --missing nan -o - | tr '\n' ' ' | grep -qx 'prediction 1.5 -2 ' || fail "by hand: predict"
"$forest" export -m "$work/hand.forest" --c -o - | ${CC:-gcc} -Wall -Wextra -Wpedantic -Werror -x c -c -o "$work/hand.o" - || fail "infinity in C"

# What is wrong is told with its place.
bad() { # SED-SCRIPT TEXT
    sed "$1" "$work/hand.json" >"$work/bad.json"
    refused 3 "bad.json: $2" import --json "$work/bad.json" -o "$out/x"
}
bad 's/forest-json/frost/' 'line 4, column 1: there is no "format":"forest-json"'
bad 's/"version": 1/"version": 2/' '*there is no "format"'
bad 's/"features": 2/"features": 1/' '*tree 0 is not a tree over 1 features'
bad 's/"features": 2/"features": 0/' "*'features' is not a whole number from 1 on"
bad 's/"features": 2/"features": 2, "classes": [1, 2]/' "*tree 0: 'shares' is not there for each of its 3 nodes"
bad 's/"features": 2/"features": 2, "classes": [1, 2], "params": {"task": "regression"}/' "*the task and the classes do not fit"
bad 's/"features": 2/"features": 2, "params": {"n_estimators": 3}/' "n_estimators is 3, but there are 1 trees"
bad 's/"features": 2/"features": 2, "params": {"colour": 3}/' "line 3, column *no parameter is called 'colour'"
bad 's/"features": 2/"features": 2, "params": {"criterion": "taste"}/' "*criterion is not 'taste'"
bad 's/"features": 2/"features": 2, "params": {"seed": -1}/' "*seed is not a whole number below"
bad 's/"features": 2/"features": 2, "params": {"keep_stats": 1}/' "*tree 0: 'impurity' has 0 numbers, 'left' has 3"
bad 's/"right": \[2/"right": [2, 1/' "*tree 0: 'right' has 4 numbers, 'left' has 3"
bad 's/"right": \[2/"right": [1.5/' "*tree 0, node 0: 'right' is not a whole number"
bad 's/"right": \[2/"right": [1/' "*tree 0 is not a tree"
bad 's/"left": \[1,/"left": [1/' "line 1, column *a comma or ']' is expected"
bad 's/"comment"/"left"/' "*'left' is there twice"
bad 's/"trees"/"bushes"/' "*there are no 'trees'"
bad '2s/.*//;1s/.*/{"trees":[],/;3s/^.*"features"/"features"/' "*there is no tree"
refused 3 "cannot open" import --json "$work/absent" -o "$out/x"
refused 2 "--json or --c is missing" export -m "$work/hand.forest" -o "$out/x"
refused 2 "exclude each other" export -m "$work/hand.forest" --c --json -o "$out/x"
refused 2 "--name: '1st' cannot start a name" export -m "$work/hand.forest" --c --name 1st -o "$out/x"
refused 3 "cannot use it as a model" export -m "$work/hand.json" --c -o "$out/x"
finish
