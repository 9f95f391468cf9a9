# SPDX-License-Identifier: GPL-3.0-or-later
"""CUDA toolkits and libraries as RPM packages: what the Debian packages are, in the other format's words."""

from __future__ import annotations

import re
from dataclasses import replace

from lab.upstream.nvidia import cuda as nvidia_cuda
from lab.upstream.os_package import OsPackage

_RELATION = re.compile(r"^(?P<name>\S+)(?: \((?P<operator>\S+) (?P<version>\S+)\))?$")
_DEVELOPMENT = re.compile(r"^(libcudnn9|libnccl)-dev")


def packages() -> list[OsPackage]:
    """Return the packages that NVIDIA's repositories have beside the driver."""
    return [translated(package) for package in nvidia_cuda.debian_packages()]


def translated(package: OsPackage) -> OsPackage:
    """Return a package with names, relations, folders and scripts as RPM's world has them."""
    scripts = {
        {"postinst": "post", "prerm": "preun"}[name]: _script(text)
        for name, text in package.scripts.items()
        if name != "triggers"
    }
    if "triggers" in package.scripts:
        scripts |= {"post": "/sbin/ldconfig", "postun": "/sbin/ldconfig"}
    return replace(
        package,
        name=renamed(package.name),
        architecture="noarch" if package.architecture == "all" else "x86_64",
        depends=tuple(map(relation, package.depends)),
        conflicts=tuple(map(relation, package.conflicts)),
        files={_moved(path): value for path, value in package.files.items()},
        links={_moved(path): target for path, target in package.links.items()},
        scripts=scripts,
    )


def relation(text: str) -> str:
    """Return what a package needs as RPM writes it.

    >>> relation("cuda-nvcc-12-8 (>= 12.8.1)")
    'cuda-nvcc-12-8 >= 12.8.1'
    """
    found = _RELATION.match(text)
    if not found or not found["operator"]:
        return renamed(text)
    epoch = "3:" if found["name"] == "cuda-drivers" else ""
    operator = {"<<": "<", ">>": ">"}.get(found["operator"], found["operator"])
    return f"{renamed(found['name'])} {operator} {epoch}{found['version']}"


def renamed(name: str) -> str:
    """Return what a package is called."""
    if name == "libnccl2":
        return "libnccl"
    name = _DEVELOPMENT.sub(r"\1-devel", name)
    return re.sub(r"^(cuda-[a-z]+)-dev-(\d)", r"\1-devel-\2", name)


def _moved(path: str) -> str:
    return path.replace("usr/lib/x86_64-linux-gnu/", "usr/lib64/").replace(
        "usr/include/x86_64-linux-gnu/", "usr/include/"
    )


def _script(text: str) -> str:
    """Return a script without its first lines and the words that only Debian's package manager gives it."""
    lines = text.splitlines()
    condition = {'[ "$1" = configure ] || exit 0': "", '[ "$1" = remove ] || exit 0': '[ "$1" = 0 ] || exit 0'}
    return "\n".join(condition.get(line, line) for line in lines if not line.startswith(("#!", "set -e"))) + "\n"
