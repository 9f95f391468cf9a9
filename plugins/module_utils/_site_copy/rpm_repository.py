# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""One RPM repository: repomd.xml and all lists that it names, verbatim, and the packages that they hold."""

from __future__ import annotations

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import rpm_lists, signatures
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.fetching import Missing, Wanted
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.listed import OPENERS, Listed
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.sources import Sources
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.wants import Repository


def read(repository: Repository, architecture: str, sources: Sources) -> Listed:
    """Return a repository's lists, all of one repomd.xml.

    Raises
    ------
    EvenkeelError
        It is none, its signature is wrong, or a list is not the one that it names.
    """
    folder = repository.path
    repomd, path = sources.index("%s/repodata/repomd.xml" % folder)
    files = [repomd]
    with open(path, "rb") as stream:
        entries = rpm_lists.parse_repomd(stream.read(), repomd.url)
    try:
        signature, signature_path = sources.index("%s.asc" % repomd.path)
        files.append(signature)
    except Missing:
        signature_path = ""
    warnings = []
    key = sources.key(repository.key)
    why = signatures.unchecked(key, repository.key_member)
    if signature_path and not why:
        signatures.require_signed(repomd.url, path, signature_path, key, repository.key_member)
    elif signature_path and repository.key:
        warnings.append("The signature of %s is left to the nodes, as %s" % (repomd.path, why))
    wanted = [
        Wanted("%s/%s" % (folder, one.path), sources.upstreams.url("%s/%s" % (folder, one.path)), *_content(one))
        for one in entries
    ]
    found = sources.lists(wanted)
    files += found.values()
    primary = next(one for one in entries if one.kind == "primary")
    listed = found.get("%s/%s" % (folder, primary.path))
    if listed is None:
        raise Missing("%s has no %s" % (sources.upstreams.url(folder), primary.path), "Check the upstream")
    ending = "." + primary.path.rpartition(".")[2]
    opener = OPENERS.get(ending if ending != ".xml" else "")
    if opener is None:
        raise EvenkeelError(
            "%s is compressed in a form that can't be read here" % listed.url,
            "Take another mirror of the repository, with a primary.xml.gz or primary.xml.xz",
        )
    with opener(sources.store.find(listed.sha256, listed.size)) as stream:
        packages = tuple(rpm_lists.packages(stream, folder, architecture, listed.url))
    return Listed(tuple(files), packages, tuple(warnings))


def _content(one: rpm_lists.Entry) -> tuple[int, str, str]:
    return one.size, one.algorithm, one.digest
