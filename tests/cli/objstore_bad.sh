#!/bin/bash
# SPDX-License-Identifier: MIT
# Bad input: one clear line, the documented exit code, nothing lost, nothing left behind.
. "$(dirname "$0")/objstore.inc"
readers=(ls stat leases top events dump load "cat OBJECT" "stat OBJECT" "wait OBJECT" "get OBJECT")

# refused_by_all TEXT STORE: every command refuses it; verify and doctor with 1, the others with 3.
refused_by_all() {
    local text=$1 where=$2 c before
    before=$(sha256sum "$where" 2>/dev/null)
    refused 3 "$text" sync "$where"
    for c in "${readers[@]}"; do
        refused 3 "$text" "${c%% *}" "$where" $([ "${c##* }" = OBJECT ] && echo thing)
    done
    refused 3 "$text" put "$where" "$work/small"
    refused 3 "$text" rm "$where" thing
    refused 1 "$text" verify "$where"
    run 1 doctor --repair --json "$where" # which leaves it alone
    case "$(json left)$(json repaired)$(json problem)" in
    "damage"false?* | "not a store of this version"false?*) ;;
    *) fail "doctor of $where: $(cat "$work/out")" ;;
    esac
    [ "$before" = "$(sha256sum "$where" 2>/dev/null)" ] || fail "$where was changed"
}

printf 'hello\n' >"$work/small"
head -c 100000 /dev/urandom >"$work/thing"

# --- the command line ---
refused 2 "too few arguments" create
refused 2 "is one argument too many" create a b
for size in 12x -1 '' 1.5M; do refused 2 "--capacity: '$size' is not a size such as 64MiB" create --capacity "$size" $store; done
for size in 0 1 4095 100T 99999999999G; do refused 2 "--capacity: $size is not between 4.0 KiB and 1.0 TiB" create --capacity "$size" $store; done
for mode in 999 66 06600 rw 0400 0777 -600; do refused 2 "--mode" create --mode=$mode $store; done
refused 2 "--id" put --id 12 $store "$work/small"
refused 2 "--id" put --id 00000000000000000000000000000000 $store "$work/small"
refused 2 "--name" put --name '' $store "$work/small"
refused 2 "--name" put --name "$(printf 'x%.0s' {1..40})" $store "$work/small"
refused 2 "--name" put --name 00112233445566778899aabbccddeeff $store "$work/small"
refused 2 "--tag" put --tag "$(printf 'x%.0s' {1..16})" $store "$work/small"
refused 2 "--timeout" wait --timeout -3 $store thing
refused 2 "--timeout" wait --timeout soon $store thing
refused 2 "--need" wait --need 2 $store thing
refused 2 "--state" ls --state lost $store
refused 2 "need a STORE" ls --state sealed
refused 2 "need a STORE" ls --tag x
refused 2 "--dtype" ls --dtype complex $store
refused 2 "--interval" top --interval 0 $store
refused 2 "--rows" top --rows 0 $store
refused 2 "--count: 0 is not" top --count 0 $store
refused 2 "--once and --count exclude each other" top --once -n 2 $store
refused 2 "--count" events --count 0 $store
refused 2 "--timeout" events --timeout -1 $store
refused 2 "name no objects then" dump --name x $store thing

# --- no store, or something else ---
refused 3 "no such store*objstore ls" ls $store
refused 3 "no such store" ls "$work/none"
refused 3 "no such store" put $store "$work/small"
refused 3 "cannot make the store (a name has 1 to " create ''
refused 3 "a name has 1 to " create ..
refused 3 "a path ends in a file's name" ls "$work/"
refused 3 "(the directory $work/no/such: No such file or directory)" create "$work/no/such/folder"
refused 3 "something that is no store has this name" create "$work"
refused 3 "something that is no store has this name" create "$work/small"
(cd "$work" && : >$store && refused 3 "for the file in this directory write ./$store" ls $store
 exit $failures) || fail "no hint for a file in this directory"
refused 3 "no such store" verify $store
refused 3 "no such store" doctor $store
refused_by_all "$work/small: " "$work/small"
: >"$work/empty"
refused_by_all "$work/empty: " "$work/empty"
head -c 10000000 /dev/zero >"$work/zeros"
refused_by_all "$work/zeros: " "$work/zeros"
mkdir "$work/folder"
for c in ls stat leases; do refused 3 "$work/folder: " $c "$work/folder"; done
for f in small empty zeros folder; do
    refused 3 "$work/$f: " destroy "$work/$f"
    [ -e "$work/$f" ] || fail "destroy took $f"
done

# --- a store that was cut off, that another layout version made, that is damaged ---
run 0 create --capacity 1M "$work/good"
run 0 put --name thing "$work/good" "$work/thing"
size=$(stat -c %s "$work/good")
patch() { # OFFSET BYTE(octal): a copy of the good store with one byte changed
    cp "$work/good" "$work/bad"
    printf "\\$2" | dd of="$work/bad" bs=1 seek="$1" conv=notrunc status=none
}
for cut in 1 63 4096 $((size / 2)) $((size - 1)); do
    cp "$work/good" "$work/bad"
    truncate -s "$cut" "$work/bad"
    refused_by_all "$work/bad: " "$work/bad"
done
patch 0 377
refused_by_all "$work/bad: *not a*store" "$work/bad"
patch 8 143
refused_by_all "$work/bad: *layout*" "$work/bad"
for at in 12 16 24 32 40 48; do # fingerprint, capacity, size, time, flags, check
    is=$(od -An -tu1 -j $at -N 1 "$work/good")
    patch $at "$(printf '%03o' $((is ^ 255)))"
    refused_by_all "$work/bad: " "$work/bad"
done
# Bits flipped anywhere in what the store rules itself by: an answer or a refusal, never a crash.
seed=${SEED:-$RANDOM}
echo "seed $seed"
RANDOM=$seed
"$python" - "$work/good" >"$work/places" <<'END'
import sys
# where the bytes are that are not zero, data apart: most flips of zeros change nothing
data = open(sys.argv[1], 'rb').read()
places = [i for i, b in enumerate(data[:-(1 << 20)]) if b]
print('\n'.join(map(str, places)))
END
mapfile -t places <"$work/places"
for _ in $(seq "${FLIPS:-60}"); do
    at=${places[RANDOM * RANDOM % ${#places[@]}]}
    patch "$at" "$(printf '%03o' $((RANDOM % 256)))"
    for c in "ls --json" stat leases verify "cat OBJECT" doctor; do
        "$bin" ${c% OBJECT} "$work/bad" $([ "${c##* }" = OBJECT ] && echo thing) >"$work/out" 2>"$work/err"
        code=$?
        [ $code -le 3 ] || fail "byte $at flipped: objstore $c ends with $code: $(cat "$work/err")"
        case $code in 0) ;; *) [ "$(cat "$work/out" "$work/err" | wc -l)" -ge 1 ] || fail "byte $at flipped: $c says nothing" ;; esac
        case $c in
        verify) sound=$code ;;
        doctor) [ $sound = 0 ] || [ $code != 0 ] || fail "byte $at flipped: verify answers $sound, doctor 0" ;;
        esac
    done
    "$bin" put --name another "$work/bad" "$work/small" >"$work/out" 2>"$work/err" </dev/null
    [ $? -le 3 ] || fail "byte $at flipped: put crashed"
done
run 0 cat "$work/good" thing
same "$work/out" "$work/thing"

# --- full ---
run 0 create --capacity 1M $store
run 0 put --name thing $store "$work/thing"
head -c 1000000 /dev/zero >"$work/too-big"
refused 3 "no room for 976.6 KiB of $work/too-big (largest free piece 9*capacity 1.0 MiB)" put --name big $store "$work/too-big"
run 3 put --name big $store - < <(cat "$work/too-big")
grep -q "no room for" "$work/err" || fail "a pipe too long: $(cat "$work/err")"
run 3 put --name big $store - < <(cat /dev/zero) # for ever
grep -q "no room for more than" "$work/err" || fail "an endless pipe: $(cat "$work/err")"
refused 1 "no object" stat $store big
run 0 cat $store thing
same "$work/out" "$work/thing"
for i in $(seq 20); do "$bin" put --name "fill-$i" $store "$work/thing" >/dev/null 2>&1 || break; done
[ "$i" -lt 20 ] || fail "20 objects of 100000 bytes fit 1 MiB"
run 0 verify $store
run 0 rm $store fill-1
run 0 put --name again $store "$work/thing"
run 0 destroy $store

# No room on the file system: how much there is, how much it takes. Nothing stays.
if [ "$(df -B1 --output=avail /dev/shm | tail -1)" -lt $((1 << 40)) ]; then
    refused 3 "no room for a store of 1.0 TiB (/dev/shm has * free)" create --capacity 1T $store
fi
refused 3 "cannot write" get "$work/good" thing -o /dev/full
"$bin" ls "$work/good" >/dev/full 2>"$work/err"
[ $? = 3 ] && grep -q "cannot write to standard output" "$work/err" || fail "ls to a full disk: $(cat "$work/err")"
mkdir "$work/tiny"
if mount -t tmpfs -o size=256k tmpfs "$work/tiny" 2>/dev/null; then
    head -c 400000 /dev/urandom >"$work/thing2"
    run 0 put --name thing2 "$work/good" "$work/thing2"
    refused 3 "$work/tiny has 256.0 KiB free" create --capacity 1M "$work/tiny/store"
    echo old >"$work/tiny/old"
    refused 3 "$work/tiny/old: cannot write it (No space left on device)" get -o "$work/tiny/old" "$work/good" thing2
    [ "$(cat "$work/tiny/old")" = old ] || fail "a full disk cost the old file"
    [ "$(ls -A "$work/tiny")" = old ] || fail "a full disk left $(ls -A "$work/tiny")"
    umount "$work/tiny"
else
    echo "no tmpfs can be mounted here: a full disk was tried with /dev/full only"
fi

# A file system that is mounted for reading only: what reads works, what writes says why not.
if [ "$(id -u)" = 0 ] && mkdir "$work/fixed" && mount -t tmpfs -o size=4m none "$work/fixed" 2>/dev/null; then
    "$bin" create --capacity 1MiB "$work/fixed/s" >/dev/null || fail "create"
    echo text | "$bin" put --name thing "$work/fixed/s" - >/dev/null || fail "put"
    mount -o remount,ro "$work/fixed"
    [ "$("$bin" cat "$work/fixed/s" thing)" = text ] || fail "cat on a read-only file system"
    for c in "rm $work/fixed/s thing" "destroy $work/fixed/s" "put $work/fixed/s $work/good"; do
        # shellcheck disable=SC2086
        refused 3 "or its file system is mounted so" $c
    done
    umount "$work/fixed"
fi

# --- files ---
refused 3 "$work/missing: cannot open this file (No such file or directory); it was to be put into the store $work/good" put "$work/good" "$work/missing"
refused 3 "$work/folder: cannot read it (Is a directory)" put "$work/good" "$work/folder"
refused 3 "$work/no/file: cannot write it (No such file or directory)" get -o "$work/no/file" "$work/good" thing
refused 3 "$work/folder: cannot write it (Is a directory)" get -o "$work/folder" "$work/good" thing
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    chmod 755 "$work"
    as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    cp "$bin" "$work/objstore-bin" && bin_was=$bin
    "${as_nobody[@]}" "$work/objstore-bin" cat "$work/good" thing >"$work/out" 2>"$work/err"
    [ $? = 3 ] && grep -q "$work/good: *.*[Pp]ermission denied" "$work/err" || fail "a stranger: $(cat "$work/err")"
    chmod 644 "$work/good"
    "${as_nobody[@]}" "$work/objstore-bin" cat "$work/good" thing >"$work/out" 2>"$work/err" ||
        fail "a reader without write permission: $(cat "$work/err")"
    same "$work/out" "$work/thing"
    "${as_nobody[@]}" "$work/objstore-bin" rm "$work/good" thing >"$work/out" 2>"$work/err"
    [ $? = 3 ] && grep -q "[Pp]ermission denied" "$work/err" || fail "a stranger removes: $(cat "$work/err")"
    "${as_nobody[@]}" "$work/objstore-bin" ls >"$work/out" 2>"$work/err"
    [ $? = 0 ] && grep -q "no stores in /dev/shm/objstore-65534" "$work/err" || fail "ls without stores: $(cat "$work/err")"
fi
run 0 verify "$work/good"
finish
