#include "ctl/document.h"
#include "ctl/session.h"
#include "ctl/terminal.h"

typedef struct Findings {
    Document *list; /* with --json */
    size_t done, left;
} Findings;

static void on_finding(void *userdata, bool done, const char *text)
{
    Findings *findings = userdata;

    findings->done += done;
    findings->left += !done;
    if (findings->list) {
        Document *finding = document_new();

        document_flag(finding, "done", done);
        document_text(finding, "text", text);
        document_append(findings->list, finding);
        return;
    }
    printf("%s", done ? "done:  " : "to do: ");
    terminal_print(text, 0);
    putchar('\n');
}

static int confirm(const Call *call, Problem *problem)
{
    if (!call->options[OPTION_DISCARD_PENDING])
        return 0;
    return terminal_confirm(call, "Every key whose generation was never finished will be discarded, also one that is being generated now",
                            problem);
}

static int sync_nodes(const Call *call, Quorum *quorum, Findings *findings, Problem *problem)
{
    _cleanup_secret_ Secret *pin = NULL;
    int r = confirm(call, problem);

    if (r == 0)
        r = session_login(call, quorum, &pin, problem);
    if (r == 0)
        r = quorum_sync(quorum, call->options[OPTION_DISCARD_PENDING] != NULL, call->options[OPTION_RESET_STALE_PINS] ? pin : NULL,
                        on_finding, findings, problem);
    return r;
}

int verb_sync(const Call *call, Problem *problem)
{
    _cleanup_(quorum_freep) Quorum *quorum = NULL;
    Findings findings = {.list = call->options[OPTION_JSON] ? document_list() : NULL};
    int r = session_open(call, NULL, NULL, &quorum, problem);

    if (r == 0)
        r = sync_nodes(call, quorum, &findings, problem);
    if (findings.list)
        document_print(findings.list);
    if (r != 0)
        return r;
    if (!findings.list && findings.done + findings.left == 0)
        fprintf(stderr, "The nodes agree: there is nothing to do.\n");
    return findings.left > 0 ? CTL_E_ATTENTION : 0;
}
