# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A bundle is whole, unchanged and of somebody who is trusted, or it is refused with all that is wrong with it."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import manifest as manifests
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import signature as signatures
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.manifest import Bundle, Entry
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.signature import Trust
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.source import NO_FILE, Source
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import chunks, sha256_of_chunks
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import manifest as copies
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.manifest import Manifest

_MOST_NAMED = 20
_ANEW = "Nothing was installed. Copy the bundle anew from where it was made"


@dataclass(frozen=True)
class Checked:
    """A bundle whose every file is as its signed description says.

    Parameters
    ----------
    copy
        The manifest of its site copy.
    signer
        Who has signed it; empty where nobody was asked for.
    """

    bundle: Bundle
    source: Source
    copy: Manifest
    signer: str


def check(source: Source, trust: Trust, progress: Callable[[int, int], None] = lambda done, of: None) -> Checked:
    """Check a bundle; all of its files are read.

    Parameters
    ----------
    trust
        Whose it may be.
    progress
        Called with the bytes that were read, and with those that there are.

    Raises
    ------
    EvenkeelError
        Its description or signature is wrong, or files are missing, altered or superfluous; each is named.
    """
    sizes = source.sizes()
    described = _read(source, sizes, manifests.NAME)
    signer = "" if trust.unsigned else _signer(source, sizes, described, trust)
    bundle = manifests.parse(described, "%s of %s" % (manifests.NAME, source.place))
    if wrong := list(_differences(source, sizes, bundle, progress)):
        more = len(wrong) - _MOST_NAMED
        named = [*wrong[:_MOST_NAMED], *(["%d more" % more] if more > 0 else [])]
        raise EvenkeelError(
            "%s in %s is not as it was made: %s" % (bundle.title, source.place, "; ".join(named)), _ANEW
        )
    return Checked(bundle, source, _copy(source, sizes, bundle), signer)


def copy_of(source: Source) -> Manifest:
    """Return the manifest of a bundle's copy; nothing else of the bundle is checked.

    Raises
    ------
    EvenkeelError
        It is no bundle.
    """
    sizes = source.sizes()
    bundle = manifests.parse(_read(source, sizes, manifests.NAME), "%s of %s" % (manifests.NAME, source.place))
    return _copy(source, sizes, bundle)


def _copy(source: Source, sizes: Mapping[str, int], bundle: Bundle) -> Manifest:
    text = _read(source, sizes, bundle.of_copy).decode("utf-8", "replace")
    if copies.identity(text) != bundle.copy:
        raise EvenkeelError("%s in %s is the manifest of another copy" % (bundle.of_copy, source.place), _ANEW)
    copy = copies.parse(text, bundle.of_copy)
    stored = {one.path: one.size for one in bundle.files}
    for one in copy.files:
        size = stored.get(manifests.stored_path(one.sha256), one.size)
        if size != one.size:
            raise EvenkeelError(
                "%s in %s has %s with %d bytes, and the bundle with %d"
                % (bundle.of_copy, source.place, one.path, one.size, size),
                _ANEW,
            )
    return copy


def _signer(source: Source, sizes: Mapping[str, int], described: bytes, trust: Trust) -> str:
    if manifests.SIGNATURE not in sizes:
        raise EvenkeelError(
            "The bundle in %s has no signature" % source.place,
            "Copy %s too; or have it made with a key (bundle_key)" % manifests.SIGNATURE,
        )
    signature = _read(source, sizes, manifests.SIGNATURE)
    return signatures.verify(described, signature, trust, "the bundle in %s" % source.place)


def _read(source: Source, sizes: Mapping[str, int], path: str) -> bytes:
    if sizes.get(path, NO_FILE) == NO_FILE:
        raise EvenkeelError("%s has no file %s" % (source.place, path), "Name the folder or the tar of a bundle")
    with source.open(path) as stream:
        content = stream.read(manifests.MOST_BYTES + 1)
    if len(content) > manifests.MOST_BYTES:
        raise EvenkeelError("%s in %s is too large" % (path, source.place), _ANEW)
    return content


def _differences(
    source: Source, sizes: Mapping[str, int], bundle: Bundle, progress: Callable[[int, int], None]
) -> Iterator[str]:
    """Yield what is wrong with each file, as a part of a sentence."""
    wanted = {one.path: one for one in bundle.files}
    names = _names(source, sizes, bundle)
    total = sum(one.size for one in bundle.files)
    done = 0
    for path in sorted(wanted.keys() | sizes.keys()):
        entry = wanted.get(path)
        if entry is None:
            if path not in (manifests.NAME, manifests.SIGNATURE):
                yield "%s is superfluous" % path
            continue
        if problem := _problem(source, sizes, entry):
            yield "%s %s" % (names.get(path, path), problem)
        done += entry.size
        progress(done, total)


def _names(source: Source, sizes: Mapping[str, int], bundle: Bundle) -> dict[str, str]:
    """Return by path how people know files of the store; nothing where the copy's manifest is not as it was made."""
    (manifest,) = [one for one in bundle.files if one.path == bundle.of_copy]
    if _problem(source, sizes, manifest):
        return {}
    paths = [(manifests.stored_path(one.sha256), one.path) for one in _copy(source, sizes, bundle).files]
    return {stored: "%s (%s)" % (stored, path) for stored, path in paths}


def _problem(source: Source, sizes: Mapping[str, int], entry: Entry) -> str:
    if entry.path not in sizes:
        return "is missing"
    size = sizes[entry.path]
    if size == NO_FILE:
        return "is no plain file"
    if size != entry.size:
        return "has %d bytes instead of %d" % (size, entry.size)
    try:
        with source.open(entry.path) as stream:
            found = sha256_of_chunks(chunks(stream.read))
    except (OSError, tarfile.TarError) as error:
        return "can't be read: %s" % error
    return "" if found == entry.sha256 else "was altered"
