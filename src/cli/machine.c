/* SPDX-License-Identifier: Apache-2.0
 *
 * The machine and the versions of a measurement. See machine.h.
 */
#include "machine.h"

#include <cjson/cJSON.h>
#include <ito/engine.h>
#include <ito/version.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

static void read_cpu(char *name, size_t size) {
    char line[512];
    FILE *f = fopen("/proc/cpuinfo", "r");
    name[0] = '\0';
    while (f && name[0] == '\0' && fgets(line, sizeof line, f)) {
        const char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !value) continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(name, size, "%s", value + 2);
    }
    if (f) fclose(f);
}

cli_machine cli_machine_read(long long threads) {
    cli_machine m = {.isa = ito_isa_name(ito_isa_detect()),
                     .threads = threads > 0 ? (int)threads : omp_get_max_threads(),
                     .version = ITO_VERSION,
                     .commit = ITO_VERSION_COMMIT,
                     .onednn = ITO_VERSION_ONEDNN};
    read_cpu(m.cpu, sizeof m.cpu);
    return m;
}

void cli_machine_add_json(cJSON *object, const cli_machine *m) {
    cJSON *item = cJSON_AddObjectToObject(object, "machine");
    cJSON_AddStringToObject(item, "cpu", m->cpu);
    cJSON_AddStringToObject(item, "isa", m->isa);
    cJSON_AddNumberToObject(item, "threads", m->threads);
    cJSON_AddStringToObject(item, "version", m->version);
    cJSON_AddStringToObject(item, "commit", m->commit);
    cJSON_AddStringToObject(item, "onednn", m->onednn);
}

void cli_machine_print(const cli_machine *m) {
    printf("%s%s%s, %d thread%s; ito %s%s%s, oneDNN %s\n", m->cpu, m->cpu[0] ? ", " : "", m->isa, m->threads,
           m->threads == 1 ? "" : "s", m->version, m->commit[0] ? " " : "", m->commit,
           m->onednn[0] ? m->onednn : "unknown");
}
