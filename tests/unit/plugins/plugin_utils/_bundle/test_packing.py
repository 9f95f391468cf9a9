# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle is there at once or not at all, and after the first one it is small."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
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
