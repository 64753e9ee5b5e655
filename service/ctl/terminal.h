/* What is asked of a person, and what comes as a line from a file instead. */
#pragma once

#include "base/problem.h"
#include "base/secret.h"
#include "ctl/ctl.h"

/* Read up to a newline or the end, byte by byte, so that what follows stays for the next reader. Errors: -ENODATA an empty line;
 * -EMSGSIZE more than `size_max` bytes; -errno. */
int terminal_read_line(int fd, size_t size_max, Secret **ret_line) _must_check_;
/* Ask on the terminal without showing what is typed. Errors: CTL_E_USAGE there is no terminal; -ECANCELED the person pressed Ctrl-C;
 * -ENODATA, -EMSGSIZE as above. */
int terminal_ask_secret(const char *question, size_t size_max, Secret **ret_answer, Problem *problem) _must_check_;
/* Have "yes" typed after `warning`, unless --yes is given. Errors: CTL_E_USAGE there is neither a terminal nor --yes; -ECANCELED. */
int terminal_confirm(const Call *call, const char *warning, Problem *problem) _must_check_;

/* Print text that came from elsewhere: control characters become '?'. `width`: padded to that many characters; 0: not padded. */
void terminal_print(const char *text, unsigned width);
