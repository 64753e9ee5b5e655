/* What a function leaves behind: run it on a stack of our own, and look for secrets there. */
#pragma once

#include <pthread.h>
#include <sys/mman.h>

#include "unit.h"

#define SEARCHED_STACK (512 * 1024)

typedef struct SearchedRun {
    void *(*run)(void *);
    void *userdata;
} SearchedRun;

/* Below what the end of the thread needs of the stack for itself. */
static inline void *run_below(void *userdata)
{
    const SearchedRun *searched = userdata;
    volatile uint8_t room[16 * 1024];

    room[0] = 0;
    (void)searched->run(searched->userdata);
    return room[0] == 0 ? NULL : userdata;
}

/* Run on the stack given, SEARCHED_STACK bytes, which is then as it was left. What checks things uses the stack as well: `run` ends with
 * what is to be looked at. */
static inline void run_on_stack(uint8_t *stack, void *(*run)(void *), void *userdata)
{
    SearchedRun searched = {run, userdata};
    pthread_attr_t attributes;
    pthread_t thread;

    ck_assert_int_eq(pthread_attr_init(&attributes), 0);
    ck_assert_int_eq(pthread_attr_setstack(&attributes, stack, SEARCHED_STACK), 0);
    ck_assert_int_eq(pthread_create(&thread, &attributes, run_below, &searched), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(pthread_attr_destroy(&attributes), 0);
}

/* Sanitizers make threads of their own kind, and wipe what they leave: then there is nothing to find. */
static inline uint8_t *new_stack(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip_test("a sanitizer wipes the stacks of threads");
#endif
    void *stack = mmap(NULL, SEARCHED_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(stack, MAP_FAILED);
    return stack;
}

/* Are eight bytes in a row of the secret there? */
static inline bool stack_has(const uint8_t *stack, const void *secret, size_t size)
{
    for (size_t at = 0; at + 8 <= size; at += 4)
        if (memmem(stack, SEARCHED_STACK, (const uint8_t *)secret + at, 8))
            return true;
    return false;
}
