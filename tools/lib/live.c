/* SPDX-License-Identifier: MIT */
#include "live.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "interrupt.h"
#include "tool.h"

#define CLEAR_SCREEN "\033[H\033[J"

static int no_memory(void)
{
    complain(NULL, "not enough memory for the picture");
    return EXIT_CANNOT;
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
            fputs(CLEAR_SCREEN, stdout);
        fwrite(text, 1, size, stdout);
        fflush(stdout);
    }
    free(text);
    return code;
}

int live_run(const struct live *live, int (*picture)(FILE *out, void *ctx), void *ctx)
{
    if (!(live->interval >= 0.05 && live->interval <= 86400))
        return args_complain("--interval: from 0.05 seconds to a day");
    if (live->once || (!live->json && isatty(STDOUT_FILENO) != 1))
        return show(false, picture, ctx);
    interrupt_watch();
    for (;;) {
        int code = show(!live->json, picture, ctx);
        if (code || ferror(stdout))
            return code;
        (void)poll(NULL, 0, (int)(live->interval * 1000)); /* a signal ends it, too */
        if (interrupt_pending())
            return EXIT_OK;
    }
}
