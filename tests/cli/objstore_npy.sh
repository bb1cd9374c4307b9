#!/bin/bash
# SPDX-License-Identifier: MIT
# Arrays: numpy writes them, the store keeps type and shape, numpy reads equal values.
. "$(dirname "$0")/objstore.inc"
"$python" -c 'import numpy' 2>/dev/null || { echo "$python has no numpy"; exit 77; }

run 0 create --capacity 16M $store
"$python" - "$work" <<'END' || fail "numpy could not write the arrays"
import sys
import numpy as np

work = sys.argv[1]
rng = np.random.RandomState(7)
types = ['i1', 'u1', '<i2', '<u2', '<i4', '<u4', '<i8', '<u8', '<f4', '<f8']
shapes = [(), (5,), (3, 4), (2, 3, 4), (2, 3, 4, 5), (0, 8), (1,), (1000, 33)]
names = []
for t in types:
    for n, shape in enumerate(shapes):
        size = int(np.prod(shape)) * np.dtype(t).itemsize
        a = np.frombuffer(rng.bytes(size), dtype=t).reshape(shape)
        names.append('%s-%d' % (t.strip('<'), n))
        np.save('%s/%s.npy' % (work, names[-1]), a)
np.save(work + '/fortran.npy', np.asfortranarray(rng.standard_normal((7, 9, 3))))
names.append('fortran')
for t in ['>i2', '>u4', '>i8', '>f4', '>f8']: # come back little-endian, with the same values
    np.save('%s/big-%s.npy' % (work, t[1:]), rng.randint(0, 1000, (3, 4)).astype(t))
    names.append('big-' + t[1:])
open(work + '/names', 'w').write('\n'.join(names) + '\n')
END
while read -r n; do
    run 0 put --name "$n" $store "$work/$n.npy"
    run 0 get -o "$work/$n.back.npy" $store "$n"
    "$bin" get --npy $store "$n" >"$work/$n.stdout" || fail "get --npy $n"
    run 0 cat $store "$n" # the elements alone
    cp "$work/out" "$work/$n.elements"
done <"$work/names"
run 0 ls --json $store
cp "$work/out" "$work/listing"
"$python" - "$work" <<'END' || fail "arrays came back changed"
import json
import sys
import numpy as np

work, bad = sys.argv[1], 0
told = {o['name']: o for o in map(json.loads, open(work + '/listing'))}
for n in open(work + '/names').read().split():
    a = np.load('%s/%s.npy' % (work, n))
    a = a.astype(a.dtype.newbyteorder('<'))
    for back in (np.load('%s/%s.back.npy' % (work, n)), np.load('%s/%s.stdout' % (work, n))):
        if a.dtype != back.dtype or a.shape != back.shape or a.tobytes() != back.tobytes():
            print(n, a.dtype, a.shape, 'came back as', back.dtype, back.shape)
            bad += 1
    if open('%s/%s.elements' % (work, n), 'rb').read() != a.tobytes():
        print(n, 'has other elements')
        bad += 1
    if told[n]['dtype'] != a.dtype.name or told[n]['shape'] != list(a.shape):
        print(n, a.dtype, a.shape, 'is listed as', told[n])
        bad += 1
sys.exit(bad > 0)
END

# --- what people see ---
run 0 ls --name f4-7 $store
grep -q ' float32\[1000, 33\] ' "$work/out" || fail "type and shape: $(cat "$work/out")"
run 0 ls --name i8-0 $store
grep -q ' int64 ' "$work/out" || fail "type of a single number: $(cat "$work/out")"

# --- the input may be anything that holds a .npy ---
run 0 put --npy --name piped $store - < <(cat "$work/f8-3.npy")
run 0 get --npy $store piped
same "$work/out" "$work/f8-3.back.npy"
cp "$work/f8-3.npy" "$work/no-extension"
run 0 put --npy --name no-extension $store "$work/no-extension"
run 0 get --npy $store no-extension
same "$work/out" "$work/f8-3.back.npy"
run 0 put --npy --name redirected $store - <"$work/f8-3.npy"
run 0 get --npy $store redirected
same "$work/out" "$work/f8-3.back.npy"

# --- raw: the file, not the array ---
run 0 put --raw --name raw $store "$work/f8-3.npy"
run 0 get --raw -o "$work/raw.npy" $store raw
same "$work/raw.npy" "$work/f8-3.npy"
run 0 get --raw -o "$work/elements.npy" $store piped
same "$work/elements.npy" "$work/f8-3.elements"

# --- what cannot be ---
refused 3 "it is bytes, which .npy has no type for" get --npy $store raw
refused 3 "it is bytes, which .npy has no type for" get -o "$work/none.npy" $store raw
[ -e "$work/none.npy" ] && fail "a failed get left a file"
refused 2 "exclude each other" get --npy --raw $store raw
refused 2 "exclude each other" put --npy --raw $store "$work/f8-3.npy"
"$python" - "$work" <<'END'
import sys
import numpy as np

work = sys.argv[1]
np.save(work + '/bool.npy', np.ones(3, dtype=bool))
np.save(work + '/complex.npy', np.ones(3, dtype=complex))
np.save(work + '/half.npy', np.ones(3, dtype='f2'))
np.save(work + '/record.npy', np.zeros(3, dtype=[('a', 'f8'), ('b', 'i4')]))
np.save(work + '/five.npy', np.ones((1, 1, 1, 1, 2)))
END
for n in bool complex half record five; do
    refused 3 "$work/$n.npy: " put --name "bad-$n" $store "$work/$n.npy"
    refused 1 "no object" stat $store "bad-$n"
done
refused 3 "5 dimensions" put $store "$work/five.npy"
for size in 0 5 9 40 127 200; do
    head -c $size "$work/f8-4.npy" >"$work/cut.npy"
    refused 3 "$work/cut.npy: " put --name cut $store "$work/cut.npy"
done
refused 1 "no object" stat $store cut

run 0 verify $store
run 0 destroy $store
finish
