#include "ctl/key-destroyed.h"
#include "ctl/key-text.h"
#include "ctl/session.h"
#include "ctl/terminal.h"

#define ID_SHOWN 16 /* digits of a key id */

static void print_key(const QuorumKey *key)
{
    const Header *header = quorum_key_header(key);
    const KeyRecord *record = quorum_key_record(key);
    char id[2 * KEY_ID_SIZE + 1], type[32], generation[KEY_TEXT_GENERATION_SIZE], cka_id[17];

    key_id_format(quorum_key_id(key), id);
    key_text_type(header, type);
    key_text_generation(header, generation);
    key_text_id(&record->private_id, cka_id, sizeof(cka_id));
    printf("%.*s  ", ID_SHOWN, id);
    terminal_print(record->private_label, 24);
    printf(" %-16s %-9s %-3s %-8s %d of %u\n", cka_id, type, generation, custody_name(header->custody),
           __builtin_popcount(quorum_key_holders(key)), header->parameters.n);
}

static void print_text(QuorumKey **keys, size_t n_keys)
{
    if (n_keys == 0) {
        fprintf(stderr, "The token has no keys; 'kqctl key generate' makes one.\n");
        return;
    }
    printf("%-*s  %-24s %-16s %-9s %-3s %-8s %s\n", ID_SHOWN, "KEY", "LABEL", "CKA_ID", "TYPE", "GEN", "CUSTODY", "NODES");
    for (size_t i = 0; i < n_keys; i++)
        print_key(keys[i]);
}

static void print_document(QuorumKey **keys, size_t n_keys)
{
    Document *list = document_list();

    for (size_t i = 0; i < n_keys; i++)
        document_append(list, key_text_document(keys[i]));
    document_print(list);
}

int verb_key_list(const Call *call, Problem *problem)
{
    if (call->options[OPTION_DESTROYED])
        return key_destroyed_list(call, problem);

    _cleanup_(quorum_freep) Quorum *quorum = NULL;
    QuorumKey **keys = NULL;
    size_t n_keys = 0;
    int r = session_open(call, NULL, NULL, &quorum, problem);

    if (r == 0)
        r = quorum_keys(quorum, 0, &keys, &n_keys, problem);
    if (r != 0)
        return r;
    if (call->options[OPTION_JSON])
        print_document(keys, n_keys);
    else
        print_text(keys, n_keys);
    quorum_keys_free(keys, n_keys);
    return 0;
}
