/*
 * kqctl, the operator's tool: a table of verbs (verbs.c), a table of options (options.c), one file per verb. A verb works with the
 * functions of service/quorum, prints its result on standard output, and returns; main() alone turns errors into words and exit codes.
 */
#pragma once

#include "base/problem.h"
#include "ctl/options.h"
#include "quorum/quorum.h"

typedef struct Verb Verb;

/* What kqctl exits with; kqctl(1) EXIT STATUS. */
typedef enum ExitCode {
    EXIT_CODE_DONE = 0,
    EXIT_CODE_FAILED = 1,
    EXIT_CODE_USAGE = 2,
    EXIT_CODE_ATTENTION = 3, /* it worked, and found something that needs the operator */
} ExitCode;

/* What a verb may return besides 0, -errno and QUORUM_E_*. */
typedef enum CtlError {
    CTL_E_USAGE = QUORUM_E_MAX + 1, /* the command line is wrong; the problem says how */
    CTL_E_ATTENTION,                /* EXIT_CODE_ATTENTION: what was found is printed already */
    CTL_E_MAX,
} CtlError;

/* One command line, taken apart. */
typedef struct Call {
    const Verb *verb;                /* NULL: none was given */
    const char *options[OPTION_MAX]; /* the argument; "" for one without argument; NULL: not given */
    char **arguments;                /* in argv */
    size_t n_arguments;
} Call;

struct Verb {
    const char *name;      /* one or two words */
    const char *arguments; /* for the synopsis */
    const char *help;      /* one line */
    unsigned arguments_min, arguments_max;
    OptionSet required, optional;
    /* 0, -errno, QUORUM_E_*, CTL_E_*: with words in `problem` unless 0 or CTL_E_ATTENTION. */
    int (*run)(const Call *call, Problem *problem);
};

/* Rows of the table of verbs, in the order of the help; NULL past the end. */
const Verb *verb_at(size_t i);
/* The verb that `words` starts with; `ret_n_words` says how many words its name has. NULL: none. */
const Verb *verb_find(char **words, size_t *ret_n_words);
/* Does the verb belong to what `word` names: is it its first word? */
bool verb_is_in(const Verb *verb, const char *word);

/* Take `argv` (ended by NULL) apart; the arguments are moved together in place. Where --help or --version is given, nothing after it is
 * looked at. Errors: CTL_E_USAGE. */
int call_parse(char **argv, Call *ret_call, Problem *problem) _must_check_;

/* Help, on standard output. `call->verb` NULL: the list of verbs, or of those in the group `call->arguments[0]`. */
void help_print(const Call *call);
/* The same tables for programs (shell completion, tests): a line per verb: name, then its options, "--conf=FILE" where one takes an
 * argument; separated by tabs. The first line, without name, has the options that all verbs take. */
void help_print_table(void);

int verb_node_init(const Call *call, Problem *problem);
int verb_node_card(const Call *call, Problem *problem);
int verb_node_authorize(const Call *call, Problem *problem);
int verb_node_deauthorize(const Call *call, Problem *problem);
int verb_node_clients(const Call *call, Problem *problem);
int verb_node_approve(const Call *call, Problem *problem);
int verb_key_refresh(const Call *call, Problem *problem);
int verb_node_peers(const Call *call, Problem *problem);
int verb_node_lock(const Call *call, Problem *problem);
int verb_node_unlock(const Call *call, Problem *problem);
int verb_node_reset_pin(const Call *call, Problem *problem);
int verb_node_backup(const Call *call, Problem *problem);
int verb_node_restore(const Call *call, Problem *problem);
int verb_node_rotate(const Call *call, Problem *problem);
int verb_client_init(const Call *call, Problem *problem);
int verb_client_card(const Call *call, Problem *problem);
int verb_client_rotate(const Call *call, Problem *problem);
int verb_roster_add(const Call *call, Problem *problem);
int verb_roster_show(const Call *call, Problem *problem);
int verb_roster_check(const Call *call, Problem *problem);
int verb_token_init(const Call *call, Problem *problem);
int verb_token_change_pin(const Call *call, Problem *problem);
int verb_key_generate(const Call *call, Problem *problem);
int verb_key_list(const Call *call, Problem *problem);
int verb_key_show(const Call *call, Problem *problem);
int verb_key_set(const Call *call, Problem *problem);
int verb_key_repair(const Call *call, Problem *problem);
int verb_key_destroy(const Call *call, Problem *problem);
int verb_status(const Call *call, Problem *problem);
int verb_sync(const Call *call, Problem *problem);
int verb_log(const Call *call, Problem *problem);
int verb_sign(const Call *call, Problem *problem);
int verb_verify(const Call *call, Problem *problem);
