/*
 * The node's way to the loader. With separation the loader listens on its own socket; without, the node starts one for each
 * burst of loads, over one inherited connection. Either way the loader exits by itself when it has nothing to do, and is asked anew.
 */
#pragma once

#include "base/node-config.h"
#include "keyring/keyring.h"

typedef struct LoaderClient LoaderClient;

typedef enum LoaderError {
    LOADER_E_OK,
    LOADER_E_REJECTED, /* the share is damaged, of another node, or does not fit its header; trying again is of no use */
    LOADER_E_MAX,
} LoaderError;

/* `config` must outlive the client. `config_path` and `program` (the loader's) are needed without separation; copied.
 * Errors: -ENOMEM. */
int loader_client_new(const NodeConfig *config, const char *config_path, const char *program, KeySerial ring, LoaderClient **ret_loader)
    _must_check_;
LoaderClient *loader_client_free(LoaderClient *loader);
DEFINE_CLEANUP(LoaderClient, loader_client_free)

/* Have the stored share of `id` put into the ring; waits for it, at most some seconds. One thread at a time.
 * Errors: LOADER_E_REJECTED; -errno: not now (loader away, quota, custody not to be had …). The problem says why. */
int loader_client_load(LoaderClient *loader, const KeyId *id, Problem *problem) _must_check_;

/* Have the identity key put into the ring, as the loader finds it now. Otherwise as loader_client_load(). */
int loader_client_load_identity(LoaderClient *loader, Problem *problem) _must_check_;

/* The key quota of the loader's user, whom every share is charged to, as the loader told it last; zeros: it told none yet. Any thread. */
void loader_client_quota(LoaderClient *loader, KeyringQuota *ret_quota);

/* Where the loader is: `given` if not NULL, else beside this program, else where it is installed. Errors: -ENOENT; -ENOMEM. */
int loader_program_find(const char *given, char **ret_program, Problem *problem) _must_check_;
