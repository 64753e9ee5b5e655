/* Run the node $CT_NODE under $CT_VALGRIND, which ends with 99 if there is anything to complain of. */
#include <stdlib.h>
#include <unistd.h>

#define ARGUMENTS_MAX 32

int main(int argc, char **argv)
{
    char *arguments[ARGUMENTS_MAX + 8] = {
        (char *)"valgrind", (char *)"--quiet", (char *)"--error-exitcode=99", getenv("CT_SUPPRESSIONS"), getenv("CT_NODE"),
    };

    for (int i = 1; i < argc && i < ARGUMENTS_MAX; i++)
        arguments[4 + i] = argv[i];
    (void)execv(getenv("CT_VALGRIND"), arguments);
    return 127;
}
