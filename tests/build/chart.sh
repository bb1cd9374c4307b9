#!/bin/bash
# SPDX-License-Identifier: MIT
# What the benches write becomes a chart with everybody's bar, and a sound SVG file.
set -eu
command -v python3 >/dev/null || exit 77
cd "$(dirname "$0")/../.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
line() {
    printf '{"suite":"s","case":"a < b","params":%s,"impl":"%s","metric":"%s","unit":"ns",' "$1" "$2" "$3"
    printf '"better":"lower","median":%s,"min":%s,"max":%s,"rounds":3}\n' "$4" "$4" "$4"
}
{
    line '"64 B"' ours p50 50
    line '"64 B"' other p50 5000
    line '"64 B"' ours p99 80
    line '{"line_ns":50}' ours p50 2
    line '{"line_ns":60}' ours p50 4
} >"$dir/x.jsonl"
bench/chart.py "$dir/x.jsonl" >/dev/null
python3 - "$dir/x.svg" <<'END'
import sys, xml.dom.minidom
doc = xml.dom.minidom.parse(sys.argv[1])
texts = [t.firstChild.data for t in doc.getElementsByTagName("text")]
bars = [float(r.getAttribute("width")) for r in doc.getElementsByTagName("rect")][1:]
assert len(bars) == 3 and bars[1] > bars[0] > 0, bars
assert "a < b, 64 B" in texts and "a < b" in texts, texts
assert "50 ns" in texts and "5 us" in texts and "3 ns" in texts, texts
END
