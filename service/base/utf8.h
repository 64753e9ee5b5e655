/* UTF-8 as RFC 3629 §4 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_SIZE_MAX 4 /* bytes of one character */

/* Bytes of the character that the text begins with; 0: it begins with none (or only with a part of one). */
size_t utf8_character(const char *text, size_t size);
bool utf8_valid(const char *text, size_t size);
/* Write one character (a Unicode scalar value) and return the number of its bytes. */
size_t utf8_write(uint32_t character, char ret_text[UTF8_SIZE_MAX]);
