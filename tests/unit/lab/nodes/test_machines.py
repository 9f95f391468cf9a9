# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from lab import paths, wait
from lab.errors import LabError
from lab.images.machine_image import Disks, Firmware
from lab.nodes import machines
from lab.nodes.machines import Machine

NETWORK = IPv4Network("10.0.0.0/24")
DISKS = Disks(Path("/b"), Path("/r"), Path("/k"))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(paths, "STATE", tmp_path)
    made = Machine("demo", "debian12vm-1")
    made.folder.mkdir(parents=True)
    (made.folder / "address").write_text("10.0.0.65")
    return made


def test_machines_get_addresses_that_containers_do_not() -> None:
    assert str(machines.free_address(NETWORK, set())) == "10.0.0.64"
    assert str(machines.free_address(NETWORK, {"10.0.0.64", "10.0.0.66", ""})) == "10.0.0.65"
    with pytest.raises(LabError, match="no address"):
        machines.free_address(NETWORK, {f"10.0.0.{number}" for number in range(64, 128)})


def test_an_interface_has_a_name_that_linux_takes() -> None:
    assert machines.interface("10.0.0.65") == "evk0a000041"
    assert len(machines.interface("255.255.255.255")) < 16


def test_a_machine_is_told_its_name_and_its_address(machine: Machine) -> None:
    argv = machines.run_arguments(machine, DISKS, ["-accel", "tcg"], NETWORK)
    assert "type=1,serial=debian12vm-1,sku=10.0.0.65/24" in argv
    assert "virtio-net-pci,netdev=lab,mac=52:54:0a:00:00:41,romfile=" in argv


def test_secure_boot_is_of_firmware_whose_variables_are_the_machines_own(machine: Machine) -> None:
    firmware = Firmware(Path("/code"), Path("/variables"), Path("/partition"))
    argv = machines.run_arguments(machine, replace(DISKS, firmware=firmware), ["-accel", "tcg"], NETWORK)
    drives = [argv[at + 1] for at, argument in enumerate(argv) if argument == "-drive"]
    assert drives[0] == "file=/code,if=pflash,unit=0,format=raw,readonly=on"
    assert drives[1] == f"file={machine.variables},if=pflash,unit=1,format=raw"
    assert not any(drive.startswith("file=/variables") for drive in drives)
    assert argv[argv.index("-smp") + 1] == "1"


@pytest.mark.parametrize(
    ("said", "key"),
    [("", ""), ("ssh-ed25519 AAAA ops", ""), ("noise\nssh-ed25519 AAAA ops\r\n", "ssh-ed25519 AAAA ops")],
)
def test_a_host_key_counts_once_it_is_complete(machine: Machine, said: str, key: str) -> None:
    (machine.folder / "host_key").write_text(said, newline="")
    assert machine.host_key == key


def test_a_machine_that_is_off_says_what_its_console_ended_with(machine: Machine) -> None:
    machine.console.write_text("first\n" + "Kernel panic\n" * 20)
    with pytest.raises(LabError, match="Kernel panic") as error:
        machines.require_alive(machine)
    assert "first" not in str(error.value)


def test_a_process_without_a_record_is_found_and_removed(machine: Machine) -> None:
    waits = [sys.executable, "-c", "import signal; signal.pause()", machine.serial_port()]
    with subprocess.Popen(waits) as process:
        try:
            wait.until(lambda: machine.pid == process.pid, "the process is found", "", seconds=30)
            machines.require_alive(machine)
        finally:
            process.kill()
    assert machine.pid is None
    machines.remove(machines.machines("demo"))
    assert machines.machines() == []


def test_machines_of_other_groups_are_left_alone(machine: Machine) -> None:
    other = Machine("other", "debian12vm-1")
    other.folder.mkdir(parents=True)
    assert machines.machines("demo") == [machine]
    machines.remove([machine])
    assert machines.machines() == [other]
