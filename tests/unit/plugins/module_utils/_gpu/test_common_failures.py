# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/gpu.md says that Evenkeel reports on common failures is what it reports."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.evenkeel.gpu.plugins.filter import gpu_users
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import (
    cdi,
    dkms,
    driver,
    driver_request,
    kernel_packages,
    linux_kernels,
    reboot,
    secure_boot,
    verdict,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import facts as gpu_facts
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.driver_request import Desired
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.kernel_packages import Form
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel, Module
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.loaded_driver import Loaded
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.pci import Device
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Change
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import apt, foreign_sources, transaction
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.foreign_sources import Foreign
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Step
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import driver_choice, driver_obstacles, gpus

from tests.unit.plugins.module_utils._os_packages.fakes import FakeManager

ROOT = Path(__file__).parents[5]
VERSION = "580.178.04"
DESIRED = Desired("open", gpu=True, version=VERSION, family=("nvidia-*",))
OPEN = Kernel("6.1.0-49-amd64", running=True, modules=(Module(VERSION, "open"),))
T4 = Device("0000:01:00.0", "0x1eb8", "nvidia")
NO_PEERS = {"ofed": False, "legacy": False, "stale": []}
UNHINDERED = {
    "gpus": [],
    "virtualization": {"container": "", "vm": ""},
    "driver": {"installed": VERSION},
    "fabric_manager": {"missing": []},
    "imex": {"needed": False, "configured": False},
    "peer_memory": NO_PEERS,
}


def reasons(loaded: Loaded) -> str:
    return "; ".join(reboot.reasons(loaded, [OPEN], gpu=True, container=False))


def raised(function: Callable[..., object], *arguments: object, **options: object) -> str:
    with pytest.raises(EvenkeelError) as error:
        function(*arguments, **options)
    return str(error.value)


def without_module(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(linux_kernels, "read", lambda system: [Kernel("6.1.0-50-amd64")])
    run = driver.Run(DESIRED, check_mode=False, system=Sysroot(), manager=FakeManager())
    return raised(driver.require_modules, run)


def failed_build(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(dkms, "keep_log", lambda log, version, kernel: "/var/log/evenkeel/x.log")
    log = "/var/lib/dkms/nvidia/590.48.01/build/nvidia.c:12:5: error: implicit declaration of function 'x'\n"
    return str(dkms.failed("6.1.0-49-amd64", "590.48.01", "/nowhere", Done(2, log, "")))


def wrong_flavour(monkeypatch: pytest.MonkeyPatch) -> str:
    v100 = {"device_id": "0x1db1", "name": "Tesla V100"}
    return " ".join(driver_choice.choose_flavour([{**v100, **gpus.known(v100)}], "open")[1])


def fabric_manager(monkeypatch: pytest.MonkeyPatch) -> str:
    cuda = {"error": 802, "name": "CUDA_ERROR_SYSTEM_NOT_READY", "count": 0, "version": ""}
    return verdict.of_driver([T4], verdict.Heard([("cuda", cuda)]), verdict.Bounds(), container=False).text


def untrusted(monkeypatch: pytest.MonkeyPatch) -> str:
    answers = ("W: GPG error: EXPKEYSIG A4B469963BF863CC cudatools", "E: Failed to fetch x  Hash Sum mismatch")
    return " ".join(str(apt.explain_update(answer, "the repository")) for answer in answers)


def taken_over(monkeypatch: pytest.MonkeyPatch) -> str:
    path = "/etc/apt/sources.list.d/cuda-ubuntu2404-x86_64.list"
    return str(Foreign(Change(path, None, None), Change(foreign_sources.kept_path(path), None, None)))


def without_modules(monkeypatch: pytest.MonkeyPatch) -> str:
    missing = gpu_facts.missing_for_fabric([Device("0000:1b:00.0", "0x2901")] * 8, nvlink5=True, ready=False)
    return " ".join(
        driver_obstacles.notes({**UNHINDERED, "fabric_manager": {"missing": missing}}, VERSION, source="nvidia")
    )


def old_peer_memory(monkeypatch: pytest.MonkeyPatch) -> str:
    facts = {**UNHINDERED, "driver": {"installed": "580.159.03"}, "peer_memory": {**NO_PEERS, "legacy": True}}
    return " ".join(driver_obstacles.problems(facts, VERSION))


def stale_peer_memory(monkeypatch: pytest.MonkeyPatch) -> str:
    facts = {**UNHINDERED, "peer_memory": {**NO_PEERS, "ofed": True, "stale": ["6.8.0-51-generic"]}}
    return " ".join(driver_obstacles.notes(facts, VERSION, source="nvidia"))


def in_use(monkeypatch: pytest.MonkeyPatch) -> str:
    tasks = yaml.safe_load((ROOT / "playbooks/tasks/upgrade_node.yml").read_text())
    (block,) = (task["block"] for task in tasks if "block" in task)
    (refuse,) = [task for task in block if task["name"] == "Refuse while a GPU is in use"]
    process = {"pid": 4711, "command": "python", "user": "alice", "devices": [], "unit": "jobs.service"}
    users = gpu_users.FilterModule().filters()["gpu_users"]([process], [])
    templar = Templar(DataLoader(), {"inventory_hostname": "gpu01", "__upgrade_in_the_way": users})
    return str(templar.template(trust_as_template(refuse["ansible.builtin.assert"]["fail_msg"])))


#: By the first words of a row: what Evenkeel reports then.
REPORTS: dict[str, Callable[[pytest.MonkeyPatch], str]] = {
    "`Driver/library version mismatch`": lambda patch: reasons(Loaded("580.159.03", "open")),
    "Another flavour": lambda patch: reasons(Loaded(VERSION, "proprietary")),
    "A new kernel without": without_module,
    "A kernel too new": failed_build,
    "No built module": lambda patch: str(
        kernel_packages.refusal(
            Form("apt", "linux-modules-nvidia-580-server-open-{kernel}"),
            {"6.8.0-51-generic": "linux-modules-nvidia-580-server-open-6.8.0-51-generic"},
        )
    ),
    "`No devices were found`": wrong_flavour,
    "A repository moves": lambda patch: raised(
        transaction.judge, driver_request.packages(DESIRED), [Step("nvidia-smi", "", "590.48.01-1")]
    ),
    "nouveau still holds": lambda patch: reasons(Loaded(nouveau=True)),
    "CUDA error 802": fabric_manager,
    "Eight B200": without_modules,
    "GPUDirect RDMA fails after a driver": old_peer_memory,
    "GPUDirect RDMA fails after an upgrade": stale_peer_memory,
    "Containers fail": lambda patch: cdi.Specification("/etc/cdi/nvidia.yaml", ("535.274.02",)).why_stale(VERSION),
    "A repository's key": untrusted,
    "Two entries give": taken_over,
    "The GPU is in use": in_use,
    "Secure Boot refuses": lambda patch: raised(
        secure_boot.require_enrolled, secure_boot.Key("/nowhere/mok.pub", "/nowhere/mok.key"), make=False
    ),
}


def rows() -> list[list[str]]:
    section = (ROOT / "docs/gpu.md").read_text().partition("## Common failures")[2].partition("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1:]]


def test_every_row_is_held_to_what_is_reported() -> None:
    found = {name: [row for row in rows() if row[0].startswith(name)] for name in REPORTS}
    assert {name: len(of) for name, of in found.items()} == dict.fromkeys(REPORTS, 1)
    assert len(rows()) == len(REPORTS)


@pytest.mark.parametrize("name", REPORTS)
def test_what_is_documented_is_what_is_reported(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = [row for row in rows() if row[0].startswith(name)]
    quotes = re.findall(r"`([^`]+)`", row[1])
    assert quotes
    said = REPORTS[name](monkeypatch)
    for quote in quotes:
        pattern = re.sub(r"KERNEL|VERSION|KEY\b|\\\.\\\.\\\.", ".*", re.escape(quote))
        assert re.search(pattern, said), said
