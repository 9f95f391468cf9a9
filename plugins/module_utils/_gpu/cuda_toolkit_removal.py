# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A node without the CUDA toolkits that Evenkeel has brought; those of others stay, and are named."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import cuda_link, cuda_repository, cuda_toolkits
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.cuda_toolkits import BY, Outcome
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files, made, remains
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge as package_set
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import removal, transaction


def remove(lock_timeout: int, *, check_mode: bool) -> Outcome:
    """Take away what was made for toolkits: packages, settings, the repository, and the link where it is ours.

    Raises
    ------
    EvenkeelError
        A step failed; the next run goes on from there.
    """
    recorded = made.read(BY)
    manager = package_set.manager_of_node(lock_timeout=lock_timeout)
    before, state = manager.installed(), cuda_link.read()
    gone = removal.remove([BY], lock_timeout=lock_timeout, check_mode=check_mode)
    after = transaction.after(before, gone.plan.steps) if check_mode else manager.installed()

    directories = gone_directories(before, after, state.choices)
    link = next((thing for thing in recorded if thing.name == cuda_link.LINK), None)
    target = cuda_link.after_removal(state, former(link), directories) if link else state.target
    settings = kept_files.changes({cuda_toolkits.PROFILE: None, cuda_toolkits.FISH: None})
    loader = kept_files.changes({cuda_toolkits.LOADER: None})
    if not check_mode:
        for directory in directories:  # RPM leaves those that no package owns
            remains.clear(directory)
        kept_files.apply_all(settings)
        if link:
            cuda_link.withdraw(target, directories)
            made.note(BY, (), [link])
        kept_files.withdraw(cuda_toolkits.LOADER, cuda_toolkits.make_loader_cache)
    sources, stays = cuda_repository.without_toolkits()
    diffs: list[Mapping[str, str]] = [*gone.diffs(), *(change.diff() for change in (*settings, *loader))]
    diffs += [cuda_link.Plan(state.target, target).diff()] if target != state.target else []
    diffs += sources.diffs()
    if not check_mode:
        sources.apply()
    return Outcome(
        changed=bool(diffs or gone.changed),
        toolkits=(),
        default=target,
        packages=tuple(map(str, gone.plan.steps)),
        healed=gone.healed,
        left=(*gone.left, *left(after, recorded, before if check_mode else after), *stays, *sources.left),
        diffs=tuple(diffs),
        unknown=gone.unknown,
    )


def former(link: Thing | None) -> str:
    """Return where the link led before it was ours, if a toolkit is still there; else an empty text."""
    path = link.before[len(cuda_toolkits.LED) :] if link and link.before.startswith(cuda_toolkits.LED) else ""
    return path if os.path.isdir(path) else ""


def gone_directories(before: Iterable[str], after: Iterable[str], choices: Iterable[str]) -> set[str]:
    """Return the directories of the toolkits whose packages went, and those that alternatives offer and are not there.

    Parameters
    ----------
    before, after
        The installed packages.
    choices
        What the alternatives offer.
    """
    versions = cuda_toolkits.owned_by(before) - cuda_toolkits.owned_by(after)
    return {*map(cuda_toolkits.path, versions), *(choice for choice in choices if not os.path.isdir(choice))}


def left(after: Collection[str], recorded: Collection[Thing], owners: Collection[str]) -> list[str]:
    """Return the toolkits that stay and are not ours, with the reason.

    Parameters
    ----------
    after
        The packages that are installed in the end.
    owners
        The packages whose directories are there now.
    """
    ours = {thing.name for thing in recorded if thing.kind == "package"}
    names = {one: "cuda-toolkit-%s" % one.replace(".", "-") for one in cuda_toolkits.standing(after)}
    packages = cuda_toolkits.owned_by(owners)
    return [
        *(
            "the package %s: no record says that Evenkeel has installed it" % name
            for name in names.values()
            if name not in ours
        ),
        *(
            "%s: it does not belong to a package" % cuda_toolkits.path(one)
            for one in cuda_toolkits.directories()
            if one not in packages
        ),
    ]
