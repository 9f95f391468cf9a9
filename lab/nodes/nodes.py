# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes: containers and virtual machines that boot systemd and are reached over SSH.

They come in groups that know nothing of each other.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lab import host, locks, process, wait
from lab.errors import LabError
from lab.images import image, machine_image
from lab.images.machine_image import Disks
from lab.nodes import machines, podman, ssh
from lab.nodes.machines import Machine

if TYPE_CHECKING:
    from rich.progress import Progress

RELEASES = tuple(image.SUITES)
MACHINE_RELEASES = tuple(machine_image.RELEASES)

_ON_TRIXIE = [release for release in (*image.SUITES, *image.UBUNTU) if image.suite(release) == "trixie"]
_LEGACY_CGROUPS = ("systemd.unified_cgroup_hierarchy=0", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1")
_BOOT_SECONDS = 180
_SSH_SECONDS = 60
_MACHINE_SECONDS = 600
_NOT_YET = {"", "offline", "unknown", "initializing", "starting"}


@dataclass(frozen=True)
class Node:
    """A running node; ``name`` is its name in the inventory."""

    name: str
    group: str
    release: str
    address: str


def up(
    group: str,
    releases: Sequence[str],
    progress: Progress,
    *,
    fresh: bool = False,
    tmpfs: Mapping[str, str] | None = None,
) -> list[Node]:
    """Have one node run for each of ``releases`` (twice the same gives two), and return them when they take orders.

    Nodes that run already stay, unless they are to be ``fresh``. ``tmpfs`` mounts small file systems: path to size.

    Raises
    ------
    LabError
        A node did not boot cleanly, or does not answer over SSH.
    """
    check_group(group)
    kinds = dict.fromkeys(releases)
    disks = {release: machine_image.build(release, progress) for release in kinds if release in MACHINE_RELEASES}
    images = {release: image.build(release, progress) for release in kinds if release not in disks}
    podman.ensure_network()
    wanted = names(releases)
    running = {container.name for container in podman.containers(group) if container.running}
    new = [name for name, kind in wanted.items() if kind in images and container_name(group, name) not in running]
    host.check_inotify(len(new))
    stop = threading.Event()

    def start(name: str) -> Node:
        task = progress.add_task(name, total=3)

        def step(what: str) -> None:
            progress.update(task, description=f"{name}: {what}", advance=1)

        release = wanted[name]
        if release in disks:
            node = _start_machine(Machine(group, name), release, disks[release], fresh, step, stop)
        else:
            node = _start(group, name, release, images[release], tmpfs or {}, fresh, step, stop)
        progress.update(task, description=f"{name}: {node.address}", completed=3)
        return node

    with locks.held(f"group-{group}", progress=progress), ThreadPoolExecutor(max_workers=len(wanted) or 1) as pool:
        try:
            return list(pool.map(start, wanted))
        except BaseException:
            stop.set()
            raise


def copies(group: str, original: str, wanted: Sequence[str], progress: Progress) -> list[Node]:
    """Have fresh machines run that began as the disk of another one of the group, which is off.

    Raises
    ------
    LabError
        The original runs, or one did not boot cleanly, or does not answer over SSH.
    """
    check_group(group)
    release = original.partition("-")[0]
    stop = threading.Event()

    def start(name: str) -> Node:
        task = progress.add_task(name, total=None)

        def step(what: str) -> None:
            progress.update(task, description=f"{name}: {what}")

        return _start_machine(Machine(group, name), release, disks, True, step, stop)

    with locks.held(f"group-{group}", progress=progress), ThreadPoolExecutor(max_workers=len(wanted) or 1) as pool:
        root = machines.copy_disk(Machine(group, original))
        disks = replace(machine_image.build(release, progress), root=root)
        try:
            return list(pool.map(start, wanted))
        except BaseException:
            stop.set()
            raise


def down(group: str) -> list[str]:
    """Remove the nodes of ``group``, and return the names of their containers and machines."""
    check_group(group)
    with locks.held(f"group-{group}"):
        containers = podman.containers(group)
        podman.remove(containers)
        own_machines = machines.machines(group)
        machines.remove(own_machines)
        removed = [*(container.name for container in containers), *(machine.name for machine in own_machines)]
        if removed:
            ssh.remember([], forget=removed)
    return removed


def find(group: str) -> list[Node]:
    """Return the running nodes of ``group``."""
    check_group(group)
    running = sorted(container.name for container in podman.containers(group) if container.running)
    found = []
    for container in running:
        name = container.removeprefix(container_name(group, ""))
        found.append(Node(name, group, name.partition("-")[0], podman.address(container)))
    on = [machine for machine in machines.machines(group) if machine.pid is not None and machine.address]
    found += [Node(machine.node, group, machine.node.partition("-")[0], machine.address) for machine in on]
    return found


def groups() -> list[str]:
    """Return the names of the groups that have containers or machines, running or not."""
    of_containers = {container.group for container in podman.containers()}
    return sorted((of_containers | {machine.group for machine in machines.machines()}) - {"_mirror"})


def check_group(group: str) -> None:
    """Refuse a name that could not be part of a container's name.

    Raises
    ------
    LabError
        It has other characters than lower-case letters, digits, ``-`` and ``_``, or starts with the latter two.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,40}", group):
        raise LabError(f"{group!r} is no name for a group of nodes", "use lower-case letters, digits, - and _")


def names(releases: Sequence[str]) -> dict[str, str]:
    """Return the nodes' names, each with its release."""
    seen: Counter[str] = Counter()
    named = {}
    for release in releases:
        seen[release] += 1
        named[f"{release}-{seen[release]}"] = release
    return named


def container_name(group: str, node: str) -> str:
    """Return the name of a node's container."""
    return f"evenkeel-{group}-{node}"


def run_arguments(
    node: str, release: str, image_name: str, tmpfs: Mapping[str, str], *, unified_cgroups: bool
) -> list[str]:
    """Return what ``podman run`` needs to boot systemd with its limits enforced."""
    legacy = _LEGACY_CGROUPS if release in _ON_TRIXIE and not unified_cgroups else ()
    return [
        f"--hostname={node}",
        f"--network={podman.NETWORK}",
        "--privileged",
        # podman's own systemd mode mounts the host's systemd hierarchy of legacy cgroups into every node, where they
        # remove each other's cgroups; so the node gets what that mode would give it, but for that mount.
        "--systemd=false",
        "--cgroupns=private",
        "--stop-signal=SIGRTMIN+3",
        "--tmpfs=/run:mode=0755",
        "--tmpfs=/run/lock",
        "--tmpfs=/tmp:mode=1777,exec",
        *(f"--tmpfs={path}:size={size},mode=0755,exec" for path, size in sorted(tmpfs.items())),
        image_name,
        "/sbin/init",
        *legacy,
    ]


def _start(
    group: str,
    name: str,
    release: str,
    image_name: str,
    tmpfs: Mapping[str, str],
    fresh: bool,
    step: Callable[[str], None],
    stop: threading.Event,
) -> Node:
    container = container_name(group, name)
    remedy = f"podman logs {container}; python -m lab up {group} --fresh"

    argv = run_arguments(name, release, image_name, tmpfs, unified_cgroups=host.unified_cgroups())
    step("starting")
    started = podman.ensure_running(container, group, argv, fresh=fresh)

    step("booting")
    wait.until(
        lambda: _boot_state(container) not in _NOT_YET, f"{name} boots", remedy, seconds=_BOOT_SECONDS, stop=stop
    )
    if started and (state := _boot_state(container)) != "running":
        host.check_inotify(1)
        failed = podman.run("exec", container, "systemctl", "--failed", "--no-legend", "--plain")
        raise LabError(f"{name} booted, but systemd says {state}:\n{failed}", remedy)

    step("waiting for SSH")
    node = Node(name, group, release, podman.address(container))
    public = podman.run("exec", container, "cat", "/etc/ssh/ssh_host_ed25519_key.pub")
    ssh.remember([ssh.HostKey(container, node.address, public)])
    wait.until(lambda: ssh.answers(node.address), f"{name} answers over SSH", remedy, seconds=_SSH_SECONDS, stop=stop)
    return node


def _start_machine(
    machine: Machine,
    release: str,
    disks: Disks,
    fresh: bool,
    step: Callable[[str], None],
    stop: threading.Event,
) -> Node:
    remedy = f"read {machine.console}; python -m lab up {machine.group} --fresh"

    step("starting")
    machines.ensure_running(machine, disks, fresh=fresh)
    node = Node(machine.node, machine.group, release, machine.address)

    def alive_and(condition: bool) -> bool:
        machines.require_alive(machine)
        return condition

    step("booting")
    wait.until(
        lambda: alive_and(machine.host_key != ""), f"{node.name} boots", remedy, seconds=_MACHINE_SECONDS, stop=stop
    )
    ssh.remember([ssh.HostKey(machine.name, node.address, machine.host_key)])

    step("waiting for SSH")
    wait.until(
        lambda: alive_and(ssh.answers(node.address)),
        f"{node.name} answers over SSH",
        remedy,
        seconds=_MACHINE_SECONDS,
        stop=stop,
    )
    ask = ssh.command(node.address, remote=("systemctl is-system-running --wait || systemctl --failed --plain",))
    state = process.run(ask, remedy=remedy).strip()
    if state != "running":
        raise LabError(f"{node.name} booted, but systemd says {state}", remedy)
    return node


def _boot_state(container: str) -> str:
    """Return systemd's word on the node, once its boot is over."""
    return podman.run("exec", container, "sh", "-c", "systemctl is-system-running --wait || true").strip()
