# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A site copy as a bundle: a folder or a tar, whole or with what the one before lacked; there at once or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import check, install, signature, source
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import manifest as manifests
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.filling import TIME
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.manifest import Bundle, Entry
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import require_space, sync_directory
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.program import archive
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import manifest as copies
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.manifest import Manifest
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.store import CANNOT_LINK, Store


@dataclass(frozen=True)
class Content:
    """A file of a bundle, by its bytes or by where they are."""

    path: str
    data: bytes = b""
    place: str = ""

    @property
    def mode(self) -> int:
        return 0o755 if self.path == manifests.PROGRAM else 0o644

    @property
    def size(self) -> int:
        return Path(self.place).stat().st_size if self.place else len(self.data)


@dataclass(frozen=True)
class Packed:
    """A bundle before it is written: what it says, and its files, the description first."""

    bundle: Bundle
    contents: tuple[Content, ...]

    @property
    def name(self) -> str:
        after = f"-after-{self.bundle.follows}" if self.bundle.follows else ""
        return f"evenkeel-bundle-{self.bundle.copy}{after}"

    @property
    def size(self) -> int:
        return sum(one.size for one in self.contents)


def pack(store: Store, copy: Manifest, former: Manifest | None, commit: str, key: str) -> Packed:
    """Return the bundle of a copy.

    Parameters
    ----------
    former
        The copy that the place has already; None for a whole bundle.
    key
        What it is signed with; empty for nothing.
    """
    had = {one.sha256 for one in former.files} if former else set()
    stored = {one.sha256: one for one in copy.files if one.sha256 not in had}
    made = [Content(manifests.PROGRAM, archive(install)), Content(manifests.copy_path(copy.id), copy.text.encode())]
    entries = [Entry(one.path, len(one.data), hashlib.sha256(one.data).hexdigest()) for one in made]
    for sha256, one in sorted(stored.items()):
        path = manifests.stored_path(sha256)
        made.append(Content(path, place=store.path(sha256)))
        entries.append(Entry(path, one.size, sha256))
    bundle = Bundle(
        copy=copy.id,
        follows=former.id if former else "",
        made=copy.made[TIME],
        version=copy.made.get("version", ""),
        commit=commit,
        files=tuple(sorted(entries)),
    )
    described = bundle.text.encode()
    signed = [Content(manifests.SIGNATURE, signature.sign(described, key))] if key else []
    return Packed(bundle, (Content(manifests.NAME, described), *signed, *made))


def write(packed: Packed, folder: Path, *, as_tar: bool) -> tuple[Path, bool]:
    """Write a bundle into a folder, and return its path and whether this one was not there.

    Raises
    ------
    EvenkeelError
        The disk has no room for it, or can't be written to.
    """
    target = folder / (packed.name + (".tar" if as_tar else ""))
    if _is_there(packed, target):
        return target, False
    partial = folder / f".{target.name}.partial"
    try:
        _remove(partial)
        require_space(str(folder), packed.size, f"The bundle {packed.bundle.copy}")
        (_write_tar if as_tar else _write_folder)(packed, partial)
        _remove(target)
        partial.rename(target)
        sync_directory(str(folder))
    except OSError as error:
        _remove(partial)
        raise from_os(error, str(folder)) from error
    except BaseException:
        _remove(partial)
        raise
    return target, True


def _is_there(packed: Packed, target: Path) -> bool:
    """Whether a bundle says the same, has all files in their size, and is signed by the same key."""
    if not target.exists():
        return False
    wanted = {one.path: one for one in packed.contents}
    try:
        found = source.at(str(target))
        sizes = {path: size for path, size in found.sizes().items() if path != manifests.SIGNATURE}
        if sizes != {one.path: one.size for one in packed.contents if one.path != manifests.SIGNATURE}:
            return False
        described = _read(found, manifests.NAME)
        signed = wanted.get(manifests.SIGNATURE)
        if described != wanted[manifests.NAME].data or bool(signed) != (manifests.SIGNATURE in found.sizes()):
            return False
        return signed is None or signature.fingerprint(
            described, _read(found, manifests.SIGNATURE), target.name
        ) == signature.fingerprint(described, signed.data, target.name)
    except (EvenkeelError, OSError):
        return False


def _read(found: source.Source, path: str) -> bytes:
    with found.open(path) as stream:
        return stream.read()


def former_of(asked: str, store: Store) -> Manifest:
    """Return the copy that a place has already.

    Parameters
    ----------
    asked
        A bundle, a copy's manifest, or the name of a copy that the store still has.

    Raises
    ------
    EvenkeelError
        It is none of these.
    """
    place = Path(asked)
    if not place.exists():
        known = store.read(asked) if asked in store.names() else None
        if known:
            return known
        raise EvenkeelError(
            f"bundle_follows is {asked!r}, which is no bundle, and no copy that {store.root} still has",
            "Name the former bundle's folder or tar, or its copies/ID/manifest.json; leave it out for a whole bundle",
        )
    if place.is_file() and place.suffix == ".json":
        return copies.parse(place.read_text(encoding="utf-8"), asked)
    return check.copy_of(source.at(asked))


def _write_folder(packed: Packed, partial: Path) -> None:
    for one in packed.contents:
        path = partial / one.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if one.place:
            _copy(one.place, path)
        else:
            path.write_bytes(one.data)
            path.chmod(one.mode)
            _sync(path)
    for below in [partial, *(path for path in partial.rglob("*") if path.is_dir())]:
        sync_directory(str(below))


def _copy(place: str, path: Path) -> None:
    """Link a file of the store, or copy it to another file system, durably."""
    try:
        path.hardlink_to(place)
    except OSError as error:
        if error.errno not in CANNOT_LINK:
            raise
        shutil.copyfile(place, path)
        _sync(path)


def _write_tar(packed: Packed, partial: Path) -> None:
    with partial.open("xb") as stream, tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, content in _members(packed):
            with open(content.place, "rb") if content.place else io.BytesIO(content.data) as read:
                tar.addfile(member, read)
    _sync(partial)


def _members(packed: Packed) -> Iterator[tuple[tarfile.TarInfo, Content]]:
    for one in packed.contents:
        member = tarfile.TarInfo(f"{packed.name}/{one.path}")
        member.size, member.mode = one.size, one.mode
        yield member, one


def _sync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
