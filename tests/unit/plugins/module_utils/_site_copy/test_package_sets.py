# SPDX-License-Identifier: GPL-3.0-or-later
"""Of repositories, a copy has the signed lists as they are, the packages that are wanted, and all they depend on."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

from tests.unit.plugins.module_utils._site_copy import repositories
from tests.unit.plugins.module_utils._site_copy.conftest import Copy, Upstream
from tests.unit.plugins.module_utils._site_copy.repositories import Deb, Rpm, put_apt, put_rpm

Tree = Callable[[], dict[str, bytes]]
NEEDS_ZSTD = pytest.mark.skipif(not shutil.which("zstd"), reason="the machine has no zstd")


def apt(packages: Sequence[str], **more: Any) -> dict[str, Any]:
    repository = {"path": "c/debian", "suite": "stable", "components": ["main"], **more.pop("repository", {})}
    common = {"name": "Debian", "kind": "apt", "architecture": "amd64", "repositories": [repository]}
    return {"packages": [{**common, "packages": packages, **more}]}


def rpm(packages: Sequence[str], **more: Any) -> dict[str, Any]:
    common = {"name": "Rocky", "kind": "rpm", "architecture": "x86_64", "repositories": [{"path": "c/rhel"}]}
    return {"packages": [{**common, "packages": packages, **more}]}


def names(tree: Tree) -> list[str]:
    """Return the names and versions of the packages of a copy."""
    found = [path.rpartition("/")[2] for path in tree() if path.endswith((".deb", ".rpm"))]
    return sorted(re.sub(r"_(amd64|all)\.deb|\.el9\.x86_64\.rpm", "", name) for name in found)


DRIVER = [
    Deb("driver", "580.1-1", "driver-lib (= 580.1-1), tool", source="graphics"),
    Deb("driver", "590.2-1", "driver-lib (= 590.2-1), tool", source="graphics"),
    Deb("driver-lib", "580.1-1", source="graphics"),
    Deb("driver-lib", "590.2-1", source="graphics"),
    Deb("tool", "580.1-1", source="graphics"),
    Deb("tool", "590.2-1", source="graphics"),
]
ONES = [
    Deb("a", depends="b, c | d"),
    Deb("b", depends="e (>= 2)"),
    Deb("c"),
    Deb("d"),
    Deb("e", "1-1"),
    Deb("e", "2-1"),
    Deb("e", "3-1", architecture="arm64"),
    Deb("f", depends="absent | mail"),
    Deb("g", provides="mail"),
    Deb("h", provides="mail (= 2)", depends="c"),
    Deb("i", depends="mail (>= 2)"),
    Deb("j", depends="python:any, libc6:i386 | c"),
    Deb("python", architecture="all"),
    Deb("k", depends="k2"),
    Deb("k2", depends="k"),
    Deb("old", depends="e (<< 2)"),
]


@pytest.mark.parametrize(
    ("packages", "wanted", "more", "found"),
    [
        (ONES, ["a"], {}, ["a_1-1", "b_1-1", "c_1-1", "e_2-1"]),
        (ONES, ["f"], {}, ["c_1-1", "f_1-1", "g_1-1", "h_1-1"]),
        (ONES, ["i"], {}, ["c_1-1", "h_1-1", "i_1-1"]),
        (ONES, ["j"], {}, ["c_1-1", "j_1-1", "python_1-1"]),
        (ONES, ["k"], {}, ["k2_1-1", "k_1-1"]),
        (ONES, ["e", "old"], {}, ["e_1-1", "e_2-1", "old_1-1"]),
        (ONES, ["e=1"], {}, ["e_1-1"]),
        (DRIVER, ["driver"], {}, ["driver-lib_590.2-1", "driver_590.2-1", "tool_590.2-1"]),
        (DRIVER, ["driver=580.1"], {}, ["driver-lib_580.1-1", "driver_580.1-1", "tool_590.2-1"]),
        (
            DRIVER,
            ["driver=580.1"],
            {"pins": [{"patterns": ["src:graph*"], "version": "580.1"}]},
            ["driver-lib_580.1-1", "driver_580.1-1", "tool_580.1-1"],
        ),
        (
            DRIVER,
            ["driver"],
            {"pins": [{"patterns": ["driver*", "tool"], "version": "580.1"}]},
            ["driver-lib_580.1-1", "driver_580.1-1", "tool_580.1-1"],
        ),
    ],
)
def test_apt_packages_come_with_what_they_depend_on(
    copy: Copy,
    tree: Tree,
    upstream: Upstream,
    packages: Sequence[Deb],
    wanted: list[str],
    more: dict[str, Any],
    found: list[str],
) -> None:
    put_apt(upstream, packages)
    copy(wants=apt(wanted, **more))
    assert names(tree) == found


def test_apt_lists_are_as_they_were_signed(copy: Copy, tree: Tree, upstream: Upstream) -> None:
    put_apt(upstream, ONES)
    copy(wants=apt(["c"]))
    folder = upstream.folder / "debian" / "dists" / "stable"
    files = tree()
    assert files["c/debian/dists/stable/InRelease"] == (folder / "InRelease").read_bytes()
    lists = "c/debian/dists/stable/main/binary-amd64"
    assert files[f"{lists}/Packages.xz"] == (folder / "main" / "binary-amd64" / "Packages.xz").read_bytes()
    by_hash = [path for path in files if "/by-hash/SHA256/" in path]
    assert {files[path] for path in by_hash} == {files[f"{lists}/Packages.xz"], files[f"{lists}/Packages.gz"]}
    upstream.asked.clear()
    assert not copy(wants=apt(["c"]))["changed"]
    assert upstream.asked == ["debian/dists/stable/InRelease"]


@pytest.mark.parametrize("suite", ["stable", "/"])
@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("endings", [(".gz",), ("",), (".lzma", ".xz"), pytest.param((".zst",), marks=NEEDS_ZSTD)])
def test_repositories_of_all_forms(
    copy: Copy, tree: Tree, upstream: Upstream, suite: str, endings: Sequence[str], *, inline: bool
) -> None:
    put_apt(upstream, ONES, suite=suite, inline=inline, endings=endings, by_hash=False)
    copy(wants=apt(["a"], repository={"suite": suite, "components": ["main"] if suite != "/" else []}))
    assert names(tree) == ["a_1-1", "b_1-1", "c_1-1", "e_2-1"]


def test_the_first_repository_is_preferred_and_all_are_searched(copy: Copy, tree: Tree, upstream: Upstream) -> None:
    put_apt(upstream, [Deb("a", depends="b, c")])
    put_apt(upstream, [Deb("b"), Deb("c", "2-1")], root="more", suite="/")
    both = [{"path": "c/debian", "suite": "stable", "components": ["main"]}, {"path": "c/more"}]
    copy(wants=apt(["a"], repositories=both))
    assert names(tree) == ["a_1-1", "b_1-1", "c_2-1"]


@pytest.mark.parametrize(
    ("wants", "message"),
    [
        (
            apt(["a", "none", "e=9"]),
            r"Debian can't be given: .* have no package none; no version 9 of e, only 2-1, 1-1",
        ),
        (
            apt(["e=3"], pins=[{"patterns": ["e"], "version": "3"}]),
            r"no version 3 of e, only 2-1, 1-1",
        ),
        (apt(["lost"]), r"lack absent \(>= 1\) \(of lost\)"),
        (
            apt(["a"], repository={"components": ["main", "extra"]}),
            "no component extra for amd64; it has components main",
        ),
        (apt(["a"], architecture="riscv64"), "no component main for riscv64"),
        (apt(["a"], repository={"suite": "gone"}), "gone/Release answered 404"),
        (apt(["a"], repository={"suite": "../x"}), "can't be the path"),
        (apt(["a"], repository={"components": []}), "has no components"),
    ],
)
def test_what_apt_cannot_give_is_named(copy: Copy, upstream: Upstream, wants: dict[str, Any], message: str) -> None:
    put_apt(upstream, [*ONES, Deb("lost", depends="absent (>= 1)")])
    with pytest.raises(EvenkeelError, match=message):
        copy(wants=wants)
    assert not any("pool" in path for path in upstream.asked)


def test_dependencies_may_be_left_to_the_nodes(copy: Copy, tree: Tree, upstream: Upstream) -> None:
    put_apt(upstream, [Deb("lost", depends="absent (>= 1), c"), Deb("c")])
    found = copy(wants=apt(["lost"], complete=False))
    assert names(tree) == ["c_1-1", "lost_1-1"]
    assert found["notes"] == ["Debian: nodes have absent (>= 1) (of lost) from elsewhere"]


@pytest.mark.parametrize("when", ["debian/dists/stable/InRelease", "debian/pool/a_1-1_amd64.deb"])
def test_lists_that_change_meanwhile_are_read_again(copy: Copy, tree: Tree, upstream: Upstream, when: str) -> None:
    put_apt(upstream, [Deb("a")])
    changed = []

    def change(path: str) -> None:
        if path == when and not changed:
            changed.append(path)
            for old in upstream.folder.rglob("*"):
                if old.is_file() and (old.suffix == ".deb" or "InRelease" not in old.name):
                    old.unlink()
            if "InRelease" not in path:
                put_apt(upstream, [Deb("a", "2-1")])

    upstream.before = change
    if "InRelease" in when:
        with pytest.raises(EvenkeelError, match=r"has no .*Packages"):
            copy(wants=apt(["a"]))
    else:
        copy(wants=apt(["a"]))
        assert names(tree) == ["a_2-1"]


def test_lists_of_an_earlier_version_are_found_by_their_hash(copy: Copy, tree: Tree, upstream: Upstream) -> None:
    put_apt(upstream, [Deb("a")])
    for ending in (".xz", ".gz"):
        upstream.put(f"debian/dists/stable/main/binary-amd64/Packages{ending}", "of a newer version")
    copy(wants=apt(["a"]))
    assert names(tree) == ["a_1-1"]


def test_a_list_that_is_not_the_signed_one_is_refused(copy: Copy, upstream: Upstream) -> None:
    put_apt(upstream, [Deb("a")], by_hash=False)
    path = "debian/dists/stable/main/binary-amd64/Packages.xz"
    upstream.answers[path] = (200, (upstream.folder / path).read_bytes()[:-1] + b"x")
    with pytest.raises(EvenkeelError, match=r"Packages\.xz has the sha256"):
        copy(wants=apt(["a"]))


def test_a_sign_in_page_is_no_list(copy: Copy, upstream: Upstream) -> None:
    put_apt(upstream, [Deb("a")])
    upstream.answers["debian/dists/stable/InRelease"] = (200, b"<html>Sign in</html>")
    with pytest.raises(EvenkeelError, match="a page of HTML in place of the file"):
        copy(wants=apt(["a"]))


def test_the_end_of_a_lists_validity_is_told(copy: Copy, upstream: Upstream) -> None:
    put_apt(upstream, [Deb("a")], fields={"Valid-Until": "Sat, 01 Jan 2022 00:00:00 UTC"})
    assert "is over since 2022-01-01" in copy(wants=apt(["a"]))["warnings"][0]


RPMS = [
    Rpm("a", requires=["b GE 2", "/usr/bin/tool", "rpmlib(X) LE 1", "libc.so.6()(64bit)"]),
    Rpm("b", "1"),
    Rpm("b", "2"),
    Rpm("tools", files=["/usr/bin/tool"]),
    Rpm("glibc", provides=["libc.so.6()(64bit)"]),
    Rpm("c", requires=["(d or b)", "((glibc and tools) if selinux)"]),
    Rpm("m", "5", "1.module+1.el9"),
    Rpm("m", "4"),
    Rpm("other", architecture="aarch64"),
    Rpm("lost", requires=["absent"]),
]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["a"], ["a-1-1", "b-2-1", "glibc-1-1", "tools-1-1"]),
        (["c"], ["b-2-1", "c-1-1", "glibc-1-1", "tools-1-1"]),
        (["b=1"], ["b-1-1"]),
        (["m"], ["m-4-1"]),
        (["m=5"], ["m-5-1.module+1"]),
    ],
)
@pytest.mark.parametrize("ending", [".gz", ".xz", "", pytest.param(".zst", marks=NEEDS_ZSTD)])
def test_rpm_packages_come_with_what_they_depend_on(
    copy: Copy, tree: Tree, upstream: Upstream, wanted: list[str], found: list[str], ending: str
) -> None:
    put_rpm(upstream, RPMS, ending=ending)
    copy(wants=rpm(wanted))
    assert names(tree) == found
    lists = {path.rpartition("-")[2] for path in tree() if "/repodata/" in path}
    assert lists == {"c/rhel/repodata/repomd.xml", f"primary.xml{ending}", f"filelists.xml{ending}"}
    assert not copy(wants=rpm(wanted))["changed"]


@pytest.mark.parametrize(
    ("wanted", "ending", "message"),
    [
        (["none"], ".gz", "no package none"),
        (["other"], ".gz", "no package other"),
        (["lost"], ".gz", r"lack absent \(of lost\)"),
        (["a"], ".lzma", "compressed in a form that can't be read here"),
    ],
)
def test_what_rpm_cannot_give_is_named(
    copy: Copy, upstream: Upstream, wanted: list[str], ending: str, message: str
) -> None:
    put_rpm(upstream, RPMS, ending=ending)
    with pytest.raises(EvenkeelError, match=message):
        copy(wants=rpm(wanted))


@pytest.mark.parametrize("content", [b"<html/>", b"nothing", b"<!DOCTYPE x [<!ENTITY a 'b'>]><repomd/>"])
def test_what_is_no_repomd_is_refused(copy: Copy, upstream: Upstream, content: bytes) -> None:
    put_rpm(upstream, RPMS)
    upstream.answers["rhel/repodata/repomd.xml"] = (200, content)
    with pytest.raises(EvenkeelError, match=r"repomd\.xml (is no repomd\.xml|sent a page of HTML)"):
        copy(wants=rpm(["a"]))


def test_a_file_that_the_list_of_packages_does_not_name_is_a_note(copy: Copy, tree: Tree, upstream: Upstream) -> None:
    put_rpm(upstream, [Rpm("a", requires=["/usr/share/odd"])])
    found = copy(wants=rpm(["a"]))
    assert names(tree) == ["a-1-1"]
    assert found["notes"] == ["Rocky: nodes have /usr/share/odd (of a) from elsewhere"]


def test_without_zstd_a_list_in_this_form_alone_is_refused(
    copy: Copy, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_rpm(upstream, RPMS, ending=".zst")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EvenkeelError, match="Install the package zstd"):
        copy(wants=rpm(["a"]))


def test_a_mirror_without_names_by_hash_is_read(copy: Copy, tree: Tree, upstream: Upstream) -> None:
    put_apt(upstream, ONES)
    shutil.rmtree(upstream.folder / "debian" / "dists" / "stable" / "main" / "binary-amd64" / "by-hash")
    copy(wants=apt(["c"]))
    assert names(tree) == ["c_1-1"]
    assert len([path for path in tree() if "/by-hash/SHA256/" in path]) == 2


def test_lists_without_which_apt_fails_come_along(copy: Copy, tree: Tree, upstream: Upstream) -> None:
    kept = ["i18n/Translation-en", "cnf/Commands-amd64"]
    put_apt(upstream, ONES, further=[*kept, "i18n/Translation-de", "cnf/Commands-arm64"])
    copy(wants=apt(["c"]))
    main = "c/debian/dists/stable/main/"
    found = {path.removeprefix(main): content for path, content in tree().items() if path.startswith(main)}
    assert {path for path in found if path.startswith(("i18n", "cnf"))} == {
        "i18n/Translation-en.xz",
        "cnf/Commands-amd64.xz",
        f"i18n/by-hash/SHA256/{sha256(kept[0].encode()).hexdigest()}",
        f"cnf/by-hash/SHA256/{sha256(kept[1].encode()).hexdigest()}",
    }


@pytest.mark.parametrize("digest", ["../../../outside", "a" * 63, "g" * 64], ids=str)
def test_a_hash_that_is_none_names_no_file(copy: Copy, upstream: Upstream, tmp_path: Path, digest: str) -> None:
    put_apt(upstream, [Deb("a", digest=digest)])
    with pytest.raises(EvenkeelError, match=r"c/debian/pool/a_1-1_amd64\.deb has the sha256 "):
        copy(wants=apt(["a"]))
    assert not list(tmp_path.rglob("outside"))
    assert "debian/pool/a_1-1_amd64.deb" not in upstream.asked


def test_names_with_special_characters_are_asked_for_as_apt_does(copy: Copy, tree: Tree, upstream: Upstream) -> None:
    digest = upstream.put("odd%3a1.0+x~y_amd64.deb", "odd")
    copy(wants={"files": [{"path": "c/odd%3a1.0+x~y_amd64.deb", "sha256": digest}]})
    assert tree()["c/odd%3a1.0+x~y_amd64.deb"] == b"odd"


def test_versions_between_releases_of_rpm(copy: Copy, tree: Tree, upstream: Upstream) -> None:
    put_rpm(upstream, [Rpm("a", "1.0^20240101git")])
    copy(wants=rpm(["a"]))
    assert names(tree) == ["a-1.0^20240101git-1"]


@pytest.mark.parametrize(
    ("requires", "message"),
    [("(" * 5000 + "b" + ")" * 5000, "primary.* can't be read"), ("", "primary.* can't be read: Error -3")],
)
def test_rpm_lists_that_can_not_be_read_are_named(
    copy: Copy, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, requires: str, message: str
) -> None:
    damaged = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff\xff"
    if not requires:
        monkeypatch.setattr(repositories, "compressed", lambda text: {".gz": damaged})
    put_rpm(upstream, [Rpm("a", requires=[requires])])
    with pytest.raises(EvenkeelError, match=message):
        copy(wants=rpm(["a"]))


def test_an_apt_list_that_can_not_be_read_is_named(
    copy: Copy, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff\xff"
    monkeypatch.setattr(repositories, "compressed", lambda text: {".gz": damaged})
    put_apt(upstream, ONES, endings=[".gz"])
    with pytest.raises(EvenkeelError, match=r"Packages can't be read: Error -3"):
        copy(wants=apt(["a"]))
