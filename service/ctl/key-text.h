/* A key in words and as a document, for the verbs that show keys. */
#pragma once

#include "ctl/document.h"
#include "quorum/quorum.h"

/* "RSA-2048", "ED25519". */
void key_text_type(const Header *header, char ret_text[32]);
/* "2": of the shares, where they can be made anew; otherwise "". */
#define KEY_TEXT_GENERATION_SIZE 12
void key_text_generation(const Header *header, char ret_text[KEY_TEXT_GENERATION_SIZE]);
/* "01ab" of a CKA_ID, cut where it is longer than `size` - 1 characters. */
void key_text_id(const Bytes *id, char *ret_text, size_t size);
Document *key_text_document(const QuorumKey *key);
/* The public key, SubjectPublicKeyInfo (threshold_scheme_public_info()) in PEM. `ret_pem` is malloc'd. Errors: -EIO, -ENOMEM. */
int key_text_pem(const QuorumKey *key, char **ret_pem, Problem *problem) _must_check_;
