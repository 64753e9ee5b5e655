/* Where a connection comes from. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define ORIGIN_TEXT_SIZE 64

typedef struct Origin {
    uint8_t network[8];          /* an IPv4 address, or the /64 of an IPv6 one, which one host may have to itself */
    char text[ORIGIN_TEXT_SIZE]; /* address and port */
} Origin;

void origin_of(const struct sockaddr_storage *address, Origin *ret_origin);
bool origin_equal(const Origin *a, const Origin *b); /* but for the port */
