# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action hands to a node, and when: its module runs here, in a folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.gpu.plugins.action import tls_certificate as action
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files, tls_certificate, tls_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import HANDED
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Change, Kept

from tests.unit.plugins.certificates import HOSTS, authority, issued, pem

NOW = datetime.now(UTC).replace(microsecond=0)
Result = dict[str, Any]


class Fleet:
    """A control node in one folder, a node in another."""

    def __init__(self, place: Path) -> None:
        self.control, self.node = place / "control", place / "node"
        self.control.mkdir()
        self.calls: list[Mapping[str, Any]] = []
        self.answers: list[Result] = []
        self.check_mode = False
        self.pulls = False

    def run(self, **arguments: Any) -> Result:
        self.calls = []
        plugin = action.ActionModule(
            task=SimpleNamespace(
                args={"directory": str(self.node), **arguments}, async_val=0, check_mode=self.check_mode, diff=True
            ),
            connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir="/tmp")),  # noqa: S108
            play_context=None,
            loader=SimpleNamespace(
                get_basedir=lambda: "/",
                path_dwim=lambda path: str(self.control / path),
                get_real_file=lambda path: path,
            ),
            templar=None,
            shared_loader_obj=None,
        )
        variables = {"inventory_dir": str(self.control), "ansible_inventory_sources": [str(self.control / "hosts.yml")]}
        result: Result = plugin.run(task_vars={**variables, "evenkeel_pulls": self.pulls})
        return result

    def execute_module(self, **call: Any) -> Result:
        arguments = call["module_args"]
        handed = ArgumentSpecValidator(tls_certificate.FROM_ACTION).validate(arguments.pop(HANDED))
        assert not handed.error_messages
        params = {"state": "present", **arguments, **handed.validated_parameters}
        self.calls.append(params)
        self.answers.append(tls_certificate.converge(params, self.check_mode))
        return self.answers[-1]

    @property
    def certified(self) -> bool:
        """Whether the node has a certificate and its key."""
        return tls_files.belong_together(*(str(self.node / name) for name in (tls_files.CERTIFICATE, tls_files.KEY)))

    def own(self, hosts: tuple[str, ...] = HOSTS, now: datetime = NOW) -> dict[str, str]:
        """Have a certificate on the control node; return the options that name it."""
        chain, key = issued(authority(now), hosts, now)
        (self.control / "gpu.pem").write_text(chain.pem)
        (self.control / "gpu-key.pem").write_bytes(pem(key))
        return {"certificate": "gpu.pem", "key": "gpu-key.pem"}


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    fleet = Fleet(tmp_path)
    monkeypatch.setattr(ActionBase, "_execute_module", fleet.execute_module)

    def apply_without_root(change: Change) -> None:
        if change.after is not None:
            mine = Path(change.path)
            mine.parent.mkdir(parents=True, exist_ok=True)
            mine.write_text(change.after.text)
            mine.chmod(change.after.mode)
        else:
            Path(change.path).unlink()

    def read_without_root(path: str) -> Kept | None:
        mine = Path(path)
        return Kept(mine.read_text(), mine.stat().st_mode & 0o777) if mine.exists() else None

    monkeypatch.setattr(kept_files, "apply", apply_without_root)
    monkeypatch.setattr(kept_files, "read", read_without_root)
    return fleet


def test_one_is_issued_once(fleet: Fleet) -> None:
    first = fleet.run(ca_directory="ca", hosts=list(HOSTS))
    assert (first["changed"], first["reasons"], first["hosts"]) == (True, ["there is none yet"], list(HOSTS))
    assert first["ca"] == str(fleet.control / "ca" / "ca.pem")
    second = fleet.run(ca_directory="ca", hosts=list(HOSTS))
    assert (second["changed"], second["reasons"], second["not_after"]) == (False, [], first["not_after"])
    assert second["diff"]["before"] == second["diff"]["after"]
    assert len(fleet.calls) == 1
    assert {key: fleet.answers[-1][key] for key in ("certificate", "key", "hosts")}.items() <= second.items()


def test_no_key_travels(fleet: Fleet) -> None:
    shown = str(fleet.run(ca_directory="ca", hosts=list(HOSTS)))
    assert len(fleet.calls) == 3
    assert "PRIVATE" not in shown + str(fleet.calls)


def test_a_rehearsal_makes_nothing(fleet: Fleet) -> None:
    fleet.check_mode = True
    reported = fleet.run(ca_directory="ca", hosts=list(HOSTS))
    assert (reported["changed"], reported["not_after"]) == (True, "")
    assert "certificate.pem: made" in reported["diff"]["after"]
    assert not fleet.node.exists()
    assert not (fleet.control / "ca").exists()


@pytest.mark.parametrize("check_mode", [True, False])
def test_an_authority_that_can_not_be_kept_is_refused_by_a_rehearsal_too(fleet: Fleet, check_mode: bool) -> None:
    fleet.check_mode = check_mode
    (fleet.control / "ca").touch()
    refused = fleet.run(ca_directory="ca", hosts=list(HOSTS))
    assert refused["failed"]
    assert refused["msg"].startswith(f"The authority can't be kept in {fleet.control / 'ca'}: ")


def test_an_authority_in_the_inventory_is_moved_once(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    place, earlier = fleet.control / ".evenkeel" / "ca", fleet.control / "evenkeel-ca"
    first = fleet.run(ca_directory=str(place), hosts=list(HOSTS))
    (fleet.control / ".evenkeel").rename(fleet.control / "before")
    (fleet.control / "before" / "ca").rename(earlier)

    fleet.check_mode = True
    rehearsed = fleet.run(ca_directory=str(place), hosts=list(HOSTS))
    assert (rehearsed["changed"], rehearsed["not_after"]) == (True, first["not_after"])
    assert f"authority in {earlier}" in rehearsed["diff"]["before"]
    assert f"authority in {place}" in rehearsed["diff"]["after"]
    assert not place.exists()
    with monkeypatch.context() as patched:
        patched.setattr(os, "access", lambda path, _mode: path != str(earlier))
        refused = fleet.run(ca_directory=str(place), hosts=list(HOSTS))
    assert refused["failed"]
    assert refused["msg"].startswith(
        f"The authority in {earlier} can't be moved to {place}: {earlier} can't be written"
    )

    fleet.check_mode = False
    moved = fleet.run(ca_directory=str(place), hosts=list(HOSTS))
    assert (moved["changed"], moved["reasons"], moved["not_after"]) == (True, [], first["not_after"])
    assert (earlier.exists(), (place / "ca-key.pem").exists()) == (False, True)
    assert not fleet.run(ca_directory=str(place), hosts=list(HOSTS))["changed"]


def test_a_key_that_may_be_committed_is_told(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(action, "warn", said.append)
    fleet.run(ca_directory="ca", hosts=list(HOSTS))
    assert said == []
    subprocess.run(["git", "init", "--quiet", str(fleet.control)], check=True)
    subprocess.run(["git", "-C", str(fleet.control), "add", "--force", "ca"], check=True)
    fleet.run(ca_directory="ca", hosts=["other.test"])
    assert len(said) == 1
    assert "ca/ca-key.pem is in a repository of git, which does not ignore it" in said[0]


def test_it_is_issued_anew_for_another_host(fleet: Fleet) -> None:
    fleet.run(ca_directory="ca", hosts=list(HOSTS))
    reported = fleet.run(ca_directory="ca", hosts=["other.test"])
    assert (reported["changed"], reported["hosts"]) == (True, ["other.test"])
    assert fleet.certified


def test_what_somebody_broke_is_issued_anew(fleet: Fleet) -> None:
    fleet.run(ca_directory="ca", hosts=list(HOSTS))
    (fleet.node / "certificate.pem").write_text("nonsense")
    assert fleet.run(ca_directory="ca", hosts=list(HOSTS))["changed"]
    assert fleet.certified


def test_a_node_that_pulls_keeps_what_it_has_and_issues_nothing(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.pulls = True
    none = fleet.run(ca_directory="ca", hosts=list(HOSTS))
    assert "issues no certificate for itself: there is none yet" in none["msg"]
    fleet.pulls = False
    fleet.run(ca_directory="ca", hosts=list(HOSTS))
    fleet.pulls = True
    (fleet.control / "ca").rename(fleet.control / "elsewhere")
    kept = fleet.run(ca_directory="ca", hosts=list(HOSTS))
    assert not kept.get("failed")
    assert not kept["changed"]
    assert "warnings" not in kept
    assert "it is for" in fleet.run(ca_directory="ca", hosts=["other.test"])["msg"]
    monkeypatch.setattr(action.tls_chain, "ends_within", lambda certificate, days, now: days > 0)
    (warning,) = fleet.run(ca_directory="ca", hosts=list(HOSTS))["warnings"]
    assert "from the control node that has the authority" in warning
    assert not (fleet.control / "ca").exists()


def test_a_certificate_of_ones_own_is_brought_once(fleet: Fleet) -> None:
    options = fleet.own()
    first = fleet.run(**options, hosts=["gpu1.example.com"])
    assert (first["changed"], first["hosts"]) == (True, list(HOSTS))
    assert "PRIVATE" not in str(first)
    # A survey takes these of the node's answer, for tasks that follow.
    answer = fleet.answers[-1]
    assert {key: answer[key] for key in ("certificate", "key", "hosts")}.items() <= first.items()
    second = fleet.run(**options)
    assert (second["changed"], len(fleet.calls)) == (False, 1)
    assert "warnings" not in second


def test_the_end_of_ones_own_is_warned_of(fleet: Fleet) -> None:
    reported = fleet.run(**fleet.own(now=NOW - timedelta(days=380)))
    assert "gpu.pem ends on" in reported["warnings"][0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param({"ca_directory": "ca"}, "hosts is empty", id="for nobody"),
        pytest.param({"ca_directory": "ca", "hosts": ["a b"]}, "hosts holds 'a b'", id="no host"),
        pytest.param({"ca_directory": "ca", "hosts": ["a"], "renew_days": 397}, "renew_days is 397", id="for ever"),
        pytest.param({"certificate": "gpu.pem", "key": "none.pem"}, "none.pem can't be read", id="no file"),
        pytest.param({"certificate": "gpu.pem", "key": "gpu.pem"}, "gpu.pem holds no private key", id="no key"),
        pytest.param(
            {"certificate": "gpu.pem", "key": "gpu-key.pem", "hosts": ["b.test"]}, "is not for b.test", id="not for it"
        ),
    ],
)
def test_what_can_not_be_meant_reaches_no_node(fleet: Fleet, arguments: dict[str, Any], words: str) -> None:
    fleet.own()
    reported = fleet.run(**arguments)
    assert reported["failed"]
    assert words in reported["msg"]
    assert fleet.calls == []


def test_both_are_removed_without_any_on_the_control_node(fleet: Fleet) -> None:
    fleet.run(ca_directory="ca", hosts=list(HOSTS))
    (fleet.node / tls_files.FRESH_KEY).write_text("of a run that was killed")
    key = (fleet.node / tls_files.KEY).read_text()
    fleet.check_mode = True
    assert fleet.run(state="absent")["changed"]
    assert fleet.certified
    fleet.check_mode = False
    result = fleet.run(state="absent")
    assert (result["changed"], fleet.node.exists()) == (True, False)
    assert [diff["before"] for diff in result["diff"]][1:] == ["a secret\n", "a secret\n"]
    assert key.splitlines()[1] not in str(result)
    assert fleet.run(state="absent")["changed"] is False


def test_what_others_have_put_beside_them_stays(fleet: Fleet) -> None:
    fleet.run(ca_directory="ca", hosts=list(HOSTS))
    (fleet.node / "theirs.pem").touch()
    fleet.run(state="absent")
    assert [path.name for path in fleet.node.iterdir()] == ["theirs.pem"]
