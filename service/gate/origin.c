#include "gate/origin.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static void of_v4(const void *address, in_port_t port, Origin *origin)
{
    char text[INET_ADDRSTRLEN] = "?";

    memcpy(origin->network + 4, address, 4); /* behind zeros: no IPv6 network in use begins with them */
    (void)inet_ntop(AF_INET, address, text, sizeof(text));
    (void)snprintf(origin->text, sizeof(origin->text), "%s:%u", text, ntohs(port));
}

static void of_v6(const struct in6_addr *address, in_port_t port, Origin *origin)
{
    char text[INET6_ADDRSTRLEN] = "?";

    memcpy(origin->network, address, sizeof(origin->network));
    (void)inet_ntop(AF_INET6, address, text, sizeof(text));
    (void)snprintf(origin->text, sizeof(origin->text), "[%s]:%u", text, ntohs(port));
}

void origin_of(const struct sockaddr_storage *address, Origin *ret_origin)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

    *ret_origin = (Origin){.text = "?"};
    if (address->ss_family == AF_INET)
        of_v4(&v4->sin_addr, v4->sin_port, ret_origin);
    else if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        of_v4(v6->sin6_addr.s6_addr + 12, v6->sin6_port, ret_origin);
    else if (address->ss_family == AF_INET6)
        of_v6(&v6->sin6_addr, v6->sin6_port, ret_origin);
}

bool origin_equal(const Origin *a, const Origin *b)
{
    return memcmp(a->network, b->network, sizeof(a->network)) == 0;
}
