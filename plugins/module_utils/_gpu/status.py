# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What the loaded driver reports about its GPUs."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

_FOLDER = "/proc/driver/nvidia"
_FIELDS = "pci.bus_id,name,uuid,memory.total,mig.mode.current"
_SECONDS = 20


@dataclass(frozen=True)
class Status:
    """What a driver reports about a GPU; empty or None is not known. ``memory_mib`` is in MiB."""

    name: str = ""
    uuid: str = ""
    memory_mib: int | None = None
    mig: str = ""


def read(system: Sysroot) -> dict[str, Status]:
    """Return what is reported about each GPU, by its PCI address."""
    if not system.exists(_FOLDER):
        return {}
    return {**_from_proc(system), **(parse(_ask(_FIELDS)) if system.is_own else {})}


def fabric_state(system: Sysroot) -> str:
    """Return how far the GPUs are in joining the NVLink fabric, such as ``Completed``; all states if GPUs differ."""
    if not system.is_own or not system.exists(_FOLDER):
        return ""
    return ", ".join(sorted({line.strip() for line in _ask("fabric.state").splitlines() if line.strip()}))


def parse(output: str) -> dict[str, Status]:
    """Read the answer of nvidia-smi, in CSV without header and units."""
    found = {}
    for line in output.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == len(_FIELDS.split(",")):
            address, name, uuid, memory, mig = cells
            found[_as_sysfs(address)] = Status(
                name,
                uuid,
                int(memory) if memory.isdigit() else None,
                mig.lower() if mig in ("Enabled", "Disabled") else "",
            )
    return found


def parse_information(text: str) -> dict[str, str]:
    """Read ``information`` of a GPU below /proc/driver/nvidia."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _unused, value in pairs}


def _from_proc(system: Sysroot) -> dict[str, Status]:
    found = {}
    for address in system.names(_FOLDER + "/gpus"):
        fields = parse_information(system.text("%s/gpus/%s/information" % (_FOLDER, address)))
        parts = "%s/capabilities/gpu%s/mig" % (_FOLDER, fields.get("Device Minor", ""))
        mig = "enabled" if system.names(parts, "gi") else ""
        uuid = fields.get("GPU UUID", "")
        found[address] = Status(fields.get("Model", ""), "" if "?" in uuid else uuid, None, mig)
    return found


def _ask(fields: str) -> str:
    """Return nvidia-smi's answer, or nothing where it has none: it refuses where library and module differ."""
    if not any(os.access(os.path.join(folder, "nvidia-smi"), os.X_OK) for folder in os.get_exec_path()):
        return ""
    argv = ["nvidia-smi", "--query-gpu=" + fields, "--format=csv,noheader,nounits"]
    try:
        done = command.run(argv, timeout=_SECONDS)
    except EvenkeelError:
        return ""
    return done.output if done.status == 0 else ""


def _as_sysfs(address: str) -> str:
    """Return an address of nvidia-smi, whose domain has eight digits, as sysfs says it."""
    return address.lower()[-len("0000:00:00.0") :]
