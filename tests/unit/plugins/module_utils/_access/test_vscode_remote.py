# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from the options of the module vscode_remote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._access import vscode_remote
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing


@pytest.fixture
def params(tmp_path: Path) -> dict[str, Any]:
    """A node with conda, and the environments ``ai-dev``, by a link, and ``minimal``, which has no Python."""
    for name in ("gen/1/conda-meta", "gen/1/bin", "envs/minimal/conda-meta", "envs/no-environment", "conda/bin"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "gen/1/bin/python").touch(mode=0o755)
    (tmp_path / "conda/bin/conda").touch()
    (tmp_path / "envs/ai-dev").symlink_to("../gen/1")
    (tmp_path / "envs/.hidden").symlink_to("../gen/1")
    return {
        "environments": str(tmp_path / "envs"),
        "environment": "ai-dev",
        "planned": [],
        "conda": str(tmp_path / "conda/bin/conda"),
    }


def test_environments_are_found_by_the_name_that_stays(params: dict[str, Any]) -> None:
    found = vscode_remote.found_environments(params["environments"], ())
    assert found == [f"{params['environments']}/ai-dev", f"{params['environments']}/minimal"]
    assert vscode_remote.found_environments("/nowhere", ["b", "a"]) == ["/nowhere/a", "/nowhere/b"]
    planned = vscode_remote.found_environments(params["environments"], ["beta", "minimal"])
    assert [Path(prefix).name for prefix in planned] == ["ai-dev", "beta", "minimal"]


def test_interpreter_and_conda(params: dict[str, Any]) -> None:
    assert vscode_remote.chosen(params, [], ()) == {
        "python.condaPath": params["conda"],
        "python.defaultInterpreterPath": f"{params['environments']}/ai-dev/bin/python",
    }
    without = {**params, "environment": "", "conda": "/nowhere"}
    assert vscode_remote.chosen(without, [], ()) == {}


@pytest.mark.parametrize(("planned", "refused"), [([], True), (["other"], True), (["other", "minimal"], False)])
def test_an_environment_without_a_python(params: dict[str, Any], planned: list[str], refused: bool) -> None:
    asked = {**params, "environment": "minimal"}
    if not refused:
        assert "python.defaultInterpreterPath" in vscode_remote.chosen(asked, [], planned)
        return
    with pytest.raises(EvenkeelError, match=r"no environment with a Python at .*/minimal; there is none"):
        vscode_remote.chosen(asked, [], planned)


def test_all_users_that_are_missing_are_named() -> None:
    with pytest.raises(EvenkeelError, match="no user nobody-here, nor-here") as caught:
        vscode_remote.accounts_of(["root", "nobody-here", "nor-here", "to-come"], ["to-come"])
    assert "(jupyter_users, or remote_access_users of the role)" in str(caught.value)
    found = vscode_remote.accounts_of(["root", "nobody-here"], ["nobody-here"])
    assert [account.pw_name for account in found] == ["root"]


@pytest.mark.parametrize("brought", [None, "/brought"])
def test_a_server_that_is_not_there_yet_is_wanted_in_check_mode_and_nothing_is_unpacked(
    params: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, brought: str | None
) -> None:
    unpacked: list[str] = []
    monkeypatch.setattr(vscode_remote, "require_what_it_needs", lambda *_, **__: [])
    monkeypatch.setattr(vscode_remote.vscode_server, "unpack", lambda folder, *_: unpacked.append(folder))
    server = {"commit": "c" * 40, "archive": "a.tar.gz", "sha256": "5" * 64, "cli_archive": "", "cli_sha256": ""}
    defaults = {name: option.get("default") for name, option in vscode_remote.ARGUMENT_SPEC.items()}
    given = {
        **defaults,
        "state": "present",
        **params,
        "store": str(tmp_path / "store"),
        "server": server,
        "brought": brought,
    }
    rehearsed = vscode_remote.converge(given, check_mode=True)
    assert (rehearsed["changed"], rehearsed["wanted"], unpacked) == (True, ["a.tar.gz"], [])
    done = vscode_remote.converge(given, check_mode=False)
    assert (done["changed"], done["wanted"]) == (True, [] if brought else ["a.tar.gz"])
    assert unpacked == ([str(tmp_path / "store" / ("c" * 40))] if brought else [])


def test_the_server_of_all_users_goes_and_homes_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made, "FOLDER", str(tmp_path / "made"))
    store, home = tmp_path / "store", tmp_path / "home"
    for name in ("c" * 40, "d" * 40 + ".new", "theirs"):
        (store / name).mkdir(parents=True)
    home.mkdir()
    settings = home / "settings.json"
    settings.touch()
    made.note("vscode_remote", [Thing("file", str(settings))])
    params = {"state": "absent", "store": str(store)}
    assert vscode_remote.converge(params, check_mode=True)["changed"]
    assert len(list(store.iterdir())) == 3
    done = vscode_remote.converge(params, check_mode=False)
    assert done["warnings"] == [f"{settings} stay, since they are their users' own"]
    assert ([path.name for path in store.iterdir()], settings.exists()) == (["theirs"], True)
    assert made.read("vscode_remote") == []
    assert vscode_remote.converge(params, check_mode=False)["changed"] is False
    (store / "theirs").rmdir()
    (store / ("c" * 40)).mkdir()
    vscode_remote.converge(params, check_mode=False)
    assert not store.exists()
