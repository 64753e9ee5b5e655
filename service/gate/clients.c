#include "gate/clients.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"

#define FILE_SIZE_MAX (1024 * 1024)
#define PIN_DIGITS    (TLS_PIN_TEXT_SIZE - 1)

void clients_init(Clients *clients, const char *path)
{
    *clients = (Clients){.path = path};
}

static void forget(Clients *clients)
{
    free(clients->pins);
    clients->pins = NULL;
    clients->n_pins = 0;
    clients->listed = false;
}

void clients_clear(Clients *clients)
{
    forget(clients);
}

static int compare_pins(const void *a, const void *b)
{
    return memcmp(((const ClientPin *)a)->pin, ((const ClientPin *)b)->pin, TLS_PIN_SIZE);
}

static bool is_name(const char *name, size_t size)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    for (size_t i = 0; i < size; i++)
        if (!name[i] || !strchr(allowed, name[i]))
            return false;
    return size >= 1 && size <= CLIENT_NAME_MAX;
}

static int parse_pin(const char *text, uint8_t ret_pin[TLS_PIN_SIZE])
{
    _cleanup_bytes_ Bytes pin = {0};
    int r = base64_decode(text, PIN_DIGITS, &pin);

    if (r == -ENOMEM)
        return r;
    if (r < 0 || pin.size != TLS_PIN_SIZE)
        return -EINVAL;
    memcpy(ret_pin, pin.data, TLS_PIN_SIZE);
    return 0;
}

/* One line without its end. */
static int parse_line(const char *line, size_t size, ClientPin *ret_client)
{
    ClientPin client = {0};

    if (size < PIN_DIGITS + 2 || line[PIN_DIGITS] != ' ' || !is_name(line + PIN_DIGITS + 1, size - PIN_DIGITS - 1))
        return -EINVAL;

    int r = parse_pin(line, client.pin);

    if (r < 0)
        return r;
    memcpy(client.name, line + PIN_DIGITS + 1, size - PIN_DIGITS - 1);
    *ret_client = client;
    return 0;
}

static size_t count_lines(const Bytes *content)
{
    size_t n = 0;

    for (size_t i = 0; i < content->size; i++)
        n += content->data[i] == '\n';
    return n;
}

/* `clients` has room for all. */
static int parse_lines(const Bytes *content, Clients *clients, Problem *problem)
{
    const char *line = (const char *)content->data, *end = line + content->size;

    while (line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        int r = newline ? parse_line(line, (size_t)(newline - line), &clients->pins[clients->n_pins]) : -EINVAL;

        if (r < 0)
            return problem_set(problem, r, "line %zu is not 'PIN NAME'", clients->n_pins + 1);
        clients->n_pins++;
        line = newline + 1;
    }
    return 0;
}

static int check_doubles(const Clients *clients, Problem *problem)
{
    for (size_t i = 1; i < clients->n_pins; i++)
        if (compare_pins(&clients->pins[i - 1], &clients->pins[i]) == 0)
            return problem_set(problem, -EINVAL, "%s and %s have the same pin", clients->pins[i - 1].name, clients->pins[i].name);
    return 0;
}

static int parse(const Bytes *content, Clients *clients, Problem *problem)
{
    size_t n = count_lines(content);

    clients->pins = calloc(n + 1, sizeof(*clients->pins));
    if (!clients->pins)
        return problem_set(problem, -ENOMEM, "out of memory");

    int r = parse_lines(content, clients, problem);

    if (r < 0)
        return r;
    qsort(clients->pins, clients->n_pins, sizeof(*clients->pins), compare_pins);
    r = check_doubles(clients, problem);
    clients->listed = r == 0;
    return r;
}

static int read_file(Clients *clients, Problem *problem)
{
    _cleanup_bytes_ Bytes content = {0};
    int r = file_read(AT_FDCWD, clients->path, FILE_SIZE_MAX, &content);

    if (r == -ENOENT)
        return 0;
    return r < 0 ? problem_set(problem, r, "%s", strerror(-r)) : parse(&content, clients, problem);
}

int clients_refresh(Clients *clients, Problem *problem)
{
    struct stat status = {0};

    if (stat(clients->path, &status) < 0)
        status = (struct stat){0};
    if (file_same(&status, &clients->status))
        return 0;
    forget(clients);
    clients->status = status; /* of before the reading: what replaces it meanwhile is read the next time */

    int r = read_file(clients, problem);

    if (r == 0)
        return 0;
    forget(clients);
    if (r != -EINVAL && r != -EFBIG)
        clients->status = (struct stat){0}; /* it is not what is in the file: the next time again */
    return problem_prefix(problem, r, "%s, so no client is known", clients->path);
}

const char *clients_find(const Clients *clients, const uint8_t pin[TLS_PIN_SIZE])
{
    ClientPin key;

    memcpy(key.pin, pin, TLS_PIN_SIZE);

    const ClientPin *found =
        clients->n_pins > 0 ? bsearch(&key, clients->pins, clients->n_pins, sizeof(*clients->pins), compare_pins) : NULL;

    return found ? found->name : NULL;
}
