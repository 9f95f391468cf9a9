# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node needs for VS Code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from ansible_collections.evenkeel.gpu.plugins.module_utils._access import vscode_requirements as requirements
from ansible_collections.evenkeel.gpu.plugins.module_utils._access.vscode_requirements import Found

VARIABLES = Path(__file__).parents[5] / "roles" / "remote_access" / "vars" / "main.yml"
FLOORS = yaml.safe_load(VARIABLES.read_text())["__remote_access_vscode_floors"]
GOOD = Found("6.1.0-44-amd64", "glibc 2.36", "3.4.30", frozenset({"bash", "tar", "curl"}), False)


@pytest.mark.parametrize(
    ("found", "impossible", "doubtful"),
    [
        (GOOD, (), ()),
        (replace(GOOD, kernel="4.18.0-1", glibc="glibc 2.28", libstdcxx="3.4.25"), (), ()),
        (replace(GOOD, kernel="4.9.0"), ("kernel is 4.9.0, and VS Code needs 4.18",), ()),
        (replace(GOOD, glibc="glibc 2.17"), ("glibc is glibc 2.17, and VS Code needs 2.28",), ()),
        (replace(GOOD, libstdcxx="3.4.9"), ("libstdcxx is 3.4.9, and VS Code needs 3.4.25",), ()),
        (replace(GOOD, libstdcxx=""), (), ("libstdcxx was not found",)),
        (replace(GOOD, programs=frozenset({"wget"})), ("there is no bash", "there is no tar"), ()),
        (
            replace(GOOD, programs=frozenset({"bash", "tar"})),
            (),
            ("there is no curl and no wget, so VS Code must copy its server over SSH",),
        ),
        (replace(GOOD, tmp_noexec=True), (), ("/tmp is mounted noexec, where VS Code runs what it downloads",)),  # noqa: S108
    ],
)
def test_judge(found: Found, impossible: tuple[str, ...], doubtful: tuple[str, ...]) -> None:
    verdict = requirements.judge(found, FLOORS, offline=False)
    assert (verdict.impossible, verdict.doubtful) == (impossible, doubtful)


def test_nothing_is_downloaded_where_the_server_is_brought() -> None:
    bare = replace(GOOD, programs=frozenset({"bash", "tar"}))
    assert requirements.judge(bare, FLOORS, offline=True).doubtful == ()


def test_the_library_s_file_tells_its_version(tmp_path: Path) -> None:
    (tmp_path / "libstdc++.so.6.0.30").touch()
    (tmp_path / "libstdc++.so.6").symlink_to("libstdc++.so.6.0.30")
    listed = f"\tlibm.so.6 (libc6,x86-64) => /x\n\tlibstdc++.so.6 (libc6,x86-64) => {tmp_path}/libstdc++.so.6\n"
    assert requirements.libstdcxx(listed) == "3.4.30"
    assert requirements.libstdcxx("") == ""


def test_this_machine_is_read() -> None:
    found = requirements.read(["sh", "no-such-program"])
    assert found.programs == {"sh"}
    assert found.kernel
