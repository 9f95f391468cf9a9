# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle is there at once or not at all, and after the first one it is small."""

from __future__ import annotations

import errno
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import check, source
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.signature import Trust
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import manifest
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.manifest import File, Manifest
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.store import Store
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bundle import packing

TIME = "2026-11-29T20:00:00Z"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def copy(store: Store, *contents: str) -> Manifest:
    files = []
    for content in contents:
        partial = Path(store.partial("x"))
        partial.write_text(content)
        sha256 = packing.hashlib.sha256(content.encode()).hexdigest()
        files.append(File(f"pkgs/{content}", len(content), sha256))
        store.keep(str(partial), sha256)
    return manifest.of({}, files, {"time": TIME, "version": "0.2.0"})


def written(store: Store, one: Manifest, folder: Path, former: Manifest | None = None, *, as_tar: bool = False) -> Path:
    folder.mkdir(exist_ok=True)
    return packing.write(packing.pack(store, one, former, "c0ffee", ""), folder, as_tar=as_tar)[0]


def test_it_is_named_by_its_copy_and_made_once(store: Store, tmp_path: Path) -> None:
    one = copy(store, "a", "b")
    place = written(store, one, tmp_path)
    assert place.name == f"evenkeel-bundle-{one.id}"
    assert [path.name for path in sorted(place.iterdir())] == ["bundle.json", "copies", "install.pyz", "store"]
    assert packing.write(packing.pack(store, one, None, "c0ffee", ""), tmp_path, as_tar=False) == (place, False)


@pytest.mark.parametrize("as_tar", [False, True])
@pytest.mark.parametrize("before", ["without a signature", "by another key", "by another program", "incomplete"])
def test_what_differs_under_its_name_is_made_anew(store: Store, tmp_path: Path, before: str, *, as_tar: bool) -> None:
    one = copy(store, "a", "b")
    keys = [str(tmp_path / name) for name in ("old", "new")]
    for key in keys:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    former = packing.pack(store, one, None, "c0ffee", "" if "without" in before else keys["another key" not in before])
    if before == "by another program":
        changed = [replace(x, data=x.data + b"x") if x.path == "install.pyz" else x for x in former.contents]
        former = replace(former, contents=tuple(changed))
    if before == "incomplete":
        former = replace(former, contents=former.contents[:-1])
    assert packing.write(former, tmp_path, as_tar=as_tar)[1]
    wanted = packing.pack(store, one, None, "c0ffee", keys[1])
    place, new = packing.write(wanted, tmp_path, as_tar=as_tar)
    assert new
    fingerprint = subprocess.run(["ssh-keygen", "-l", "-f", keys[1]], check=True, capture_output=True, text=True)
    check.check(source.at(str(place)), Trust(fingerprint=fingerprint.stdout.split()[1]))
    assert packing.write(wanted, tmp_path, as_tar=as_tar) == (place, False)


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EXDEV])
def test_a_disk_without_hard_links_has_copies(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(*_unused: object) -> None:
        raise OSError(number, "no links")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    place = written(store, copy(store, "a", "b"), tmp_path / "bundles")
    check.check(source.at(str(place)), Trust(unsigned=True))


@pytest.mark.parametrize("known_by", ["folder", "tar", "manifest", "name"])
def test_the_next_one_has_what_this_one_lacked(store: Store, tmp_path: Path, known_by: str) -> None:
    first, second = copy(store, "a", "b"), copy(store, "b", "c")
    place = written(store, first, tmp_path, as_tar=known_by == "tar")
    if known_by == "manifest":
        place = place / "copies" / first.id / "manifest.json"
    if known_by == "name":
        store.switch(first)
    former = packing.former_of(first.id if known_by == "name" else str(place), store)
    assert former == first
    later = written(store, second, tmp_path, former)
    assert later.name == f"evenkeel-bundle-{second.id}-after-{first.id}"
    assert [path.read_text() for path in later.glob("store/*/*/*")] == ["c"]


def test_what_is_no_former_bundle_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match="bundle_follows is '0123456789abcdef', which is no bundle"):
        packing.former_of("0123456789abcdef", store)
    with pytest.raises(EvenkeelError, match=r"no file bundle\.json"):
        packing.former_of(str(tmp_path), store)


@pytest.mark.parametrize("as_tar", [False, True])
def test_a_killed_run_leaves_no_bundle_and_the_next_makes_it(store: Store, tmp_path: Path, as_tar: bool) -> None:
    one = copy(store, "a", "b")
    packed = packing.pack(store, one, None, "c0ffee", "")
    gone = Path(store.path(one.files[0].sha256))
    kept = gone.rename(tmp_path / "kept")
    with pytest.raises((EvenkeelError, FileNotFoundError)):
        written(store, one, tmp_path / "bundles", as_tar=as_tar)
    assert list((tmp_path / "bundles").iterdir()) == []
    left = tmp_path / "bundles" / f".{packed.name}{'.tar' if as_tar else ''}.partial"
    left.mkdir() if not as_tar else left.write_text("of a killed run")
    kept.rename(gone)
    place = written(store, one, tmp_path / "bundles", as_tar=as_tar)
    assert list((tmp_path / "bundles").iterdir()) == [place]


def test_a_full_disk_is_found_out_first(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = copy(store, "a")
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(EvenkeelError, match=f"The bundle {one.id} needs .* has 10 free"):
        written(store, one, tmp_path / "bundles")
    assert list((tmp_path / "bundles").iterdir()) == []
