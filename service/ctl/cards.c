#include "ctl/cards.h"

#include <errno.h>
#include <string.h>

static int read_lines(const CardReader *reader, void *userdata, FILE *file, const char *name, Problem *problem)
{
    _cleanup_free_ char *line = NULL;
    size_t room = 0;
    unsigned number = 0, n_cards = 0;

    while (getline(&line, &room, file) >= 0) {
        number++;
        line[strcspn(line, "\r\n")] = '\0';
        if (!*line || *line == '#')
            continue;

        int r = reader->take(userdata, line, problem);

        if (r != 0)
            return problem_prefix(problem, r, "%s:%u", name, number);
        n_cards++;
    }
    if (ferror(file))
        return problem_set(problem, -EIO, "%s: cannot be read to its end", name);
    return n_cards > 0 ? 0 : problem_set(problem, -ENODATA, "%s: no card is in it", name);
}

int cards_read(const CardReader *reader, void *userdata, const char *argument, Problem *problem)
{
    if (strncmp(argument, reader->start, strlen(reader->start)) == 0)
        return reader->take(userdata, argument, problem);
    if (strcmp(argument, "-") == 0)
        return read_lines(reader, userdata, stdin, "standard input", problem);

    _cleanup_fclose_ FILE *file = fopen(argument, "re");

    if (!file)
        return problem_set(problem, -errno, "'%s' is neither a card (%s1 ...) nor a file with one: %s", argument, reader->start,
                           strerror(errno));
    return read_lines(reader, userdata, file, argument, problem);
}
