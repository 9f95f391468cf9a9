# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's settings: ours are added, nobody else's is touched, and what is not JSON is reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import docker_daemon
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.docker_daemon import Running
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Kept

NVIDIA = {"path": "nvidia-container-runtime", "args": []}
OURS: dict[str, Any] = {"runtimes": {"nvidia": NVIDIA}, "features": {"cdi": True}}


def plan(text: str | None) -> docker_daemon.Settings:
    return docker_daemon.plan(None if text is None else Kept(text))


def text_of(settings: docker_daemon.Settings) -> str:
    assert settings.file.after
    return settings.file.after.text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, OURS),
        ("", OURS),
        ("{}", OURS),
        (
            '{"log-driver": "journald", "proxies": {"http-proxy": "http://me:secret@proxy"}}',
            {"log-driver": "journald", "proxies": {"http-proxy": "http://me:secret@proxy"}, **OURS},
        ),
        (
            '{"features": {"buildkit": true}, "runtimes": {"kata": {"path": "kata"}}}',
            {
                "features": {"buildkit": True, "cdi": True},
                "runtimes": {"kata": {"path": "kata"}, "nvidia": NVIDIA},
            },
        ),
        # What people have set themselves.
        (
            '{"runtimes": {"nvidia": {"path": "/opt/bin/nvidia-container-runtime"}}, "features": {"cdi": false}}',
            {"runtimes": {"nvidia": {"path": "/opt/bin/nvidia-container-runtime"}}, "features": {"cdi": False}},
        ),
    ],
)
def test_ours_is_added_and_the_rest_stays(before: str | None, after: dict[str, Any]) -> None:
    settings = plan(before)
    assert json.loads(text_of(settings)) == after
    assert settings.changed is (after != json.loads(before or "{}"))
    assert not plan(text_of(settings)).changed


def test_order_and_indentation_stay_as_people_have_them() -> None:
    settings = plan('{\n  "log-driver": "journald",\n  "features": {\n    "x": true\n  }\n}\n')
    lines = text_of(settings).splitlines()
    assert lines[1] == '  "log-driver": "journald",'
    assert lines[2] == '  "features": {'


def test_the_difference_shows_nothing_that_is_not_ours() -> None:
    diff = plan('{"proxies": {"http-proxy": "http://me:secret@proxy"}}').file.diff()
    assert "secret" not in json.dumps(diff)
    assert json.loads(diff["before"]) == {}
    assert json.loads(diff["after"]) == OURS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1,}', "daemon.json is not JSON that Docker can read: .*line 1 column"),
        ("[]", "holds no JSON object"),
        ('{"runtimes": []}', "runtimes in /etc/docker/daemon.json is not a JSON object"),
        ('{"features": "cdi"}', "features in /etc/docker/daemon.json is not a JSON object"),
        ('{"a": 1, "a": 2}', 'the key "a" is there twice'),
    ],
)
def test_what_cannot_be_added_to_is_told(text: str, words: str) -> None:
    with pytest.raises(EvenkeelError, match=words):
        plan(text)


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ('{"Runtimes": {"runc": {}, "nvidia": {}}}', Running(("runc", "nvidia"), None)),
        ('{"Runtimes": {"runc": {}}, "CDISpecDirs": ["/etc/cdi"]}', Running(("runc",), True)),
        ('{"Runtimes": {"runc": {}}, "CDISpecDirs": []}', Running(("runc",), False)),
        ('{"Runtimes": null, "CDISpecDirs": null}', Running((), False)),
        ("Cannot connect", Running()),
        ("[]", Running()),
    ],
)
def test_the_daemon_tells_of_itself(info: str, expected: Running) -> None:
    assert docker_daemon.parse_info(info) == expected


NEW, OLD_DOCKER, NO_CDI = Running(("nvidia",), True), Running(("nvidia",), None), Running(("nvidia",), False)
DONE = plan(text_of(plan(None)))
OFF = plan('{"runtimes": {"nvidia": {}}, "features": {"cdi": false}}')


@pytest.mark.parametrize(
    ("running", "settings", "restart", "expected"),
    [
        (None, plan(None), True, ""),
        (Running(), plan(None), False, "reload"),
        (Running(), plan(None), True, "restart"),
        # The runtime is known, and the file does not have all of it.
        (NEW, plan('{"runtimes": {"nvidia": {}}}'), False, "reload"),
        (NEW, DONE, True, ""),
        (NEW, DONE, False, ""),
        (OLD_DOCKER, DONE, True, ""),
        # An earlier run was killed after it had written the settings, or was not allowed to restart.
        (Running(("runc",), False), DONE, False, "reload"),
        (NO_CDI, DONE, False, ""),
        (NO_CDI, DONE, True, "restart"),
        (NO_CDI, OFF, True, ""),
    ],
)
def test_the_daemon_is_disturbed_only_where_it_has_to_be(
    running: Running | None, settings: docker_daemon.Settings, restart: bool, expected: str
) -> None:
    assert docker_daemon.step(running, settings, restart=restart) == expected


def test_a_file_that_others_may_not_read_stays_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tmp_path / "real.json"
    real.write_text("{}")
    real.chmod(0o600)
    link = tmp_path / "daemon.json"
    link.symlink_to(real)
    monkeypatch.setattr(docker_daemon, "SETTINGS", str(link))
    kept_files.apply(docker_daemon.plan(docker_daemon.read()).file)
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    assert json.loads(real.read_text()) == OURS
