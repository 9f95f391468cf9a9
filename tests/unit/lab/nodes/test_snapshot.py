# SPDX-License-Identifier: GPL-3.0-or-later
"""What a snapshot of a node passes over is listed with its reason, and nothing that is Evenkeel's is."""

from __future__ import annotations

import fnmatch
from pathlib import Path

import pytest
import yaml

from lab.nodes import snapshot

LISTED = yaml.safe_load(Path(snapshot.__file__).with_suffix(".yml").read_text())


def passed_over(path: str) -> bool:
    """Whether find would pass over a path, as its ``-path`` matches."""
    parents = [path, *map(str, Path(path).parents)]
    return any(fnmatch.fnmatchcase(one, pattern) for entry in LISTED for pattern in entry["paths"] for one in parents)


def test_what_is_written_down_is_compared_by_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {"a": frozenset(["/etc/x 644", "/opt/ 755"]), "b": frozenset(["/opt/ 755"])}
    monkeypatch.setattr(snapshot, "of", lambda _: before)
    snapshot.main("group", str(tmp_path / "before.json"))
    assert snapshot.read(tmp_path / "before.json") == before
    after = {"a": frozenset(["/etc/x 600", "/opt/ 755"]), "b": frozenset(["/opt/ 755", "/srv/ 755"])}
    assert snapshot.difference(before, before) == []
    assert snapshot.difference(before, after) == ["a + /etc/x 600", "a - /etc/x 644", "b + /srv/ 755"]


def test_each_is_listed_with_its_reason_and_passed_over() -> None:
    assert all(entry.keys() == {"paths", "why"} and entry["why"] for entry in LISTED)
    assert all(f"-path {path}" in snapshot.COMMAND.replace("'", "") for entry in LISTED for path in entry["paths"])


@pytest.mark.parametrize(
    "path", ["/var/log/syslog", "/home/ana/mine.ipynb", "/home/ops/.ansible/tmp", "/root/.ansible"]
)
def test_what_programs_and_people_write_is_passed_over(path: str) -> None:
    assert passed_over(path)


@pytest.mark.parametrize("folder", ["/opt", "/etc", "/var/lib/evenkeel", "/usr/local/sbin", "/home", "/root/.bashrc"])
def test_nothing_of_ours_is_passed_over(folder: str) -> None:
    assert not passed_over(folder)
