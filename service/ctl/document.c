#include "ctl/document.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"

static void *there(void *made)
{
    if (!made) {
        fputs("kqctl: out of memory\n", stderr);
        exit(EXIT_FAILURE);
    }
    return made;
}

Document *document_new(void)
{
    return there(json_object_new_object());
}

Document *document_list(void)
{
    return there(json_object_new_array());
}

void document_add(Document *object, const char *name, Document *child)
{
    there(json_object_object_add(object, name, child) < 0 ? NULL : object);
}

void document_append(Document *list, Document *child)
{
    there(json_object_array_add(list, child) < 0 ? NULL : list);
}

void document_append_number(Document *list, uint64_t number)
{
    document_append(list, there(json_object_new_uint64(number)));
}

void document_append_text(Document *list, const char *text)
{
    if (text)
        document_append(list, there(json_object_new_string(text)));
}

void document_text(Document *object, const char *name, const char *text)
{
    document_add(object, name, text ? there(json_object_new_string(text)) : NULL);
}

void document_number(Document *object, const char *name, uint64_t number)
{
    document_add(object, name, there(json_object_new_uint64(number)));
}

void document_flag(Document *object, const char *name, bool flag)
{
    document_add(object, name, there(json_object_new_boolean(flag)));
}

void document_hex(Document *object, const char *name, const void *data, size_t size)
{
    _cleanup_free_ char *text = there(malloc(2 * size + 1));

    hex_encode(data, size, text);
    document_text(object, name, text);
}

void document_print(Document *document)
{
    puts(there((void *)(uintptr_t)json_object_to_json_string_ext(document, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE)));
    json_object_put(document);
}
