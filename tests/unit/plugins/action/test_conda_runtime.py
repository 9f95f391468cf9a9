# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants
from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.gpu.plugins.action import conda_runtime as action
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import HANDED
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import wheels as _wheels

VERSIONS = {"py-rattler": "0.28.0", "uv": "0.13.9"}
RATTLER = "py_rattler-0.28.0-cp310-abi3-manylinux_2_17_x86_64.whl"
UV = "uv-0.13.9-py3-none-manylinux_2_17_x86_64.whl"
#: A wheel with nothing in it.
EMPTY = b"PK\x05\x06".ljust(22, b"\0")
SHA256 = hashlib.sha256(EMPTY).hexdigest()
OFFERED = {"linux-64": [{"name": RATTLER, "sha256": SHA256}, {"name": UV, "sha256": SHA256}]}
ARGUMENTS = {"root": "/srv/evenkeel"}
UNKNOWN = {"changed": False, "wanted": {"platform": "linux-64", "wheels": []}}
LACKING = {"changed": False, "wanted": {"platform": "linux-64", "wheels": [RATTLER, UV]}}
DONE = {"changed": True, "path": "/srv/evenkeel/runtime/1"}

Result = dict[str, Any]


class Control:
    """A control node whose module answers as given, and whose index and transfers are counted."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.arguments: Result = dict(ARGUMENTS)
        self.answers: list[Result] = []
        self.calls: list[Result] = []
        self.fetched: list[str] = []
        self.transferred: list[tuple[str, str]] = []
        self.readable: list[str] = []
        self.error: EvenkeelError | None = None
        self.shell = SimpleNamespace(tmpdir=None, join_path=lambda *parts: "/".join(parts))

    def execute_module(self, _: ActionBase, **call: Any) -> Result:
        self.calls.append(call)
        return self.answers[len(self.calls) - 1]

    def fetch(self, platform: str, versions: Mapping[str, str], target: Path) -> None:
        self.fetched.append(platform)
        if self.error:
            raise self.error
        for name in (RATTLER, UV):
            (target / name).write_bytes(EMPTY)

    def make_tmp_path(self) -> None:
        self.shell.tmpdir = "/home/ops/.ansible/tmp/1"

    def run(self, *answers: Result) -> Result:
        self.answers, self.calls = list(answers), []
        plugin = action.ActionModule(
            task=SimpleNamespace(args=dict(self.arguments), async_val=0, check_mode=False, diff=False),
            connection=SimpleNamespace(_shell=self.shell),
            play_context=None,
            loader=SimpleNamespace(get_basedir=lambda: "/", path_dwim=lambda path: str(self.directory / path)),
            templar=None,
            shared_loader_obj=None,
        )
        result: Result = plugin.run(task_vars={"inventory_hostname": "node"})
        assert len(self.calls) == len(answers)
        return result

    @property
    def offered(self) -> list[Result]:
        return [call["module_args"][HANDED]["available"] for call in self.calls]


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Control:
    control = Control(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    monkeypatch.setattr(_wheels, "installed_versions", lambda: VERSIONS)
    monkeypatch.setattr(action, "download_with_pip", control.fetch)
    monkeypatch.setattr(ActionBase, "_execute_module", lambda plugin, **call: control.execute_module(plugin, **call))
    monkeypatch.setattr(ActionBase, "_make_tmp_path", lambda _: control.make_tmp_path())
    monkeypatch.setattr(
        ActionBase, "_transfer_file", lambda _, local, remote: control.transferred.append((local, remote))
    )
    monkeypatch.setattr(ActionBase, "_fixup_perms2", lambda _, paths, execute: control.readable.extend(paths))
    return control


def test_the_first_node_of_a_platform_makes_the_control_node_fetch(control: Control, tmp_path: Path) -> None:
    assert control.run(UNKNOWN, LACKING, DONE) == DONE
    assert control.offered == [{}, OFFERED, OFFERED]
    assert control.fetched == ["linux-64"]
    wheels, brought = tmp_path / "cache" / "evenkeel" / "wheels" / "linux-64", "/home/ops/.ansible/tmp/1"
    assert control.transferred == [(f"{wheels}/{name}", f"{brought}/{name}") for name in (RATTLER, UV)]
    assert control.readable == [brought, f"{brought}/{RATTLER}", f"{brought}/{UV}"]
    assert [call["module_args"][HANDED].get("brought") for call in control.calls] == [None, None, brought]
    for call in control.calls:
        assert call["module_name"] == "evenkeel.gpu.conda_runtime"
        assert call["module_args"]["root"] == "/srv/evenkeel"
        assert call["task_vars"] == {"inventory_hostname": "node"}


def test_a_node_that_lacks_nothing_is_asked_once_and_gets_nothing(control: Control) -> None:
    control.run(UNKNOWN, DONE)
    unchanged = {"changed": False}
    assert control.run(unchanged) == unchanged
    assert control.offered == [OFFERED]
    assert control.fetched == ["linux-64"]
    assert not control.transferred


def test_only_what_it_lacks_is_brought(control: Control) -> None:
    control.shell.tmpdir = "/home/ops/.ansible/tmp/2"
    only_uv = {"changed": False, "wanted": {"platform": "linux-64", "wheels": [UV]}}
    control.run(UNKNOWN, only_uv, DONE)
    assert [remote for _, remote in control.transferred] == [f"/home/ops/.ansible/tmp/2/{UV}"]


def test_a_module_that_fails_is_not_answered(control: Control) -> None:
    failed = {"failed": True, "msg": "root is 'opt'"}
    assert control.run(failed) == failed
    assert not control.fetched


def test_what_cannot_be_fetched_fails_every_node_in_the_same_words(control: Control) -> None:
    control.error = EvenkeelError("pip could not fetch uv", "Check it")
    failure = {"failed": True, "changed": False, "msg": "pip could not fetch uv. Check it."}
    assert control.run(UNKNOWN) == failure
    assert control.run() == failure
    assert control.fetched == ["linux-64"]


def test_a_directory_of_wheels_is_relative_to_the_playbook(control: Control, tmp_path: Path) -> None:
    control.arguments["wheels"] = "wheels"
    (tmp_path / "wheels").mkdir()
    for name in (RATTLER, UV):
        (tmp_path / "wheels" / name).write_bytes(EMPTY)
    control.run(LACKING, DONE)
    assert control.offered == [OFFERED, OFFERED]
    assert [local for local, _ in control.transferred] == [f"{tmp_path}/wheels/{name}" for name in (RATTLER, UV)]
    assert not control.fetched


def test_a_directory_without_them_is_named(control: Control, tmp_path: Path) -> None:
    control.arguments["wheels"] = "wheels"
    result = control.run(UNKNOWN)
    assert result["failed"]
    assert result["msg"].startswith(
        f"The directory {tmp_path}/wheels has no wheel of py-rattler 0.28.0, uv 0.13.9 for linux-64"
    )
    assert not control.fetched
