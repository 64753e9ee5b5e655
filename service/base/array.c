#include "base/array.h"

void *array_resize(void *array, size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return realloc(array, total);
}
