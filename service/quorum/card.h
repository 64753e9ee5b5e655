/* What cards and rosters write alike: keys, names and addresses. The cards themselves are in roster.h. */
#pragma once

#include <stdbool.h>

#include "quorum/roster.h"
#include "wire/base64.h"

#define CARD_KEY_SIZE      32
#define CARD_KEY_TEXT_SIZE (BASE64_SIZE(CARD_KEY_SIZE) + 1)

void card_key_format(const uint8_t key[CARD_KEY_SIZE], char ret_text[CARD_KEY_TEXT_SIZE]);
/* Errors: -EINVAL not 32 bytes in base64; -ENOMEM. */
int card_key_parse(const char *text, uint8_t ret_key[CARD_KEY_SIZE], Problem *problem) _must_check_;
/* A TLS pin, or two with a comma between them; `next` zeros: one. */
#define CARD_PINS_TEXT_SIZE (2 * CARD_KEY_TEXT_SIZE)
void card_pins_format(const uint8_t pin[CARD_KEY_SIZE], const uint8_t next[CARD_KEY_SIZE], char ret_text[CARD_PINS_TEXT_SIZE]);
/* Errors: -EINVAL, for twice the same too; -ENOMEM. */
int card_pins_parse(const char *text, uint8_t ret_pin[CARD_KEY_SIZE], uint8_t ret_next[CARD_KEY_SIZE], Problem *problem) _must_check_;
bool card_has_key(const uint8_t key[CARD_KEY_SIZE]); /* not zeros */
/* Errors: -EINVAL. */
int card_check_name(const char *name, Problem *problem) _must_check_;
/* Errors: -EINVAL, for an unknown scheme too. */
int card_check_address(const char *address, Problem *problem) _must_check_;
