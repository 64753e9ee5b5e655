#include "quorum/exchange.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>

#include "base/text.h"
#include "quorum/pin.h"
#include "quorum/state.h"
#include "wire/service-interface.h"

#define TURN_POLL (2 * MICROSECONDS_PER_MILLISECOND) /* how often to look whether another thread's login has come to an end */

/* ---- Ends ------------------------------------------------------------------------------------------------------------- */

static _printf_(2, 3) void set_words(Exchange *exchange, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(exchange->words, sizeof(exchange->words), format, arguments);
    va_end(arguments);
    text_clean(exchange->words); /* some of it comes from a node */
}

static void release_turn(Exchange *exchange)
{
    if (exchange->turn)
        login_abandon(exchange->login, exchange->index, exchange->stage == EXCHANGE_CHALLENGE);
    exchange->turn = false;
}

static void finish(Exchange *exchange)
{
    release_turn(exchange);
    exchange->stage = EXCHANGE_DONE;
    exchange->done_at = clock_now();
}

/* The node did not answer. `words` NULL: those of the error. */
static void fail(Exchange *exchange, int r, const char *words)
{
    if (!words && exchange->connection)
        words = link_words(exchange->connection->link);
    exchange->r = r;
    set_words(exchange, "%s", words ? words : r == -ECONNRESET ? "it closed the connection" : strerror(-r));
    connection_close(exchange->quorum, TAKE_PTR(exchange->connection));
    finish(exchange);
}

/* The node answered: no. */
static void refuse(Exchange *exchange, NodeError error)
{
    static const char *const defaults[NODE_ERROR_MAX] = {
        [NODE_ERROR_PIN_INCORRECT] = "it refuses the PIN",
        [NODE_ERROR_PIN_LOCKED] = "it has locked this client after too many wrong PINs",
        [NODE_ERROR_STALE_VERSION] = "it has missed a change of the PIN: 'kqctl node reset-pin' on its host",
        [NODE_ERROR_NOT_INITIALIZED] = "it belongs to no token yet",
        [NODE_ERROR_WRONG_TOKEN] = "it belongs to another token, or is another node of this one",
    };
    const char *name = node_error_name(error);

    exchange->error = error;
    if (exchange->too_old)
        set_words(exchange, "its version does not know %s: upgrade it", exchange->too_old);
    else if (exchange->detail.reason && *exchange->detail.reason)
        set_words(exchange, "%s: %s", name ? strrchr(name, '.') + 1 : "error", exchange->detail.reason);
    else
        set_words(exchange, "%s", defaults[error] ? defaults[error] : name ? strrchr(name, '.') + 1 : "an unknown error");
    finish(exchange);
}

/* What a method or a member of questions that came after the first version of nodes is for (docs/protocol.md "Transport"); NULL: it came
 * with it. */
static const char *purpose_of(const char *name)
{
    static const struct {
        const char *name, *purpose;
    } newer[] = {
        {"encoding", "RSA-PSS"},
        {"salt", "RSA-PSS"},
        {NODE_METHOD("GetCommitments"), "Ed25519"},
        {"record.notAfter", "the last day of a key (--not-after, CKA_END_DATE)"},
    };

    for (size_t i = 0; i < ELEMENTS(newer); i++)
        if (strcmp(newer[i].name, name) == 0)
            return newer[i].purpose;
    return NULL;
}

static const char *refused_purpose(const Exchange *exchange, const Reply *reply)
{
    char field[MESSAGE_FIELD_NAME_MAX];
    ServiceText invalid;
    const char *purpose;

    if (strcmp(reply_error(reply), SERVICE_METHOD_NOT_FOUND) == 0)
        return exchange->stage == EXCHANGE_QUESTION && exchange->method ? purpose_of(exchange->method) : NULL;
    if (strcmp(reply_error(reply), SERVICE_INVALID_PARAMETER) != 0 || reply_parse(reply, &service_invalid_parameter, &invalid, field) != 0)
        return NULL;
    purpose = purpose_of(invalid.text);
    message_clear(&service_invalid_parameter, &invalid);
    return purpose;
}

/* An error reply: which one, and its details. */
static NodeError read_error(Exchange *exchange, const Reply *reply)
{
    char field[MESSAGE_FIELD_NAME_MAX];
    NodeError error = node_error_from_name(reply_error(reply));

    message_clear(&node_error_detail, &exchange->detail);
    if (error == NODE_ERROR_UNKNOWN) {
        exchange->too_old = refused_purpose(exchange, reply);
        exchange->detail.reason = text_copy(reply_error(reply));
        return error;
    }
    if (reply_parse(reply, &node_error_detail, &exchange->detail, field) != 0)
        exchange->detail = (NodeErrorDetail){0};
    return error;
}

/* ---- Questions ---------------------------------------------------------------------------------------------------------- */

static int call_hello(Exchange *exchange)
{
    const Roster *roster = exchange->quorum->roster;
    const NodeHelloInput input = {
        .token = {(uint8_t *)(uintptr_t)roster->token, TOKEN_ID_SIZE},
        .index = exchange->index,
    };

    exchange->connection->hello = false;
    exchange->connection->epoch = 0;
    exchange->stage = EXCHANGE_HELLO;
    return link_call(exchange->connection->link, NODE_METHOD("Hello"), &node_hello_input, &input);
}

static int call_question(Exchange *exchange)
{
    if (!exchange->method) {
        finish(exchange);
        return 0;
    }

    int r = link_call(exchange->connection->link, exchange->method, exchange->input, exchange->parameters);

    if (r < 0)
        return r;
    exchange->queued = true;
    exchange->alone = exchange->stage == EXCHANGE_QUESTION;
    exchange->asked_at = clock_now();
    return 0;
}

/* The connection is as it should be: ask, or go on to wait if that was done in advance. */
static int go_to_question(Exchange *exchange)
{
    exchange->stage = EXCHANGE_QUESTION;
    return exchange->queued ? 0 : call_question(exchange);
}

static int call_challenge(Exchange *exchange, uint64_t version)
{
    Connection *connection = exchange->connection;
    uint8_t answer[NODE_ANSWER_SIZE];
    int r = pin_answer(exchange->quorum->roster, login_master(exchange->login), exchange->index, version, connection->nonce, answer);

    if (r < 0)
        return r;

    const NodeChallengeInput input = {.pin_version = version, .answer = {answer, sizeof(answer)}};

    exchange->trying = version;
    exchange->stage = EXCHANGE_CHALLENGE;
    return link_call(connection->link, NODE_METHOD("AnswerChallenge"), &node_challenge_input, &input);
}

/* After Hello: prove the PIN, if it is this connection's turn. */
static int prove(Exchange *exchange)
{
    uint64_t version = 0;
    NodeError error = NODE_ERROR_NONE;
    LoginTurn turn = login_turn(exchange->login, exchange->quorum, exchange->connection, &version, &error);
    int r = 0;

    exchange->stage = EXCHANGE_TURN;
    if (turn == LOGIN_TURN_NO)
        refuse(exchange, error);
    if (turn == LOGIN_TURN_TRY)
        exchange->turn = true;
    if (turn == LOGIN_TURN_TRY || turn == LOGIN_TURN_SURE)
        r = call_challenge(exchange, version);
    if (r == 0 && turn == LOGIN_TURN_SURE && exchange->method)
        r = call_question(exchange);
    return r;
}

static bool needs_hello(const Exchange *exchange)
{
    const Connection *connection = exchange->connection;

    if (exchange->need == ASK_LOGGED_IN)
        return exchange->say_hello || connection->epoch != login_epoch(exchange->login);
    return exchange->need == ASK_HELLO && (exchange->say_hello || !connection->hello);
}

static int start(Exchange *exchange)
{
    exchange->queued = false;
    if (!needs_hello(exchange))
        return go_to_question(exchange);

    int r = call_hello(exchange);

    if (r == 0 && exchange->need == ASK_HELLO && exchange->method)
        r = call_question(exchange);
    return r;
}

static void open_and_start(Exchange *exchange)
{
    Problem problem = PROBLEM_INIT;
    int r = connection_open(exchange->quorum, exchange->index, &exchange->connection, &problem);

    if (r == 0) {
        r = start(exchange);
        problem.text[0] = '\0';
    }
    if (r < 0)
        fail(exchange, r, problem.text[0] ? problem.text : NULL);
}

/* A connection from the pool may have died unnoticed: once, a new one takes its place. */
static void broken(Exchange *exchange, int r)
{
    if (!exchange->reused || exchange->retried || exchange->here) {
        fail(exchange, r, NULL);
        return;
    }
    connection_close(exchange->quorum, TAKE_PTR(exchange->connection));
    exchange->reused = false;
    exchange->retried = true;
    open_and_start(exchange);
}

/* ---- Replies -------------------------------------------------------------------------------------------------------------- */

static int on_hello(Exchange *exchange, const Reply *reply)
{
    Connection *connection = exchange->connection;
    NodeHelloOutput hello;
    char field[MESSAGE_FIELD_NAME_MAX];

    if (reply_error(reply)) {
        NodeError error = read_error(exchange, reply);

        if (error == NODE_ERROR_NOT_INITIALIZED)
            peer_note_uninitialized(exchange->quorum, exchange->index);
        refuse(exchange, error);
        return 0;
    }

    int r = reply_parse(reply, &node_hello_output, &hello, field);

    if (r != 0)
        return r < 0 ? r : -EBADMSG;
    connection->hello = true;
    connection->pin_version = hello.pin_version;
    connection->next_pin_version = hello.next_pin_version;
    connection->pin_locked = hello.pin_locked;
    memcpy(connection->nonce, hello.nonce.data, sizeof(connection->nonce));
    message_clear(&node_hello_output, &hello);
    peer_note_hello(exchange->quorum, exchange->index, connection->pin_version, connection->next_pin_version);
    return exchange->need == ASK_LOGGED_IN ? prove(exchange) : go_to_question(exchange);
}

static int on_challenge(Exchange *exchange, const Reply *reply)
{
    Connection *connection = exchange->connection;
    NodeError error = reply_error(reply) ? read_error(exchange, reply) : NODE_ERROR_NONE;
    bool again = login_outcome(exchange->login, connection, exchange->trying, error, exchange->detail.number);

    exchange->turn = false;
    if (error == NODE_ERROR_NONE) {
        connection->epoch = login_epoch(exchange->login);
        return go_to_question(exchange);
    }
    if (exchange->queued) { /* its reply, an error, is still to come */
        connection->late++;
        exchange->queued = false;
        if (exchange->left_at != 0)
            exchange->method = NULL; /* its parameters went with the call */
    }
    if (again)
        return call_hello(exchange);
    refuse(exchange, error);
    return 0;
}

static int on_question(Exchange *exchange, Reply *reply)
{
    if (!reply_error(reply)) {
        exchange->reply = reply;
        finish(exchange);
        return 0;
    }

    _cleanup_(reply_freep) Reply *error_reply = reply;
    NodeError error = read_error(exchange, error_reply);

    /* The node has forgotten what the connection was: once, from the start. */
    if ((error == NODE_ERROR_LOGIN_REQUIRED || error == NODE_ERROR_HELLO_REQUIRED) && exchange->need != ASK_FRESH && !exchange->retried) {
        exchange->retried = true;
        exchange->connection->hello = false;
        exchange->connection->epoch = 0;
        return start(exchange);
    }
    refuse(exchange, error);
    return 0;
}

static int on_reply(Exchange *exchange, Reply *reply)
{
    _cleanup_(reply_freep) Reply *owned = NULL;

    exchange->reused = false;
    if (exchange->connection->late > 0) {
        exchange->connection->late--;
        owned = reply;
        return 0;
    }
    if (exchange->stage == EXCHANGE_QUESTION)
        return on_question(exchange, reply);
    owned = reply;
    if (exchange->stage == EXCHANGE_HELLO)
        return on_hello(exchange, reply);
    if (exchange->stage == EXCHANGE_CHALLENGE)
        return on_challenge(exchange, reply);
    return -EBADMSG;
}

/* Handle the replies that are here. */
static int take_replies(Exchange *exchange)
{
    while (!exchange_done(exchange)) {
        Reply *reply = NULL;
        int r = link_take_reply(exchange->connection->link, &reply);

        if (r == 1)
            r = on_reply(exchange, reply);
        else if (r == 0)
            return 0;
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- The interface ---------------------------------------------------------------------------------------------------------- */

void exchange_begin(Exchange *exchange, Quorum *quorum, unsigned index, AskConnection need, Login *login)
{
    *exchange = (Exchange){
        .quorum = quorum,
        .index = index,
        .need = need,
        .login = need == ASK_LOGGED_IN ? login_ref(login) : NULL,
    };
}

bool exchange_take(Exchange *exchange)
{
    if (!exchange->connection) {
        exchange->connection = connection_take(exchange->quorum, exchange->index);
        exchange->reused = exchange->connection != NULL;
    }
    return exchange->connection && !needs_hello(exchange);
}

/* What an earlier question has left. */
static void forget_answer(Exchange *exchange)
{
    exchange->r = 0;
    exchange->error = NODE_ERROR_NONE;
    message_clear(&node_error_detail, &exchange->detail);
    exchange->reply = reply_free(exchange->reply);
    exchange->too_old = NULL;
    exchange->words[0] = '\0';
    exchange->retried = false;
}

static void ask(Exchange *exchange, const char *method, const Layout *input, const void *parameters)
{
    int r;

    forget_answer(exchange);
    exchange->method = method;
    exchange->input = input;
    exchange->parameters = parameters;
    exchange->began = clock_now();
    exchange->hello_until = exchange->began + exchange->quorum->roster->connect_timeout;
    (void)exchange_take(exchange);
    if (!exchange->connection) {
        open_and_start(exchange);
        return;
    }
    r = start(exchange);
    if (r < 0)
        broken(exchange, r);
}

void exchange_ask(Exchange *exchange, const char *method, const Layout *input, const void *parameters)
{
    exchange->here = false;
    ask(exchange, method, input, parameters);
}

void exchange_ask_here(Exchange *exchange, const char *method, const Layout *input, const void *parameters)
{
    exchange->here = true;
    ask(exchange, method, input, parameters);
}

bool exchange_was_stale(const Exchange *exchange)
{
    return exchange->r < 0 && exchange->here && exchange->reused;
}

bool exchange_done(const Exchange *exchange)
{
    return exchange->stage == EXCHANGE_DONE;
}

bool exchange_good(const Exchange *exchange)
{
    return exchange_done(exchange) && exchange->r == 0 && exchange->error == NODE_ERROR_NONE;
}

void exchange_advance(Exchange *exchange)
{
    if (exchange_done(exchange))
        return;

    int r = exchange->stage == EXCHANGE_TURN ? prove(exchange) : 0;

    if (r < 0 || exchange_done(exchange)) {
        if (r < 0)
            fail(exchange, r, NULL);
        return;
    }

    int connection_r = link_advance(exchange->connection->link);

    r = take_replies(exchange);
    if (exchange_done(exchange))
        return;
    if (r < 0)
        fail(exchange, r, r == -EBADMSG ? "its answer is malformed" : NULL);
    else if (connection_r < 0)
        broken(exchange, connection_r);
    else if (exchange->stage != EXCHANGE_QUESTION && clock_now() >= exchange->hello_until)
        fail(exchange, -ETIMEDOUT, "it did not say Hello in time");
}

/* How long poll() may sleep for the sake of this exchange. */
static Microseconds wake_at(const Exchange *exchange, Microseconds now)
{
    if (exchange->stage == EXCHANGE_TURN)
        return now + TURN_POLL;
    return exchange->stage == EXCHANGE_QUESTION ? MICROSECONDS_FOREVER : exchange->hello_until;
}

void exchange_poll(Exchange *const *exchanges, unsigned n, Microseconds until)
{
    struct pollfd descriptors[THRESHOLD_NODES_MAX];
    Exchange *waiting[THRESHOLD_NODES_MAX];
    Microseconds now = clock_now();
    unsigned n_waiting = 0;

    for (unsigned i = 0; i < n; i++) {
        if (exchange_done(exchanges[i]))
            continue;

        const Link *link = exchanges[i]->connection->link;
        Microseconds wake = wake_at(exchanges[i], now);

        descriptors[n_waiting] = (struct pollfd){.fd = link_fd(link), .events = link_events(link)};
        waiting[n_waiting++] = exchanges[i];
        if (wake < until)
            until = wake;
    }
    if (n_waiting == 0)
        return;

    int ready = poll(descriptors, n_waiting, clock_poll_timeout(until));

    now = clock_now();
    for (unsigned i = 0; i < n_waiting; i++)
        if ((ready > 0 && descriptors[i].revents) || wake_at(waiting[i], 0) <= now)
            exchange_advance(waiting[i]);
}

int exchange_output(Exchange *exchange, const Layout *output, void *ret_output)
{
    char field[MESSAGE_FIELD_NAME_MAX] = "";
    int r = reply_parse(exchange->reply, output, ret_output, field);

    if (r == 0)
        return 0;
    if (r > 0)
        r = -EBADMSG;
    exchange->r = r;
    set_words(exchange, r == -EBADMSG ? "its answer is malformed: field '%s'" : "out of memory%.0s", field);
    return r;
}

void exchange_give_up(Exchange *exchange, int error, const char *words)
{
    if (exchange_done(exchange))
        return;
    exchange->r = error;
    set_words(exchange, "%s", words);
    release_turn(exchange);
    /* In the middle of a login nobody could say later what the connection is. */
    if (exchange->stage == EXCHANGE_QUESTION)
        connection_give(exchange->quorum, TAKE_PTR(exchange->connection));
    else
        connection_close(exchange->quorum, TAKE_PTR(exchange->connection));
    exchange->stage = EXCHANGE_DONE;
    exchange->done_at = clock_now();
}

void exchange_end(Exchange *exchange)
{
    exchange_give_up(exchange, -ETIMEDOUT, "it did not answer in time");
    connection_give(exchange->quorum, TAKE_PTR(exchange->connection));
    message_clear(&node_error_detail, &exchange->detail);
    exchange->reply = reply_free(exchange->reply);
    exchange->login = login_unref(exchange->login);
}
