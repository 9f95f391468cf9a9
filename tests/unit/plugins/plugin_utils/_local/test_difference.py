# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package, digest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local import difference
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.difference import Holding, between
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.locked import Locked
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import explicit_file

ROOT = Path(__file__).parents[5]
NUMPY = Package("numpy", "2.4.6", "py311_0", "ab" * 32, md5="cd" * 16)
SIX = Package("six", "1.17.0", "py_0", "ef" * 32)
IDNA = Package("idna", "3.11", "", "12" * 32, PIP)
LOCK = (NUMPY, SIX, IDNA)


@pytest.mark.parametrize(
    ("there", "state", "lines"),
    [
        (LOCK, "equal", []),
        ((NUMPY, IDNA), "differs", ["- six 1.17.0 (py_0)"]),
        ((*LOCK, Package("mine", "0.1", "", "", PIP)), "differs", ["+ mine 0.1 (pip)"]),
        ((replace(NUMPY, version="2.4.5"), SIX, IDNA), "differs", ["~ numpy 2.4.6 -> 2.4.5"]),
        ((replace(NUMPY, build="py311_1"), SIX, IDNA), "differs", ["~ numpy 2.4.6 py311_0 -> py311_1"]),
        (
            (replace(NUMPY, sha256="34" * 32), SIX, IDNA),
            "differs",
            ["~ numpy 2.4.6 sha256 abababababab -> 343434343434"],
        ),
        ((replace(NUMPY, sha256=""), SIX, IDNA), "equal", []),
        (
            (replace(NUMPY, sha256="", md5="00" * 16), SIX, IDNA),
            "differs",
            ["~ numpy 2.4.6 sha256 abababababab -> unknown"],
        ),
        ((NUMPY, SIX, replace(IDNA, sha256="")), "unknown", []),
        # One that pip has put in the place of conda's.
        ((NUMPY, replace(SIX, manager=PIP, build=""), IDNA), "differs", ["- six 1.17.0 (py_0)", "+ six 1.17.0 (pip)"]),
    ],
)
def test_packages(there: tuple[Package, ...], state: str, lines: list[str]) -> None:
    found = between(LOCK, {}, Holding(there))
    assert (found.state, found.lines()) == (state, lines)
    assert (found.digest == digest(LOCK)) is (state == "equal")


@pytest.mark.parametrize(
    ("there", "lines"),
    [
        ({"A": "1"}, []),
        ({}, ["~ variable A is not set"]),
        ({"A": "2"}, ["~ variable A has another value"]),
        ({"A": "1", "B": ""}, ["~ variable B is set"]),
    ],
)
def test_variables(there: dict[str, str], lines: list[str]) -> None:
    found = between(LOCK, {"A": "1"}, Holding(LOCK, there))
    assert found.lines() == lines
    assert (found.digest == digest(LOCK, {"A": "1"})) is (not lines)


def test_what_its_bookkeeping_and_its_files_say_counts() -> None:
    found = between(LOCK, {}, Holding(LOCK, {}, ("missing conda-meta/frozen",)), ["edited bin/python"])
    assert found.state == "differs"
    assert found.lines() == ["~ edited bin/python", "~ missing conda-meta/frozen"]
    assert found.as_dict()["files"] == ("edited bin/python", "missing conda-meta/frozen")


@pytest.mark.parametrize(
    ("written", "sha256"),
    [
        ({"url": "https://i/x.whl", "archive_info": {"hashes": {"sha256": "12"}, "hash": "sha256=12"}}, "12"),
        ({"url": "https://i/x.whl", "archive_info": {"hash": "sha256=12"}}, "12"),
        ({"url": "https://i/x.whl", "archive_info": {}}, ""),
        ({"url": "https://i/x", "vcs_info": {"vcs": "git"}}, None),
        ([], None),
    ],
)
def test_pip_keeps_the_hash_of_what_has_a_url(written: Any, sha256: str | None, tmp_path: Path) -> None:
    folder = tmp_path / "lib/python3.11/site-packages/My_Tool-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "direct_url.json").write_text(json.dumps(written))
    assert difference.archives(str(tmp_path)) == ({} if sha256 is None else {"my-tool": sha256})


@pytest.mark.parametrize("path", ["", "nowhere", "file"])
def test_what_is_no_environment_can_t_be_compared(path: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EvenkeelError, match="is not an environment: it has no conda-meta"):
        difference.compare(Locked(Path("lock"), "linux-64", LOCK), str(tmp_path / path), files=False)


def test_pip_takes_what_the_documented_command_makes_of_an_explicit_file(tmp_path: Path) -> None:
    (program,) = re.findall(r"sed -n '(.*)'", (ROOT / "docs" / "laptop.md").read_text())
    built = replace(IDNA, url="https://i.example/idna-3.11-py3-none-any.whl")
    (tmp_path / "explicit").write_text(explicit_file.render("linux-64", [NUMPY, built]))
    done = subprocess.run(["sed", "-n", program, "explicit"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == f"idna @ https://i.example/idna-3.11-py3-none-any.whl --hash=sha256:{IDNA.sha256}\n"
