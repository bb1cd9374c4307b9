#!/bin/bash
# SPDX-License-Identifier: MIT
# `make install` under DESTDIR gives each library with header, .pc, static and shared file; a program
# builds against each alone; `make uninstall` leaves nothing.
set -eu
case ${BUILD_DIR:-build} in *build) ;; *) echo "only the plain build is installed"; exit 77 ;; esac
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL
make -s --no-print-directory install DESTDIR="$tmp/root" PREFIX=/usr
for pair in libobjstore:objstore libsched:wsched libforest:forest; do
    dir=${pair%:*} prefix=${pair#*:}
    printf '#include <%s.h>\n#include <stdio.h>\nint main(void) { return puts(%s_strerror(0)) < 0 || %s_version() < 100; }\n' \
        "$prefix" "$prefix" "$prefix" >"$tmp/x.c"
    pc=$tmp/root/usr/lib/pkgconfig/$dir.pc
    grep -q '^Version: [0-9]*\.[0-9]*\.[0-9]*$' "$pc"
    if command -v pkg-config >/dev/null; then
        export PKG_CONFIG_PATH=$tmp/root/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$tmp/root
        flags=$(pkg-config --cflags --libs "$dir")
    else
        flags="-I$tmp/root/usr/include -L$tmp/root/usr/lib -l${dir#lib}"
    fi
    # shellcheck disable=SC2086
    gcc -Wall -Werror "$tmp/x.c" -o "$tmp/x" -I"$tmp/root/usr/include" -L"$tmp/root/usr/lib" $flags
    LD_LIBRARY_PATH=$tmp/root/usr/lib "$tmp/x"
    gcc "$tmp/x.c" -o "$tmp/x" -I"$tmp/root/usr/include" "$tmp/root/usr/lib/$dir.a" \
        $(sed -n 's/^Libs.private: //p' "$tmp/root/usr/lib/pkgconfig/$dir.pc")
    "$tmp/x"
    readelf -d "$tmp/root/usr/lib/$dir.so" | grep -q "SONAME.*$dir.so.0"
done
for tool in forest objstore sched; do # as bash-completion finds them
    # shellcheck disable=SC2016
    bash -c '. "$1/usr/share/bash-completion/completions/$2" && complete -p "$2"' - "$tmp/root" $tool | grep -q _objstore_tools ||
        { echo "no completion of $tool"; exit 1; }
done
make -s --no-print-directory uninstall DESTDIR="$tmp/root" PREFIX=/usr
left=$(find "$tmp/root" ! -type d)
[ -z "$left" ] || { echo "uninstall left: $left"; exit 1; }
