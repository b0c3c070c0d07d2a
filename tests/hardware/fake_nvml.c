/* A stand-in for NVIDIA's libnvidia-ml.so.1, scripted by the text file that FAKE_NVML names.
 *
 *   init CODE                  what nvmlInit returns
 *   count CODE                 what nvmlDeviceGetCount returns
 *   log PATH                   where init and shutdown are noted
 *   card NAME|BUS_ID|UUID|TOTAL|FREE|DISPLAY|MIG|ERROR|WHERE
 *   meters CLOCK|WIDTH|TEMPERATURE|LOAD     of the card above: MHz, bits, degrees, percent; -1 is not supported
 *   process KIND|PID|BYTES|NAME             on the card above: KIND is c (compute) or g (graphics); -1 bytes unknown
 *
 * DISPLAY and MIG are 0, 1 or -1 (not supported). ERROR is a code that WHERE (handle, name, memory, pci, uuid
 * or -) returns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CARDS = 16, MAX_PROCESSES = 8, INSUFFICIENT_SIZE = 7, NOT_FOUND = 6 };
enum { NOT_SUPPORTED = 3, INVALID_ARGUMENT = 2, UNINITIALIZED = 1 };

typedef struct {
    unsigned int pid;
    unsigned long long used;
    unsigned int gpu_instance, compute_instance;
} ProcessInfo;

typedef struct {
    char kind, name[96];
    ProcessInfo info;
} Process;

typedef struct {
    char name[96], bus_id[32], uuid[96], where[16];
    unsigned long long total, free_bytes;
    int display, mig, error;
    int clock, width, temperature, load, n_processes;
    Process processes[MAX_PROCESSES];
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

static void read_process(const char *line) {
    Card *card = &cards[n_cards ? n_cards - 1 : 0];
    Process *process = &card->processes[card->n_processes];
    long long used;
    if (card->n_processes < MAX_PROCESSES &&
        sscanf(line, "process %c|%u|%lld|%95[^\n]", &process->kind, &process->info.pid, &used, process->name) == 4) {
        process->info.used = (unsigned long long)used;
        card->n_processes++;
    }
}

static void read_script(void) {
    char line[1024];
    FILE *script = fopen(getenv("FAKE_NVML"), "r");
    n_cards = 0;
    memset(cards, 0, sizeof cards);
    while (script && fgets(line, sizeof line, script)) {
        Card *card = &cards[n_cards];
        if (sscanf(line, "init %d", &init_code) == 1 || sscanf(line, "count %d", &count_code) == 1 ||
            sscanf(line, "log %511s", log_path) == 1)
            continue;
        Card *last = &cards[n_cards ? n_cards - 1 : 0];
        read_process(line);
        if (sscanf(line, "meters %d|%d|%d|%d", &last->clock, &last->width, &last->temperature, &last->load) == 4)
            continue;
        card->clock = card->width = card->temperature = card->load = -1;
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

static int answer(unsigned int *target, int value) {
    *target = (unsigned int)value;
    return value < 0 ? NOT_SUPPORTED : 0;
}

int nvmlDeviceGetTemperature(Card *card, unsigned int sensor, unsigned int *degrees) {
    (void)sensor;
    return answer(degrees, card->temperature);
}

int nvmlDeviceGetMaxClockInfo(Card *card, unsigned int kind, unsigned int *mhz) {
    return kind == 2 ? answer(mhz, card->clock) : INVALID_ARGUMENT; /* 2 is the memory's */
}

int nvmlDeviceGetMemoryBusWidth(Card *card, unsigned int *bits) {
    return answer(bits, card->width);
}

int nvmlDeviceGetUtilizationRates(Card *card, unsigned int *rates) {
    rates[1] = 0;
    return answer(&rates[0], card->load);
}

int nvmlSystemGetDriverVersion(char *version, unsigned int size) {
    return copy(version, size, "570.86.10");
}

int nvmlSystemGetProcessName(unsigned int pid, char *name, unsigned int size) {
    for (int card = 0; card < n_cards; card++)
        for (int index = 0; index < cards[card].n_processes; index++)
            if (cards[card].processes[index].info.pid == pid)
                return copy(name, size, cards[card].processes[index].name);
    return NOT_FOUND;
}

static int list_processes(const Card *card, char kind, unsigned int *count, ProcessInfo *infos) {
    unsigned int room = *count;
    *count = 0;
    for (int index = 0; index < card->n_processes; index++)
        if (card->processes[index].kind == kind && (*count)++ < room)
            infos[*count - 1] = card->processes[index].info;
    return *count > room ? INSUFFICIENT_SIZE : 0;
}

#ifdef OLD_DRIVER
#define nvmlDeviceGetComputeRunningProcesses_v3 nvmlDeviceGetComputeRunningProcesses_v2
#define nvmlDeviceGetGraphicsRunningProcesses_v3 nvmlDeviceGetGraphicsRunningProcesses_v2
#endif

int nvmlDeviceGetComputeRunningProcesses_v3(Card *card, unsigned int *count, ProcessInfo *infos) {
    return list_processes(card, 'c', count, infos);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(Card *card, unsigned int *count, ProcessInfo *infos) {
    return list_processes(card, 'g', count, infos);
}
