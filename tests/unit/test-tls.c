#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/evp.h"
#include "wire/tls-internal.h"

#include "tls-fixture.h"

#define _cleanup_ends_ _cleanup_(ends_clear)

/* ---- Keys ---- */

START_TEST(a_key_has_one_pin)
{
    _cleanup_secret_ Secret *pem = NULL;
    _cleanup_tls_identity_ TlsIdentity *identity = new_identity(&pem), *other = new_identity(NULL);
    uint8_t pin[TLS_PIN_SIZE];
    char text[TLS_PIN_TEXT_SIZE];

    ck_assert_int_eq(tls_key_pin(pem, pin), 0);
    ck_assert_mem_eq(pin, tls_identity_pin(identity), TLS_PIN_SIZE);
    ck_assert_mem_ne(pin, tls_identity_pin(other), TLS_PIN_SIZE);
    tls_pin_format(pin, text);
    ck_assert_uint_eq(strlen(text), 44);
}
END_TEST

/* A key made with openssl(1), and its pin as openssl pkey -pubout -outform DER | openssl dgst -sha256 -binary | base64 gives it. */
static const char known_key[] = "-----BEGIN PRIVATE KEY-----\n"
                                "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjrjYnYu2n1/UBWE6\n"
                                "lLaNcMtwoxQpNhM6/pqQzSLIiRShRANCAATNeineRIgXY3DzCAB26Oiaf92miZtK\n"
                                "PEItywLDAdVQNgrOQKEaHB7aG8tURbW2L1LZSicYTrJk5SKkVI2uST6T\n"
                                "-----END PRIVATE KEY-----\n";
static const char known_pin[] = "bvoeD6Urk93cM/LrOA0O4pGPVkuusNbcePHj2qmCbho=";

START_TEST(the_pin_is_the_hash_of_the_public_key)
{
    _cleanup_secret_ Secret *pem = NULL;
    uint8_t pin[TLS_PIN_SIZE];
    char text[TLS_PIN_TEXT_SIZE];

    ck_assert_int_eq(secret_new_copy(known_key, strlen(known_key), &pem), 0);
    ck_assert_int_eq(tls_key_pin(pem, pin), 0);
    tls_pin_format(pin, text);
    ck_assert_str_eq(text, known_pin);
}
END_TEST

static void check_bad_key(EVP_PKEY *key, const EVP_CIPHER *cipher)
{
    _cleanup_bio_ BIO *bio = BIO_new(BIO_s_mem());
    _cleanup_secret_ Secret *pem = NULL;
    TlsIdentity *identity;
    uint8_t pin[TLS_PIN_SIZE];
    char *text;

    ck_assert_int_eq(PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, cipher ? "secret" : NULL, cipher ? 6 : 0, NULL, NULL), 1);
    ck_assert_int_eq(secret_new_copy(text, (size_t)BIO_get_mem_data(bio, &text), &pem), 0);
    ck_assert_int_eq(tls_key_pin(pem, pin), -EINVAL);
    ck_assert_int_eq(tls_identity_new(pem, &identity), -EINVAL);
}

START_TEST(other_keys_are_refused)
{
    _cleanup_pkey_ EVP_PKEY *rsa = EVP_PKEY_Q_keygen(crypto_context(), NULL, "RSA", (size_t)2048);
    _cleanup_pkey_ EVP_PKEY *p384 = EVP_PKEY_Q_keygen(crypto_context(), NULL, "EC", "P-384");
    _cleanup_pkey_ EVP_PKEY *ed25519 = EVP_PKEY_Q_keygen(crypto_context(), NULL, "ED25519");
    _cleanup_pkey_ EVP_PKEY *p256 = EVP_PKEY_Q_keygen(crypto_context(), NULL, "EC", "P-256");
    _cleanup_cipher_ EVP_CIPHER *cipher = EVP_CIPHER_fetch(crypto_context(), "AES-256-CBC", NULL);
    _cleanup_secret_ Secret *garbage = NULL;
    TlsIdentity *identity;

    check_bad_key(rsa, NULL);
    check_bad_key(p384, NULL);
    check_bad_key(ed25519, NULL);
    check_bad_key(p256, cipher); /* nobody is asked for the passphrase */
    ck_assert_int_eq(secret_new_copy("garbage\n", 8, &garbage), 0);
    ck_assert_int_eq(tls_identity_new(garbage, &identity), -EINVAL);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

START_TEST(a_key_file_is_private)
{
    _cleanup_secret_ Secret *pem = NULL;
    _cleanup_tls_identity_ TlsIdentity *made = new_identity(&pem), *identity = NULL;
    char path[] = "/tmp/test-tls-XXXXXX";
    int fd = mkstemp(path);
    Problem problem = PROBLEM_INIT;

    ck_assert_int_eq(write(fd, secret_bytes(pem), secret_size(pem)), (ssize_t)secret_size(pem));
    ck_assert_int_eq(fchmod(fd, 0644), 0);
    ck_assert_int_eq(tls_identity_read(path, &identity, &problem), -EKEYREJECTED);
    ck_assert_ptr_nonnull(strstr(problem.text, path));
    ck_assert_int_eq(fchmod(fd, 0640), 0);
    ck_assert_msg(tls_identity_read(path, &identity, &problem) == 0, "%s", problem.text);
    ck_assert_mem_eq(tls_identity_pin(identity), tls_identity_pin(made), TLS_PIN_SIZE);
    ck_assert_int_eq(ftruncate(fd, 100), 0);
    ck_assert_int_eq(tls_identity_read(path, &identity, &problem), -EINVAL);
    ck_assert_ptr_nonnull(strstr(problem.text, "P-256"));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(tls_identity_read(path, &identity, &problem), -ENOENT);
    (void)close(fd);
}
END_TEST

/* ---- Handshakes ---- */

START_TEST(both_know_each_other)
{
    _cleanup_ends_ Ends ends;
    char data[16];

    ends_setup(&ends);
    ck_assert_uint_eq(ends.known.asked, 1);
    ck_assert_int_eq(ends.client->class->write(ends.client, "hello", 5), 5);
    ck_assert_int_eq(read_waiting(ends.server, data, sizeof(data)), 5);
    ck_assert_mem_eq(data, "hello", 5);
    ck_assert_int_eq(ends.server->class->write(ends.server, "you", 3), 3);
    ck_assert_int_eq(read_waiting(ends.client, data, sizeof(data)), 3);
    ck_assert_int_eq(ends.client->class->read(ends.client, data, sizeof(data)), -EAGAIN);
    ck_assert_int_eq(stream_events(ends.client, POLLIN), POLLIN);
    ck_assert_ptr_null(stream_words(ends.client));
}
END_TEST

START_TEST(the_second_pin_will_do)
{
    _cleanup_ends_ Ends ends;
    int client, server;

    ends_prepare(&ends);
    memcpy(ends.peer.pins[1], ends.peer.pins[0], TLS_PIN_SIZE);
    memset(ends.peer.pins[0], 7, TLS_PIN_SIZE);
    ends.peer.n_pins = 2;
    ends_connect(&ends);
    shake_hands(&ends, &client, &server);
    ck_assert_int_eq(client, 0);
    ck_assert_int_eq(server, 0);
}
END_TEST

START_TEST(a_wrong_node_is_refused)
{
    _cleanup_ends_ Ends ends;
    int client, server;
    char expected[TLS_PIN_TEXT_SIZE], shown[TLS_PIN_TEXT_SIZE], data[16];

    ends_prepare(&ends);
    ends.peer.pins[0][0] ^= 1;
    ends_connect(&ends);
    shake_hands(&ends, &client, &server);
    ck_assert_int_eq(client, -EKEYREJECTED);
    ck_assert_int_lt(server, 0);
    ck_assert_uint_eq(ends.known.asked, 0); /* our pin is not shown to strangers */
    tls_pin_format(ends.peer.pins[0], expected);
    tls_pin_format(tls_identity_pin(ends.server_identity), shown);
    ck_assert_ptr_nonnull(strstr(stream_words(ends.client), expected));
    ck_assert_ptr_nonnull(strstr(stream_words(ends.client), shown));
    ck_assert_int_eq(ends.client->class->read(ends.client, data, sizeof(data)), -EKEYREJECTED);
    ck_assert_int_lt(ends.client->class->write(ends.client, "x", 1), 0);
}
END_TEST

START_TEST(an_unknown_client_is_refused)
{
    _cleanup_ends_ Ends ends;
    int client, server;
    char pin[TLS_PIN_TEXT_SIZE], data[16];

    ends_prepare(&ends);
    ends.known.pin[0] ^= 1;
    ends_connect(&ends);
    shake_hands(&ends, &client, &server);
    ck_assert_int_eq(client, 0); /* RFC 8446 §2: it is done before the server has seen the client's key */
    ck_assert_int_lt(server, 0);
    ck_assert_mem_eq(ends.known.shown, tls_identity_pin(ends.client_identity), TLS_PIN_SIZE);
    ck_assert_int_lt(ends.server->class->read(ends.server, data, sizeof(data)), 0);
    /* Also when something was sent already, and the server has closed. */
    ck_assert_int_eq(ends.client->class->write(ends.client, "hello", 5), 5);
    ends.server = stream_close(ends.server);
    ck_assert_int_eq(read_waiting(ends.client, data, sizeof(data)), -EKEYREJECTED);
    tls_pin_format(tls_identity_pin(ends.client_identity), pin);
    ck_assert_ptr_nonnull(strstr(stream_words(ends.client), pin));
    ck_assert_ptr_nonnull(strstr(stream_words(ends.client), "kqctl node authorize"));
}
END_TEST

static EVP_PKEY *parse_key(const Secret *pem)
{
    _cleanup_bio_ BIO *bio = BIO_new_mem_buf(secret_bytes(pem), (int)secret_size(pem));

    return PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, NULL, crypto_context(), NULL);
}

/* The key in a certificate of OpenSSL's own making. */
static void use_key(SSL *ssl, EVP_PKEY *key)
{
    X509 *certificate = X509_new_ex(crypto_context(), NULL);
    EVP_MD *md = EVP_MD_fetch(crypto_context(), "SHA256", NULL);

    (void)X509_set_pubkey(certificate, key);
    (void)X509_gmtime_adj(X509_getm_notBefore(certificate), -7200);
    (void)X509_gmtime_adj(X509_getm_notAfter(certificate), -3600); /* nobody cares */
    (void)X509_sign(certificate, key, md);
    if (SSL_use_certificate(ssl, certificate) != 1 || SSL_use_PrivateKey(ssl, key) != 1)
        _exit(2);
}

/* A client of OpenSSL's own, blocking, in a child; `key` NULL: without one. Exits with 0 if it is let in. */
static pid_t start_stranger(const Ends *ends, int version, EVP_PKEY *key)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;

    SSL_CTX *ctx = SSL_CTX_new_ex(crypto_context(), NULL, TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    char data;

    (void)SSL_set_min_proto_version(ssl, version);
    (void)SSL_set_max_proto_version(ssl, version);
    if (key)
        use_key(ssl, key);
    (void)SSL_set_fd(ssl, connect_to(ends->address));
    _exit(SSL_connect(ssl) == 1 && SSL_read(ssl, &data, 1) == 1 ? 0 : 1);
}

static int serve_stranger(Ends *ends)
{
    int r = -EAGAIN;

    ends_accept(ends);
    while (r == -EAGAIN) {
        wait_for(ends->server, 0);
        r = stream_tls_handshake(ends->server);
    }
    if (r == 0)
        ck_assert_int_eq(ends->server->class->write(ends->server, "x", 1), 1);
    return r;
}

static void check_stranger(int version, bool with_key, bool let_in)
{
    _cleanup_ends_ Ends ends;
    _cleanup_secret_ Secret *pem = NULL;
    _cleanup_pkey_ EVP_PKEY *key = NULL;
    int status;
    pid_t pid;

    ends_prepare(&ends);
    tls_identity_unref(ends.client_identity);
    ends.client_identity = new_identity(&pem);
    memcpy(ends.known.pin, tls_identity_pin(ends.client_identity), TLS_PIN_SIZE);
    key = parse_key(pem); /* the secret is empty in a child */
    pid = start_stranger(&ends, version, with_key ? key : NULL);
    ck_assert_int_eq(serve_stranger(&ends), let_in ? 0 : -EPROTO);
    ck_assert_uint_eq(ends.known.asked, let_in ? 1 : 0);
    ck_assert(let_in || stream_words(ends.server));
    ends.server = stream_close(ends.server);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, let_in ? 0 : 1 << 8);
}

/* However the certificate around the key was made, and though it has expired. */
START_TEST(another_implementation_is_let_in)
{
    check_stranger(TLS1_3_VERSION, true, true);
}
END_TEST

START_TEST(a_client_without_certificate_is_refused)
{
    check_stranger(TLS1_3_VERSION, false, false);
}
END_TEST

START_TEST(older_versions_are_refused)
{
    check_stranger(TLS1_2_VERSION, true, false);
}
END_TEST

/* What a server without client authentication would do: nobody here takes it for a node all the same, since its pin is another. Here a
 * server that speaks TLS 1.2 only. */
START_TEST(an_older_server_is_refused)
{
    _cleanup_ends_ Ends ends;
    Problem problem = PROBLEM_INIT;
    int fd, r = -EAGAIN;
    /* RFC 5246 §7.4.1.3: a ServerHello of TLS 1.2 with TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256. */
    static const uint8_t hello[5 + 42] = {22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3, [5 + 4 + 2 + 32] = 0, 0xc0, 0x2b, 0};

    ends_prepare(&ends);
    ck_assert_int_eq(stream_connect(ends.address, &ends.peer, &ends.client, &problem), 0);
    fd = accept4(ends.listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_eq(stream_tls_handshake(ends.client), -EAGAIN);
    ck_assert_int_eq(send(fd, hello, sizeof(hello), 0), (ssize_t)sizeof(hello));
    while (r == -EAGAIN) {
        wait_for(ends.client, 0);
        r = stream_tls_handshake(ends.client);
    }
    ck_assert_int_eq(r, -EPROTO);
    (void)close(fd);
}
END_TEST

/* ---- What is no TLS ---- */

static void check_garbage(const void *data, size_t size, bool to_server)
{
    _cleanup_ends_ Ends ends;
    Problem problem = PROBLEM_INIT;
    Stream *stream;
    int fd, r = -EAGAIN;

    ends_prepare(&ends);
    if (to_server) {
        fd = connect_to(ends.address);
        ends_accept(&ends);
    } else {
        ck_assert_int_eq(stream_connect(ends.address, &ends.peer, &ends.client, &problem), 0);
        fd = accept4(ends.listener, NULL, NULL, SOCK_CLOEXEC);
    }
    stream = to_server ? ends.server : ends.client;
    ck_assert_int_eq(send(fd, data, size, 0), (ssize_t)size);
    (void)shutdown(fd, SHUT_WR);
    while (r == -EAGAIN) {
        wait_for(stream, 0);
        r = stream_tls_handshake(stream);
    }
    ck_assert_int_lt(r, 0);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    (void)close(fd);
}

START_TEST(garbage_is_refused)
{
    static const char varlink[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
    static const char http[] = "GET / HTTP/1.1\r\n\r\n";
    char random[600];

    ck_assert_int_eq(crypto_random(random, sizeof(random)), 0);
    for (unsigned to_server = 0; to_server < 2; to_server++) {
        check_garbage(varlink, sizeof(varlink), to_server);
        check_garbage(http, strlen(http), to_server);
        check_garbage(random, sizeof(random), to_server);
        check_garbage("", 0, to_server);
        check_garbage("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11, to_server); /* half a ClientHello */
    }
}
END_TEST

/* ---- What comes after the handshake ---- */

#define UPDATES      4000
#define UPDATE_BYTES 27 /* of a record: RFC 8446 §5.2 around §4.6.3 */

/* A server of OpenSSL's own, blocking, in a child: it only changes its keys, again and again, and then says one thing. */
static pid_t start_updater(Ends *ends)
{
    TlsCheck check = {is_known_pin, &ends->known};
    pid_t pid = fork();
    SSL *ssl;

    if (pid != 0)
        return pid;
    if (tls_session_new(ends->server_identity, true, &check, &ssl) != 0 ||
        SSL_set_fd(ssl, accept4(ends->listener, NULL, NULL, SOCK_CLOEXEC)) != 1 || SSL_accept(ssl) != 1)
        _exit(2);
    for (unsigned i = 0; i < UPDATES; i++)
        if (SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1 || SSL_do_handshake(ssl) != 1)
            _exit(3);
    _exit(SSL_write(ssl, "x", 1) == 1 && SSL_shutdown(ssl) == 0 ? 0 : 4);
}

static int bytes_waiting(const Stream *stream)
{
    int n;

    ck_assert_int_eq(ioctl(stream->fd, FIONREAD, &n), 0);
    return n;
}

/* RFC 8446 §4.6.3 has no limit of them, and no reading comes to an end while they come: one must be found. */
START_TEST(updates_of_keys_do_not_hold_up)
{
    _cleanup_ends_ Ends ends;
    Problem problem = PROBLEM_INIT;
    int status, r = -EAGAIN;
    char data[16];

    ends_prepare(&ends);

    pid_t pid = start_updater(&ends);

    ck_assert_int_eq(stream_connect(ends.address, &ends.peer, &ends.client, &problem), 0);
    ck_assert_int_eq(setsockopt(ends.client->fd, SOL_SOCKET, SO_RCVBUF, &(int){1024 * 1024}, sizeof(int)), 0);
    while (r == -EAGAIN) {
        wait_for(ends.client, 0);
        r = stream_tls_handshake(ends.client);
    }
    ck_assert_int_eq(r, 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);

    int before = bytes_waiting(ends.client);

    ck_assert_int_gt(before, UPDATES * UPDATE_BYTES * 3 / 4);
    ck_assert_int_eq(ends.client->class->read(ends.client, data, sizeof(data)), -EAGAIN);
    ck_assert_int_gt(bytes_waiting(ends.client), 0);
    ck_assert_int_lt(bytes_waiting(ends.client), before);
    ck_assert_int_eq(read_waiting(ends.client, data, sizeof(data)), 1);
    ck_assert_int_eq(read_waiting(ends.client, data, sizeof(data)), 0);
}
END_TEST

/* ---- Life and death ---- */

START_TEST(an_end_is_told_from_a_cut)
{
    _cleanup_ends_ Ends ends, cut;
    char data[16];

    ends_setup(&ends);
    ck_assert_int_eq(ends.server->class->write(ends.server, "last", 4), 4);
    ends.server = stream_close(ends.server);
    ck_assert_int_eq(read_waiting(ends.client, data, sizeof(data)), 4);
    ck_assert_int_eq(read_waiting(ends.client, data, sizeof(data)), 0);
    ck_assert_int_eq(read_waiting(ends.client, data, sizeof(data)), 0);

    ends_setup(&cut);
    ck_assert_int_eq(shutdown(cut.server->fd, SHUT_WR), 0); /* as an attacker on the way would */
    ck_assert_int_eq(read_waiting(cut.client, data, sizeof(data)), -ECONNRESET);
    ck_assert_int_eq(read_waiting(cut.client, data, sizeof(data)), -ECONNRESET);
}
END_TEST

START_TEST(one_direction_ends)
{
    _cleanup_ends_ Ends ends;
    char data[16];

    ends_setup(&ends);
    stream_tls_end(ends.client);
    ck_assert_int_eq(read_waiting(ends.server, data, sizeof(data)), 0);
    ck_assert_int_eq(ends.server->class->write(ends.server, "still", 5), 5);
    ck_assert_int_eq(read_waiting(ends.client, data, sizeof(data)), 5);
}
END_TEST

/* The other side does not read: it is waited for, and everything arrives in its order. */
START_TEST(much_is_carried)
{
    const size_t size = 8 * 1024 * 1024;
    _cleanup_ends_ Ends ends;
    _cleanup_free_ uint8_t *sent = malloc(size), *got = malloc(size);
    size_t out = 0, in = 0;
    unsigned full = 0;

    ends_setup(&ends);
    ck_assert_int_eq(crypto_random(sent, size), 0);
    while (in < size) {
        ssize_t n = out < size ? ends.client->class->write(ends.client, sent + out, size - out) : -EAGAIN;

        ck_assert(n > 0 || n == -EAGAIN);
        out += n > 0 ? (size_t)n : 0;
        full += n == -EAGAIN && out < size;
        if (n > 0)
            continue;
        n = read_waiting(ends.server, got + in, size - in);
        ck_assert_int_gt(n, 0);
        in += (size_t)n;
    }
    ck_assert_uint_gt(full, 0);
    ck_assert_mem_eq(sent, got, size);
}
END_TEST

/* Nothing of ours stays in the process's queue of errors, and what was in it does not disturb us. */
START_TEST(errors_are_kept_apart)
{
    _cleanup_ends_ Ends ends, refused;
    int client, server;
    char data[16];

    ERR_clear_error();
    ERR_raise(ERR_LIB_USER, 42);
    ends_setup(&ends);
    ck_assert_int_eq(ends.client->class->read(ends.client, data, sizeof(data)), -EAGAIN);
    ck_assert_int_eq(ends.client->class->write(ends.client, "hello", 5), 5);
    ck_assert_int_eq(read_waiting(ends.server, data, sizeof(data)), 5);
    ends.server = stream_close(ends.server);
    ck_assert_int_eq(read_waiting(ends.client, data, sizeof(data)), 0);

    ends_prepare(&refused);
    refused.peer.pins[0][0] ^= 1;
    ends_connect(&refused);
    shake_hands(&refused, &client, &server);
    ck_assert_int_eq(client, -EKEYREJECTED);
    ck_assert_int_eq(ERR_GET_REASON(ERR_get_error()), 42);
    ck_assert_uint_eq(ERR_get_error(), 0);
}
END_TEST

/* A forked child closes what it has inherited; the parent's connection goes on. */
START_TEST(a_child_says_nothing)
{
    _cleanup_ends_ Ends ends;
    char data[16];
    int status;

    ends_setup(&ends);

    pid_t pid = fork();

    if (pid == 0) {
        stream_close_inherited(ends.client);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(ends.server->class->read(ends.server, data, sizeof(data)), -EAGAIN);
    ck_assert_int_eq(ends.client->class->write(ends.client, "hello", 5), 5);
    ck_assert_int_eq(read_waiting(ends.server, data, sizeof(data)), 5);
}
END_TEST

START_TEST(nobody_listens)
{
    _cleanup_ends_ Ends ends;
    Problem problem = PROBLEM_INIT;
    char data[16];

    ends_prepare(&ends);
    (void)close(ends.listener);
    ends.listener = -1;

    int r = stream_connect(ends.address, &ends.peer, &ends.client, &problem);

    if (r == 0)
        r = (int)read_waiting(ends.client, data, sizeof(data));
    ck_assert_int_eq(r, -ECONNREFUSED);
}
END_TEST

/* Packets go nowhere: connecting waits, without blocking. */
START_TEST(nobody_answers)
{
    _cleanup_ends_ Ends ends;
    Problem problem = PROBLEM_INIT;
    int full[4];
    char data[16];

    ends_prepare(&ends);
    (void)close(ends.listener);
    ends.listener = listen_somewhere(0, &ends.address);
    for (size_t i = 0; i < ELEMENTS(full); i++) { /* the queue is full, and the kernel drops what comes */
        struct sockaddr_in name = {.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                   .sin_port = htons((uint16_t)atoi(strrchr(ends.address, ':') + 1))};

        full[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(full[i], (struct sockaddr *)&name, sizeof(name));
    }
    ends.peer.silence = STREAM_SILENCE_MIN;
    ck_assert_int_eq(stream_connect(ends.address, &ends.peer, &ends.client, &problem), 0);
    ck_assert_int_eq(ends.client->class->write(ends.client, "x", 1), -EAGAIN);
    ck_assert_int_eq(ends.client->class->read(ends.client, data, sizeof(data)), -EAGAIN);
    ck_assert_int_eq(stream_events(ends.client, POLLIN), POLLOUT);
    ck_assert_int_eq(read_waiting(ends.client, data, sizeof(data)), -ETIMEDOUT); /* given up after about a second */
    for (size_t i = 0; i < ELEMENTS(full); i++)
        (void)close(full[i]);
}
END_TEST

START_TEST(a_key_is_needed)
{
    Problem problem = PROBLEM_INIT;
    Stream *stream;

    ck_assert_int_eq(stream_connect("tls:127.0.0.1:7853", NULL, &stream, &problem), -ENOKEY);
    ck_assert_int_eq(stream_connect("tls:127.0.0.1:7853", &(StreamPeer){0}, &stream, &problem), -ENOKEY);
    ck_assert_ptr_nonnull(strstr(problem.text, "kqctl client init"));
    ck_assert_int_eq(stream_connect("tls:localhost:7853", &(StreamPeer){0}, &stream, &problem), -EINVAL);
    ck_assert_ptr_nonnull(strstr(problem.text, "host name"));
    ck_assert_int_eq(stream_address_check("tls:[::1]:1", &problem), 0);
    ck_assert_int_eq(stream_address_check("tcp:127.0.0.1:1", &problem), -EPROTONOSUPPORT);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, a_key_has_one_pin);
    tcase_add_test(cases, the_pin_is_the_hash_of_the_public_key);
    tcase_add_test(cases, other_keys_are_refused);
    tcase_add_test(cases, a_key_file_is_private);
    tcase_add_test(cases, both_know_each_other);
    tcase_add_test(cases, the_second_pin_will_do);
    tcase_add_test(cases, a_wrong_node_is_refused);
    tcase_add_test(cases, an_unknown_client_is_refused);
    tcase_add_test(cases, another_implementation_is_let_in);
    tcase_add_test(cases, a_client_without_certificate_is_refused);
    tcase_add_test(cases, older_versions_are_refused);
    tcase_add_test(cases, an_older_server_is_refused);
    tcase_add_test(cases, garbage_is_refused);
    tcase_add_test(cases, updates_of_keys_do_not_hold_up);
    tcase_add_test(cases, an_end_is_told_from_a_cut);
    tcase_add_test(cases, one_direction_ends);
    tcase_add_test(cases, much_is_carried);
    tcase_add_test(cases, errors_are_kept_apart);
    tcase_add_test(cases, a_child_says_nothing);
    tcase_add_test(cases, nobody_listens);
    tcase_add_test(cases, nobody_answers);
    tcase_add_test(cases, a_key_is_needed);
}

UNIT_MAIN("tls", add_tests)
