#include <string.h>
#include <time.h>

#include "ctl/key-text.h"
#include "ctl/session.h"
#include "ctl/terminal.h"

static void print_field(const char *name, const char *text)
{
    printf("%-12s ", name);
    terminal_print(text, 0);
    putchar('\n');
}

static void print_time(const char *name, uint64_t seconds)
{
    time_t when = (time_t)seconds;
    struct tm parts;
    char text[32];

    if (gmtime_r(&when, &parts) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts) > 0)
        print_field(name, text);
}

static void print_holders(const QuorumKey *key, const Roster *roster)
{
    printf("%-12s", "Nodes");
    for (unsigned i = 0; i < roster->n; i++)
        if (quorum_key_holders(key) & (uint32_t)1 << i)
            printf(" %s", roster->nodes[i].name);
    putchar('\n');
}

/* The public object's own label and id are worth a line only where they differ. */
static void print_record(const KeyRecord *record)
{
    char id[2 * 255 + 1];

    print_field("Label", record->private_label);
    if (strcmp(record->private_label, record->public_label) != 0)
        print_field("Public label", record->public_label);
    key_text_id(&record->private_id, id, sizeof(id));
    print_field("CKA_ID", id);
    if (!bytes_equal(&record->private_id, &record->public_id)) {
        key_text_id(&record->public_id, id, sizeof(id));
        print_field("Public ID", id);
    }
    if (record->public_hidden)
        print_field("Public key", "its PKCS#11 object is destroyed");
    print_time("Created", record->created);
    if (record->not_after != 0)
        print_time("Not after", record->not_after);
}

static void print_text(const QuorumKey *key, const Roster *roster, const char *pem)
{
    const Header *header = quorum_key_header(key);
    char id[2 * KEY_ID_SIZE + 1], type[32], generation[KEY_TEXT_GENERATION_SIZE];

    key_id_format(quorum_key_id(key), id);
    key_text_type(header, type);
    print_field("Key", id);
    print_record(quorum_key_record(key));
    print_field("Type", type);
    printf("%-12s any %u of %u nodes sign\n", "Threshold", header->parameters.k, header->parameters.n);
    key_text_generation(header, generation);
    if (*generation)
        print_field("Generation", generation);
    print_field("Custody", custody_name(header->custody));
    print_holders(key, roster);
    printf("\n%s", pem);
}

static void print_document(const QuorumKey *key, const char *pem)
{
    Document *document = key_text_document(key);

    document_text(document, "publicKey", pem);
    document_print(document);
}

int verb_key_show(const Call *call, Problem *problem)
{
    _cleanup_(quorum_freep) Quorum *quorum = NULL;
    _cleanup_(quorum_key_unrefp) QuorumKey *key = NULL;
    _cleanup_free_ char *pem = NULL;
    int r;

    if (call->options[OPTION_JSON] && call->options[OPTION_PEM])
        return problem_set(problem, CTL_E_USAGE, "--json and --pem do not go together");
    r = session_open(call, NULL, NULL, &quorum, problem);
    if (r == 0)
        r = session_key(quorum, call->arguments[0], &key, problem);
    if (r == 0)
        r = key_text_pem(key, &pem, problem);
    if (r != 0)
        return r;
    if (call->options[OPTION_PEM])
        fputs(pem, stdout);
    else if (call->options[OPTION_JSON])
        print_document(key, pem);
    else
        print_text(key, quorum_roster(quorum), pem);
    return 0;
}
