# SPDX-License-Identifier: GPL-3.0-or-later
"""The code that a node keeps: only what root has written there, whole, is ever run."""

from __future__ import annotations

import os
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


def test_newer_code_replaces_older(directory: Path, sent: Packed) -> None:
    make(directory, sent, with_code=True)
    (directory / "older").touch()
    (file,) = [path for path in directory.iterdir() if path.name != "older"]
    file.unlink()
    make(directory, sent, with_code=True)
    assert list(directory.iterdir()) == [file]


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def to_link(file: Path) -> None:
    file.rename(file.parents[1] / "elsewhere")
    file.symlink_to(file.parents[1] / "elsewhere")


@pytest.mark.parametrize(
    "harm",
    [
        flip,
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(b""),
        lambda file: file.chmod(0o620),
        lambda file: file.chmod(0o602),
        lambda file: file.parent.chmod(0o770),
        lambda file: file.parent.chmod(0o707),
        to_link,
    ],
    ids=["changed", "cut", "empty", "group", "others", "a group's directory", "all people's directory", "a link"],
)
def test_what_could_be_somebody_elses_is_not_used(harm: Callable[[Path], None], directory: Path, sent: Packed) -> None:
    make(directory, sent, with_code=True)
    (file,) = directory.iterdir()
    harm(file)
    assert not make(directory, sent)
    assert make(directory, sent, with_code=True), "it is written anew"
    assert make(directory, sent)


@pytest.mark.parametrize("part", ["directory", "file"])
def test_what_is_of_another_user_is_not_used(
    part: str, directory: Path, sent: Packed, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(directory, sent, with_code=True)
    (file,) = directory.iterdir()
    real = os.lstat
    others = str(directory if part == "directory" else file)

    def lstat(path: str) -> object:
        found = real(path)
        uid = found.st_uid + (path == others)
        return SimpleNamespace(st_uid=uid, st_mode=found.st_mode)

    monkeypatch.setattr(code.os, "lstat", lstat)
    assert not make(directory, sent)


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
