# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's commands do."""

from __future__ import annotations

import json
import os
import shutil
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from lab import files, host, locks, paths
from lab.errors import LabError
from lab.images import cloud_image, image, machine_image, official
from lab.nodes import inventory, machines, nodes, podman
from lab.upstream import mirror

CONSOLE = Console(highlight=False)
#: The nodes that a scenario wants, by their releases with spaces between them.
RELEASES = "EVENKEEL_LAB_RELEASES"


def up(arguments: Namespace) -> None:
    """Start nodes, building first what is missing."""
    nodes.check_group(arguments.group)
    host.check_disk()
    releases = wanted_releases(arguments.release, os.environ)
    with locks.held("lab", shared=True), _progress() as progress:
        mirror.build(progress)
        mirror.up(progress)
        started = nodes.up(arguments.group, releases, progress, fresh=arguments.fresh, tmpfs=dict(arguments.tmpfs))
    for node in started:
        CONSOLE.print(f"{node.group}: {node.name} at {node.address}")


def wanted_releases(chosen: Sequence[str] | None, environment: Mapping[str, str]) -> Sequence[str]:
    """Return the releases to start nodes of: those on the command line, those a scenario wants, or each Debian."""
    return chosen or environment.get(RELEASES, "").split() or nodes.RELEASES


def copy(arguments: Namespace) -> None:
    """Start machines from a copy of the disk of another one."""
    host.check_disk()
    with locks.held("lab", shared=True), _progress() as progress:
        started = nodes.copies(arguments.group, arguments.original, arguments.name, progress)
    for node in started:
        CONSOLE.print(f"{node.group}: {node.name} at {node.address}")


def down(arguments: Namespace) -> None:
    """Remove a group's nodes or all of them, and the mirror and the network when nobody needs them any more."""
    for group in nodes.groups() if arguments.all else [arguments.group]:
        for name in nodes.down(group):
            CONSOLE.print(f"removed {name}")
    with locks.held_if_free("lab") as alone:
        if alone and not nodes.groups():
            mirror.down()
            podman.remove_network()
        elif arguments.all:
            raise LabError(
                "somebody is starting nodes just now", "wait for `python -m lab up` to end, and run it again"
            )


def status(arguments: Namespace) -> None:
    """Show what runs and what the caches hold."""
    table = Table(box=None, pad_edge=False)
    for column in ("what", "state", "where"):
        table.add_column(column, overflow="fold")
    table.add_row("mirror", "running" if mirror.running() else "-", mirror.url())
    for name in podman.images():
        table.add_row("image", "built", name)
    for group in nodes.groups():
        running = {nodes.container_name(group, node.name): node for node in nodes.find(group)}
        for name in (one.name for kind in (podman.containers(group), machines.machines(group)) for one in kind):
            node = running.get(name)
            table.add_row(name, "running" if node else "stopped", node.address if node else "")
    for place in _caches():
        table.add_row("cache", _gigabytes(files.size(place)), str(place))
    CONSOLE.print(table)


def start_mirror(arguments: Namespace) -> None:
    """Build the upstream's tree and start its server."""
    host.check_disk()
    with locks.held("lab", shared=True), _progress() as progress:
        mirror.build(progress, arguments.debian_driver)
        mirror.up(progress)
    CONSOLE.print(f"mirror: {mirror.url()}")


def build_images(arguments: Namespace) -> None:
    """Build base images."""
    host.check_disk()
    with _progress() as progress:
        for release in arguments.release or nodes.RELEASES:
            machine = release in nodes.MACHINE_RELEASES
            CONSOLE.print(machine_image.build(release, progress).root if machine else image.build(release, progress))


def fetch(arguments: Namespace) -> None:
    """Download a distribution's cloud image where its site has a newer one, and print what it is."""
    host.check_disk()
    name = official.chosen().get(arguments.release) or cloud_image.of(arguments.release).image
    with _progress() as progress:
        task = progress.add_task(name, total=None)
        found = cloud_image.newest(arguments.release, name, lambda said: progress.update(task, description=said))
        progress.update(task, description=name, total=1, completed=1)
    print(json.dumps(asdict(found)))


def print_inventory(arguments: Namespace) -> None:
    """Print a group as an Ansible inventory."""
    found = inventory.read(arguments.group)
    print(json.dumps(found["_meta"]["hostvars"].get(arguments.host, {}) if arguments.host else found, indent=2))


def clean(arguments: Namespace) -> None:
    """Delete base images and caches; the lab must be down.

    Raises
    ------
    LabError
        Containers or machines of the lab exist.
    """
    with locks.held("lab"):
        users = [container.name for container in podman.containers()]
        if users := [*users, *(machine.name for machine in machines.machines())]:
            raise LabError(f"in use by {', '.join(users)}", "python -m lab down --all")
        freed = sum(files.size(place) for place in _caches())
        for name in podman.images():
            freed += int(podman.run("image", "inspect", "--format={{.Size}}", name))
            podman.run("image", "rm", name)
        for place in _caches():
            shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()
    CONSOLE.print(f"freed {_gigabytes(freed)}")


COMMANDS = {
    "up": up,
    "copy": copy,
    "down": down,
    "status": status,
    "mirror": start_mirror,
    "image": build_images,
    "fetch": fetch,
    "inventory": print_inventory,
    "clean": clean,
}


def _progress() -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=20), TimeElapsedColumn())
    return Progress(*columns, console=CONSOLE)


def _caches() -> list[Path]:
    """Return what can be built again; the lab's keys and locks stay."""
    return sorted(place for place in paths.CACHE.glob("*") if place != paths.STATE)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
