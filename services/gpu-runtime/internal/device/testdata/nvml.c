/* A driver's management library with two cards, for machines that have none: the calls, structures and codes of nvml.h,
 * compiled by the test. The second card is lost, so that a note must appear for it. */
#include <string.h>

typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned int gpu, memory; } utilization_t;
typedef struct { unsigned int pid; unsigned long long used; unsigned int gi, ci; } process_t;

static int started;
static int cards[2] = {1, 2};

int nvmlInit_v2(void) { started++; return FAIL_INIT; }
int nvmlShutdown(void) { started--; return 0; }
const char *nvmlErrorString(int code) { return code == 15 ? "GPU is lost" : code == 18 ? "Driver/library version mismatch" : "error"; }
static int put(char *out, unsigned n, const char *s) { if (strlen(s) >= n) return 7; strcpy(out, s); return 0; }
int nvmlSystemGetDriverVersion(char *out, unsigned n) { return put(out, n, "580.65.06"); }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = 2; return started > 0 ? 0 : 1; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **h) { *h = &cards[i]; return i == 0 ? 0 : 15; }
int nvmlDeviceGetHandleByUUID(const char *u, void **h) { *h = &cards[0]; return strcmp(u, "GPU-11111111-2222-3333-4444-555555555555") ? 6 : 0; }
int nvmlDeviceGetName(void *h, char *out, unsigned n) { return put(out, n, "NVIDIA Test 80GB"); }
int nvmlDeviceGetUUID(void *h, char *out, unsigned n) { return put(out, n, "GPU-11111111-2222-3333-4444-555555555555"); }
int nvmlDeviceGetMemoryInfo(void *h, memory_t *m) { m->total = 80ull << 30; m->free = 60ull << 30; m->used = 20ull << 30; return 0; }
int nvmlDeviceGetUtilizationRates(void *h, utilization_t *u) { u->gpu = 37; u->memory = 12; return 0; }
int nvmlDeviceGetMigMode(void *h, unsigned *now, unsigned *pending) { *now = *pending = 1; return 0; }
int nvmlDeviceGetComputeRunningProcesses_v3(void *h, unsigned *n, process_t *p) {
	unsigned all = 40; /* more than the caller's first guess */
	if (*n < all) { *n = all; return 7; }
	for (unsigned i = 0; i < all; i++) { p[i].pid = 1000 + i; p[i].used = (unsigned long long)(i + 1) << 20; }
	p[1].used = ~0ull;
	*n = all;
	return 0;
}
