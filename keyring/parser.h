/* Why does the kernel not understand PKCS#8? It answers the same (EBADMSG) when its parser is not loaded and when it has none. */
#pragma once

typedef enum ParserState {
    PARSER_LOADED,  /* in the running kernel, as a module or built in */
    PARSER_ON_DISK, /* a module that nobody has loaded */
    PARSER_ABSENT,  /* this kernel was built without it */
    PARSER_HIDDEN,  /* the list of modules cannot be read from here (a sandbox, a container) */
} ParserState;

/* `loaded`: the directory of loaded modules (/sys/module); `modules`: that of the running kernel's modules (/lib/modules/RELEASE). */
ParserState parser_state(const char *loaded, const char *modules);
