/* FROST(Ed25519, SHA-512) as a row of the table of schemes. Inside the folder only; everybody else asks threshold_key_frost(). */
#pragma once

#include "threshold/frost.h"
#include "threshold/scheme.h"

extern const Scheme frost_scheme;
