/* SPDX-License-Identifier: MIT */
#include "live.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "interrupt.h"
#include "tool.h"

#define CLEAR_SCREEN "\033[H\033[J"

static int no_memory(void)
{
    complain(NULL, "not enough memory for the picture");
    return EXIT_CANNOT;
}

/*
 * As much as the terminal has room for: a line that went on in the next would push the first out of
 * sight. The end of the last line stays away, too, as it would scroll.
 */
static void print_picture(const char *text)
{
    struct winsize size;
    unsigned columns = 0, rows = 0, column = 0, row = 1;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
        columns = size.ws_col;
        rows = size.ws_row;
    }
    fputs(CLEAR_SCREEN, stdout);
    for (const char *c = text; *c && (*c != '\n' || row != rows); c++) {
        if (*c == '\n') {
            row++;
            column = 0;
        } else if ((*c & 0xc0) != 0x80) { /* not a further byte of a character */
            column++;
        }
        if (!columns || column <= columns)
            putchar(*c);
    }
}

static int show(bool clears, int (*picture)(FILE *out, void *ctx), void *ctx)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return no_memory();
    int code = picture(out, ctx);
    if (fclose(out))
        code = no_memory();
    if (!code) {
        if (clears)
            print_picture(text);
        else
            fwrite(text, 1, size, stdout);
        fflush(stdout);
    }
    free(text);
    return code;
}

/* Until the next picture: true; or false, at once, when a signal comes or nobody reads any more. */
static bool wait_for_next(double seconds)
{
    struct pollfd out = { STDOUT_FILENO, 0, 0 };
    return !interrupt_pending() && poll(&out, 1, (int)(seconds * 1000)) == 0 &&
           !interrupt_pending();
}

int live_run(const struct live *live, int (*picture)(FILE *out, void *ctx), void *ctx)
{
    if (!(live->interval >= 0.05 && live->interval <= 86400))
        return args_complain("--interval: from 0.05 seconds to a day");
    if (live->once && live->count)
        return args_complain("--once and --count exclude each other");
    bool is_terminal = isatty(STDOUT_FILENO) == 1;
    uint32_t count = live->once || (!live->count && !live->json && !is_terminal) ? 1 : live->count;
    if (count == 1)
        return show(false, picture, ctx);
    interrupt_watch();
    for (uint32_t shown = 1;; shown++) {
        int code = show(!live->json && is_terminal, picture, ctx);
        if (code || ferror(stdout) || shown == count || !wait_for_next(live->interval))
            return code;
        if (!live->json && !is_terminal)
            putchar('\n'); /* between two pictures in a file */
    }
}
