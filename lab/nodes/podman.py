# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's containers, images and network, through podman's command line.

Everything made here has a name that starts with ``evenkeel`` and the label ``LABEL``; nothing else is ever touched.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lab import files, host, locks, paths, process
from lab.errors import LabError

LABEL = "io.evenkeel.lab"
_SPEC = "io.evenkeel.spec"
NETWORK = "evenkeel"
REMEDY = "read podman's words above; `python -m lab down --all` gives a clean start"

_PODMAN_LIMITS = {"nofile": 1048576, "nproc": 4194304}


@dataclass(frozen=True)
class Container:
    """A container of the lab, as podman lists it."""

    name: str
    group: str
    running: bool
    spec: str


def run(*argv: str) -> str:
    """Run podman and return its standard output.

    Raises
    ------
    LabError
        podman ended with a status other than 0.
    """
    return process.run(["podman", *argv], remedy=REMEDY, env=environment())


def succeeds(*argv: str) -> bool:
    """Run podman and return whether it ended with status 0."""
    try:
        run(*argv)
    except LabError:
        return False
    return True


def containers(group: str | None = None) -> list[Container]:
    """Return the lab's containers, running or not: all, or those of one group."""
    label = LABEL if group is None else f"{LABEL}={group}"
    listed: list[dict[str, Any]] = json.loads(run("ps", "--all", f"--filter=label={label}", "--format=json"))
    return [
        Container(
            name=entry["Names"][0],
            group=entry["Labels"][LABEL],
            running=entry["State"] == "running" and _has_process(entry["Pid"]),
            spec=entry["Labels"].get(_SPEC, ""),
        )
        for entry in listed
    ]


def ensure_running(name: str, group: str, argv: Sequence[str], *, also: str = "", fresh: bool = False) -> bool:
    """Have the container ``name`` run as ``podman run`` with ``argv`` starts it; return whether it was started now.

    One that runs already stays, unless it is to be ``fresh`` or was started otherwise; ``also`` is what else it must
    agree in. One that stopped or was never finished is replaced.
    """
    spec = hashlib.sha256("\0".join([*argv, also]).encode()).hexdigest()[:16]
    standing = [container for container in containers(group) if container.name == name]
    if not fresh and any(container.running and container.spec == spec for container in standing):
        return False
    remove(standing)
    run("run", "--detach", f"--name={name}", f"--label={LABEL}={group}", f"--label={_SPEC}={spec}", *argv)
    return True


def address(container: str) -> str:
    """Return the address of a running container on the lab's network."""
    return run(
        "inspect", f'--format={{{{(index .NetworkSettings.Networks "{NETWORK}").IPAddress}}}}', container
    ).strip()


def remove(containers: Iterable[Container]) -> None:
    """Remove these containers, at once, and the volumes that only they have."""
    for container in containers:
        run("rm", "--force", "--ignore", "--volumes", "--time=0", container.name)


def images() -> list[str]:
    """Return the names of the lab's images."""
    listed = run("images", "--format={{.Repository}}:{{.Tag}}", "--filter=reference=localhost/evenkeel/*").split()
    return sorted(set(listed))


def ensure_network() -> None:
    """Make the lab's network where it is missing: a bridge to the host, without a way further.

    Raises
    ------
    LabError
        It exists with another subnet than the one asked for, or the subnet is taken.
    """
    wanted = subnet()
    gateway = str(wanted[1])  # the host's address; without one podman leaves the host out of an internal network
    with locks.held("network"):
        if succeeds("network", "exists", NETWORK):
            found = json.loads(run("network", "inspect", NETWORK))[0]["subnets"][0]
            if (found["subnet"], found.get("gateway")) != (str(wanted), gateway):
                raise LabError(f"the network {NETWORK} is {found['subnet']}, not {wanted}", "python -m lab down --all")
            return
        argv = ["network", "create", "--internal", "--disable-dns", f"--label={LABEL}=_network", f"--subnet={wanted}"]
        argv += [f"--gateway={gateway}", f"--ip-range={node_range(wanted)}", NETWORK]
        remedy = "if the subnet is taken, choose another: export EVENKEEL_LAB_SUBNET=10.x.y.0/24"
        process.run(["podman", *argv], remedy=remedy, env=environment())


def bridge() -> str:
    """Return the host's interface to the lab's network."""
    name: str = json.loads(run("network", "inspect", NETWORK))[0]["network_interface"]
    return name


def remove_network() -> None:
    """Remove the lab's network."""
    with locks.held("network"):
        if succeeds("network", "exists", NETWORK):
            run("network", "rm", NETWORK)


def subnet() -> ipaddress.IPv4Network:
    """Return the lab's subnet: ``EVENKEEL_LAB_SUBNET``, or one that is seldom in use.

    Raises
    ------
    LabError
        The variable holds something else than an IPv4 network of at least 16 addresses.
    """
    text = os.environ.get("EVENKEEL_LAB_SUBNET") or "10.213.77.0/24"
    remedy = "export EVENKEEL_LAB_SUBNET=10.x.y.0/24"
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise LabError(f"EVENKEEL_LAB_SUBNET={text}: {error}", remedy) from error
    if network.num_addresses < 16:
        raise LabError(f"EVENKEEL_LAB_SUBNET={text} is too small", remedy)
    return network


def node_range(network: ipaddress.IPv4Network) -> ipaddress.IPv4Network:
    """Return the third quarter of ``network``: nodes get their addresses there.

    What is fixed lives below, the broadcast address above; podman would hand that out too.
    """
    return list(network.subnets(prefixlen_diff=2))[2]


def settings(*, unified_cgroups: bool, limits: Mapping[str, int]) -> str:
    """Return the ``containers.conf`` this machine needs, empty where podman's defaults work.

    ``limits`` are those that cannot be raised here.
    """
    ulimits = [f'"{name}={limit}:{limit}"' for name, limit in limits.items() if limit < _PODMAN_LIMITS[name]]
    tables = [f"[containers]\ndefault_ulimits = [{', '.join(ulimits)}]\n"] if ulimits else []
    if not unified_cgroups:
        tables.append('[engine]\nruntime = "runc"\n')
    return "\n".join(tables)


def _has_process(pid: int) -> bool:
    """Return whether a container's first process is there.

    podman learns of a restart by an empty ``/run``; where that is on disk, it lists as running what has ended.
    The process that has the number since then is none of a container.
    """
    try:
        return Path(f"/proc/{pid}/ns/mnt").readlink() != Path("/proc/self/ns/mnt").readlink()
    except FileNotFoundError:
        return False


@cache
def environment() -> dict[str, str]:
    """Return the environment podman runs in, with a containers.conf of the lab's own where the machine needs one."""
    text = settings(unified_cgroups=host.unified_cgroups(), limits=host.fixed_limits())
    if not text:
        return dict(os.environ)
    file = paths.STATE / "containers.conf"
    files.replace_text(file, text)
    return {**os.environ, "CONTAINERS_CONF": str(file)}
