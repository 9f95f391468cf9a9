// SPDX-License-Identifier: GPL-3.0-or-later
// Stands in for libcuda.so.1 and libnvidia-ml.so.1. FAKE_GPU says what goes wrong, FAKE_GPUS how many GPUs there are.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is(const char *what) { const char *mode = getenv("FAKE_GPU"); return mode && !strcmp(mode, what); }
static unsigned count(const char *name) {
    const char *text = getenv(name) ? getenv(name) : getenv("FAKE_GPUS");
    return text ? atoi(text) : 1;
}

int cuInit(unsigned flags) {
    (void)flags;
    const char *mode = getenv("FAKE_GPU");
    if (is("hang")) pause();
    return mode ? atoi(mode) : 0;
}
int cuGetErrorName(int status, const char **name) {
    *name = status == 802 ? "CUDA_ERROR_SYSTEM_NOT_READY" : status == 803 ? "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"
        : status == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : NULL;
    return *name ? 0 : 1;
}
int cuDriverGetVersion(int *version) { *version = 13000; return 0; }
int cuDeviceGetCount(int *found) {
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    *found = visible && !*visible ? 0 : count("FAKE_CUDA_GPUS");
    return 0;
}
int cuDeviceGet(int *device, int index) { *device = index; return 0; }
int cuDeviceGetPCIBusId(char *address, int size, int device) {
    snprintf(address, size, "0000:0%X:00.0", device + 1);
    return 0;
}
int cuDeviceGetName(char *name, int size, int device) { (void)device; snprintf(name, size, "Fake"); return 0; }
int cuDeviceTotalMem_v2(size_t *size, int device) { (void)device; *size = (size_t)16 << 30; return 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) { (void)device; *context = NULL; return 0; }
int cuDevicePrimaryCtxRelease_v2(int device) { (void)device; return 0; }
int cuCtxSetCurrent(void *context) { (void)context; return 0; }
int cuCtxSynchronize(void) { return 0; }
int cuMemAlloc_v2(void **there, size_t size) { if (is("full")) return 2; *there = malloc(size); return 0; }
int cuMemFree_v2(void *there) { free(there); return 0; }
int cuMemAllocHost_v2(void **buffer, size_t size) { *buffer = malloc(size); return 0; }
int cuMemFreeHost(void *buffer) { free(buffer); return 0; }
int cuMemcpyHtoD_v2(void *to, const void *from, size_t size) {
    if (is("crash")) raise(SIGSEGV);
    memcpy(to, from, size);
    return 0;
}
int cuMemcpyDtoH_v2(void *to, const void *from, size_t size) {
    memcpy(to, from, size);
    if (is("wrong")) ((char *)to)[size - 1] ^= 1;
    return 0;
}

struct pci { char legacy[16]; unsigned numbers[5]; char address[32]; };
int nvmlInit_v2(void) { return is("nvml") ? 18 : 0; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int status) { return status == 18 ? "Driver/library version mismatch" : "?"; }
int nvmlDeviceGetCount_v2(unsigned *found) { *found = count("FAKE_NVML_GPUS"); return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) { *handle = (void *)(long)(index + 1); return 0; }
int nvmlDeviceGetPciInfo_v3(void *handle, struct pci *pci) {
    snprintf(pci->address, sizeof pci->address, "00000000:0%lX:00.0", (long)handle);
    return 0;
}
int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
    (void)handle;
    *current = *pending = is("mig");
    return 0;
}
int nvmlDeviceGetTotalEccErrors(void *handle, int type, int counter, unsigned long long *errors) {
    (void)handle; (void)counter;
    *errors = is("ecc") && type == 1 ? 3 : 0;
    return 0;
}
