#!/bin/bash
# SPDX-License-Identifier: MIT
# The shared libraries export exactly what their headers declare, and the static ones no other
# global name: two of them can be linked into one program.
set -eu
lib=${BUILD_DIR:-$PWD/build}/lib
bad=0
for triple in libobjstore:objstore libsched:wsched libforest:forest; do
    dir=${triple%:*} prefix=${triple#*:}
    declared=$(tr '\n' ' ' <"$dir/include/$prefix.h" |
               grep -oE "[A-Z]+_(API|CHECKED) [^;{]*;" | grep -oE "\b${prefix}_[a-z0-9_]+\(" | tr -d '(' | sort -u)
    for kind in so a; do
        if [ $kind = so ]; then
            have=$(nm -D --defined-only "$lib/$dir.so" | awk '$2 ~ /[TDBRV]/ {sub(/@.*/, "", $3); print $3}')
        else
            have=$(nm -g --defined-only "$lib/$dir.a" 2>/dev/null | awk '$2 ~ /[TDBRV]/ {print $3}')
        fi
        have=$(echo "$have" | grep -vE '^(LIB[A-Z]+_[0-9.]+|__odr_asan.*|)$' | sort -u)
        if [ "$have" != "$declared" ]; then
            echo "$dir.$kind: exported (<) and declared (>) names differ:"
            diff <(echo "$have") <(echo "$declared") || true
            bad=1
        fi
    done
done
exit $bad
