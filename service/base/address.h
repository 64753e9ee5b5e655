/* Addresses as configuration files and cards give them: "unix:/path", "tls:192.0.2.11:7853", "tls:[2001:db8::1]:7853". */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "base/problem.h"

bool address_is_tls(const char *text);
/* A "tls:" address: numeric, since nobody should need DNS to sign, and with its port. Errors: -EINVAL; the problem shows the form wanted.
 */
int address_parse_tls(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_size, Problem *problem) _must_check_;
