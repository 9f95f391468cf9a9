# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes into a home, and what a person has chosen that stays."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils import _vscode_home as vscode_home
from ansible_collections.evenkeel.gpu.plugins.module_utils._vscode_home import State, Untouchable, Wish

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
    assert [json.loads(change.after or "") for change in plan.files] == ([after] if after else [])
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
    assert [change.after for change in plan.files] == ([after] if text != after else [])


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


def test_second_plan_after_apply_is_empty(tmp_path: Path) -> None:
    home = str(tmp_path)
    first = vscode_home.plan(home, vscode_home.read(ME, home, LINKS), WISH)
    assert len(first.diff()) == 3
    vscode_home.apply(ME, first)
    assert not vscode_home.plan(home, vscode_home.read(ME, home, LINKS), WISH).changed
    assert (tmp_path / ".vscode-server").stat().st_mode & 0o777 == 0o700
    assert str((tmp_path / ".vscode-server" / next(iter(LINKS))).readlink()) == LINKS[next(iter(LINKS))]


def test_a_link_of_a_person_s_stays_one(tmp_path: Path) -> None:
    place = tmp_path / vscode_home.SETTINGS
    place.parent.mkdir(parents=True)
    (tmp_path / "dotfiles.json").write_text("{}")
    (tmp_path / "dotfiles.json").chmod(0o600)
    place.symlink_to(tmp_path / "dotfiles.json")
    home = str(tmp_path)
    vscode_home.apply(ME, vscode_home.plan(home, vscode_home.read(ME, home, ()), Wish({KEY: PYTHON}, (), ROOT)))
    assert place.is_symlink()
    assert json.loads(place.read_text()) == {KEY: PYTHON}
    assert place.stat().st_mode & 0o777 == 0o600


def test_a_home_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Untouchable, match="there is no home"):
        vscode_home.read(ME, str(tmp_path / "none"), ())


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    (tmp_path / ".conda").mkdir()
    (tmp_path / vscode_home.ENVIRONMENTS).write_bytes(b"x" * (vscode_home.LARGEST + 1))
    with pytest.raises(Untouchable, match="larger than"):
        vscode_home.read(ME, str(tmp_path), ())
