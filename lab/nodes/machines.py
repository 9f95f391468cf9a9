# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines: each has a kernel, a boot loader and a disk of its own, and an address on the lab's network.

A machine is one QEMU process and one folder in the lab's state; whatever was interrupted, removing both removes it.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import signal
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from lab import files, locks, paths, process, wait
from lab.errors import LabError
from lab.images.machine_image import Disks
from lab.nodes import podman

QEMU = "qemu-system-x86_64"

_MEMORY_MIB = 1024
_CPUS = 2
_PROBE_SECONDS = 30
_STOP_SECONDS = 30
_LAST_LINES = 20
_REMEDY = "python -m lab down GROUP gives a clean start"


@dataclass(frozen=True)
class Machine:
    """A machine, running or not; ``node`` is its name in the inventory."""

    group: str
    node: str

    @property
    def name(self) -> str:
        """Its name among everything that the lab runs."""
        return f"evenkeel-{self.group}-{self.node}"

    @property
    def folder(self) -> Path:
        """Where its disk and its console are."""
        return _folder() / self.group / self.node

    @property
    def console(self) -> Path:
        """What it printed on its first serial port."""
        return self.folder / "console.log"

    @property
    def terminal(self) -> Path:
        """The other end of that port, a socket: what is sent to it is typed at the machine."""
        return self.folder / "tty"

    @property
    def disk(self) -> Path:
        """What it has written since it was made."""
        return self.folder / "disk.qcow2"

    @property
    def copy(self) -> Path:
        """A copy of its whole disk."""
        return self.folder / "copy.raw"

    @property
    def variables(self) -> Path:
        """What its firmware keeps between boots."""
        return self.folder / "variables.fd"

    @property
    def base(self) -> Path:
        """A link to the disk that its own began as."""
        return self.folder / "base"

    @property
    def address(self) -> str:
        """Its address; empty when it was never finished."""
        file = self.folder / "address"
        return file.read_text() if file.exists() else ""

    @property
    def host_key(self) -> str:
        """The public key of its SSH server; empty before its first boot has made one."""
        said = self.folder / "host_key"
        lines = said.read_text(errors="replace").splitlines(keepends=True) if said.exists() else []
        return next((line.strip() for line in lines if line.startswith("ssh-") and line.endswith("\n")), "")

    @property
    def pid(self) -> int | None:
        """Its QEMU process."""
        mark = self.serial_port().encode()
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if mark in entry.read_bytes().split(b"\0"):
                    return int(entry.parent.name)
            except OSError:
                continue
        return None

    def serial_port(self) -> str:
        """Return QEMU's word for its first serial port; no other process has it among its arguments."""
        return f"socket,id=console,path={self.terminal},server=on,wait=off,logfile={self.console}"

    def last_words(self) -> str:
        """Return the end of its console."""
        text = self.console.read_text(errors="replace") if self.console.exists() else ""
        return "\n".join(line.rstrip() for line in text.splitlines()[-_LAST_LINES:])


def machines(group: str | None = None) -> list[Machine]:
    """Return the machines of one group, or all."""
    found = (Machine(folder.parent.name, folder.name) for folder in _folder().glob("*/*") if folder.is_dir())
    return sorted((one for one in found if group in (None, one.group)), key=lambda one: one.name)


def ensure_running(machine: Machine, disks: Disks, *, fresh: bool = False) -> None:
    """Have a machine run that began as ``disks``; one that runs already stays, unless it is to be ``fresh``.

    Raises
    ------
    LabError
        QEMU did not start, or no address is free.
    """
    same = machine.base.is_symlink() and machine.base.readlink() == disks.root
    if fresh or not same or machine.pid is None:
        remove([machine])
        accelerator = _accelerator(disks)
        with locks.held("machines"):
            address = free_address(podman.subnet(), {one.address for one in machines()})
            machine.folder.mkdir(parents=True)
            (machine.folder / "address").write_text(str(address))
        create = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(disks.root), str(machine.disk)]
        process.run(create, remedy=_REMEDY)
        machine.base.symlink_to(disks.root)
        if disks.firmware:
            shutil.copyfile(disks.firmware.variables, machine.variables)
        process.run(run_arguments(machine, disks, accelerator, podman.subnet()), remedy=_REMEDY)
    # What the mirror restarts may have taken it off the bridge; to join twice does no harm.
    argv = ["ip", "link", "set", "dev", interface(machine.address), "master", podman.bridge(), "up"]
    process.run(argv, remedy=_REMEDY)


def require_alive(machine: Machine) -> None:
    """Refuse to wait for a machine whose process ended.

    Raises
    ------
    LabError
        It did; the end of its console is in the message.
    """
    if machine.pid is None:
        raise LabError(
            f"{machine.node} is off; the end of its console:\n{machine.last_words()}",
            f"python -m lab up {machine.group} --fresh",
        )


def copy_disk(machine: Machine) -> Path:
    """Copy the disk of a machine that is off, and return the path of the copy.

    Raises
    ------
    LabError
        The machine runs, or has no disk.
    """
    if machine.pid is not None:
        raise LabError(f"{machine.node} runs, so its disk changes", "power it off")
    process.run(["qemu-img", "convert", "-O", "raw", str(machine.disk), str(machine.copy)], remedy=_REMEDY)
    return machine.copy


def remove(unwanted: Iterable[Machine]) -> None:
    """Switch machines off at once, and delete their disks."""
    for machine in unwanted:
        if pid := machine.pid:
            os.kill(pid, signal.SIGKILL)
            wait.until(
                lambda one=machine: one.pid is None,  # type: ignore[misc]
                f"{machine.name} is off",
                f"look at process {pid}",
                seconds=_STOP_SECONDS,
            )
        shutil.rmtree(machine.folder, ignore_errors=True)
        if machine.folder.parent.is_dir() and not any(machine.folder.parent.iterdir()):
            machine.folder.parent.rmdir()


def free_address(network: IPv4Network, used: Iterable[str]) -> IPv4Address:
    """Return an address that no machine has, from the second quarter of ``network``: containers get the third.

    Raises
    ------
    LabError
        There is none.
    """
    taken = set(used)
    quarter = list(network.subnets(prefixlen_diff=2))[1]
    for address in quarter:
        if str(address) not in taken:
            return address
    raise LabError(f"no address of {quarter} is free", "python -m lab down GROUP, for a group that nobody needs")


def interface(address: str) -> str:
    """Return the name of the host's interface to the machine at ``address``; it lives as long as the machine."""
    return f"evk{int(ipaddress.IPv4Address(address)):08x}"


def run_arguments(machine: Machine, disks: Disks, accelerator: Sequence[str], network: IPv4Network) -> list[str]:
    """Return the command that switches a machine on and leaves it running."""
    address = ipaddress.IPv4Address(machine.address)
    mac = ":".join(f"{byte:02x}" for byte in b"\x52\x54" + address.packed)
    return [
        *(QEMU, "-name", machine.name, "-nodefaults", "-no-user-config", "-display", "none", "-daemonize"),
        # Emulated, two processors that have to meet in System Management Mode may wait for each other for ever.
        *(*accelerator, "-smp", str(1 if disks.firmware else _CPUS), "-m", str(_MEMORY_MIB)),
        *("-smbios", f"type=1,serial={machine.node},sku={address}/{network.prefixlen}"),
        *_boot_arguments(machine, disks),
        *("-drive", f"file={machine.disk},if=virtio,format=qcow2,cache=unsafe"),
        *("-netdev", f"tap,id=lab,ifname={interface(machine.address)},script=no,downscript=no"),
        *("-device", f"virtio-net-pci,netdev=lab,mac={mac},romfile="),
        *("-device", "virtio-rng-pci"),
        *("-chardev", machine.serial_port(), "-serial", "chardev:console"),
        *("-serial", f"file:{machine.folder / 'host_key'}"),
    ]


def _boot_arguments(machine: Machine, disks: Disks) -> list[str]:
    """Return what a machine boots by: its BIOS and GRUB's disk, or firmware of its own and the latter's partition."""
    firmware = disks.firmware
    if firmware is None:
        return ["-drive", f"file={disks.boot},if=virtio,format=raw,readonly=on"]
    return [
        # Only in System Management Mode can the firmware keep its variables from the kernel.
        *("-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"),
        *("-drive", f"file={firmware.code},if=pflash,unit=0,format=raw,readonly=on"),
        *("-drive", f"file={machine.variables},if=pflash,unit=1,format=raw"),
        *("-drive", f"file=fat:{firmware.partition},if=virtio,format=raw,readonly=on"),
    ]


def _folder() -> Path:
    return paths.STATE / "machines"


def _accelerator(disks: Disks) -> list[str]:
    """Return QEMU's options for the fastest way to run a machine here; that is found out once per boot of the host."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    with locks.held("accelerator"):
        known = paths.STATE / "accelerator"
        found = dict([known.read_text().split()]) if known.exists() else {}
        if boot not in found:
            found = {boot: "kvm" if _boots_under_kvm(disks) else "tcg"}
            files.replace_text(known, f"{boot} {found[boot]}\n")
    options = {"kvm": ["-accel", "kvm", "-cpu", "host"], "tcg": ["-accel", "tcg,thread=multi", "-cpu", "max"]}
    return options[found[boot]]


def _boots_under_kvm(disks: Disks) -> bool:
    """Return whether a kernel comes as far as missing its disk: some hosts offer KVM, and guests hang under it."""
    if not os.access("/dev/kvm", os.W_OK):
        return False
    argv = [
        *(QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot"),
        *("-accel", "kvm", "-cpu", "host", "-m", "256", "-kernel", str(disks.kernel)),
        *("-append", "console=ttyS0 panic=-1 root=/dev/none"),
    ]
    try:
        done = subprocess.run(
            argv, check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=_PROBE_SECONDS, errors="replace"
        )
    except subprocess.TimeoutExpired:
        return False
    return "Kernel panic" in done.stdout
