# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import processes
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.processes import using

OLD, OLDER, NEW = "/opt/evenkeel/generations/ai/0123", "/opt/evenkeel/generations/ai/0123-2", "/opt/evenkeel/x/4567"
MAPS = "7f0000000000-7f0000001000 r-xp 00000000 08:01 4242                       {path}\n"

AddProcess = Callable[..., None]


@pytest.fixture
def add(tmp_path: Path) -> AddProcess:
    """Add a process to the table of processes in ``tmp_path``."""
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "maps").write_text(MAPS.format(path=f"{NEW}/lib/self.so"))

    def process(
        pid: int,
        exe: str = "/usr/bin/bash",
        cwd: str = "/",
        *mapped: str,
        maps: bool = True,
        opened: Iterable[str] = (),
        mounts: str = "",
        root: str = "/",
    ) -> None:
        directory = tmp_path / str(pid)
        (directory / "fd").mkdir(parents=True)
        (directory / "ns").mkdir()
        if exe:
            (directory / "exe").symlink_to(exe)
            (directory / "cwd").symlink_to(cwd)
            (directory / "root").symlink_to(root)
        for number, path in enumerate(opened):
            (directory / "fd" / str(number)).symlink_to(path)
        if mounts:
            (directory / "ns" / "mnt").symlink_to(f"mnt:[{hash(mounts)}]")
            (directory / "mountinfo").write_text(mounts)
        if maps:
            (directory / "maps").write_text("".join(MAPS.format(path=path) for path in mapped))

    return process


@pytest.mark.parametrize(
    ("exe", "cwd", "mapped", "used"),
    [
        ("/usr/bin/bash", "/", [], set()),
        (f"{OLD}/bin/python3.11", "/", [], {OLD}),
        ("/usr/bin/bash", f"{OLD}/lib", [], {OLD}),
        ("/usr/bin/bash", OLD, [], {OLD}),
        ("/usr/bin/bash", "/", ["/lib/libc.so.6", f"{OLD}/lib/libz.so"], {OLD}),
        ("/usr/bin/bash", "/", [f"{OLD}/lib/libz.so (deleted)"], {OLD}),
        (f"{OLDER}/bin/python3.11", OLDER, [f"{OLDER}/lib/libz.so"], {OLDER}),
        (f"{NEW}/bin/python3.11", "/", [f"{OLD}/lib/libz.so"], {OLD, NEW}),
        ("/home/anna/0123/bin/python", "/home/anna", ["/home/anna/0123/x.so"], set()),
        (f"/home/anna{OLD}/bin/python", "/home/anna", [f"/home/anna /{OLD}/x.so"], set()),
    ],
    ids=["none", "program", "below", "folder", "mapped", "deleted", "longer name", "two", "elsewhere", "in the middle"],
)
def test_using(add: AddProcess, tmp_path: Path, exe: str, cwd: str, mapped: list[str], used: set[str]) -> None:
    add(1)
    add(23, exe, cwd, *mapped)
    assert using([OLD, OLDER, NEW], str(tmp_path)) == used


def test_what_each_process_uses_counts(add: AddProcess, tmp_path: Path) -> None:
    for pid, exe in enumerate((f"{OLD}/bin/python", f"{NEW}/bin/python", f"{OLD}/bin/python")):
        add(pid + 1, exe)
    assert using([OLD, OLDER, NEW], str(tmp_path)) == {OLD, NEW}


def test_processes_that_end_or_tell_nothing_are_left_out(add: AddProcess, tmp_path: Path) -> None:
    add(1, exe="", maps=False)
    add(2, exe="", maps=True)
    add(3, f"{OLD}/bin/python", maps=False)
    assert using([OLD, NEW], str(tmp_path)) == {OLD}


def test_a_name_that_is_no_text_is_borne(add: AddProcess, tmp_path: Path) -> None:
    add(1)
    (tmp_path / "1" / "maps").write_bytes(b"\xff\xfe\n" + MAPS.format(path=f"{OLD}/x.so").encode())
    assert using([OLD], str(tmp_path)) == {OLD}


def table(*mounts: tuple[str, str, str]) -> str:
    """Return a table of mounts: device, root in its file system, where it is seen."""
    row = "{number} 1 {device} {root} {point} rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    return "".join(
        row.format(number=number, device=device, root=root, point=point)
        for number, (device, root, point) in enumerate(mounts, 20)
    )


HOST = table(("8:1", "/", "/"), ("0:5", "/", "/dev"), ("8:2", "/", "/srv"))
ON_ROOT = HOST
ON_A_DISK = table(("8:1", "/", "/"), ("8:2", "/evenkeel", "/opt/evenkeel"))


@pytest.mark.parametrize(
    ("host", "mounts", "program", "used"),
    [
        (HOST, HOST, f"{OLD}/bin/python", {OLD}),
        (HOST, table(("0:50", "/", "/"), ("8:1", "/opt/evenkeel", "/x")), "/x/generations/ai/0123/bin/python", {OLD}),
        (HOST, table(("0:50", "/", "/"), ("8:1", OLD, "/env")), "/env/bin/python", {OLD}),
        (HOST, table(("0:50", "/", "/"), ("8:1", f"{OLD}/bin", "/env")), "/env/python", {OLD}),
        (HOST, table(("0:50", "/", "/"), ("8:1", f"{OLD}/bin", "/env")), "/env2/python", set()),
        (HOST, table(("8:1", OLD, "/")), "/bin/python", {OLD}),
        (HOST, table(("0:50", "/", "/"), ("8:9", "/opt/evenkeel", "/x")), "/x/generations/ai/0123/bin/python", set()),
        (
            HOST,
            table(("0:50", "/", "/"), ("8:1", "/opt", "/two\\040words")),
            "/two words/evenkeel/x/4567/python",
            {NEW},
        ),
        (ON_A_DISK, ON_A_DISK, f"{OLDER}/bin/python", {OLDER}),
        (ON_A_DISK, table(("0:50", "/", "/"), ("8:2", "/", "/x")), "/x/evenkeel/generations/ai/0123/python", {OLD}),
        (ON_A_DISK, table(("0:50", "/", "/"), ("8:1", "/", "/x")), f"/x{OLD}/bin/python", set()),
        (HOST, "not a table\n", f"{OLD}/bin/python", {OLD}),
    ],
    ids=[
        *("own mounts", "all of it in a container", "one in a container", "a part of one", "beside a part"),
        *("as the root", "another disk", "a space", "on a disk of its own", "that disk in a container"),
        *("what that disk hides", "no table"),
    ],
)
def test_where_a_process_sees_it_does_not_matter(
    add: AddProcess, tmp_path: Path, host: str, mounts: str, program: str, used: set[str]
) -> None:
    (tmp_path / "self" / "mountinfo").write_text(host)
    add(7, program, mounts=mounts)
    assert using([OLD, OLDER, NEW], str(tmp_path)) == used


def test_a_process_in_a_changed_root_is_seen_as_it_is_told(add: AddProcess, tmp_path: Path) -> None:
    (tmp_path / "self" / "mountinfo").write_text(HOST)
    mounts = table(("8:1", "/srv/jail", "/"), ("8:1", "/opt/evenkeel", "/ek"))
    add(7, "/srv/jail/ek/generations/ai/0123/bin/python", root="/srv/jail", mounts=mounts)
    assert using([OLD, NEW], str(tmp_path)) == {OLD}


@pytest.mark.parametrize("place", ["root", "opened"])
def test_its_root_and_what_it_has_open_count(add: AddProcess, tmp_path: Path, place: str) -> None:
    add(7, **({"root": OLD} if place == "root" else {"opened": ["socket:[1]", f"{OLD}/share/data.db"]}))
    assert using([OLD, NEW], str(tmp_path)) == {OLD}


def test_of_one_process_no_more_is_looked_at_than_a_run_can_bear(
    add: AddProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_MOST_OPEN", 3)
    monkeypatch.setattr(processes, "_MOST_BYTES", 1000)
    add(7, "/usr/bin/bash", "/", *["/lib/x.so"] * 100, f"{OLD}/lib/libz.so", opened=["/dev/null"] * 5)
    add(8, f"{NEW}/bin/python", opened=["/dev/null"] * 3)
    assert using([OLD, NEW], str(tmp_path)) == {NEW}


def test_a_directory_behind_a_link_is_found_by_its_own_name(add: AddProcess, tmp_path: Path) -> None:
    real, link = tmp_path / "srv" / "local", tmp_path / "opt"
    (real / "generations" / "0123").mkdir(parents=True)
    link.symlink_to(real)
    add(7, f"{real}/generations/0123/bin/python")
    assert using([f"{link}/generations/0123"], str(tmp_path)) == {f"{link}/generations/0123"}


def test_a_real_process_is_seen(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "print('up', flush=True); input()"]
    with subprocess.Popen(argv, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        assert using([str(tmp_path), str(tmp_path / "other")]) == {str(tmp_path)}
        process.communicate("\n")
    assert using([str(tmp_path)]) == frozenset()


IN_A_NAMESPACE = """
mount --bind "$1" "$2" && cd "$2" && echo up && exec cat
"""


@pytest.mark.skipif(
    subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode != 0,
    reason="needs the right to make namespaces of mounts",
)
def test_a_real_process_behind_a_bind_mount_of_its_own_is_seen(tmp_path: Path) -> None:
    used, other, elsewhere = tmp_path / "used", tmp_path / "other", tmp_path / "elsewhere"
    for directory in (used, other, elsewhere):
        directory.mkdir()
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", IN_A_NAMESPACE, "-", used, elsewhere]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        assert str(Path(f"/proc/{process.pid}/cwd").readlink()) == str(elsewhere)
        assert using([str(used), str(other)]) == {str(used)}
        process.communicate("")
    assert using([str(used), str(other)]) == frozenset()
