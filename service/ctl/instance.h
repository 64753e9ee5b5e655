/*
 * An installed node ("instance"): where its things are on this host, and how systemd is asked to run it. A node that was made with
 * --no-separation is none: all that it has is in a directory of its own.
 */
#pragma once

#include <limits.h>

#include "base/node-config.h"
#include "ctl/ctl.h"

#define INSTANCE_NODES "/etc/keyquorum/nodes"
#define INSTANCE_STATE "/var/lib/keyquorum"
#define INSTANCE_RUN   "/run/keyquorum"

#define INSTANCE_CONFIG       "node.conf"
#define INSTANCE_SEALING_PUB  "sealing-key.pub"  /* X25519, 32 bytes */
#define INSTANCE_IDENTITY_PUB "identity-key.pub" /* Ed25519, 32 bytes */
#define INSTANCE_TLS_PIN      "tls-key.pin"      /* SHA-256 of the SPKI, 32 bytes */
#define INSTANCE_TLS_NEXT_PIN "tls-key-next.pin" /* the same of the next one, while it is being changed */
#define INSTANCE_SEALING      "sealing-key"      /* names of credentials: systemd-creds(1) puts .cred behind */
#define INSTANCE_IDENTITY     "identity-key"
#define INSTANCE_TLS          "tls-key"
#define INSTANCE_UNFINISHED   "unfinished" /* there while `node init` is at it, and left by one that was cut off */
#define INSTANCE_HALTED       "halted"     /* there while `node rotate` keeps the units stopped, and left by one that was cut off */

#define INSTANCE_UNIT_SIZE_MAX 80 /* of a unit's name, with its NUL */

/* Paths that are made of the name. */
typedef struct Instance {
    char name[NODE_CONFIG_NAME_SIZE_MAX + 1];
    char directory[64]; /* below INSTANCE_NODES */
    char config[80];
    char state[64];
    char listen[64], gate[64], loader[64]; /* "unix:/…" */
    char clients[64];
    char drop_in_directory[96], drop_in[112]; /* of the gate's socket unit */
    char target[64];                          /* the unit that groups it */
} Instance;

/* `name` is valid: node_config_name_valid(). */
void instance_of(const char *name, Instance *ret_instance);
/* The configuration file that the call names: --config FILE, that of --node NAME, or that of the only instance on this host. Errors:
 * CTL_E_USAGE both options, a wrong name, none or several instances; -ENOENT no such instance. */
int instance_config_path(const Call *call, char ret_path[PATH_MAX], Problem *problem) _must_check_;
/* Is it the configuration of an instance, and of which? */
bool instance_from_config(const char *path, Instance *ret_instance);

/* The configuration of an instance; `address` NULL: it is for this host only. Written into the open directory. Errors: -errno. */
int instance_write_config(const Instance *instance, int directory, const char *address, const char *custody, Problem *problem) _must_check_;
/* Where the gate's socket listens: `listen` is "tls:IP:PORT". Durable. Errors: -errno. */
int instance_write_drop_in(const Instance *instance, const char *listen, Problem *problem) _must_check_;
/* What was written there, to be released with free(). Errors: -ENOENT; -EINVAL somebody has put more into the file; -errno. */
int instance_read_drop_in(const Instance *instance, char **ret_listen, Problem *problem) _must_check_;
/* Nothing there is fine. */
void instance_remove_drop_in(const Instance *instance);

/* Is systemd this host's PID 1 (sd_booted(3)), and is this root? Errors: -EACCES, -ENOSYS; the problem says what to do instead. */
int instance_check_host(const char *what, Problem *problem) _must_check_;
/* Enable the instance's target, so that it is started at boot, and start it now. Errors: -errno. */
int instance_start(const Instance *instance, Problem *problem) _must_check_;
/* Has one of its services or sockets failed, or is it being started again after a failure? `ret_unit` then names it. False too where nobody
 * can tell. */
bool instance_has_failed(const Instance *instance, char ret_unit[INSTANCE_UNIT_SIZE_MAX]);
/* The last error that the unit's own process wrote to the journal; "" if there is none, or nobody can tell. */
void instance_last_words(const char *unit, char *ret_words, size_t size);
/* Does its gate run, so that clients are let in? True too for an instance without one. */
bool instance_gate_runs(const Instance *instance);
/* Stop all its units, wait until they have stopped, and disable the target; without complaint. */
void instance_stop(const Instance *instance);
/* Stop all its units, for now: at the next boot they start again. Returns when they have ended. Errors: -ETIMEDOUT; -errno. */
int instance_halt(const Instance *instance, Problem *problem) _must_check_;
/* Start a service of it again, if it runs: PREFIX@INSTANCE.service. Returns when it has. Errors: -EIO it failed; -ETIMEDOUT; -errno. */
int instance_restart_unit(const Instance *instance, const char *prefix, Problem *problem) _must_check_;
/* Wait until the node answers on its own socket, showing this sealing key, and its gate is up where it has one. Errors: -EIO it fails, or
 * another node answers; -ETIME. */
int instance_await(const Instance *instance, const uint8_t sealing_key[HPKE_PUBLIC_KEY_SIZE], Problem *problem) _must_check_;
