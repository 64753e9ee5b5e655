/*
 * Errors, and the words that go with them.
 *
 * Every fallible function returns int:
 *   0         success;
 *   negative  -errno: fatal for the operation, forwarded unchanged by callers;
 *   positive  a MODULE_E_* code documented at the function: an outcome the caller must handle.
 * Out-parameters are named ret_… and are untouched unless the function's contract says otherwise.
 *
 * Libraries never log. A function that can fail for a reason a human must act on takes a Problem and
 * writes one sentence into it: what happened, to which thing, and what the reader can do. A Problem never holds a secret.
 */
#pragma once

#include "base/cleanup.h"

#define PROBLEM_SIZE_MAX 1024

typedef struct Problem {
    char text[PROBLEM_SIZE_MAX]; /* NUL-terminated UTF-8; longer text is cut at the end, between two characters */
} Problem;

#define PROBLEM_INIT                                                                                                                       \
    (Problem)                                                                                                                              \
    {                                                                                                                                      \
        .text = ""                                                                                                                         \
    }

/* Write the sentence and return `code` unchanged, so that it reads `return problem_set(p, -EINVAL, "…")`.
 * `problem` may be NULL. Control characters and bytes that are not UTF-8 come in through arguments; each is replaced by '?'. */
int problem_set(Problem *problem, int code, const char *format, ...) _printf_(3, 4);

/* Put "words: " in front of what the problem says already; returns `code`. */
int problem_prefix(Problem *problem, int code, const char *format, ...) _printf_(3, 4);
