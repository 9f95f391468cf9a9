# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import hashlib
import os
import pwd
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import condarc
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node below a directory, whose users' homes are there too and whose rights are the test's own."""
    monkeypatch.setattr(condarc, "SYSTEM", (str(tmp_path / "etc"), str(tmp_path / "lib")))
    monkeypatch.setattr(pwd, "getpwnam", lambda name: account(tmp_path, name))
    return tmp_path


def account(node: Path, name: str) -> pwd.struct_passwd:
    return pwd.struct_passwd((name, "x", os.getuid(), os.getgid(), "", f"{node}/home/{name}", "/bin/sh"))


def write(path: Path, text: str = "offline: true\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def read(node: Path, users: list[str], path: str = "", **options: Any) -> dict[str, Any]:
    params = {"scope": "system", "user": None, "distribution": str(node / "opt"), "prefix": None, **options}
    return condarc.read(params, users, path)


def test_files_are_found_in_condas_order(node: Path) -> None:
    expected = [
        *(("system", f"etc/{name}") for name in (".condarc", "condarc", "condarc.d/a.yaml", "condarc.d/b.yml")),
        ("system", "lib/condarc"),
        ("distribution", "opt/.condarc"),
        ("environment", "env/.condarc"),
        *(("user", f"home/ann/{name}") for name in (".config/conda/condarc", ".conda/.condarc", ".condarc")),
    ]
    for _, name in expected:
        write(node / name)
    for name in ("etc/condarc.d/ours.yml.1~", "etc/condarc.d/x.txt", "home/ann/condarc", "home/ben/.condarc"):
        write(node / name)
    found = read(node, ["ann"], prefix=str(node / "env"))["files"]
    assert [(file["scope"], file["path"]) for file in found] == [(scope, f"{node}/{name}") for scope, name in expected]
    assert [file["user"] for file in found] == [""] * 7 + ["ann"] * 3


def test_a_file_that_is_to_come_is_told_in_its_place(node: Path) -> None:
    write(node / "etc/condarc.d/a.yml")
    write(node / "etc/condarc.d/z.yml")
    path = str(node / "etc/condarc.d/m.yml")
    found = read(node, [], path)
    assert [(Path(file["path"]).name, file["exists"]) for file in found["files"]] == [
        ("a.yml", True),
        ("m.yml", False),
        ("z.yml", True),
    ]
    assert found["target"]["path"] == path
    assert not found["target"]["exists"]


def test_the_distributions_base_is_no_environment_beside_it(node: Path) -> None:
    write(node / "opt/.condarc")
    (node / "link").symlink_to(node / "opt")
    assert len(read(node, [], prefix=str(node / "link"))["files"]) == 1


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: path.mkdir(), "is a directory, not a regular file"),
        (os.mkfifo, "is a pipe, not a regular file"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "is not text in UTF-8"),
        (lambda path: path.write_text("#" * (condarc.LARGEST + 1)), "is larger than 64 KiB"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device, not a regular file"),
    ],
)
@pytest.mark.parametrize("place", ["opt", "home/ann"])
def test_what_is_no_configuration_is_told_and_not_waited_for(node: Path, place: str, make: Any, problem: str) -> None:
    path = node / place / ".condarc"
    path.parent.mkdir(parents=True)
    make(path)
    (found,) = read(node, ["ann"])["files"]
    assert (found["path"], found["exists"], found["text"], found["problem"]) == (str(path), True, "", problem)


@pytest.mark.parametrize(
    ("name", "most", "problem"),
    [("{}.yml", "MOST_FILES", "holds more than 2 configuration files"), ("{}.txt", "MOST_NAMES", "holds more than 2 ")],
)
def test_a_folder_of_too_many_files_is_told_and_none_is_read(
    node: Path, monkeypatch: pytest.MonkeyPatch, name: str, most: str, problem: str
) -> None:
    monkeypatch.setattr(condarc, "MOST_FILES", 2)
    monkeypatch.setattr(condarc.user_files.names, "__defaults__", (2 if most == "MOST_NAMES" else 1000,))
    for number in range(3):
        write(node / "home/ann/.conda/condarc.d" / name.format(number))
    write(node / "home/ann/.condarc")
    folder, own = read(node, ["ann"])["files"]
    assert folder["path"] == f"{node}/home/ann/.conda/condarc.d"
    assert problem in folder["problem"]
    assert own["path"] == f"{node}/home/ann/.condarc"


def test_what_all_users_have_together_has_a_limit(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(condarc, "MOST_OF_USER", 3000)
    monkeypatch.setattr(condarc, "MOST_OF_ALL", 4000)
    for user, size in (("ann", 2000), ("ben", 4000), ("cat", 2000), ("dan", 1)):
        write(node / "home" / user / ".condarc", "#" * size)
    found = read(node, ["ann", "ben", "cat", "dan", "eve"])
    assert [file["user"] for file in found["files"]] == ["ann", "dan"]
    assert found["problems"].keys() == {"ben", "cat"}
    assert "there is more than 3000 bytes of it" in found["problems"]["ben"][0]
    assert "were left out: with those of other users" in found["problems"]["cat"][0]


def test_a_home_that_hangs_keeps_no_other(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(entry: pwd.struct_passwd, path: str) -> list[dict[str, Any]]:
        return real(entry, path) if entry.pw_name != "ann" else [threading.Event().wait()]

    real = condarc._in_home
    monkeypatch.setattr(condarc, "_in_home", hang)
    monkeypatch.setattr(condarc, "SECONDS", 1.0)
    write(node / "home/ben/.condarc")
    found = read(node, ["ann", "ben"])
    assert found["problems"].keys() - {"ben"} == {"ann"}
    assert f"{node}/home/ann: there was no answer within 1 s" in found["problems"]["ann"][0]


@pytest.mark.parametrize(
    ("records", "version"),
    [
        ([], ""),
        (["python-3.13.1-0.json"], ""),
        (["conda-26.5.3-py313h06a4308_0.json", "conda-content-trust-0.2.0-py313_1.json"], "26.5.3"),
        (["conda-libmamba-solver-25.4.0-pyhd3eb1b0_0.json", "conda-24.1.0rc1-0.json"], "24.1.0rc1"),
    ],
)
def test_the_release_of_conda_is_read_from_its_record(node: Path, records: list[str], version: str) -> None:
    for record in records:
        write(node / "opt" / "conda-meta" / record)
    assert read(node, [])["conda"] == version


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "/etc/conda/condarc.d/evenkeel.yml"),
        ({"path": "/x/y.yml"}, "/x/y.yml"),
        ({"scope": "distribution"}, "/opt/miniconda3/.condarc"),
        ({"scope": "environment", "prefix": "/env"}, "/env/.condarc"),
        ({"scope": "user", "user": "ann"}, "{node}/home/ann/.condarc"),
    ],
)
def test_a_scope_has_its_file(node: Path, options: dict[str, Any], expected: str) -> None:
    params = {"path": None, "scope": "system", "distribution": "/opt/miniconda3", "prefix": None, **options}
    assert condarc.target(params) == expected.format(node=node)


def sha(path: Path) -> str:
    return condarc.digest(condarc._read(str(path), ""))


def test_a_file_is_replaced_with_its_backup_and_its_mode(node: Path) -> None:
    path = write(node / "etc" / "x.yml", "old\n")
    kept = condarc.replace(str(path), "new\n", sha(path), 0o600, None, backup=True)
    assert path.read_text() == "new\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert Path(kept).read_text() == "old\n"
    assert Path(kept).stat().st_mode & 0o777 == 0o600
    assert not kept.endswith((".yml", ".yaml"))
    assert condarc.replace(str(path), None, sha(path), 0o600, None, backup=False) == ""
    assert not path.exists()


def test_directories_are_made(node: Path) -> None:
    path = node / "a" / "b" / "c.yml"
    assert condarc.replace(str(path), "new\n", "", 0o644, None, backup=True) == ""
    assert path.read_text() == "new\n"
    assert path.parent.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("before", ["", "0" * 64])
def test_what_changed_meanwhile_is_left_alone(node: Path, before: str) -> None:
    path = write(node / "x.yml", "theirs\n")
    with pytest.raises(EvenkeelError, match="was changed by another program in the meantime"):
        condarc.replace(str(path), "new\n", before, 0o644, None, backup=True)
    assert path.read_text() == "theirs\n"
    assert [one.name for one in node.iterdir()] == ["x.yml"]


def test_a_users_link_is_followed_with_the_users_rights(node: Path) -> None:
    real = write(node / "home" / ME / "dotfiles" / "condarc", "old\n")
    link = node / "home" / ME / ".condarc"
    link.symlink_to(real)
    condarc.replace(str(link), "new\n", sha(real), 0o644, ME, backup=False)
    assert link.is_symlink()
    assert real.read_text() == "new\n"


def test_where_nothing_can_be_written_is_named(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(condarc, "write_atomically", full)
    path = write(node / "x.yml", "old\n")
    with pytest.raises(EvenkeelError, match=r"x\.yml could not be written: No space left"):
        condarc.replace(str(path), "new\n", sha(path), 0o644, None, backup=False)
    assert path.read_text() == "old\n"


def test_a_directory_that_is_no_environment_is_named(node: Path) -> None:
    (node / "env" / "conda-meta").mkdir(parents=True)
    condarc.require_environment(str(node / "env"))
    with pytest.raises(EvenkeelError, match="is not a conda environment"):
        condarc.require_environment(str(node))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_files_that_are_not_plainly_ours_are_recorded_with_backups(tmp_path: Path) -> None:
    def write(name: str, text: str | None, **more: Any) -> None:
        path = tmp_path / name
        before = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""
        write = {"text": text, "before": before, "mode": 0o644, "backup": False, **more}
        condarc.converge({"scope": "system", "path": str(path), "user": None, "write": write}, False)

    (tmp_path / "theirs").write_text("a: 1\n")
    write("theirs", "b: 1\n", backup=True)
    write("new", "b: 1\n")
    write("evenkeel.yml", "b: 1\n")
    backup, new, theirs = made.read("condarc")
    assert (backup.kind, Path(backup.name).read_text()) == ("backup", "a: 1\n")
    assert (new.name, new.before) == (str(tmp_path / "new"), "absent")
    assert (theirs.name, theirs.before[:7]) == (str(tmp_path / "theirs"), "sha256:")
    write("new", None)
    assert not (tmp_path / "new").exists()
    write("theirs", None)
    assert ((tmp_path / "theirs").read_text(), made.read("condarc")) == ("a: 1\n", [])
    assert not Path(backup.name).exists()
