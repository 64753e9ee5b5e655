/* The one function of a fuzzer, called by libFuzzer or by driver.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The input may be anything. Aborts when something that must hold does not. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
