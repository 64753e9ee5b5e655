#include "ctl/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>

#include "base/text.h"

/* A line while it is read. */
typedef struct Line {
    Secret *text;
    size_t used;
} Line;

static void line_clear(Line *line)
{
    secret_free(line->text);
}

static int line_add(Line *line, uint8_t byte)
{
    if (line->used == secret_size(line->text))
        return -EMSGSIZE;
    secret_data(line->text)[line->used++] = byte;
    return 0;
}

/* Take the last character back: with UTF-8 that may be several bytes. */
static void line_erase(Line *line)
{
    while (line->used > 0 && (secret_bytes(line->text)[--line->used] & 0xc0) == 0x80)
        continue;
}

static int line_finish(Line *line, Secret **ret_line)
{
    if (line->used == 0)
        return -ENODATA;
    secret_truncate(line->text, line->used);
    *ret_line = TAKE_PTR(line->text);
    return 0;
}

/* 1: a byte; 0: the end. */
static int read_byte(int fd, uint8_t *ret_byte)
{
    ssize_t got;

    do
        got = read(fd, ret_byte, 1);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : (int)got;
}

int terminal_read_line(int fd, size_t size_max, Secret **ret_line)
{
    _cleanup_(line_clear) Line line = {0};
    uint8_t byte = 0;
    int r = secret_new(size_max, &line.text);

    while (r == 0) {
        int got = read_byte(fd, &byte);

        if (got < 0)
            return got;
        if (got == 0 || byte == '\n')
            break;
        r = line_add(&line, byte);
    }
    memory_wipe(&byte, sizeof(byte));
    return r < 0 ? r : line_finish(&line, ret_line);
}

/* A terminal that gives each key as it is pressed and shows nothing. Signals are off as well, so that Ctrl-C cannot leave it so. */
typedef struct Keyboard {
    int fd;
    struct termios before;
} Keyboard;

static int keyboard_open(Keyboard *ret_keyboard, Problem *problem)
{
    Keyboard keyboard = {.fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC)};

    if (keyboard.fd < 0 || tcgetattr(keyboard.fd, &keyboard.before) < 0) {
        cleanup_close(&keyboard.fd);
        return problem_set(problem, CTL_E_USAGE, "there is no terminal to ask for the PIN: give --pin-file FILE");
    }

    struct termios quiet = keyboard.before;

    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG);
    quiet.c_cc[VMIN] = 1;
    quiet.c_cc[VTIME] = 0;
    if (tcsetattr(keyboard.fd, TCSAFLUSH, &quiet) < 0) {
        cleanup_close(&keyboard.fd);
        return problem_set(problem, -EIO, "the terminal's echo cannot be switched off");
    }
    *ret_keyboard = keyboard;
    return 0;
}

static void keyboard_close(Keyboard *keyboard)
{
    if (keyboard->fd < 0)
        return;
    (void)tcsetattr(keyboard->fd, TCSAFLUSH, &keyboard->before);
    cleanup_close(&keyboard->fd);
}

/* One key. 1: the line is complete. */
static int take_key(const Keyboard *keyboard, Line *line, uint8_t key)
{
    const cc_t *keys = keyboard->before.c_cc;

    if (key == '\n' || key == '\r' || key == keys[VEOF])
        return 1;
    if (key == keys[VINTR] || key == keys[VQUIT])
        return -ECANCELED;
    if (key == keys[VERASE] || key == '\b' || key == 0x7f)
        line_erase(line);
    else if (key == keys[VKILL])
        line->used = 0;
    else
        return line_add(line, key);
    return 0;
}

static int read_keys(const Keyboard *keyboard, Line *line)
{
    uint8_t key = 0;
    int r = 0;

    while (r == 0) {
        int got = read_byte(keyboard->fd, &key);

        r = got < 0 ? got : got == 0 ? 1 : take_key(keyboard, line, key);
    }
    memory_wipe(&key, sizeof(key));
    return r < 0 ? r : 0;
}

int terminal_ask_secret(const char *question, size_t size_max, Secret **ret_answer, Problem *problem)
{
    _cleanup_(line_clear) Line line = {0};
    _cleanup_(keyboard_close) Keyboard keyboard = {.fd = -1};
    int r = secret_new(size_max, &line.text);

    if (r < 0)
        return problem_set(problem, r, "memory for what is typed in cannot be locked: %s", strerror(-r));
    r = keyboard_open(&keyboard, problem);
    if (r != 0)
        return r;
    (void)dprintf(keyboard.fd, "%s: ", question);
    r = read_keys(&keyboard, &line);
    (void)dprintf(keyboard.fd, "\n");
    if (r == 0)
        r = line_finish(&line, ret_answer);
    return r < 0 ? problem_set(problem, r, "%s", r == -ECANCELED ? "stopped" : strerror(-r)) : 0;
}

int terminal_confirm(const Call *call, const char *warning, Problem *problem)
{
    char answer[16];

    if (call->options[OPTION_YES])
        return 0;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return problem_set(problem, CTL_E_USAGE, "%s; without a terminal to confirm it, --yes is needed", warning);
    fprintf(stderr, "%s.\nType 'yes' to go on: ", warning);
    if (!fgets(answer, sizeof(answer), stdin) || strcmp(answer, "yes\n") != 0)
        return problem_set(problem, -ECANCELED, "not confirmed; nothing was changed");
    return 0;
}

void terminal_print(const char *text, unsigned width)
{
    _cleanup_free_ char *clean = text_copy(text);
    unsigned characters = 0;

    if (clean)
        text_clean(clean);
    for (const char *at = clean ? clean : "?"; *at; at++) {
        putchar(*at);
        characters += (*at & 0xc0) != 0x80;
    }
    for (; characters < width; characters++)
        putchar(' ');
}
