# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""From what is wanted to exact files: indexes of upstreams are read, and indexes of the copy are made."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import channels, index_pages, package_sets
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.fetching import Wanted, fetch_all
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.manifest import File
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.sources import Sources
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.wants import PackageSet, Request


@dataclass
class Resolved:
    """What a copy will hold.

    Parameters
    ----------
    wanted
        Files that are known by their hash, wherever they are now.
    files
        Files that are in the store already, since they had to be read.
    texts
        By path, what is made here.
    warnings
        What an operator has to know.
    notes
        What packages depend on that nodes have from elsewhere.
    """

    wanted: list[Wanted] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def resolve(request: Request, sources: Sources) -> Resolved:
    """Return the files that are asked for.

    Raises
    ------
    EvenkeelError
        An upstream lacks something, or does not answer.
    """
    found = Resolved()
    _add_files(request.files, sources, found)
    _add_channels(request.conda, sources, found)
    found.wanted += _from_index(request.pip, sources)
    found.texts.update(index_pages.pages(request.releases))
    _add_sets(request.sets, sources, found)
    return found


def _add_files(files: Iterable[Wanted], sources: Sources, found: Resolved) -> None:
    found.wanted += [one for one in files if one.digest]
    unknown = [one for one in files if not one.digest]
    found.files += fetch_all(unknown, sources.store, sources.network).values()


def _from_index(files: Iterable[Wanted], sources: Sources) -> list[Wanted]:
    """Return files with the URLs that the upstream's index has for them, as nodes find them; else those of locks."""
    lacking = [one for one in files if not sources.store.find(one.sha256, one.size)]
    pages = {one.path: "%s/" % one.path.rpartition("/")[0] for one in lacking if sources.upstreams.has(one.path)}
    wanted = [Wanted(page, "%s/" % sources.upstreams.url(page.rstrip("/"))) for page in pages.values()]
    found = fetch_all(wanted, sources.store, sources.network, optional=True)
    urls = {}
    for one in lacking:
        page = found.get(pages.get(one.path, ""))
        if page:
            with open(sources.store.find(page.sha256, page.size), encoding="utf-8", errors="replace") as stream:
                urls[one.path] = index_pages.link(stream.read(), sources.upstreams.url(page.path), one.sha256)
    return [replace(one, url=urls.get(one.path) or one.url) for one in files]


def _add_channels(packages: Iterable[Wanted], sources: Sources, found: Resolved) -> None:
    by_path = {one.path: one for one in packages}
    former = {one.path: one for one in sources.former.files} if sources.former else {}
    for folder, names in channels.folders(by_path).items():
        path, subdir = "%s/%s" % (folder, channels.REPODATA), folder.rpartition("/")[2]
        paths = ["%s/%s" % (folder, name) for name in names]
        own = {one: former[one].sha256 for one in former if one.rpartition("/")[0] == folder and one != path}
        if path in former and own == {one: by_path[one].sha256 for one in paths}:
            # Nothing came or went: what the copy says of these packages still holds.
            kept = sources.store.find(former[path].sha256, former[path].size)
            if kept:
                found.files.append(former[path])
                found.wanted += [replace(by_path[one], size=former[one].size) for one in paths]
                continue
        records = channels.records(sources.index(path)[1], names) if names else {}
        found.texts[path] = channels.index(subdir, records)
        for one in paths:
            record = records.get(os.path.basename(one))
            if record is None:
                found.warnings.append("%s is not in its channel's index any more; the package is copied" % one)
            size = (record or {}).get("size")
            known = by_path[one]
            found.wanted.append(replace(known, size=known.size or (size if isinstance(size, int) else 0)))


def _add_sets(sets: Iterable[PackageSet], sources: Sources, found: Resolved) -> None:
    known: package_sets.Known = {}
    for asked in sets:
        wanted, listed, lacking = package_sets.resolve(asked, sources, known)
        found.wanted += wanted
        found.files += [file for one in listed for file in one.files]
        found.warnings += [warning for one in listed for warning in one.warnings if warning not in found.warnings]
        found.notes += ["%s: nodes have %s from elsewhere" % (asked.name, need) for need in sorted(lacking)]
