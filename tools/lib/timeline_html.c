/* SPDX-License-Identifier: MIT */
/*
 * timeline_html.c -- the timeline as one page that needs nothing else: zoom with the wheel, pan by
 * dragging, search by name. The bars are data in a script; the browser draws those that are seen,
 * and finds them by halving, for on one level of one worker bars follow each other.
 */
#include <stdlib.h>

#include "emit.h"
#include "timeline.h"

static const char page_head[] =
    "<!doctype html>\n<html lang='en'><meta charset='utf-8'>\n"
    "<meta name='viewport' content='width=device-width'>\n<title>Timeline</title>\n<style>\n"
    ":root{color-scheme:light dark;--paper:#fff;--ink:#334155;--strong:#0f172a;--soft:#64748b;"
    "--line:#e2e8f0;--lane:#f8fafc;--death:#dc2626}\n"
    "@media(prefers-color-scheme:dark){:root{--paper:#0f172a;--ink:#cbd5e1;--strong:#f8fafc;"
    "--soft:#94a3b8;--line:#334155;--lane:#1e293b;--death:#f87171}}\n"
    "body{margin:0;background:var(--paper);color:var(--ink);"
    "font:13px system-ui,-apple-system,'Segoe UI',sans-serif}\n"
    "header{padding:12px 16px 6px;display:flex;flex-wrap:wrap;gap:6px 18px;align-items:baseline}\n"
    "h1{font-size:17px;margin:0;color:var(--strong)}small,kbd{color:var(--soft);font-size:12px}\n"
    "input{font:inherit;padding:3px 8px;width:17em;border:1px solid "
    "var(--line);border-radius:4px}\n"
    "#legend{padding:0 16px 8px;display:flex;flex-wrap:wrap;gap:4px 14px}\n"
    "#legend button{all:unset;cursor:pointer}#legend button:focus-visible{outline:2px solid}\n"
    "#legend .off{opacity:.35}#legend i{display:inline-block;width:11px;height:11px;"
    "border-radius:2px;margin-right:5px}\n"
    "canvas{display:block;width:100%}#axis{position:sticky;top:0;background:var(--paper);height:"
    "26px}\n"
    "#lanes{cursor:grab}#lanes:active{cursor:grabbing}\n"
    "#tip{position:fixed;display:none;pointer-events:none;white-space:pre;padding:6px 9px;"
    "background:var(--paper);border:1px solid var(--soft);border-radius:4px;"
    "box-shadow:0 2px 8px #0004;z-index:2}\n</style>\n"
    "<header><h1></h1><small id='what'></small><input id='find' type='search' "
    "placeholder='search: name, died, stolen, pid 123' aria-label='search'><small "
    "id='hits'></small>"
    "<kbd>wheel: zoom, drag: pan, double click: this bar or all, Enter: next hit</kbd></header>\n"
    "<div id='legend'></div><canvas id='axis'></canvas><canvas id='lanes'></canvas>"
    "<div id='tip'></div>\n<script>\nconst D=";

static const char page_script[] =
    ";\n'use strict';\n"
    "const $ = id => document.getElementById(id), LEFT = 150;\n"
    "const WORKER = 0, DEPTH = 1, START = 2, LONG = 3, GROUP = 4, END = 5, ATTEMPT = 6, PID = 7,\n"
    "      STOLEN = 8, QUEUED = 9, LABEL = 10, REMARK = 11;\n"
    "const ENDS = ['done', 'failed', 'worker died', 'running'];\n"
    "const name = b => b[LABEL] || D.groups[b[GROUP]];\n"
    "const finish = b => b[START] + b[LONG];\n"
    "let t0 = 0, t1 = Math.max(D.length, 1e-3), hidden = new Set(), hits = [], hit = -1, marked = "
    "new Set();\n"
    "\n/* Lanes: for each worker its levels, for each level its bars in order. */\n"
    "const lanes = [];\n"
    "for (let w = 0; w < D.workers; w++) lanes.push({levels: [[]], deaths: [], busy: 0});\n"
    "for (const b of D.bars) {\n"
    "  const lane = lanes[b[WORKER]];\n"
    "  while (lane.levels.length <= b[DEPTH]) lane.levels.push([]);\n"
    "  lane.levels[b[DEPTH]].push(b);\n"
    "  if (!b[DEPTH]) lane.busy += b[LONG];\n"
    "}\n"
    "for (const d of D.deaths) lanes[d[0]].deaths.push(d);\n"
    "let bottom = 4;\n"
    "for (const lane of lanes) {\n"
    "  lane.level = lane.levels.length > 1 ? 18 : 28;\n"
    "  lane.y = bottom;\n"
    "  lane.height = Math.max(30, lane.level * lane.levels.length);\n"
    "  bottom += lane.height + 8;\n"
    "}\n"
    "\nfunction time(us) {\n"
    "  const a = Math.abs(us);\n"
    "  return a < 1 ? (us * 1e3).toFixed(0) + ' ns' : a < 1e3 ? us.toFixed(2) + ' us'\n"
    "    : a < 1e6 ? (us / 1e3).toFixed(2) + ' ms' : (us / 1e6).toFixed(3) + ' s';\n"
    "}\n"
    "const width = () => document.documentElement.clientWidth;\n"
    "const xOf = t => LEFT + (t - t0) / (t1 - t0) * (width() - LEFT - 12);\n"
    "const tOf = x => t0 + (x - LEFT) / (width() - LEFT - 12) * (t1 - t0);\n"
    "const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name);\n"
    "function context(id, height) {\n"
    "  const c = $(id), r = Math.min(window.devicePixelRatio || 1, 16000 / height);\n"
    "  c.width = width() * r; c.height = height * r; c.style.height = height + 'px';\n"
    "  const g = c.getContext('2d');\n"
    "  g.scale(r, r); g.font = '12px system-ui, sans-serif'; g.textBaseline = 'middle';\n"
    "  return g;\n"
    "}\n"
    "/* The first bar of a level that is not over at t. */\n"
    "function firstAfter(bars, t) {\n"
    "  let a = 0, b = bars.length;\n"
    "  while (a < b) { const m = (a + b) >> 1; if (finish(bars[m]) < t) a = m + 1; else b = m; }\n"
    "  return a;\n"
    "}\n"
    "\nfunction drawAxis(lines) {\n"
    "  const g = context('axis', 26), span = t1 - t0, unit = span > 2e5 ? 1e6 : span > 200 ? 1e3 : "
    "1;\n"
    "  let step = Math.pow(10, Math.floor(Math.log10(span / 8)));\n"
    "  step *= span / step > 40 ? 5 : span / step > 16 ? 2 : 1;\n"
    "  const digits = Math.max(0, Math.ceil(-Math.log10(step / unit) - 1e-9));\n"
    "  g.textAlign = 'center'; g.fillStyle = colour('--soft'); lines.strokeStyle = "
    "colour('--line');\n"
    "  lines.lineWidth = 1;\n"
    "  for (let i = Math.ceil(t0 / step); i * step <= t1; i++) {\n"
    "    const x = xOf(i * step);\n"
    "    g.fillText((i * step / unit).toFixed(digits) + (unit == 1e6 ? ' s' : unit == 1e3 ? ' ms' "
    ": ' us'), x, 13);\n"
    "    lines.beginPath(); lines.moveTo(x, 0); lines.lineTo(x, bottom); lines.stroke();\n"
    "  }\n"
    "}\n"
    "function drawLevel(g, lane, depth) {\n"
    "  const bars = lane.levels[depth], y = lane.y + depth * lane.level, h = lane.level - 2;\n"
    "  let last = -1;\n"
    "  for (let i = firstAfter(bars, t0); i < bars.length && bars[i][START] <= t1; i++) {\n"
    "    const b = bars[i], x = Math.max(xOf(b[START]), LEFT), to = Math.min(xOf(finish(b)), "
    "width());\n"
    "    const isHit = marked.has(b);\n"
    "    if (to < last + 0.4 && !isHit && b[END] != 2) continue;\n"
    "    last = to;\n"
    "    g.globalAlpha = hidden.has(b[GROUP]) || (marked.size && !isHit) ? 0.12 : b[END] == 2 ? "
    "0.4 : 1;\n"
    "    g.fillStyle = D.colours[b[GROUP]];\n"
    "    g.fillRect(x, y, Math.max(to - x, 0.5), h);\n"
    "    if (b[END] == 1) { g.strokeStyle = colour('--death'); g.strokeRect(x + .5, y + .5, to - x "
    "- 1, h - 1); }\n"
    "    if (hits[hit] == b) { g.strokeStyle = colour('--strong'); g.lineWidth = 2; "
    "g.strokeRect(x, y, to - x, h); }\n"
    "    if (b[STOLEN] && to - x > 6) { g.fillStyle = colour('--strong'); g.beginPath(); "
    "g.moveTo(x, y);\n"
    "      g.lineTo(x + 5, y); g.lineTo(x, y + 5); g.fill(); }\n"
    "    if (to - x > 40) { g.save(); g.beginPath(); g.rect(x, y, to - x - 3, h); g.clip();\n"
    "      g.fillStyle = '#fff'; g.fillText(name(b), x + 7, y + h / 2 + .5); g.restore(); }\n"
    "  }\n"
    "  g.globalAlpha = 1;\n"
    "}\n"
    "function draw() {\n"
    "  const g = context('lanes', bottom + 8);\n"
    "  g.fillStyle = colour('--lane');\n"
    "  for (const lane of lanes) g.fillRect(LEFT, lane.y, width() - LEFT - 12, lane.height);\n"
    "  drawAxis(g);\n"
    "  lanes.forEach((lane, w) => {\n"
    "    for (let d = 0; d < lane.levels.length; d++) drawLevel(g, lane, d);\n"
    "    g.fillStyle = colour('--paper'); g.fillRect(0, lane.y, LEFT, lane.height);\n"
    "    g.fillStyle = colour('--strong'); g.fillText(D.lanes[w], 16, lane.y + 9, LEFT - 24);\n"
    "    g.fillStyle = colour('--soft');\n"
    "    g.fillText((D.length ? 100 * lane.busy / D.length : 0).toFixed(0) + ' % busy', 16, lane.y "
    "+ 23);\n"
    "    g.strokeStyle = colour('--death'); g.lineWidth = 2.5;\n"
    "    for (const d of lane.deaths) {\n"
    "      const x = xOf(d[1]), y = lane.y + lane.level / 2 - 1;\n"
    "      if (x < LEFT || x > width()) continue;\n"
    "      g.beginPath(); g.moveTo(x - 5, y - 5); g.lineTo(x + 5, y + 5);\n"
    "      g.moveTo(x + 5, y - 5); g.lineTo(x - 5, y + 5); g.stroke();\n"
    "    }\n"
    "  });\n"
    "}\n"
    "let asked = false;\n"
    "function redraw() {\n"
    "  if (!asked) requestAnimationFrame(() => { asked = false; draw(); });\n"
    "  asked = true;\n"
    "}\n"
    "\nfunction look(from, to) {\n"
    "  const span = Math.min(Math.max(to - from, 1e-3), Math.max(D.length, 1e-3) * 1.05);\n"
    "  t0 = Math.max(-0.05 * D.length, Math.min(from, 1.05 * D.length - span)); t1 = t0 + span;\n"
    "  redraw();\n"
    "}\n"
    "function zoom(x, factor) { const t = tOf(x); look(t - (t - t0) * factor, t + (t1 - t) * "
    "factor); }\n"
    "function whatIsAt(x, y) {\n"
    "  const lane = lanes.find(l => y >= l.y && y < l.y + l.height);\n"
    "  if (!lane || x < LEFT) return null;\n"
    "  const death = lane.deaths.find(d => Math.abs(xOf(d[1]) - x) < 6);\n"
    "  if (death) return {death};\n"
    "  const bars = lane.levels[Math.floor((y - lane.y) / lane.level)] || [];\n"
    "  const b = bars[firstAfter(bars, tOf(x - 2))];\n"
    "  return b && b[START] <= tOf(x + 2) ? {bar: b} : null;\n"
    "}\n"
    "function tell(at) {\n"
    "  if (at.death) {\n"
    "    const d = at.death;\n"
    "    return D.lanes[d[0]] + ', pid ' + d[2] + ' died at ' + time(d[1]) + (d[3] ? ': killed "
    "by signal ' + d[3]\n"
    "      : d[4] >= 0 ? ': exited with code ' + d[4] : '') + (d[5] ? '\\nwhile running ' + d[5] : "
    "'');\n"
    "  }\n"
    "  const b = at.bar;\n"
    "  return name(b) + '\\n' + D.legend + ' ' + D.groups[b[GROUP]] + '\\n' + D.lanes[b[WORKER]] + "
    "', pid ' + b[PID] +\n"
    "    ', attempt ' + b[ATTEMPT] + (b[STOLEN] ? ', stolen' : '') + '\\n' + time(b[START]) + ' to "
    "' +\n"
    "    time(finish(b)) + ': ' + time(b[LONG]) + (b[QUEUED] >= 0 ? '\\nqueued for ' + "
    "time(b[QUEUED]) : '') +\n"
    "    (b[REMARK] ? '\\n' + b[REMARK] : '') + (b[END] ? '\\n' + ENDS[b[END]] : '');\n"
    "}\n"
    "\nconst pane = $('lanes'), tip = $('tip');\n"
    "let drag = null;\n"
    "pane.addEventListener('wheel', e => {\n"
    "  e.preventDefault();\n"
    "  const side = e.shiftKey ? e.deltaY : e.deltaX;\n"
    "  if (side) look(t0 + side / 800 * (t1 - t0), t1 + side / 800 * (t1 - t0));\n"
    "  else zoom(e.clientX, Math.exp(e.deltaY / 400));\n"
    "}, {passive: false});\n"
    "pane.addEventListener('pointerdown', e => { drag = {x: e.clientX, t0, t1}; "
    "pane.setPointerCapture(e.pointerId); });\n"
    "pane.addEventListener('pointerup', () => { drag = null; });\n"
    "pane.addEventListener('pointermove', e => {\n"
    "  if (drag) {\n"
    "    const by = (drag.x - e.clientX) / (width() - LEFT - 12) * (drag.t1 - drag.t0);\n"
    "    look(drag.t0 + by, drag.t1 + by);\n"
    "  }\n"
    "  const at = drag ? null : whatIsAt(e.offsetX, e.offsetY);\n"
    "  tip.style.display = at ? 'block' : 'none';\n"
    "  if (!at) return;\n"
    "  tip.textContent = tell(at);\n"
    "  tip.style.left = Math.max(4, Math.min(e.clientX + 14, width() - tip.offsetWidth - 8)) + "
    "'px';\n"
    "  tip.style.top = (e.clientY + 18 + tip.offsetHeight > window.innerHeight\n"
    "    ? e.clientY - tip.offsetHeight - 10 : e.clientY + 18) + 'px';\n"
    "});\n"
    "pane.addEventListener('pointerleave', () => { tip.style.display = 'none'; });\n"
    "pane.addEventListener('dblclick', e => {\n"
    "  const at = whatIsAt(e.offsetX, e.offsetY);\n"
    "  if (at && at.bar) look(at.bar[START] - at.bar[LONG] * 0.1, finish(at.bar) + at.bar[LONG] * "
    "0.1);\n"
    "  else look(0, D.length);\n"
    "});\n"
    "document.addEventListener('keydown', e => {\n"
    "  if (e.target == $('find')) return;\n"
    "  const middle = xOf((t0 + t1) / 2), by = (t1 - t0) / 5;\n"
    "  if (e.key == '+' || e.key == '=') zoom(middle, 0.7);\n"
    "  else if (e.key == '-') zoom(middle, 1 / 0.7);\n"
    "  else if (e.key == 'ArrowLeft') look(t0 - by, t1 - by);\n"
    "  else if (e.key == 'ArrowRight') look(t0 + by, t1 + by);\n"
    "  else if (e.key == '0') look(0, D.length);\n"
    "  else if (e.key == '/') { e.preventDefault(); $('find').focus(); }\n"
    "});\n"
    "\nfunction search(text) {\n"
    "  text = text.trim().toLowerCase();\n"
    "  hits = !text ? [] : D.bars.filter(b => (name(b) + ' ' + D.groups[b[GROUP]] + ' ' + "
    "ENDS[b[END]] + ' pid ' + b[PID] +\n"
    "    ' attempt ' + b[ATTEMPT] + (b[STOLEN] ? ' stolen' : '') + ' ' + (b[REMARK] || '')).toLowerCase().includes(text));\n"
    "  hits.sort((a, b) => a[START] - b[START]);\n"
    "  marked = new Set(hits); hit = -1;\n"
    "  $('hits').textContent = text ? hits.length + ' found' : '';\n"
    "  redraw();\n"
    "}\n"
    "$('find').addEventListener('input', e => search(e.target.value));\n"
    "$('find').addEventListener('keydown', e => {\n"
    "  if (e.key != 'Enter' || !hits.length) return;\n"
    "  hit = (hit + (e.shiftKey ? hits.length - 1 : 1) + (hit < 0 && e.shiftKey ? 1 : 0)) % "
    "hits.length;\n"
    "  const b = hits[hit], span = Math.max(Math.min(t1 - t0, D.length / 4), b[LONG] * 1.5);\n"
    "  look(b[START] + b[LONG] / 2 - span / 2, b[START] + b[LONG] / 2 + span / 2);\n"
    "  $('hits').textContent = (hit + 1) + ' of ' + hits.length;\n"
    "});\n"
    "\ndocument.title = D.title;\n"
    "document.querySelector('h1').textContent = D.title;\n"
    "$('what').textContent = D.bars.length - D.jobs + ' attempts at tasks' +\n"
    "  (D.jobs ? ' and ' + D.jobs + ' stolen jobs' : '') + ' on ' + D.workers + ' workers in ' "
    "+ time(D.length) +\n"
    "  (D.deaths.length ? '; ' + D.deaths.length + ' workers died' : '') +\n"
    "  (D.lost ? '; ' + D.lost + ' older events were overwritten' : '');\n"
    "D.groups.forEach((text, i) => {\n"
    "  const button = document.createElement('button'), box = document.createElement('i');\n"
    "  box.style.background = D.colours[i];\n"
    "  button.append(box, text);\n"
    "  button.addEventListener('click', () => {\n"
    "    if (hidden.has(i)) hidden.delete(i); else hidden.add(i);\n"
    "    button.classList.toggle('off', hidden.has(i));\n"
    "    redraw();\n"
    "  });\n"
    "  $('legend').append(button);\n"
    "});\n"
    "window.addEventListener('resize', redraw);\n"
    "matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);\n"
    "draw();\n</script></html>\n";

/* ---- the data ------------------------------------------------------------------------------ */

static double us(const struct timeline *t, uint64_t ns)
{
    return ns > t->start_ns ? (double)(ns - t->start_ns) * 1e-3 : 0;
}

static void put_groups(const struct timeline *t, FILE *out)
{
    char text[8];

    fputs(",\"groups\":[", out);
    for (uint32_t i = 0; i < t->group_count; i++) {
        fputs(i ? "," : "", out);
        emit_json_string(out, t->groups[i]);
    }
    fputs("],\"colours\":[", out);
    for (uint32_t i = 0; i < t->group_count; i++) {
        timeline_colour(t, i, text);
        fprintf(out, "%s\"%s\"", i ? "," : "", text);
    }
    fputs("]", out);
}

static void put_lanes(const struct timeline *t, FILE *out)
{
    char name[TIMELINE_NAME];

    fputs(",\"lanes\":[", out);
    for (uint32_t w = 0; w < t->workers; w++) {
        timeline_lane(t, w, name);
        fputs(w ? "," : "", out);
        emit_json_string(out, name);
    }
    fputs("]", out);
}

/* What is to be remarked stands last, if there is anything. */
static void put_bar(const struct timeline *t, const struct bar *b, FILE *out)
{
    bool is_queued = b->attempt == 1 && b->submitted_ns && b->submitted_ns <= b->start_ns;
    char remark[TIMELINE_REMARK];

    fprintf(out, "[%u,%u,%.3f,%.3f,%u,%d,%u,%d,%d,", b->worker, b->depth, us(t, b->start_ns),
            (double)(b->end_ns - b->start_ns) * 1e-3, b->group, (int)b->end, b->attempt, b->pid,
            b->is_stolen);
    fprintf(out, "%.3f,", is_queued ? (double)(b->start_ns - b->submitted_ns) * 1e-3 : -1);
    emit_json_string(out, b->label);
    timeline_remark(t, b, remark);
    if (remark[0]) {
        putc(',', out);
        emit_json_string(out, remark);
    }
    putc(']', out);
}

static void put_data(const struct timeline *t, const char *title, FILE *out)
{
    fputs("{\"title\":", out);
    emit_json_string(out, title);
    fputs(",\"legend\":", out);
    emit_json_string(out, t->legend);
    fprintf(out, ",\"workers\":%u,\"length\":%.3f,\"jobs\":%zu,\"lost\":%llu", t->workers,
            us(t, t->end_ns), t->job_count, (unsigned long long)t->events_lost);
    put_lanes(t, out);
    put_groups(t, out);
    fputs(",\"deaths\":[", out);
    for (size_t i = 0; i < t->death_count; i++) {
        const struct bar_death *d = &t->deaths[i];
        fprintf(out, "%s[%u,%.3f,%d,%d,%d,", i ? "," : "", d->worker, us(t, d->time_ns), d->pid,
                d->signal, d->exit_code);
        emit_json_string(out, d->kernel);
        putc(']', out);
    }
    fputs("],\"bars\":[\n", out);
    for (size_t i = 0; i < t->count; i++) {
        fputs(i ? ",\n" : "", out);
        put_bar(t, &t->bars[i], out);
    }
    fputs("]}", out);
}

void timeline_html(const struct timeline *t, const char *title, FILE *out)
{
    char *data = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&data, &size);

    if (to)
        put_data(t, title, to);
    bool is_whole = to && !ferror(to);
    is_whole = to && !fclose(to) && is_whole;
    if (is_whole) {
        fputs(page_head, out);
        for (size_t i = 0; i < size; i++) /* only strings have a '<': no name ends the script */
            if (data[i] == '<')
                fputs("\\u003c", out);
            else
                putc(data[i], out);
        fputs(page_script, out);
    } else {
        fputs("<!doctype html>\n<title>Timeline</title>not enough memory to draw it\n", out);
    }
    free(data);
}
