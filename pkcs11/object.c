#include "pkcs11/object.h"

#include <errno.h>
#include <string.h>

Object *object_ref(Object *object)
{
    atomic_fetch_add(&object->references, 1);
    return object;
}

Object *object_unref(Object *object)
{
    if (!object || atomic_fetch_sub(&object->references, 1) > 1)
        return NULL;
    quorum_key_unref(object->key);
    bytes_clear(&object->label);
    bytes_clear(&object->id);
    for (size_t i = 0; i < KEY_PARTS; i++)
        bytes_clear(&object->parts[i]);
    bytes_clear(&object->info);
    for (size_t i = 0; i < VALUE_MAX; i++)
        bytes_clear(&object->values[i]);
    free(object);
    return NULL;
}

static Object *new_object(const Roster *roster, ObjectKind kind)
{
    Object *object = calloc(1, sizeof(*object));

    if (!object)
        return NULL;
    atomic_init(&object->references, 1);
    object->roster = roster;
    object->kind = kind;
    object->private = kind == KIND_PRIVATE_KEY;
    return object;
}

/* The parts of the public key, and what follows from them. */
static int set_key(Object *object, const KeyType *type, const Bytes given[KEY_PARTS])
{
    int r = type->take(given, object->parts);

    if (r < 0)
        return r;
    object->key_type = type;
    object->bits = type->bits(object->parts);
    object->signature_size = type->signature_size(object->parts);
    return type->info(object->parts, &object->info);
}

static int set_names(Object *object, const char *label, const Bytes *id)
{
    int r = bytes_copy(label, strlen(label), &object->label);

    return r < 0 ? r : bytes_copy(id->data, id->size, &object->id);
}

/* A key whose shares can be made anew has another key id after that, but is the same for applications: its public key names it. */
static void set_unique_id(Object *object, const QuorumKey *key)
{
    const Header *header = quorum_key_header(key);
    char text[2 * KEY_ID_SIZE + 1];

    if (!header_has_generations(header) || header->public_key.size > KEY_ID_SIZE)
        key_id_format(quorum_key_id(key), text);
    else
        hex_encode(header->public_key.data, header->public_key.size, text);
    (void)snprintf(object->unique_id, sizeof(object->unique_id), "%s-%s", text, object->kind == KIND_PRIVATE_KEY ? "private" : "public");
}

int object_of_key(const Roster *roster, QuorumKey *key, KeyRole role, Object **ret_object)
{
    _cleanup_object_ Object *object = new_object(roster, role == ROLE_PRIVATE ? KIND_PRIVATE_KEY : KIND_PUBLIC_KEY);
    const KeyRecord *record = quorum_key_record(key);
    const KeyType *type = key_type_by_algorithm(quorum_key_header(key)->parameters.algorithm);
    Bytes parts[KEY_PARTS] = {type->common, type->common};

    if (!object)
        return -ENOMEM;
    object->key = quorum_key_ref(key);
    set_unique_id(object, key);

    parts[type->own] = quorum_key_header(key)->public_key;

    int r = set_key(object, type, parts);

    if (r < 0)
        return r;
    if (role == ROLE_PRIVATE)
        r = set_names(object, record->private_label, &record->private_id);
    else
        r = set_names(object, record->public_label, &record->public_id);
    if (r < 0)
        return r;
    *ret_object = TAKE_PTR(object);
    return 0;
}

int object_of_public(const Roster *roster, const KeyType *type, const Bytes given[KEY_PARTS], Object **ret_object)
{
    _cleanup_object_ Object *object = new_object(roster, KIND_PUBLIC_KEY);

    if (!object)
        return -ENOMEM;

    int r = set_key(object, type, given);

    if (r < 0)
        return r;
    *ret_object = TAKE_PTR(object);
    return 0;
}

int object_of_kind(const Roster *roster, ObjectKind kind, Object **ret_object)
{
    *ret_object = new_object(roster, kind);
    return *ret_object ? 0 : -ENOMEM;
}

static int copy_values(const Object *object, Object *copy)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < VALUE_MAX; i++)
        r = bytes_copy(object->values[i].data, object->values[i].size, &copy->values[i]);
    return r;
}

int object_copy(const Object *object, Object **ret_object)
{
    _cleanup_object_ Object *copy = new_object(object->roster, object->kind);

    if (!copy)
        return -ENOMEM;
    copy->key = object->key ? quorum_key_ref(object->key) : NULL;
    copy->private = object->private;
    copy->fixed = object->fixed;
    copy->uncopyable = object->uncopyable;
    copy->lasting = object->lasting;

    int r = object_is_key(object) ? set_key(copy, object->key_type, object->parts) : copy_values(object, copy);

    if (r < 0)
        return r;
    r = bytes_copy(object->label.data, object->label.size, &copy->label);
    if (r < 0)
        return r;
    r = bytes_copy(object->id.data, object->id.size, &copy->id);
    if (r < 0)
        return r;
    *ret_object = TAKE_PTR(copy);
    return 0;
}

bool object_is_private(const Object *object)
{
    return object->private;
}

bool object_is_key(const Object *object)
{
    return object->kind == KIND_PUBLIC_KEY || object->kind == KIND_PRIVATE_KEY;
}

CK_OBJECT_CLASS object_class(const Object *object)
{
    static const CK_OBJECT_CLASS classes[KIND_MAX] = {
        [KIND_PUBLIC_KEY] = CKO_PUBLIC_KEY,   [KIND_PRIVATE_KEY] = CKO_PRIVATE_KEY, [KIND_DATA] = CKO_DATA,
        [KIND_CERTIFICATE] = CKO_CERTIFICATE, [KIND_PROFILE] = CKO_PROFILE,
    };

    return classes[object->kind];
}

KeyRole object_role(const Object *object)
{
    return object->kind == KIND_PRIVATE_KEY ? ROLE_PRIVATE : ROLE_PUBLIC;
}
