# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""One APT repository: its signed list, the lists of packages that it names, verbatim, and what they hold."""

from __future__ import annotations

import io
import lzma
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import IO

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import apt_lists, signatures
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.closure import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.fetching import Missing, Wanted
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.listed import OPENERS, Listed
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.manifest import File
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.sources import Sources
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.wants import Repository

#: Of what clients may ask for besides.
_OTHERS = (".lzma", ".lz4")
#: What ordinary nodes ask for beside packages, where the signed list names it; without it, their apt fails.
_BESIDE = ("i18n/Translation-en", "cnf/Commands-{}")


def read(repository: Repository, architecture: str, sources: Sources) -> Listed:
    """Return a repository's lists, all of one version of its signed list.

    Raises
    ------
    EvenkeelError
        It lacks a component or the architecture, its signature is wrong, or a list is not the one that is signed.
    """
    flat = not repository.components
    folder = (
        repository.path
        if repository.suite == "/"
        else "%s/%s"
        % (
            repository.path,
            repository.suite.strip("/") if flat else "dists/%s" % repository.suite.strip("/"),
        )
    )
    signed, release, warnings = _signed(folder, repository, sources)
    files = list(signed)
    packages: list[Package] = []
    for name in _lists(release, repository, architecture):
        forms, path, ending = _forms(name, folder, release, sources)
        files += forms
        with OPENERS[ending](path) as stream:
            # A flat repository names files from its own folder on, others from the folder above dists.
            root = folder if flat else repository.path
            packages += apt_lists.packages(_lines(stream, name), root, architecture)
    for component in repository.components:
        for beside in _BESIDE:
            files += _copied("%s/%s" % (component, beside.format(architecture)), folder, release, sources)[0]
    return Listed(tuple(files), tuple(packages), tuple(warnings))


def _signed(folder: str, repository: Repository, sources: Sources) -> tuple[list[File], apt_lists.Release, list[str]]:
    signature: tuple[File, str] | None = None
    try:
        signed, path = sources.index("%s/InRelease" % folder)
        found = [signed]
    except Missing:
        signed, path = sources.index("%s/Release" % folder)
        found = [signed]
        try:
            signature = sources.index("%s/Release.gpg" % folder)
            found.append(signature[0])
        except Missing:
            pass
    with open(path, encoding="utf-8", errors="replace") as stream:
        release = apt_lists.parse_release(stream.read(), signed.url)
    key = sources.key(repository.key)
    why = signatures.unchecked(key, repository.key_member)
    inline = signed.path.endswith("/InRelease")
    if not why and not inline and signature is None:
        raise EvenkeelError("%s has no signature" % signed.url, "Check the upstream, or leave the key out")
    warnings = (
        ["The signature of %s is left to the nodes, as %s" % (signed.path, why)] if why and repository.key else []
    )
    if not why:
        signatures.require_signed(signed.url, path, signature[1] if signature else "", key, repository.key_member)
    until = release.valid_until
    if until is not None:
        aware = until if until.tzinfo else until.replace(tzinfo=timezone.utc)
        over = "is over since" if aware < datetime.now(timezone.utc) else "ends"
        warnings.append(
            "The validity of %s %s %s: after it, apt takes the copy only with Check-Valid-Until: no"
            % (signed.path, over, aware.date())
        )
    return found, release, warnings


def _lists(release: apt_lists.Release, repository: Repository, architecture: str) -> Iterator[str]:
    """Yield the names of the lists of packages, without how they are compressed.

    Raises
    ------
    EvenkeelError
        The repository does not have one.
    """
    if not repository.components:
        yield _require(release, "Packages", repository, "packages")
        return
    for component in repository.components:
        what = "component %s for %s" % (component, architecture)
        yield _require(release, "%s/binary-%s/Packages" % (component, architecture), repository, what)
        of_all = "%s/binary-all/Packages" % component
        if release.separate_all and any(of_all + ending in release.entries for ending in OPENERS):
            yield of_all


def _require(release: apt_lists.Release, name: str, repository: Repository, what: str) -> str:
    if any(name + ending in release.entries for ending in OPENERS):
        return name
    if any(name + ending in release.entries for ending in _OTHERS):
        raise EvenkeelError(
            "The repository %s has %s only in a form that can't be read here" % (repository, name),
            "Take another mirror of it that has %s.xz or %s.gz" % (name, name),
        )
    has = "components %s, architectures %s" % (
        release.fields.get("Components", "?"),
        release.fields.get("Architectures", "?"),
    )
    raise EvenkeelError("The repository %s has no %s; it has %s" % (repository, what, has), "Ask for one that it has")


def _forms(name: str, folder: str, release: apt_lists.Release, sources: Sources) -> tuple[list[File], str, str]:
    """Return all forms of a list that the upstream has, and the one that is read: where it is, and its ending."""
    files, found = _copied(name, folder, release, sources)
    for ending in OPENERS:
        file = found.get("%s/%s%s" % (folder, name, ending))
        if file:
            return files, sources.store.find(file.sha256, file.size), ending
    raise Missing("%s has no %s" % (sources.upstreams.url(folder), name), "Check the upstream")


def _copied(name: str, folder: str, release: apt_lists.Release, sources: Sources) -> tuple[list[File], dict[str, File]]:
    """Return all forms of a list that the upstream has, with their names by hash, and without them by path."""
    listed = [name + ending for ending in (*OPENERS, *_OTHERS) if name + ending in release.entries]
    compressed = [one for one in listed if one != name] or listed
    wanted: dict[str, Wanted] = {}
    aliases: dict[str, list[str]] = {}
    for one in compressed:
        entry = release.entries[one]
        kind = next(kind for kind in apt_lists.HASHES if kind in entry.hashes)
        path = "%s/%s" % (folder, one)
        by_hash = ["%s/by-hash/%s/%s" % (path.rpartition("/")[0], *item) for item in entry.hashes.items()]
        aliases[path] = by_hash if release.by_hash else []
        digest = entry.hashes[kind]
        # By its hash, a list of an earlier version is found while the upstream has a new one already.
        at = "%s/by-hash/%s/%s" % (path.rpartition("/")[0], kind, digest) if release.by_hash else path
        wanted[path] = Wanted(path, sources.upstreams.url(at), entry.size, apt_lists.HASHES[kind], digest)
    found = sources.lists(wanted.values())
    if release.by_hash:  # some mirrors lack these names, and apt asks for the others then
        again = [replace(one, url=sources.upstreams.url(path)) for path, one in wanted.items() if path not in found]
        found.update(sources.lists(again))
    files = [
        *found.values(),
        *(File(alias, file.size, file.sha256, file.url) for path, file in found.items() for alias in aliases[path]),
    ]
    return files, found


def _lines(stream: IO[bytes], name: str) -> Iterator[str]:
    try:
        yield from (line.rstrip("\r\n") for line in io.TextIOWrapper(stream, encoding="utf-8", errors="replace"))
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise EvenkeelError("%s can't be read: %s" % (name, error), "Check the upstream") from error
