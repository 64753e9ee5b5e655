#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#define TLS_PREFIX      "tls:"
#define TLS_PREFIX_SIZE (sizeof(TLS_PREFIX) - 1)
#define PORT_DIGITS_MAX 5

bool address_is_tls(const char *text)
{
    return strncmp(text, TLS_PREFIX, TLS_PREFIX_SIZE) == 0;
}

/* In the network's order; 0: this is no port. */
static in_port_t parse_port(const char *text)
{
    const size_t size = strlen(text);
    unsigned long port = 0;

    if (size == 0 || size > PORT_DIGITS_MAX || strspn(text, "0123456789") != size || text[0] == '0')
        return 0;
    port = strtoul(text, NULL, 10);
    return port > UINT16_MAX ? 0 : htons((uint16_t)port);
}

static bool parse_v4(const char *host, in_port_t port, struct sockaddr_storage *address, socklen_t *ret_size)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;

    *ret_size = sizeof(*v4);
    v4->sin_family = AF_INET;
    v4->sin_port = port;
    return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

static bool parse_v6(const char *host, in_port_t port, struct sockaddr_storage *address, socklen_t *ret_size)
{
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;

    *ret_size = sizeof(*v6);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = port;
    return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1;
}

/* What stands between the prefix and the last colon, without the brackets of IPv6. */
static bool take_host(const char *text, const char *colon, char ret_host[INET6_ADDRSTRLEN], bool *ret_v6)
{
    const bool v6 = text[0] == '[' && colon - text >= 2 && colon[-1] == ']';
    const int size = (int)(colon - text) - (v6 ? 2 : 0);

    if (size <= 0 || size >= INET6_ADDRSTRLEN)
        return false;
    (void)snprintf(ret_host, INET6_ADDRSTRLEN, "%.*s", size, text + (v6 ? 1 : 0));
    *ret_v6 = v6;
    return true;
}

int address_parse_tls(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_size, Problem *problem)
{
    const char *colon = strrchr(text, ':');
    struct sockaddr_storage address = {0};
    char host[INET6_ADDRSTRLEN];
    in_port_t port = 0;
    socklen_t size = 0;
    bool v6 = false, right = false;

    if (address_is_tls(text) && colon > text + TLS_PREFIX_SIZE && take_host(text + TLS_PREFIX_SIZE, colon, host, &v6)) {
        port = parse_port(colon + 1);
        right = port != 0 && (v6 ? parse_v6 : parse_v4)(host, port, &address, &size);
    }
    if (!right)
        return problem_set(problem, -EINVAL,
                           "'%s' is not an address of the form tls:192.0.2.11:7853 or tls:[2001:db8::1]:7853: an IP address, since no host "
                           "name is looked up, and a port",
                           text);
    *ret_address = address;
    *ret_size = size;
    return 0;
}
