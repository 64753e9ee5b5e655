/* Rosters and cards: whatever the text, an error with words or a roster that can be written and read again. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "quorum/roster.h"

static void check_card(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), again[CARD_SIZE_MAX];
    NodeCard card = {0};
    Problem problem = PROBLEM_INIT;

    if (!text)
        abort();
    memcpy(text, data, size);
    text[size] = '\0';
    if (card_parse(text, &card, &problem) == 0) {
        if (card_format(&card, again) != 0)
            abort();
        card_clear(&card);
    } else if (problem.text[0] == '\0') {
        abort();
    }
    free(text);
}

/* The roster is read from a file: one in memory. */
static void check_roster(const uint8_t *data, size_t size)
{
    _cleanup_close_ int fd = memfd_create("roster", MFD_CLOEXEC);
    _cleanup_(roster_freep) Roster *roster = NULL;
    Problem problem = PROBLEM_INIT;
    char path[64];

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (roster_read(path, &roster, &problem) != 0) {
        if (!strstr(problem.text, path))
            abort();
        return;
    }
    if (roster->k < 2 || roster->k > roster->n || roster->n > THRESHOLD_NODES_MAX)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_roster(data, size);
    check_card(data, size);
    return 0;
}
