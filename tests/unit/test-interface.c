/* The .varlink files against the layouts: every method, type, error and member, its type, and whether it may be absent. */
#include "wire/load-interface.h"
#include "wire/node-interface.h"
#include "wire/service-interface.h"

#include "unit.h"

#include <ctype.h>
#include <string.h>

#define NAME_MAX_SIZE 64
#define MEMBERS_MAX   32
#define ITEMS_MAX     96

typedef struct Member {
    char name[NAME_MAX_SIZE], type[NAME_MAX_SIZE];
    bool optional, list;
} Member;

typedef struct Structure {
    Member members[MEMBERS_MAX];
    size_t n;
} Structure;

/* "type", "method" or "error". */
typedef struct Item {
    char kind[NAME_MAX_SIZE], name[NAME_MAX_SIZE];
    Structure input, output; /* a type and an error have but one */
    bool documented;
} Item;

typedef struct Interface {
    char name[NAME_MAX_SIZE];
    Item items[ITEMS_MAX];
    size_t n;
} Interface;

/* ---- Reading varlink's language ---- */

/* White space and comments; was there a comment? */
static bool skip_space(const char **at)
{
    bool comment = false;

    for (; isspace((unsigned char)**at) || **at == '#'; (*at)++)
        if (**at == '#') {
            comment = true;
            *at += strcspn(*at, "\n");
        }
    return comment;
}

static bool accept(const char **at, const char *token)
{
    (void)skip_space(at);
    if (strncmp(*at, token, strlen(token)) != 0)
        return false;
    *at += strlen(token);
    return true;
}

static void expect(const char **at, const char *token)
{
    ck_assert_msg(accept(at, token), "expected '%s' at: %.40s", token, *at);
}

static void read_name(const char **at, char name[NAME_MAX_SIZE])
{
    size_t size;

    (void)skip_space(at);
    for (size = 0; isalnum((unsigned char)(*at)[size]) || (*at)[size] == '.'; size++)
        ;
    ck_assert_msg(size > 0 && size < NAME_MAX_SIZE, "expected a name at: %.40s", *at);
    memcpy(name, *at, size);
    name[size] = '\0';
    *at += size;
}

static void read_structure(const char **at, Structure *structure)
{
    expect(at, "(");
    if (accept(at, ")"))
        return;
    do {
        Member *member = &structure->members[structure->n++];

        ck_assert_uint_lt(structure->n, MEMBERS_MAX);
        read_name(at, member->name);
        expect(at, ":");
        member->optional = accept(at, "?");
        member->list = accept(at, "[]");
        read_name(at, member->type);
    } while (accept(at, ","));
    expect(at, ")");
}

static Interface *read_interface(const char *text)
{
    static Interface interface;
    char word[NAME_MAX_SIZE];

    memset(&interface, 0, sizeof(interface));
    read_name(&text, word);
    ck_assert_str_eq(word, "interface");
    read_name(&text, interface.name);
    for (bool comment = skip_space(&text); *text; comment = skip_space(&text)) {
        Item *item = &interface.items[interface.n++];

        ck_assert_uint_lt(interface.n, ITEMS_MAX);
        item->documented = comment;
        read_name(&text, item->kind);
        read_name(&text, item->name);
        read_structure(&text, &item->input);
        if (strcmp(item->kind, "method") == 0) {
            expect(&text, "->");
            read_structure(&text, &item->output);
        }
    }
    return &interface;
}

static const Item *find_item(const Interface *interface, const char *kind, const char *name)
{
    const Item *found = NULL;

    for (size_t i = 0; i < interface->n; i++)
        if (strcmp(interface->items[i].kind, kind) == 0 && strcmp(interface->items[i].name, name) == 0) {
            ck_assert_msg(!found, "%s %s twice", kind, name);
            found = &interface->items[i];
        }
    ck_assert_msg(found, "%s has no %s %s", interface->name, kind, name);
    return found;
}

static size_t count_items(const Interface *interface, const char *kind)
{
    size_t n = 0;

    for (size_t i = 0; i < interface->n; i++)
        n += strcmp(interface->items[i].kind, kind) == 0;
    return n;
}

/* ---- Comparing ---- */

static const char *type_name(const Field *field)
{
    static const char *const names[] = {
        [FIELD_CONSTANT] = "int", [FIELD_BOOL] = "bool", [FIELD_UINT] = "int", [FIELD_STRING] = "string", [FIELD_BYTES] = "string",
    };

    if (field->type == FIELD_VALUES)
        return names[field->of->fields[0].type];
    return field->of ? field->of->name : names[field->type];
}

static void check_structure(const char *where, const Structure *structure, const Layout *layout)
{
    size_t n = 0;

    for (const Field *field = layout->fields; field->name; field++, n++) {
        const Member *member = &structure->members[n];

        ck_assert_msg(n < structure->n, "%s: %s is not described", where, field->name);
        ck_assert_str_eq(member->name, field->name);
        ck_assert_msg(strcmp(member->type, type_name(field)) == 0, "%s.%s: %s", where, field->name, member->type);
        ck_assert_msg(member->optional == field->optional, "%s.%s: optional?", where, field->name);
        ck_assert_msg(member->list == (field->type == FIELD_LIST || field->type == FIELD_VALUES), "%s.%s: a list?", where, field->name);
    }
    ck_assert_msg(n == structure->n, "%s: %s is in no layout", where, structure->members[n].name);
}

static void check_methods(const Interface *interface, const MethodLayout *methods)
{
    size_t n = 0;

    for (; methods[n].name; n++) {
        const Item *item = find_item(interface, "method", methods[n].name);

        check_structure(item->name, &item->input, methods[n].input);
        check_structure(item->name, &item->output, methods[n].output);
    }
    ck_assert_uint_eq(count_items(interface, "method"), n);
}

static void check_error(const Interface *interface, const char *name, const Layout *layout)
{
    size_t prefix = strlen(interface->name);

    ck_assert_ptr_nonnull(name);
    ck_assert(strncmp(name, interface->name, prefix) == 0 && name[prefix] == '.');

    const Item *item = find_item(interface, "error", name + prefix + 1);

    check_structure(item->name, &item->input, layout);
}

static void check_documented(const Interface *interface)
{
    for (size_t i = 0; i < interface->n; i++)
        ck_assert_msg(interface->items[i].documented, "%s %s has no comment", interface->items[i].kind, interface->items[i].name);
}

START_TEST(node_is_as_described)
{
    static const Layout *const types[] = {&node_record, &node_key_entry,   &node_client_entry,
                                          &node_peer,   &node_run_message, &node_approval_entry};
    Interface *interface = read_interface(node_interface_description);

    ck_assert_str_eq(interface->name, NODE_INTERFACE);
    check_methods(interface, node_methods);
    for (size_t i = 0; i < ELEMENTS(types); i++)
        check_structure(types[i]->name, &find_item(interface, "type", types[i]->name)->input, types[i]);
    ck_assert_uint_eq(count_items(interface, "type"), ELEMENTS(types));
    for (NodeError error = NODE_ERROR_NONE + 1; error < NODE_ERROR_UNKNOWN; error++)
        check_error(interface, node_error_name(error), &node_error_detail);
    ck_assert_uint_eq(count_items(interface, "error"), NODE_ERROR_UNKNOWN - 1);
    check_documented(interface);
}
END_TEST

START_TEST(load_is_as_described)
{
    Interface *interface = read_interface(load_interface_description);

    ck_assert_str_eq(interface->name, LOAD_INTERFACE);
    check_methods(interface, load_methods);
    ck_assert_uint_eq(count_items(interface, "type"), 0);
    for (LoadError error = LOAD_ERROR_NONE + 1; error < LOAD_ERROR_UNKNOWN; error++)
        check_error(interface, load_error_name(error), &load_error_detail);
    ck_assert_uint_eq(count_items(interface, "error"), LOAD_ERROR_UNKNOWN - 1);
    check_documented(interface);
}
END_TEST

static const Layout nothing = {"", 0, (const Field[]){{NULL}}};

START_TEST(service_is_as_described)
{
    Interface *interface = read_interface(service_interface_description);
    const Item *item = find_item(interface, "method", "GetInterfaceDescription");

    ck_assert_str_eq(interface->name, SERVICE_INTERFACE);
    check_structure(item->name, &item->input, &service_description_input);
    check_structure(item->name, &item->output, &service_description_output);
    check_error(interface, SERVICE_INTERFACE_NOT_FOUND, &service_interface_not_found);
    check_error(interface, SERVICE_METHOD_NOT_FOUND, &service_method_not_found);
    check_error(interface, SERVICE_INVALID_PARAMETER, &service_invalid_parameter);
    check_error(interface, SERVICE_ERROR("PermissionDenied"), &nothing);
    check_error(interface, SERVICE_ERROR("ExpectedMore"), &nothing);
    (void)find_item(interface, "error", "MethodNotImplemented");
    ck_assert_uint_eq(count_items(interface, "error"), 6);
    check_documented(interface);
}
END_TEST

/* Every message of the interfaces of our own says which format it has. */
START_TEST(messages_carry_the_protocol)
{
    for (const MethodLayout *method = node_methods; method->name; method++) {
        ck_assert_str_eq(method->input->fields[0].name, "protocol");
        ck_assert_str_eq(method->output->fields[0].name, "protocol");
    }
    ck_assert_uint_eq(node_error_detail.fields[0].min, NODE_PROTOCOL);
    ck_assert_uint_eq(load_input.fields[0].min, LOAD_PROTOCOL);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, node_is_as_described);
    tcase_add_test(cases, load_is_as_described);
    tcase_add_test(cases, service_is_as_described);
    tcase_add_test(cases, messages_carry_the_protocol);
}

UNIT_MAIN("interface", add_tests)
