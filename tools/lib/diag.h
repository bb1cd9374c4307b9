/* SPDX-License-Identifier: MIT */
/* diag.h -- one sentence about what went wrong, for the person at the terminal. */
#ifndef DIAG_H
#define DIAG_H

#include <stdarg.h>
#include <stdio.h>

struct diag {
    char text[400];
};

/* Say it and pass the error on: `return diag_set(diag, -EINVAL, "line %zu: ...", line);` */
__attribute__((format(printf, 3, 4))) static inline int diag_set(struct diag *diag, int error,
                                                                 const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(diag->text, sizeof diag->text, format, args);
    va_end(args);
    return error;
}

#endif
