# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The services that an upgrade of the driver may stop, by patterns of their names; ``*`` stands for any name."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from typing import Any


def running(services: Mapping[str, Mapping[str, Any]], patterns: Iterable[str]) -> list[str]:
    """Return the running services that the patterns name, in the order of the patterns.

    Parameters
    ----------
    services
        As ``ansible.builtin.service_facts`` returns them.
    """
    names = sorted(name for name, service in services.items() if service.get("state") == "running")
    return list(dict.fromkeys(name for pattern in patterns for name in names if _matches(name, [pattern])))


def in_the_way(processes: Iterable[Mapping[str, Any]], patterns: Iterable[str]) -> list[str]:
    """Return the processes that use a GPU and belong to no service that may be stopped, each in words.

    Parameters
    ----------
    processes
        As the module ``gpu_facts`` returns them.
    """
    may_stop = list(patterns)
    return [_words(process) for process in processes if not _matches(process["unit"], may_stop)]


def _matches(unit: str, patterns: Iterable[str]) -> bool:
    names = (pattern.removesuffix(".service") for pattern in patterns)
    # Brackets are no part of systemd's names, and none of the pattern's either.
    return any(re.match(fnmatch.translate(f"{name.replace('[', '[[]')}.service"), unit) for name in names)


def _words(process: Mapping[str, Any]) -> str:
    owner = ", ".join(filter(None, [process["user"], process["unit"]]))
    return f"{process['pid']} {process['command']} ({owner})"
