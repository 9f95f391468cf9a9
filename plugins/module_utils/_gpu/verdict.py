# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The verdict on a node's GPUs: which of them work, and what to do about the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.pci import Device

#: What to do about errors of CUDA's driver interface, by their numbers.
_REMEDIES = {
    -1: "Install the driver's libraries: no program can use a GPU without libcuda.so.1",
    2: "Its memory is in use: see `processes` of gpu_facts, and stop processes that should not run",
    34: "A stub of the toolkit is found before the driver's libcuda.so.1: remove it from LD_LIBRARY_PATH",
    46: "A process uses it exclusively: see `nvidia-smi -q -d COMPUTE`, and `processes` of gpu_facts",
    100: "No GPU is visible to CUDA: see `nvidia-smi -L`, and whether MIG is on without an instance",
    214: "Its memory has uncorrectable errors: drain the node, see `nvidia-smi -q -d ECC,ROW_REMAPPER`, reboot",
    304: "The device files can't be opened: see the rights of /dev/nvidia*, and the container's devices",
    802: "The fabric manager is not ready: it must have the driver's version, and be active; see"
    " `systemctl status nvidia-fabricmanager` and `nvidia-smi -q | grep -A2 Fabric`. Without NVSwitch see"
    " `dmesg | grep nvidia-uvm`: if it could not get memory, set uvm_disable_hmm=1 for nvidia_uvm in modprobe.d",
    803: "The loaded module and libcuda.so.1 are of different versions: reboot the node after draining it",
    804: "Libraries of cuda-compat are used with a GPU that can't use them: remove them from ld.so.conf.d",
    999: "See `dmesg | grep -e NVRM -e Xid`, and whether nvidia_uvm is loaded: `modprobe nvidia_uvm`",
}
#: The same about errors of NVML, by its own numbers.
_NVML_REMEDIES = {
    -1: "Install the driver's libraries",
    9: "No module is loaded: `modprobe nvidia` and `dmesg | grep NVRM` show the reason",
    18: _REMEDIES[803],
}
_ELSE = "See `dmesg | grep -e NVRM -e Xid`; if it stays, drain and reboot the node"


@dataclass(frozen=True)
class Bounds:
    """What is required of a node, as the options of the module ``gpu_check``; speeds in 10^9 bytes a second."""

    min_gpus: int = 0
    min_bandwidth_gbps: float = 0.0
    max_ecc_errors: int = 0


@dataclass(frozen=True)
class Heard:
    """What a probe reported, and how it ended: ``how`` is empty where it completed."""

    events: Sequence[tuple[str, Any]] = ()
    how: str = ""

    def one(self, what: str, default: Any = None) -> Any:
        return next((value for name, value in self.events if name == what), default)

    def every(self, what: str) -> list[Any]:
        return [value for name, value in self.events if name == what]

    def place(self) -> str:
        return str(self.every("at")[-1]) if self.every("at") else "its start"


@dataclass(frozen=True)
class Verdict:
    """What the module ``gpu_check`` returns, which describes it."""

    present: bool
    cuda: str = ""
    gpus: Sequence[Mapping[str, Any]] = ()
    frameworks: Sequence[Mapping[str, Any]] = ()
    problems: Sequence[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems

    @property
    def text(self) -> str:
        if self.problems:
            return " ".join(self.problems)
        if not self.present:
            return "no GPU"
        return "%d GPU%s" % (len(self.gpus), " works" if len(self.gpus) == 1 else "s work")


def without_gpu(bounds: Bounds) -> Verdict:
    """Return the verdict on a node that has no GPU."""
    return Verdict(False, problems=_too_few(0, bounds))


def of_driver(devices: Sequence[Device], heard: Heard, bounds: Bounds, *, container: bool) -> Verdict:
    """Return the verdict on a node's GPUs.

    Parameters
    ----------
    devices
        Those on the PCI bus that are not passed through to virtual machines.
    heard
        What the probe of the driver reported.
    container
        Whether the node is a container, which may have been given a part of the machine's GPUs.
    """
    problems = []
    cuda, nvml = heard.one("cuda"), heard.one("nvml", {"error": 0, "name": "", "gpus": []})
    if heard.how:
        problems.append("The check %s at %s. %s." % (heard.how, heard.place(), _ELSE))
    if nvml["error"]:
        problems.append("NVML does not start: %s. %s." % (nvml["name"], _NVML_REMEDIES.get(nvml["error"], _ELSE)))
    if cuda and cuda["error"]:
        problems.append(_described("CUDA does not start", cuda["error"], cuda["name"]))
    split = any(gpu["mig"] for gpu in nvml["gpus"])
    counted = {gpu["address"]: gpu for gpu in nvml["gpus"]}
    gpus = [_judged(gpu, counted.get(gpu["address"], {}), bounds) for gpu in heard.every("gpu")]
    problems += ["GPU %s: %s" % (gpu["address"], problem) for gpu in gpus for problem in gpu["problems"]]
    if not problems:
        seen = {gpu["address"] for gpu in gpus}
        lost = [] if split else sorted(set(counted) - seen)
        problems += ["GPU %s: NVML has it, but CUDA does not. %s." % (address, _ELSE) for address in lost]
        kept = [] if container else devices
        problems += [
            "GPU %s: it is on the PCI bus, but the driver does not have it (%s). %s."
            % (device.address, device.bound or "no driver is bound", _ELSE)
            for device in kept
            if device.address not in seen | set(counted)
        ]
        problems += _too_few(len(seen), bounds)
    return Verdict(True, cuda["version"] if cuda else "", gpus, (), problems)


def of_frameworks(verdict: Verdict, heard: Heard, environment: str) -> Verdict:
    """Return a verdict with what the frameworks of an environment report about the same GPUs."""
    frameworks = [one for one in heard.every("framework") if one["installed"]]
    expected = len(verdict.gpus)
    problems = []
    if heard.how:
        problems.append("%s: the check %s at %s. %s." % (environment, heard.how, heard.place(), _ELSE))
    for one in frameworks:
        name = "%s %s of %s" % (one["name"], one["version"], environment)
        if one["error"]:
            problems.append("%s fails: %s." % (name, one["error"]))
        elif one["gpus"] != expected:
            problems.append(
                "%s sees %d of %d GPUs: install a build of it for a CUDA version up to %s."
                % (name, one["gpus"], expected, verdict.cuda)
            )
        elif one["wrong"]:
            which = ", ".join(map(str, one["wrong"]))
            problems.append("%s computes other results on GPU %s than on the CPU. %s." % (name, which, _ELSE))
    return Verdict(verdict.present, verdict.cuda, verdict.gpus, frameworks, [*verdict.problems, *problems])


def _judged(gpu: Mapping[str, Any], counted: Mapping[str, Any], bounds: Bounds) -> dict[str, Any]:
    problems = []
    errors = counted.get("ecc_errors")
    if gpu["error"]:
        problems.append(_described("it can't be used", gpu["error"], gpu["error_name"]))
    elif not gpu["same"]:
        problems.append(
            "data came back changed. Drain the node, and replace the GPU if it happens again after a reboot."
        )
    else:
        problems += [
            "the copy %s reaches %.1f GB/s, less than %.1f. See `nvidia-smi -q -d PERFORMANCE` and the link's width:"
            " `nvidia-smi -q | grep -A8 'GPU Link Info'`." % (way, gpu[key], bounds.min_bandwidth_gbps)
            for way, key in (("to it", "to_gpu_gbps"), ("from it", "from_gpu_gbps"))
            if gpu[key] < bounds.min_bandwidth_gbps
        ]
    if errors is not None and errors > bounds.max_ecc_errors:
        problems.append("%d errors of its memory were not corrected since boot. %s." % (errors, _REMEDIES[214]))
    keys = ("address", "name", "memory_mib", "to_gpu_gbps", "from_gpu_gbps")
    return {**{key: gpu[key] for key in keys}, "ecc_errors": errors, "ok": not problems, "problems": problems}


def _described(what: str, code: int, name: str) -> str:
    number = "%s (%d)" % (name, code) if code > 0 else name
    return "%s: %s. %s." % (what, number, _REMEDIES.get(code, _ELSE))


def _too_few(count: int, bounds: Bounds) -> list[str]:
    if count >= bounds.min_gpus:
        return []
    return ["The node has %d GPU%s, and min_gpus is %d." % (count, "" if count == 1 else "s", bounds.min_gpus)]
