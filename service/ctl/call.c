#include <string.h>

#include "ctl/ctl.h"

/* How to name what is being parsed in a message. */
static const char *called(const Call *call)
{
    return call->verb ? call->verb->name : "kqctl";
}

static int set_option(Call *call, OptionId id, const char *value, Problem *problem)
{
    const Option *option = option_at(id);

    if (call->options[id])
        return problem_set(problem, CTL_E_USAGE, "--%s is given twice", option->name);
    if (option->argument && !*value)
        return problem_set(problem, CTL_E_USAGE, "--%s needs an argument: --%s %s", option->name, option->name, option->argument);
    call->options[id] = value;
    return 0;
}

/* `at` points to an option; moves behind it and its argument. */
static int take_option(Call *call, char ***at, OptionSet allowed, Problem *problem)
{
    const char *text = *(*at)++;
    bool is_long = text[1] == '-';
    const char *equals = is_long ? strchr(text, '=') : NULL;
    size_t name_size = equals ? (size_t)(equals - text) - 2 : strlen(text + 2);
    OptionId id = is_long ? option_find(text + 2, name_size, allowed) : text[2] ? OPTION_INVALID : option_find_letter(text[1], allowed);

    if (id == OPTION_INVALID)
        return problem_set(problem, CTL_E_USAGE, "%s has no option '%s'", called(call), text);
    if (equals && !option_at(id)->argument)
        return problem_set(problem, CTL_E_USAGE, "--%s takes no argument", option_at(id)->name);
    if (!option_at(id)->argument || equals)
        return set_option(call, id, equals ? equals + 1 : "", problem);
    return set_option(call, id, **at ? *(*at)++ : "", problem);
}

static bool is_option(const char *text)
{
    return text && text[0] == '-' && text[1] != '\0';
}

/* Nothing after these matters. */
static bool asks_for_help(const Call *call)
{
    return call->options[OPTION_HELP] || call->options[OPTION_VERSION];
}

/* The options before the verb. */
static int take_leading(Call *call, char ***at, Problem *problem)
{
    while (is_option(**at) && !asks_for_help(call)) {
        int r = take_option(call, at, OPTIONS_EVERYWHERE | OPTION_BIT(OPTION_COMPLETE), problem);

        if (r != 0)
            return r;
    }
    return 0;
}

static int take_rest(Call *call, char **at, Problem *problem)
{
    OptionSet allowed = OPTIONS_EVERYWHERE | call->verb->required | call->verb->optional;
    bool options_end = false;

    call->arguments = at;
    while (*at && !asks_for_help(call)) {
        if (!options_end && strcmp(*at, "--") == 0) {
            options_end = true;
            at++;
        } else if (!options_end && is_option(*at)) {
            int r = take_option(call, &at, allowed, problem);

            if (r != 0)
                return r;
        } else {
            call->arguments[call->n_arguments++] = *at++;
        }
    }
    return 0;
}

static int check_rest(const Call *call, Problem *problem)
{
    const Verb *verb = call->verb;

    for (OptionId id = 0; id < OPTION_MAX; id++)
        if (option_is_in(id, verb->required) && !call->options[id])
            return problem_set(problem, CTL_E_USAGE, "%s needs --%s %s", verb->name, option_at(id)->name, option_at(id)->argument);
    if (call->n_arguments < verb->arguments_min)
        return problem_set(problem, CTL_E_USAGE, "%s needs more arguments: kqctl %s %s", verb->name, verb->name, verb->arguments);
    if (call->n_arguments > verb->arguments_max)
        return problem_set(problem, CTL_E_USAGE, "%s does not take the argument '%s'", verb->name, call->arguments[verb->arguments_max]);
    return 0;
}

static bool is_group(const char *word)
{
    for (size_t i = 0; verb_at(i); i++)
        if (verb_is_in(verb_at(i), word))
            return true;
    return false;
}

/* No verb: then it is a question about one, or a mistake. */
static int without_verb(Call *call, char **at, Problem *problem)
{
    if (!*at)
        return problem_set(problem, CTL_E_USAGE, "what is to be done? A verb is missing");
    if (!is_group(*at))
        return problem_set(problem, CTL_E_USAGE, "there is no verb '%s'", *at);
    call->arguments = at;
    call->n_arguments = 1;
    if (!at[1])
        return problem_set(problem, CTL_E_USAGE, "'%s' is only half a verb", at[0]);
    if (strcmp(at[1], "--help") == 0 || strcmp(at[1], "-h") == 0) {
        call->options[OPTION_HELP] = "";
        return 0;
    }
    return problem_set(problem, CTL_E_USAGE, "there is no verb '%s %s'", at[0], at[1]);
}

/* "help": all verbs, or one, or those of a group, as --help behind it would say. */
static int take_help(Call *call, char **at, Problem *problem)
{
    size_t n_words = 0;

    call->options[OPTION_HELP] = "";
    if (!*at)
        return 0;
    call->verb = verb_find(at, &n_words);
    if (call->verb)
        return 0;
    if (!is_group(*at) || at[1])
        return problem_set(problem, CTL_E_USAGE, "there is no verb '%s%s%s'", at[0], at[1] ? " " : "", at[1] ? at[1] : "");
    call->arguments = at;
    call->n_arguments = 1;
    return 0;
}

int call_parse(char **argv, Call *ret_call, Problem *problem)
{
    char **at = argv + 1;
    size_t n_words = 0;
    int r;

    *ret_call = (Call){0};
    r = take_leading(ret_call, &at, problem);
    if (r != 0 || asks_for_help(ret_call) || ret_call->options[OPTION_COMPLETE])
        return r;
    if (*at && strcmp(*at, "help") == 0)
        return take_help(ret_call, at + 1, problem);
    ret_call->verb = verb_find(at, &n_words);
    if (!ret_call->verb)
        return without_verb(ret_call, at, problem);
    r = take_rest(ret_call, at + n_words, problem);
    if (r != 0 || asks_for_help(ret_call))
        return r;
    return check_rest(ret_call, problem);
}
