/* SPDX-License-Identifier: MIT */
#include "human.h"

#include <stdio.h>

const char *human_size(uint64_t bytes, char text[HUMAN_TEXT])
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    if (bytes < 1024) {
        snprintf(text, HUMAN_TEXT, "%u B", (unsigned)bytes);
        return text;
    }
    double x = (double)bytes / 1024;
    int unit = 0;
    for (; x >= 1023.95 && unit < 5; unit++) /* what would print as 1024.0 */
        x /= 1024;
    snprintf(text, HUMAN_TEXT, "%.1f %s", x, units[unit]);
    return text;
}

const char *human_duration(double s, char text[HUMAN_TEXT])
{
    if (!(s > 0))
        s = 0;
    if (s > 0 && s < 0.9995e-3)
        snprintf(text, HUMAN_TEXT, "%.1f us", s * 1e6);
    else if (s > 0 && s < 9.995e-3)
        snprintf(text, HUMAN_TEXT, "%.2f ms", s * 1e3);
    else if (s < 9.995)
        snprintf(text, HUMAN_TEXT, "%.2f s", s);
    else if (s < 99.95)
        snprintf(text, HUMAN_TEXT, "%.1f s", s);
    else if (s < 3599.5)
        snprintf(text, HUMAN_TEXT, "%d m %02d s", (int)(s + 0.5) / 60, (int)(s + 0.5) % 60);
    else if (s < 1e9)
        snprintf(text, HUMAN_TEXT, "%ld h %02d m", (long)(s / 60 + 0.5) / 60,
                 (int)((long)(s / 60 + 0.5) % 60));
    else
        snprintf(text, HUMAN_TEXT, "for ever");
    return text;
}

const char *human_bar(double share, char bar[HUMAN_BAR])
{
    int width = HUMAN_BAR - 1, filled = (int)(share * width + 0.5);

    for (int i = 0; i < width; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[width] = 0;
    return bar;
}
