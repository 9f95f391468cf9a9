# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The homes of a machine's people, and the files in them that only a person can have put there."""

from __future__ import annotations

import filecmp
import os
import pwd
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.accounts import local_users

SKELETON = "/etc/skel"
_FIRST_PERSON, _NOBODY = 1000, 65534
#: Enough to see whose files they are.
_NAMED = 5


def of_people(owners: Collection[int]) -> dict[str, str]:
    """Return the homes by user: root's, those of people, and those of accounts that own one of the node's secrets.

    Parameters
    ----------
    owners
        The ids of these accounts.
    """
    accounts = [pwd.getpwnam(name) for name in local_users()]
    return {
        one.pw_name: os.path.realpath(one.pw_dir)
        for one in accounts
        if one.pw_uid in (0, *owners) or _FIRST_PERSON <= one.pw_uid < _NOBODY
    }


def belongings(homes: Mapping[str, str], others: Iterable[str], skeleton: str = SKELETON) -> dict[str, list[str]]:
    """Return by user the first files that are the user's own.

    Parameters
    ----------
    others
        Paths in homes that are not: what is removed anyway, and what programs have made.
    skeleton
        What a new home has.
    """
    known = frozenset(others)
    found = {user: list(_own(home, known, skeleton, set(homes.values()) - {home})) for user, home in homes.items()}
    return {user: paths for user, paths in found.items() if paths}


def _own(home: str, known: frozenset[str], skeleton: str, other_homes: set[str]) -> Iterator[str]:
    left = _NAMED
    for folder, folders, names in os.walk(home):
        paths = {name: os.path.join(folder, name) for name in (*folders, *names)}
        folders[:] = sorted(name for name in folders if paths[name] not in known and paths[name] not in other_homes)
        links = [name for name in folders if os.path.islink(paths[name])]
        for name in sorted([*names, *links]):
            if paths[name] in known or _is_of_skeleton(paths[name], home, skeleton):
                continue
            yield paths[name]
            left -= 1
            if not left:
                return


def _is_of_skeleton(path: str, home: str, skeleton: str) -> bool:
    model = os.path.join(skeleton, os.path.relpath(path, home))
    if not all(os.path.lexists(one) and stat.S_ISREG(os.lstat(one).st_mode) for one in (path, model)):
        return False
    return filecmp.cmp(path, model, shallow=False)
