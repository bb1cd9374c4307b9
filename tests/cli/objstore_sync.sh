#!/bin/bash
# SPDX-License-Identifier: MIT
# sync, and what is told of a store that was used before the machine's last start.
. "$(dirname "$0")/objstore.inc"

disk=$work/disk
printf 'hello\n' >"$work/small"
head -c 300000 /dev/urandom >"$work/big"
run 0 create --capacity 4M "$disk"
run 0 put --name one "$disk" "$work/small"
run 0 put --name two "$disk" "$work/big"
run 0 sync "$disk"
grep -Eqx 'objects synced +2' "$work/out" || fail "$(cat "$work/out")"
run 0 put --name three "$disk" "$work/small"

# As if the machine had been started since: the store knows in which boot it was made.
restart() {
    "$python" - "$1" <<'END'
import sys
boot = open('/proc/sys/kernel/random/boot_id').read()
data = bytearray(open(sys.argv[1], 'rb').read(4096))
import struct
places = [i for i in range(384, 4096 - 8, 64) if struct.unpack_from('<Q', data, i)[0] & 1
          and struct.unpack_from('<Q', data, i)[0] > 1 << 40]
assert len(places) == 1, places
with open(sys.argv[1], 'r+b') as f:
    f.seek(places[0])
    f.write(struct.pack('<Q', struct.unpack_from('<Q', data, places[0])[0] ^ 2))
END
}
restart "$disk" || fail "cannot play a restart"
run 0 ls --json "$disk" # looking changes nothing
[ "$(wc -l <"$work/out")" = 3 ] || fail "$(cat "$work/out")"
run 0 sync "$disk"
grep -q "^objstore: $disk: recovered after the machine's restart; 1 objects were lost$" "$work/err" || fail "$(cat "$work/err")"
grep -Eqx 'objects synced +2' "$work/out" || fail "$(cat "$work/out")"
grep -Eq '^[0-9a-f]{32}  unsynced$' "$work/out" || fail "$(cat "$work/out")"
run 0 ls --json --sort name "$disk"
[ "$(json name) $(json name 2) $(wc -l <"$work/out")" = "one two 2" ] || fail "$(cat "$work/out")"
run 0 get -o "$work/back" "$disk" two
same "$work/back" "$work/big"
run 0 verify "$disk"
run 0 put --name four "$disk" "$work/small"
restart "$disk"
run 0 sync --json "$disk"
"$python" - "$work/out" <<'END' || fail "JSON: $(cat "$work/out")"
import json, sys
s = json.loads(open(sys.argv[1]).read())
assert s['objects'] == 2 and [l['reason'] for l in s['losses']] == ['unsynced'], s
END
[ "$(ls -A "$work" | grep -c '^\.disk')" = 1 ] || fail "left: $(ls -A "$work")"
run 0 destroy "$disk"
ls -A "$work" | grep -q disk && fail "left: $(ls -A "$work")"

# --- in memory there is nothing that outlives the machine ---
run 0 create --capacity 1M $store
run 0 sync $store
grep -q "^objstore: $store: it is in memory" "$work/err" || fail "$(cat "$work/err")"
run 0 destroy $store

finish
