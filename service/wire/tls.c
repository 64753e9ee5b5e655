#include "wire/tls-internal.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdatomic.h>
#include <string.h>

#include "base/crypto.h"
#include "base/evp.h"
#include "base/file.h"

_Static_assert(TLS_PIN_SIZE == SHA256_SIZE, "a pin is a SHA-256");

/* Bytes that the other side may send as its certificates; ours has about 300. */
#define CERTIFICATES_SIZE_MAX 4096

struct TlsIdentity {
    _Atomic(unsigned) references;
    SSL_CTX *ctx; /* owns key and certificate */
    uint8_t pin[TLS_PIN_SIZE];
};

DEFINE_CLEANUP(X509, X509_free)
DEFINE_CLEANUP(SSL_CTX, SSL_CTX_free)

#define _cleanup_x509_    _cleanup_(X509_freep)
#define _cleanup_ssl_ctx_ _cleanup_(SSL_CTX_freep)

/* ---- OpenSSL's errors ---------------------------------------------------------------------------------------------------------------- */

static bool take_error(struct TlsError *error)
{
    const char *file, *function, *data;
    int flags;

    error->code = ERR_get_error_all(&file, &error->line, &function, &data, &flags);
    if (error->code == 0)
        return false;
    (void)snprintf(error->file, sizeof(error->file), "%s", file);
    (void)snprintf(error->function, sizeof(error->function), "%s", function);
    (void)snprintf(error->data, sizeof(error->data), "%s", flags & ERR_TXT_STRING ? data : "");
    return true;
}

void tls_errors_take(TlsErrors *ret_errors)
{
    ret_errors->n = 0;
    while (ret_errors->n < ELEMENTS(ret_errors->errors) && take_error(&ret_errors->errors[ret_errors->n]))
        ret_errors->n++;
}

void tls_errors_put_back(const TlsErrors *errors)
{
    ERR_clear_error();
    for (unsigned i = 0; i < errors->n; i++) {
        const struct TlsError *error = &errors->errors[i];

        ERR_new();
        ERR_set_debug(error->file, error->line, error->function);
        ERR_set_error(ERR_GET_LIB(error->code), ERR_GET_REASON(error->code), "%s", error->data);
    }
}

/* ---- Keys and pins ------------------------------------------------------------------------------------------------------------------ */

/* RFC 5915 and 5958, in PEM; the buffer is in OpenSSL's locked heap. */
int tls_key_new(Secret **ret_pem)
{
    int r = crypto_secure_heap();

    if (r < 0)
        return r;

    KEEP_ERRORS;
    _cleanup_pkey_ EVP_PKEY *key = EVP_PKEY_Q_keygen(crypto_context(), NULL, "EC", "P-256");
    _cleanup_bio_ BIO *pem = BIO_new(BIO_s_secmem());
    char *text;

    if (!key || !pem || PEM_write_bio_PKCS8PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL) != 1)
        return -EIO;

    long size = BIO_get_mem_data(pem, &text);

    return size > 0 ? secret_new_copy(text, (size_t)size, ret_pem) : -EIO;
}

static bool is_p256(const EVP_PKEY *key)
{
    char group[32];
    size_t size;

    return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof(group), &size) == 1 && strcmp(group, "prime256v1") == 0;
}

/* Nobody is asked for a passphrase. */
static int no_passphrase(char *buffer, int size, int writing, void *userdata)
{
    return -1;
}

static int parse_key(const Secret *pem, EVP_PKEY **ret_key)
{
    int r = crypto_secure_heap(); /* where OpenSSL then keeps the key's secret number */

    if (r < 0)
        return r;

    _cleanup_bio_ BIO *text = BIO_new_mem_buf(secret_bytes(pem), (int)secret_size(pem));
    _cleanup_pkey_ EVP_PKEY *key = text ? PEM_read_bio_PrivateKey_ex(text, NULL, no_passphrase, NULL, crypto_context(), NULL) : NULL;

    if (!key || !is_p256(key))
        return -EINVAL;
    *ret_key = TAKE_PTR(key);
    return 0;
}

static int hash_der(unsigned char *der, int size, uint8_t ret_pin[TLS_PIN_SIZE])
{
    int r = size > 0 ? crypto_sha256(&(Bytes){.data = der, .size = (size_t)size}, 1, ret_pin) : -EIO;

    OPENSSL_free(der);
    return r;
}

static int pin_of_key(const EVP_PKEY *key, uint8_t ret_pin[TLS_PIN_SIZE])
{
    unsigned char *der = NULL;
    int size = i2d_PUBKEY(key, &der);

    return hash_der(der, size, ret_pin);
}

static int pin_of_certificate(X509 *certificate, uint8_t ret_pin[TLS_PIN_SIZE])
{
    unsigned char *der = NULL;
    int size = certificate ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der) : -1;

    return hash_der(der, size, ret_pin);
}

int tls_key_pin(const Secret *pem, uint8_t ret_pin[TLS_PIN_SIZE])
{
    KEEP_ERRORS;
    _cleanup_pkey_ EVP_PKEY *key = NULL;
    int r = parse_key(pem, &key);

    return r < 0 ? r : pin_of_key(key, ret_pin);
}

void tls_pin_format(const uint8_t pin[TLS_PIN_SIZE], char ret_text[TLS_PIN_TEXT_SIZE])
{
    base64_encode(pin, TLS_PIN_SIZE, ret_text);
    ret_text[TLS_PIN_TEXT_SIZE - 1] = '\0';
}

/* ---- The certificate ---------------------------------------------------------------------------------------------------------------- */

/* RFC 5280 §4.1.2.5: 99991231235959Z is the date of what has no well-defined end. */
static bool fill_certificate(X509 *certificate, EVP_PKEY *key)
{
    X509_NAME *name = X509_get_subject_name(certificate);

    return X509_set_version(certificate, X509_VERSION_3) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"keyquorum", -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1 &&
           ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), "19700101000000Z") == 1 &&
           ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), "99991231235959Z") == 1 && X509_set_pubkey(certificate, key) == 1;
}

static bool sign_certificate(X509 *certificate, EVP_PKEY *key)
{
    _cleanup_md_ctx_ EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    return ctx && EVP_DigestSignInit_ex(ctx, NULL, "SHA256", crypto_context(), NULL, key, NULL) == 1 && X509_sign_ctx(certificate, ctx) > 0;
}

static int use_key(SSL_CTX *ctx, EVP_PKEY *key)
{
    _cleanup_x509_ X509 *certificate = X509_new_ex(crypto_context(), NULL);

    if (!certificate || !fill_certificate(certificate, key) || !sign_certificate(certificate, key))
        return -EIO;
    return SSL_CTX_use_certificate(ctx, certificate) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1 ? 0 : -EIO;
}

/* ---- Connections -------------------------------------------------------------------------------------------------------------------- */

/* In the place of all that OpenSSL would verify: no chain, no name, no date. An unknown key is told so with the alert unknown_ca, which
 * RFC 8446 §6.2 has for what "could not be matched with a known trust anchor"; one of which nothing can be told, with internal_error. */
static int verify(X509_STORE_CTX *store, void *userdata)
{
    const SSL *session = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    const TlsCheck *check = SSL_get_app_data(session);
    uint8_t pin[TLS_PIN_SIZE];
    int known = pin_of_certificate(X509_STORE_CTX_get0_cert(store), pin) == 0 ? check->known(check->userdata, pin) : 0;

    if (known > 0)
        return 1;
    X509_STORE_CTX_set_error(store, known < 0 ? X509_V_ERR_UNSPECIFIED : X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
    return 0;
}

/* RFC 8446 alone. What the host's openssl.cnf has for all contexts (system_default) is put back. */
static bool restrict_versions(SSL_CTX *ctx)
{
    (void)SSL_CTX_clear_options(ctx, ~(uint64_t)0);
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_security_level(ctx, 2);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 && SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1;
}

static bool restrict_algorithms(SSL_CTX *ctx)
{
    return SSL_CTX_set_ciphersuites(ctx, "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256") == 1 &&
           SSL_CTX_set1_groups_list(ctx, "X25519:P-256") == 1 && SSL_CTX_set1_sigalgs_list(ctx, "ecdsa_secp256r1_sha256") == 1 &&
           SSL_CTX_set1_client_sigalgs_list(ctx, "ecdsa_secp256r1_sha256") == 1;
}

/* No session outlives its connection: no tickets, no resumption, and so no early data. */
static bool forbid_resumption(SSL_CTX *ctx)
{
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    return SSL_CTX_set_num_tickets(ctx, 0) == 1 && SSL_CTX_set_max_early_data(ctx, 0) == 1;
}

static int new_context(SSL_CTX **ret_ctx)
{
    _cleanup_ssl_ctx_ SSL_CTX *ctx = crypto_context() ? SSL_CTX_new_ex(crypto_context(), NULL, TLS_method()) : NULL;

    if (!ctx || !restrict_versions(ctx) || !restrict_algorithms(ctx) || !forbid_resumption(ctx))
        return -EIO;
    /* Most connections are idle: a buffer only while there is something in it. */
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN |
                                    SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_max_cert_list(ctx, CERTIFICATES_SIZE_MAX);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, verify, NULL);
    *ret_ctx = TAKE_PTR(ctx);
    return 0;
}

static int new_identity(EVP_PKEY *key, TlsIdentity **ret_identity)
{
    _cleanup_ssl_ctx_ SSL_CTX *ctx = NULL;
    uint8_t pin[TLS_PIN_SIZE];
    int r = new_context(&ctx);

    if (r == 0)
        r = use_key(ctx, key);
    if (r == 0)
        r = pin_of_key(key, pin);
    if (r < 0)
        return r;

    TlsIdentity *identity = malloc(sizeof(*identity));

    if (!identity)
        return -ENOMEM;
    *identity = (TlsIdentity){.references = 1, .ctx = TAKE_PTR(ctx)};
    memcpy(identity->pin, pin, sizeof(pin));
    *ret_identity = identity;
    return 0;
}

int tls_identity_new(const Secret *pem, TlsIdentity **ret_identity)
{
    KEEP_ERRORS;
    _cleanup_pkey_ EVP_PKEY *key = NULL;
    int r = parse_key(pem, &key);

    return r < 0 ? r : new_identity(key, ret_identity);
}

static const char *words_for(int r)
{
    switch (r) {
    case -EINVAL:
        return "it is not a P-256 key, PKCS#8 in PEM";
    case -EPERM:
        return "the memory for it cannot be locked (RLIMIT_MEMLOCK)";
    default:
        return strerror(-r);
    }
}

int tls_identity_read(const char *path, TlsIdentity **ret_identity, Problem *problem)
{
    _cleanup_secret_ Secret *pem = NULL;
    int r = file_read_private(path, TLS_KEY_SIZE_MAX, FILE_NO_STRANGERS, &pem, problem);

    if (r < 0)
        return problem_prefix(problem, r, "the TLS key");
    r = tls_identity_new(pem, ret_identity);
    return r < 0 ? problem_set(problem, r, "the TLS key %s cannot be used: %s", path, words_for(r)) : 0;
}

TlsIdentity *tls_identity_ref(TlsIdentity *identity)
{
    atomic_fetch_add(&identity->references, 1);
    return identity;
}

TlsIdentity *tls_identity_unref(TlsIdentity *identity)
{
    if (!identity || atomic_fetch_sub(&identity->references, 1) > 1)
        return NULL;
    SSL_CTX_free(identity->ctx);
    free(identity);
    return NULL;
}

const uint8_t *tls_identity_pin(const TlsIdentity *identity)
{
    return identity->pin;
}

int tls_session_new(TlsIdentity *identity, bool accepts, TlsCheck *check, SSL **ret_session)
{
    KEEP_ERRORS;
    SSL *session = SSL_new(identity->ctx);

    if (!session)
        return -ENOMEM;
    if (SSL_set_app_data(session, check) != 1) {
        SSL_free(session);
        return -ENOMEM;
    }
    if (accepts)
        SSL_set_accept_state(session);
    else
        SSL_set_connect_state(session);
    *ret_session = session;
    return 0;
}
