# SPDX-License-Identifier: GPL-3.0-or-later
"""The program by itself; what an environment makes of it is tested beside its caller."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import json
import marshal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import bytecode_compiler as compiler

NAME = "lib/python3.11/site-packages/x.py"


def test_bytecode_is_never_compared_with_its_source() -> None:
    bytecode = compiler.compiled(b"x = 1\n", NAME)
    assert bytecode is not None
    assert bytecode[:4] == importlib.util.MAGIC_NUMBER
    assert int.from_bytes(bytecode[4:8], "little") == 1
    assert marshal.loads(bytecode[16:]).co_filename == NAME  # noqa: S302


@pytest.mark.parametrize(
    "source",
    [
        b"print 'two'\n",
        b"{{ cookiecutter }} =\n",
        b"x = '\xff'\n",
        b"\0",
        b"# -*- coding: klingon -*-\n",
        b"(" * 300 + b")" * 300,
        b"x" + b"+x" * 100_000,
    ],
    ids=["python 2", "template", "not utf-8", "binary", "unknown encoding", "too deep", "too long"],
)
def test_what_does_not_compile(source: bytes) -> None:
    assert compiler.compiled(source, NAME) is None


def ask(*lines: object) -> tuple[int, list[dict[str, object]]]:
    done = subprocess.run(
        [sys.executable, "-c", inspect.getsource(compiler)],
        input="".join(json.dumps(line) + "\n" for line in lines),
        capture_output=True,
        text=True,
        check=False,
        umask=0o077,
    )
    assert done.stderr == ""
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_it_answers_line_by_line_and_ends_with_its_input(tmp_path: Path) -> None:
    good, bad, target = tmp_path / "good.py", tmp_path / "bad.py", tmp_path / "cache" / "good.pyc"
    good.write_text("x = 1\n")
    bad.write_text("x =\n")
    right = hashlib.sha256(good.read_bytes()).hexdigest()
    status, answers = ask(
        [[str(good), NAME, str(target), right], [str(bad), NAME, str(tmp_path / "bad.pyc"), ""]],
        [[str(good), NAME, str(tmp_path / "other.pyc"), "0" * 64]],
        [[str(tmp_path / "none.py"), NAME, str(tmp_path / "none.pyc"), wanted] for wanted in ("", right)],
    )
    assert status == 0
    assert answers == [
        {"hashes": [hashlib.sha256(target.read_bytes()).hexdigest(), None]},
        {"hashes": [""]},
        {"hashes": [None, ""]},
    ]
    assert sorted(path.name for path in tmp_path.rglob("*.pyc")) == ["good.pyc"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert stat.S_IMODE(target.parent.stat().st_mode) == 0o755


def test_what_can_not_be_written_is_told(tmp_path: Path) -> None:
    source = tmp_path / "x.py"
    source.write_text("x = 1\n")
    status, answers = ask([[str(source), NAME, str(source / "below" / "x.pyc"), ""]])
    assert status == 0
    assert [answer["errno"] for answer in answers] == [20]


def test_an_older_file_is_replaced_not_edited(tmp_path: Path) -> None:
    source, target, linked = tmp_path / "x.py", tmp_path / "x.pyc", tmp_path / "linked.pyc"
    source.write_text("x = 1\n")
    linked.write_bytes(b"of another environment")
    target.hardlink_to(linked)
    assert compiler.compile_file(str(source), NAME, str(target), "")
    assert linked.read_bytes() == b"of another environment"
