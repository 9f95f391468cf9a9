# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The CUDA toolkits of a node: packages, the default, and how shells and the loader find it."""

from __future__ import annotations

import glob
import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import cuda_link
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, kept_files, made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge as package_set
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.repository import Repository
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Request, Wanted, hold_tools

#: The module that records what is made.
BY = "cuda_toolkit"
PROFILE = "/etc/profile.d/evenkeel-cuda.sh"
FISH = "/etc/fish/conf.d/evenkeel-cuda.fish"
#: What stood in the link's place, in a record, begins so where that was a link.
LED = "link:"
#: A directory that is there when the shell is.
FISH_SHELL = "/etc/fish"
LOADER = "/etc/ld.so.conf.d/evenkeel-cuda.conf"
LOADER_CACHE = "/etc/ld.so.cache"
#: The package that makes a set of parts a toolkit.
_META = re.compile(r"cuda-toolkit-(\d+)-(\d+)")
#: Whatever a package is that has something below a toolkit's directory, its name ends so.
_OF_VERSION = re.compile(r".+-(\d+)-(\d+)(?:-config-common)?")
_SHELL = """\
if [ -d {cuda}/bin ]; then
    export CUDA_HOME="${{CUDA_HOME:-{cuda}}}"
    case ":$PATH:" in
        *:{cuda}/bin:*) ;;
        *) export PATH="{cuda}/bin:$PATH" ;;
    esac
fi
"""
_FISH = """\
if test -d {cuda}/bin
    set --query CUDA_HOME; or set --global --export CUDA_HOME {cuda}
    contains {cuda}/bin $PATH; or set --global --export PATH {cuda}/bin $PATH
end
"""


@dataclass(frozen=True)
class Desired:
    """What a node is to have; the options of the module ``cuda_toolkit``, which describes them."""

    toolkits: tuple[str, ...] = ()
    default: str = ""
    packages: tuple[Wanted, ...] = ()
    repository: Repository | None = None
    parts: str = "(?!)"
    refuse: tuple[str, ...] = ()
    exclusive: bool = False
    shells: bool = True
    loader: bool = True
    lock_timeout: int = 300


@dataclass(frozen=True)
class Outcome:
    """What the module returns, which describes it."""

    changed: bool
    toolkits: tuple[Mapping[str, str], ...]
    default: str
    packages: tuple[str, ...]
    healed: tuple[str, ...]
    left: tuple[str, ...]
    diffs: tuple[Mapping[str, str], ...]
    unknown: tuple[str, ...]


def converge(desired: Desired, *, check_mode: bool) -> Outcome:
    """Bring a node to what is desired.

    Raises
    ------
    EvenkeelError
        Something can't be done. Unless the message says otherwise, nothing was changed.
    """
    manager = package_set.manager_of_node(lock_timeout=desired.lock_timeout)
    installed = manager.installed()
    target = path(desired.default) if desired.default else ""
    stood = cuda_link.read()
    link = cuda_link.plan(stood, target)
    require_free(desired, directories(), [*installed, *manager.interrupted()])
    settings = kept_files.changes(setting_files(desired, has_fish=os.path.isdir(FISH_SHELL)))

    outcome = package_set.converge(
        package_set.Job(
            BY,
            request(desired, installed, manager=manager.name),
            desired.repository,
            lock_timeout=desired.lock_timeout,
        ),
        check_mode=check_mode,
    )
    diffs = [*outcome.diffs(), *(change.diff() for change in settings)]
    if not check_mode:
        kept_files.apply_all(settings)
        # NVIDIA's packages have made it, and have chosen; what they chose may be another.
        before, link = link, cuda_link.plan(cuda_link.read(), target)
        if link is not None:
            thing = Thing("file", cuda_link.LINK, LED + stood.target if stood.target else made.ABSENT)
            made.note(BY, [thing] if link.target else [], [] if link.target else [thing])
            cuda_link.apply(link)
        link = before or link
    if link is not None:
        diffs.append(link.diff())
    changed = link is not None or any(change.path == LOADER for change in settings)
    if changed or (desired.loader and loader_is_old()):
        diffs.append({"before_header": LOADER_CACHE, "after_header": LOADER_CACHE, "before": "", "after": "rebuilt\n"})
        if not check_mode:
            make_loader_cache()
    kept = installed if check_mode else manager.installed()
    return Outcome(
        changed=bool(diffs or outcome.healed or outcome.unknown),
        toolkits=tuple(
            {"version": one, "package_version": kept["cuda-toolkit-%s" % one.replace(".", "-")], "path": path(one)}
            for one in standing(kept)
        ),
        default=cuda_link.read().target,
        packages=tuple(map(str, outcome.plan.steps)),
        healed=outcome.healed,
        left=tuple(what_is_left(desired, directories(), kept)),
        diffs=tuple(diffs),
        unknown=outcome.unknown,
    )


def request(desired: Desired, installed: Iterable[str], *, manager: str) -> Request:
    """Return what is asked of the package manager.

    Only the packages of a whole toolkit go, with all its parts; those of an exact version are held.
    """
    exact = tuple(one.name for one in desired.packages if one.version)
    tools = hold_tools(manager) if exact else ()
    gone = {one for one in standing(installed) if one not in desired.toolkits} if desired.exclusive else set()
    return Request(
        wanted=tools + desired.packages,
        absent=tuple(sorted(name for name in installed if part_of(name, desired.parts) in gone)),
        hold=exact,
        release=tuple(one.name for one in desired.packages if not one.version),
        refuse=desired.refuse,
    )


def require_free(desired: Desired, directories: Iterable[str], packages: Iterable[str]) -> None:
    """Refuse to install packages over a toolkit that belongs to no package.

    Parameters
    ----------
    directories
        The versions that have a directory with something in it.
    packages
        What is installed, wholly or in part.

    Raises
    ------
    EvenkeelError
        There is one.
    """
    owned = owned_by(packages)
    for one in directories:
        if one in desired.toolkits and one not in owned:
            raise EvenkeelError(
                "%s exists, and does not belong to a package" % path(one),
                "Remove it by its own uninstaller, %s/bin/cuda-uninstaller, or take %s out of toolkits"
                " (cuda_toolkit_versions of the role)" % (path(one), one),
            )


def standing(installed: Iterable[str]) -> list[str]:
    """Return the versions of the toolkits that packages have made, oldest first."""
    found = [match.groups() for match in map(_META.fullmatch, installed) if match]
    return [".".join(pair) for pair in sorted(found, key=lambda pair: (int(pair[0]), int(pair[1])))]


def part_of(name: str, parts: str) -> str:
    """Return the version of the toolkit that a package is a part of, or an empty string."""
    found = re.match(parts, name)
    return ".".join(found.groups()) if found else ""


def owned_by(packages: Iterable[str]) -> set[str]:
    """Return the versions of the toolkits whose directories packages have made."""
    return {".".join(match.groups()) for match in map(_OF_VERSION.fullmatch, packages) if match}


def what_is_left(desired: Desired, directories: Iterable[str], installed: Iterable[str]) -> list[str]:
    """Return the toolkits that ought to go and stay, because no package has made them."""
    if not desired.exclusive:
        return []
    made = owned_by(installed)
    return [
        "%s is not in toolkits (cuda_toolkit_versions of the role), and stays: it does not belong to a package"
        % path(one)
        for one in directories
        if one not in desired.toolkits and one not in made
    ]


def setting_files(desired: Desired, *, has_fish: bool) -> dict[str, str | None]:
    """Return the files for shells and the loader, with their texts; None for a file that must not be there."""
    shells = desired.shells and bool(desired.toolkits)
    loader = desired.loader and bool(desired.toolkits)
    form = "%s\n%s" % (kept_files.MARK, "%s")
    files: dict[str, str | None] = {
        PROFILE: form % _SHELL.format(cuda=cuda_link.LINK) if shells else None,
        LOADER: form % ("%s/lib64\n" % cuda_link.LINK) if loader else None,
    }
    if has_fish:
        files[FISH] = form % _FISH.format(cuda=cuda_link.LINK) if shells else None
    return files


def loader_is_old() -> bool:
    """Return whether the loader's cache was made before the default toolkit was, or at a time still to come."""
    times = [os.lstat(one).st_mtime for one in (*cuda_link.files(), LOADER) if os.path.lexists(one)]
    cache = os.stat(LOADER_CACHE).st_mtime if os.path.exists(LOADER_CACHE) else 0
    return bool(times) and (cache < max(times) or cache > time.time())


def make_loader_cache() -> None:
    """Have the loader find the default toolkit; a link whose time is still to come would be newer in every run."""
    for link in cuda_link.files():
        if os.lstat(link).st_mtime > time.time():
            os.utime(link, follow_symlinks=False)
    command.require(["ldconfig"], "Repair what it names, then run again")


def path(version: str) -> str:
    """Return the directory of a toolkit."""
    return "%s-%s" % (cuda_link.LINK, version)


def directories() -> list[str]:
    """Return the versions of the toolkits' directories that hold something."""
    found = glob.glob(path("[0-9]*.[0-9]*"))
    return sorted(one[len(path("")) :] for one in found if os.path.isdir(one) and os.listdir(one))
