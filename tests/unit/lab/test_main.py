# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from lab import __main__ as command_line
from lab import commands, host
from lab.errors import LabError


@pytest.fixture(autouse=True)
def _any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "check", lambda: None)


def raises(error: BaseException) -> object:
    def command(_arguments: object) -> None:
        raise error

    return command


def test_every_command_is_there() -> None:
    subparsers = next(action for action in command_line.parser()._actions if action.dest == "command")
    assert set(subparsers.choices or ()) == {*commands.COMMANDS, "packages"}


def test_an_error_of_the_lab_is_a_message(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(commands.COMMANDS, "status", raises(LabError("no disk", "buy one")))
    assert command_line.main(["status"]) == 1
    assert capsys.readouterr().err == "lab: no disk\n  -> buy one\n"


def test_an_interrupt_has_its_own_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(commands.COMMANDS, "status", raises(KeyboardInterrupt()))
    assert command_line.main(["status"]) == 130


def test_packages_are_printed_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["packages"]) == 0
    assert "podman" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(("variable", "expected"), [(None, "demo"), ("mine", "mine")])
def test_the_group_can_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, expected: str
) -> None:
    monkeypatch.delenv("EVENKEEL_LAB_GROUP", raising=False)
    if variable:
        monkeypatch.setenv("EVENKEEL_LAB_GROUP", variable)
    assert command_line.parser().parse_args(["up"]).group == expected
    assert command_line.parser().parse_args(["up", "named"]).group == "named"


def test_small_file_systems() -> None:
    arguments = command_line.parser().parse_args(["up", "--tmpfs", "/opt=64m", "--tmpfs", "/srv=1g"])
    assert arguments.tmpfs == [("/opt", "64m"), ("/srv", "1g")]


@pytest.mark.parametrize("text", ["opt=64m", "/opt", "/opt=", "/opt=much", "/opt,x=64m"])
def test_a_mount_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(SystemExit):
        command_line.parser().parse_args(["up", "--tmpfs", text])
