# SPDX-License-Identifier: GPL-3.0-or-later
"""What nodes that pull have reported, in the drift report of the fleet."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import agent, state
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.settings import Settings
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import pulled
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.merge import merged
from jsonschema import Draft202012Validator

from tests.unit.plugins.plugin_utils._drift.test_merge import NOW, made
from tests.unit.plugins.plugin_utils._drift.test_report import DRIFTED, EQUAL, GONE
from tests.unit.plugins.plugin_utils._drift.test_schema import FORMATS, SCHEMA, VALIDATOR

OF_NODES = Draft202012Validator(json.loads(SCHEMA.with_name("pulled.schema.json").read_text()), format_checker=FORMATS)
ONE, OTHER = "a" * 40, "b" * 40
GROUPS = ["all", "gpu_nodes"]

Said = dict[str, Any]


def at(minutes: int) -> str:
    """Return the time so many minutes ago, as a node writes it."""
    return (NOW - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def said(minutes: int = 10, outcome: str = "applied", **other: Any) -> Said:
    """Return what a node has reported whose run ended so many minutes ago, as the program writes it."""
    candidate = other.pop("candidate", ONE)
    known = state.State(ONE, at(minutes), outcome, other.pop("since", at(minutes + 1)), at(minutes + 1))
    run = agent.Run(at(minutes + 1), candidate, outcome, "" if outcome == "applied" else "It says why")
    settings = Settings(host="gpu1", remote="/srv/site.git", inventory="hosts.yml")
    found = {**agent.rendered(settings, known, run, at(minutes)), **other}
    OF_NODES.validate(found)
    return found


def merge(*of_nodes: Said, reports: tuple[Said, ...] = ()) -> Said:
    found = merged(reports, {"gpu1": GROUPS}, NOW, [pulled.as_drift(one, GROUPS, NOW) for one in of_nodes])
    VALIDATOR.validate(found)
    return found


def test_the_schema_is_one_and_its_format_is_the_program_s() -> None:
    Draft202012Validator.check_schema(OF_NODES.schema)
    assert OF_NODES.schema["properties"]["format"]["const"] == pulled.FORMAT == agent.REPORT_FORMAT
    known = {state.APPLIED, state.FAILED, state.REFUSED, state.UNREACHABLE, *state.GOOD}
    for outcome in (
        OF_NODES.schema["properties"]["outcome"],
        VALIDATOR.schema["$defs"]["host"]["properties"]["pull"]["properties"]["outcome"],
    ):
        assert set(outcome["enum"]) == known


@pytest.mark.parametrize(
    ("of_node", "expected", "message", "since"),
    [
        (said(), "equal", f"Pulls: applied, {ONE[:12]}", None),
        (said(drift=made(10, gpu1=EQUAL)), "equal", "", None),
        (said(drift=made(10, gpu1=DRIFTED)), "drifted", "", None),
        (said(outcome="refused", candidate=OTHER, since=at(99)), "drifted", "Pulls: refused: It says why", 99),
        (said(outcome="failed", candidate=OTHER, since=at(99)), "drifted", "Pulls: failed: It says why", 99),
        (said(outcome="failed", since=at(99)), "unknown", "Pulls: failed: It says why", 99),
        (said(outcome="failed", candidate="", since=at(99)), "unknown", "Pulls: failed: It says why", 99),
        (said(outcome="unreachable", candidate="", since=at(99)), "unknown", "Pulls: unreachable: It says why", 99),
        (said(outcome="stopped", candidate="", since=at(99)), "unknown", "Pulls: stopped: It says why", 99),
        (said(74), "equal", f"Pulls: applied, {ONE[:12]}", None),
        (
            said(76, drift=made(76, gpu1=EQUAL)),
            "unknown",
            f"Last report 1 h ago (applied, {ONE[:12]}): it is off, or its reports do not arrive",
            1,
        ),
        (
            said(3000, outcome="failed"),
            "unknown",
            f"Last report 2 d ago (failed, {ONE[:12]}): it is off, or its reports do not arrive",
            2925,
        ),
        (said(-9), "equal", f"Pulls: applied, {ONE[:12]}", None),
        (said(-11), "unknown", f"Its report is of {at(-11)}, which is yet to come: compare the node's clock", 0),
    ],
)
def test_the_state_of_a_node_that_pulls(of_node: Said, expected: str, message: str, since: int | None) -> None:
    host = merge(of_node)["hosts"]["gpu1"]
    assert (host["state"], host["message"], host["groups"]) == (expected, message, ["gpu_nodes"])
    assert host["since"] == (None if since is None else (NOW - timedelta(minutes=since)).isoformat())
    assert (host["pull"]["commit"], host["pull"]["outcome"]) == (ONE, of_node["outcome"])
    assert bool(host["layers"]) == (not message)


def test_the_commit_of_the_report_is_that_of_the_nodes() -> None:
    assert merge(said())["site"]["commit"] == ONE
    assert merge(said(), reports=(made(5, ONE, gpu2=EQUAL),))["site"]["path"] == "/srv/site"
    assert merge(said(), reports=(made(5, OTHER, gpu2=EQUAL),))["site"]["commit"] is None
    assert merge(said(outcome="failed", commit=""))["site"]["note"] == "There are no reports"


@pytest.mark.parametrize(
    ("of_node", "pushed", "expected"),
    [
        (said(10), made(5, gpu1=DRIFTED), "drifted"),
        (said(5), made(10, gpu1=DRIFTED), "equal"),
        (said(10), made(5, gpu1=GONE), "equal"),
        (said(80), made(5, gpu1=GONE), "unreachable"),
        (said(80), made(85, gpu1=EQUAL), "unknown"),
        (said(80), made(5, gpu1=EQUAL), "equal"),
    ],
)
def test_of_push_and_pull_the_newer_counts(of_node: Said, pushed: Said, expected: str) -> None:
    assert merge(of_node, reports=(pushed,))["hosts"]["gpu1"]["state"] == expected


def test_how_long_nodes_have_been_silent_is_no_time_of_a_run() -> None:
    assert merge(said(3000), reports=(made(5, gpu2=EQUAL),))["seconds"] == 30
    assert merge(said(3000))["seconds"] == 0


def test_a_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "gpu1.json").write_text(json.dumps(said()))
    (tmp_path / ".gpu1.json").write_text("what rsync has not ended")
    (tmp_path / "README").write_text("a person's")
    found = pulled.gather(tmp_path, {"gpu1": GROUPS}, NOW)
    assert ([list(one["hosts"]) for one in found.reports], found.left_out) == ([["gpu1"]], {})
    with pytest.raises(EvenkeelError, match="There is no folder"):
        pulled.gather(tmp_path / "nowhere", {}, NOW)


def test_a_folder_that_can_not_be_read_is_not_taken_for_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(folder: object) -> list[str]:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    monkeypatch.setattr(os, "listdir", denied)
    with pytest.raises(EvenkeelError, match=f"{tmp_path}: Permission denied"):
        pulled.gather(tmp_path, {"gpu1": GROUPS}, NOW)


def since(report: Said, text: str) -> Said:
    report["hosts"]["gpu1"]["since"] = text
    return report


def nested(levels: int) -> list[Any]:
    return [nested(levels - 1)] if levels else []


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_text(""), "is no JSON"),
    "garbage": (lambda path: path.write_bytes(b"\xff\x00{"), "is no JSON"),
    "deep": (lambda path: path.write_text("[" * 100_000), "is no JSON"),
    "list": (lambda path: path.write_text("[]"), "has the format None"),
    "later": (lambda path: path.write_text(json.dumps({**said(), "format": 2})), "has the format 2"),
    "truncated": (lambda path: path.write_text(json.dumps(said())[:-9]), "is no JSON"),
    "missing": (lambda path: path.write_text('{"format": 1}'), "is no report of a node that pulls"),
    "day": (lambda path: path.write_text(json.dumps({**said(), "ended": "2026-13-01T00:00:00Z"})), "see ended"),
    "week": (lambda path: path.write_text(json.dumps({**said(), "since": "2026-W01-1T00:00:00+00:00"})), "see since"),
    "first": (
        lambda path: path.write_text(
            json.dumps({**said(), "drift": since(made(1, gpu1=DRIFTED), "0001-01-01T00:00:00+23:59")})
        ),
        "see drift.hosts.gpu1.since",
    ),
    "nan": (lambda path: path.write_text(json.dumps({**said(), "more": float("nan")})), "NaN is no number"),
    "infinite": (lambda path: path.write_text(json.dumps(said())[:-1] + ', "more": 1e999}'), "1e999 is no"),
    "nested": (lambda path: path.write_text(json.dumps({**said(), "more": nested(500)})), "is nested too deeply"),
    "commit": (lambda path: path.write_text(json.dumps({**said(), "commit": "../../etc"})), "see commit"),
    "drift": (lambda path: path.write_text(json.dumps({**said(), "drift": {"hosts": 1}})), "is no report"),
    "other": (lambda path: path.write_text(json.dumps({**said(), "host": "gpu2"})), "is the report of 'gpu2'"),
    "inner": (lambda path: path.write_text(json.dumps({**said(), "drift": made(1, gpu2=EQUAL)})), "report of 'gpu1'"),
    "huge": (lambda path: os.truncate(path, 1 << 40), "is larger than 1024 KiB"),
    "folder": (lambda path: (path.unlink(), path.mkdir()), "is a directory"),
    "pipe": (pipe, "is a pipe"),
    "dangling": (lambda path: (path.unlink(), path.symlink_to("nowhere")), "is gone"),
    "device": (lambda path: (path.unlink(), path.symlink_to("/dev/zero")), "is a device"),
}


@pytest.mark.parametrize("which", BAD)
def test_a_bad_file_is_named_and_hides_no_other(tmp_path: Path, which: str) -> None:
    spoil, words = BAD[which]
    for name in ("gpu1", "gpu3"):
        (tmp_path / f"{name}.json").write_text(json.dumps({**said(), "host": name}))
    spoil(tmp_path / "gpu1.json")
    hosts = {"gpu1": GROUPS, "gpu3": GROUPS}
    found = pulled.gather(tmp_path, hosts, NOW)
    assert str(tmp_path / "gpu1.json") in found.left_out["gpu1"]
    assert words in found.left_out["gpu1"]
    shown = merged([], hosts, NOW, found.reports, found.left_out)["hosts"]
    assert {name: host["state"] for name, host in shown.items()} == {"gpu1": "unknown", "gpu3": "equal"}
    assert words in shown["gpu1"]["message"]


def test_a_node_that_the_inventory_no_longer_has_is_named(tmp_path: Path) -> None:
    (tmp_path / "gpu9.json").write_text(json.dumps(said(3000)))
    found = pulled.gather(tmp_path, {"gpu1": GROUPS}, NOW)
    assert found.reports == []
    assert "the inventory has no gpu9. Delete the file" in found.left_out["gpu9"]
