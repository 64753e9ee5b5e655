#include "pkcs11/log.h"

#include <string.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

#define PREFIX "keyquorum: "

/* One writev(), so that lines of several threads stay whole; a closed or full standard error is nobody's problem. */
static void to_stderr(int priority, const char *text)
{
    struct iovec parts[] = {
        {(void *)(uintptr_t)PREFIX, sizeof(PREFIX) - 1},
        {(void *)(uintptr_t)text, strlen(text)},
        {(void *)(uintptr_t) "\n", 1},
    };
    ssize_t written = writev(STDERR_FILENO, parts, (int)ELEMENTS(parts));

    (void)written;
}

static void to_syslog(int priority, const char *text)
{
    syslog(priority, PREFIX "%s", text);
}

static void to_nobody(int priority, const char *text)
{
}

static void (*const targets[])(int priority, const char *text) = {
    [LOG_TARGET_SYSLOG] = to_syslog,
    [LOG_TARGET_STDERR] = to_stderr,
    [LOG_TARGET_NONE] = to_nobody,
};

void log_line(LogTarget target, int priority, const char *text)
{
    targets[target](priority, text);
}
