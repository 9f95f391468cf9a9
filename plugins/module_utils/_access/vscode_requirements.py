# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether a node can run the server part of VS Code's Remote SSH."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command

_NUMBERS = re.compile(r"\d+(?:\.\d+)+")
_LIBRARY = re.compile(r"libstdc\+\+\.so\.6 .*=> (?P<path>/\S+)")


@dataclass(frozen=True)
class Found:
    """What a node has; an empty version is one that is not known."""

    kernel: str
    glibc: str
    #: The newest of GLIBCXX's versions.
    libstdcxx: str
    programs: frozenset[str]
    tmp_noexec: bool


@dataclass(frozen=True)
class Verdict:
    """What keeps VS Code from working at all, and what may."""

    impossible: tuple[str, ...]
    doubtful: tuple[str, ...]


def read(programs: Sequence[str]) -> Found:
    """Look at the node."""
    glibc = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else ""
    return Found(
        kernel=os.uname().release,
        glibc=glibc or "",
        libstdcxx=libstdcxx(command.run([shutil.which("ldconfig") or "/sbin/ldconfig", "-p"]).output),
        programs=frozenset(program for program in programs if shutil.which(program)),
        tmp_noexec=bool(os.statvfs("/tmp").f_flag & os.ST_NOEXEC),  # noqa: S108
    )


def libstdcxx(listed: str) -> str:
    """Return the newest GLIBCXX of the library that ``ldconfig -p`` lists; its file libstdc++.so.6.0.N has 3.4.N."""
    found = _LIBRARY.search(listed)
    name = os.path.basename(os.path.realpath(found["path"])) if found else ""
    number = re.fullmatch(r"libstdc\+\+\.so\.6\.0\.(\d+)", name)
    return "3.4.%s" % number[1] if number else ""


def judge(found: Found, floors: Mapping[str, Any], *, offline: bool) -> Verdict:
    """Compare a node with the floors.

    Parameters
    ----------
    floors
        ``kernel``, ``glibc``, ``libstdcxx``, ``programs`` that are all needed and ``downloaders``, of which one is.
    offline
        Whether the server is brought, so that nothing is downloaded.
    """
    impossible = [
        "%s is %s, and VS Code needs %s" % (what, has, floors[what])
        for what, has in (("kernel", found.kernel), ("glibc", found.glibc), ("libstdcxx", found.libstdcxx))
        if has and _version(has) < _version(floors[what])
    ]
    impossible += ["there is no %s" % name for name in floors["programs"] if name not in found.programs]
    doubtful = ["%s was not found" % what for what in ("glibc", "libstdcxx") if not getattr(found, what)]
    if not offline and not found.programs & set(floors["downloaders"]):
        doubtful.append(
            "there is no %s, so VS Code must copy its server over SSH" % " and no ".join(floors["downloaders"])
        )
    if found.tmp_noexec:
        doubtful.append("/tmp is mounted noexec, where VS Code runs what it downloads")  # noqa: S108
    return Verdict(tuple(impossible), tuple(doubtful))


def _version(text: str) -> tuple[int, ...]:
    numbers = _NUMBERS.search(text)
    return tuple(map(int, numbers[0].split("."))) if numbers else ()
