# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What is on a node from before Evenkeel: drivers, repositories, container engines, conda."""

from __future__ import annotations

import glob
import os
import re
import shutil
from collections.abc import Sequence
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._adopt import conda_places
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import dkms, runfile
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, tcp_port
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

#: Packages that are of a driver, of any origin.
_DRIVER = re.compile(
    r"(nvidia-(driver|dkms|open|headless|kernel|utils|compute-utils|firmware|modprobe|persistenced|fabricmanager|imex)"
    r"|libnvidia-(?!container)|linux-(modules|objects|signatures)-nvidia|cuda-drivers|libcuda1$"
    r"|kmod-nvidia|akmod-nvidia|xorg-x11-drv-nvidia)"
)
#: Addresses of repositories that have drivers, CUDA or the container toolkit.
_NVIDIA = re.compile(r"nvidia|/cuda/|/cuda-|graphics-drivers", re.IGNORECASE)
_URL = re.compile(r"\b(?:https?|file|ftp|cdrom|copy|mirror\+\w+):/+[^\s,]+")
_OURS = "evenkeel-"
_APT = ("/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources")
_RPM = ("/etc/yum.repos.d/*.repo",)
_ENGINES = ("docker", "podman", "containerd", "enroot", "apptainer", "singularity")
_PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"
_OUR_UNITS = re.compile(r"jupyter(-proxy)?(@.*)?\.service")
_SECONDS = 20
#: How long homes may take together.
_HOMES_SECONDS = 30


def read(port: int, own_conda: Sequence[str]) -> dict[str, Any]:
    """Return what the module documents as ``past``.

    Parameters
    ----------
    port
        The port of the notebook server.
    own_conda
        Directories of Evenkeel's own distributions.
    """
    return {
        "drivers": drivers(),
        "runfile": runfile.installed(),
        "dkms": ["%s %s" % (name, version) for name, version in dkms.registered()],
        "repositories": repositories(Sysroot()),
        "engines": [name for name in _ENGINES if shutil.which(name, path=_PROGRAMS)],
        "conda": conda(own_conda),
        "port": port_holders(port),
    }


def drivers() -> list[dict[str, Any]]:
    """Return the drivers that packages have installed: ``version``, ``origin`` and the names of its ``packages``."""
    installed = _debian() if shutil.which("dpkg-query", path=_PROGRAMS) else _rpm()
    origins = _debian_origins(list(installed)) if shutil.which("apt-cache", path=_PROGRAMS) else {}
    found: dict[tuple[str, str], list[str]] = {}
    for name, (version, maker) in sorted(installed.items()):
        upstream = version.partition(":")[2] or version
        found.setdefault((upstream, origins.get(name, maker)), []).append(name)
    return [
        {"version": version, "origin": origin, "packages": names} for (version, origin), names in sorted(found.items())
    ]


def _debian() -> dict[str, tuple[str, str]]:
    form = "${db:Status-Abbrev}\t${Package}\t${Version}\n"
    rows = [line.split("\t") for line in _said(["dpkg-query", "-W", "-f", form]).splitlines()]
    return {name: (version, "") for state, name, version in rows if is_driver(name, state)}


def is_driver(name: str, state: str = "ii") -> bool:
    """Return whether a package is of a driver, and more of it is there than settings."""
    return bool(_DRIVER.match(name)) and state[1:2] not in ("c", "n")


def _rpm() -> dict[str, tuple[str, str]]:
    rows = [
        line.split("\t")
        for line in _said(["rpm", "-qa", "--qf", "%{NAME}\t%{VERSION}-%{RELEASE}\t%{VENDOR}\n"]).splitlines()
    ]
    return {name: (version, maker) for name, version, maker in rows if is_driver(name)}


def _debian_origins(names: list[str]) -> dict[str, str]:
    return parse_policy(_said(["apt-cache", "policy", *names])) if names else {}


def parse_policy(text: str) -> dict[str, str]:
    """Return from what ``apt-cache policy`` says where the installed version of each package comes from.

    It is the address of a repository that has this version, or empty where none has it.
    """
    found: dict[str, str] = {}
    name, within = "", False
    for line in text.splitlines():
        if line and not line.startswith(" "):
            name, within = line.rstrip(":"), False
        elif re.match(r" (\*\*\*|   ) \S+ -?\d+$", line):
            within = line.startswith(" ***")
        elif within and not found.get(name):
            repository = re.match(r"\s+-?\d+ ((?:\w|\+)+:\S+)", line)
            found[name] = repository[1] if repository else ""
    return found


def repositories(system: Sysroot) -> list[str]:
    """Return the files of others that name repositories of NVIDIA's, each with the addresses."""
    found = []
    for pattern in (*_APT, *_RPM):
        for outside in sorted(glob.glob(system.outside(pattern))):
            path = "/" + os.path.relpath(outside, system.root)
            urls = foreign(system.text(path))
            if urls and not os.path.basename(path).startswith(_OURS):
                found.append("%s (%s)" % (path, ", ".join(urls)))
    return found


def foreign(text: str) -> list[str]:
    """Return the addresses of NVIDIA's repositories in a file of apt's or dnf's; comments don't count."""
    if re.search(r"^(Enabled:\s*no|enabled\s*=\s*0)\s*$", text, re.MULTILINE | re.IGNORECASE):
        return []
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    # A path of a key is none of a repository.
    kept = [re.sub(r"\[[^]]*\]", "", line) for line in lines if not re.match(r"\s*(gpgkey|signed-by)\b", line, re.I)]
    return list(dict.fromkeys(url for line in kept for url in _URL.findall(line) if _NVIDIA.search(url)))


def conda(own: Sequence[str]) -> list[str]:
    """Return the directories of conda's distributions that are not Evenkeel's, of homes that can be read in time."""
    found = conda_places.find(own, _SECONDS, _HOMES_SECONDS, measure=False)
    return [place["path"] for place in found["places"] if place["kind"] == "distribution"]


def port_holders(port: int) -> list[str]:
    """Return who listens on the notebook server's port that is not of a unit of Evenkeel's."""
    holders = tcp_port.read(tcp_port.parse_address("127.0.0.1"), port)
    # Process 1 listens for sockets that start a server when it is needed.
    return [tcp_port.describe(one) for one in holders if one.pid != 1 and not _OUR_UNITS.fullmatch(one.unit)]


def _said(argv: list[str]) -> str:
    return command.run(argv, timeout=_SECONDS, extra={"PATH": _PROGRAMS}).output
