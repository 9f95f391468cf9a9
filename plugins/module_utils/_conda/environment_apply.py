# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A plan for a named environment carried out, so that an interruption leaves what was there or what was wanted."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import activation, environment_modes
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import generation as generations
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.environment import generations_of, link_of
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.environment_plan import Plan, free_path
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import Generation, intact
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.verification import user_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import modes, unsynced
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os, path_of
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import (
    disk_full,
    link_atomically,
    make_directories,
    rename_durably,
    sync_file_systems,
    write_atomically,
)


def apply(
    plan: Plan,
    root: str,
    name: str,
    build: Callable[[Generation], str],
    waiting: Callable[[int], None] = lambda seconds: None,
) -> list[str]:
    """Bring the node to the plan's end, and return where files of users that were in the way are now.

    What fails half-way is removed; what is killed half-way is healed next time. What is declared complete is on the
    disk.

    Parameters
    ----------
    build
        Makes the environment at the generation's path, and returns the installer's name.
    waiting
        Called about every second while the disk is waited for, with the seconds that it has taken.
    """
    link, pkgs, kept = link_of(root, name), os.path.join(root, "pkgs"), []

    def sync(path: str) -> None:
        sync_file_systems([path, *unsynced.places(pkgs)], waiting)
        unsynced.end(pkgs)

    try:
        environment_modes.apply(plan.permissions, root)
        for path in plan.remove:
            shutil.rmtree(path)
        if plan.target and plan.build:
            unsynced.begin(pkgs, rewriting=plan.was is not None and not intact(plan.was, plan.before))
            make(plan.target, link, build, sync, user_site=plan.user_site)
        if plan.target and plan.record:
            record(plan.target, sync)
        if plan.target and plan.activate:
            activation.apply(plan.target.path, plan.activate)
        if plan.adopt:
            take_over(plan.adopt, link, sync)
        if plan.target and plan.switch:
            link_atomically(link, os.path.relpath(plan.target.path, os.path.dirname(link)))
        if plan.target and plan.pin is not None:
            set_pin(plan.target.path, plan.pin)
        if plan.unlink:
            os.unlink(link)
        for path in plan.prune:
            kept += discard(path, place_to_keep(root, name, path))
        if plan.target is None:
            with contextlib.suppress(OSError):  # a build that stays keeps it
                os.rmdir(generations_of(root, name))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(root) from error
        raise from_os(error, path_of(error) or root) from error
    return kept


def take_over(adopted: Generation, link: str, sync: Callable[[str], None]) -> None:
    """Turn an environment into a generation that Evenkeel did not build, or whose marker was lost.

    Its marker is written first: so an interruption leaves either the environment as it was, or a complete generation.
    """
    place = adopted.path if os.path.isdir(adopted.path) else link
    make_directories(os.path.dirname(adopted.path))
    sync(place)
    generations.write(replace(adopted, created=now()), place)
    if place != adopted.path:
        rename_durably(place, adopted.path)


def make(
    target: Generation,
    link: str,
    build: Callable[[Generation], str],
    sync: Callable[[str], None],
    *,
    user_site: bool,
) -> None:
    """Build a generation, check it against what was asked for, freeze it, sync it and declare it complete."""
    name = os.path.basename(link)
    make_directories(os.path.dirname(target.path))
    try:
        installer = build(target)
        wrong = generations.otherwise(target.path, target.packages)
        if wrong:
            raise EvenkeelError(
                "%s built the environment %s from other packages than asked for: %s"
                % (installer, name, ", ".join(sorted(wrong))),
                "The mirror's packages and its index disagree; refresh the mirror",
            )
        message = (
            "Evenkeel keeps this environment the same on every node. Change its packages in the inventory and run "
            "site.yml, or make an environment of your own: conda create --name mine --clone %s" % name
        )
        if target.variables:
            content = {"env_vars": dict(target.variables), "version": 1}
            write_atomically(os.path.join(target.path, generations.VARIABLES), json.dumps(content) + "\n")
        activation.apply(target.path, activation.plan(target.path, link, user_site=user_site))
        write_atomically(os.path.join(target.path, generations.FROZEN), json.dumps({"message": message}) + "\n")
        modes.open_up(target.path)
        sync(target.path)
        generations.write(replace(target, installer=installer, created=now()), target.path)
    except BaseException:
        shutil.rmtree(target.path, ignore_errors=True)
        raise


def record(target: Generation, sync: Callable[[str], None]) -> None:
    """Write the marker of a generation that is used again."""
    if not target.synced:
        sync(target.path)
    generations.write(replace(target, synced=True), target.path)


def set_pin(path: str, pinned: bool) -> None:
    """Mark a generation as one to keep, or not."""
    pin = os.path.join(path, generations.PIN)
    if pinned:
        write_atomically(pin, "")
    else:
        os.unlink(pin)


def place_to_keep(root: str, name: str, path: str) -> str:
    """Return where the files that users put into a build are moved to, when it goes."""
    place = os.path.join(root, "kept", name)
    taken = [entry.path for entry in os.scandir(place)] if os.path.isdir(place) else []
    return free_path(os.path.join(place, os.path.basename(path)), taken)


def discard(path: str, keep_at: str) -> list[str]:
    """Remove a build, but move what users put into it to ``keep_at``; return where that is now.

    The marker goes first: so an interruption leaves an interrupted build, not half of a complete one.
    """
    kept = []
    for relative in user_files(path):
        destination = os.path.join(keep_at, relative)
        with modes.inside(path, relative) as place:
            if place is None or not os.path.lexists(place):  # its user has exchanged or removed it meanwhile
                continue
            os.makedirs(os.path.dirname(destination), mode=0o755, exist_ok=True)
            shutil.move(place, destination)
        kept.append(destination)
    if kept:
        sync_file_systems([keep_at])
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(path, generations.MARKER))
    shutil.rmtree(path)
    return kept


def now() -> str:
    """Return the time for people; nothing is decided by it, since clocks are set back."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
