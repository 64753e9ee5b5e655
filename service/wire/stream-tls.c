#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/evp.h"
#include "base/text.h"
#include "wire/stream.h"
#include "wire/tls-internal.h"

#define SCHEME "tls"
/* In one operation. What the other side sends beside data (changes of keys, tickets) OpenSSL takes as long as it comes. */
#define INPUTS_MAX 4

typedef struct TlsStream {
    Stream stream;
    SSL *session;
    TlsIdentity *own;
    TlsCheck check;
    uint8_t pins[STREAM_PINS_MAX][TLS_PIN_SIZE], shown[TLS_PIN_SIZE]; /* the client's end: what it expects and what it saw */
    unsigned n_pins;
    bool refused;    /* the pin was not known */
    bool ready;      /* the handshake is done */
    bool heard;      /* something was read since: the other side has taken our pin */
    bool failed;     /* nothing more can be said */
    bool cut;        /* the socket has come to its end */
    short blocked;   /* what reading waits for beside POLLIN */
    int alert;       /* the other side's last (RFC 8446 §6); negative: none */
    int io;          /* of the last input or output: 0, or -errno */
    unsigned inputs; /* of this operation */
    int dead;        /* reading is over: 0 not yet, 1 the other side's end, or -errno */
    char *words;
} TlsStream;

static TlsStream *tls_of(Stream *stream)
{
    return (TlsStream *)stream;
}

/* ---- The socket, as OpenSSL sees it: no signals, and errors kept where nobody else writes ----------------------------------------------
 */

static int bio_done(BIO *bio, ssize_t n, int retry_flag)
{
    TlsStream *tls = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    tls->io = n < 0 ? -errno : 0;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        BIO_set_flags(bio, retry_flag | BIO_FLAGS_SHOULD_RETRY);
    return (int)n;
}

static int bio_read(BIO *bio, char *data, int size)
{
    TlsStream *tls = BIO_get_data(bio);
    ssize_t n;

    if (tls->inputs++ >= INPUTS_MAX) {
        errno = EAGAIN; /* poll() will say at once that there is more */
        return bio_done(bio, -1, BIO_FLAGS_READ);
    }
    do
        n = recv(tls->stream.fd, data, (size_t)size, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);

    int r = bio_done(bio, n, BIO_FLAGS_READ);

    if (n == 0)
        tls->cut = true;
    return r;
}

static int bio_write(BIO *bio, const char *data, int size)
{
    const TlsStream *tls = BIO_get_data(bio);
    ssize_t n;

    do
        n = send(tls->stream.fd, data, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return bio_done(bio, n, BIO_FLAGS_WRITE);
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    const TlsStream *tls = BIO_get_data(bio);

    if (command == BIO_CTRL_EOF)
        return tls->cut;
    return command == BIO_CTRL_FLUSH;
}

static pthread_once_t bio_once = PTHREAD_ONCE_INIT;
static BIO_METHOD *bio_method;

static void make_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "keyquorum");

    if (method && BIO_meth_set_read(method, bio_read) == 1 && BIO_meth_set_write(method, bio_write) == 1 &&
        BIO_meth_set_ctrl(method, bio_ctrl) == 1)
        bio_method = method;
}

static BIO *new_bio(TlsStream *tls)
{
    (void)pthread_once(&bio_once, make_bio_method);

    BIO *bio = bio_method ? BIO_new(bio_method) : NULL;

    if (bio) {
        BIO_set_data(bio, tls);
        BIO_set_init(bio, 1);
    }
    return bio;
}

/* ---- What went wrong ------------------------------------------------------------------------------------------------------------------
 */

static void on_event(const SSL *session, int where, int value)
{
    TlsCheck *check = SSL_get_app_data(session);
    TlsStream *tls = (TlsStream *)(void *)((char *)check - offsetof(TlsStream, check));

    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
        tls->alert = value & 0xff;
}

/* TLS 1.3 lets a client finish its handshake before the server has looked at the client's key: the refusal comes as an answer. */
static bool is_refusal(const TlsStream *tls)
{
    return !tls->heard && (tls->alert == SSL_AD_UNKNOWN_CA || tls->alert == SSL_AD_BAD_CERTIFICATE || tls->alert == SSL_AD_ACCESS_DENIED ||
                           tls->alert == SSL_AD_CERTIFICATE_UNKNOWN || tls->alert == TLS13_AD_CERTIFICATE_REQUIRED);
}

static char *words_of_pins(const TlsStream *tls)
{
    char shown[TLS_PIN_TEXT_SIZE], first[TLS_PIN_TEXT_SIZE], second[TLS_PIN_TEXT_SIZE];

    tls_pin_format(tls->shown, shown);
    tls_pin_format(tls->pins[0], first);
    tls_pin_format(tls->pins[1], second);
    return text_format("it is not the node that was expected: its TLS pin is %s, not %s%s%s; if its key was changed, take its new card "
                       "('kqctl roster add --replace'), else look into who answers at that address",
                       shown, first, tls->n_pins > 1 ? " or " : "", tls->n_pins > 1 ? second : "");
}

static char *words_of_refusal(const TlsStream *tls)
{
    char pin[TLS_PIN_TEXT_SIZE];

    tls_pin_format(tls_identity_pin(tls->own), pin);
    return text_format(
        "the node does not know this client (pin %s): 'kqctl node authorize' there, with the card of 'kqctl client card' here", pin);
}

static char *words_of_error(const TlsStream *tls)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    if (tls->alert == SSL_AD_INTERNAL_ERROR && !tls->heard)
        return text_copy("its gate cannot tell now whether it knows this client: is keyquorum-node running on that host?");
    if (tls->alert > 0)
        return text_format("the other side ended the TLS connection: %s", SSL_alert_desc_string_long(tls->alert));
    return text_format("this is not TLS 1.3 as it should be: %s", reason ? reason : "no reason is known");
}

/* An error of TLS itself, not of the socket. */
static int fail(TlsStream *tls)
{
    bool refusal = is_refusal(tls);

    free(tls->words);
    tls->words = tls->refused ? words_of_pins(tls) : refusal ? words_of_refusal(tls) : words_of_error(tls);
    return tls->refused || refusal ? -EKEYREJECTED : -EPROTO;
}

static int fail_socket(TlsStream *tls)
{
    if (!tls->ready && !tls->words)
        tls->words = text_format("cannot connect: %s%s", strerror(-tls->io), tls->io == -ECONNREFUSED ? "; is its gate running?" : "");
    return tls->io;
}

static void begin(TlsStream *tls)
{
    tls->io = 0;
    tls->inputs = 0;
}

/* After an operation that gave nothing. Not SSL_get_error(): it takes what the rest of the process has in the queue of errors for ours. */
static int outcome(TlsStream *tls)
{
    bool moving = SSL_want(tls->session) != SSL_NOTHING;

    if (moving && tls->io == -EAGAIN)
        return -EAGAIN;
    tls->failed = true;
    if (moving && tls->io < 0)
        return fail_socket(tls);
    return tls->cut ? -ECONNRESET : fail(tls); /* cut off, which is no end of TLS: RFC 8446 §6.1 */
}

/* ---- The handshake --------------------------------------------------------------------------------------------------------------------
 */

int stream_tls_handshake(Stream *stream)
{
    TlsStream *tls = tls_of(stream);
    TlsErrors others;

    if (tls->ready)
        return 0;
    if (tls->failed)
        return tls->dead < 0 ? tls->dead : -ECONNRESET;
    tls_errors_take(&others);
    begin(tls);

    int r = SSL_do_handshake(tls->session) == 1 ? 0 : outcome(tls);

    tls->ready = r == 0;
    tls->dead = r == -EAGAIN ? 0 : r;
    tls_errors_put_back(&others);
    return r;
}

/* The client's check. */
static int is_expected(void *userdata, const uint8_t pin[TLS_PIN_SIZE])
{
    TlsStream *tls = userdata;

    for (unsigned i = 0; i < tls->n_pins; i++)
        if (memcmp(pin, tls->pins[i], TLS_PIN_SIZE) == 0)
            return 1;
    memcpy(tls->shown, pin, TLS_PIN_SIZE);
    tls->refused = true;
    return 0;
}

/* ---- The table ------------------------------------------------------------------------------------------------------------------------
 */

static int tls_check(const char *address, Problem *problem)
{
    struct sockaddr_storage name;
    socklen_t size;

    return address_parse_tls(address, &name, &size, problem);
}

static ssize_t tls_read(Stream *stream, void *ret_data, size_t size)
{
    TlsStream *tls = tls_of(stream);
    int r = tls->dead == 0 ? stream_tls_handshake(stream) : tls->dead;
    size_t n;

    if (r != 0)
        return r == 1 ? 0 : r;

    KEEP_ERRORS;

    begin(tls);
    tls->blocked = 0;
    if (SSL_read_ex(tls->session, ret_data, size, &n) == 1) {
        tls->heard = true;
        return (ssize_t)n;
    }
    if (tls->alert == SSL_AD_CLOSE_NOTIFY) {
        tls->dead = 1;
        return 0;
    }
    r = outcome(tls);
    if (r == -EAGAIN && SSL_want(tls->session) == SSL_WRITING)
        tls->blocked = POLLOUT;
    if (r != -EAGAIN)
        tls->dead = r;
    return r;
}

static ssize_t tls_write(Stream *stream, const void *data, size_t size)
{
    TlsStream *tls = tls_of(stream);
    int r = stream_tls_handshake(stream);
    size_t n;

    if (r != 0)
        return r;
    if (tls->failed)
        return -EPIPE;

    KEEP_ERRORS;

    begin(tls);
    if (SSL_write_ex(tls->session, data, size, &n) == 1)
        return (ssize_t)n;
    return outcome(tls);
}

static short tls_events(const Stream *stream, short wanted)
{
    const TlsStream *tls = (const TlsStream *)stream;

    if (tls->ready)
        return (short)(wanted | (wanted & POLLIN ? tls->blocked : 0));
    return SSL_want(tls->session) == SSL_READING ? POLLIN : POLLOUT;
}

static const char *tls_words(const Stream *stream)
{
    return ((const TlsStream *)stream)->words;
}

void stream_tls_end(Stream *stream)
{
    TlsStream *tls = tls_of(stream);
    KEEP_ERRORS;

    if (tls->ready && !tls->failed)
        (void)SSL_shutdown(tls->session); /* close_notify, RFC 8446 §6.1 */
    (void)shutdown(stream->fd, SHUT_WR);
}

static void release(TlsStream *tls)
{
    SSL_free(tls->session);
    tls_identity_unref(tls->own);
    free(tls->words);
    free(tls);
}

static void tls_close(Stream *stream, bool inherited)
{
    TlsStream *tls = tls_of(stream);
    KEEP_ERRORS;

    if (!inherited && tls->ready && !tls->failed)
        (void)SSL_shutdown(tls->session);
    (void)close(stream->fd);
    release(tls);
}

/* ---- Making them ----------------------------------------------------------------------------------------------------------------------
 */

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* A host that has vanished is noticed: by what it does not acknowledge, or, while nothing is said, by probes. */
static int set_options(int fd, Microseconds silence)
{
    Microseconds patience = silence == 0 ? STREAM_SILENCE : silence < STREAM_SILENCE_MIN ? STREAM_SILENCE_MIN : silence;
    int flags = fcntl(fd, F_GETFL);
    int r = flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;

    if (patience > 60 * MICROSECONDS_PER_SECOND)
        patience = 60 * MICROSECONDS_PER_SECOND;

    int seconds = (int)((patience + MICROSECONDS_PER_SECOND - 1) / MICROSECONDS_PER_SECOND);

    if (r == 0)
        r = set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (r == 0)
        r = set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)(patience / MICROSECONDS_PER_MILLISECOND));
    if (r == 0)
        r = set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    if (r == 0)
        r = set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
    if (r == 0)
        r = set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
    if (r == 0)
        r = set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, seconds);
    return r;
}

/* `check` NULL: the client's end. */
static int new_stream(int fd, TlsIdentity *own, const TlsCheck *check, TlsStream **ret_tls)
{
    TlsStream *tls = calloc(1, sizeof(*tls));

    if (!tls)
        return -ENOMEM;
    tls->stream = (Stream){.class = &stream_tls_class, .fd = fd};
    tls->alert = -1;
    tls->own = tls_identity_ref(own);
    tls->check = check ? *check : (TlsCheck){.known = is_expected, .userdata = tls};

    int r = tls_session_new(own, check != NULL, &tls->check, &tls->session);
    BIO *bio = r == 0 ? new_bio(tls) : NULL;

    if (!bio) {
        release(tls);
        return r < 0 ? r : -ENOMEM;
    }
    SSL_set_bio(tls->session, bio, bio);
    SSL_set_info_callback(tls->session, on_event);
    *ret_tls = tls;
    return 0;
}

int stream_tls_accept(int fd, TlsIdentity *own, const TlsCheck *check, Stream **ret_stream)
{
    TlsStream *tls;
    int r = set_options(fd, 30 * MICROSECONDS_PER_SECOND);

    if (r == 0)
        r = new_stream(fd, own, check, &tls);
    if (r == 0)
        *ret_stream = &tls->stream;
    return r;
}

static int start_connecting(const char *address, const StreamPeer *peer, int *ret_fd, Problem *problem)
{
    struct sockaddr_storage name;
    socklen_t size;
    int r = address_parse_tls(address, &name, &size, problem);

    if (r < 0)
        return r;

    _cleanup_close_ int fd = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    r = fd < 0 ? -errno : set_options(fd, peer->silence);
    if (r == 0 && connect(fd, (const struct sockaddr *)&name, size) < 0 && errno != EINPROGRESS)
        r = -errno;
    if (r < 0)
        return problem_set(problem, r, "cannot connect to %s: %s", address, strerror(-r));
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int tls_connect(const char *address, const StreamPeer *peer, Stream **ret_stream, Problem *problem)
{
    _cleanup_close_ int fd = -1;
    TlsStream *tls;

    if (!peer || !peer->own)
        return problem_set(problem, -ENOKEY, "%s: there is no client key to connect with: 'kqctl client init' makes one", address);

    int r = start_connecting(address, peer, &fd, problem);

    if (r < 0)
        return r;
    r = new_stream(fd, peer->own, NULL, &tls);
    if (r < 0)
        return problem_set(problem, r, "out of memory");
    (void)TAKE_FD(fd);
    memcpy(tls->pins, peer->pins, sizeof(tls->pins));
    tls->n_pins = peer->n_pins < STREAM_PINS_MAX ? peer->n_pins : STREAM_PINS_MAX;
    *ret_stream = &tls->stream;
    return 0;
}

const StreamClass stream_tls_class = {
    .scheme = SCHEME,
    .check = tls_check,
    .connect = tls_connect,
    .read = tls_read,
    .write = tls_write,
    .events = tls_events,
    .words = tls_words,
    .close = tls_close,
};
