/* SPDX-License-Identifier: Apache-2.0
 *
 * The program: find the verb, read its options, run it, print the one error line.
 */
#include "cli.h"
#include "signals.h"
#include "threads.h"

#include <errno.h>
#include <ito/version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const cli_verb *const verbs[] = {
    &cli_verb_train,  &cli_verb_sample,      &cli_verb_likelihood, &cli_verb_encode,
    &cli_verb_decode, &cli_verb_interpolate, &cli_verb_info,       &cli_verb_forward,
    &cli_verb_bench,  &cli_verb_convert,     &cli_verb_help,
};

const cli_verb *cli_verb_at(int index) {
    return index < (int)(sizeof verbs / sizeof verbs[0]) ? verbs[index] : NULL;
}

const cli_verb *cli_verb_find(const char *name) {
    for (int i = 0; cli_verb_at(i); i++) {
        if (strcmp(cli_verb_at(i)->name, name) == 0) return cli_verb_at(i);
    }
    return NULL;
}

static const char *verb_name(const void *self, int index) {
    (void)self;
    return cli_verb_at(index) ? cli_verb_at(index)->name : NULL;
}

ito_status cli_verb_unknown(const char *name, ito_error *err) {
    const char *near = cli_nearest(name, verb_name, NULL);
    if (near) return ito_error_set(err, ITO_E_ARG, "%s: no such verb: did you mean ito %s?", name, near);
    return ito_error_set(err, ITO_E_ARG, "%s: no such verb: ito --help lists them", name);
}

/* A result that did not reach its reader (a full disk behind a redirection) is a failure. */
static ito_status flush_results(ito_error *err) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return ITO_OK;
    return ito_error_set(err, ITO_E_IO, "standard output: %s: send it elsewhere", strerror(errno));
}

static int run_verb(const cli_verb *verb, int n, char *const *words) {
    ito_error err = {.status = ITO_OK};
    int status = EXIT_FAILED;
    cli_common *options = malloc(verb->size);
    if (!options) {
        ito_error_set(&err, ITO_E_NOMEM, "%s: memory ran out: close other programs", verb->name);
    } else if (cli_parse(verb, n, words, options, &err) != ITO_OK) {
        status = EXIT_USAGE;
    } else if (options->help) {
        cli_help_verb(verb);
        if (flush_results(&err) == ITO_OK) status = EXIT_DONE;
    } else {
        cli_threads_pin(options->threads);
        if (verb->run(options, &err) == ITO_OK && flush_results(&err) == ITO_OK) status = EXIT_DONE;
    }
    if (status != EXIT_DONE) fprintf(stderr, "ito: %s\n", err.message);
    free(options);
    return status;
}

int main(int argc, char **argv) {
    cli_signals_install();
    if (argc < 2) {
        fprintf(stderr, "ito: no verb given: ito --help lists them\n");
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    ito_error err;
    if (strcmp(name, "--version") == 0) {
        printf("ito %s%s%s\n", ITO_VERSION, ITO_VERSION_COMMIT[0] ? " " : "", ITO_VERSION_COMMIT);
    } else if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        cli_help_program();
    } else if (cli_verb_find(name)) {
        return run_verb(cli_verb_find(name), argc - 2, argv + 2);
    } else {
        cli_verb_unknown(name, &err);
        fprintf(stderr, "ito: %s\n", err.message);
        return EXIT_USAGE;
    }
    if (flush_results(&err) == ITO_OK) return EXIT_DONE;
    fprintf(stderr, "ito: %s\n", err.message);
    return EXIT_FAILED;
}
