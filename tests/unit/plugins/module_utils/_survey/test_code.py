# SPDX-License-Identifier: GPL-3.0-or-later
"""The code that a node keeps: only what root has written there, whole, is ever run."""

from __future__ import annotations

import errno
import marshal
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._survey import code
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey.packed_code import Packed, packed


@pytest.fixture(autouse=True)
def _imports_are_of_the_test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "lib" / "code"


@pytest.fixture
def sent(tmp_path: Path) -> Packed:
    (tmp_path / "rooms" / "_room").mkdir(parents=True)
    (tmp_path / "rooms" / "_room" / "file.py").write_text("ANSWER = 42\n")
    return packed(tmp_path / "rooms")


def make(directory: Path, sent: Packed, *, with_code: bool = False, keep: bool = True) -> bool:
    return code.make_importable(sent.digest, sent.text if with_code else None, keep=keep, directory=str(directory))


def test_code_is_sent_once(directory: Path, sent: Packed) -> None:
    assert not make(directory, sent)
    assert make(directory, sent, with_code=True)
    assert make(directory, sent)
    (file,) = directory.iterdir()
    assert [path.stat().st_mode & 0o777 for path in (directory, file)] == [0o700, 0o600]


def test_check_mode_keeps_nothing(directory: Path, sent: Packed) -> None:
    assert make(directory, sent, with_code=True, keep=False)
    assert not directory.parent.exists()


def test_a_node_without_a_place_for_it_is_surveyed_all_the_same(tmp_path: Path, sent: Packed) -> None:
    (tmp_path / "file").touch()
    assert make(tmp_path / "file" / "code", sent, with_code=True)


def test_newer_code_replaces_older_and_what_was_cut_short(directory: Path, sent: Packed) -> None:
    make(directory, sent, with_code=True)
    (file,) = directory.iterdir()
    file.rename(directory / f"{64 * '0'}-{file.name[65:]}")
    (directory / ".evenkeel-1").touch()
    make(directory, sent, with_code=True)
    assert list(directory.iterdir()) == [file]


def test_other_files_are_left_alone(directory: Path, sent: Packed) -> None:
    directory.mkdir(parents=True)
    names = [
        "notes",
        f"{64 * '0'}-notes",
        f"{63 * '0'}-a0",
        f"{64 * '0'}-a0.bak",
        ".evenkeel",
        ".evenkeel-1.bak",
        "tmp1",
    ]
    for name in names:
        (directory / name).touch()
    make(directory, sent, with_code=True)
    assert {path.name for path in directory.iterdir()} > set(names)


def test_a_directory_keeps_its_mode(directory: Path, sent: Packed) -> None:
    directory.mkdir(parents=True, mode=0o755)
    make(directory, sent, with_code=True)
    assert make(directory, sent)
    assert directory.stat().st_mode & 0o777 == 0o755


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def to_link(file: Path) -> None:
    file.rename(file.parents[1] / "elsewhere")
    file.symlink_to(file.parents[1] / "elsewhere")


def to_fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


@pytest.mark.parametrize(
    "harm",
    [
        flip,
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(b""),
        lambda file: os.truncate(file, 1 << 40),
        lambda file: file.chmod(0o620),
        lambda file: file.chmod(0o602),
        to_link,
        to_fifo,
    ],
    ids=["changed", "cut", "empty", "huge", "group", "others", "a link", "a pipe"],
)
def test_what_could_be_somebody_elses_is_not_used(harm: Callable[[Path], None], directory: Path, sent: Packed) -> None:
    make(directory, sent, with_code=True)
    (file,) = directory.iterdir()
    harm(file)
    assert not make(directory, sent)
    assert make(directory, sent, with_code=True), "it is written anew"
    assert make(directory, sent)


def test_a_pipe_that_somebody_writes_to_is_not_used(directory: Path, sent: Packed) -> None:
    make(directory, sent, with_code=True)
    (file,) = directory.iterdir()
    to_fifo(file)
    descriptor = os.open(file, os.O_RDWR)
    assert not make(directory, sent)
    os.close(descriptor)


@pytest.mark.parametrize(
    "harm",
    [lambda directory: directory.chmod(0o770), lambda directory: directory.chmod(0o707), to_link],
    ids=["a group's", "all people's", "a link"],
)
def test_a_directory_that_could_be_somebody_elses_is_left_alone(
    harm: Callable[[Path], None], directory: Path, sent: Packed
) -> None:
    make(directory, sent, with_code=True)
    (directory / f"{64 * '0'}-a0").touch()
    harm(directory)
    before = directory.stat().st_mode, sorted(directory.iterdir())
    assert not make(directory, sent)
    assert make(directory, sent, with_code=True)
    assert not make(directory, sent), "nothing is kept there"
    assert (directory.stat().st_mode, sorted(directory.iterdir())) == before


@pytest.mark.parametrize("part", ["directory", "file"])
def test_what_is_of_another_user_is_not_used(
    part: str, directory: Path, sent: Packed, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(directory, sent, with_code=True)
    (file,) = directory.iterdir()
    others = (directory if part == "directory" else file).stat().st_ino
    before = file.stat().st_ino
    real = os.fstat

    def fstat(descriptor: int) -> os.stat_result:
        found = list(real(descriptor))
        found[stat.ST_UID] += found[stat.ST_INO] == others
        return os.stat_result(found)

    monkeypatch.setattr(code.os, "fstat", fstat)
    assert not make(directory, sent)
    assert make(directory, sent, with_code=True)
    written_anew = file.stat().st_ino != before
    assert written_anew == (part == "file")


def test_a_full_disk_keeps_nothing(directory: Path, sent: Packed, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_places: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(code.os, "rename", full)
    assert make(directory, sent, with_code=True)
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize(("times", "kept"), [(9, False), (11, True)])
def test_the_last_room_is_left_to_others(
    times: int, kept: bool, directory: Path, sent: Packed, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(marshal.dumps(code.compile_all(code.unpacked(sent.digest, sent.text))))
    monkeypatch.setattr(code.os, "fstatvfs", lambda _place: SimpleNamespace(f_bavail=size, f_frsize=times))
    make(directory, sent, with_code=True)
    assert bool(list(directory.iterdir())) == kept


def test_other_code_than_was_announced_is_refused(directory: Path, sent: Packed) -> None:
    with pytest.raises(ValueError, match="not the code that was announced"):
        code.make_importable("0" * 64, sent.text, keep=True, directory=str(directory))
    assert not directory.exists()


def test_a_node_imports_all_modules_from_what_is_kept(directory: Path) -> None:
    """In a process that knows this collection from nowhere else, but for the packages that Ansible makes above."""
    sent = packed()
    make(directory, sent, with_code=True)
    program = f"""
import importlib, importlib.util, inspect, sys, types
above = ""
for part in {code.ROOMS!r}.split("."):
    above = (above + "." + part).lstrip(".")
    sys.modules[above] = types.ModuleType(above)
    sys.modules[above].__path__ = []
spec = importlib.util.spec_from_file_location("code_of_a_survey", {code.__file__!r})
code = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = code
spec.loader.exec_module(code)
assert code.make_importable({sent.digest!r}, None, keep=False, directory={str(directory)!r})
rehearsal = importlib.import_module(code.ROOMS + "._survey.rehearsal")
assert "def answered(" in inspect.getsource(rehearsal)
print(rehearsal.read({{"a": [{{"module": "tcp_port", "options": {{}}, "handed": {{}}}}]}}, 60)["a"][0]["msg"])
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, cwd="/", env=environment
    )
    assert "missing required arguments" in done.stdout, done.stderr
