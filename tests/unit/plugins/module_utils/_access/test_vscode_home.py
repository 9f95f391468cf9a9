# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes into a home, and what a person has chosen that stays."""

from __future__ import annotations

import getpass
import json
import os
import pwd
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._access import vscode_home
from ansible_collections.evenkeel.gpu.plugins.module_utils._access.vscode_home import Outcome, State, Wish

ME = getpass.getuser()
ROOT = "/opt/evenkeel/envs"
KEY = "python.defaultInterpreterPath"
PYTHON = f"{ROOT}/ai-dev/bin/python"
LINKS = {"cli/servers/Stable-c/server": "/opt/evenkeel/vscode/c/server"}
WISH = Wish({KEY: PYTHON}, (f"{ROOT}/ai-dev", f"{ROOT}/minimal"), ROOT, LINKS)
LISTED = f"{ROOT}/ai-dev\n{ROOT}/minimal\n"


@pytest.mark.parametrize(
    ("settings", "after", "kept"),
    [
        pytest.param(None, {KEY: PYTHON}, (), id="none yet"),
        pytest.param("", {KEY: PYTHON}, (), id="empty"),
        pytest.param({"x": 1}, {"x": 1, KEY: PYTHON}, (), id="others"),
        pytest.param({KEY: PYTHON}, None, (), id="right"),
        pytest.param({KEY: f"{ROOT}/old/bin/python"}, {KEY: PYTHON}, (), id="one of ours"),
        pytest.param({KEY: "/home/a/venv/bin/python"}, None, (KEY,), id="a person's own"),
        pytest.param({KEY: f"{ROOT}-mine/bin/python"}, None, (KEY,), id="another folder of nearly that name"),
        pytest.param({KEY: None}, None, (KEY,), id="nothing, on purpose"),
    ],
)
def test_settings(
    settings: dict[str, object] | str | None, after: dict[str, object] | None, kept: tuple[str, ...]
) -> None:
    text = json.dumps(settings) if isinstance(settings, dict) else settings
    plan = vscode_home.plan("/home/a", State(text, LISTED, {next(iter(LINKS)): LINKS[next(iter(LINKS))]}), WISH)
    assert [json.loads(change.after.text) for change in plan.files if change.after] == ([after] if after else [])
    assert plan.kept == kept
    assert not plan.links


@pytest.mark.parametrize(
    ("text", "after"),
    [
        pytest.param(None, LISTED, id="none yet"),
        pytest.param(LISTED, LISTED, id="right"),
        pytest.param("/home/a/x\n", f"/home/a/x\n{LISTED}", id="others"),
        pytest.param(f"{ROOT}/minimal\n/y\n{ROOT}/gone", f"{ROOT}/minimal\n/y\n{ROOT}/ai-dev\n", id="one is gone"),
        pytest.param(f"{LISTED}/last-without-newline", f"{LISTED}/last-without-newline", id="right, without a newline"),
    ],
)
def test_environments(text: str | None, after: str) -> None:
    plan = vscode_home.plan("/home/a", State(None, text), Wish({}, WISH.environments, ROOT))
    assert [change.after and change.after.text for change in plan.files] == ([after] if text != after else [])


@pytest.mark.parametrize(
    ("standing", "made"),
    [({}, True), ({"cli/servers/Stable-c/server": "/elsewhere"}, True), ({"cli/servers/Stable-c/server": None}, False)],
    ids=["nothing", "another link", "one that VS Code fetched"],
)
def test_links(standing: dict[str, str | None], made: bool) -> None:
    plan = vscode_home.plan("/home/a", State(None, None, standing), WISH)
    assert plan.links == (LINKS if made else {})


def test_settings_that_cannot_be_read_are_left_and_the_rest_is_done() -> None:
    plan = vscode_home.plan("/home/a", State("{", None), WISH)
    assert [change.path for change in plan.files] == ["/home/a/.conda/environments.txt"]
    assert plan.left == ("/home/a/.vscode-server/data/Machine/settings.json: line 1 is not JSON with comments",)


def converge(home: Path, wish: Wish = WISH, *, check_mode: bool = False) -> Outcome:
    return vscode_home.converge([account(home)], wish, check_mode=check_mode)[ME]


def account(home: Path) -> pwd.struct_passwd:
    return pwd.struct_passwd((ME, "x", os.geteuid(), os.getegid(), "", str(home), "/bin/sh"))


def make(home: Path, path: str, content: bytes = b"") -> Path:
    place = home / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    rehearsed = converge(tmp_path, check_mode=True)
    assert not list(tmp_path.iterdir())
    first = converge(tmp_path)
    assert first == rehearsed
    assert [diff["after_header"].removeprefix(f"{tmp_path}/") for diff in first.diff] == [
        vscode_home.SETTINGS,
        vscode_home.ENVIRONMENTS,
        f".vscode-server/{next(iter(LINKS))}",
    ]
    assert first.made == [*vscode_home.FILES]
    assert converge(tmp_path) == Outcome([], [], [], [])
    assert (tmp_path / ".vscode-server").stat().st_mode & 0o777 == 0o700
    assert str((tmp_path / ".vscode-server" / next(iter(LINKS))).readlink()) == LINKS[next(iter(LINKS))]


def test_a_link_of_a_user_s_stays_one(tmp_path: Path) -> None:
    place = tmp_path / vscode_home.SETTINGS
    place.parent.mkdir(parents=True)
    (tmp_path / "dotfiles.json").write_text("{}")
    (tmp_path / "dotfiles.json").chmod(0o600)
    place.symlink_to(tmp_path / "dotfiles.json")
    converge(tmp_path, Wish({KEY: PYTHON}, (), ROOT))
    assert place.is_symlink()
    assert json.loads(place.read_text()) == {KEY: PYTHON}
    assert place.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_is_closed_to_its_user_is_seen_in_check_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".conda").mkdir()
    monkeypatch.setattr(os, "access", lambda path, _: path != str(tmp_path / ".conda"))
    outcome = converge(tmp_path, Wish({}, WISH.environments, ROOT), check_mode=True)
    folder = tmp_path / ".conda"
    assert (outcome.diff, outcome.problems) == (
        [],
        [f"{folder}/environments.txt could not be written: Permission denied"],
    )


def test_a_home_that_is_not_there(tmp_path: Path) -> None:
    assert converge(tmp_path / "none") == Outcome(problems=(f"there is no home {tmp_path}/none",))


@pytest.mark.parametrize(
    ("path", "content", "problem"),
    [
        (vscode_home.ENVIRONMENTS, b"x" * (vscode_home.LARGEST + 1), "is larger than 256 KiB"),
        (vscode_home.SETTINGS, b"x" * (vscode_home.LARGEST + 1), "is larger than 256 KiB"),
        (vscode_home.SETTINGS, b"{", "line 1 is not JSON with comments"),
        (vscode_home.SETTINGS, b'{"a":' + b"[" * 100_000, "line 1 is nested too deeply"),
        (vscode_home.SETTINGS, b"caf\xe9", "line 1 is not JSON with comments"),
    ],
)
def test_a_file_that_is_left_keeps_nothing_else(tmp_path: Path, path: str, content: bytes, problem: str) -> None:
    place = make(tmp_path, path, content)
    outcome = converge(tmp_path)
    assert list(outcome.problems) == [f"{place}: {problem}"]
    assert len(outcome.diff) == 2
    assert place.read_bytes() == content


def test_what_is_not_utf_8_stays_as_it_is(tmp_path: Path) -> None:
    listed = make(tmp_path, vscode_home.ENVIRONMENTS, b"caf\xe9\n/x\x0b/y\x85z\r\n\n")
    settings = make(tmp_path, vscode_home.SETTINGS, b'{"caf\xe9": "\xff"} // \xe9')
    outcome = converge(tmp_path)
    assert outcome.problems == []
    assert listed.read_bytes() == b"caf\xe9\n/x\x0b/y\x85z\r\n" + LISTED.encode()
    assert b'"caf\xe9": "\xff"} // \xe9' in settings.read_bytes()
    assert converge(tmp_path) == Outcome([], [], [], [])


@pytest.mark.parametrize("check_mode", [True, False])
def test_what_can_be_written_is_and_the_rest_is_named(tmp_path: Path, check_mode: bool) -> None:
    (tmp_path / ".conda").touch()
    outcome = converge(tmp_path, check_mode=check_mode)
    assert len(outcome.diff) == 2
    (problem,) = outcome.problems
    assert problem == f"{tmp_path}/.conda/environments.txt could not be written: Not a directory"
    converge(tmp_path)
    assert converge(tmp_path, check_mode=check_mode) == Outcome([], [], [problem], [])


def test_a_difference_is_shown_in_part(tmp_path: Path) -> None:
    make(tmp_path, vscode_home.ENVIRONMENTS, f"{ROOT}/gone\n".encode() * 10_000)
    outcome = converge(tmp_path)
    assert outcome.diff[1]["before"].endswith("(and more)\n")
    assert len(outcome.diff[1]["before"]) < vscode_home.MOST_SHOWN + 100


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_nothing_of_another_user_s_is_touched(tmp_path: Path) -> None:
    place = make(tmp_path, vscode_home.ENVIRONMENTS, b"/theirs\n")
    os.chown(place, 4711, 4711)
    assert list(converge(tmp_path).problems) == [f"{place}: belongs to user 4711"]
    assert place.read_bytes() == b"/theirs\n"
