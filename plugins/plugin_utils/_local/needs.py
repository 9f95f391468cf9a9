# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a lock asks of the machine itself, which nobody can install: the C library, the kernel, a driver for CUDA."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.locked import Locked
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.gpu_builds import gpu_builds

with optional():
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename
    from packaging.version import InvalidVersion, Version

CUDA, GLIBC = "__cuda", "__glibc"
_WORDS = {CUDA: "CUDA of the NVIDIA driver", GLIBC: "glibc", "__linux": "the Linux kernel"}
_CONDITION = re.compile(r"(?P<operator>>=|<=|==|!=|~=|>|<|=)?\s*(?P<version>[^\s<>=!~]+)")
_MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_.*")
#: Names of before the C library's version was in them.
_LEGACY = {"manylinux1": "2.5", "manylinux2010": "2.12", "manylinux2014": "2.17"}
#: How many packages a text names.
_NAMED = 3


def of_machine(found: Mapping[str, str]) -> dict[str, str]:
    """Return the virtual packages of this machine with what the user knows better, by conda's ``CONDA_OVERRIDE_*``."""
    known = dict(found)
    for name in _WORDS:
        value = os.environ.get("CONDA_OVERRIDE_" + name.strip("_").upper())
        if value:
            known[name] = value
        elif value is not None:
            known.pop(name, None)
    return known


def require(locked: Locked, machine: Mapping[str, str]) -> list[str]:
    """Return warnings about what the machine lacks and packages can do without.

    Builds for GPUs run without one, more slowly. Programs for a newer C library do not start.

    Raises
    ------
    EvenkeelError
        Packages would not run here.
    """
    lacking = unmet(locked.packages, machine)
    gpu = lacking.pop(CUDA, [])
    if lacking:
        raise EvenkeelError(
            "%s asks for more than this machine has: %s"
            % (locked.lock, "; ".join(_said(name, wanted, machine) for name, wanted in sorted(lacking.items()))),
            "Nothing was changed. Use a newer system, or lock for this one: lock_targets of lock.yml",
        )
    warnings = []
    assumed = locked.assumed.get(CUDA)
    if gpu or (assumed and not _at_least(machine.get(CUDA), assumed) and gpu_builds(locked.packages)):
        asked = _said(CUDA, gpu or [("the lock", ">=%s" % assumed)], machine)
        warnings.append("%s is for GPUs: %s. What needs the GPU will fail or be slow here" % (locked.lock, asked))
    if GLIBC in locked.assumed and not _at_least(machine.get(GLIBC), locked.assumed[GLIBC]):
        asked = _said(GLIBC, [("the lock", ">=" + locked.assumed[GLIBC])], machine)
        warnings.append("%s is for newer systems: %s, though no package of it says that it does" % (locked.lock, asked))
    return warnings


def unmet(packages: Iterable[Package], machine: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Return by virtual package who asks for what the machine does not have: name and version, and condition; pure."""
    found: dict[str, list[tuple[str, str]]] = {}
    for package in sorted(packages):
        for name, condition in asked_by(package):
            if name in _WORDS and not (name in machine and holds(machine[name], condition)):
                found.setdefault(name, []).append(("%s %s" % (package.name, package.version), condition))
    return found


def asked_by(package: Package) -> Iterator[tuple[str, str]]:
    """Yield the virtual packages that a package depends on, with the condition for each."""
    if package.manager == PIP:
        version = _glibc_of(package.url.rpartition("/")[2])
        if version:
            yield GLIBC, ">=" + version
        return
    for text in package.depends:
        if text.startswith("__"):
            name, _unused, condition = text.partition(" ")
            yield name, condition.split(" ")[0] or "*"


def _glibc_of(wheel: str) -> str:
    """Return the oldest C library that a wheel runs with, by its name; empty where it does not say."""
    try:
        platforms = {tag.platform for tag in parse_wheel_filename(wheel)[3]}
    except InvalidWheelFilename:
        return ""
    versions = []
    for platform in platforms:
        named = _MANYLINUX.fullmatch(platform)
        legacy = _LEGACY.get(platform.partition("_")[0], "")
        versions += ["%s.%s" % named.groups()] if named else [legacy] if legacy else []
    return min(versions, key=Version, default="")


def holds(version: str, condition: str) -> bool:
    """Return whether a version meets a condition of conda, such as ``>=2.17,<3.0.a0``; what is not known counts as met.

    >>> holds("2.36", ">=2.17,<3.0.a0"), holds("2.12", ">=2.17"), holds("12.4", "11.*|12.*")
    (True, False, True)
    """
    return any(all(_meets(version, one) for one in part.split(",")) for part in condition.split("|"))


def _meets(version: str, condition: str) -> bool:
    parts = _CONDITION.fullmatch(condition.strip())
    if parts is None or parts["version"] == "*":
        return True
    operator, wanted = parts["operator"], parts["version"]
    base = wanted.rstrip("*").rstrip(".")
    if operator in ("=", None) or (operator == "==" and wanted != base):
        return version == base or ((operator == "=" or wanted != base) and version.startswith(base + "."))
    try:
        left, right = Version(version), Version(base)
    except InvalidVersion:
        return True
    compared = {">=": left >= right, "<=": left <= right, ">": left > right, "<": left < right}
    return compared.get(operator, {"==": left == right, "!=": left != right}.get(operator, True))


def _at_least(version: str | None, wanted: str) -> bool:
    return version is not None and holds(version, ">=" + wanted)


def _said(name: str, wanted: Sequence[tuple[str, str]], machine: Mapping[str, str]) -> str:
    """Return in words who asks for what, and what there is."""
    named = ", ".join("%s needs %s %s" % (who, name, condition) for who, condition in wanted[:_NAMED])
    more = " and %d more do" % (len(wanted) - _NAMED) if len(wanted) > _NAMED else ""
    there = machine.get(name, "none")
    return "%s%s, and %s here is %s" % (named, more, _WORDS[name], there)
