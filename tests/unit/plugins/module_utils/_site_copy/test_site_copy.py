# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy holds exactly what is wanted, comes about in one step, and survives what fails."""

from __future__ import annotations

import json
import os
import shutil
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import fetching
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import store as stores

from tests.unit.plugins.module_utils._site_copy.conftest import Copy, Upstream

Tree = Callable[[], dict[str, bytes]]
NAMES = ["a-1-0.conda", "b-2-0.conda"]


def manifest(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "copy" / "current" / "manifest.json").read_text()))


def wants(upstream: Upstream) -> dict[str, Any]:
    return {
        "files": [{"path": "c/installer.sh", "sha256": upstream.put("installer.sh", "#!/bin/sh\n")}],
        "conda": upstream.put_channel("main/linux-64", NAMES),
        "pip": [
            {
                "project": "Some.Thing",
                "name": "some_thing-1-py3-none-any.whl",
                "url": f"{upstream.url}/files/some_thing-1-py3-none-any.whl",
                "sha256": upstream.put("files/some_thing-1-py3-none-any.whl", "wheel"),
            }
        ],
    }


def test_it_holds_what_is_wanted_and_says_so(copy: Copy, tree: Tree, upstream: Upstream, tmp_path: Path) -> None:
    asked = wants(upstream)
    found = copy(wants=asked)
    assert found["changed"]
    files = tree()
    assert sorted(files) == [
        "c/installer.sh",
        "c/main/linux-64/a-1-0.conda",
        "c/main/linux-64/b-2-0.conda",
        "c/main/linux-64/repodata.json",
        "c/main/noarch/repodata.json",
        "pypi/simple/index.html",
        "pypi/simple/index.json",
        "pypi/simple/some-thing/index.html",
        "pypi/simple/some-thing/index.json",
        "pypi/simple/some-thing/some_thing-1-py3-none-any.whl",
    ]
    index = json.loads(files["c/main/linux-64/repodata.json"])
    assert sorted(index["packages.conda"]) == NAMES
    assert index["packages.conda"]["a-1-0.conda"]["sha256"] == asked["conda"][0]["sha256"]
    said = manifest(tmp_path)
    assert [one["path"] for one in said["files"]] == sorted(files)
    assert said["made"]["version"] == "1.2.3"
    assert (tmp_path / "copy" / "current").readlink() == Path(f"copies/{found['id']}")


def test_wheels_come_from_the_index_of_the_upstream(copy: Copy, upstream: Upstream) -> None:
    digest = upstream.put("near/a-1-py3-none-any.whl", "wheel")
    other = upstream.put("far/b-1-py3-none-any.whl", "another")
    links = f'<a href="x">x</a> <a data-x="1" href="../../near/a-1-py3-none-any.whl#sha256={digest}">a</a>'
    upstream.answers["simple/a/"] = (200, links.encode())
    names = {name: f"{name}-1-py3-none-any.whl" for name in "ab"}
    files = [
        {"project": name, "name": file, "url": f"{upstream.url}/far/{file}", "sha256": sha}
        for (name, file), sha in zip(names.items(), (digest, other), strict=True)
    ]
    options = {"upstreams": [{"path": "pypi/simple", "url": f"{upstream.url}/simple"}], "wants": {"pip": files}}
    assert copy(**options)["changed"]
    assert {"near/a-1-py3-none-any.whl", "far/b-1-py3-none-any.whl"} <= set(upstream.asked)
    upstream.asked.clear()
    assert not copy(**options)["changed"]
    assert upstream.asked == []


def test_a_second_run_changes_nothing_and_fetches_nothing(copy: Copy, upstream: Upstream) -> None:
    asked = wants(upstream)
    first = copy(wants=asked)
    upstream.asked.clear()
    assert not copy(wants=asked, check=True)["changed"]
    second = copy(wants=asked)
    assert (second["changed"], second["id"], upstream.asked) == (False, first["id"], [])


def remove(copy: Copy, *, check: bool = False) -> dict[str, Any]:
    return copy(state="absent", check=check)


def test_a_copy_goes_with_all_that_was_fetched_for_it(copy: Copy, upstream: Upstream, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    for names in (NAMES, NAMES[:1]):
        copy(wants={"conda": upstream.put_channel("main/linux-64", names)})
    stores.Store(str(root)).partial("ab")
    rehearsed = remove(copy, check=True)
    (warning,) = rehearsed["warnings"]
    assert warning == f"The copy in {root}, of 1 MiB, goes"
    assert (rehearsed["changed"], rehearsed["left"], (root / "current").exists()) == (True, [], True)
    done = remove(copy)
    assert (done["changed"], done["diff"], done["warnings"]) == (True, rehearsed["diff"], [])
    assert list(root.iterdir()) == []
    assert remove(copy)["changed"] is False


def test_what_others_have_in_the_folder_of_a_copy_stays(copy: Copy, upstream: Upstream, tmp_path: Path) -> None:
    copy(wants={"conda": upstream.put_channel("main/linux-64", NAMES)})
    mine = [tmp_path / "copy" / name for name in ("copies/mine/a", "store/sha256/ab/b", "notes")]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    left = [f"{', '.join(map(str, sorted(mine)))}: not made by Evenkeel"]
    assert remove(copy, check=True)["left"] == left
    assert remove(copy)["left"] == left
    assert all(path.exists() for path in mine)
    assert remove(copy)["changed"] is False


def test_a_folder_without_a_copy_is_left_alone(copy: Copy, tmp_path: Path) -> None:
    assert remove(copy)["changed"] is False
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "current").symlink_to("/srv")
    assert remove(copy)["changed"] is False
    assert (tmp_path / "copy" / "current").is_symlink()


def test_check_mode_writes_nothing(copy: Copy, upstream: Upstream, tmp_path: Path) -> None:
    found = copy(wants=wants(upstream), check=True)
    assert found["changed"]
    assert found["fetched"]["files"] == 4
    assert "c/installer.sh" in found["diff"][0]["after"]
    assert not (tmp_path / "copy").exists()


def test_only_what_is_new_is_fetched_and_the_old_goes(copy: Copy, tree: Tree, upstream: Upstream) -> None:
    copy(wants={"conda": upstream.put_channel("main/linux-64", NAMES)}, keep=1)
    upstream.asked.clear()
    copy(wants={"conda": upstream.put_channel("main/linux-64", ["b-2-0.conda", "c-3-0.conda"])}, keep=1)
    assert sorted(upstream.asked) == ["main/linux-64/c-3-0.conda", "main/linux-64/repodata.json"]
    assert "c/main/linux-64/a-1-0.conda" not in tree()


@pytest.mark.parametrize(("keep", "left"), [(1, 1), (2, 2), (3, 3)])
def test_former_copies_stay_by_count(copy: Copy, upstream: Upstream, tmp_path: Path, keep: int, left: int) -> None:
    foreign = tmp_path / "copy" / "store" / "sha256" / "ab" / "notes.txt"
    for number in range(4):
        copy(wants={"conda": upstream.put_channel("main/linux-64", [f"a-{number}-0.conda"])}, keep=keep)
        foreign.parent.mkdir(exist_ok=True)
        foreign.write_text("somebody's")
    assert len(list((tmp_path / "copy" / "copies").iterdir())) == left
    named = {one["sha256"] for path in (tmp_path / "copy" / "copies").iterdir() for one in files_of(path)}
    stored = {path.name for path in (tmp_path / "copy" / "store" / "sha256").rglob("*") if path.is_file()}
    assert stored == {*named, "notes.txt"}


def test_what_is_left_of_a_copy_that_was_removed_in_part_does_not_pass_for_it(
    copy: Copy, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fall(folder: str, *, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            raise KeyboardInterrupt(folder)

    def version(number: int) -> dict[str, Any]:
        return {"conda": upstream.put_channel("main/linux-64", [f"a-{number}-0.conda"])}

    store = stores.Store(str(tmp_path / "copy"))
    copy(wants=version(1), keep=1)
    first = store.current() or pytest.fail("there is none")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", fall)
        with pytest.raises(KeyboardInterrupt):
            copy(wants=version(2), keep=1)
    assert store.current() != first
    assert store.read(first.id) is None
    assert not copy(wants=version(2), keep=1)["changed"]
    assert len(list((tmp_path / "copy" / "copies").iterdir())) == 1


def files_of(copy_folder: Path) -> list[dict[str, Any]]:
    return list(json.loads((copy_folder / "manifest.json").read_text())["files"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><title>Sign in</title>", "a page of HTML in place of the file"),
        (b"#!/bin/ls\n", "has the sha256"),
        (b"#!/bin/sh", "has the sha256"),
    ],
)
def test_a_lying_upstream_switches_nothing(
    copy: Copy, tree: Tree, upstream: Upstream, content: bytes, message: str
) -> None:
    copy(wants={"conda": upstream.put_channel("main/linux-64", NAMES)})
    before = tree()
    asked = wants(upstream)
    upstream.answers["installer.sh"] = (200, content)
    with pytest.raises(EvenkeelError, match=message) as error:
        copy(wants=asked)
    assert "installer.sh" in str(error.value)
    assert tree() == before


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_transfer_goes_on(copy: Copy, tree: Tree, upstream: Upstream, *, ranges: bool) -> None:
    asked = {"files": [{"path": "c/big", "sha256": upstream.put("big", bytes(range(256)) * 1000), "size": 256_000}]}
    upstream.ranges = ranges
    upstream.cuts["big"] = 100_000
    with pytest.raises(EvenkeelError, match="100000 of 256000 bytes"):
        copy(wants=asked)
    copy(wants=asked)
    assert upstream.asked == ["big", "big 100000-"]
    assert tree()["c/big"] == bytes(range(256)) * 1000


def test_what_was_damaged_while_it_was_partial_is_fetched_anew(
    copy: Copy, tree: Tree, upstream: Upstream, tmp_path: Path
) -> None:
    digest = upstream.put("big", b"x" * 1000)
    partial = tmp_path / "copy" / "store" / "partial" / digest
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"y" * 500)
    copy(wants={"files": [{"path": "c/big", "sha256": digest}]})
    assert tree()["c/big"] == b"x" * 1000
    assert not partial.exists()


def test_a_damaged_file_is_found_and_fetched_again(copy: Copy, tree: Tree, upstream: Upstream, tmp_path: Path) -> None:
    asked = wants(upstream)
    digest = asked["files"][0]["sha256"]
    copy(wants=asked)
    stored = tmp_path / "copy" / "store" / "sha256" / digest[:2] / digest
    stored.write_bytes(b"#!/bin/sH\n")
    assert not copy(wants=asked)["changed"]
    assert copy(wants=asked, verify=True, check=True)["damaged"] == ["c/installer.sh"]
    found = copy(wants=asked, verify=True)
    assert found["changed"]
    assert found["damaged"] == ["c/installer.sh"]
    assert tree()["c/installer.sh"] == b"#!/bin/sh\n"


def test_a_file_of_another_size_is_fetched_again(copy: Copy, tree: Tree, upstream: Upstream, tmp_path: Path) -> None:
    digest = upstream.put("big", b"x" * 1000)
    asked = {"files": [{"path": "c/big", "sha256": digest, "size": 1000}]}
    copy(wants=asked)
    stored = tmp_path / "copy" / "store" / "sha256" / digest[:2] / digest
    stored.unlink()
    stored.write_bytes(b"")
    assert copy(wants=asked, check=True)["changed"]
    assert copy(wants=asked)["changed"]
    assert tree()["c/big"] == b"x" * 1000


@pytest.mark.parametrize("step", ["sync_file_systems", "rename_durably", "link_atomically"])
def test_a_run_that_is_killed_is_healed_by_the_next(
    copy: Copy, tree: Tree, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    copy(wants={"conda": upstream.put_channel("main/linux-64", NAMES)})
    before = tree()
    asked = {"conda": upstream.put_channel("main/linux-64", ["c-3-0.conda"])}

    def killed(*_unused: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(stores, step, killed)
        with pytest.raises(KeyboardInterrupt):
            copy(wants=asked)
    assert tree() == before
    assert copy(wants=asked)["changed"]
    assert "c/main/linux-64/c-3-0.conda" in tree()
    assert not copy(wants=asked)["changed"]


def test_a_full_disk_is_told_before_anything_is_fetched(
    copy: Copy, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = wants(upstream)
    asked["files"][0]["size"] = 1 << 50
    with pytest.raises(EvenkeelError, match=r"The copy needs \d+ MiB in .*, and \d+ MiB are free"):
        copy(wants=asked)
    assert "installer.sh" not in upstream.asked


def test_a_disk_that_fills_up_keeps_nothing_incomplete(
    copy: Copy, tree: Tree, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy(wants={"conda": upstream.put_channel("main/linux-64", NAMES)})
    before = tree()

    def full(*_unused: object) -> None:
        raise OSError(stores.errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(fetching, "_update", full)
        with pytest.raises(EvenkeelError, match="No space left on the file system of"):
            copy(wants=wants(upstream))
    assert tree() == before
    assert list((tmp_path / "copy" / "store" / "partial").iterdir()) == []
    assert copy(wants=wants(upstream))["changed"]


def test_a_disk_that_is_full_of_other_things_is_named(
    copy: Copy, tree: Tree, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_unused: object) -> None:
        raise OSError(stores.errno.ENOSPC, "No space left on device")

    asked = wants(upstream)
    copy(wants=asked)
    before = tree()
    with monkeypatch.context() as patched:
        patched.setattr(stores, "write_atomically", full)
        for fewer in ({**asked, "files": []}, {**asked, "pip": [], "conda": asked["conda"][:1]}):
            with pytest.raises(EvenkeelError, match=f"{tmp_path / 'copy'}: No space left on device. Free some space"):
                copy(wants=fewer)
    assert tree() == before
    assert copy(wants={**asked, "files": []})["changed"]


def test_links_that_a_file_system_refuses_are_symbolic(
    copy: Copy, tree: Tree, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refused(*_unused: object) -> None:
        raise OSError(stores.errno.EMLINK, "Too many links")

    monkeypatch.setattr(os, "link", refused)
    asked = wants(upstream)
    copy(wants=asked)
    assert tree()["c/installer.sh"] == b"#!/bin/sh\n"
    assert not copy(wants=asked)["changed"]
    assert (tmp_path / "copy" / "current" / "tree" / "c" / "installer.sh").is_symlink()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "nothing to copy"),
        ({"files": [{"path": "../etc/passwd"}]}, "can't be the path"),
        ({"files": [{"path": "elsewhere/x"}]}, "Nothing is known that elsewhere/x comes from"),
        ({"files": [{"path": "c/x", "sha256": "12"}]}, "has the sha256 '12'"),
        ({"files": [{"path": "c/x", "url": "git+ssh://host/x"}]}, "which a copy can't hold"),
        ({"files": [{"path": "c/absent"}]}, "absent answered 404"),
        ({"conda": [{"path": "c/none/linux-64/a-1-0.conda", "sha256": "a" * 64}]}, "none/linux-64/repodata.json"),
    ],
)
def test_what_cannot_be_given_is_named(
    copy: Copy, upstream: Upstream, tmp_path: Path, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(EvenkeelError, match=message):
        copy(wants=asked)
    assert not (tmp_path / "copy" / "current").exists()


@pytest.mark.parametrize("option", ["keep", "connections", "timeout", "retries"])
def test_numbers_that_can_not_be_are_refused(copy: Copy, upstream: Upstream, option: str) -> None:
    with pytest.raises(EvenkeelError, match=f"{option} is -1"):
        copy(wants=wants(upstream), **{option: -1})
    assert upstream.asked == []


def test_two_contents_of_one_path_are_refused(copy: Copy, upstream: Upstream) -> None:
    files = [{"path": "c/x", "url": f"{upstream.url}/{name}", "sha256": upstream.put(name, name)} for name in "ab"]
    with pytest.raises(EvenkeelError, match="c/x is to be two files"):
        copy(wants={"files": files})


def test_what_is_in_the_way_of_the_link_is_named(copy: Copy, upstream: Upstream, tmp_path: Path) -> None:
    (tmp_path / "copy" / "current").mkdir(parents=True)
    with pytest.raises(EvenkeelError, match="is not a link that Evenkeel made"):
        copy(wants=wants(upstream))


def test_a_lost_copy_is_made_again_from_the_store(copy: Copy, tree: Tree, upstream: Upstream, tmp_path: Path) -> None:
    asked = wants(upstream)
    copy(wants=asked)
    before = tree()
    shutil.rmtree(tmp_path / "copy" / "copies")
    upstream.asked.clear()
    assert copy(wants=asked)["changed"]
    assert tree() == before
    assert upstream.asked == ["main/linux-64/repodata.json"]


def test_a_path_can_not_be_a_file_and_a_folder(copy: Copy, upstream: Upstream) -> None:
    names = {"c/a": "1", "c/a-b": "2", "c/a/b": "3"}
    files = [{"path": path, "url": f"{upstream.url}/{x}", "sha256": upstream.put(x, x)} for path, x in names.items()]
    with pytest.raises(EvenkeelError, match="c/a would be a file, and the folder of c/a/b"):
        copy(wants={"files": files})


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        (FileNotFoundError(2, "No such file or directory"), "There is no file file:///a"),
        (PermissionError(13, "Permission denied"), r"file:///a did not deliver \(.*Permission denied\)\. "),
        (ssl.SSLCertVerificationError(1, "expired"), r"https://host/a did not deliver \(.*expired.*\)\. "),
    ],
)
def test_what_no_wait_changes_is_not_asked_for_again(
    copy: Copy, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, cause: OSError, message: str
) -> None:
    def failing(*_unused: object, **_options: object) -> None:
        raise URLError(cause)

    monkeypatch.setattr(fetching, "open_url", failing)
    url = "https://host/a" if isinstance(cause, ssl.SSLError) else "file:///a"
    with pytest.raises(EvenkeelError, match=message):
        copy(wants={"files": [{"path": "c/a", "url": url, "sha256": "a" * 64}]}, retries=1)
