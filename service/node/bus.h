/* The node on D-Bus: what dbus/ shows, filled in with what the node knows. With the floor, except where it says so. */
#pragma once

#include "base/problem.h"

typedef struct Node Node;

/* The options of the command line that are no address. */
#define BUS_NONE   "no"
#define BUS_SYSTEM "system"

/* Connect to a bus from the loop; with BUS_NONE to none. Errors: -EINVAL not an address; -ENOMEM, -errno. A bus that is away is none: it is
 * logged, and tried again. */
int bus_open(Node *node, const char *address, Problem *problem) _must_check_;
void bus_close(Node *node);

/* Something that others can see may have changed; or only how often keys were used. */
void bus_changed(Node *node);
void bus_counted(Node *node);
/* The node failed at something, in words: its last error. */
void bus_error(Node *node, const char *text);
