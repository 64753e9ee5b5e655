#include "ctl/key-text.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/evp.h"

static const char *algorithm_name(const Header *header)
{
    const Scheme *scheme = threshold_scheme_by_algorithm(header->parameters.algorithm);

    return scheme ? threshold_scheme_name(scheme) : "unknown";
}

void key_text_type(const Header *header, char ret_text[32])
{
    const Scheme *scheme = threshold_scheme_by_algorithm(header->parameters.algorithm);
    bool one_size = scheme && threshold_scheme_sizes(scheme)[1] == 0;

    if (one_size)
        (void)snprintf(ret_text, 32, "%.16s", algorithm_name(header));
    else
        (void)snprintf(ret_text, 32, "%.16s-%u", algorithm_name(header), header->parameters.bits);
    for (char *at = ret_text; *at; at++)
        *at = (char)toupper((unsigned char)*at);
}

void key_text_generation(const Header *header, char ret_text[KEY_TEXT_GENERATION_SIZE])
{
    const Scheme *scheme = threshold_scheme_by_algorithm(header->parameters.algorithm);

    ret_text[0] = '\0';
    if (scheme && !threshold_scheme_has_dealer(scheme))
        (void)snprintf(ret_text, KEY_TEXT_GENERATION_SIZE, "%u", header->generation);
}

void key_text_id(const Bytes *id, char *ret_text, size_t size)
{
    size_t shown = 2 * id->size < size ? id->size : (size - 1) / 2;

    hex_encode(id->data, shown, ret_text);
}

static Document *holders(const QuorumKey *key)
{
    Document *list = document_list();

    for (unsigned i = 0; i < quorum_key_header(key)->parameters.n; i++)
        if (quorum_key_holders(key) & (uint32_t)1 << i)
            document_append_number(list, i + 1);
    return list;
}

Document *key_text_document(const QuorumKey *key)
{
    const Header *header = quorum_key_header(key);
    const KeyRecord *record = quorum_key_record(key);
    Document *document = document_new();

    document_hex(document, "id", quorum_key_id(key)->bytes, KEY_ID_SIZE);
    document_text(document, "label", record->private_label);
    document_text(document, "publicLabel", record->public_label);
    document_hex(document, "ckaId", record->private_id.data, record->private_id.size);
    document_hex(document, "publicCkaId", record->public_id.data, record->public_id.size);
    document_flag(document, "publicHidden", record->public_hidden);
    document_text(document, "algorithm", algorithm_name(header));
    document_number(document, "bits", header->parameters.bits);
    document_number(document, "nodes", header->parameters.n);
    document_number(document, "threshold", header->parameters.k);
    document_text(document, "custody", custody_name(header->custody));
    document_number(document, "generation", header->generation);
    document_number(document, "recordVersion", record->version);
    document_number(document, "created", record->created);
    document_number(document, "notAfter", record->not_after);
    document_add(document, "holders", holders(key));
    return document;
}

/* ---- PEM ---- */

int key_text_pem(const QuorumKey *key, char **ret_pem, Problem *problem)
{
    const Scheme *scheme = threshold_key_scheme(quorum_key_threshold(key));
    _cleanup_bytes_ Bytes der = {0};
    _cleanup_bio_ BIO *pem = BIO_new(BIO_s_mem());
    char *text, *copy;

    if (threshold_scheme_public_info(scheme, &quorum_key_header(key)->public_key, &der) < 0 || !pem ||
        PEM_write_bio(pem, PEM_STRING_PUBLIC, "", der.data, (long)der.size) <= 0)
        return problem_set(problem, -EIO, "the public key cannot be written as PEM");

    long size = BIO_get_mem_data(pem, &text);

    copy = strndup(text, size > 0 ? (size_t)size : 0);
    if (!copy)
        return problem_set(problem, -ENOMEM, "out of memory");
    *ret_pem = copy;
    return 0;
}
