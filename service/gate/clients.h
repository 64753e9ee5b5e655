/*
 * Clients: the file in which the node publishes who is authorized: one line "PIN NAME" for each pin, the pin in base64 as on cards. The
 * gate reads it again whenever it has been replaced.
 */
#pragma once

#include <sys/stat.h>

#include "base/problem.h"
#include "wire/tls.h"

#define CLIENT_NAME_MAX 32 /* bytes */

typedef struct ClientPin {
    uint8_t pin[TLS_PIN_SIZE];
    char name[CLIENT_NAME_MAX + 1];
} ClientPin;

typedef struct Clients {
    const char *path; /* the caller's */
    ClientPin *pins;  /* sorted by pin */
    size_t n_pins;
    struct stat status; /* of the file that was read; st_nlink 0: there was none */
    bool listed;        /* there is a file, and it is as it should be: who is not in it is a stranger */
} Clients;

void clients_init(Clients *clients, const char *path);
void clients_clear(Clients *clients);
#define _cleanup_clients_ _cleanup_(clients_clear)

/* Read the file if it is not the one that was read last. No file: no clients. Errors, after which there are no clients either: -EINVAL a
 * line that is wrong, a pin that is there twice; -EFBIG; such a file is not read again before it is replaced. -ENOMEM, -errno. */
int clients_refresh(Clients *clients, Problem *problem) _must_check_;
/* The client's name; NULL: the pin is unknown. Until the next refresh. */
const char *clients_find(const Clients *clients, const uint8_t pin[TLS_PIN_SIZE]);
