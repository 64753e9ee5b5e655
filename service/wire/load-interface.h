/*
 * org.keyquorum.Load: what the node asks of the loader, on a socket between the two on one host. In varlink's language it is
 * org.keyquorum.Load.varlink (a test compares the two). The loader opens the sealed share that the node has stored, or reads the
 * node's identity key, and puts it into the node's keyring; it never returns anything of it.
 *
 * The parameters of every request, reply and error carry `protocol` = LOAD_PROTOCOL (a FIELD_CONSTANT; the structures do not hold it).
 */
#pragma once

#include "wire/message.h"

#define LOAD_PROTOCOL     1
#define LOAD_INTERFACE    "org.keyquorum.Load"
#define LOAD_METHOD(name) LOAD_INTERFACE "." name
#define LOAD_ERROR(name)  LOAD_INTERFACE "." name

#define LOAD_KEY_ID_SIZE     32
#define LOAD_REASON_SIZE_MAX 2048

typedef struct LoadInput {
    Bytes key;       /* the key id; names the file of the sealed share in the node's state directory */
    uint64_t ring;   /* serial number of the node's ring, 1..INT32_MAX */
    bool separation; /* the node believes that node and loader are different users; the loader refuses if that is not so */
} LoadInput;

typedef struct LoadIdentityInput {
    uint64_t ring;
    bool separation;
} LoadIdentityInput;

/* Of both methods. The kernel's key quota of the loader's user, whom every share is charged to, after this load. 0: the loader cannot find
 * it out. */
typedef struct LoadOutput {
    uint64_t keys_used, keys_max, bytes_used, bytes_max;
} LoadOutput;

/* Parameters of every error of this interface. */
typedef struct LoadErrorDetail {
    char *reason; /* one sentence for people; never anything of the share */
} LoadErrorDetail;

extern const Layout load_input, load_identity_input, load_output, load_error_detail;

/* The methods; ended by a NULL name. */
extern const MethodLayout load_methods[];

typedef enum LoadError {
    LOAD_ERROR_NONE,
    LOAD_ERROR_REJECTED,    /* the share is damaged, of another node, or does not fit its header: it stays unusable */
    LOAD_ERROR_QUOTA,       /* the kernel's key quota is used up; the reason names the sysctl */
    LOAD_ERROR_UNSUPPORTED, /* the kernel cannot give the custody that the key asks for; the reason says what is missing */
    LOAD_ERROR_FORBIDDEN,   /* the kernel or the configuration forbids it: keyctl refused, ring not the node's, separation not as said */
    LOAD_ERROR_UNAVAILABLE, /* cannot now: file not readable, sealing key missing, out of memory … */
    LOAD_ERROR_UNKNOWN,     /* none of these: not this interface's */
    LOAD_ERROR_MAX,
} LoadError;

/* "org.keyquorum.Load.Rejected"; and back (LOAD_ERROR_NONE for NULL, LOAD_ERROR_UNKNOWN for a foreign name). */
const char *load_error_name(LoadError error); /* NULL for LOAD_ERROR_NONE and LOAD_ERROR_UNKNOWN */
LoadError load_error_from_name(const char *name);

/* The text of org.keyquorum.Load.varlink. */
extern const char load_interface_description[];
