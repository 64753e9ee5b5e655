#include "threshold/safe-prime.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/secret.h"
#include "threshold/bn.h"
#include "threshold/draw.h"

/* A prime p' > 3 with 2p' + 1 prime is 5 modulo 6, so only every sixth number is a candidate. */
#define STEP 6

#define SIEVE_LIMIT       (1U << 20)
#define WINDOW_CANDIDATES (1U << 18) /* one bit each: the window of 32 KiB fits the first-level cache and one Secret */

/* Locked memory is short: a thread needs a window and some numbers of the secure heap. */
#define THREADS_MAX 16

#define PROGRESS_CANDIDATES  16        /* a call to progress() after so many in the calling thread, … */
#define PROGRESS_NANOSECONDS 100000000 /* … or after so long when other threads search */

/* What all threads of one search share. */
typedef struct Search {
    unsigned bits;
    size_t wanted;
    const DealOptions *options;
    uint32_t *sieving; /* the primes 5 <= r < SIEVE_LIMIT */
    size_t n_sieving;
    atomic_bool stop;
    atomic_uint_fast64_t tried;
    pthread_mutex_t mutex; /* for what follows */
    pthread_cond_t changed;
    BIGNUM **found;
    size_t n_found;
    unsigned running;
    int result; /* the first error */
} Search;

/* What one thread needs. The numbers are of the secure heap. libcrypto's Montgomery contexts, this one and those that BN_check_prime()
 * makes, hold a candidate in ordinary memory, which is wiped when they end. */
typedef struct Searcher {
    Search *search;
    bool reports; /* calls progress() itself */
    BN_CTX *ctx;
    BN_MONT_CTX *mont;
    Secret *window;
    BIGNUM *two, *start, *half, *prime, *exponent, *power;
} Searcher;

static void searcher_clear(Searcher *searcher)
{
    secret_free(searcher->window);
    BN_MONT_CTX_free(searcher->mont);
    BN_CTX_free(searcher->ctx);
}

static int searcher_init(Searcher *searcher, Search *search, bool reports)
{
    *searcher = (Searcher){.search = search, .reports = reports, .ctx = bn_secret_context(), .mont = BN_MONT_CTX_new()};
    if (!searcher->ctx || !searcher->mont)
        return -ENOMEM;

    BIGNUM **numbers[] = {&searcher->two, &searcher->start, &searcher->half, &searcher->prime, &searcher->exponent, &searcher->power};

    BN_CTX_start(searcher->ctx);
    for (size_t i = 0; i < ELEMENTS(numbers); i++)
        *numbers[i] = BN_CTX_get(searcher->ctx);
    if (!searcher->power || BN_set_word(searcher->two, 2) != 1)
        return -ENOMEM;
    return secret_new(WINDOW_CANDIDATES / 8, &searcher->window) == 0 ? 0 : -EPERM;
}

/* A random p' of bits - 1 bits, top two set, that is 5 modulo 6. */
static int draw_start(Searcher *searcher)
{
    BIGNUM *start = searcher->start;
    int bits = (int)searcher->search->bits - 1;
    int r = draw_bits((unsigned)bits, start);

    if (r < 0)
        return r;
    if (BN_set_bit(start, bits - 1) != 1 || BN_set_bit(start, bits - 2) != 1)
        return -ENOMEM;
    return BN_add_word(start, 5 - BN_mod_word(start, STEP)) == 1 ? 0 : -ENOMEM;
}

static void mark(uint8_t *window, uint64_t first, uint32_t stride)
{
    for (uint64_t i = first; i < WINDOW_CANDIDATES; i += stride)
        window[i / 8] |= (uint8_t)(1U << i % 8);
}

/* Mark candidate i, which is p' = start + 6i, if a small prime r divides p' or 2p' + 1. */
static void sieve(Searcher *searcher)
{
    const Search *search = searcher->search;
    uint8_t *window = secret_data(searcher->window);

    memset(window, 0, WINDOW_CANDIDATES / 8);
    for (size_t i = 0; i < search->n_sieving; i++) {
        uint64_t r = search->sieving[i];
        uint64_t start = BN_mod_word(searcher->start, r);
        uint64_t sixth = r % STEP == 1 ? (5 * r + 1) / STEP : (r + 1) / STEP; /* 1/6 modulo r */

        mark(window, (r - start) * sixth % r, (uint32_t)r);
        mark(window, ((r - 1) / 2 + r - start) * sixth % r, (uint32_t)r);
    }
}

/* searcher->power = 2^exponent mod modulus, in constant time. */
static int power_of_two(Searcher *searcher, const BIGNUM *exponent, const BIGNUM *modulus)
{
    if (BN_MONT_CTX_set(searcher->mont, modulus, searcher->ctx) != 1 ||
        BN_mod_exp_mont_consttime(searcher->power, searcher->two, exponent, modulus, searcher->ctx, searcher->mont) != 1)
        return -EIO;
    return 0;
}

/* Cheap tests that nearly every composite fails: 2^(p'-1) = 1 mod p', then 2^p' = +-1 mod p. Returns 1 passed, 0 failed. */
static int passes_fermat(Searcher *searcher)
{
    if (!BN_copy(searcher->exponent, searcher->half) || BN_sub_word(searcher->exponent, 1) != 1)
        return -EIO;

    int r = power_of_two(searcher, searcher->exponent, searcher->half);

    if (r < 0 || !BN_is_one(searcher->power))
        return r;
    r = power_of_two(searcher, searcher->half, searcher->prime);
    if (r < 0 || BN_is_one(searcher->power))
        return r < 0 ? r : 1;
    if (BN_add_word(searcher->power, 1) != 1)
        return -EIO;
    return BN_cmp(searcher->power, searcher->prime) == 0;
}

/* searcher->half and ->prime become candidate i and 2p' + 1. Returns 1 if both are prime and of the right size, 0 if not. */
static int is_safe_prime(Searcher *searcher, uint64_t i)
{
    if (!BN_copy(searcher->half, searcher->start) || BN_add_word(searcher->half, STEP * i) != 1 ||
        BN_lshift1(searcher->prime, searcher->half) != 1 || BN_add_word(searcher->prime, 1) != 1)
        return -EIO;

    int bits = (int)searcher->search->bits;
    int r = passes_fermat(searcher);

    if (r <= 0 || BN_num_bits(searcher->prime) != bits || !BN_is_bit_set(searcher->prime, bits - 2))
        return r < 0 ? r : 0;
    r = BN_check_prime(searcher->half, searcher->ctx, NULL);
    if (r == 1)
        r = BN_check_prime(searcher->prime, searcher->ctx, NULL);
    return r < 0 ? -EIO : r;
}

static void end_search(Search *search, int result)
{
    (void)pthread_mutex_lock(&search->mutex);
    if (search->result == 0)
        search->result = result;
    atomic_store(&search->stop, true);
    (void)pthread_mutex_unlock(&search->mutex);
}

static bool is_known(const Search *search, const BIGNUM *prime)
{
    for (size_t i = 0; i < search->n_found; i++)
        if (BN_cmp(search->found[i], prime) == 0)
            return true;
    return false;
}

static int keep_locked(Search *search, const BIGNUM *prime)
{
    if (search->n_found == search->wanted || is_known(search, prime))
        return 0;

    _cleanup_bn_ BIGNUM *copy = BN_secure_new();

    if (!copy || !BN_copy(copy, prime))
        return -ENOMEM;
    search->found[search->n_found++] = TAKE_PTR(copy);
    if (search->n_found == search->wanted)
        atomic_store(&search->stop, true);
    return 0;
}

static int keep(Search *search, const BIGNUM *prime)
{
    (void)pthread_mutex_lock(&search->mutex);

    int r = keep_locked(search, prime);

    (void)pthread_mutex_unlock(&search->mutex);
    return r;
}

static int report(const Search *search)
{
    const DealOptions *options = search->options;
    /* What survives the sieve is a safe prime with probability (e^γ · log2 SIEVE_LIMIT / bits)^2, by Mertens' theorem. */
    uint64_t expected = search->wanted * search->bits * search->bits / 1269;

    if (!options->progress || options->progress(options->userdata, atomic_load(&search->tried), expected) == 0)
        return 0;
    return THRESHOLD_E_CANCELLED;
}

/* One window. It ends with the first prime in it: a second one from the same starting point would be close to the first, and
 * a modulus of two close primes is factored at once. */
static int search_window(Searcher *searcher)
{
    Search *search = searcher->search;
    const uint8_t *window = secret_bytes(searcher->window);

    for (uint64_t i = 0; i < WINDOW_CANDIDATES && !atomic_load(&search->stop); i++) {
        if (window[i / 8] >> i % 8 & 1)
            continue;

        uint64_t tried = atomic_fetch_add(&search->tried, 1);
        int r = searcher->reports && tried % PROGRESS_CANDIDATES == 0 ? report(search) : 0;

        if (r != 0)
            return r;
        r = is_safe_prime(searcher, i);
        if (r != 0)
            return r < 0 ? r : keep(search, searcher->prime);
    }
    return 0;
}

static int search_windows(Search *search, bool reports)
{
    _cleanup_(searcher_clear) Searcher searcher = {0};
    int r = searcher_init(&searcher, search, reports);

    while (r == 0 && !atomic_load(&search->stop)) {
        r = draw_start(&searcher);
        if (r < 0)
            return r;
        sieve(&searcher);
        r = search_window(&searcher);
    }
    return r;
}

static void *search_thread(void *userdata)
{
    Search *search = userdata;
    int r = search_windows(search, false);

    if (r != 0)
        end_search(search, r);
    (void)pthread_mutex_lock(&search->mutex);
    search->running--;
    (void)pthread_cond_signal(&search->changed);
    (void)pthread_mutex_unlock(&search->mutex);
    return NULL;
}

/* Wait until a thread ended or it is time to report; then report. */
static void wait_and_report(Search *search)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += PROGRESS_NANOSECONDS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&search->mutex);
    if (search->running > 0)
        (void)pthread_cond_clockwait(&search->changed, &search->mutex, CLOCK_MONOTONIC, &until);
    (void)pthread_mutex_unlock(&search->mutex);
    if (!atomic_load(&search->stop) && report(search) != 0)
        end_search(search, THRESHOLD_E_CANCELLED);
}

static unsigned threads_running(Search *search)
{
    (void)pthread_mutex_lock(&search->mutex);

    unsigned running = search->running;

    (void)pthread_mutex_unlock(&search->mutex);
    return running;
}

static void search_in_threads(Search *search)
{
    unsigned n_threads = search->options->threads < THREADS_MAX ? search->options->threads : THREADS_MAX, started = 0;
    pthread_t threads[THREADS_MAX];

    search->running = n_threads;
    while (started < n_threads && pthread_create(&threads[started], NULL, search_thread, search) == 0)
        started++;
    if (started < n_threads) {
        end_search(search, -EAGAIN);
        (void)pthread_mutex_lock(&search->mutex);
        search->running -= n_threads - started;
        (void)pthread_mutex_unlock(&search->mutex);
    }
    while (threads_running(search) > 0)
        wait_and_report(search);
    for (unsigned i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
}

/* The primes 5 <= r < SIEVE_LIMIT by Eratosthenes' sieve. */
static int make_sieving_primes(Search *search)
{
    _cleanup_free_ uint8_t *composite = calloc(SIEVE_LIMIT, 1);
    uint32_t *primes = calloc(SIEVE_LIMIT / 8, sizeof(*primes));

    if (!composite || !primes) {
        free(primes);
        return -ENOMEM;
    }
    for (uint64_t r = 3; r < SIEVE_LIMIT; r += 2) {
        if (composite[r])
            continue;
        for (uint64_t multiple = r * r; multiple < SIEVE_LIMIT; multiple += 2 * r)
            composite[multiple] = 1;
        if (r >= 5)
            primes[search->n_sieving++] = (uint32_t)r;
    }
    search->sieving = primes;
    return 0;
}

static void search_clear(Search *search)
{
    for (size_t i = 0; search->found && i < search->n_found; i++)
        BN_clear_free(search->found[i]);
    free(search->found);
    free(search->sieving);
    (void)pthread_cond_destroy(&search->changed);
    (void)pthread_mutex_destroy(&search->mutex);
}

static int search_init(Search *search, unsigned bits, size_t count, const DealOptions *options)
{
    *search = (Search){.bits = bits, .wanted = count, .options = options};
    (void)pthread_mutex_init(&search->mutex, NULL);
    (void)pthread_cond_init(&search->changed, NULL);
    search->found = calloc(count, sizeof(*search->found));
    return search->found ? make_sieving_primes(search) : -ENOMEM;
}

int safe_primes_find(unsigned bits, size_t count, const DealOptions *options, BIGNUM **ret_primes)
{
    if (bits < SAFE_PRIME_BITS_MIN)
        return -EINVAL;

    _cleanup_(search_clear) Search search;
    int r = search_init(&search, bits, count, options);

    if (r < 0)
        return r;
    if (options->threads > 0)
        search_in_threads(&search);
    else
        search.result = search_windows(&search, true);
    /* A prime found beats a wish to stop that came too late. */
    if (search.n_found < count)
        return search.result;
    memcpy(ret_primes, search.found, count * sizeof(*ret_primes));
    search.n_found = 0;
    return 0;
}
