# SPDX-License-Identifier: GPL-3.0-or-later
"""What the first boot makes, where it goes on after an interruption, and that it happens once."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._seal import first_boot
from ansible_collections.evenkeel.gpu.plugins.module_utils._seal.first_boot import LIST, PROGRAM, Token


class Machine:
    """A folder in a machine's place, with programs that note their calls."""

    def __init__(self, top: Path) -> None:
        self.top, self.list, self.calls = top, top / "list", top / "calls"
        for name in ("ssh-keygen", "systemctl", "sync"):
            self.put(name, "")
        self.token = top / "token"
        self.tokens = [Token(str(self.token), os.getuid(), os.getgid())]
        self.list.write_text(first_boot.files(self.tokens, [f"{top}/*.lease"])[LIST])

    def put(self, name: str, script: str) -> None:
        program = self.top / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho {name} "$*" >>{self.calls}\n{script}\n')
        program.chmod(0o755)

    def boot(self) -> int:
        text = first_boot.files(self.tokens, [])[PROGRAM].replace(LIST, str(self.list))
        done = subprocess.run(
            ["sh", "-c", text], check=False, env={"PATH": f"{self.top}/bin:/usr/bin:/bin"}, capture_output=True
        )
        return done.returncode


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_it_makes_host_keys_and_tokens_once(machine: Machine) -> None:
    (machine.top / "eth0.lease").write_text("10.0.0.1")
    (machine.top / "all.lease").mkdir()
    assert machine.boot() == 0
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", machine.token.read_text())
    assert machine.token.stat().st_mode & 0o777 == 0o600
    assert machine.calls.read_text().split("\n")[0] == "ssh-keygen -A"
    assert "systemctl --no-reload --quiet disable evenkeel-first-boot.service" in machine.calls.read_text()
    assert not machine.list.exists()
    assert not list(machine.top.glob("*.lease"))


def test_two_machines_have_two_tokens(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    machines = Machine(tmp_path / "a"), Machine(tmp_path / "b")
    assert [one.boot() for one in machines] == [0, 0]
    assert machines[0].token.read_text() != machines[1].token.read_text()


def test_interrupted_it_goes_on_and_keeps_what_it_has_made(machine: Machine) -> None:
    machine.put("sync", "exit 1")
    assert machine.boot() != 0
    made = machine.token.read_text()
    assert machine.list.exists()
    machine.put("sync", "")
    assert machine.boot() == 0
    assert machine.token.read_text() == made
    assert not machine.list.exists()


def test_without_host_keys_there_is_no_end_to_it(machine: Machine) -> None:
    machine.put("ssh-keygen", "exit 1")
    assert machine.boot() != 0
    assert machine.list.exists()


def test_the_list_is_read_as_it_is_written(machine: Machine) -> None:
    tokens = [Token("/etc/evenkeel/jupyter/a\\x20b/token", 5, 6), Token("/x y/token", 0, 0)]
    assert first_boot.parsed(first_boot.files(tokens, ["/var/lib/dhcp/*"])[LIST]) == tokens
