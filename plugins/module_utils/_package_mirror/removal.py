# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A package mirror, taken down with its cache; and nginx, where it came for it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, disk_space, kept_files, nginx, remains
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import OUR_NAME
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import nginx_removal
from ansible_collections.evenkeel.gpu.plugins.module_utils._package_mirror import keeper_files, nginx_config

#: As nginx calls a file of its cache, and one that it is writing.
_CACHED = re.compile(r"[0-9a-f]{32}(\.\d{10})?")
_UNITS = tuple(os.path.join(keeper_files.UNITS, name) for name in (keeper_files.TIMER, keeper_files.SERVICE))
_STATE = os.path.join(keeper_files.STATE, "state.json")
_METRICS = os.path.join(keeper_files.STATE, keeper_files.METRICS)


def remove(name: str, cache: str, *, lock_timeout: int, check_mode: bool) -> dict[str, Any]:
    """Have no mirror, no cache, and no nginx where that was brought for it.

    Parameters
    ----------
    name
        Of the file of nginx's configuration.
    cache
        The cache's directory, where the node has noted no other one. It counts only if its path shows that it is ours.
    """
    noted = settings()
    named = noted.get("cache") or (cache if OUR_NAME in cache else "")
    place = os.path.realpath(named) if named else ""
    made = (keeper_files.COMMAND, keeper_files.PROGRAM, nginx_config.FULL, _STATE, noted.get("metrics", _METRICS))
    wanted = dict.fromkeys((nginx.path(name), nginx_config.PASSWORDS, *_UNITS, *made))
    files = kept_files.plan({path: kept_files.read(path) for path in wanted}, wanted, secrets=[nginx_config.PASSWORDS])
    kept_files.require_ours(files)
    note = kept_files.changes({keeper_files.SETTINGS: None})
    packages = cached(place)
    what = "The cache in %s, of %d MiB" % (place, disk_space.mib(sum(packages.values())))

    if not check_mode:
        end_timer()
    done = nginx_removal.withdraw(name, files, lock_timeout=lock_timeout, check_mode=check_mode)
    if not check_mode:
        if any(change.path in _UNITS for change in files):
            command.require(["systemctl", "daemon-reload"], "See `systemctl status`")
        clear(place)
        # Its bytecode.
        shutil.rmtree(os.path.join(os.path.dirname(keeper_files.PROGRAM), "__pycache__"), ignore_errors=True)
        kept_files.apply_all(note)
        for path in (_STATE, keeper_files.PROGRAM, keeper_files.SETTINGS):
            remains.prune(os.path.dirname(path))
    return {
        **done,
        "changed": bool(done["changed"] or packages or note),
        "reloaded": False,
        "left": [*done["left"], *remains.left(place, packages)],
        "warnings": [*done["warnings"], *(["%s, goes" % what] if packages and check_mode else [])],
        "diff": [*done["diff"], *([{"before": "%s\n" % what, "after": ""}] if packages else [])],
    }


def settings() -> dict[str, str]:
    """Return which directories the node has noted; nothing where the note is missing or damaged."""
    try:
        found = json.loads(kept_files.text(keeper_files.SETTINGS) or "{}")
        return {name: found[name] for name in ("cache", "metrics") if isinstance(found.get(name), str)}
    except (ValueError, AttributeError, RecursionError):
        return {}


def cached(place: str) -> dict[str, int]:
    """Return the files of nginx's cache in a directory, with their sizes."""
    found = {}
    for folder, _folders, names in os.walk(place):
        for path in (os.path.join(folder, name) for name in names if _CACHED.fullmatch(name)):
            with contextlib.suppress(FileNotFoundError):  # nginx has just thrown it out
                found[path] = os.lstat(path).st_size
    return found


def clear(place: str) -> None:
    """Remove the files of nginx's cache, and the directories in which nothing is left."""
    if not os.path.isdir(place):
        return
    # nginx's workers own the directories, and might have a link in the place of one.
    for _folder, _folders, names, descriptor in os.fwalk(place):
        for name in filter(_CACHED.fullmatch, names):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=descriptor)
    remains.clear(place)
    remains.prune_own(os.path.dirname(place))


def end_timer() -> None:
    """Have nothing look after the cache any more."""
    if os.path.lexists(_UNITS[0]):
        remedy = "See `systemctl status %s`" % keeper_files.TIMER
        command.require(["systemctl", "disable", "--now", keeper_files.TIMER], remedy)
        command.require(["systemctl", "stop", keeper_files.SERVICE], remedy)
