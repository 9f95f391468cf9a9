# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import verification
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.verification import Report
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

SITE = "lib/python3.11/site-packages"
BYTECODE = f"{SITE}/idna/__pycache__/core.cpython-311.pyc"
CONDA_BYTECODE = f"{SITE}/idna/__pycache__/data.cpython-311.pyc"
LARGE = b"x" * ((1 << 20) + 3)
CONTENT = {
    "bin/python3.11": LARGE,
    "lib/empty": b"",
    f"{SITE}/idna/core.py": b"a = 1\n",
    f"{SITE}/idna-3.20.dist-info/METADATA": b"Name: idna\n",
    f"{SITE}/six.py": b"b = 2\n",
    f"{SITE}/six-1.17.0.dist-info/RECORD": b"",
    "bin/idna": b"#!/prefix/bin/python\n",
    "bin/six": b"#!/prefix/bin/python\n",
    BYTECODE: b"bytecode",
    CONDA_BYTECODE: b"of conda",
}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def signature(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An environment with Python, a package for every Python as conda records it, a pip package and bytecode."""
    prefix = tmp_path / "prefix"
    record = f"six.py,{signature(CONTENT[f'{SITE}/six.py'])},6\n../../../bin/six,,\nsix-1.17.0.dist-info/RECORD,,\n"
    for path, content in {**CONTENT, f"{SITE}/six-1.17.0.dist-info/RECORD": record.encode()}.items():
        (prefix / path).parent.mkdir(parents=True, exist_ok=True)
        (prefix / path).write_bytes(content)
    (prefix / "bin" / "python").symlink_to("python3.11")
    (prefix / "conda-meta").mkdir()
    python = [
        {"_path": "bin/python3.11", "path_type": "hardlink", "sha256": sha256(LARGE)},
        {
            "_path": "bin/python",
            "path_type": "softlink",
            "sha256": sha256(LARGE),
            "sha256_in_prefix": sha256(b"python3.11"),
        },
        {"_path": "lib/empty", "path_type": "hardlink", "sha256": sha256(b"")},
    ]
    idna = [
        {"_path": "site-packages/idna/core.py", "path_type": "hardlink", "sha256": sha256(b"a = 1\n")},
        {
            "_path": "site-packages/idna-3.20.dist-info/METADATA",
            "path_type": "hardlink",
            "sha256": sha256(b"Name: idna\n"),
        },
        {"_path": "bin/idna", "path_type": "unix_python_entry_point"},
        {"_path": BYTECODE, "path_type": "pyc_file"},
        {"_path": CONDA_BYTECODE, "path_type": "pyc_file"},
    ]
    write_record(prefix, "python", "3.11.2", python)
    write_record(prefix, "idna", "3.20", idna, noarch="python")
    (prefix / "conda-meta" / "evenkeel-bytecode").write_text(json.dumps({BYTECODE: sha256(b"bytecode")}))
    (prefix / "conda-meta" / "history").touch()
    (prefix / "CACHEDIR.TAG").touch()
    (prefix / "var" / "empty").mkdir(parents=True)
    return prefix


def write_record(prefix: Path, name: str, version: str, paths: list[dict[str, str]], **more: str) -> None:
    record = {"name": name, "version": version, "build": "0", "paths_data": {"paths": paths}, **more}
    (prefix / "conda-meta" / f"{name}-{version}-0.json").write_text(json.dumps(record))


def replace_link(prefix: Path, path: str, target: str) -> None:
    (prefix / path).unlink()
    (prefix / path).symlink_to(target)


def make_fifo(prefix: Path, path: str) -> None:
    (prefix / path).unlink()
    os.mkfifo(prefix / path)


def make_directory(prefix: Path, path: str) -> None:
    (prefix / path).unlink()
    (prefix / path).mkdir()


def test_a_fresh_environment_is_intact_and_every_known_hash_is_checked(prefix: Path) -> None:
    unhashed = {"bin/idna", "bin/six", CONDA_BYTECODE, f"{SITE}/six-1.17.0.dist-info/RECORD"}
    hashed = sum(len(content) for path, content in CONTENT.items() if path not in unhashed)
    report = verification.verify_files(str(prefix))
    assert report == Report((), (), (), hashed)
    assert report.intact
    assert report.lines() == []


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        pytest.param(
            lambda prefix: (prefix / f"{SITE}/idna/core.py").write_bytes(b"a = 3\n"),
            [f"edited {SITE}/idna/core.py"],
            id="a file of the same size",
        ),
        pytest.param(
            lambda prefix: (prefix / "bin/python3.11").write_bytes(LARGE[:-1] + b"y"),
            ["edited bin/python3.11"],
            id="the last byte of a large file",
        ),
        pytest.param(lambda prefix: (prefix / "lib/empty").write_bytes(b"x"), ["edited lib/empty"], id="an empty file"),
        pytest.param(
            lambda prefix: (prefix / f"{SITE}/six.py").write_bytes(b"b = 3\n"),
            [f"edited {SITE}/six.py"],
            id="a file of pip",
        ),
        pytest.param(
            lambda prefix: (prefix / BYTECODE).write_bytes(b"poison"), [f"edited {BYTECODE}"], id="Evenkeel's bytecode"
        ),
        pytest.param(
            lambda prefix: (prefix / CONDA_BYTECODE).write_bytes(b"other"), [], id="conda's bytecode has no known hash"
        ),
        pytest.param(
            lambda prefix: replace_link(prefix, "bin/python", "/usr/bin/python3"), ["edited bin/python"], id="a link"
        ),
        pytest.param(
            lambda prefix: replace_link(prefix, "lib/empty", "/dev/null"),
            ["edited lib/empty"],
            id="a link with the content of the file that it replaced",
        ),
        pytest.param(
            lambda prefix: (replace_link(prefix, "bin/python", "x"), (prefix / "bin/python").unlink()),
            ["missing bin/python"],
            id="a link that is gone",
        ),
        pytest.param(lambda prefix: make_fifo(prefix, f"{SITE}/six.py"), [f"edited {SITE}/six.py"], id="a pipe"),
        pytest.param(lambda prefix: make_directory(prefix, "bin/idna"), ["edited bin/idna"], id="a directory"),
        pytest.param(lambda prefix: (prefix / "bin/idna").unlink(), ["missing bin/idna"], id="no hash, but gone"),
        pytest.param(
            lambda prefix: (prefix / f"{SITE}/six.py").unlink(),
            [f"missing {SITE}/six.py"],
            id="a file of pip that is gone",
        ),
        pytest.param(
            lambda prefix: (prefix / CONDA_BYTECODE).unlink(), [], id="conda lists bytecode that it could not compile"
        ),
        pytest.param(lambda prefix: (prefix / BYTECODE).unlink(), [f"missing {BYTECODE}"], id="bytecode that is gone"),
        pytest.param(
            lambda prefix: (prefix / "lib").rename(prefix / "gone"),
            [
                f"missing {BYTECODE}",
                f"missing {SITE}/idna-3.20.dist-info/METADATA",
                f"missing {SITE}/idna/core.py",
                "missing lib/empty",
            ],
            id="a whole directory",
        ),
        pytest.param(
            lambda prefix: (prefix / "conda-meta/idna-3.20-0.json").write_text("{"),
            ["edited conda-meta/idna-3.20-0.json"],
            id="a record",
        ),
        pytest.param(
            lambda prefix: (prefix / "conda-meta/evenkeel-bytecode").write_text("[1]"),
            ["edited conda-meta/evenkeel-bytecode"],
            id="the manifest of bytecode",
        ),
        pytest.param(
            lambda prefix: (prefix / f"{SITE}/six-1.17.0.dist-info/RECORD").write_text("six.py,,nine"),
            [f"edited {SITE}/six-1.17.0.dist-info/RECORD"],
            id="the list of pip",
        ),
    ],
)
def test_drift(prefix: Path, change: Callable[[Path], object], lines: list[str]) -> None:
    change(prefix)
    assert sorted(verification.verify_files(str(prefix)).lines()) == sorted(lines)


def test_a_directory_may_stand_elsewhere(prefix: Path) -> None:
    (prefix / "lib").rename(prefix / "lib64")
    (prefix / "lib").symlink_to("lib64")
    assert verification.verify_files(str(prefix)).intact


@pytest.mark.parametrize("path", ["lib/empty", f"{SITE}/six.py"], ids=["both of conda", "conda and pip"])
def test_any_of_two_packages_may_have_won_a_path(prefix: Path, path: str) -> None:
    write_record(prefix, "other", "1.0", [{"_path": path, "path_type": "hardlink", "sha256": sha256(b"other")}])
    assert verification.verify_files(str(prefix)).intact
    (prefix / path).write_bytes(b"other")
    assert verification.verify_files(str(prefix)).intact
    (prefix / path).write_bytes(b"neither")
    assert verification.verify_files(str(prefix)).edited == (path,)


def test_what_can_not_be_read_is_an_error(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(descriptor: int, size: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(verification.os, "read", broken)
    with pytest.raises(EvenkeelError, match=r"bin/python3\.11 can't be read: Input/output error"):
        verification._compare(str(prefix), ["bin/python3.11"], verification.expected(str(prefix)).files)


@pytest.mark.parametrize("check", [verification.verify_files, verification.user_files])
def test_what_is_no_environment_is_refused(tmp_path: Path, check: Callable[[str], object]) -> None:
    with pytest.raises(EvenkeelError, match=f"{tmp_path} is not an environment"):
        check(str(tmp_path))


@pytest.mark.parametrize(
    ("path", "users"),
    [
        ("notebooks/work.ipynb", True),
        (f"{SITE}/idna/mine.py", True),
        (f"{SITE}/idna/mine.pyc", True),
        ("data.pyc", True),
        (f"{SITE}/idna/__pycache__/other.cpython-311.pyc", False),
        (f"{SITE}/idna/__pycache__/notes.txt", True),
        ("conda-meta/state", False),
        ("conda-meta/evenkeel", False),
        ("etc/conda-meta/mine", True),
        ("etc/CACHEDIR.TAG", True),
    ],
)
def test_files_of_people(prefix: Path, path: str, users: bool) -> None:
    (prefix / path).parent.mkdir(parents=True, exist_ok=True)
    (prefix / path).touch()
    found = (path,) if users else ()
    assert verification.user_files(str(prefix)) == found
    report = verification.verify_files(str(prefix))
    assert report.user_files == found
    assert report.intact


def test_a_link_of_people_is_not_followed(prefix: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").touch()
    (prefix / "data").symlink_to(tmp_path / "elsewhere")
    assert verification.user_files(str(prefix)) == ("data",)


def test_what_scripts_of_packages_made_is_vouched_for(prefix: Path) -> None:
    (prefix / "bin" / ".idna-post-link.sh").touch()
    (prefix / "etc").mkdir()
    (prefix / "etc" / "made.conf").write_text("a\n")
    (prefix / "etc" / "made").symlink_to("made.conf")
    verification.note_files_of_scripts(str(prefix))
    report = verification.verify_files(str(prefix))
    assert (report.lines(), report.user_files) == ([], ())

    (prefix / "etc" / "made.conf").write_text("b\n")
    (prefix / "etc" / "made").unlink()
    (prefix / "etc" / "mine.conf").touch()
    report = verification.verify_files(str(prefix))
    assert (report.lines(), report.user_files) == (["edited etc/made.conf", "missing etc/made"], ("etc/mine.conf",))


def test_without_scripts_nothing_is_noted(prefix: Path) -> None:
    (prefix / "mine").touch()
    verification.note_files_of_scripts(str(prefix))
    assert verification.user_files(str(prefix)) == ("mine",)
    assert not (prefix / verification.SCRIPTED).exists()


@pytest.mark.parametrize("text", ["", "[1]", '{"a": 1}'])
def test_broken_notes_are_drift(prefix: Path, text: str) -> None:
    (prefix / verification.SCRIPTED).write_text(text)
    assert verification.verify_files(str(prefix)).edited == (verification.SCRIPTED,)
