/* SPDX-License-Identifier: Apache-2.0
 *
 * ito help: the list of verbs, and the help of one verb from its table of options.
 */
#include "cli.h"

#include <stdio.h>
#include <string.h>

#define HELP_COLUMN 30
#define HELP_WIDTH  100

/* Prints text from the current column, indenting what follows a line break. */
static void print_wrapped(const char *text, int column, int indent) {
    while (*text) {
        size_t length = strcspn(text, " \n");
        if (column > indent && column + 1 + (int)length > HELP_WIDTH) {
            printf("\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            column += printf(" ");
        }
        printf("%.*s", (int)length, text);
        column += (int)length;
        text += length;
        if (*text == '\n') {
            printf("\n%*s", indent, "");
            column = indent;
        }
        if (*text) text++;
    }
    putchar('\n');
}

static void print_option(const cli_option *o) {
    char left[64], help[768];
    snprintf(left, sizeof left, "  %c%c%s --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
             o->letter ? "," : " ", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
    size_t used = (size_t)snprintf(help, sizeof help, "%s", o->help);
    for (int i = 0; o->choices && o->choices(i) && used < sizeof help; i++) {
        used += (size_t)snprintf(help + used, sizeof help - used, "%s%s", i ? ", " : ": ", o->choices(i));
    }
    printf("%-*s", HELP_COLUMN, left);
    if ((int)strlen(left) >= HELP_COLUMN) printf("\n%*s", HELP_COLUMN, "");
    print_wrapped(help, HELP_COLUMN, HELP_COLUMN);
}

static void print_listing(const cli_listing *l) {
    enum { NAME_COLUMN = 24 };
    printf("\n%s:\n", l->title);
    for (int i = 0; l->name(i); i++) {
        printf("  %-*s", NAME_COLUMN - 2, l->name(i));
        print_wrapped(l->summary(i), NAME_COLUMN, NAME_COLUMN);
    }
}

void cli_help_verb(const cli_verb *verb) {
    printf("Usage: ito %s %s [options]\n\n", verb->name, verb->words);
    print_wrapped(verb->about, 0, 0);
    if (verb->options) {
        printf("\nOptions:\n");
        for (const cli_option *o = verb->options; o->name; o++) print_option(o);
    }
    printf("\nOptions of every verb:\n");
    for (const cli_option *o = cli_common_options; o->name; o++) print_option(o);
    for (const cli_listing *l = verb->listings; l && l->title; l++) print_listing(l);
}

void cli_help_program(void) {
    printf("Usage: ito VERB ARGUMENTS [options]\n\n"
           "Trains, samples and measures score-based generative models through SDEs.\n\nVerbs:\n");
    for (int i = 0; cli_verb_at(i); i++)
        printf("  %-11s %s\n", cli_verb_at(i)->name, cli_verb_at(i)->summary);
    printf("\nResults go to standard output, progress and messages to standard error.\n"
           "Exit status: 0 done, 1 failed, 2 wrong usage. `ito help VERB` shows a verb's options,\n"
           "`ito --version` the version.\n");
}

static ito_status check(const void *options, ito_error *err) {
    const cli_common *common = options;
    if (common->words.count == 0 || cli_verb_find(common->words.item[0])) return ITO_OK;
    return cli_verb_unknown(common->words.item[0], err);
}

static ito_status run(const void *options, ito_error *err) {
    const cli_common *common = options;
    (void)err;
    if (common->words.count == 0) {
        cli_help_program();
    } else {
        cli_help_verb(cli_verb_find(common->words.item[0]));
    }
    return ITO_OK;
}

const cli_verb cli_verb_help = {
    .name = "help",
    .words = "[VERB]",
    .summary = "explain a verb and its options",
    .about = "Shows the list of verbs, or the options of one.",
    .most_words = 1,
    .size = sizeof(cli_common),
    .check = check,
    .run = run,
};
