# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.filter import locked_digests as filter_
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import digest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.sources import written

MD5, SHA256 = "a" * 32, "b" * 64
EXPLICIT = "@EXPLICIT\nhttps://repo.anaconda.com/pkgs/main/linux-64/six-1.17.0-0.conda#{}\n"


@pytest.fixture(autouse=True)
def run_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filter_.constants, "DEFAULT_LOCAL_TMP", str(tmp_path))


def of(path: Path, text: str, **more: Any) -> dict[str, dict[str, str]]:
    path.write_text(text)
    found: dict[str, dict[str, str]] = filter_.locked_digests([{"name": "a", **more}], "linux-64")
    return found


def test_what_is_locked_has_the_digest_that_nodes_have(tmp_path: Path) -> None:
    path = tmp_path / "explicit.txt"
    found = of(path, EXPLICIT.format(SHA256), explicit=str(path))
    _unused, packages, _variables = written({"explicit": str(path)}, "linux-64", tmp_path)
    assert found == {"a": {"digest": digest(packages)}}
    assert len(packages) == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (EXPLICIT.format(MD5), "its lock lacks the SHA-256 of packages"),
        ("nothing\n", "explicit.txt"),
    ],
)
def test_what_no_lock_says_has_a_reason(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "explicit.txt"
    assert why in of(path, text, explicit=str(path))["a"]["why"]


def test_what_has_no_lock_is_not_solved(tmp_path: Path) -> None:
    path = tmp_path / "environment.yml"
    text = "channels: [https://conda.example.org]\ndependencies: [six]\n"
    assert of(path, text, environment=str(path)) == {"a": {"why": "it has no lock"}}
    assert of(path, text, packages=["six"], channels=["conda-forge"]) == {"a": {"why": "it has no lock"}}


def test_what_is_to_be_absent_is_not_declared(tmp_path: Path) -> None:
    assert of(tmp_path / "environment.yml", "", state="absent") == {}


def test_it_is_found_by_its_name() -> None:
    assert filter_.FilterModule().filters() == {"locked_digests": filter_.locked_digests}
