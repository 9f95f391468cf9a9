# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Packages of a distribution with all that they depend on, as files of a copy."""

from __future__ import annotations

from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import apt_repository, rpm_repository
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.closure import closure
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.fetching import Damaged, Missing, Wanted
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.listed import Listed
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.package_versions import (
    compare_debian,
    compare_rpm,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.sources import Sources
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.wants import PackageSet, Repository

#: How often lists are read that change while they are read.
TRIES = 3
_KINDS = {"apt": (apt_repository.read, compare_debian), "rpm": (rpm_repository.read, compare_rpm)}

Known = dict[tuple[str, Repository, str], Listed]


def resolve(asked: PackageSet, sources: Sources, known: Known) -> tuple[list[Wanted], list[Listed], list[str]]:
    """Return the packages of a set, the lists of its repositories, and the dependencies that nodes have from elsewhere.

    Parameters
    ----------
    known
        Repositories that were read for another set; those of this one are added.

    Raises
    ------
    EvenkeelError
        A repository lacks something that is asked for.
    """
    read, compare = _KINDS[asked.kind]
    listed = []
    for repository in asked.repositories:
        key = (asked.kind, repository, asked.architecture)
        if key not in known:
            for left in range(TRIES - 1, -1, -1):
                try:
                    known[key] = read(repository, asked.architecture, sources)
                    break
                except (Missing, Damaged):  # the upstream may have changed between its lists
                    if not left:
                        raise
        listed.append(known[key])
    packages, lacking = closure(asked, (one for lists in listed for one in lists.packages), compare)
    wanted = [
        Wanted(one.path, sources.upstreams.url(one.path), one.size, one.algorithm, one.digest) for one in packages
    ]
    return wanted, listed, lacking
