/* SPDX-License-Identifier: MIT */
#include "bars.h"

#include <math.h>
#include <string.h>

#include "emit.h"
#include "outfile.h"
#include "tool.h"

#define TEXT_WIDTH 40 /* of the longest bar, in characters */

/* Measures of the drawing, in pixels. */
#define NAME_WIDTH 190
#define BAR_WIDTH 420
#define VALUE_WIDTH 130
#define ROW 26
#define BAR 16
#define TOP 48

static double greatest(const struct bar *bars, uint32_t count)
{
    double most = 0;
    for (uint32_t i = 0; i < count; i++)
        most = bars[i].value > most ? bars[i].value : most;
    return most;
}

/* In UTF-8, to an eighth of a character. */
static void print_bar(FILE *out, double share)
{
    static const char *const eighths[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
    unsigned n = share > 0 ? (unsigned)lround(share * TEXT_WIDTH * 8) : 0;
    for (unsigned i = 0; i < n / 8; i++)
        fputs("█", out);
    fputs(eighths[n % 8], out);
}

void bars_print(FILE *out, const struct bar *bars, uint32_t count, bool spread)
{
    double most = greatest(bars, count);
    int width = 0;
    for (uint32_t i = 0; i < count; i++) {
        int length = emit_width(bars[i].name);
        width = length > width ? length : width;
    }
    for (uint32_t i = 0; i < count; i++) {
        int pad = width - emit_width(bars[i].name);
        fprintf(out, "%s%*s  %8.4f", bars[i].name, pad, "", bars[i].value);
        if (spread)
            fprintf(out, " +- %-8.4f", bars[i].deviation);
        fputs("  ", out);
        print_bar(out, most > 0 ? bars[i].value / most : 0);
        putc('\n', out);
    }
}

static void write_escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '<' || c == '>' || c == '&' || c == '"')
            fprintf(out, "&#%d;", c);
        else
            putc(c < ' ' ? '?' : c, out);
    }
}

static void draw_bar(FILE *out, const struct bar *bar, uint32_t row, double most)
{
    double width = most > 0 && bar->value > 0 ? bar->value / most * BAR_WIDTH : 0;
    double spread = most > 0 ? bar->deviation / most * BAR_WIDTH : 0;
    double y = TOP + (double)row * ROW, middle = y + BAR / 2.0;
    fprintf(out, "<text class=\"name\" x=\"%d\" y=\"%.1f\">", NAME_WIDTH - 10, middle + 4);
    write_escaped(out, bar->name);
    fputs("</text>\n", out);
    fprintf(out, "<rect x=\"%d\" y=\"%.1f\" width=\"%.2f\" height=\"%d\" rx=\"2\"><title>",
            NAME_WIDTH, y, width, BAR);
    write_escaped(out, bar->name);
    fprintf(out, ": %.6g</title></rect>\n", bar->value);
    if (spread > 0)
        fprintf(out, "<path d=\"M%.2f %.1fH%.2f\"/>\n", NAME_WIDTH + fmax(width - spread, 0),
                middle, NAME_WIDTH + width + spread);
    fprintf(out, "<text x=\"%.2f\" y=\"%.1f\">%.4f</text>\n",
            NAME_WIDTH + width + fmax(spread, 0) + 8, middle + 4, bar->value);
}

static void draw(FILE *out, const struct bar *bars, uint32_t count, const char *title)
{
    unsigned width = NAME_WIDTH + BAR_WIDTH + VALUE_WIDTH, height = TOP + count * ROW + 12;
    double most = 0;
    for (uint32_t i = 0; i < count; i++) /* room for the spread, too */
        most = fmax(most, bars[i].value + bars[i].deviation);
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" "
            "viewBox=\"0 0 %u %u\" role=\"img\">\n<style>\n"
            "svg{background:#fff}text{font:13px sans-serif;fill:#222}.name{text-anchor:end}"
            ".title{font-size:15px;font-weight:600}rect{fill:#3b6fb6}path{stroke:#222;"
            "stroke-width:1.5}\n@media(prefers-color-scheme:dark){svg{background:#15181c}"
            "text{fill:#ddd}rect{fill:#6fa3e6}path{stroke:#ddd}}\n</style>\n",
            width, height, width, height);
    fprintf(out, "<text class=\"title\" x=\"%d\" y=\"26\">", NAME_WIDTH);
    write_escaped(out, title);
    fputs("</text>\n", out);
    for (uint32_t i = 0; i < count; i++)
        draw_bar(out, &bars[i], i, most);
    fputs("</svg>\n", out);
}

int bars_write_svg(const char *path, const struct bar *bars, uint32_t count, const char *title)
{
    struct outfile out;
    struct diag diag;
    int err = outfile_open(&out, path, &diag);
    if (!err) {
        draw(out.stream, bars, count, title);
        err = outfile_commit(&out, &diag);
    }
    if (err)
        complain(outfile_name(path), "%s", diag.text);
    return err;
}
