/* In the place of two functions of a node: it takes pairs, whether they are faster on this machine or not, and says so. */
#include <stdio.h>

#include "threshold/threshold.h"

bool __wrap_threshold_pair_is_faster(const ThresholdKey *key);
int __wrap_threshold_key_power_pair(const ThresholdKey *const keys[2], const Secret *const shares[2], const uint8_t *const bases[2],
                                    uint8_t *const ret_powers[2]);
int __real_threshold_key_power_pair(const ThresholdKey *const keys[2], const Secret *const shares[2], const uint8_t *const bases[2],
                                    uint8_t *const ret_powers[2]);

bool __wrap_threshold_pair_is_faster(const ThresholdKey *key)
{
    return true;
}

int __wrap_threshold_key_power_pair(const ThresholdKey *const keys[2], const Secret *const shares[2], const uint8_t *const bases[2],
                                    uint8_t *const ret_powers[2])
{
    (void)fputs(keys[0] == keys[1] ? "a pair with one key\n" : "a pair with two keys\n", stderr);
    return __real_threshold_key_power_pair(keys, shares, bases, ret_powers);
}
