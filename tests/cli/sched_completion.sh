#!/bin/bash
# SPDX-License-Identifier: MIT
# What bash's <TAB> offers for the tools: every command and option that their help has, and no other;
# values, files, stores, objects and pools.
. "$(dirname "$0")/sched.inc"
bin_dir=${bin%/*}
# shellcheck source=/dev/null
. tools/completion/tools.bash
compopt() { :; } # there is no line being typed

# offers LINE: what <TAB> at its end gives, a candidate a line. Words are parted by blanks.
offers() {
    local line=$1 tool
    read -ra COMP_WORDS <<<"${line//=/ = }"
    [[ $line == *' ' || $line == *= ]] && COMP_WORDS+=("")
    [[ $line == *= ]] && unset 'COMP_WORDS[-1]'
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    tool=$bin_dir/${COMP_WORDS[0]}
    COMPREPLY=()
    _objstore_tools "$tool" "${COMP_WORDS[COMP_CWORD]}" "" || true
    printf '%s\n' "${COMPREPLY[@]}"
}
# wanted LINE CANDIDATES: all of them and no other
wanted() {
    local got
    got=$(offers "$1" | sort | paste -sd ' ')
    [ "$got" = "$(tr -s ' ' '\n' <<<"$2" | sort | paste -sd ' ')" ] || fail "'$1' gives '$got', not '$2'"
}

for tool in forest objstore sched; do
    complete -p $tool >"$work/out" 2>&1 && grep -q _objstore_tools "$work/out" || fail "nothing completes $tool"
    commands=$("$bin_dir/$tool" --help | awk '/^usage/ { on = 1; next } /^\x27/ { exit } on && NF { print $1 }')
    [ "$(wc -w <<<"$commands")" -ge 10 ] || fail "commands of $tool: $commands"
    wanted "$tool " "$commands help --help --version"
    wanted "$tool help " "$commands"
    wanted "$tool --v" --version
    for c in $commands; do
        options=$("$bin_dir/$tool" "$c" --help | awk '/^options$/ { on = 1; next } on { for (i = 1; i <= 2; i++) if ($i ~ /^--/) print $i }')
        wanted "$tool $c --" "$options"
        for o in $options; do # the tool takes what is offered; nothing is done, as help is asked for
            [ "$o" = --help ] && continue
            "$bin_dir/$tool" "$c" "$o=x" --help 2>&1 | grep -q "unknown option" && fail "$tool $c takes no $o"
        done
    done
done
wanted "forest im" "import importance"
wanted "objstore ls --na" --name
wanted "forest fly " ""

# Values: choices, also after =, files, folders.
wanted "forest train --mode " "exact hist fast"
wanted "forest train --mode h" hist
wanted "forest train --mode=" "exact hist fast"
wanted "forest train --mode=f" fast
wanted "forest train --max-features " "all log2 sqrt"
wanted "forest train --seed " ""
wanted "forest train --oob " ""
mkdir "$work/d" && touch "$work/d/a.csv" "$work/d/b c.csv" "$work/e.csv"
[ "$(offers "forest train --data $work/d/" | sort)" = "$(printf '%s\n' "$work/d/a.csv" "$work/d/b c.csv")" ] || fail "files: $(offers "forest train --data $work/d/")"
wanted "forest predict --missing nan -o $work/e" "$work/e.csv"
wanted "objstore create --spill $work/" "$work/d"
wanted "sched worker --plugin $work/e" "$work/e.csv"

# Names of what there is, whatever they are.
store=$pool-store
trap 'rm -f "/dev/shm/objstore-$(id -u)/$store"*; sweep' EXIT
"$bin_dir/objstore" create --capacity 4M "$store" >"$work/out" || fail "create: $(cat "$work/out")"
for name in one other "two words" '$(touch stolen)'; do
    echo x | "$bin_dir/objstore" put --name "$name" "$store" - >"$work/out" || fail "put"
done
wanted "objstore ls $store" "$store"
wanted "objstore top --rows 3 --json --interval=2 $pool" "$store"
wanted "objstore get $store o" "one other"
wanted "objstore rm $store one o" "one other"
wanted "objstore put $store $work/e" "$work/e.csv"
wanted "objstore wait --timeout=1 $store o" "one other"
wanted "objstore ls $work/e" "$work/e.csv"
wanted "objstore ls $store " ""
[ "$(offers "objstore stat $store " | sort)" = "$(printf '%s\n' one other 'two\ words' '\$\(touch\ stolen\)' | sort)" ] || fail "odd names: $(offers "objstore stat $store ")"
[ -e stolen ] && { fail "a name was run"; rm -f stolen; }
"$bin_dir/objstore" destroy "$store"
wanted "objstore ls $pool" ""

start "$pool"
wanted "sched ps --tasks $pool" "$pool"
wanted "sched worker --pool $pool" "$pool"
wanted "sched ls $pool" ""
stop
finish
