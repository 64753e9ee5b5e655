#include "quorum/ask.h"

#include <errno.h>
#include <string.h>

#include "quorum/ask-as.h"
#include "quorum/exchange.h"
#include "quorum/state.h"

void node_answers_clear(NodeAnswers *answers)
{
    for (unsigned i = 0; i < THRESHOLD_NODES_MAX; i++) {
        NodeAnswer *answer = &answers->of[i];

        if (answer->output)
            message_clear(answers->layout, answer->output);
        free(answer->output);
        message_clear(&node_error_detail, &answer->detail);
    }
    *answers = (NodeAnswers){0};
}

/* ---- Asking --------------------------------------------------------------------------------------------------------- */

typedef struct Asking {
    Exchange of[THRESHOLD_NODES_MAX];
    Exchange *list[THRESHOLD_NODES_MAX];
    unsigned n;
} Asking;

static void asking_clear(Asking *asking)
{
    for (unsigned i = 0; i < asking->n; i++)
        exchange_end(asking->list[i]);
}

static bool all_done(const Asking *asking)
{
    for (unsigned i = 0; i < asking->n; i++)
        if (!exchange_done(asking->list[i]))
            return false;
    return true;
}

static int parse_output(Exchange *exchange, const Layout *layout, NodeAnswer *answer)
{
    void *output = calloc(1, layout->size > 0 ? layout->size : 1);

    if (!output)
        return -ENOMEM;
    if (exchange_output(exchange, layout, output) == 0)
        answer->output = output;
    else
        free(output);
    return 0;
}

static int take_answer(Exchange *exchange, const Layout *output, NodeAnswer *answer)
{
    int r = 0;

    exchange_give_up(exchange, -ETIMEDOUT, "it did not answer in time");
    if (exchange_good(exchange) && output && exchange->reply)
        r = parse_output(exchange, output, answer);
    answer->r = exchange->r;
    answer->error = exchange->error;
    answer->took = exchange->done_at - exchange->began;
    answer->detail = exchange->detail;
    exchange->detail = (NodeErrorDetail){0};
    memcpy(answer->words, exchange->words, sizeof(answer->words));
    return r;
}

int ask_as(Quorum *quorum, Login *login, NodeSet nodes, AskConnection connection, const char *method, const Layout *input,
           const void *const *inputs, bool same, const Layout *output, Microseconds deadline, NodeAnswers *ret_answers)
{
    _cleanup_(asking_clear) Asking asking = {0};
    int r = 0;

    for (unsigned i = 1; i <= quorum->roster->n; i++) {
        if (!(nodes & NODE_SET_OF(i)))
            continue;

        Exchange *exchange = &asking.of[i - 1];

        asking.list[asking.n++] = exchange;
        exchange_begin(exchange, quorum, i, connection, login);
        exchange_ask(exchange, method, input, inputs ? inputs[same ? 0 : i - 1] : NULL);
    }
    while (!all_done(&asking) && clock_now() < deadline)
        exchange_poll(asking.list, asking.n, deadline);

    NodeAnswers answers = {.layout = output, .asked = nodes & node_set_all(quorum->roster->n)};

    for (unsigned i = 0; i < asking.n && r == 0; i++)
        r = take_answer(asking.list[i], output, &answers.of[asking.list[i]->index - 1]);
    if (r < 0) {
        node_answers_clear(&answers);
        return r;
    }
    *ret_answers = answers;
    return 0;
}

int quorum_ask(Quorum *quorum, NodeSet nodes, AskConnection connection, const char *method, const Layout *input, const void *const *inputs,
               bool same, const Layout *output, Microseconds deadline, NodeAnswers *ret_answers)
{
    _cleanup_login_ Login *login = connection == ASK_LOGGED_IN ? quorum_login_now(quorum) : NULL;

    if (connection == ASK_LOGGED_IN && !login)
        return QUORUM_E_LOGIN_REQUIRED;

    int r = ask_as(quorum, login, nodes, connection, method, input, inputs, same, output, deadline, ret_answers);

    if (r == 0 && login && node_answers_good(ret_answers) != ret_answers->asked)
        r = login_check(login, quorum, NULL);
    if (r > 0)
        node_answers_clear(ret_answers);
    return r;
}

/* ---- Reporting ------------------------------------------------------------------------------------------------------- */

static bool is_good(const NodeAnswers *answers, unsigned index)
{
    const NodeAnswer *answer = &answers->of[index - 1];

    return answers->asked & NODE_SET_OF(index) && answer->r == 0 && answer->error == NODE_ERROR_NONE;
}

NodeSet node_answers_good(const NodeAnswers *answers)
{
    NodeSet good = 0;

    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++)
        if (is_good(answers, i))
            good |= NODE_SET_OF(i);
    return good;
}

/* What callers put in front of the nodes' words. */
#define FRONT_SIZE_MAX 256

void node_words_share(const Quorum *quorum, unsigned index, const char *words, unsigned left, Problem *problem)
{
    size_t used = strlen(problem->text), room = (sizeof(problem->text) - FRONT_SIZE_MAX - used) / left;

    (void)snprintf(problem->text + used, room, "%s%s (%u): %s", used > 0 ? "; " : "", quorum->roster->nodes[index - 1].name, index, words);
}

void node_answers_describe(const Quorum *quorum, const NodeAnswers *answers, Problem *problem)
{
    Problem words = PROBLEM_INIT;
    unsigned left = node_set_count(answers->asked);

    for (unsigned i = 1; i <= THRESHOLD_NODES_MAX; i++)
        if (answers->asked & NODE_SET_OF(i))
            node_words_share(quorum, i, is_good(answers, i) ? "answered" : answers->of[i - 1].words, left--, &words);
    (void)problem_set(problem, 0, "%s", words.text);
}

void node_words_add(const Quorum *quorum, unsigned index, const char *words, Problem *problem)
{
    size_t used = problem ? strlen(problem->text) : 0;

    if (problem)
        (void)snprintf(problem->text + used, sizeof(problem->text) - used, "%s%s (%u): %s", used > 0 ? "; " : "",
                       quorum->roster->nodes[index - 1].name, index, words);
}

Microseconds quorum_deadline(const Quorum *quorum)
{
    return clock_now() + quorum->roster->timeout;
}
