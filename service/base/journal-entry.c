#include "base/journal-entry.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "base/utf8.h"

#define ENTRY_SIZE_MAX   8192
#define MESSAGE_SIZE_MAX 2048
#define VALUE_SIZE_MAX   1024 /* escaped; the rest is left out */

/* ---- Values: whatever is in them, they stay on their line ------------------------------------------------------------------- */

static bool stands_for_itself(const char *text, size_t size)
{
    char copy[UTF8_SIZE_MAX + 1] = {0};

    memcpy(copy, text, size);
    text_clean(copy);
    return memcmp(copy, text, size) == 0 && text[0] != '\\';
}

static void write_escaped(Writer *writer, const char *text)
{
    char escape[8];
    size_t room = VALUE_SIZE_MAX;

    for (size_t left = strlen(text), size; left > 0 && room >= sizeof(escape); text += size, left -= size) {
        size_t character = utf8_character(text, left);

        size = character > 0 ? character : 1;
        if (character > 0 && stands_for_itself(text, size)) {
            write_bytes(writer, text, size);
            room -= size;
            continue;
        }
        size = 1; /* the bytes that follow are escaped in their turn */
        (void)snprintf(escape, sizeof(escape), "\\x%02x", (unsigned)(uint8_t)*text);
        write_bytes(writer, escape, strlen(escape));
        room -= strlen(escape);
    }
}

/* All of it or nothing. */
static void write_field(Writer *writer, const char *name, const char *value)
{
    Writer attempt = *writer;

    write_bytes(&attempt, name, strlen(name));
    write_u8(&attempt, '=');
    write_escaped(&attempt, value);
    write_u8(&attempt, '\n');
    if (!attempt.failed)
        *writer = attempt;
}

/* ---- The two forms ------------------------------------------------------------------------------------------------------------ */

/* The message is ours and its arguments are cleaned: it is not escaped, so that it reads the same everywhere. */
static void write_native(Writer *writer, const JournalContent *content, const char *message)
{
    const char priority[] = {(char)('0' + content->priority), '\0'};

    write_bytes(writer, "MESSAGE=", strlen("MESSAGE="));
    write_bytes(writer, message, strlen(message));
    write_u8(writer, '\n');
    write_field(writer, "PRIORITY", priority);
    write_field(writer, "SYSLOG_IDENTIFIER", program_invocation_short_name);
    if (content->event_id)
        write_field(writer, "MESSAGE_ID", content->event_id);
    if (*content->node)
        write_field(writer, journal_field_name(JOURNAL_NODE), content->node);
    for (JournalField i = 0; content->fields && i < JOURNAL_FIELD_MAX; i++)
        if (content->fields[i])
            write_field(writer, journal_field_name(i), content->fields[i]);
}

static void write_line(Writer *writer, const JournalContent *content, const char *message)
{
    const char priority[] = {'<', (char)('0' + content->priority), '>', '\0'};

    write_bytes(writer, priority, strlen(priority));
    write_bytes(writer, message, strlen(message));
    write_u8(writer, '\n');
}

JournalEntry *journal_entry_new(bool native, const JournalContent *content, const char *format, va_list arguments)
{
    char message[MESSAGE_SIZE_MAX], text[ENTRY_SIZE_MAX];
    Writer writer = writer_of(text, sizeof(text));

    if (vsnprintf(message, sizeof(message), format, arguments) < 0)
        return NULL;
    text_clean(message);
    if (native)
        write_native(&writer, content, message);
    else
        write_line(&writer, content, message);

    size_t size = (size_t)(writer.at - writer.start);
    JournalEntry *entry = malloc(sizeof(*entry) + size);

    if (entry) {
        *entry = (JournalEntry){.size = size};
        memcpy(entry->data, text, size);
    }
    return entry;
}
