#include <string.h>

#include "ctl/ctl.h"

static void print_option(OptionId id)
{
    const Option *option = option_at(id);
    char text[64];

    (void)snprintf(text, sizeof(text), "%s%c%s--%s%s%s", option->letter ? "-" : "", option->letter ? option->letter : ' ',
                   option->letter ? ", " : "   ", option->name, option->argument ? " " : "", option->argument ? option->argument : "");
    printf("  %-27s  %s\n", text, option->help);
}

static void print_options(const char *title, OptionSet set)
{
    if (!set)
        return;
    printf("\n%s:\n", title);
    for (OptionId id = 0; id < OPTION_MAX; id++)
        if (option_is_in(id, set))
            print_option(id);
}

static void print_verb(const Verb *verb)
{
    printf("Usage: kqctl %s", verb->name);
    for (OptionId id = 0; id < OPTION_MAX; id++)
        if (option_is_in(id, verb->required))
            printf(" --%s %s", option_at(id)->name, option_at(id)->argument);
    printf(" [OPTION...]%s%s\n\n%s.\n", *verb->arguments ? " " : "", verb->arguments, verb->help);
    print_options("Needed", verb->required);
    print_options("Options", verb->optional);
    print_options("Options of every verb", OPTIONS_EVERYWHERE);
    printf("\nkqctl(1) says more.\n");
}

static void print_list(const char *group)
{
    printf("Usage: kqctl [--conf FILE] VERB [OPTION...] [ARGUMENT...]\n\n");
    for (size_t i = 0; verb_at(i); i++) {
        const Verb *verb = verb_at(i);
        char text[64];

        if (group && !verb_is_in(verb, group))
            continue;
        (void)snprintf(text, sizeof(text), "%s %s", verb->name, verb->arguments);
        printf("  %-27s  %s\n", text, verb->help);
    }
    print_options("Options of every verb", OPTIONS_EVERYWHERE);
    printf("\n'kqctl VERB --help' lists the options of a verb; kqctl(1) says more.\n"
           "Exit status: 0 done, 1 failed, 2 wrong usage, 3 something was found that needs the operator.\n");
}

void help_print(const Call *call)
{
    if (call->verb)
        print_verb(call->verb);
    else
        print_list(call->n_arguments > 0 ? call->arguments[0] : NULL);
}

static void print_row(const char *name, OptionSet set)
{
    fputs(name, stdout);
    for (OptionId id = 0; id < OPTION_MAX; id++)
        if (option_is_in(id, set))
            printf("\t--%s%s%s", option_at(id)->name, option_at(id)->argument ? "=" : "",
                   option_at(id)->argument ? option_at(id)->argument : "");
    putchar('\n');
}

void help_print_table(void)
{
    print_row("", OPTIONS_EVERYWHERE);
    for (size_t i = 0; verb_at(i); i++)
        print_row(verb_at(i)->name, verb_at(i)->required | verb_at(i)->optional);
}
