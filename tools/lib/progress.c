/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "human.h"

#define SECONDS_BETWEEN (1 / 6.0)

const char *const progress_modes[] = { "auto", "always", "never", NULL };

static struct {
    bool on;       /* show it at all */
    bool terminal; /* draw over the same line; else a line of its own each time */
    bool visible;  /* a line stands there now */
    const char *what;
    double total, start, last;
} line;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void progress_start(enum progress_mode mode, const char *what, double total)
{
    line.terminal = isatty(STDERR_FILENO) == 1;
    line.on = mode == PROGRESS_ALWAYS || (mode == PROGRESS_AUTO && line.terminal);
    line.visible = false;
    line.what = what;
    line.total = total;
    line.start = now();
    line.last = line.start - SECONDS_BETWEEN;
}

void progress_format(char *text, int size, const char *what, double done, double total,
                     double seconds)
{
    char a[HUMAN_TEXT], b[HUMAN_TEXT];
    int used = snprintf(text, (size_t)size, "%.0f/%.0f %s, %3.0f %%, %s", done, total, what,
                        total > 0 ? 100 * done / total : 100.0, human_duration(seconds, a));
    /* The first tenth of a second says nothing about the rest. */
    if (done > 0 && done < total && seconds > 0.1 && used > 0 && used < size)
        snprintf(text + used, (size_t)(size - used), ", about %s left",
                 human_duration(seconds * (total - done) / done, b));
}

void progress_update(double done)
{
    if (!line.on)
        return;
    double t = now();
    if (t - line.last < SECONDS_BETWEEN)
        return;
    line.last = t;
    char text[200];
    progress_format(text, sizeof text, line.what, done, line.total, t - line.start);
    if (!line.terminal) {
        fprintf(stderr, "%s\n", text);
        return;
    }
    struct winsize w;
    int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 10 ? w.ws_col - 1 : 79;
    fprintf(stderr, "\r\033[K%.*s", columns, text);
    fflush(stderr);
    line.visible = true;
}

void progress_hide(void)
{
    if (!line.visible)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    line.visible = false;
    line.last = 0; /* may be drawn again at once */
}

void progress_end(void)
{
    progress_hide();
    line.on = false;
}
