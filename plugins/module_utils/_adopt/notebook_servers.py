# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Notebook servers that others have set up: services of systemd, and processes that somebody has started."""

from __future__ import annotations

import glob
import os
import pwd
import re
from collections.abc import Sequence
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import tcp_port, units
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

#: Where units are put by hand; those of packages are in others.
_UNITS = ("/etc/systemd/system/*.service", "/usr/local/lib/systemd/system/*.service")
_OURS = re.compile(r"^# .*Evenkeel", re.MULTILINE)
_OUR_UNITS = re.compile(r"jupyter(-proxy)?@.*\.service")
_PROGRAM = re.compile(r"jupyter|jupyterhub|jupyterhub-singleuser|jupyter-(lab|notebook|server|labhub|nbclassic)")
_SERVES = ("lab", "notebook", "server", "labhub", "nbclassic")
_MODULES = ("jupyterlab", "notebook", "jupyter_server", "jupyterhub", "jupyterhub.app", "jupyterhub.singleuser")
_FOLDER = re.compile(r"--(?:notebook-dir|\w+\.notebook_dir|\w+\.root_dir)[= ][\"']?([^\s\"']+)")
_MOST_COMMAND = 4096

Server = dict[str, Any]


def find(system: Sysroot, proc: str = "/proc") -> list[Server]:
    """Return the servers: ``unit``, ``path``, ``user``, ``folder``, ``enabled``, ``running``, ``listens`` and ``pid``.

    Of one that no unit of a file starts, ``path`` is empty, and ``unit`` is what systemd has it in, such as a session.
    """
    declared = services(system)
    known = units.read([one["unit"] for one in declared]) if declared else {}
    running = processes(proc)
    listening = tcp_port.of_processes([one["pid"] for one in running], proc)
    for one in running:
        one["listens"] = listening.get(one["pid"], [])
    found = []
    for one in declared:
        unit = known.get(one["unit"]) or units.Unit(one["unit"])
        of_unit = [process for process in running if process["unit"] == one["unit"]]
        found.append(
            {
                **one,
                "folder": next((process["folder"] for process in of_unit if process["folder"]), one["folder"]),
                "enabled": unit.enabled,
                "running": unit.running,
                "listens": sorted({address for process in of_unit for address in process["listens"]}),
                "pid": unit.main_pid,
            }
        )
    names = {one["unit"] for one in declared}
    alone = [one for one in running if one["unit"] not in names and not _OUR_UNITS.fullmatch(one["unit"])]
    started = [{**one, "path": "", "enabled": False, "running": True} for one in alone if one["listens"]]
    return found + started


def services(system: Sysroot) -> list[Server]:
    """Return the units that run a notebook server and are not ours: ``unit``, ``path``, ``user`` and ``folder``."""
    found = []
    for pattern in _UNITS:
        for outside in sorted(glob.glob(system.outside(pattern))):
            path = "/" + os.path.relpath(outside, system.root)
            text = system.text(path)
            if os.path.islink(outside) or _OURS.search(text) or not starts_server(text):
                continue
            users = re.findall(r"^\s*User\s*=\s*(\S+)", text, re.MULTILINE)
            user = users[-1] if users else "root"
            found.append({"unit": os.path.basename(path), "path": path, "user": user, "folder": folder_of(text)})
    return found


def folder_of(text: str) -> str:
    """Return the folder that a unit's text has a server show; empty where it names none."""
    asked = _FOLDER.search(text) or re.search(r"^\s*WorkingDirectory\s*=\s*-?(\S+)", text, re.MULTILINE)
    return asked[1] if asked else ""


def starts_server(text: str) -> bool:
    """Return whether a unit's text starts a notebook server or a hub of them."""
    commands = re.findall(r"^\s*ExecStart\s*=\s*((?:.*\\\n)*.*)", text, re.MULTILINE)
    return any(_is_server(re.split(r"[\s\\\"';]+", command)) for command in commands)


def processes(proc: str = "/proc") -> list[Server]:
    """Return the processes that are notebook servers: ``pid``, ``user``, ``folder`` and ``unit``."""
    found = []
    for pid in sorted(filter(str.isdigit, os.listdir(proc)), key=int):
        home = os.path.join(proc, pid)
        try:
            with open(os.path.join(home, "cmdline"), "rb") as stream:
                words = stream.read(_MOST_COMMAND).decode("utf-8", "replace").split("\0")
            if not _runs_server(words):
                continue
            with open(os.path.join(home, "cgroup"), encoding="ascii", errors="replace") as stream:
                unit = tcp_port.parse_unit(stream.read())
            asked = _FOLDER.search(" ".join(words))
            folder = asked[1] if asked else os.readlink(os.path.join(home, "cwd"))
            found.append({"pid": int(pid), "user": _name(os.stat(home).st_uid), "folder": folder, "unit": unit})
        except (OSError, ValueError):
            continue  # it ended meanwhile
    return found


def _runs_server(words: Sequence[str]) -> bool:
    """Return whether a process is a server: an interpreter comes first, and other files' names are no programs."""
    name = os.path.basename(words[0])
    return _is_server(words[1:4]) if name.startswith("python") else bool(_PROGRAM.fullmatch(name) and _is_server(words))


def _is_server(words: Sequence[str]) -> bool:
    for number, word in enumerate(words):
        name = os.path.basename(word)
        if _PROGRAM.fullmatch(name):
            return name != "jupyter" or any(one in _SERVES for one in words[number + 1 :])
    return any(one == "-m" and other in _MODULES for one, other in zip(words, words[1:]))


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
