/* driver FILE-OR-DIRECTORY…: run the fuzzer's function once over each file. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "fuzz.h"

#define INPUT_SIZE_MAX (16 * 1024 * 1024)

static int run_file(int directory, const char *name)
{
    Bytes input _cleanup_bytes_ = {0};
    int r = file_read(directory, name, INPUT_SIZE_MAX, &input);

    if (r < 0) {
        fprintf(stderr, "%s: %s\n", name, strerror(-r));
        return r;
    }
    (void)LLVMFuzzerTestOneInput(input.data, input.size);
    return 1;
}

static int run_directory(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    int n = 0, r = 0;

    if (!directory)
        return -errno;
    while (r >= 0 && (entry = readdir(directory)))
        if (entry->d_name[0] != '.') {
            r = run_file(dirfd(directory), entry->d_name);
            n++;
        }
    (void)closedir(directory);
    return r < 0 ? r : n;
}

static int run(const char *path)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return -errno;
    return S_ISDIR(status.st_mode) ? run_directory(path) : run_file(AT_FDCWD, path);
}

int main(int argc, char **argv)
{
    int n = 0;

    for (int i = 1; i < argc; i++) {
        int r = run(argv[i]);

        if (r < 0) {
            fprintf(stderr, "%s: %s\n", argv[i], strerror(-r));
            return EXIT_FAILURE;
        }
        n += r;
    }
    printf("%d inputs\n", n);
    return n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
