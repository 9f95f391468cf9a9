# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import runtime
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.runtime import Desired, Plan, Runtime, State, Wheel
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

UV = Wheel("uv-0.13.9-py3-none-manylinux_2_17_x86_64.whl", "aa" * 32)
RATTLER = Wheel("py_rattler-0.28.0-cp310-abi3-manylinux_2_17_x86_64.whl", "bb" * 32)
DESIRED = Desired("/opt/evenkeel/runtime", (RATTLER, UV))
NOW = Runtime(DESIRED.id, ("py_rattler 0.28.0", "uv 0.13.9"), 5)
OLD = Runtime("0" * 16, ("uv 0.12.0",), 4)
OLDER = Runtime("1" * 16, ("uv 0.11.0",), 3)
LEFTOVER = ".partial-" + "2" * 16

UV_FILES = {
    "uv/__init__.py": "ours = True\n",
    "uv-0.13.9.data/scripts/uv": "#!/bin/sh\necho uv 0.13.9\n",
    "uv-0.13.9.data/purelib/uv/more.py": "",
    "uv-0.13.9.dist-info/METADATA": "Name: uv\n",
}
RATTLER_FILES = {"rattler/__init__.py": "", "py_rattler-0.28.0.dist-info/METADATA": "Name: py-rattler\n"}


# pure


def test_the_id_is_told_by_the_wheels_whatever_their_order() -> None:
    expected = hashlib.sha256(f"{'aa' * 32}\n{'bb' * 32}".encode()).hexdigest()[:16]
    assert DESIRED.id == Desired("/elsewhere", (UV, RATTLER)).id == expected
    assert DESIRED.path == f"/opt/evenkeel/runtime/{expected}"
    assert replace(DESIRED, wheels=(UV,)).id != expected


@pytest.mark.parametrize(("reason", "wheels"), [("", (RATTLER, UV)), ("too old", (UV,))])
def test_a_reason_against_rattler_leaves_it_out(reason: str, wheels: tuple[Wheel, ...]) -> None:
    assert runtime.desired("/opt/evenkeel", [RATTLER, UV], reason) == Desired("/opt/evenkeel/runtime", wheels)


def test_a_root_that_is_no_plain_path_is_refused() -> None:
    with pytest.raises(EvenkeelError, match=r"^root is 'opt', which is not a normalised absolute path"):
        runtime.desired("opt", [UV], "")


@pytest.mark.parametrize(
    ("state", "remove", "build", "after"),
    [
        (State(), (), True, (NOW,)),
        (State((NOW,)), (), False, (NOW,)),
        (State((OLD,)), (), True, (OLD, NOW)),
        (State((OLD, NOW)), (), False, (OLD, NOW)),
        (State((OLD, OLDER, NOW)), (OLDER.id,), False, (OLD, NOW)),
        (State((OLD, replace(OLDER, made=9))), (OLD.id,), True, (OLDER, NOW)),
        (State((replace(NOW, contents=()),)), (NOW.id,), True, (NOW,)),
        (State((OLD, replace(NOW, contents=("uv 0.13.9",)))), (NOW.id,), True, (OLD, NOW)),
        (State((NOW,), (LEFTOVER,)), (LEFTOVER,), False, (NOW,)),
        (State((OLD, OLDER), (LEFTOVER,)), (LEFTOVER, OLDER.id), True, (OLD, NOW)),
    ],
)
def test_plan(state: State, remove: tuple[str, ...], build: bool, after: tuple[Runtime, ...]) -> None:
    plan = runtime.plan(state, DESIRED)
    assert (plan.remove, plan.build) == (remove, build)
    assert plan.changed is bool(remove or build)
    assert sorted(plan.after) == sorted(map(str, after))
    assert (plan.diff["before"] != plan.diff["after"]) is plan.changed
    assert not runtime.plan(State(tuple(sorted(after, key=lambda one: one.id))), DESIRED).changed


def test_the_diff_is_in_words() -> None:
    state = State((OLD, replace(NOW, contents=())), (LEFTOVER,))
    assert runtime.plan(state, DESIRED).diff == {
        "before": f"{OLD.id}: uv 0.12.0\n{NOW.id}: damaged\n{LEFTOVER}: interrupted\n",
        "after": f"{OLD.id}: uv 0.12.0\n{NOW.id}: py_rattler 0.28.0, uv 0.13.9\n",
    }


@pytest.mark.parametrize(
    ("member", "place"),
    [
        ("rattler/py.typed", "site-packages/rattler/py.typed"),
        ("six.py", "site-packages/six.py"),
        ("uv-0.13.9.data/scripts/uv", "bin/uv"),
        ("uv-0.13.9.data/purelib/uv/a.py", "site-packages/uv/a.py"),
        ("uv-0.13.9.data/platlib/uv/a.so", "site-packages/uv/a.so"),
        ("uv-0.13.9.data/headers/uv.h", None),
        ("uv-0.13.9.data/data/etc/passwd", None),
        ("uv-0.13.9.data/scripts", None),
        ("uv-0.13.9.data", None),
        ("uv-0.13.9.data/scripts/../../../etc/passwd", None),
        ("../evil", None),
        ("rattler/../../evil", None),
        ("rattler/./evil", None),
        ("/etc/passwd", None),
        ("rattler//evil", None),
        ("..\\evil", None),
    ],
)
def test_a_runtime_has_a_place_for_each_file_of_a_wheel_or_refuses_it(member: str, place: str | None) -> None:
    if place:
        assert runtime.place(member) == place
    else:
        with pytest.raises(EvenkeelError, match="which a runtime has no place for"):
            runtime.place(member)


# the distribution's Python


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ({"python-3.10.13-h1": {"name": "python", "version": "3.10.13"}}, ""),
        ({"python-3.13.0-h1": {"name": "python", "version": "3.13.0"}}, ""),
        ({"python-4.0.0-h1": {"name": "python", "version": "4.0.0"}}, ""),
        (
            {"python-3.9.18-h1": {"name": "python", "version": "3.9.18"}},
            "PYTHON is Python 3.9.18, and py-rattler needs 3.10 or newer",
        ),
        (
            {
                "python-3.9.18-h1": {"name": "python", "version": "3.9.18"},
                "python-dateutil-3.13.0-h1": {"name": "python-dateutil", "version": "3.13.0"},
            },
            "PYTHON is Python 3.9.18, and py-rattler needs 3.10 or newer",
        ),
        ({}, "the version of PYTHON is unknown"),
        ({"python-3.13.0-h1": {}}, "the version of PYTHON is unknown"),
        ({"python-3.13.0-h1": {"name": "python", "version": "three"}}, "the version of PYTHON is unknown"),
        ({"python-3.13.0-h1": []}, "the version of PYTHON is unknown"),
        ({"python-3.13.0-h1": None}, "the version of PYTHON is unknown"),
    ],
)
def test_the_version_is_read_from_the_record(tmp_path: Path, records: Mapping[str, object], reason: str) -> None:
    python = tmp_path / "bin" / "python"
    for directory in ("bin", "conda-meta"):
        (tmp_path / directory).mkdir()
    python.touch(0o755)
    for name, record in records.items():
        (tmp_path / "conda-meta" / f"{name}.json").write_text(json.dumps(record) if record is not None else "{")
    actual = runtime.reason_against_rattler(str(python))
    assert actual.startswith(reason.replace("PYTHON", str(python)))
    assert bool(actual) is bool(reason)


@pytest.mark.parametrize("mode", [None, 0o644])
def test_an_interpreter_that_is_not_there(tmp_path: Path, mode: int | None) -> None:
    python = tmp_path / "python"
    if mode is not None:
        python.touch(mode)
    assert runtime.reason_against_rattler(str(python)) == f"{python} is not a program"


# apply


def recorded(path: str, text: str) -> str:
    """Return the line of a RECORD that a file has."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    return f"{path},sha256={digest},{len(text)}\n"


class Node:
    def __init__(self, directory: Path) -> None:
        self.brought, self.directory = directory / "brought", directory / "runtime"
        self.brought.mkdir()
        self.wheels = [self.bring(RATTLER.name, RATTLER_FILES), self.bring(UV.name, UV_FILES)]

    def bring(self, name: str, files: Mapping[str, str]) -> Wheel:
        record = "{}-{}.dist-info/RECORD".format(*name.split("-"))
        with zipfile.ZipFile(self.brought / name, "w") as archive:
            archive.writestr("empty/", "")
            for path, text in files.items():
                archive.writestr(path, text)
            archive.writestr(record, "".join([*(recorded(*file) for file in files.items()), f"{record},,\n"]))
        return Wheel(name, hashlib.sha256((self.brought / name).read_bytes()).hexdigest())

    @property
    def desired(self) -> Desired:
        return Desired(str(self.directory), tuple(self.wheels))

    def converge(self) -> Plan:
        plan = runtime.plan(runtime.read(str(self.directory), self.desired.id), self.desired)
        runtime.apply(plan, self.desired, str(self.brought))
        return plan

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir()) if self.directory.exists() else []


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_wheels_are_unpacked_and_then_nothing_is_to_do(node: Node) -> None:
    assert node.converge().changed
    path = Path(node.desired.path)
    assert sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()) == [
        "bin/uv",
        "site-packages/py_rattler-0.28.0.dist-info/METADATA",
        "site-packages/py_rattler-0.28.0.dist-info/RECORD",
        "site-packages/rattler/__init__.py",
        "site-packages/uv-0.13.9.dist-info/METADATA",
        "site-packages/uv-0.13.9.dist-info/RECORD",
        "site-packages/uv/__init__.py",
        "site-packages/uv/more.py",
    ]
    assert (path / "bin" / "uv").stat().st_mode & 0o777 == 0o755
    assert (path / "site-packages" / "uv" / "__init__.py").stat().st_mode & 0o777 == 0o644
    assert subprocess.run([path / "bin" / "uv"], check=True, capture_output=True).stdout == b"uv 0.13.9\n"
    assert not node.converge().changed
    assert runtime.read(str(node.directory), node.desired.id) == State(
        (Runtime(node.desired.id, node.desired.contents, path.stat().st_mtime),)
    )


def test_all_of_it_is_on_the_disk_before_it_has_its_name(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[str, bool]] = []

    def sync(paths: Sequence[str], *_: object) -> None:
        (partial,) = paths
        synced.append((Path(partial).name, Path(partial, "bin", "uv").exists()))
        assert not Path(node.desired.path).exists()

    monkeypatch.setattr(runtime, "sync_file_systems", sync)
    node.converge()
    assert synced == [(f".partial-{node.desired.id}", True)]
    assert node.names == [node.desired.id]


def test_of_the_others_the_newest_stays(node: Node) -> None:
    for made, runtime_id in enumerate(("3" * 16, "1" * 16, "2" * 16)):
        (node.directory / runtime_id / "bin").mkdir(parents=True)
        os.utime(node.directory / runtime_id, (made, made))
    for name in ("theirs", "4" * 15, ".partial-theirs"):
        (node.directory / name).mkdir()
    (node.directory / (".partial-" + "5" * 16) / "bin").mkdir(parents=True)
    node.converge()
    assert node.names == sorted(["2" * 16, node.desired.id, "theirs", "4" * 15, ".partial-theirs"])
    assert not node.converge().changed


@pytest.mark.parametrize("damage", ["bin/uv", "site-packages/uv-0.13.9.dist-info", "site-packages"])
def test_a_damaged_runtime_is_made_anew(node: Node, damage: str) -> None:
    node.converge()
    place = Path(node.desired.path, damage)
    place.unlink() if place.is_file() else shutil.rmtree(place)
    plan = node.converge()
    assert (plan.build, plan.remove) == (True, (node.desired.id,))
    assert Path(node.desired.path, "bin", "uv").is_file()
    assert not node.converge().changed


RATTLER_INIT, UV_RECORD = "site-packages/rattler/__init__.py", "site-packages/uv-0.13.9.dist-info/RECORD"


def linked(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/null")


@pytest.mark.parametrize(
    ("spoil", "reported"),
    [
        (lambda path: os.truncate(path / "bin" / "uv", 0), "edited bin/uv"),
        (lambda path: os.truncate(path / "bin" / "uv", 5), "edited bin/uv"),
        (lambda path: (path / "bin" / "uv").write_text("#!/bin/sh\necho uv 0.13.8\n"), "edited bin/uv"),
        (lambda path: (path / RATTLER_INIT).unlink(), f"missing {RATTLER_INIT}"),
        (lambda path: (path / RATTLER_INIT).write_text("import evil"), f"edited {RATTLER_INIT}"),
        (lambda path: (path / "site-packages" / "evil.pth").touch(), "added site-packages/evil.pth"),
        (lambda path: (path / "bin" / "uv").chmod(0o777), "edited bin/uv"),
        (lambda path: (path / "bin" / "uv").rename(path / "uv"), "added uv, missing bin/uv"),
        (lambda path: linked(path / RATTLER_INIT), f"edited {RATTLER_INIT}"),
        (lambda path: os.truncate(path / UV_RECORD, 0), "added bin/uv, added"),
        (lambda path: (path / UV_RECORD).write_bytes(b"\0\xff" * 500), "added bin/uv, added"),
        (lambda path: (path / UV_RECORD).write_text("../../etc/passwd,sha256=AAAA,1\n"), "added bin/uv, added"),
    ],
    ids=[
        *("empty", "cut short", "same size", "missing", "another", "added", "everybody's", "moved", "link"),
        *("RECORD empty", "RECORD garbage", "RECORD outside"),
    ],
)
def test_a_damaged_file_is_named_and_the_runtime_made_anew(
    node: Node, spoil: Callable[[Path], object], reported: str
) -> None:
    node.converge()
    spoil(Path(node.desired.path))
    plan = node.converge()
    assert (plan.build, plan.remove) == (True, (node.desired.id,))
    assert plan.before[0].startswith(f"{node.desired.id}: damaged ({reported}")
    assert plan.damage == plan.before
    assert plan.diff["before"] != plan.diff["after"]
    assert not node.converge().changed


def test_bytecode_of_an_earlier_version_is_no_damage_and_goes(node: Node) -> None:
    node.converge()
    bytecode = Path(node.desired.path, RATTLER_INIT).parent / "__pycache__" / "__init__.cpython-311.pyc"
    bytecode.parent.mkdir()
    bytecode.touch()
    plan = node.converge()
    assert plan.before == (f"{node.desired.id}: has bytecode of its own, as those of earlier versions do",)
    assert plan.damage == ()
    assert not bytecode.exists()


def test_of_much_damage_some_is_named() -> None:
    assert str(replace(NOW, damage=("a", "b", "c"))) == f"{NOW.id}: damaged (a, b, c)"
    assert str(replace(NOW, damage=("a", "b", "c", "d", "e"))) == f"{NOW.id}: damaged (a, b, c and 2 more)"


def test_a_runtime_that_is_not_used_is_not_hashed(node: Node) -> None:
    node.converge()
    Path(node.desired.path, "bin", "uv").write_text("")
    (seen,) = runtime.read(str(node.directory), "0" * 16).runtimes
    assert seen.damage == ()


@pytest.mark.parametrize(
    ("later", "all_hashed", "found"), [(True, False, True), (False, False, False), (False, True, True)]
)
def test_what_has_not_changed_since_it_was_made_need_not_be_hashed(
    node: Node, later: bool, all_hashed: bool, found: bool
) -> None:
    node.converge()
    path = Path(node.desired.path)
    uv = path / "bin" / "uv"
    uv.write_text("#!/bin/sh\necho uv 0.13.8\n")
    made = uv.stat().st_ctime_ns + (0 if later else 1)
    os.utime(path, ns=(made, made))
    (seen,) = runtime.read(str(node.directory), node.desired.id, all_hashed=all_hashed).runtimes
    assert seen.damage == (("edited bin/uv",) if found else ())


def test_a_new_runtime_has_no_file_that_has_changed_since(node: Node) -> None:
    node.converge()
    path = Path(node.desired.path)
    made = path.stat().st_mtime_ns
    assert [file for file in path.rglob("*") if file.is_file() and file.stat().st_ctime_ns > made] == []


def test_a_killed_removal_leaves_no_runtime_that_looks_whole(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.converge()
    old = node.desired.id
    Path(node.desired.path, "bin", "uv").unlink()
    with monkeypatch.context() as killed:
        killed.setattr(shutil, "rmtree", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            node.converge()
    assert node.names == [f".partial-{old}"]
    node.converge()
    assert node.names == [old]


def forged(node: Node) -> None:
    (node.brought / UV.name).write_bytes(b"forged")


def absent(node: Node) -> None:
    (node.brought / UV.name).unlink()


def escaping(node: Node) -> None:
    node.wheels[1] = node.bring(UV.name, {**UV_FILES, "../../evil": ""})


def no_archive(node: Node) -> None:
    (node.brought / UV.name).write_bytes(b"<html>")
    node.wheels[1] = Wheel(UV.name, hashlib.sha256(b"<html>").hexdigest())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (forged, f"^The wheel {UV.name} arrived with the SHA-256 [0-9a-f]{{64}}, not [0-9a-f]{{64}}"),
        (absent, f"{UV.name}: No such file or directory"),
        (escaping, "^A wheel has the file '../../evil', which a runtime has no place for"),
        (no_archive, f"^{UV.name} is not a wheel: File is not a zip file"),
    ],
)
def test_a_bad_wheel_leaves_all_as_it_was(node: Node, spoil: object, message: str) -> None:
    node.wheels.reverse()
    node.converge()
    before = node.names
    node.wheels = [node.bring(RATTLER.name, {**RATTLER_FILES, "rattler/new.py": ""}), node.bring(UV.name, UV_FILES)]
    assert callable(spoil)
    spoil(node)
    with pytest.raises(EvenkeelError, match=message):
        node.converge()
    assert node.names == before
    assert not (node.brought.parent / "evil").exists()


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "^No space left on the file system of"),
        (errno.EDQUOT, "^No space left on the file system of"),
        (errno.EIO, "Input/output error. The disk of .* does not work"),
    ],
)
def test_a_disk_that_fails_leaves_nothing(
    node: Node, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as failing:
        failing.setattr(os, "fsync", fail)
        with pytest.raises(EvenkeelError, match=message):
            node.converge()
    assert node.names == []
    assert node.converge().changed


def test_a_file_where_the_runtimes_should_be_is_named(node: Node) -> None:
    node.directory.write_text("theirs")
    with pytest.raises(EvenkeelError, match=f"^{node.directory}: Not a directory"):
        node.converge()
