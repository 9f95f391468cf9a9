# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection, with a program in buildah's place that runs commands here."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.playbook.play_context import PlayContext
from ansible_collections.evenkeel.gpu.plugins.connection.buildah import Connection

PROGRAM = """#!/bin/sh
echo "$*" >>"$0.calls"
case $1 in
inspect) [ "$4" = work ] || { echo 'Error: reading build container "gone"' >&2; exit 125; } ;;
run) shift 4; exec "$@" ;;
esac
"""


class InContainer(Connection):
    """A connection whose options are given by a test."""

    def __init__(self, options: dict[str, str]) -> None:
        super().__init__(PlayContext())
        self.given = options

    def get_option(self, option: str, hostvars: object = None) -> str:
        return self.given[option]


@pytest.fixture
def connection(tmp_path: Path) -> InContainer:
    program = tmp_path / "buildah"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    return InContainer({"container": "work", "buildah_executable": str(program), "buildah_isolation": "chroot"})


def test_a_command_gets_its_input_and_returns_all(connection: InContainer, tmp_path: Path) -> None:
    assert connection.exec_command("cat; echo no >&2; exit 3", in_data=b"yes") == (3, b"yes", b"no\n")
    calls = (tmp_path / "buildah.calls").read_text().splitlines()
    assert calls[0].startswith("inspect --type=container")
    assert calls[1].startswith("run --isolation=chroot work -- /bin/sh -c ")


def test_a_command_that_ends_as_buildah_does_is_no_lost_connection(connection: InContainer) -> None:
    assert connection.exec_command("exit 125")[0] == 125


def test_files_go_both_ways(connection: InContainer, tmp_path: Path) -> None:
    (tmp_path / "here").write_bytes(b"\0\xff")
    connection.put_file(str(tmp_path / "here"), str(tmp_path / "in 'it'"))
    connection.fetch_file(str(tmp_path / "in 'it'"), str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == b"\0\xff"


def test_a_file_that_is_missing_is_named(connection: InContainer, tmp_path: Path) -> None:
    with pytest.raises(AnsibleFileNotFound, match=r"no file .*/missing"):
        connection.put_file(str(tmp_path / "missing"), "/x")
    with pytest.raises(AnsibleError, match="/nowhere could not be copied: "):
        connection.fetch_file("/nowhere", str(tmp_path / "back"))


def test_a_container_that_is_gone_is_no_failed_command(connection: InContainer) -> None:
    connection.given["container"] = "gone"
    with pytest.raises(AnsibleConnectionFailure, match="can't run commands in gone: "):
        connection.exec_command("true")


def test_where_there_is_no_buildah_its_package_is_named(connection: InContainer) -> None:
    connection.given["buildah_executable"] = "/nowhere/buildah"
    with pytest.raises(AnsibleConnectionFailure, match="Install the package buildah"):
        connection.exec_command("true")
