# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of a node that pulls: which are refused, and how their file is read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import settings as pull_settings
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.settings import Settings

GOOD = Settings(host="gpu1", remote="https://git.example/site.git", inventory="inventories/mine")


@pytest.mark.parametrize(
    "remote",
    [
        "https://git.example/site.git",
        "ssh://git@git.example:2222/site.git",
        "git@git.example:fleet/site.git",
        "/srv/git/site.git",
        "http://git.example/site.git",
    ],
)
def test_remotes_that_git_understands_are_taken(remote: str) -> None:
    assert pull_settings.problems(replace(GOOD, remote=remote)) == []


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"remote": "ext::sh -c id"}, "pull_agent_remote"),
        ({"remote": "--upload-pack=id"}, "pull_agent_remote"),
        ({"remote": "site.git"}, "pull_agent_remote"),
        ({"remote": ""}, "pull_agent_remote"),
        ({"remote": "/srv/../etc"}, "pull_agent_remote"),
        ({"remote": "http://git.example/a", "signed": "nothing"}, "plain http"),
        ({"branch": ""}, "pull_agent_branch"),
        ({"tag": "v1"}, "pull_agent_branch"),
        ({"branch": "-x"}, "pull_agent_branch"),
        ({"branch": "a..b"}, "pull_agent_branch"),
        ({"branch": "a:b"}, "pull_agent_branch"),
        ({"signed": "tag"}, "pull_agent_tag names none"),
        ({"playbook": "/etc/site.yml"}, "pull_agent_playbook"),
        ({"playbook": ""}, "pull_agent_playbook"),
        ({"inventory": ""}, "pull_agent_inventory"),
        ({"inventory": "../other"}, "pull_agent_inventory"),
        ({"inventory": "-e@x"}, "pull_agent_inventory"),
        ({"report_to": "ssh://a/b"}, "pull_agent_report_to"),
        ({"report_to": "reports"}, "pull_agent_report_to"),
        ({"timeout": 0}, "pull_agent_timeout"),
        ({"fetch_timeout": -1}, "pull_agent_fetch_timeout"),
        ({"host": ""}, "name in the inventory"),
    ],
)
def test_what_can_not_work_is_named(changed: dict[str, str], word: str) -> None:
    (problem,) = pull_settings.problems(replace(GOOD, **changed))  # type: ignore[arg-type]
    assert word in problem


@pytest.mark.parametrize(
    "to", ["", "https://reports.example/drift", "ops@reports.example:/srv/reports", "/mnt/reports"]
)
def test_reports_go_where_they_can(to: str) -> None:
    assert pull_settings.problems(replace(GOOD, report_to=to)) == []


def test_a_file_has_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(GOOD.text())
    assert pull_settings.read(str(path)) == GOOD


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no JSON"),
        ("[]", "other settings"),
        ('{"format": 1}', "other settings"),
        (json.dumps({**json.loads(GOOD.text()), "timeout": "1"}), "wrong values: timeout"),
        (json.dumps({**json.loads(GOOD.text()), "remote": ""}), "wrong values: pull_agent_remote"),
        (json.dumps({**json.loads(GOOD.text()), "format": 2}), "newer Evenkeel"),
    ],
)
def test_a_file_that_is_not_ours_is_named(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(text)
    with pytest.raises(EvenkeelError, match=word) as error:
        pull_settings.read(str(path))
    assert str(path) in str(error.value)


def test_what_a_newer_version_has_added_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({**json.loads(GOOD.text()), "more": 1}))
    assert pull_settings.read(str(path)) == GOOD


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match="No such file"):
        pull_settings.read(str(tmp_path / "settings.json"))


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    assert pull_settings.secret(str(path)) is None
    path.write_text("hidden")
    path.chmod(0o600)
    assert pull_settings.secret(str(path)) == "hidden"
    for mode in (0o640, 0o604, 0o620):
        path.chmod(mode)
        with pytest.raises(EvenkeelError, match="others than root"):
            pull_settings.secret(str(path))


@pytest.mark.parametrize(
    ("url", "ssh", "http"),
    [
        ("https://a/b", False, True),
        ("http://a/b", False, True),
        ("ssh://a/b", True, False),
        ("git@a:b", True, False),
        ("/srv/a", False, False),
    ],
)
def test_ways_to_a_remote(url: str, ssh: bool, http: bool) -> None:
    assert (pull_settings.over_ssh(url), pull_settings.over_http(url)) == (ssh, http)
