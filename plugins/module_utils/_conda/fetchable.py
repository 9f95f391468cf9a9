# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether what an environment lacks can be fetched, asked of its sources before anything is built."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.error import HTTPError

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.built_wheels import is_built
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.download import beginning
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import existing, require_space

#: How often a source that was silent is asked again.
RETRIES = 1
#: py-rattler's own credentials, which nothing else reads.
_CREDENTIALS = "~/.rattler/credentials.json"
#: By folder, why it does not deliver, empty where it does; a survey rehearses all environments in one process.
_found: dict[str, str] = {}


@dataclass(frozen=True)
class Sources:
    """Where an environment's packages come from."""

    #: The installer's package cache.
    cache: str
    #: Empty for the one that uv is configured to ask.
    pip_index: str
    #: Seconds that a source may stay silent.
    timeout: float
    #: How many may be asked at once.
    connections: int


def require_fetchable(name: str, packages: Sequence[Package], sources: Sources) -> None:
    """Fail where the packages that the cache lacks have no room, or a source of theirs does not deliver.

    Each folder of each channel is asked for one package, and the index of pip's packages for one of them. Of those that
    are pinned to another index, each folder is asked too.

    Parameters
    ----------
    name
        The environment's.
    packages
        All that it is built from, with the URLs that this node uses.
    sources
        Where they come from.

    Raises
    ------
    EvenkeelError
        Something would not come; all that is wrong is in its text.
    """
    lacking = [package for package in packages if package.manager != PIP and not cached(package, sources.cache)]
    require_space(
        existing(sources.cache), sum(package.size for package in lacking), "What the environment %s lacks" % name
    )
    of_pip = [package for package in packages if package.manager == PIP and not is_built(package)]
    pinned = [package for package in of_pip if package.index]
    others = [package for package in of_pip if not package.index]
    urls = (*one_of_each_folder(lacking + pinned), *one_of_index(others, sources.pip_index))
    with ThreadPoolExecutor(max_workers=sources.connections) as pool:
        problems = list(filter(None, pool.map(lambda url: problem(url, sources.timeout), urls)))
    if problems:
        raise EvenkeelError(
            "The environment %s can't be built: %s" % (name, "; ".join(problems)),
            "Check the mirrors, and that the machine reaches them; nothing was changed",
        )


def cached(package: Package, cache: str) -> bool:
    """Whether an installer's cache has a package unpacked."""
    return os.path.isfile(os.path.join(cache, package.stem, "info", "index.json"))


def one_of_each_folder(packages: Iterable[Package]) -> tuple[str, ...]:
    """Return URLs such that each folder that the packages come from has one; files of the node are left out.

    >>> one_of_each_folder([Package("a", "1", "0", "", url="http://m/main/noarch/a-1-0.conda")])
    ('http://m/main/noarch/a-1-0.conda',)
    """
    found: dict[str, str] = {}
    for package in sorted(packages):
        if not package.url.startswith("file:"):
            found.setdefault(package.url.rpartition("/")[0], package.url)
    return tuple(found.values())


def one_of_index(packages: Iterable[Package], index: str) -> tuple[str, ...]:
    """Return the page that the index of pip's packages has of one of them; nothing where the index is not known.

    Built wheels have no page.
    """
    names = sorted(package.name for package in packages if not is_built(package))
    if not names or not index:
        return ()
    return ("%s/%s/" % (index.rstrip("/"), re.sub(r"[-_.]+", "-", names[0]).lower()),)


def problem(url: str, timeout: float) -> str:
    """Return what keeps a URL from being fetched; empty where nothing does, or where that is not known.

    A folder that has delivered once, or did not deliver, is not asked again.
    """
    folder = url.rstrip("/").rpartition("/")[0]
    if folder in _found:
        return _found[folder]
    what = ""
    try:
        beginning(url, timeout, RETRIES)
    except EvenkeelError as error:
        refusal = error.__cause__
        if isinstance(refusal, HTTPError):  # which is about this URL alone
            unknown = refusal.code in (401, 403) and os.path.exists(os.path.expanduser(_CREDENTIALS))
            return "" if unknown else error.what
        what = error.what
    _found[folder] = what
    return what
