/* What cards and rosters write alike: keys, names and addresses. The cards themselves are in roster.h. */
#pragma once

#include "quorum/roster.h"
#include "wire/base64.h"

#define CARD_KEY_SIZE      32
#define CARD_KEY_TEXT_SIZE (BASE64_SIZE(CARD_KEY_SIZE) + 1)

void card_key_format(const uint8_t key[CARD_KEY_SIZE], char ret_text[CARD_KEY_TEXT_SIZE]);
/* Errors: -EINVAL not 32 bytes in base64; -ENOMEM. */
int card_key_parse(const char *text, uint8_t ret_key[CARD_KEY_SIZE], Problem *problem) _must_check_;
/* Errors: -EINVAL. */
int card_check_name(const char *name, Problem *problem) _must_check_;
/* Errors: -EINVAL, for an unknown scheme too. */
int card_check_address(const char *address, Problem *problem) _must_check_;
