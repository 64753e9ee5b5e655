/* JSON output. Where memory runs out, kqctl says so and exits: there is nothing left to be done with the output. */
#pragma once

#include <json-c/json_object.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct json_object Document;

Document *document_new(void);
Document *document_list(void);
/* Members of an object. `text` NULL: null. */
void document_text(Document *object, const char *name, const char *text);
void document_number(Document *object, const char *name, uint64_t number);
void document_flag(Document *object, const char *name, bool flag);
void document_hex(Document *object, const char *name, const void *data, size_t size);
/* Take over `child`. */
void document_add(Document *object, const char *name, Document *child);
void document_append(Document *list, Document *child);
void document_append_number(Document *list, uint64_t number);
/* `text` NULL: nothing is appended. */
void document_append_text(Document *list, const char *text);
/* Print it on standard output, with a newline, and release it. */
void document_print(Document *document);
