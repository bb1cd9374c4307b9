#!/bin/bash
# SPDX-License-Identifier: MIT
# The happy path: make a store, put things in, look, take them out, remove them, remove the store.
. "$(dirname "$0")/objstore.inc"

# --- help and version ---
run 0 --version
case $(cat "$work/out") in "objstore "[0-9]*.[0-9]*.[0-9]*) ;; *) fail "version: $(cat "$work/out")" ;; esac
run 0 help
commands=$(awk '/^  [a-z]/ { print $1 }' "$work/out")
[ "$(wc -w <<<"$commands")" -ge 12 ] || fail "help lists too few commands: $commands"
for c in $commands; do
    run 0 help "$c"
    grep -q "^usage: objstore $c " "$work/out" || fail "help $c has no usage line"
    cp "$work/out" "$work/help"
    run 0 "$c" --help
    same "$work/out" "$work/help"
    man=$(dirname "$0")/../../tools/man/objstore.1
    grep -q "^.It Cm $c " "$man" || fail "$c is not in the man page"
    # Its part of the synopsis: from its name to the next command.
    sed -n "/^.Sh SYNOPSIS/,/^.Sh DESC/{/^.Cm $c\$/,/^.Nm/p}" "$man" >"$work/synopsis"
    [ -s "$work/synopsis" ] || fail "$c is not in the synopsis"
    for o in $(grep -oE '^ +(-., )?--[a-z-]+' "$work/help" | grep -o -e '--.*'); do
        [ "$o" = --help ] && continue
        grep -q -e "-${o#--}\\b" "$man" || fail "$c $o is not in the man page"
        grep -q -e "-${o#--}\\b" -e "^.Op Fl ${o:2:1} " "$work/synopsis" || fail "$c $o is not in the synopsis"
    done
done
run 2
refused 2 "no command 'frobnicate'" frobnicate
refused 2 "unknown option '--frob'" ls --frob

# --- create ---
run 0 create --capacity 8M $store
said "$folder/$store"
[ "$(stat -c %a "$folder/$store")" = 600 ] || fail "mode is $(stat -c %a "$folder/$store")"
refused 3 "$store: there is one already" create $store
run 0 create --capacity 1M --mode 0660 --prefault --huge-pages $store-group
[ "$(stat -c %a "$folder/$store-group")" = 660 ] || fail "mode is $(stat -c %a "$folder/$store-group")"
run 0 create -c 1M "$work/by-path"
said "$work/by-path"
[ -e "$work/by-path" ] || fail "no file at the path"

# --- an empty store ---
run 0 ls $store
said ""
grep -q "^objstore: $store: no objects$" "$work/err" || fail "ls of an empty store: $(cat "$work/err")"
run 0 stat --json $store
[ "$(json capacity_bytes)" = 8388608 ] || fail "capacity $(json capacity_bytes)"
[ "$(json used_bytes) $(json objects_sealed) $(json processes)" = "0 0 0" ] ||
    fail "not empty: $(cat "$work/out")"
largest=$(json largest_free_bytes)
[ "$largest" = 8388608 ] || fail "largest object $largest of 8388608"

# --- put and get, by id, start of the id, name ---
head -c 3000000 /dev/urandom >"$work/big"
printf 'hello\n' >"$work/small"
: >"$work/nothing"
run 0 put $store "$work/big"
id=$(cat "$work/out")
[[ $id =~ ^[0-9a-f]{32}$ ]] || fail "put printed '$id'"
for how in "$id" "${id^^}" "${id:0:12}"; do
    run 0 get -o "$work/back" $store "$how"
    same "$work/back" "$work/big"
done
run 0 put --name greeting --tag note $store "$work/small"
by_name=$(cat "$work/out")
run 0 cat $store greeting
same "$work/out" "$work/small"
run 0 get $store "$by_name"
same "$work/out" "$work/small"
run 0 put --name greeting $store-group "$work/small"
said "$by_name" # the same name, the same id, everywhere
run 0 put --id 00112233445566778899aabbccddeeff --name other $store "$work/nothing"
said 00112233445566778899aabbccddeeff
run 0 get -o "$work/back" $store other # by the name in the description
same "$work/back" "$work/nothing"
run 0 put --name empty-id --id 00112233445566778899aabbccddee00 $store - </dev/null
refused 1 "no object 'nowhere'" cat $store nowhere
refused 1 "'00112233' fits several" cat $store 00112233
refused 1 "no object '0011" cat $store 00112233445566778899aabbccddee11
refused 3 "there is an object greeting already" put --name greeting $store "$work/small"
refused 3 "there is an object 0011" put --id 00112233445566778899aabbccddeeff $store "$work/small"

# --- standard input, known and unknown in size ---
run 0 put --name from-pipe $store - < <(cat "$work/big")
run 0 cat $store from-pipe
same "$work/out" "$work/big"
exec 3<"$work/small"
read -r -n 2 -u 3 _ # bash reads byte by byte from files too: the rest is "llo\n"
run 0 put --name rest $store - <&3
exec 3<&-
run 0 cat $store rest
said "llo"
run 0 put --name proc $store /proc/self/status # says 0 bytes, has more
run 0 cat $store proc
grep -q ^Name: "$work/out" || fail "a file of /proc came as $(wc -c <"$work/out") bytes"

# --- ls ---
run 0 rm $store "$id" proc rest from-pipe
run 0 put --name blob --id 55555555555555555555555555555555 $store "$work/big"
run 0 ls --sort name $store
sed -i -E 's/ +[0-9.]+ [a-z]+ +-$/ AGE -/' "$work/out" # the only thing that differs from run to run
tr -s ' ' <"$work/out" >"$work/squeezed" && mv "$work/squeezed" "$work/out"
said "$(cat <<END
id name type size state pins age held by
5555555555555555555555555555555 blob bytes 2.9 MiB sealed 0 AGE -
00112233445566778899aabbccddee0 empty-id bytes 0 B sealed 0 AGE -
${by_name:0:31} greeting bytes 6 B sealed 0 AGE -
00112233445566778899aabbccddeef other bytes 0 B sealed 0 AGE -
END
)"
run 0 ls --bytes --sort size --name 'b*' $store
grep -q ' 3000000 ' "$work/out" || fail "no exact size: $(cat "$work/out")"
[ "$(wc -l <"$work/out")" = 2 ] || fail "the glob lets through: $(cat "$work/out")"
run 0 ls --state unsealed $store
said ""
run 0 ls --json --tag note $store
[ "$(wc -l <"$work/out") $(json name)" = "1 greeting" ] || fail "--tag: $(cat "$work/out")"
run 0 ls --dtype int8 $store
said ""
run 0 ls --json --dtype bytes --name 'b*' $store
[ "$(wc -l <"$work/out") $(json name)" = "1 blob" ] || fail "--dtype: $(cat "$work/out")"
run 0 ls --full --json $store
[ "$(wc -l <"$work/out")" = 4 ] || fail "not one object a line"
[ "$(json name 4) $(json size_bytes 4) $(json dtype 4) $(json shape 4)" = "blob 3000000 bytes []" ] ||
    fail "the newest is not last: $(cat "$work/out")"
[ "$(json name) $(json tag) $(json state) $(json pins) $(json held_by)" = "greeting note sealed 0 []" ] ||
    fail "JSON: $(cat "$work/out")"
for n in 1 2 3 4; do
    full=$(json id $n)
    [ ${#full} = 32 ] || fail "id $full"
done
run 0 ls --json
grep -q "\"store\":\"$store\",\"capacity_bytes\":8388608," "$work/out" || fail "ls: $(cat "$work/out")"
run 0 ls
grep -Eq "^$store +8\.0 MiB " "$work/out" || fail "ls: $(cat "$work/out")"

# --- stat of an object ---
run 0 stat --bytes $store greeting
grep -q "^id  *$by_name\$" "$work/out" || fail "stat: $(cat "$work/out")"
grep -q "^size  *6\$" "$work/out" || fail "stat: $(cat "$work/out")"
run 0 stat --json $store greeting
[ "$(json id) $(json size_bytes)" = "$by_name 6" ] || fail "stat: $(cat "$work/out")"
refused 1 "no object 'nobody'" stat $store nobody

# --- wait ---
run 0 wait $store greeting blob
run 0 wait --timeout 0 $store greeting
refused 1 "timed out with 1 of 2 sealed; 'later' is not" wait -t 0.01 $store greeting later
run 0 wait --need 1 $store greeting later
"$bin" wait $store greeting later >"$work/waited" 2>&1 &
waiter=$!
run 0 put --name later $store "$work/small"
wait $waiter || fail "wait did not see the object: $(cat "$work/waited")"

# --- verify and leases ---
run 0 verify $store
grep -Eq "^$store: sound; checked 5 objects in " "$work/out" || fail "verify: $(cat "$work/out")"
run 0 verify --json $store
[ "$(json sound) $(json objects)" = "true 5" ] || fail "verify: $(cat "$work/out")"
run 0 leases $store
said ""
run 0 doctor $store
run 0 stat --json $store
[ "$(json deaths)" = 0 ] || fail "deaths without a death"

# --- rm and destroy ---
refused 1 "no object 'nobody'" rm $store nobody
"$bin" rm $store greeting nobody blob 2>"$work/err"
[ $? = 1 ] || fail "rm with one missing"
run 0 ls --json $store
grep -q -e greeting -e blob "$work/out" && fail "rm left them: $(cat "$work/out")"
run 0 rm $store later 00112233445566778899aabbccddeeff 00112233445566778899aabbccddee00
run 0 stat --json $store
[ "$(json used_bytes) $(json largest_free_bytes)" = "0 $largest" ] || fail "bytes leaked: $(cat "$work/out")"
run 0 destroy $store
[ -e "$folder/$store" ] && fail "destroy left the file"
refused 3 "$store: no such store" destroy $store
refused 3 "$store: no such store" ls $store
run 0 destroy $store-group
run 0 destroy "$work/by-path"
[ -e "$work/by-path" ] && fail "destroy left the file"

finish
