#include "quorum/login.h"

#include <errno.h>
#include <string.h>

#include "quorum/exchange.h"
#include "quorum/pin.h"
#include "quorum/state.h"

#define REFUSED_VERSIONS 4
#define TRY_AGAIN        MICROSECONDS_PER_SECOND              /* after an answer whose outcome nobody waited for: it may have counted */
#define LOGIN_GRACE      (250 * MICROSECONDS_PER_MILLISECOND) /* for stragglers, once enough nodes have answered */

typedef struct NodeVerdict {
    bool trying;
    Microseconds try_again_at; /* an answer was sent and its outcome is not known */
    bool locked;
    uint64_t accepted;                  /* the version; 0: none */
    uint64_t refused[REFUSED_VERSIONS]; /* the last ones, in a ring; 0: none */
    unsigned n_refused;
    uint64_t tries;
} NodeVerdict;

struct Login {
    pthread_mutex_t lock;
    unsigned references;
    uint64_t epoch;
    Secret *master;
    NodeVerdict of[THRESHOLD_NODES_MAX];
};

int login_new(Quorum *quorum, Secret *master, Login **ret_login)
{
    Login *login = calloc(1, sizeof(*login));

    if (!login) {
        secret_free(master);
        return -ENOMEM;
    }
    *login = (Login){.lock = PTHREAD_MUTEX_INITIALIZER, .references = 1, .master = master};
    (void)pthread_mutex_lock(&quorum->lock);
    login->epoch = ++quorum->last_epoch;
    (void)pthread_mutex_unlock(&quorum->lock);
    *ret_login = login;
    return 0;
}

Login *login_ref(Login *login)
{
    if (!login)
        return NULL;
    (void)pthread_mutex_lock(&login->lock);
    login->references++;
    (void)pthread_mutex_unlock(&login->lock);
    return login;
}

Login *login_unref(Login *login)
{
    if (!login)
        return NULL;
    (void)pthread_mutex_lock(&login->lock);

    bool last = --login->references == 0;

    (void)pthread_mutex_unlock(&login->lock);
    if (!last)
        return NULL;
    secret_free(login->master);
    (void)pthread_mutex_destroy(&login->lock);
    free(login);
    return NULL;
}

uint64_t login_epoch(const Login *login)
{
    return login->epoch;
}

const Secret *login_master(const Login *login)
{
    return login->master;
}

/* ---- What each node said -------------------------------------------------------------------------------------------- */

static bool is_refused(const NodeVerdict *verdict, uint64_t version)
{
    for (size_t i = 0; i < REFUSED_VERSIONS; i++)
        if (verdict->refused[i] == version)
            return true;
    return false;
}

/* The version to answer for: one that was accepted before, else the one in force, else the next one; 0: all were refused. */
static uint64_t candidate(const NodeVerdict *verdict, const Connection *connection)
{
    const uint64_t offered[] = {connection->pin_version, connection->next_pin_version};

    for (size_t i = 0; i < ELEMENTS(offered); i++)
        if (offered[i] != 0 && offered[i] == verdict->accepted)
            return offered[i];
    for (size_t i = 0; i < ELEMENTS(offered); i++)
        if (offered[i] != 0 && !is_refused(verdict, offered[i]))
            return offered[i];
    return 0;
}

/* Under the login's lock. */
static LoginTurn take_turn(NodeVerdict *verdict, const Connection *connection, uint64_t *ret_version, NodeError *ret_error)
{
    uint64_t version = candidate(verdict, connection);

    verdict->locked = connection->pin_locked;
    if (verdict->locked) {
        *ret_error = NODE_ERROR_PIN_LOCKED;
        return LOGIN_TURN_NO;
    }
    if (version == 0) {
        *ret_error = NODE_ERROR_PIN_INCORRECT;
        return LOGIN_TURN_NO;
    }
    *ret_version = version;
    if (version == verdict->accepted)
        return LOGIN_TURN_SURE;
    if (verdict->trying || clock_now() < verdict->try_again_at)
        return LOGIN_TURN_WAIT;
    verdict->trying = true;
    return LOGIN_TURN_TRY;
}

LoginTurn login_turn(Login *login, Quorum *quorum, const Connection *connection, uint64_t *ret_version, NodeError *ret_error)
{
    if (peer_stale_pin(quorum) & NODE_SET_OF(connection->index)) {
        *ret_error = NODE_ERROR_STALE_VERSION;
        return LOGIN_TURN_NO;
    }
    (void)pthread_mutex_lock(&login->lock);

    LoginTurn turn = take_turn(&login->of[connection->index - 1], connection, ret_version, ret_error);

    (void)pthread_mutex_unlock(&login->lock);
    return turn;
}

bool login_outcome(Login *login, const Connection *connection, uint64_t version, NodeError error, uint64_t tries)
{
    NodeVerdict *verdict = &login->of[connection->index - 1];
    bool again = false;

    (void)pthread_mutex_lock(&login->lock);
    verdict->trying = false;
    verdict->locked = error == NODE_ERROR_PIN_LOCKED;
    if (error == NODE_ERROR_NONE)
        verdict->accepted = version;
    if (error == NODE_ERROR_PIN_INCORRECT) {
        if (verdict->accepted == version)
            verdict->accepted = 0;
        if (!is_refused(verdict, version))
            verdict->refused[verdict->n_refused++ % REFUSED_VERSIONS] = version;
        verdict->tries = tries;
        again = candidate(verdict, connection) != 0;
    }
    (void)pthread_mutex_unlock(&login->lock);
    return again;
}

void login_abandon(Login *login, unsigned index, bool answered)
{
    (void)pthread_mutex_lock(&login->lock);
    login->of[index - 1].trying = false;
    if (answered)
        login->of[index - 1].try_again_at = clock_now() + TRY_AGAIN;
    (void)pthread_mutex_unlock(&login->lock);
}

uint64_t login_accepted_version(Login *login, unsigned index)
{
    (void)pthread_mutex_lock(&login->lock);

    uint64_t version = login->of[index - 1].accepted;

    (void)pthread_mutex_unlock(&login->lock);
    return version;
}

/* ---- What follows from it --------------------------------------------------------------------------------------------- */

/* The k-th best of what the nodes say is left: neither a liar's 10 nor a liar's 0 decides. */
static unsigned kth_best(uint64_t *tries, unsigned n, unsigned k)
{
    for (unsigned i = 1; i < n; i++)
        for (unsigned j = i; j > 0 && tries[j] > tries[j - 1]; j--) {
            uint64_t swap = tries[j];

            tries[j] = tries[j - 1];
            tries[j - 1] = swap;
        }
    return tries[k - 1] > QUORUM_PIN_TRIES ? QUORUM_PIN_TRIES : (unsigned)tries[k - 1];
}

void login_count(Login *login, const Quorum *quorum, LoginCount *ret_count)
{
    const Roster *roster = quorum->roster;
    uint64_t tries[THRESHOLD_NODES_MAX];
    LoginCount count = {0};

    (void)pthread_mutex_lock(&login->lock);
    for (unsigned i = 0; i < roster->n; i++) {
        const NodeVerdict *verdict = &login->of[i];
        NodeSet node = NODE_SET_OF(i + 1);

        tries[i] = QUORUM_PIN_TRIES;
        if (verdict->accepted != 0) {
            count.accepted |= node;
        } else if (verdict->locked) {
            count.locked |= node;
            tries[i] = 0;
        } else if (verdict->n_refused > 0) {
            count.refused |= node;
            tries[i] = verdict->tries;
        }
    }
    (void)pthread_mutex_unlock(&login->lock);
    count.tries_left = kth_best(tries, roster->n, roster->k);
    *ret_count = count;
}

/* A locked node has not looked at the answer: together with those that refused it shows that no k nodes will accept. */
int login_verdict(const Quorum *quorum, const LoginCount *count, bool *ret_decided, Problem *problem)
{
    const Roster *roster = quorum->roster;
    unsigned enough = roster->n - roster->k + 1;
    unsigned accepted = node_set_count(count->accepted);
    unsigned refused = node_set_count(count->refused);
    unsigned locked = node_set_count(count->locked);

    *ret_decided = true;
    if (accepted >= roster->k)
        return 0;
    if (locked >= enough)
        return problem_set(problem, QUORUM_E_PIN_LOCKED,
                           "%u of %u nodes have locked this client after too many wrong PINs: 'kqctl node reset-pin' on their hosts",
                           locked, roster->n);
    if (refused + locked >= enough && count->tries_left == 0)
        return problem_set(problem, QUORUM_E_PIN_INCORRECT,
                           "%u of %u nodes refuse the PIN; no try is left, this client is locked: 'kqctl node reset-pin' on their hosts",
                           refused, roster->n);
    if (refused + locked >= enough)
        return problem_set(problem, QUORUM_E_PIN_INCORRECT, "%u of %u nodes refuse the PIN; %u %s left", refused, roster->n,
                           count->tries_left, count->tries_left == 1 ? "try is" : "tries are");
    *ret_decided = false;
    return 0;
}

int login_check(Login *login, const Quorum *quorum, Problem *problem)
{
    LoginCount count;
    bool decided;

    login_count(login, quorum, &count);

    int r = login_verdict(quorum, &count, &decided, problem);

    return r == QUORUM_E_PIN_LOCKED ? QUORUM_E_PIN_INCORRECT : r;
}

/* ---- Asking all nodes --------------------------------------------------------------------------------------------------- */

typedef struct Round {
    Exchange of[THRESHOLD_NODES_MAX];
    Exchange *list[THRESHOLD_NODES_MAX];
    unsigned n;
} Round;

static void round_end(Round *round)
{
    for (unsigned i = 0; i < round->n; i++)
        exchange_end(&round->of[i]);
}

static void round_start(Round *round, Quorum *quorum, NodeSet nodes, Login *login)
{
    for (unsigned i = 1; i <= quorum->roster->n; i++) {
        if (!(nodes & NODE_SET_OF(i)))
            continue;

        Exchange *exchange = &round->of[round->n];

        exchange_begin(exchange, quorum, i, login ? ASK_LOGGED_IN : ASK_HELLO, login);
        exchange->say_hello = true;
        round->list[round->n++] = exchange;
        exchange_ask(exchange, NULL, NULL, NULL);
    }
}

/* Until all are done or the deadline; once `enough` are done well, stragglers get a little longer. */
static void round_wait(Round *round, unsigned enough, Microseconds deadline)
{
    bool hurry = false;

    for (;;) {
        Microseconds now = clock_now();
        unsigned waiting = 0, good = 0;

        for (unsigned i = 0; i < round->n; i++) {
            waiting += !exchange_done(round->list[i]);
            good += exchange_good(round->list[i]);
        }
        if (!hurry && good >= enough && now + LOGIN_GRACE < deadline) {
            hurry = true;
            deadline = now + LOGIN_GRACE;
        }
        if (waiting == 0 || now >= deadline)
            return;
        exchange_poll(round->list, round->n, deadline);
    }
}

/* Hello to every node, so that it is known who is stale before anyone is asked about the PIN. */
static int say_hello(Quorum *quorum, Problem *problem)
{
    const Roster *roster = quorum->roster;
    _cleanup_(round_end) Round round = {0};
    unsigned enough = roster->n - roster->k + 1, uninitialized = 0;

    round_start(&round, quorum, node_set_all(roster->n), NULL);
    round_wait(&round, quorum_pin_majority(roster), clock_now() + roster->connect_timeout);
    for (unsigned i = 0; i < round.n; i++)
        uninitialized += exchange_done(&round.of[i]) && round.of[i].error == NODE_ERROR_NOT_INITIALIZED;
    if (uninitialized >= enough)
        return problem_set(problem, QUORUM_E_PIN_NOT_INITIALIZED, "%u of %u nodes belong to no token yet: 'kqctl token init'",
                           uninitialized, roster->n);
    return 0;
}

static void ask_pin(Quorum *quorum, Login *login)
{
    const Roster *roster = quorum->roster;
    _cleanup_(round_end) Round round = {0};

    round_start(&round, quorum, node_set_all(roster->n) & ~peer_stale_pin(quorum), login);
    round_wait(&round, roster->k, clock_now() + roster->connect_timeout);
}

int login_try(Quorum *quorum, Secret *master, Login **ret_login, bool *ret_decided, Problem *problem)
{
    _cleanup_login_ Login *login = NULL;
    LoginCount count;
    bool decided;
    int r = login_new(quorum, master, &login);

    if (r < 0)
        return problem_set(problem, r, "out of memory");
    r = say_hello(quorum, problem);
    if (r != 0)
        return r;
    ask_pin(quorum, login);
    login_count(login, quorum, &count);
    (void)pthread_mutex_lock(&quorum->lock);
    quorum->tries_left = count.tries_left;
    (void)pthread_mutex_unlock(&quorum->lock);
    r = login_verdict(quorum, &count, &decided, problem);
    if (r != 0)
        return r;
    if (ret_decided)
        *ret_decided = decided;
    *ret_login = TAKE_PTR(login);
    return 0;
}

void login_install(Quorum *quorum, Login *login)
{
    (void)pthread_mutex_lock(&quorum->lock);

    Login *before = quorum->login;

    quorum->login = login_ref(login);
    (void)pthread_mutex_unlock(&quorum->lock);
    login_unref(before);
}

/* ---- For the users of a Quorum -------------------------------------------------------------------------------------------- */

int quorum_login(Quorum *quorum, const Secret *pin, bool *ret_decided, Problem *problem)
{
    _cleanup_secret_ Secret *master = NULL;
    _cleanup_login_ Login *login = NULL;
    int r = pin_check(pin, problem);

    if (r < 0)
        return r;
    r = pin_master(quorum->roster, pin, &master);
    if (r < 0)
        return problem_set(problem, r, "nothing can be derived from the PIN: %s", strerror(-r));
    r = login_try(quorum, TAKE_PTR(master), &login, ret_decided, problem);
    if (r == 0)
        login_install(quorum, login);
    return r;
}

Login *quorum_login_now(Quorum *quorum)
{
    (void)pthread_mutex_lock(&quorum->lock);

    Login *login = login_ref(quorum->login);

    (void)pthread_mutex_unlock(&quorum->lock);
    return login;
}

void quorum_logout(Quorum *quorum)
{
    (void)pthread_mutex_lock(&quorum->lock);

    Login *login = TAKE_PTR(quorum->login);

    quorum->logged_out_epoch = quorum->last_epoch;
    (void)pthread_mutex_unlock(&quorum->lock);
    login_unref(login);
    for (unsigned i = 1; i <= quorum->roster->n; i++) {
        peer_end_pending(quorum, i);
        connection_pool_close(quorum, i, true);
    }
}

bool quorum_logged_in(const Quorum *quorum)
{
    Quorum *mutable = (Quorum *)(uintptr_t)quorum;

    (void)pthread_mutex_lock(&mutable->lock);

    bool logged_in = mutable->login != NULL;

    (void)pthread_mutex_unlock(&mutable->lock);
    return logged_in;
}

static void count_initialized(Quorum *quorum, unsigned *ret_initialized, unsigned *ret_uninitialized)
{
    *ret_initialized = *ret_uninitialized = 0;
    (void)pthread_mutex_lock(&quorum->lock);
    for (unsigned i = 0; i < quorum->roster->n; i++) {
        *ret_initialized += quorum->peers[i].initialized;
        *ret_uninitialized += quorum->peers[i].uninitialized;
    }
    (void)pthread_mutex_unlock(&quorum->lock);
}

bool quorum_pin_initialized(Quorum *quorum)
{
    unsigned initialized, uninitialized;

    count_initialized(quorum, &initialized, &uninitialized);
    if (initialized + uninitialized == 0)
        return say_hello(quorum, NULL) == 0;
    return uninitialized < quorum->roster->n - quorum->roster->k + 1;
}

unsigned quorum_pin_tries_left(Quorum *quorum)
{
    (void)pthread_mutex_lock(&quorum->lock);

    unsigned tries = quorum->tries_left;

    (void)pthread_mutex_unlock(&quorum->lock);
    return tries;
}
