/* A stand-in for NVIDIA's libnvidia-ml.so.1, scripted by the text file that FAKE_NVML names.
 *
 *   init CODE                  what nvmlInit returns
 *   count CODE                 what nvmlDeviceGetCount returns
 *   log PATH                   where init and shutdown are noted
 *   card NAME|BUS_ID|UUID|TOTAL|FREE|DISPLAY|MIG|ERROR|WHERE
 *
 * DISPLAY and MIG are 0, 1 or -1 (not supported). ERROR is a code that WHERE (handle, name, memory, pci, uuid
 * or -) returns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CARDS = 16, NOT_SUPPORTED = 3, INVALID_ARGUMENT = 2, UNINITIALIZED = 1 };

typedef struct {
    char name[96], bus_id[32], uuid[96], where[16];
    unsigned long long total, free_bytes;
    int display, mig, error;
} Card;

typedef struct {
    char legacy_bus_id[16];
    unsigned int domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
} PciInfo;

typedef struct {
    unsigned long long total, free_bytes, used;
} Memory;

static Card cards[MAX_CARDS];
static int n_cards, init_code, count_code, initialised;
static char log_path[512];

static void read_script(void) {
    char line[1024];
    FILE *script = fopen(getenv("FAKE_NVML"), "r");
    n_cards = 0;
    while (script && fgets(line, sizeof line, script)) {
        Card *card = &cards[n_cards];
        if (sscanf(line, "init %d", &init_code) == 1 || sscanf(line, "count %d", &count_code) == 1 ||
            sscanf(line, "log %511s", log_path) == 1)
            continue;
        if (n_cards < MAX_CARDS &&
            sscanf(line, "card %95[^|]|%31[^|]|%95[^|]|%llu|%llu|%d|%d|%d|%15s", card->name, card->bus_id, card->uuid,
                   &card->total, &card->free_bytes, &card->display, &card->mig, &card->error, card->where) == 9)
            n_cards++;
    }
    if (script)
        fclose(script);
}

static void note(const char *what) {
    FILE *log = log_path[0] ? fopen(log_path, "a") : NULL;
    if (log) {
        fprintf(log, "%s\n", what);
        fclose(log);
    }
}

static int fails(const Card *card, const char *where) {
    if (!initialised)
        return UNINITIALIZED;
    return strcmp(card->where, where) == 0 ? card->error : 0;
}

static int copy(char *target, unsigned int size, const char *text) {
    snprintf(target, size, "%s", text);
    return 0;
}

int nvmlInitWithFlags(unsigned int flags) {
    (void)flags;
    read_script();
    note("init");
    initialised = init_code == 0;
    return init_code;
}

int nvmlShutdown(void) {
    note("shutdown");
    initialised = 0;
    return 0;
}

const char *nvmlErrorString(int code) {
    (void)code;
    return "scripted error";
}

int nvmlDeviceGetCount_v2(unsigned int *count) {
    *count = (unsigned int)n_cards;
    return initialised ? count_code : UNINITIALIZED;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **handle) {
    if (index >= (unsigned int)n_cards)
        return INVALID_ARGUMENT;
    *handle = &cards[index];
    return fails(&cards[index], "handle");
}

int nvmlDeviceGetName(Card *card, char *name, unsigned int size) {
    return fails(card, "name") ? card->error : copy(name, size, card->name);
}

int nvmlDeviceGetUUID(Card *card, char *uuid, unsigned int size) {
    return fails(card, "uuid") ? card->error : copy(uuid, size, card->uuid);
}

int nvmlDeviceGetPciInfo_v3(Card *card, PciInfo *info) {
    memset(info, 0, sizeof *info);
    return fails(card, "pci") ? card->error : copy(info->bus_id, sizeof info->bus_id, card->bus_id);
}

int nvmlDeviceGetMemoryInfo(Card *card, Memory *memory) {
    memory->total = card->total;
    memory->free_bytes = card->free_bytes;
    memory->used = card->total - card->free_bytes;
    return fails(card, "memory");
}

int nvmlDeviceGetDisplayActive(Card *card, int *active) {
    *active = card->display;
    return card->display < 0 ? NOT_SUPPORTED : 0;
}

#ifndef OLD_DRIVER /* older drivers lack this function altogether */
int nvmlDeviceGetMigMode(Card *card, unsigned int *current, unsigned int *pending) {
    *current = *pending = card->mig > 0;
    return card->mig < 0 ? NOT_SUPPORTED : 0;
}
#endif
