# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Packages that came damaged: their source is asked past the caches on the way, one of which may keep such a file."""

from __future__ import annotations

import html
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from urllib.parse import urljoin

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import linking
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import Job, Tools
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.download import download
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.transfer import most_bytes

#: What py-rattler, conda and uv say of an archive that did not come as it should.
_DAMAGED = re.compile("failed to fetch|mismatch|failed to download", re.IGNORECASE)


def install(job: Job, installer: str, tools: Tools, asked: frozenset[Package] = frozenset()) -> None:
    """Make the environment as ``linking.install`` does, again where what came damaged is right past the caches.

    Parameters
    ----------
    asked
        The packages that have been asked for past the caches.

    Raises
    ------
    EvenkeelError
        It can't be made; a package that its source, too, has otherwise than the lock is named with both hashes.
    """
    try:
        return linking.install(job, installer, tools)
    except EvenkeelError as error:
        again = [package for package in damaged(job.packages, error.what, job.pip_index) if package not in asked]
        if not again:
            raise
        try:
            for package in again:
                fetch(package, job.pip_index, job.timeout, os.path.join(job.pkgs, linking.UV))
        except EvenkeelError as why:
            raise EvenkeelError("%s; %s" % (error.what, why.what), error.remedy, **error.details) from error
    shutil.rmtree(job.prefix, ignore_errors=True)
    return install(job, installer, tools, asked.union(again))


def damaged(packages: Iterable[Package], said: str, pip_index: str) -> list[Package]:
    """Return the packages that came damaged, or not at all, by what an installer said of its failure.

    Those of an index that only uv knows are left out.

    >>> idna = Package("idna", "3", "0", "", url="http://m/noarch/idna-3-0.conda")
    >>> [damaged([idna], "failed to %s idna-3-0.conda" % what, "") == [idna] for what in ("fetch", "link")]
    [True, False]
    """
    return [one for one in packages if _named(one, said, pip_index)] if _DAMAGED.search(said) else []


def _named(package: Package, said: str, pip_index: str) -> bool:
    if package.manager != PIP:
        return package.url.rpartition("/")[2] in said
    known = package.index or pip_index
    return bool(known) and re.search(r"`%s(==| @ )" % re.escape(_normalised(package)), said) is not None


def _normalised(package: Package) -> str:
    return re.sub(r"[-_.]+", "-", package.name).lower()


def fetch(package: Package, pip_index: str, timeout: float, folder: str) -> None:
    """Have the caches on the way fetch a package anew; it is not kept here.

    Parameters
    ----------
    pip_index
        The index of pip's packages that are pinned to no other.
    timeout
        Seconds that the source may stay silent.
    folder
        A cache; the next build removes hidden directories that a killed one has left there.

    Raises
    ------
    EvenkeelError
        The source does not deliver it, or something else.
    """
    with tempfile.TemporaryDirectory(prefix=".", dir=folder) as private:
        target = os.path.join(private, "archive")
        url = package.url
        if package.manager == PIP and not package.index:
            url = _of_index(package, pip_index, timeout, target)
        found = download(url, target, timeout, 0, most=most_bytes(package.size), sha256=package.sha256)
    if found != package.sha256:
        raise EvenkeelError(
            "%s has the SHA-256 %s, not %s" % (url, found, package.sha256), "Lock again, or use another mirror"
        )


def _of_index(package: Package, pip_index: str, timeout: float, target: str) -> str:
    """Return where an index has a package."""
    page = "%s/%s/" % (pip_index.rstrip("/"), _normalised(package))
    download(page, target, timeout, 0)
    with open(target, encoding="utf-8", errors="replace") as stream:
        link = link_of(stream.read(), package.sha256)
    if not link:
        raise EvenkeelError("%s has no file with the SHA-256 %s" % (page, package.sha256), "Lock again")
    return urljoin(page, link)


def link_of(page: str, sha256: str) -> str:
    """Return the link to a file by its hash in a page of an index; empty without one.

    >>> link_of('<a href="../a.whl#sha256=12ab">', "12ab")
    '../a.whl'
    """
    found = re.search(r"""href=["']([^"'#]+)#sha256=%s\b""" % sha256, page)
    return html.unescape(found[1]) if found else ""
