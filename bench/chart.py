#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""chart.py FILE.jsonl ... -- one FILE.svg beside each: a bar for everybody in every case.

The bars of a case share a logarithmic scale; a thin line reaches from the least to the greatest
round. Ours is in colour. Drawn for light and for dark pages. Needs nothing but Python.
"""
import json
import math
import statistics
import sys
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, BAR, GAP = 860, 230, 150, 16, 34
# Of several metrics of a case the first of these is drawn.
METRICS = ["p50", "throughput", "rate"]
STYLE = """
text { font: 12px sans-serif; fill: #222 } .head { font-weight: bold } .note { fill: #666 }
.page { fill: #fff } .other { fill: #b8bec6 } .ours { fill: #2563a8 } .span { stroke: #222 }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd } .note { fill: #999 } .page { fill: #16181c }
  .other { fill: #565d68 } .ours { fill: #5b9bdf } .span { stroke: #ddd } }
"""


def read(path):
    """[(case, params, metric, unit, better, {impl: (least, median, greatest)})], in their order."""
    groups = {}
    for line in open(path, encoding="utf-8"):
        if not line.strip():
            continue
        row = json.loads(line)
        if "metric" not in row or row["median"] <= 0:
            continue
        params = row.get("params", "")
        if not isinstance(params, str):  # what was measured beside it is no parameter
            params = ", ".join(f"{k} {v}" for k, v in params.items() if k != "line_ns")
        key = (row["case"], params, row["metric"], row["unit"], row["better"])
        rounds = groups.setdefault(key, {}).setdefault(row["impl"], [])
        rounds.append((row["min"], row["median"], row["max"]))
    out = []
    for key, impls in groups.items():
        others = [k[2] for k in groups if k[:2] == key[:2]]
        wanted = [m for m in METRICS if m in others]
        if key[2] in METRICS and key[2] != wanted[0] or key[2] == "p99":
            continue
        out.append((*key, {name: (min(r[0] for r in rounds),
                                  statistics.median(r[1] for r in rounds),
                                  max(r[2] for r in rounds))
                           for name, rounds in impls.items()}))
    return out


def number(value, unit):
    for factor, name in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
        if unit == "ns" and value >= factor:
            return f"{value / factor:.3g} {name}"
    for factor, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if unit == "1/s" and value >= factor:
            return f"{value / factor:.3g} {name}/s"
    return f"{value:.3g} {unit}"


def draw_case(case, y):
    name, params, metric, unit, better, impls = case
    least = min(low for low, _, _ in impls.values() if low > 0) / 2
    most = max(high for _, _, high in impls.values())
    room = WIDTH - LEFT - RIGHT

    def x(value):
        return LEFT + room * math.log(max(value, least) / least) / math.log(most / least)

    title = f"{name}, {params}" if params else name
    out = [f'<text class="head" x="10" y="{y}">{escape(title)}</text>',
           f'<text class="note" x="{WIDTH - 10}" y="{y}" text-anchor="end">'
           f'{escape(metric)}, {better} is better, logarithmic</text>']
    for low, median, high, impl in ((*v, k) for k, v in impls.items()):
        y += BAR + 4
        kind = "ours" if impl.startswith("ours") or impl.startswith("lib") else "other"
        middle = y - BAR / 2 + 3
        out += [f'<text x="{LEFT - 8}" y="{y}" text-anchor="end">{escape(impl)}</text>',
                f'<rect class="{kind}" x="{LEFT}" y="{y - BAR + 3}" height="{BAR}" '
                f'width="{max(x(median) - LEFT, 1):.1f}"/>',
                f'<line class="span" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{middle}" '
                f'y2="{middle}"/>',
                f'<text x="{WIDTH - RIGHT + 12}" y="{y}">{escape(number(median, unit))}</text>']
    return out, y + GAP


def draw(path):
    cases, y, body = read(path), 30, []
    for case in cases:
        part, y = draw_case(case, y)
        body += part
    svg = path.rsplit(".", 1)[0] + ".svg"
    with open(svg, "w", encoding="utf-8") as out:
        out.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" '
                  f'width="{WIDTH}" height="{y}">\n<style>{STYLE}</style>\n'
                  f'<rect class="page" width="{WIDTH}" height="{y}"/>\n')
        out.write("\n".join(body) + "\n</svg>\n")
    print(svg)


if len(sys.argv) < 2:
    sys.exit(__doc__)
for argument in sys.argv[1:]:
    draw(argument)
