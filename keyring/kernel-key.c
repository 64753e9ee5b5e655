#include <errno.h>
#include <keyutils.h>
#include <limits.h>
#include <string.h>
#include <sys/utsname.h>

#include "keyring/custody.h"
#include "keyring/errors.h"
#include "keyring/parser.h"

#define CHECK_SIZE 256 /* bytes: the smallest modulus that the kernel takes from us */

/* The kernel's raw RSA; needs nothing but the search permission on the key. */
static int decrypt(KeySerial serial, const uint8_t *base, size_t size, uint8_t *ret_power, Problem *problem)
{
    uint8_t power[THRESHOLD_PARTIAL_SIZE_MAX];
    long got = keyctl_pkey_decrypt(serial, "enc=raw", base, size, power, size);

    if (got < 0 && errno == EOPNOTSUPP)
        return problem_set(problem, KEYRING_E_UNSUPPORTED, "this kernel has no KEYCTL_PKEY_DECRYPT for RSA keys: use Custody=keyring");
    if (got < 0)
        return errors_explain_use(errno, "keyctl(KEYCTL_PKEY_DECRYPT)", problem);
    if ((size_t)got > size)
        return problem_set(problem, -EIO, "the kernel's RSA answered with %ld bytes where %zu were asked for", got, size);
    memset(ret_power, 0, size - (size_t)got);
    memcpy(ret_power + size - (size_t)got, power, (size_t)got);
    memory_wipe(power, sizeof(power));
    return 0;
}

static int explain_parser(Problem *problem)
{
    static const char *const fixes[] = {
        [PARSER_LOADED] = "its PKCS#8 parser is there but refuses the form of a share's key: use Custody=keyring",
        [PARSER_ON_DISK] = "its PKCS#8 parser is not loaded: run 'modprobe pkcs8_key_parser', and name the module in /etc/modules-load.d "
                           "for the next start",
        [PARSER_ABSENT] =
            "it was built without the module pkcs8_key_parser (CONFIG_PKCS8_PRIVATE_KEY_PARSER): use a kernel that has it, or "
            "Custody=keyring",
        [PARSER_HIDDEN] =
            "no PKCS#8 parser is loaded: run 'modprobe pkcs8_key_parser' on the host; if there is no such module, the kernel was "
            "built without it (CONFIG_PKCS8_PRIVATE_KEY_PARSER): use another kernel, or Custody=keyring",
    };
    char modules[PATH_MAX];
    struct utsname name;

    (void)uname(&name);
    (void)snprintf(modules, sizeof(modules), "/lib/modules/%s", name.release);
    return problem_set(problem, KEYRING_E_UNSUPPORTED, "the kernel (%s) cannot hold RSA keys for custody 'kernel': %s", name.release,
                       fixes[parser_state("/sys/module", modules)]);
}

int kernel_key_explain(int error, Problem *problem)
{
    if (error == EBADMSG)
        return explain_parser(problem);
    if (error == ENODEV)
        return problem_set(
            problem, KEYRING_E_UNSUPPORTED,
            "this kernel has no asymmetric keys (CONFIG_ASYMMETRIC_KEY_TYPE): use a kernel that has them, or Custody=keyring");
    if (error == ENOPKG)
        return problem_set(problem, KEYRING_E_UNSUPPORTED,
                           "this kernel has no RSA for keys (CONFIG_CRYPTO_RSA): run 'modprobe rsa', or use Custody=keyring");
    return errors_explain(error, "add_key", problem);
}

/* 2^3 mod (2^2048 - 1): is 8 what comes out? */
static int check_power(KeySerial serial, Problem *problem)
{
    uint8_t base[CHECK_SIZE] = {[CHECK_SIZE - 1] = 2}, expected[CHECK_SIZE] = {[CHECK_SIZE - 1] = 8}, power[CHECK_SIZE];
    int r = decrypt(serial, base, sizeof(base), power, problem);

    if (r == 0 && memcmp(power, expected, sizeof(power)) != 0)
        return problem_set(problem, KEYRING_E_UNSUPPORTED, "this kernel's RSA does not compute the power of a share: use Custody=keyring");
    return r;
}

static int check_payload(Secret **ret_payload)
{
    _cleanup_secret_ Secret *share = NULL;
    uint8_t modulus[CHECK_SIZE];
    int r = secret_new(CHECK_SIZE, &share);

    if (r < 0)
        return r;
    memset(modulus, 0xff, sizeof(modulus));
    secret_data(share)[CHECK_SIZE - 1] = 3;
    return keyring_pkcs8_encode(&(Bytes){modulus, sizeof(modulus)}, share, ret_payload);
}

int kernel_key_check(Problem *problem)
{
    _cleanup_secret_ Secret *payload = NULL;
    KeySerial serial;
    int r = check_payload(&payload);

    if (r < 0)
        return problem_set(problem, r, "no locked memory: %s", strerror(-r));
    r = custody_add(custody_row(CUSTODY_KERNEL), CUSTODY_DESCRIPTION_PREFIX "check", payload, &serial, problem);
    if (r != 0)
        return r;
    r = check_power(serial, problem);
    custody_discard(serial);
    return r;
}

int kernel_key_payload(const ThresholdKey *key, const Secret *share, Secret **ret_payload)
{
    return keyring_pkcs8_encode(threshold_key_public(key), share, ret_payload);
}

int kernel_key_open(KeyringShare *share)
{
    return blinding_new(threshold_key_public(share->key), &share->blinding);
}

typedef struct Oracle {
    const KeyringShare *share;
    Problem *problem;
} Oracle;

static int ask_kernel(void *userdata, const uint8_t *base, uint8_t *ret_power)
{
    const Oracle *oracle = userdata;

    return decrypt(oracle->share->serial, base, threshold_key_partial_size(oracle->share->key), ret_power, oracle->problem);
}

int kernel_key_power(KeyringShare *share, const uint8_t *base, uint8_t *ret_power, Problem *problem)
{
    Problem words = PROBLEM_INIT;
    Oracle oracle = {.share = share, .problem = &words};
    int r = blinding_power(share->blinding, ask_kernel, &oracle, base, ret_power);

    if (r != 0)
        (void)problem_set(problem, r, "%s", words.text[0] ? words.text : "the blinded exponentiation failed");
    return r;
}
