/* A bus and a node of our own on it, and clients of that bus. What a helper cannot do fails the test. */
#pragma once

#include <systemd/sd-bus.h>

#include "node-fixture.h"

#define BUS_NODE_NAME "org.keyquorum.Node1.alpha"
#define BUS_WAIT      (30 * MICROSECONDS_PER_SECOND)

/* ---- The bus ---- */

typedef struct TestBus {
    char path[96], address[128];
    pid_t pid;
} TestBus;

/* In the directory of the node, which is told to be there. It does not run yet. */
TestBus bus_for(TestNode *node);
/* Start it, and wait until it can be reached. */
void bus_start(TestBus *bus);
void bus_stop(TestBus *bus);

/* ---- Its client ---- */

sd_bus *client_open(const TestBus *bus);
/* Sends what is left to be sent; for _cleanup_. */
void client_close(sd_bus **client);
#define _cleanup_client_ _cleanup_(client_close)
/* Until `done` holds; fails when it takes too long. */
void client_run(sd_bus *client, bool (*done)(void *userdata), void *userdata);
/* Until the node has its name. */
void client_wait_for_node(sd_bus *client);

typedef struct TestPath {
    char text[128];
} TestPath;

TestPath key_path(const DealtKey *key);
/* Call a method of the key; returns "" or the error's name. Static. */
const char *key_call(sd_bus *client, const DealtKey *key, const char *method, const char *types, uint64_t a, uint64_t b);
/* PartialSign; the same. `ret_partial` may be NULL, and is to be cleared. */
const char *key_sign(sd_bus *client, const DealtKey *key, const char *hash, const void *digest, size_t size, Bytes *ret_partial);

/* Properties. `type`: 't', or one of 32 bits. */
uint64_t get_number(sd_bus *client, const char *path, const char *interface, const char *property, char type);
bool text_is(sd_bus *client, const char *path, const char *interface, const char *property, const char *expected);
void bytes_are(sd_bus *client, const char *path, const char *interface, const char *property, const Bytes *expected);

/* ---- Signals ---- */

/* What has come from the node. */
typedef struct Heard {
    unsigned added, removed, changes_of_signatures;
    bool locked, state, keys_active;
    uint64_t signatures;
} Heard;

void listen_to(sd_bus *client, Heard *heard);
/* For client_run(), with a Heard. */
bool heard_added(void *heard);
bool heard_removed(void *heard);
bool heard_active(void *heard);
bool heard_locked(void *heard);

/* ---- All of it ---- */

typedef struct BusFixture {
    TestNode node;
    TestBus bus;
    DealtKey key;
    Link *link;
    sd_bus *client;
} BusFixture;

void bus_fixture_clear(BusFixture *fixture);
#define _cleanup_bus_fixture_ _cleanup_(bus_fixture_clear)
/* A node with an active key, on a bus. */
void bus_fixture_start(BusFixture *fixture);
/* Stops the node: what it has logged is all there when it has ended. */
void bus_check_logged(TestNode *node, const char *text);
