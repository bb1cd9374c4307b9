#!/bin/bash
# SPDX-License-Identifier: MIT
# Manual pages: the formatter has no complaint; every public function of a library that has pages
# stands in exactly one, with the header's own prototype; cross references lead to a page.
set -u
cd "$(dirname "$0")/../.." || exit 3
status=0
say() { echo "$*"; status=1; }

pages() { ls libobjstore/man/*.[37] libsched/man/*.[37] libforest/man/*.[37] tools/man/*.1 2>/dev/null; }

# "type name ( arguments ) ;" in one line each, however it was laid out
squeeze() { tr -s ' \t\n' ' ' | sed 's/ *\([(),*]\) */\1/g'; }

prototypes_of_header() { # header prefix
    awk -v RS=';' -v prefix="$2" '
        { gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, " "); gsub(/#[^\n]*\n/, " ") }
        match($0, /(^|[ \n])[A-Z]+_(API|CHECKED) /) {
            text = substr($0, RSTART + RLENGTH); gsub(/[ \t\n]+/, " ", text)
            if (text ~ prefix "_[a-z0-9_]+\\(") print text
        }' "$1" | while IFS= read -r line; do echo "$line" | squeeze; echo; done | grep .
}

prototypes_of_page() {
    awk '
        /^\.Sh/ { on = $2 == "SYNOPSIS" }
        on && /^\.Ft/ { type = $0; sub(/^\.Ft /, "", type); gsub(/"/, "", type) }
        on && /^\.Fn/ {
            line = $0; sub(/^\.Fn /, "", line)
            name = line; sub(/ .*/, "", name); sub(/^[^ ]* /, "", line)
            if (line == "void") args = "void"
            else {
                n = split(line, part, /"/); args = ""
                for (i = 2; i <= n; i += 2) args = args (args == "" ? "" : ", ") part[i]
            }
            print type " " name "(" args ")"
        }' "$1" | while IFS= read -r line; do echo "$line" | squeeze; echo; done | grep .
}

check_library() { # directory header prefix
    ls "$1"/man/*.3 >/dev/null 2>&1 || return 0
    for page in "$1"/man/*.3; do prototypes_of_page "$page"; done | sort >"$tmp/pages"
    prototypes_of_header "$2" "$3" | sort >"$tmp/header"
    [ -s "$tmp/header" ] || say "$2: no prototypes found"
    diff "$tmp/header" "$tmp/pages" >"$tmp/diff" ||
        say "$1: < in the header, > in the manual pages:"$'\n'"$(grep '^[<>]' "$tmp/diff")"
    for page in "$1"/man/*.3; do # NAME lists what SYNOPSIS declares; the links are made of it
        awk '/^\.Sh/ { on = $2 == "NAME" } on && /^\.Nm/ { print $2 }' "$page" | sort >"$tmp/names"
        prototypes_of_page "$page" | sed 's/(.*//; s/.*[ *]//' | sort >"$tmp/declared"
        cmp -s "$tmp/names" "$tmp/declared" || say "$page: NAME and SYNOPSIS differ"
    done
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
check_library libobjstore libobjstore/include/objstore.h objstore
check_library libsched libsched/include/wsched.h wsched
check_library libforest libforest/include/forest.h forest

for page in $(pages); do
    head -n 1 "$page" | grep -q 'SPDX-License-Identifier: MIT' || say "$page: no SPDX line"
    for to in $(awk '/^\.Xr (objstore|wsched|forest)/ { print $2 "." $3 }' "$page"); do
        ls libobjstore/man/"$to" libsched/man/"$to" libforest/man/"$to" tools/man/"$to" >"$tmp/found" 2>/dev/null
        [ -s "$tmp/found" ] || grep -qs "^\.Nm ${to%.*}\( ,\)*$" lib*/man/*."${to##*.}" ||
            say "$page: refers to $to, which is no page"
    done
done

[ $status = 0 ] || exit 1
command -v man >/dev/null && man --version >/dev/null 2>&1 || { echo "no man to check them with"; exit 77; }
for page in $(pages); do
    complaints=$(man --warnings -E UTF-8 -l "$page" 2>&1 >/dev/null)
    [ -z "$complaints" ] || say "$page: $complaints"
done
if command -v mandoc >/dev/null; then
    for page in $(pages); do
        mandoc -Tlint -W warning "$page" >"$tmp/lint" 2>&1 || say "$(cat "$tmp/lint")"
    done
fi
exit $status
