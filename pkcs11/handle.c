#include "pkcs11/handle.h"

#include <stdlib.h>

#define PLACE_BITS 24
#define PLACE_MASK ((1UL << PLACE_BITS) - 1)
#define PLACES_MAX (PLACE_MASK - 1)

void handle_table_clear(HandleTable *table)
{
    free(table->places);
    *table = (HandleTable){0};
}

static int grow(HandleTable *table)
{
    size_t room = table->room ? 2 * table->room : 16;
    HandlePlace *places;

    if (table->n_places < table->room)
        return 0;
    if (table->n_places >= PLACES_MAX)
        return -1;
    places = realloc(table->places, room * sizeof(*places));
    if (!places)
        return -1;
    table->places = places;
    table->room = room;
    return 0;
}

static HandlePlace *free_place(HandleTable *table)
{
    HandlePlace *place;

    if (table->first_free) {
        place = &table->places[table->first_free - 1];
        table->first_free = place->next_free;
        return place;
    }
    if (grow(table) < 0)
        return NULL;
    place = &table->places[table->n_places++];
    *place = (HandlePlace){0};
    return place;
}

CK_ULONG handle_add(HandleTable *table, void *value)
{
    HandlePlace *place = free_place(table);

    if (!place)
        return 0;
    place->value = value;
    table->count++;
    return (place->uses << PLACE_BITS) | (CK_ULONG)(place - table->places + 1);
}

static HandlePlace *find(const HandleTable *table, CK_ULONG handle)
{
    CK_ULONG number = handle & PLACE_MASK;

    if (number == 0 || number > table->n_places)
        return NULL;

    HandlePlace *place = &table->places[number - 1];

    return place->value && place->uses == handle >> PLACE_BITS ? place : NULL;
}

void *handle_get(const HandleTable *table, CK_ULONG handle)
{
    HandlePlace *place = find(table, handle);

    return place ? place->value : NULL;
}

void *handle_replace(HandleTable *table, CK_ULONG handle, void *value)
{
    HandlePlace *place = find(table, handle);
    void *old = place->value;

    place->value = value;
    return old;
}

void *handle_remove(HandleTable *table, CK_ULONG handle)
{
    HandlePlace *place = find(table, handle);
    void *value;

    if (!place)
        return NULL;
    value = place->value;
    *place = (HandlePlace){.uses = (place->uses + 1) & (~0UL >> PLACE_BITS), .next_free = table->first_free};
    table->first_free = (size_t)(place - table->places) + 1;
    table->count--;
    return value;
}

void *handle_next(const HandleTable *table, size_t *cursor)
{
    while (*cursor < table->n_places) {
        void *value = table->places[(*cursor)++].value;

        if (value)
            return value;
    }
    return NULL;
}
