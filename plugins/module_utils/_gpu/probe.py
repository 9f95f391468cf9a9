# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Use every GPU once, and report the result: a separate program, since a broken GPU may hang or kill it.

It runs on any Python from 3.9 on, without packages: ``python3 probe.py driver`` uses the driver's libraries, and
``python3 probe.py framework torch`` one of an environment. It prints a line of JSON for each result,
``[what, value]``; the last ``at`` is where it ended, if it did not reach ``done``.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import json
import os
import sys
import time
from typing import Any

_SIZE = 32 * 1024 * 1024
_REPEATS = 3
_ADDRESS = 32
_UNCORRECTED, _SINCE_BOOT = 1, 0
_MATRIX = 256


def say(what: str, value: Any) -> None:
    sys.stdout.write(json.dumps([what, value]) + "\n")
    sys.stdout.flush()


class CudaError(Exception):
    """A call of the driver's library that failed; ``code`` is CUDA's number of the error."""

    def __init__(self, code: int, name: str) -> None:
        super().__init__(name)
        self.code = code
        self.name = name


class Cuda:
    """The driver's library."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL("libcuda.so.1")

    def call(self, function: str, *arguments: Any) -> None:
        status = getattr(self.library, function)(*arguments)
        if status != 0:
            raise CudaError(status, self.name(status))

    def name(self, status: int) -> str:
        text = ctypes.c_char_p()
        if self.library.cuGetErrorName(status, ctypes.byref(text)) != 0 or text.value is None:
            return "error %d" % status
        return text.value.decode("ascii", "replace")


class PciInfo(ctypes.Structure):
    """NVML's nvmlPciInfo_t."""

    _fields_ = [
        ("legacy", ctypes.c_char * 16),
        ("domain", ctypes.c_uint),
        ("bus", ctypes.c_uint),
        ("device", ctypes.c_uint),
        ("device_id", ctypes.c_uint),
        ("subsystem_id", ctypes.c_uint),
        ("address", ctypes.c_char * _ADDRESS),
    ]


def probe_nvml() -> None:
    """Report what NVML counts: GPUs, whether they are split up, and uncorrected memory errors since boot."""
    say("at", "nvmlInit")
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError as error:
        say("nvml", {"error": -1, "name": str(error), "gpus": []})
        return
    nvml.nvmlErrorString.restype = ctypes.c_char_p
    status = nvml.nvmlInit_v2()
    if status != 0:
        say("nvml", {"error": status, "name": (nvml.nvmlErrorString(status) or b"").decode(), "gpus": []})
        return
    count = ctypes.c_uint(0)
    nvml.nvmlDeviceGetCount_v2(ctypes.byref(count))
    gpus = [_nvml_gpu(nvml, index) for index in range(count.value)]
    say("nvml", {"error": 0, "name": "", "gpus": [gpu for gpu in gpus if gpu is not None]})
    nvml.nvmlShutdown()


def _nvml_gpu(nvml: ctypes.CDLL, index: int) -> dict[str, Any] | None:
    handle = ctypes.c_void_p()
    pci = PciInfo()
    if nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)) != 0:
        return None
    if nvml.nvmlDeviceGetPciInfo_v3(handle, ctypes.byref(pci)) != 0:
        return None
    current, pending = ctypes.c_uint(0), ctypes.c_uint(0)
    split = nvml.nvmlDeviceGetMigMode(handle, ctypes.byref(current), ctypes.byref(pending)) == 0 and current.value == 1
    errors = ctypes.c_ulonglong(0)
    counted = nvml.nvmlDeviceGetTotalEccErrors(handle, _UNCORRECTED, _SINCE_BOOT, ctypes.byref(errors)) == 0
    return {"address": as_sysfs(pci.address.decode()), "mig": split, "ecc_errors": errors.value if counted else None}


def probe_cuda() -> None:
    """Start CUDA, and copy data to each GPU and back."""
    say("at", "cuInit")
    try:
        cuda = Cuda()
        cuda.call("cuInit", 0)
        version, count = ctypes.c_int(0), ctypes.c_int(0)
        cuda.call("cuDriverGetVersion", ctypes.byref(version))
        cuda.call("cuDeviceGetCount", ctypes.byref(count))
    except OSError as error:
        say("cuda", {"error": -1, "name": str(error), "count": 0, "version": ""})
        return
    except CudaError as error:
        say("cuda", {"error": error.code, "name": error.name, "count": 0, "version": ""})
        return
    supported = "%d.%d" % (version.value // 1000, version.value % 1000 // 10)
    say("cuda", {"error": 0, "name": "", "count": count.value, "version": supported})
    for index in range(count.value):
        _probe_gpu(cuda, index)


def _probe_gpu(cuda: Cuda, index: int) -> None:
    say("at", "GPU %d" % index)
    gpu: dict[str, Any] = {"index": index, "address": "", "name": "", "memory_mib": 0, "error": 0, "error_name": ""}
    gpu.update(same=None, to_gpu_gbps=0.0, from_gpu_gbps=0.0)
    try:
        device, memory = ctypes.c_int(0), ctypes.c_size_t(0)
        name, address = ctypes.create_string_buffer(100), ctypes.create_string_buffer(_ADDRESS)
        cuda.call("cuDeviceGet", ctypes.byref(device), index)
        cuda.call("cuDeviceGetPCIBusId", address, _ADDRESS, device)
        gpu["address"] = as_sysfs(address.value.decode())
        say("at", "the copy to the GPU at %s" % gpu["address"])
        cuda.call("cuDeviceGetName", name, len(name), device)
        cuda.call("cuDeviceTotalMem_v2", ctypes.byref(memory), device)
        gpu.update(name=name.value.decode(), memory_mib=memory.value // 2**20)
        gpu.update(_copied(cuda, device))
    except CudaError as error:
        gpu.update(error=error.code, error_name=error.name)
    say("gpu", gpu)


def _copied(cuda: Cuda, device: ctypes.c_int) -> dict[str, Any]:
    """Copy data to a GPU and back through memory that it can reach by itself; speeds are in 10^9 bytes a second."""
    context, there = ctypes.c_void_p(), ctypes.c_uint64(0)
    sent, received = ctypes.c_void_p(), ctypes.c_void_p()
    cuda.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    cuda.call("cuCtxSetCurrent", context)
    cuda.call("cuMemAlloc_v2", ctypes.byref(there), ctypes.c_size_t(_SIZE))
    for buffer in (sent, received):
        cuda.call("cuMemAllocHost_v2", ctypes.byref(buffer), ctypes.c_size_t(_SIZE))
    piece = os.urandom(2**20)
    data = piece * (_SIZE // len(piece))
    ctypes.memmove(sent, data, _SIZE)
    ctypes.memset(received, 0, _SIZE)
    to_gpu = _fastest(cuda, "cuMemcpyHtoD_v2", there, sent)
    from_gpu = _fastest(cuda, "cuMemcpyDtoH_v2", received, there)
    same = ctypes.string_at(received, _SIZE) == data
    for buffer in (sent, received):
        cuda.call("cuMemFreeHost", buffer)
    cuda.call("cuMemFree_v2", there)
    cuda.call("cuDevicePrimaryCtxRelease_v2", device)
    return {"same": same, "to_gpu_gbps": to_gpu, "from_gpu_gbps": from_gpu}


def _fastest(cuda: Cuda, function: str, to: Any, of: Any) -> float:
    best = float("inf")
    for _unused in range(_REPEATS):
        start = time.perf_counter()
        cuda.call(function, to, of, ctypes.c_size_t(_SIZE))
        cuda.call("cuCtxSynchronize")
        best = min(best, time.perf_counter() - start)
    return round(_SIZE / max(best, 1e-9) / 1e9, 2)


def probe_framework(name: str) -> None:
    """Have a framework multiply matrices of small integers on each GPU, and compare them with the CPU's product."""
    say("at", name)
    if importlib.util.find_spec(name) is None:
        say("framework", {"name": name, "installed": False, "version": "", "gpus": 0, "wrong": [], "error": ""})
        return
    found: dict[str, Any] = {"name": name, "installed": True, "version": "", "gpus": 0, "wrong": [], "error": ""}
    try:
        found.update(FRAMEWORKS[name]())
    except Exception as error:  # any exception of a framework is its verdict
        found["error"] = "%s: %s" % (type(error).__name__, str(error).strip().partition("\n")[0])
    say("framework", found)


def _torch() -> dict[str, Any]:
    torch = importlib.import_module("torch")
    count = torch.cuda.device_count()
    # Small integers are exact in every format that a GPU may multiply in.
    left, right = (torch.randint(0, 4, (_MATRIX, _MATRIX)).float() for _unused in range(2))
    expected = left @ right
    wrong = []
    for index in range(count):
        place = "cuda:%d" % index
        say("at", "torch on GPU %d" % index)
        if not torch.equal((left.to(place) @ right.to(place)).cpu(), expected):
            wrong.append(index)
    return {"version": str(torch.__version__), "gpus": count, "wrong": wrong}


def _tensorflow() -> dict[str, Any]:
    tensorflow = importlib.import_module("tensorflow")
    count = len(tensorflow.config.list_physical_devices("GPU"))
    shape = (_MATRIX, _MATRIX)
    values = [tensorflow.random.uniform(shape, 0, 4, dtype=tensorflow.int32) for _unused in range(2)]

    def product(place: str) -> Any:
        with tensorflow.device(place):
            left, right = (tensorflow.cast(value, tensorflow.float32) for value in values)
            return tensorflow.matmul(left, right).numpy()

    expected = product("/CPU:0")
    wrong = []
    for index in range(count):
        say("at", "tensorflow on GPU %d" % index)
        if not (product("/GPU:%d" % index) == expected).all():
            wrong.append(index)
    return {"version": str(tensorflow.__version__), "gpus": count, "wrong": wrong}


FRAMEWORKS = {"torch": _torch, "tensorflow": _tensorflow}


def as_sysfs(address: str) -> str:
    """Return a PCI address, whose domain may have eight digits, as sysfs writes it."""
    return address.lower()[-len("0000:00:00.0") :]


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["framework"]:
        for name in arguments[1:]:
            probe_framework(name)
    else:
        probe_nvml()
        probe_cuda()
    say("done", True)


if __name__ == "__main__":
    main(sys.argv[1:])
